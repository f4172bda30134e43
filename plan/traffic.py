"""The alerts that Vercel judges for one stack: it alone sees the real traffic (plan §4.2, §4.3).

Pure functions from settings to a `TrafficPlan`; `components.traffic_alerts` maps it to Vercel's resources.
The rules are rows of `plan.alerts`.
"""

from dataclasses import dataclass
from typing import Final

from plan.alerts import VercelRule, vercel_rules
from plan.settings import Settings

TRAFFIC: Final = "traffic"  # logical name of the component


@dataclass(frozen=True, kw_only=True)
class TrafficPlan:
    """`slack_channel` and `webhook` (a secret) are "" where nobody is told that way."""

    project_id: str
    rules: tuple[VercelRule, ...]
    slack_channel: str
    webhook: str


def traffic_plan(settings: Settings) -> TrafficPlan:
    """The plan. It has no rules where the stack file turns them off."""
    return TrafficPlan(
        project_id=settings.vercel_project_id,
        rules=vercel_rules(settings),
        slack_channel=settings.vercel_slack_channel,
        webhook=settings.text("VERCEL_ALERTS_WEBHOOK_URL"),
    )
