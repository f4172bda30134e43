"""Service level objectives (deployment plan §4.3), and the rules by which their budgets burn."""

import math
from dataclasses import dataclass
from typing import Any, Final

from plan.alerts.rule import P1, P2, Rule, Severity
from plan.alerts.series import BAD_MINUTE, BY_TASKS, BY_WEB, UNHEARD, UNHEARD_JOB


@dataclass(frozen=True, kw_only=True)
class Burn:
    """A pair of windows and how many times too fast the budget may burn in both (SRE workbook, chapter 5).

    Two percent of a month's budget in an hour, five in six hours, ten in three days.
    """

    part: str  # of the rule's name
    factor: float
    long: str
    short: str


@dataclass(frozen=True, kw_only=True)
class Objective:
    """One SLO: what share of good minutes, requests or connects is promised, and where it is judged."""

    name: str
    promise: str
    judged: str
    objective: float = 0
    burns: tuple[tuple[Burn, Severity], ...] = ()

    @property
    def budget(self) -> float:
        """The share that may be bad."""
        return 1 - self.objective


FAST: Final = Burn(part="Fast", factor=14.4, long="1h", short="5m")
SLOW: Final = Burn(part="Slow", factor=6, long="6h", short="30m")
CREEP: Final = Burn(part="Creep", factor=1, long="3d", short="6h")

# Minutes are bad from this many failed probes in a row on. One failed probe a minute makes none.
FAILED_PROBES: Final = 3

# At 99.9 % one bad minute in an hour is already 16.7 times the budget; the policy (§4.2) tolerates two.
LEAST_BAD_MINUTES: Final = 2
LEAST_CONNECTS: Final = 20  # below it, one unlucky player would be a tenth of all
LEAST_REFUSED: Final = 5  # a handshake of a stranger counts as refused: one in a quiet night is no burn

AVAILABILITY: Final = Objective(
    name="Availability", promise="99.9 % of the minutes of a month", judged="Prometheus, probes",
    objective=0.999, burns=((FAST, P1), (SLOW, P1), (CREEP, P2)),
)  # fmt: skip

CONNECTS: Final = Objective(
    name="BattleConnect", promise="99 % of the attempts to connect to a battle", objective=0.99,
    judged="Prometheus, the socket server's own counter", burns=((FAST, P2), (SLOW, P2), (CREEP, P2)),
)  # fmt: skip

API_P95: Final = Objective(
    name="API latency", promise="p95 of the API under 500 ms", judged="Vercel, real traffic"
)

CORE_PAGES: Final = Objective(
    name="Core pages", promise="under 1 % of the requests to core pages fail", judged="Vercel, real traffic"
)

OBJECTIVES: Final = (AVAILABILITY, API_P95, CORE_PAGES, CONNECTS)
_MINUTES: Final = {"5m": 5, "30m": 30, "1h": 60, "6h": 360, "3d": 4320}


def _allowed(objective: Objective, burn: Burn, window: str) -> float:
    """How many bad minutes in `window` are just as many as the burn allows."""
    return burn.factor * objective.budget * _MINUTES[window]


def bad_minutes(objective: Objective, burn: Burn, window: str) -> int:
    """How many bad minutes in `window` are too many: the first whole number past the allowed burn."""
    return math.floor(_allowed(objective, burn, window) + 1e-9) + 1


def _availability(burn: Burn, severity: Severity) -> Rule:
    """Burn that no outage alert has told: one that paged within the short window is not told again."""
    least = max(LEAST_BAD_MINUTES, bad_minutes(AVAILABILITY, burn, burn.long))
    return Rule(
        name=f"Availability{burn.part}", severity=severity, service=None, needs=BY_WEB,
        runbook="the-error-budget-burns",
        summary=f"{{{{ $labels.instance }}}}: {{{{ $value }}}} bad minutes within {burn.long}",
        expr=f"sum_over_time({BAD_MINUTE}[{burn.long}]) >= $threshold"
        f" and sum_over_time({BAD_MINUTE}[{burn.short}])"
        f" > {_allowed(AVAILABILITY, burn, burn.short):.3f}"
        f' unless on (check) max_over_time(ALERTS{{outage="yes",alertstate="firing"}}[{burn.short}])',
        threshold=least, unit=f"bad minutes in {burn.long}", for_="2m",
    )  # fmt: skip


def _connects(burn: Burn, severity: Severity) -> Rule:
    attempts, refused = (f'battle_connects_total{{job="socket"{x}}}' for x in ("", ',result="refused"'))

    def share(window: str) -> str:
        return f"sum(rate({refused}[{window}])) / sum(rate({attempts}[{window}]))"

    return Rule(
        name=f"BattleConnect{burn.part}", severity=severity, service="socket", needs=BY_TASKS,
        runbook="battles-cannot-be-joined",
        summary=f"{{{{ $value | humanizePercentage }}}} of the attempts to connect failed within {burn.long}",
        expr=f"{share(burn.long)} > $threshold and {share(burn.short)} > $threshold"
        f" and sum(increase({attempts}[{burn.long}])) >= {LEAST_CONNECTS}"
        f" and sum(increase({refused}[{burn.long}])) >= {LEAST_REFUSED}",
        threshold=round(burn.factor * CONNECTS.budget, 6), unit=f"of the attempts in {burn.long}",
    )  # fmt: skip


BURNS: Final = (
    *(_availability(burn, severity) for burn, severity in AVAILABILITY.burns),
    *(_connects(burn, severity) for burn, severity in CONNECTS.burns),
)


def bad_minute(probe_interval: int) -> dict[str, Any]:
    """The recording rule of bad minutes, judged once a minute. `probe_interval` in seconds.

    Its value is the share of the minute, in steps of a probe, at which the last FAILED_PROBES had failed: an
    outage counts the same whatever the second of its beginning. The ranges are a millisecond short, so that
    neither one probe more nor the end of the minute before falls into them. What nobody can judge is not
    bad: a step with a probe that Vercel answered in the app's place counts as none.
    """
    last = f'probe_success{{job="probe"}}[{FAILED_PROBES * probe_interval - 1}s999ms]'
    failed = f"(max_over_time({last}) == bool 0) * (count_over_time({last}) >= bool {FAILED_PROBES})"
    unheard = f"max_over_time({UNHEARD}[{FAILED_PROBES * probe_interval - 1}s999ms]) == 1"
    judged = f"({failed}) unless on (check) ({unheard}) or 0 * ({failed})"
    return {"record": BAD_MINUTE, "expr": f"avg_over_time(({judged})[59s999ms:{probe_interval}s])"}


def unheard() -> dict[str, Any]:
    """The recording rule of checks that nobody can judge. It has a value while the second look reports."""
    refused = f'probe_http_status_code{{job="{UNHEARD_JOB}"}} == bool 401'
    return {
        "record": UNHEARD,
        "expr": f'clamp_max(probe_failed_due_to_regex{{job="{UNHEARD_JOB}"}} + ({refused}), 1)',
    }
