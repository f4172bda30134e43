"""The health watch after a release (plan §7.3): probes it and asks the monitor until the time is over.

One failed probe proves nothing; the same one failing several times in a row, or an open P1 alert, does. A
monitor that does not answer is said, and judged by the probes alone: a release is not undone because another
host is down. A page in whose place somebody else answers (`ok` None: a firewall, a login) is neither good nor
bad: where that is so at the end, nobody has judged the release, and that is no reason to undo it either.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from operations.parts import Finding
from operations.stack.workspace import OperationError

ROUND: Final = 15.0  # seconds between two rounds of probes
PATIENCE: Final = 3  # rounds in a row in which the same probe fails


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How the watch ended. `trouble` is None for a healthy release."""

    trouble: str | None
    rounds: int
    unheard: int
    """Rounds in which the monitor did not answer."""
    unjudged: tuple[str, ...] = ()
    """Probes that were not heard in the last rounds, whatever they said before."""


def watch(
    probe: Callable[[], Iterable[Finding]],
    pages: Callable[[], Iterable[str]],
    minutes: float,
    say: Callable[[str], object],
    *,
    pause: float = ROUND,
) -> Verdict:
    """Watch for `minutes`, at least one round. `pages` lists the open P1 alerts, as one line each."""
    end = time.monotonic() + 60 * minutes
    failing: dict[str, int] = {}
    silent: dict[str, int] = {}  # rounds in a row in which a probe was not heard
    rounds = unheard = 0
    while True:
        rounds += 1
        found = list(probe())
        # What was not heard adds to no failure and takes none back.
        failing = {f.what: failing.get(f.what, 0) + (f.ok is False) for f in found if not f.ok}
        silent = {f.what: silent.get(f.what, 0) + 1 for f in found if f.ok is None and _is_page(f)}
        for finding in found:
            if finding.ok is False:
                say(f"{finding.what}: {finding.text} ({failing[finding.what]} of {PATIENCE})")
            elif silent.get(finding.what) == 1:
                say(f"{finding.what}: not judged, {finding.text}")
        lost = sorted(what for what, times in failing.items() if times >= PATIENCE)
        if lost:
            trouble = f"{', '.join(lost)}: failed {PATIENCE} times in a row"
            return Verdict(trouble=trouble, rounds=rounds, unheard=unheard)
        try:
            paged = list(pages())
        except OperationError as error:
            unheard += 1
            say(f"the monitor cannot be asked: {error}")
            paged = []
        if paged:
            return Verdict(trouble="; ".join(paged), rounds=rounds, unheard=unheard)
        left = end - time.monotonic()
        if left <= 0:
            unjudged = sorted(what for what, times in silent.items() if times >= min(PATIENCE, rounds))
            return Verdict(trouble=None, rounds=rounds, unheard=unheard, unjudged=tuple(unjudged))
        time.sleep(min(pause, left))


def _is_page(finding: Finding) -> bool:
    """Pages are named by their path. A socket server that is not declared is not heard either."""
    return finding.what.startswith("/")
