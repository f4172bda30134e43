"""What the steps of .github/workflows run: `python -m tools.ci STEP`, by way of `make ci-STEP`.

Owns the inputs of a job, which come from its environment and never through a shell, and are checked here
before anything else sees them; the engine on PATH; git's access to the release record. The work is done by
the verbs of `operations`.
"""

import base64
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from plan.protection import RECORD_BRANCH
from rehearsal import engine

CLONE: Final = Path(__file__).resolve().parent.parent
_SHAPES: Final = {
    "STACK": r"[a-z][a-z0-9-]{0,40}",
    "RELEASE": r"[0-9a-f]{40}",
    "DIGEST": r"sha256:[0-9a-f]{64}",
    "PULL_REQUEST": r"[0-9]{1,9}",
    "REHEARSAL": r"true|false",
    "PLANNED": r"[0-9a-f]{40}",
    "WATCH_MINUTES": r"[0-9]{1,2}(\.[0-9]+)?",
}


class InputError(Exception):
    """The job's environment lacks something, or something in it has the wrong shape."""


class Inputs:
    """The inputs of a step."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def get(self, name: str, default: str = "") -> str:
        """An optional input. Raises InputError without repeating a wrong value: it may be anybody's."""
        value = self._environment.get(name, "") or default
        if value and not re.fullmatch(_SHAPES[name], value):
            raise InputError(f"{name} does not have the shape {_SHAPES[name]}")
        return value

    def need(self, name: str) -> str:
        value = self.get(name)
        if not value:
            raise InputError(f"{name} is not set: this step runs in a workflow (.github/workflows)")
        return value


Command = list[str]


def review(inputs: Inputs) -> list[Command]:
    """What a pull request changes, compared with the first parent of its merge commit."""
    command = ["review", "--stack", inputs.need("STACK"), "--base", "HEAD^1"]
    if inputs.get("REHEARSAL") == "true":
        command.append("--rehearsal")
    if number := inputs.get("PULL_REQUEST"):
        command += ["--pull-request", number]
    return [command]


def stage(inputs: Inputs) -> list[Command]:
    """A release of the app that passed its checks becomes what the stack runs."""
    stack = inputs.need("STACK")
    return [["stage", "--stack", stack, "--yes", *_release(inputs)]]


def plan(inputs: Inputs) -> list[Command]:
    """What a promotion would do, for whoever approves it: nothing is changed."""
    stack = inputs.need("STACK")
    return [["promote", "--stack", stack, "--dry-run", *_release(inputs)]]


def promote(inputs: Inputs) -> list[Command]:
    """Record the promotion, then apply it."""
    _ensure_planned(inputs.need("PLANNED"), inputs.need("STACK"))
    return [["promote", "--stack", inputs.need("STACK"), "--yes", *_release(inputs)]]


def rollback(inputs: Inputs) -> list[Command]:
    """Back to N-1, if the release that failed is what the record names."""
    bad = inputs.need("RELEASE")
    return [["rollback", "--stack", inputs.need("STACK"), "--yes", "--if-release", bad]]


def smoke(inputs: Inputs) -> list[Command]:
    return [["smoke", "--stack", inputs.need("STACK")]]


def watch(inputs: Inputs) -> list[Command]:
    minutes = inputs.get("WATCH_MINUTES", "15")
    return [["watch", "--stack", inputs.need("STACK"), "--minutes", minutes]]


def drift(inputs: Inputs) -> list[Command]:
    return [["drift", "--stack", inputs.need("STACK"), "--issue"]]


def rotation(_: Inputs) -> list[Command]:
    return [["remind"]]


STEPS: Final[Mapping[str, Callable[[Inputs], list[Command]]]] = {
    step.__name__: step for step in (review, stage, plan, promote, rollback, smoke, watch, drift, rotation)
}


def _release(inputs: Inputs) -> Command:
    command = ["--release", inputs.need("RELEASE")]
    if digest := inputs.get("DIGEST"):
        command += ["--digest", digest]
    return command


def _ensure_planned(planned: str, stack: str) -> None:
    """Refuse when `main` has changed since the plan was shown, but for what other stacks recorded."""
    changed = _git("diff", "--name-only", planned, "HEAD").split()
    own = [name for name in changed if not re.fullmatch(rf"Pulumi\.(?!{stack}\.)[a-z0-9-]+\.yaml", name)]
    if own:
        raise InputError(
            f"{RECORD_BRANCH} has changed since the plan was approved ({', '.join(own[:5])}): "
            "start the workflow again, so that the plan is of what is applied"
        )


def _reachable(command: Command, given: Mapping[str, str]) -> bool:
    """Whether the job knows where the state lives. A review goes without one, and says so."""
    if command[0] == "remind" or "--rehearsal" in command or given.get("PULUMI_BACKEND_URL"):
        return True
    said = "PULUMI_BACKEND_URL is not set in this job's GitHub environment (docs/delivery.md)"
    if command[0] != "review":
        raise InputError(said)
    print(f"::notice::No live preview: {said}")
    return False


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(CLONE), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"git {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """The environment of the verbs: the job's, with the engine on PATH and access to the record."""
    env = dict(given)
    found = engine.ensure(lambda text: print(text, file=sys.stderr, flush=True))
    first = [str(found.bin), str(Path(sys.executable).parent)]
    env["PATH"] = os.pathsep.join([*first, env.get("PATH", os.defpath)])
    if found.origin == "build":  # its language host is this repository's
        env.setdefault("PAINTSHARE_PYTHON", sys.executable)
        env.setdefault("PAINTSHARE_LANGUAGE_HOST", str(CLONE / "rehearsal" / "engine" / "language_host.py"))
    if key := env.pop("DOCKER_SSH_KEY", ""):
        _write_ssh(Path(env["HOME"]) / ".ssh", key, env.pop("DOCKER_KNOWN_HOSTS", ""))
    if token := env.pop("RECORD_TOKEN", ""):
        env |= _record(token, env.get("GITHUB_SERVER_URL") or "https://github.com")
    if organization := env.get("PULUMI_ORGANIZATION"):
        subprocess.run(["pulumi", "org", "set-default", organization], env=env, check=False)
    return env


def _write_ssh(folder: Path, key: str, known_hosts: str) -> None:
    """The key of the Docker hosts where ssh finds it; the machine of a job ends with the job."""
    folder.mkdir(mode=0o700, exist_ok=True)
    file, config = folder / "paintshare", folder / "config"
    file.touch(mode=0o600)
    file.write_text(key.strip() + "\n")
    line = f"IdentityFile {file}\n"
    said = config.read_text() if config.exists() else ""
    if line not in said:
        config.write_text(line + said)
    (folder / "known_hosts").open("a").write(known_hosts.strip() + "\n")


def _record(token: str, server: str) -> dict[str, str]:
    """Git's settings for a push to the record branch, in the environment: nothing is written to disk."""
    header = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    settings = {
        f"http.{server}/.extraheader": f"AUTHORIZATION: basic {header}",
        "user.name": "paintshare-release",
        "user.email": "paintshare-release@users.noreply.github.com",
    }
    env = {"GIT_CONFIG_COUNT": str(len(settings)), "PAINTSHARE_RECORD": f"origin {RECORD_BRANCH}"}
    for number, (key, value) in enumerate(settings.items()):
        env |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return env


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in STEPS:
        print(f"error: python -m tools.ci STEP, one of {', '.join(STEPS)}", file=sys.stderr)
        return 2
    try:
        commands = STEPS[arguments[0]](Inputs(os.environ))
        if commands and not _reachable(commands[0], os.environ):
            return 0
        env = environment(os.environ)
    except (InputError, engine.EngineError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for command in commands:
        done = subprocess.run([sys.executable, "-m", "operations", *command], cwd=CLONE, env=env, check=False)
        if done.returncode:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
