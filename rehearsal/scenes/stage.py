"""What a scene is played on: a home with both stacks, what was said there, and what its stores say."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from plan.settings import PROJECT
from plan.variables import secret_keys
from rehearsal import docker_hosts, home, warm
from rehearsal.docker_engine.registry import Registry
from rehearsal.home import Home, engines
from rehearsal.standin.account import Account, Document

STAGING, PRODUCTION = home.STACKS


class SceneError(Exception):
    """A scene did not end as it must; the message says what differs."""


@dataclass(frozen=True)
class Said:
    """What a command printed, and how it ended."""

    words: tuple[str, ...]
    code: int
    text: str


@dataclass(frozen=True)
class Fact:
    """One thing that a store was asked: `found` must equal `wanted`, and `told` is said of it."""

    what: str
    found: object
    wanted: object
    told: str = ""


@dataclass(frozen=True, kw_only=True)
class Verb:
    """`python -m operations WORDS`, as a person types it. `{name}`s are filled in from the stage."""

    words: str
    code: int = 0
    says: str = ""
    stdin: Callable[["Stage", str], str] | None = None  # by the stack
    each: bool = False  # for both stacks, `{stack}`, at the same time


@dataclass
class Stage:
    """A home with both stacks applied, and the two releases of the play."""

    home: Home
    registry: Registry | None  # None: no Docker here
    feature: str = ""
    bad: str = ""
    said: list[Said] = field(default_factory=list)
    kept: dict[str, Any] = field(default_factory=dict)  # by scenes, for later ones
    edge_config_url: str = ""  # of the scene that is played

    def __post_init__(self) -> None:
        if self.feature:
            return
        named = {str(self.config(stack).get(key, "")) for stack in home.STACKS for key in _RELEASES}
        named |= {sha for stack in home.STACKS for sha in self.config(stack).get("rolledBack", {}).values()}
        last = max(3, *(int(sha[:1] or "0", 16) for sha in named))
        # Releases of their own at each repetition, as long as there are digits.
        self.feature, self.bad = (f"{4 + (last - 3 + n) % 12:x}" * 40 for n in (0, 1))

    def account(self, service: str) -> Account:
        return Account(self.home.account, service)

    def config(self, stack: str) -> dict[str, Any]:
        """The plain keys of a stack file."""
        content = yaml.safe_load(self.home.stack_file(stack).read_text())["config"]
        return {key.removeprefix(f"{PROJECT}:"): value for key, value in content.items()}

    def secrets(self, stack: str) -> dict[str, str]:
        """Every secret of the matrix that the stack file holds, in the clear."""
        shown = json.loads(self.run("pulumi", "config", "--stack", stack, "--show-secrets", "--json").text)
        values = {key.removeprefix(f"{PROJECT}:"): entry.get("value", "") for key, entry in shown.items()}
        return {key: value for key, value in values.items() if key in secret_keys() and value}

    def variables(self, key: str, environment: str) -> list[str]:
        """The values of a variable at Vercel in one environment of the plan."""
        account = self.account("vercel")
        with contextlib.closing(account):
            custom = {id for id, found in account.find("environment") if found["name"] == environment}
            return [
                document["value"]
                for _, document in account.find("variable", key=key)
                if environment in document["targets"] or custom & set(document["customEnvironmentIds"])
            ]

    def digest(self, sha: str) -> str:
        """Digest of a release's socket image; empty where none was built."""
        return str(self.kept.get(f"digest {sha}", ""))

    def run(self, *command: str, stdin: str = "") -> Said:
        done = subprocess.run(
            warm.command(command), cwd=home.CLONE, env=self.home.env() | {"NO_COLOR": "1"}, input=stdin,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        return Said(command, done.returncode, done.stdout)

    def operations(self, verb: Verb, stack: str = "") -> None:
        """Run a verb and note what it said. Raises SceneError unless it ends and speaks as it must."""
        known = {"feature": self.feature, "bad": self.bad, "stack": stack}
        known |= {"image": self._image(self.feature), "bad_image": self._image(self.bad)}
        words = verb.words.format_map(known).split()
        stdin = verb.stdin(self, stack) if verb.stdin else ""
        said = self.run(sys.executable, "-m", "operations", *words, stdin=stdin)
        self.said.append(Said(("python", "-m", "operations", *words), said.code, said.text))
        if said.code != verb.code:
            raise SceneError(f"`operations {' '.join(words)}` ended with {said.code}, not {verb.code}")
        if verb.says.format_map(known) not in said.text:
            raise SceneError(f"`operations {' '.join(words)}` does not say {verb.says.format_map(known)!r}")

    def _image(self, sha: str) -> str:
        digest = self.digest(sha)
        return f"--digest {digest}" if digest else ""

    # --- what the stores say ------------------------------------------------------------------------------

    def served(self, stack: str) -> Document:
        """The deployment behind the stack's domain; empty when it serves nothing."""
        account = self.account("vercel")
        with contextlib.closing(account):
            alias = account.get("alias", self.config(stack)["webDomain"]) or {}
            id = str(alias.get("deploymentId", ""))
            return {"id": id, **(account.get("deployment", id) or {})}

    def builds(self, **wanted: str) -> set[str]:
        account = self.account("vercel")
        with contextlib.closing(account):
            return {id for id, _ in account.find("deployment", **wanted)}

    def running(self, stack: str) -> str:
        """`TAG@DIGEST, n of m`: what the engine runs in the stack's socket service."""
        engine = engines(self.home.folder)[0]
        service = f"{PROJECT}-{stack}-socket"
        with contextlib.closing(engine.client()) as client:
            found = client.api.inspect_service(service)
            tasks = client.api.tasks(filters={"service": service, "desired-state": "running"})
        image = found["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"]
        mine = [
            task
            for task in tasks
            if task["Spec"]["ContainerSpec"]["Image"] == image and task["Status"]["State"] == "running"
        ]
        wanted = found["Spec"]["Mode"]["Replicated"]["Replicas"]
        return f"{image.rpartition(':socket')[2].rpartition('/')[2]}, {len(mine)} of {wanted}"

    def healthz(self, stack: str) -> str:
        """The release that answers at the stack's proxy; empty when none does."""
        return docker_hosts.endpoint(self.home, stack).release()

    def carried(self, stack: str) -> str:
        """Every environment variable and mounted file of every container of the stack, on both hosts."""
        texts: list[str] = []
        for engine in engines(self.home.folder):
            with contextlib.closing(engine.client()) as client:
                for container in client.containers.list(filters={"label": "com.docker.swarm.service.name"}):
                    labels = container.labels
                    if not labels["com.docker.swarm.service.name"].startswith(f"{PROJECT}-{stack}-"):
                        continue
                    texts += container.attrs["Config"]["Env"]
                    spec = client.api.inspect_service(labels["com.docker.swarm.service.id"])["Spec"]
                    content = spec["TaskTemplate"]["ContainerSpec"]
                    for mounted in (*content.get("Secrets", ()), *content.get("Configs", ())):
                        name = mounted["File"]["Name"]
                        path = name if name.startswith("/") else f"/run/secrets/{name}"
                        texts.append(
                            container.exec_run(["busybox", "cat", path]).output.decode(errors="replace")
                        )
        return "\n".join(texts)

    def commits(self, stack: str) -> list[str]:
        """Subjects of a stack's record, newest first."""
        return self.git("log", "--format=%s", "--", self.home.stack_file(stack).name).splitlines()

    def clean(self, *stacks: str) -> bool:
        return self.git("status", "--porcelain", "--", *(self.home.stack_file(s).name for s in stacks)) == ""

    def git(self, *words: str) -> str:
        return self.run("git", "-C", str(self.home.folder), *words).text


_RELEASES: Final = ("release", "socketRelease", "previousRelease", "previousSocketRelease")
