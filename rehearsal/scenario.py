"""The whole rehearsal, as `make rehearse` runs it: the path of a first live run, on this machine.

Owns the order of steps and what is said about them. Every step is a command that anybody can repeat by
hand; what it printed is kept in the home's logs. Stops at the first step that fails.
"""

import re
import shlex
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rehearsal import home
from rehearsal.cache import Progress
from rehearsal.cache import say as say_aloud
from rehearsal.standin.account import Account

_LAST_LINES: Final = 25


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


def phases() -> tuple[tuple[Step, ...], ...]:
    """The steps in their order. Those of one phase work on different stacks and may run side by side."""
    staging, production = home.STACKS

    def each(verb: str, *options: str, title: str = "") -> tuple[Step, ...]:
        return tuple(_pulumi(verb, stack, *options, title=title) for stack in home.STACKS)

    return (
        (_adopt(staging, "adopt what exists"),),
        (_adopt(production, "adopt what exists"),),
        each("preview"),
        (_pulumi("up", staging, "--yes", "--skip-preview"),),
        (_pulumi("up", production, "--yes", "--skip-preview"),),
        (_adopt(staging, "clear import ids"),),
        (_adopt(production, "clear import ids"),),
        each("up", "--yes", "--expect-no-changes", title="second up"),
        each("refresh", "--yes", "--expect-no-changes"),
        each("preview", "--expect-no-changes", title="preview after refresh"),
    )


def run(folder: Path = home.FOLDER, say: Progress = say_aloud) -> int:
    """Run it all. Returns the exit code."""
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
    number = 0
    with ThreadPoolExecutor() as pool:
        for phase in phases():
            jobs = []
            for step in phase:
                number += 1
                jobs.append(pool.submit(_execute, here, step, number))
            outcomes = [job.result() for job in jobs]
            for outcome in outcomes:
                _report(outcome, say)
            if failed := [outcome for outcome in outcomes if outcome.code]:
                for outcome in failed:
                    _explain(outcome, say)
                return 1
    _summarize(here, before, time.monotonic() - started, say)
    return 0


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
    mark = "ok  " if outcome.code == 0 else "FAIL"
    say(f"{mark}  {outcome.step.title:34}{outcome.seconds:6.1f} s  {_changes(outcome.output)}".rstrip())


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


def _summarize(here: home.Home, before: dict[str, int], seconds: float, say: Progress) -> None:
    say(f"\nBoth stacks are applied and stable. {seconds:.0f} s in all.")
    for service, last in before.items():
        account = Account(here.account, service)
        verbs = Counter(verb for _, verb, _, _ in account.calls(last))
        account.close()
        told = ", ".join(f"{verbs[verb]} {verb}d" for verb in ("create", "update", "delete") if verbs[verb])
        say(f"  {service:8}  {told or 'nothing written'}")
    for stack in here.stacks():
        say(f"  {stack['name']:10}  {stack.get('resourceCount') or 0} resources in its state")
    say(
        "\nTry next:\n"
        '  eval "$(python -m rehearsal env)"             plain pulumi commands work from here on\n'
        "  pulumi preview -s staging\n"
        "  pulumi stack output -s production\n"
        "  python -m rehearsal drift app-url; pulumi preview -s production --refresh\n"
        "  python -m operations set BATTLE_PASSWORD_PEPPER --generate -s staging; pulumi up -s staging\n"
        "  python -m rehearsal status                    what the accounts hold\n"
        "  python -m rehearsal reset                     start anew"
    )
