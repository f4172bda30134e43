"""The alert policy (deployment plan §4) as rows: what is judged, by whom, from which series, at which limit.

A threshold is changed in its row and nowhere else. Where alerts go stands in `plan.uptime.alertmanager`;
docs/alerts.md is generated from here, and each rule names its part of the runbook. What Vercel judges stands
in `plan.traffic`.
"""

from typing import Final

from plan.alerts.objectives import BURNS
from plan.alerts.policy import MONITOR, PROBES, SOCKET, SUPABASE
from plan.alerts.rule import Rule
from plan.alerts.series import Exporter
from plan.settings import Settings

RULES: Final[tuple[Rule, ...]] = (*PROBES, *SOCKET, *SUPABASE, *MONITOR, *BURNS)


def emitters(settings: Settings) -> frozenset[Exporter]:
    """Who emits series in this stack: a rule that needs anybody else is not rendered."""
    found = {Exporter.BLACKBOX, Exporter.MONITOR}
    if settings.socket_release:
        found |= {Exporter.SOCKET, Exporter.AGENT}
    if "SUPABASE_METRICS_KEY" in settings.values:
        found.add(Exporter.SUPABASE)
    return frozenset(found)


def rules_of(settings: Settings) -> tuple[Rule, ...]:
    """The rules that this stack's monitor judges."""
    able = emitters(settings)
    return tuple(rule for rule in RULES if rule.needs <= able)
