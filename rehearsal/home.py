"""The rehearsal's home: everything it keeps, in one folder that git ignores.

Owns PULUMI_HOME with the stand-ins as provider plugins, the file backend, the passphrase, the project file
and stack files, the account, and the environment with which plain `pulumi` commands work on them. Which
values the stack files hold is `stack_files`' business, what the account starts with is the seeds'.
"""

import importlib.util
import json
import os
import secrets
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import yaml

from rehearsal import demo, engine, files, warm
from rehearsal.cache import Progress, locked
from rehearsal.docker_engine import Engine

CLONE: Final = Path(__file__).resolve().parent.parent
FOLDER: Final = CLONE / ".rehearsal"
STACKS: Final = ("staging", "production")
# Python package of each SDK whose provider is stood in for.
STAND_INS: Final = {"vercel": "pulumiverse_vercel", "github": "pulumi_github", "docker": "pulumi_docker"}
ACCOUNTS: Final = ("vercel", "github")  # those whose objects the rehearsal keeps; Docker's are real
HOST_FOLDERS: Final = ("docker", "monitor", "registry")
"""What belongs to the Docker hosts: socket host, monitoring host, registry. A copy goes without them."""

LOGS: Final = "logs"
MARK: Final = "made-by-rehearsal"  # `reset` removes no folder without it
_READY: Final = "ready"
_LANGUAGE_HOST: Final = CLONE / "rehearsal" / "engine" / "language_host.py"


class HomeError(Exception):
    """The home cannot be used; the message says which command mends it."""


@dataclass(frozen=True)
class Home:
    """One home: a folder and the engine it uses."""

    folder: Path
    engine: engine.EnginePaths

    @property
    def account(self) -> Path:
        """The stand-ins' database."""
        return self.folder / "account.db"

    @property
    def logs(self) -> Path:
        return self.folder / LOGS

    def stack_file(self, stack: str) -> Path:
        return self.folder / f"Pulumi.{stack}.yaml"

    def edit(self, stack: str, **values: Any) -> None:
        """Write plain values of any type into the stack file, as an editor would; None removes a key."""
        from plan.settings import PROJECT  # noqa: PLC0415  slow to import, and rarely needed

        file = self.stack_file(stack)
        content = yaml.safe_load(file.read_text())
        for key, value in values.items():
            content["config"].pop(f"{PROJECT}:{key}", None)
            if value is not None:
                content["config"][f"{PROJECT}:{key}"] = value
        files.write(file, yaml.safe_dump(content, sort_keys=True, width=4096))

    def stacks(self) -> list[dict[str, Any]]:
        """The stacks as the engine lists them: name, resourceCount, lastUpdate, updateInProgress."""
        listed: list[dict[str, Any]] = json.loads(_pulumi(self, "stack", "ls", "--json"))
        return sorted(listed, key=lambda stack: (*STACKS, stack["name"]).index(stack["name"]))

    def variables(self) -> dict[str, str]:
        """The environment's own part: what `python -m rehearsal env` exports."""
        return {
            "PATH": _path([str(self.engine.bin), *_venv()]),
            "PULUMI_HOME": str(self.folder / "home"),
            # Without it a kill can leave a state that cannot be read (ADR 0010).
            "PULUMI_BACKEND_URL": f"file://{self.folder / 'state'}?metadata=skip",
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(self.folder / "passphrase"),
            "PULUMI_OPTION_CWD": str(self.folder),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_AUTOMATION_API_SKIP_VERSION_CHECK": "true",
            "PULUMI_SUPPRESS_NEO_LINK": "true",
            # A plugin on PATH would reach the real services, a download would replace the stand-ins.
            "PULUMI_IGNORE_AMBIENT_PLUGINS": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PAINTSHARE_PYTHON": sys.executable,
            "PAINTSHARE_LANGUAGE_HOST": str(_LANGUAGE_HOST),
            **warm.variables(),
            "PAINTSHARE_ACCOUNT": str(self.account),
            # No DNS server knows the demo's domains (operations.services.monitor).
            "PAINTSHARE_MONITOR_ADDRESS": engines(self.folder)[1].address,
            "VERCEL_API_TOKEN": demo.VERCEL_TOKEN,
            "GITHUB_TOKEN": demo.GITHUB_TOKEN,
        }

    def env(self) -> dict[str, str]:
        """The whole environment of a command that runs in this home."""
        return {k: v for k, v in os.environ.items() if k not in _UNSET} | self.variables()

    def script(self) -> str:
        """`variables` as commands of a POSIX shell."""
        lines = [f"unset {' '.join(_UNSET)}"]
        lines += [f"export {name}={shlex.quote(value)}" for name, value in self.variables().items()]
        return "\n".join(lines) + "\n"


# They would win over the home's passphrase, or point the plugins at something else.
_UNSET: Final = ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_STACK", "GITHUB_BASE_URL", "GITHUB_OWNER", "VERCEL_TEAM")


def ensure(folder: Path = FOLDER, progress: Progress = lambda _: None) -> Home:
    """The home in `folder`, made ready if need be: seconds the first time, milliseconds afterwards.

    Raises EngineError or HomeError with the command that mends it.
    """
    claim(folder)
    home = Home(folder.absolute(), engine.ensure(progress))
    with locked(home.folder / "lock", progress, "another command is preparing the rehearsal; waiting for it"):
        _write_project(home)
        _write_plugins(home)
        if not (home.folder / _READY).exists():
            _populate(home, progress)
            (home.folder / _READY).touch()
    return home


def engines(folder: Path) -> tuple[Engine, Engine]:
    """The socket host and the monitoring host of the home in `folder`, whether they were made yet or not."""
    return Engine(folder.absolute() / HOST_FOLDERS[0]), Engine(folder.absolute() / HOST_FOLDERS[1])


def claim(folder: Path) -> None:
    """Make the folder, so that its Docker hosts can start before its engine is there. Raises HomeError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    mark = folder / MARK
    if not mark.exists():
        if any(folder.iterdir()):
            raise HomeError(f"{folder} holds something else; move it away")
        mark.write_text("`python -m rehearsal reset` removes this folder.\n")


def existing(folder: Path = FOLDER) -> bool:
    """True when there is a home that is ready."""
    return (folder / _READY).exists()


def copy(source: Home, folder: Path) -> Home:
    """A second home with the first one's account, stacks and secrets, in a folder without any yet.

    Its Docker hosts are its own, and empty: the first one's are neither copied nor named in it.
    """
    left_out = shutil.ignore_patterns("lock", LOGS, *HOST_FOLDERS)
    shutil.copytree(source.folder, folder, symlinks=True, ignore=left_out, dirs_exist_ok=True)
    home = Home(folder.absolute(), source.engine)
    _write_project(home)
    hosts = [
        (str(theirs.short), str(ours.short))
        for theirs, ours in zip(engines(source.folder), engines(folder), strict=True)
    ]
    for file in (*map(home.stack_file, STACKS), *(folder / "state").rglob("*.json*")):
        text = file.read_text()
        for theirs, ours in hosts:
            text = text.replace(theirs, ours)
        files.write(file, text)
    return home


def _write_project(home: Home) -> None:
    """Pulumi.yaml as committed, pointing at the clone, and the .venv that it names (official host only)."""
    main = os.path.relpath(CLONE, home.folder)
    files.write(home.folder / "Pulumi.yaml", f"main: {main}\n" + (CLONE / "Pulumi.yaml").read_text())
    link = home.folder / ".venv"
    if not link.is_symlink():
        link.symlink_to(CLONE / ".venv")


def _write_plugins(home: Home) -> None:
    """A script for each stand-in, where the engine looks for the version that the SDK asks for."""
    for service, package in STAND_INS.items():
        folder = home.folder / "home" / "plugins" / f"resource-{service}-v{_plugin_version(package)}"
        folder.mkdir(parents=True, exist_ok=True)
        files.write(
            folder / f"pulumi-resource-{service}",
            _PLUGIN.format(
                python=shlex.quote(sys.executable),
                clone=shlex.quote(str(CLONE)),
                client=shlex.quote(str(warm.CLIENT)),
                service=service,
            ),
            mode=0o755,
        )


_PLUGIN: Final = """\
#!/bin/sh
set -- {service} --account "${{0%/*}}/../../../account.db" "$@"
[ -z "$PAINTSHARE_WARM" ] || exec {python} -P {client} standin "$@"
PYTHONPATH={clone} exec {python} -m rehearsal.standin "$@"
"""


def _plugin_version(package: str) -> str:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise HomeError(f"the package {package} is not installed here: make install")
    return str(json.loads((Path(spec.origin).parent / "pulumi-plugin.json").read_text())["version"])


def _populate(home: Home, progress: Progress) -> None:
    """Stacks, secrets and account, anew: what an interrupted attempt left is removed first."""
    from rehearsal.standin import seeds  # noqa: PLC0415  slow to import, and needed once

    progress("preparing the rehearsal's stacks, secrets and account")
    for name in ("state", "passphrase", *(home.stack_file(stack).name for stack in STACKS)):
        _discard(home.folder / name)
    for file in home.folder.glob("account.db*"):
        file.unlink()
    (home.folder / "state").mkdir()
    (home.folder / "passphrase").touch(mode=0o600)
    (home.folder / "passphrase").write_text(secrets.token_urlsafe(32))
    seeds.seed(home.account)
    today, fingerprint_key = date.today(), secrets.token_urlsafe(32)
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda stack: _write_stack(home, stack, today, fingerprint_key), STACKS))
    _pulumi(home, "stack", "select", STACKS[0])
    _keep_record(home)


def _keep_record(home: Home) -> None:
    """A git repository of the stack files, in which the verbs record what they do."""
    if shutil.which("git") is None:
        return
    _discard(home.folder / ".git")
    files.write(home.folder / ".gitignore", "*\n!.gitignore\n!Pulumi.*.yaml\n.Pulumi.*\n")
    identity = {"user.name": "rehearsal", "user.email": "rehearsal@localhost", "commit.gpgsign": "false"}
    for command in (
        ("init", "--quiet", "--initial-branch", "main"),
        *(("config", key, value) for key, value in identity.items()),
        ("add", "."),
        ("commit", "--quiet", "--message", "A new rehearsal"),
    ):
        done = subprocess.run(
            ["git", "-C", home.folder, *command], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise HomeError(f"git {command[0]} failed in {home.folder}:\n{done.stderr.strip()}")


def _write_stack(home: Home, stack: str, today: date, fingerprint_key: str) -> None:
    """Create the stack and its file. Secrets go to the engine through standard input, never as arguments."""
    from rehearsal import stack_files  # noqa: PLC0415  slow to import, and needed once

    values = stack_files.render(stack, today, fingerprint_key)
    _pulumi(home, "stack", "init", stack, "--no-select")
    for key, value in values.secrets.items():
        _pulumi(home, "config", "set", "--secret", key, "--stack", stack, "--raw", stdin=value)
    home.edit(stack, **values.config | {"socketHost": engines(home.folder)[0].host})


def _pulumi(home: Home, *arguments: str, stdin: str = "") -> str:
    """Standard output of a command. Raises HomeError with what it said when it fails."""
    # --cwd beside PULUMI_OPTION_CWD: a `config set` in another folder would edit the committed files.
    done = subprocess.run(
        [home.engine.pulumi, "--cwd", home.folder, *arguments, "--non-interactive"],
        input=stdin, capture_output=True, text=True, env=home.env(), check=False,
    )  # fmt: skip
    if done.returncode:
        raise HomeError(f"pulumi {' '.join(arguments)} failed:\n{done.stderr.strip()}")
    return done.stdout


def _venv() -> Iterable[str]:
    """The folder of this Python, so that `python -m operations` finds what it needs."""
    return [str(Path(sys.executable).parent)] if sys.prefix != sys.base_prefix else []


def _path(first: list[str]) -> str:
    rest = [part for part in os.environ.get("PATH", os.defpath).split(os.pathsep) if part not in first]
    return os.pathsep.join([*first, *rest])


def _discard(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
