"""The whole rehearsal, as `make rehearse` runs it: the path of a first live run, on this machine.

Owns the order of steps and what is said about them. Every step is a command that anybody can repeat by
hand; what it printed is kept in the home's logs. Stops at the first step that fails. Nothing is waited for
that is not needed yet: Docker hosts and images are made ready beside the engine and the adoption, and each
stack goes its own way. Where the machine can have no Docker host of the rehearsal's own, it says so and goes
on without socket servers and monitors.
"""

import os
import re
import shlex
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from docker.errors import DockerException  # type: ignore[import-untyped]

from operations.services.monitor import Monitor
from operations.stack.workspace import Workspace
from plan.uptime.names import USER
from plan.uptime.prometheus import probes
from rehearsal import docker_hosts, first, home, monitor_host, outside, warm
from rehearsal.cache import Progress
from rehearsal.cache import say as say_aloud
from rehearsal.docker_engine import DockerUnavailableError, processes
from rehearsal.docker_engine.building import ImageRef
from rehearsal.engine import EngineError
from rehearsal.home import engines
from rehearsal.standin.account import Account

_LAST_LINES: Final = 25
_ANSWER: Final = 60  # seconds until a socket server that was deployed must answer
_PROBED: Final = 120  # and until the checks of a monitor that was deployed must


@dataclass(frozen=True, kw_only=True)
class Step:
    """One command on one stack."""

    title: str
    command: tuple[str, ...]

    def shown(self) -> str:
        return shlex.join(("python" if part == sys.executable else part) for part in self.command)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    step: Step
    code: int
    output: str
    seconds: float
    log: Path


Chain = tuple[Step, ...]
"""Steps in their order."""


def adoption() -> Chain:
    """What comes before the first preview; no Docker host is needed yet."""
    return tuple(_adopt(stack, "adopt what exists") for stack in home.STACKS)


def application(stack: str) -> Chain:
    """From a stack's first preview to the proof that nothing is left to do. The stacks go side by side."""
    at_once = ("--yes", "--skip-preview")
    return (
        _pulumi("preview", stack),
        _pulumi("up", stack, *at_once),
        _adopt(stack, "clear import ids"),
        _pulumi("up", stack, *at_once, "--expect-no-changes", title="second up"),
        _pulumi("refresh", stack, *at_once, "--expect-no-changes"),
        _pulumi("preview", stack, "--expect-no-changes", title="preview after refresh"),
    )


@dataclass
class _Times:
    """Where the time went: what was waited for, one after the other."""

    last: float
    spent: dict[str, float] = field(default_factory=dict)

    def until(self, what: str) -> None:
        """All since the last time was spent on this."""
        now = time.time()
        self.spent[what], self.last = now - self.last, now


def run(folder: Path = home.FOLDER, say: Progress = say_aloud) -> int:
    """Run it all. Returns the exit code."""
    times = _Times(float(os.environ.get(first.BEGAN) or time.time()))
    began = times.last
    if home.existing(folder):
        say("continuing on the account of an earlier rehearsal (a new one: python -m rehearsal reset)")
    home.claim(folder)
    (folder / home.LOGS).mkdir(exist_ok=True)
    for log in (folder / home.LOGS).glob("*.log"):
        log.unlink()
    ran = any(engine.running() for engine in engines(folder))
    with ThreadPoolExecutor() as pool, warm.warm():
        hosts = pool.submit(_docker, folder, say)
        try:
            here = home.ensure(folder, say)
        except (EngineError, home.HomeError):
            if not ran and not hosts.exception():
                docker_hosts.stop(folder)
            raise
        times.until("the engine, and new stacks and accounts")
        say(f"engine {here.engine.version}, home {here.folder}")
        before = _writes(here)
        if not _walk(here, adoption(), 1, say):
            return 1
        times.until("adoption")
        docker = _named(here, hosts.result(), say)
        times.until("Docker hosts and images, where they were not ready by then")
        if not _apply(here, say, docker=docker):
            return 1
    times.until("preview, up, and the proof that nothing is left to do")
    _summarize(here, before, time.time() - began, times.spent, say, docker=docker)
    return 0


def _docker(folder: Path, say: Progress) -> Mapping[str, ImageRef] | DockerUnavailableError:
    """The images on the home's Docker hosts, which run then; the reason where this machine can have none."""
    started = time.monotonic()

    def note(text: str) -> None:
        with (folder / home.LOGS / "00-docker.log").open("a") as file:
            file.write(f"{time.monotonic() - started:6.1f} s  {text}\n")

    try:
        images = docker_hosts.stock(docker_hosts.ensure(folder, note), note)
    except DockerUnavailableError as error:
        docker_hosts.stop(folder)
        return error
    except DockerException as error:
        raise home.HomeError(f"the Docker hosts of this rehearsal failed: {error}") from error
    say_line(
        say, ok=True, title="Docker hosts and images", seconds=time.monotonic() - started,
        told=f"2 engines, {len(images)} images",
    )  # fmt: skip
    return images


def _named(here: home.Home, images: Mapping[str, ImageRef] | DockerUnavailableError, say: Progress) -> bool:
    """Write into the stack files what the hosts run. False where there is none, and nothing may need one."""
    if isinstance(images, DockerUnavailableError):
        if any(docker_hosts.named(here, stack) for stack in home.STACKS):
            raise home.HomeError(
                f"the Docker hosts of this rehearsal do not start: {images}\n"
                "Start over with: python -m rehearsal reset"
            ) from images
        say(f"no Docker here, so the stacks declare no socket server and no monitor: {images}")
        return False
    docker_hosts.name(here, images)
    monitor_host.name(here, images)
    outside.ensure(here)
    return True


def _apply(here: home.Home, say: Progress, *, docker: bool) -> bool:
    """Both stacks from preview to proof; once a stack is up, what serves is asked beside the rest."""
    failed = threading.Event()
    numbers = {stack: 1 + len(adoption()) + index for index, stack in enumerate(home.STACKS)}

    def one(stack: str) -> bool:
        steps = application(stack)
        applied = 1 + next(index for index, step in enumerate(steps) if step.command[1] == "up")
        walk = partial(_walk, here, say=say, every=len(home.STACKS), failed=failed)
        if not walk(steps[:applied], numbers[stack]):
            return False
        questions = (_ask, _watched) if docker else ()
        answers = [pool.submit(question, here, stack, say) for question in questions]
        quiet = walk(steps[applied:], numbers[stack] + applied * len(home.STACKS))
        return all([quiet, *(answer.result() for answer in answers)])

    with ThreadPoolExecutor() as pool:
        return all(list(pool.map(one, home.STACKS)))


def _walk(
    here: home.Home,
    steps: Chain,
    number: int,
    say: Progress,
    *,
    every: int = 1,
    failed: threading.Event | None = None,
) -> bool:
    """Execute steps, numbered from `number`. False when one failed, of these or of those beside: then the
    others are left out."""
    failed = failed or threading.Event()
    for index, step in enumerate(steps):
        if failed.is_set():
            return False
        outcome = _execute(here, step, number + index * every)
        _report(outcome, say)
        if outcome.code:
            failed.set()
            _explain(outcome, say)
            return False
    return True


def _ask(here: home.Home, stack: str, say: Progress) -> bool:
    """Report whether a stack's socket server answers, with the release that the stack file names."""
    started, endpoint = time.monotonic(), docker_hosts.endpoint(here, stack)
    release = docker_hosts.named(here, stack)
    ok = processes.wait_until(lambda: endpoint.release() == release, _ANSWER)
    told = f"{endpoint.url} {'serves' if ok else 'does not serve'} {release}"
    say_line(say, ok=ok, title=f"/healthz of {stack}", seconds=time.monotonic() - started, told=told)
    return ok


def _watched(here: home.Home, stack: str, say: Progress) -> bool:
    """Report whether every check of a stack's monitor answers."""
    started = time.monotonic()
    settings = Workspace(folder=here.folder, stack=stack, env=here.env()).load().settings
    monitor = Monitor(monitor_host.url(here, stack), settings.values["MONITOR_PASSWORD"].get_secret_value())
    expected = set(probes(settings))
    seen: dict[str, bool] = {}

    def answers() -> bool:
        seen.update(monitor_host.answering(monitor))
        return expected <= {check for check, good in seen.items() if good}

    ok = processes.wait_until(answers, _PROBED, every=0.5)
    monitor.close()
    silent = sorted(check for check in expected if not seen.get(check))
    told = f"no answer: {', '.join(silent)}" if silent else f"{', '.join(sorted(expected))} answer"
    say_line(say, ok=ok, title=f"monitor of {stack}", seconds=time.monotonic() - started, told=told)
    return ok


def _pulumi(verb: str, stack: str, *options: str, title: str = "") -> Step:
    return Step(
        title=f"{title or verb} {stack}",
        command=("pulumi", verb, "--stack", stack, "--non-interactive", "--color", "never", *options),
    )


def _adopt(stack: str, title: str) -> Step:
    return Step(
        title=f"{title}: {stack}",
        command=(sys.executable, "-m", "operations", "adopt", "--stack", stack, "--yes"),
    )


def _execute(here: home.Home, step: Step, number: int) -> Outcome:
    started = time.monotonic()
    done = subprocess.run(
        warm.command(step.command),
        cwd=home.CLONE, env=here.env(), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    name = re.sub(r"[^a-z]+", "-", step.title.lower())
    log = here.logs / f"{number:02}-{name}.log"
    log.write_text(f"$ {step.shown()}\n{done.stdout}")
    return Outcome(
        step=step, code=done.returncode, output=done.stdout, seconds=time.monotonic() - started, log=log
    )


def _report(outcome: Outcome, say: Progress) -> None:
    told = _changes(outcome.output)
    say_line(say, ok=outcome.code == 0, title=outcome.step.title, seconds=outcome.seconds, told=told)


def say_line(say: Progress, *, ok: bool, title: str, seconds: float, told: str) -> None:
    say(f"{'ok  ' if ok else 'FAIL'}  {title:34}{seconds:6.1f} s  {told}".rstrip())


def _changes(output: str) -> str:
    """The engine's own count under `Resources:`, on one line."""
    block = re.search(r"^Resources:\n((?:    .*\n)+)", output, re.MULTILINE)
    if block is None:
        return ""
    counts = re.findall(r"(\d+ (?:to )?(?:[a-z]+))\b", block[1])
    return ", ".join(count for count in counts if not count.endswith(" changes"))


def _explain(outcome: Outcome, say: Progress) -> None:
    lines = outcome.output.rstrip().splitlines()
    say(f"\n{outcome.step.title} failed (exit code {outcome.code}). Its last words:")
    for line in lines[-_LAST_LINES:]:
        say(f"  {line}")
    say(f"All of them: {outcome.log}")
    say(f'Repeat it:   eval "$(python -m rehearsal env)"; {outcome.step.shown()}')


def _writes(here: home.Home) -> dict[str, int]:
    """The number of the last write that each service has seen."""
    last = {}
    for service in home.ACCOUNTS:
        account = Account(here.account, service)
        last[service] = max((number for number, *_ in account.calls()), default=0)
        account.close()
    return last


def _summarize(
    here: home.Home,
    before: dict[str, int],
    seconds: float,
    spent: Mapping[str, float],
    say: Progress,
    *,
    docker: bool,
) -> None:
    say(f"\nBoth stacks are applied and stable. {seconds:.0f} s in all:")
    for what, part in spent.items():
        say(f"  {part:5.0f} s  {what}")
    say("Written to the accounts:")
    for service, last in before.items():
        account = Account(here.account, service)
        verbs = Counter(verb for _, verb, _, _ in account.calls(last))
        account.close()
        told = ", ".join(f"{verbs[verb]} {verb}d" for verb in ("create", "update", "delete") if verbs[verb])
        say(f"  {service:8}  {told or 'nothing written'}")
    for stack in here.stacks():
        say(f"  {stack['name']:10}  {stack.get('resourceCount') or 0} resources in its state")
    if docker:
        say("\nThe socket servers go on running, in Docker engines of this rehearsal alone, until its reset:")
        for name in home.STACKS:
            say(f"  {docker_hosts.endpoint(here, name).curl}")
        say(
            f"\nSo do their monitors. User {USER}; password: "
            "pulumi config get MONITOR_PASSWORD --stack STACK (see below)"
        )
        for name in home.STACKS:
            at = monitor_host.url(here, name)
            say(f"  {name:10}  Prometheus {at}/prometheus/  Alertmanager {at}/alertmanager/")
        say(f"  What their alerts said to Discord, Slack and PagerDuty: {outside.receiver_url(here.folder)}/")
    say(
        "\nTry next:\n"
        "  make week                                     releases, rollbacks, rotation, drift: a week\n"
        '  eval "$(python -m rehearsal env)"             plain pulumi commands work from here on\n'
        "  pulumi preview -s staging\n"
        "  pulumi stack output -s production\n"
        "  python -m rehearsal drift app-url; pulumi preview -s production --refresh\n"
        "  python -m operations set BATTLE_PASSWORD_PEPPER --generate -s staging; pulumi up -s staging\n"
        "  python -m rehearsal status                    what the accounts hold and the Docker hosts run\n"
        "  python -m rehearsal reset                     end the Docker hosts and start anew"
    )
