"""What tests of the real engine share: a rehearsal home of their own and the commands they run in it.

Nothing here asserts what the program should do; `Result.ok` and `Result.failed` only save every test the
same two lines.
"""

import contextlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from docker.errors import APIError  # type: ignore[import-untyped]
from docker.models.containers import Container  # type: ignore[import-untyped]

from rehearsal import authority, docker_hosts, home, outside, warm
from rehearsal.docker_engine import Engine, images, processes
from rehearsal.docker_engine.building import ImageRef
from rehearsal.standin.account import Account

TIMEOUT: Final = 900  # seconds a command may take before the test gives up on it
WATCH_SECONDS: Final = 2  # of a new task of the socket server, where they run


@dataclass(frozen=True)
class Result:
    """What a command did."""

    command: tuple[str, ...]
    code: int
    stdout: str
    stderr: str

    @property
    def text(self) -> str:
        return self.stdout + self.stderr

    def ok(self) -> "Result":
        """Itself, or an assertion error with everything it said."""
        assert self.code == 0, f"{' '.join(self.command)} ended with {self.code}:\n{self.text}"
        return self

    def failed(self) -> "Result":
        """Itself, or an assertion error when it succeeded or died with a traceback."""
        assert self.code != 0, f"{' '.join(self.command)} succeeded:\n{self.text}"
        assert "Traceback" not in self.text, self.text
        return self


class Running:
    """A command at work, with everything that it has started."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.pid = process.pid
        self.held: Path | None = None  # what it waits for

    @property
    def at_work(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """End it as a power cut would, its children too."""
        processes.kill_tree([self.pid])
        self._process.wait()

    def line(self) -> str:
        """The next line that it says; "" at its end."""
        return self._process.stdout.readline() if self._process.stdout else ""

    def finish(self) -> Result:
        """Let it go on, and wait for its end."""
        if self.held:
            self.held.unlink(missing_ok=True)
        said, _ = self._process.communicate(timeout=TIMEOUT)
        return Result(tuple(map(str, self._process.args)), self._process.returncode, said, "")  # type: ignore[arg-type]


class RehearsalHome:
    """One rehearsal home in a folder of a test: stacks, secrets and accounts that nobody else uses."""

    def __init__(self, made: home.Home) -> None:
        self.home = made
        self.folder: Path = made.folder
        self._accounts: dict[str, Account] = {}

    def run(
        self, *command: str, stdin: str = "", env: Mapping[str, str] | None = None, cwd: Path = home.CLONE
    ) -> Result:
        """Any command in the home's environment, from the clone's root. `env` is added to it."""
        done = subprocess.run(
            command,
            input=stdin, capture_output=True, text=True, timeout=TIMEOUT, check=False, cwd=cwd,
            env=self.home.env() | {"NO_COLOR": "1"} | dict(env or {}),
        )  # fmt: skip
        return Result(command, done.returncode, done.stdout, done.stderr)

    def pulumi(self, *arguments: str, stdin: str = "", env: Mapping[str, str] | None = None) -> Result:
        """A plain pulumi command, as a person in this environment would type it."""
        return self.run("pulumi", *arguments, "--non-interactive", "--color", "never", stdin=stdin, env=env)

    def operations(self, *arguments: str, stdin: str = "") -> Result:
        """`python -m operations ...`, warm where there is a warm Python."""
        return self.run(*warm.command((sys.executable, "-m", "operations", *arguments)), stdin=stdin)

    @contextmanager
    def hanging(self, verb: str, kind: str, *command: str) -> Iterator[Running]:
        """A command that hangs where Vercel is asked to `verb` a `kind`, as the block sees it.

        It goes on when the block waits for its end, and is killed when the block leaves it at work.
        """
        vercel, held = self.account("vercel"), self.folder / "held"
        held.touch()
        with vercel.transaction():
            vercel.put("fault", "1", {"verb": verb, "kind": kind, "hang": str(held)})
        with self.started(*command) as running:
            running.held = held
            reached = processes.wait_until(lambda: vercel.find("fault") == [] or not running.at_work, TIMEOUT)
            assert reached, f"it never came to {verb} a {kind}"
            assert running.at_work, running.finish().text
            yield running

    @contextmanager
    def started(self, *command: str) -> Iterator[Running]:
        """A command at work beside the block, killed when the block leaves it so."""
        process = subprocess.Popen(
            command, env=self.home.env() | {"NO_COLOR": "1"}, cwd=home.CLONE, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        running = Running(process)
        with process:
            try:
                yield running
            finally:
                if running.at_work:
                    running.kill()

    def adopt(self, stack: str) -> Result:
        return self.operations("adopt", "--stack", stack, "--yes").ok()

    def up(self, stack: str, *options: str) -> Result:
        """An update that has to succeed."""
        return self.pulumi("up", "-s", stack, "--yes", "--skip-preview", *options).ok()

    def preview_json(self, stack: str, *options: str) -> dict[str, Any]:
        """The plan of a preview that has to succeed: `steps`, `changeSummary`, `diagnostics`."""
        plan: dict[str, Any] = json.loads(self.pulumi("preview", "-s", stack, "--json", *options).ok().stdout)
        return plan

    def operations_planned(self, stack: str, *options: str) -> dict[str, str]:
        """Logical name -> operation (create, update, replace, ...) of everything a preview would change."""
        return {
            step["urn"].split("::")[-1]: step["op"]
            for step in self.preview_json(stack, *options).get("steps", [])
            if step["op"] not in ("same", "refresh")
        }

    def account(self, service: str) -> Account:
        """The live objects of `vercel` or `github`."""
        if service not in self._accounts:
            self._accounts[service] = Account(self.home.account, service)
        return self._accounts[service]

    def set_config(
        self, stack: str, key: str, value: str, *, secret: bool = False, path: bool = False
    ) -> None:
        """`pulumi config set`, the value through standard input."""
        options = [*(["--secret"] if secret else ["--plaintext"]), *(["--path"] if path else [])]
        self.pulumi("config", "set", *options, key, "-s", stack, "--raw", stdin=value).ok()

    def remove_config(self, stack: str, key: str, *, path: bool = False) -> None:
        self.pulumi("config", "rm", key, "-s", stack, *(["--path"] if path else [])).ok()

    def config(self, stack: str, key: str) -> str:
        """A value of the stack file in the clear."""
        return self.pulumi("config", "get", key, "-s", stack).ok().stdout.removesuffix("\n")

    def edit(self, stack: str, **values: Any) -> None:
        """Write plain values of any type into the stack file, as an editor would; None removes a key."""
        self.home.edit(stack, **values)

    def export(self, stack: str) -> dict[str, Any]:
        """The stack's state as it is stored: secrets encrypted."""
        state: dict[str, Any] = json.loads(self.pulumi("stack", "export", "-s", stack).ok().stdout)
        return state

    def resources(self, stack: str) -> dict[str, dict[str, Any]]:
        """Logical name -> resource of the state."""
        found = self.export(stack)["deployment"].get("resources") or []
        return {resource["urn"].split("::")[-1]: resource for resource in found}

    def outputs(self, stack: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            self.pulumi("stack", "output", "--json", "--show-secrets", "-s", stack).ok().stdout
        )
        return found

    def copy(self, folder: Path) -> "RehearsalHome":
        """A second home that starts where this one is now."""
        return RehearsalHome(home.copy(self.home, folder))

    def close(self) -> None:
        outside.stop(self.folder)  # a whole rehearsal starts it,
        docker_hosts.stop(self.folder)  # and them
        for account in self._accounts.values():
            account.close()


class DockerHome(RehearsalHome):
    """A rehearsal home whose two Docker hosts run, with the image of every release of the demo account."""

    served = False
    """Both stacks run as their stack files say, and whoever uses the home leaves them so."""

    def __init__(self, source: RehearsalHome, folder: Path) -> None:
        super().__init__(home.copy(source.home, folder))
        self._source = source
        self._prepare()

    def renew(self) -> None:
        """As new: stacks, account and state of the source, and nothing but images on the hosts."""
        for account in self._accounts.values():
            account.close()
        self._accounts.clear()
        outside.stop(self.folder)
        self.clear()
        for path in self.folder.iterdir():
            if path.name not in (*home.HOST_FOLDERS, authority.FOLDER, "lock"):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()
        self.home = home.copy(self._source.home, self.folder)
        self._prepare()

    def clear(self) -> None:
        """Remove what runs on the hosts, and what was made for it; images stay."""
        self.served = False
        self.hosts = docker_hosts.ensure(self.folder)
        for host in (self.hosts.socket, self.hosts.monitor):
            _clear(host.engine)

    def _prepare(self) -> None:
        self.hosts = docker_hosts.ensure(self.folder)
        self.images = docker_hosts.stock(self.hosts)
        docker_hosts.name(self.home, self.images)
        for stack in home.STACKS:  # no claim of these tests is about its length
            self.edit(stack, socketWatchSeconds=WATCH_SECONDS)

    def up_all(self) -> None:
        """Both stacks applied, side by side."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(self.up, home.STACKS))

    def image(self, sha: str, fault: str = "") -> ImageRef:
        """The socket image of a release, sound or with one of `images.FAULTS`."""
        return images.socket_server(self.hosts.socket, sha, fault=fault)

    def serve(self, stack: str, image: ImageRef) -> None:
        """Name a socket image in the stack file, the one named before as N-1; `up` deploys it."""
        release, digest = (self.config(stack, key) for key in ("socketRelease", "socketDigest"))
        if release != image.tag:
            self.edit(stack, previousSocketRelease=release, previousSocketDigest=digest)
        self.edit(stack, socketRelease=image.tag, socketDigest=image.digest)

    def ask(self, stack: str, path: str = "/healthz") -> tuple[int, str]:
        """What the stack's proxy answers, over TLS where it has any. Raises OSError or HTTPException."""
        return docker_hosts.endpoint(self.home, stack).get(path)

    def serves(self, stack: str) -> str:
        """Git SHA of the release that answers `/healthz`; empty when none does."""
        return docker_hosts.endpoint(self.home, stack).release()

    def comes_to_serve(self, stack: str, release: str) -> bool:
        """Wait until a release answers: old and new ones take turns for a moment."""
        return processes.wait_until(lambda: self.serves(stack) == release, TIMEOUT)


def _clear(engine: Engine) -> None:
    """Nothing that a stack could have made is left on an engine, but for images."""
    with contextlib.closing(engine.client()) as client:
        for service in client.services.list():
            service.remove()

        def left() -> list[Any]:
            kinds = (client.configs, client.secrets, client.networks, client.volumes)
            made = [each for kind in kinds for each in kind.list() if each.name not in _ENGINES_OWN]
            return [*client.containers.list(all=True, ignore_removed=True), *made]

        def emptied() -> bool:
            for each in left():
                with contextlib.suppress(APIError):  # in use a moment longer, or Swarm removes it too
                    each.remove(**({"force": True} if isinstance(each, Container) else {}))
            return not left()

        assert processes.wait_until(emptied, TIMEOUT, 0.1), f"{engine.id} does not get empty"


_ENGINES_OWN: Final = ("bridge", "host", "none", "ingress", "docker_gwbridge")
"""Networks that an engine makes for itself."""


def processes_of(engine: Engine) -> list[tuple[int, str]]:
    """Processes that name the engine in their arguments: daemons, shims, the registry."""
    lines = ((pid, " ".join(arguments)) for pid, arguments in processes.running())
    return [(pid, line) for pid, line in lines if engine.id in line]
