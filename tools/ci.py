"""What the steps of .github/workflows run: `python -m tools.ci STEP`, by way of `make ci-STEP`.

Owns the inputs of a job, which come from its environment and never through a shell, and are checked here
before anything else sees them; the engine on PATH; git's access to the release record. The work is done by
the verbs of `operations`.
"""

import base64
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
import yaml

from operations.cli.drift import DRIFTED
from operations.cli.health import UNJUDGED
from operations.services.issues import Issues
from operations.services.practice import github_of
from operations.stack.workspace import OperationError
from operations.verbs.comment import fenced
from plan.protection import RECORD_BRANCH
from plan.settings import PROJECT
from rehearsal import engine

CLONE: Final = Path(__file__).resolve().parent.parent
# Seconds for a run that was cut off to end, and again once it has to drop what it has at work: the provider
# waits for a build without a bound. After a cancel GitHub gives a job five minutes.
PATIENCE: Final = (90.0, 30.0)
# A person's run may hold the lock. Counted by the time-out of the step, which bounds both (promote.yml).
WAITING: Final = ("--wait", "15")
_CHANGING: Final = {"stage", "promote", "rollback", "up"}
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


class DoneError(Exception):
    """There is nothing to do, and that is well."""


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


@dataclass(frozen=True)
class Step:
    """What a step runs: a verb of `operations`, and what the job learns from it."""

    command: tuple[str, ...]
    summary: str = ""  # heading under which the job's summary shows what the verb said
    records: str = ""  # stack whose record the verb changes; output `recorded` tells whether it did
    issue: str = ""  # label of the issue that says what the verb found


def review(inputs: Inputs) -> Step:
    """What a pull request changes, compared with the first parent of its merge commit."""
    command = ["review", "--stack", inputs.need("STACK"), "--base", "HEAD^1"]
    if inputs.get("REHEARSAL") == "true":
        command.append("--rehearsal")
    if number := inputs.get("PULL_REQUEST"):
        command += ["--pull-request", number]
    return Step(tuple(command))


def stage(inputs: Inputs) -> Step:
    """A release of the app that passed its checks becomes what the stack runs."""
    stack, release, digest = inputs.need("STACK"), inputs.need("RELEASE"), inputs.get("DIGEST")
    image = ("--digest", digest) if digest else ()
    command = ("stage", "--stack", stack, "--yes", "--release", release, *image, *WAITING)
    return Step(command, records=stack)


def plan(inputs: Inputs) -> Step:
    """What a promotion would do, for whoever approves it: nothing is changed."""
    stack, release = inputs.need("STACK"), inputs.need("RELEASE")
    command = ("promote", "--stack", stack, "--release", release, "--dry-run", *WAITING)
    return Step(command, summary=f"Promotion of {release[:12]} to {stack}")


def promote(inputs: Inputs) -> Step:
    """Record the promotion, then apply it."""
    stack, release = inputs.need("STACK"), inputs.need("RELEASE")
    _ensure_planned(inputs.need("PLANNED"), stack)
    return Step(("promote", "--stack", stack, "--release", release, "--yes", *WAITING), records=stack)


def rollback(inputs: Inputs) -> Step:
    """Back to N-1, if the record names the release that failed."""
    stack, bad = inputs.need("STACK"), inputs.need("RELEASE")
    _await_end(stack)
    if bad not in _recorded(stack):
        raise DoneError(f"the record of {stack} does not name {bad[:12]}: there is nothing to take back")
    return Step(("rollback", "--stack", stack, "--yes", *WAITING), records=stack)


def smoke(inputs: Inputs) -> Step:
    return Step(("smoke", "--stack", inputs.need("STACK")))


def watch(inputs: Inputs) -> Step:
    minutes = inputs.get("WATCH_MINUTES", "15")
    return Step(("watch", "--stack", inputs.need("STACK"), "--minutes", minutes))


def drift(inputs: Inputs) -> Step:
    stack = inputs.need("STACK")
    return Step(("drift", "--stack", stack), issue=f"drift-{stack}")


def rotation(_: Inputs) -> Step:
    return Step(("remind",))


STEPS: Final[Mapping[str, Callable[[Inputs], Step]]] = {
    step.__name__: step for step in (review, stage, plan, promote, rollback, smoke, watch, drift, rotation)
}


def _folder() -> Path:
    """Where the stack files are: the clone, or the rehearsal's home."""
    return Path(os.environ.get("PULUMI_OPTION_CWD") or CLONE)


def _await_end(stack: str) -> None:
    """Wait for what a step that was cut off left at work here; then make it drop that, and free the lock.

    One that outstays both still has the lock.
    """
    for patience in PATIENCE:
        deadline = time.monotonic() + patience
        while (pids := _at_work(stack)) and time.monotonic() < deadline:
            print(f"waiting for a run of {stack} to end: process {', '.join(map(str, pids))}", flush=True)
            time.sleep(2)
        for pid in pids:  # the second Ctrl-C, as the first was handed on when the step was cut off
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)


def _at_work(stack: str) -> list[int]:
    """Verbs and engines that change the stack from this folder. No lock file says so of every backend."""
    here = {str(CLONE), str(_folder().resolve())}
    return [
        process.pid
        for process in psutil.process_iter(["cmdline", "cwd"])
        if process.info["cwd"] in here
        and stack in (words := process.info["cmdline"] or ())
        and not _CHANGING.isdisjoint(words)
    ]


def _recorded(stack: str) -> set[str]:
    """SHAs that the record names as current, or as taken back by a rollback that may not be complete."""
    text = (_folder() / f"Pulumi.{stack}.yaml").read_text()
    config = yaml.safe_load(text).get("config") or {}
    found = {config.get(f"{PROJECT}:{key}") for key in ("release", "socketRelease")}
    return {str(sha) for sha in (*found, *(config.get(f"{PROJECT}:rolledBack") or {}).values()) if sha}


def _ensure_planned(planned: str, stack: str) -> None:
    """Refuse when `main` has changed since the plan was shown, but for what other stacks recorded."""
    changed = _git("diff", "--name-only", planned, "HEAD").split()
    own = [name for name in changed if not re.fullmatch(rf"Pulumi\.(?!{stack}\.)[a-z0-9-]+\.yaml", name)]
    if own:
        raise InputError(
            f"{RECORD_BRANCH} has changed since the plan was approved ({', '.join(own[:5])}): "
            "start the workflow again, so that the plan is of what is applied"
        )


def _reachable(step: Step, given: Mapping[str, str]) -> None:
    """Raise unless the job knows where the state lives. A review goes without, and says so."""
    verb = step.command[0]
    if verb == "remind" or "--rehearsal" in step.command or given.get("PULUMI_BACKEND_URL"):
        return
    said = "PULUMI_BACKEND_URL is not set in this job's GitHub environment (docs/delivery.md)"
    if verb == "review":
        raise DoneError(f"no live preview: {said}")
    raise InputError(said)


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


def run(step: Step, env: Mapping[str, str]) -> int:
    """Run the verb; what it says goes to the log as it comes. Returns its exit code."""
    record = _folder() / f"Pulumi.{step.records}.yaml"
    before = record.read_text() if step.records else ""
    told = False

    def note() -> None:
        """Tell of the record as soon as it is there: a step that is cut off may not come to its end."""
        nonlocal told
        if step.records and not told and record.read_text() != before:
            told = True
            _output(env, "recorded", True)

    code, said = _shown([sys.executable, "-m", "operations", *step.command], env, note)
    if step.records:
        # A verb that failed half-way has recorded: only one that refused, or took its record back, has not.
        _output(env, "recorded", code == 0 or record.read_text() != before)
    if step.command[0] == "watch":  # what nobody could judge is red, and not rolled back
        _output(env, "unjudged", code == UNJUDGED)
    if step.summary:
        _summarize(env, step.summary, said)
    if step.issue:
        _keep_issue(env, step, code, said)
    return code


def _shown(command: list[str], env: Mapping[str, str], note: Callable[[], None]) -> tuple[int, str]:
    """Run a command, its output shown as it comes; `note` is called at each line of it."""
    lines = []
    # What a verb says may begin like a command to the runner (`::…`), by whoever named a resource.
    token = secrets.token_hex(16) if env.get("GITHUB_ACTIONS") == "true" else ""
    if token:
        print(f"::stop-commands::{token}", flush=True)
    process = subprocess.Popen(
        command, cwd=CLONE, env=dict(env), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        process_group=0,
    )  # fmt: skip
    with process, _passing_on(process.pid, note):
        for line in process.stdout or ():
            note()
            print(line, end="", flush=True)
            lines.append(line)
    if token:
        print(f"::{token}::", flush=True)
    return process.returncode, "".join(lines)


@contextmanager
def _passing_on(group: int, note: Callable[[], None]) -> Iterator[None]:
    """Hand the first SIGINT or SIGTERM to the verb and its engine as a Ctrl-C, and wait for their end.

    GitHub sends one after the other, to the process of the step alone; a second Ctrl-C would make the engine
    drop what it has at work.
    """
    passed = False

    def pass_on(*_: object) -> None:
        nonlocal passed
        note()
        if not passed:
            passed = True
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGINT)

    old = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def _output(env: Mapping[str, str], name: str, value: bool) -> None:
    if file := env.get("GITHUB_OUTPUT"):
        with Path(file).open("a") as out:
            out.write(f"{name}={str(value).lower()}\n")


def _summarize(env: Mapping[str, str], title: str, said: str) -> None:
    if file := env.get("GITHUB_STEP_SUMMARY"):
        with Path(file).open("a") as out:
            out.write(f"### {title}\n\n{fenced(said)}\n")


def _keep_issue(env: Mapping[str, str], step: Step, code: int, said: str) -> None:
    """One open issue while something is found, none once nothing is. An error leaves it as it is."""
    if code not in (0, DRIFTED):
        return
    marker, stack = f"<!-- paintshare-{step.issue} -->", step.command[-1]
    hint = "How to take it back or keep it: docs/runbook.md. A run that finds nothing closes this issue."
    body = f"{marker}\n{fenced(said)}\n{hint}\n"
    wanted = {marker: (f"{stack} was changed by hand", body)} if code else {}
    with github_of() as url:
        issues = Issues(env.get("ISSUES_TOKEN"), env.get("GITHUB_REPOSITORY", ""), url)
        made, changed, closed = issues.keep_issues(step.issue, wanted)
    print(f"issues: {len(made)} made, {len(changed)} changed, {len(closed)} closed")


def main(arguments: list[str]) -> int:
    """Exit codes: that of the verb; 1 for a wrong input; 2 for a wrong command line."""
    if len(arguments) != 1 or arguments[0] not in STEPS:
        print(f"error: python -m tools.ci STEP, one of {', '.join(STEPS)}", file=sys.stderr)
        return 2
    try:
        step = STEPS[arguments[0]](Inputs(os.environ))
        _reachable(step, os.environ)
        return run(step, environment(os.environ))
    except DoneError as done:
        print(f"::notice::{done}")
        return 0
    except (InputError, OperationError, engine.EngineError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
