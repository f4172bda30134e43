"""What one alert says: the type of the policy's rows."""

from dataclasses import dataclass
from enum import StrEnum

from plan.alerts.series import Exporter


class Severity(StrEnum):
    """Plan §4.2. The value is the label `severity` by which Alertmanager routes."""

    P1 = "p1"  # at once, at any hour
    P2 = "p2"  # in working hours


P1, P2 = Severity.P1, Severity.P2


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One alert judged by Prometheus.

    `expr` is PromQL with `$threshold` and the facts of `facts` in it. `service` is what an outage silences
    together; None where the series carry it (probes do). An `outage` of a service silences its other alerts.
    `keep` is how long it goes on firing after the condition ended, so that a flap is one alert.
    """

    name: str
    severity: Severity
    service: str | None
    summary: str
    runbook: str  # a heading of docs/runbook.md, as its anchor
    needs: frozenset[Exporter]
    expr: str
    threshold: float = 0
    unit: str = ""
    for_: str = "0s"
    keep: str = "0s"
    outage: bool = False
    labels: tuple[tuple[str, str], ...] = ()
