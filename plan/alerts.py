"""The alert policy (deployment plan §4) as rows: what is judged, by whom, from which series, at which limit.

Pure data and its rendering as Prometheus rules. A threshold is changed in its row and nowhere else. Where the
alerts go stands in `plan.uptime`; docs/alerts.md is generated from these rows.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from string import Template
from typing import Any, Final

RUNBOOK: Final = "docs/runbook.md"


class Severity(StrEnum):
    """Plan §4.2. The value is the label `severity` by which Alertmanager routes."""

    P1 = "p1"  # at once, at any hour
    P2 = "p2"  # in working hours


class Exporter(StrEnum):
    """Who emits a series."""

    BLACKBOX = "blackbox exporter"
    SOCKET = "socket server"
    SUPABASE = "Supabase"
    SCRAPE = "Prometheus, of each scrape"
    MONITOR = "the monitor itself"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One alert judged by Prometheus. `expr` is PromQL with `$threshold` in it."""

    name: str
    severity: Severity
    summary: str
    expr: str
    threshold: float = 0
    for_: str = "0s"
    needs: tuple[Exporter, ...]
    labels: dict[str, str] = field(default_factory=dict)


WATCHDOG: Final = "Watchdog"

RULES: Final[tuple[Rule, ...]] = (
    Rule(
        name=WATCHDOG, severity=Severity.P2, needs=(Exporter.MONITOR,), expr="vector(1)",
        summary="Always fires, so that its absence is noticed",
    ),
    Rule(
        name="SiteDown", severity=Severity.P1, needs=(Exporter.BLACKBOX,), for_="2m",
        expr='probe_success{job="probe",check=~"web|api"} == 0',
        summary="{{ $labels.instance }} does not answer as it should",
    ),
    Rule(
        name="SocketDown", severity=Severity.P1, needs=(Exporter.BLACKBOX,), for_="2m",
        expr='probe_success{job="probe",check="socket"} == 0',
        summary="{{ $labels.instance }} does not answer as it should",
    ),
)  # fmt: skip


def rendered(rules: tuple[Rule, ...]) -> list[dict[str, Any]]:
    """Alerting rules as Prometheus reads them."""
    return [
        {
            "alert": rule.name,
            "expr": Template(rule.expr).substitute(threshold=f"{rule.threshold:g}"),
            **({"for": rule.for_} if rule.for_ != "0s" else {}),
            "labels": {"severity": str(rule.severity), **rule.labels},
            "annotations": {"summary": rule.summary, "runbook": f"{RUNBOOK}#{rule.name.lower()}"},
        }
        for rule in rules
    ]
