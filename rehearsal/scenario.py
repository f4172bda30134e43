"""The whole rehearsal, as `make rehearse` runs it: the path of a first live run, on this machine.

Owns the order of steps and what is said about them. Every step is a command that anybody can repeat by
hand; what it printed is kept in the home's logs. Stops at the first step that fails. Where the machine can
have no Docker host of the rehearsal's own, it says so and goes on without socket servers and monitors.
"""

import re
import shlex
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from docker.errors import DockerException  # type: ignore[import-untyped]

from operations.monitor import Monitor
from operations.workspace import Workspace
from plan.uptime import USER, probes
from rehearsal import docker_hosts, home, monitor_host, outside, scenes
from rehearsal.cache import Progress
from rehearsal.cache import say as say_aloud
from rehearsal.docker_engine import DockerUnavailableError, processes
from rehearsal.docker_engine.images import ImageRef
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


Phases = tuple[tuple[Step, ...], ...]
"""Steps in their order. Those of one phase work on different stacks and may run side by side."""


def adoption() -> Phases:
    """What comes before the first preview; no Docker host is needed yet."""
    return tuple((_adopt(stack, "adopt what exists"),) for stack in home.STACKS)


def application() -> Phases:
    """From the first preview to the proof that nothing is left to do."""

    def each(verb: str, *options: str, title: str = "") -> tuple[Step, ...]:
        return tuple(_pulumi(verb, stack, *options, title=title) for stack in home.STACKS)

    at_once = ("--yes", "--skip-preview")
    return (
        each("preview"),
        each("up", *at_once),
        tuple(_adopt(stack, "clear import ids") for stack in home.STACKS),
        each("up", *at_once, "--expect-no-changes", title="second up"),
        each("refresh", *at_once, "--expect-no-changes"),
        each("preview", "--expect-no-changes", title="preview after refresh"),
    )


def run(
    folder: Path = home.FOLDER, say: Progress = say_aloud, chain: Sequence[scenes.Scene] = scenes.SCENES
) -> int:
    """Run it all, then play the scenes of `chain`. Returns the exit code."""
    started = time.monotonic()
    again = home.existing(folder)
    here = home.ensure(folder, say)
    if again:
        say("continuing on the account of an earlier rehearsal (a new one: python -m rehearsal reset)")
    say(f"engine {here.engine.version}, home {here.folder}: ready in {time.monotonic() - started:.1f} s")
    here.logs.mkdir(exist_ok=True)
    for log in here.logs.glob("*.log"):
        log.unlink()
    before = _writes(here)
    with ThreadPoolExecutor() as pool:
        hosts = pool.submit(_docker, here, say)  # while the accounts are adopted
        done = _walk(here, adoption(), 1, say)
        images = hosts.result()
        if images is not None:
            docker_hosts.name(here, images)
            monitor_host.name(here, images)
            outside.ensure(here, say)
    if not done or not _walk(here, application(), 1 + len(adoption()), say):
        return 1
    if images is not None:
        answers = [*_each(_ask, here, say), *_each(_watched, here, say)]
        if not all(answers):
            return 1
    registry = docker_hosts.ensure(here.folder, say).socket if images is not None else None
    if not scenes.play_all(chain, scenes.Stage(here, registry), say, _say_line):
        return 1
    _summarize(here, before, time.monotonic() - started, say, docker=images is not None)
    return 0


def _docker(here: home.Home, say: Progress) -> Mapping[str, ImageRef] | None:
    """Start the home's Docker hosts. Their images, or None where this machine can have no host."""
    try:
        return docker_hosts.stock(docker_hosts.ensure(here.folder, say), say)
    except DockerUnavailableError as error:
        if any(docker_hosts.named(here, stack) for stack in home.STACKS):
            raise home.HomeError(
                f"the Docker hosts of this rehearsal do not start: {error}\n"
                "Start over with: python -m rehearsal reset"
            ) from error
        docker_hosts.stop(here.folder)
        say(f"no Docker here, so the stacks declare no socket server and no monitor: {error}")
        return None
    except DockerException as error:
        raise home.HomeError(f"the Docker hosts of this rehearsal failed: {error}") from error


def _walk(here: home.Home, phases: Phases, number: int, say: Progress) -> bool:
    """Execute the steps, numbered from `number`. False when one failed; those after it are left out."""
    with ThreadPoolExecutor() as pool:
        for phase in phases:
            jobs = [pool.submit(_execute, here, step, number + index) for index, step in enumerate(phase)]
            number += len(phase)
            outcomes = [job.result() for job in jobs]
            for outcome in outcomes:
                _report(outcome, say)
            if failed := [outcome for outcome in outcomes if outcome.code]:
                for outcome in failed:
                    _explain(outcome, say)
                return False
    return True


def _each(question: Callable[[home.Home, str, Progress], bool], here: home.Home, say: Progress) -> list[bool]:
    """Its answers for both stacks, asked side by side."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda stack: question(here, stack, say), home.STACKS))


def _ask(here: home.Home, stack: str, say: Progress) -> bool:
    """Report whether a stack's socket server answers, with the release that the stack file names."""
    started, endpoint = time.monotonic(), docker_hosts.endpoint(here, stack)
    release = docker_hosts.named(here, stack)
    ok = processes.wait_until(lambda: endpoint.release() == release, _ANSWER)
    told = f"{endpoint.url} {'serves' if ok else 'does not serve'} {release}"
    _say_line(say, ok=ok, title=f"/healthz of {stack}", seconds=time.monotonic() - started, told=told)
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
    _say_line(say, ok=ok, title=f"monitor of {stack}", seconds=time.monotonic() - started, told=told)
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
        step.command,
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
    _say_line(say, ok=outcome.code == 0, title=outcome.step.title, seconds=outcome.seconds, told=told)


def _say_line(say: Progress, *, ok: bool, title: str, seconds: float, told: str) -> None:
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
    here: home.Home, before: dict[str, int], seconds: float, say: Progress, *, docker: bool
) -> None:
    say(f"\nBoth stacks are applied and stable. {seconds:.0f} s in all.")
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
        '  eval "$(python -m rehearsal env)"             plain pulumi commands work from here on\n'
        "  pulumi preview -s staging\n"
        "  pulumi stack output -s production\n"
        "  python -m rehearsal drift app-url; pulumi preview -s production --refresh\n"
        "  python -m operations set BATTLE_PASSWORD_PEPPER --generate -s staging; pulumi up -s staging\n"
        "  python -m rehearsal status                    what the accounts hold and the Docker hosts run\n"
        "  python -m rehearsal reset                     end the Docker hosts and start anew"
    )
