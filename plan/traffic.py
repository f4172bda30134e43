"""The alerts that Vercel judges for one stack: it alone sees the real traffic (plan §4.2, §4.3).

Pure functions from settings to a `TrafficPlan`; `components.traffic_alerts` maps it to Vercel's resources.
The other alerts, judged by Prometheus, stand in `plan.alerts`.
"""

from dataclasses import dataclass
from typing import Final

from plan.alerts.rule import P1, P2, Severity
from plan.settings import Settings

TRAFFIC: Final = "traffic"  # logical name of the component


@dataclass(frozen=True, kw_only=True)
class VercelRule:
    """One `CustomAlertRule`: a metric, or with `of` the share of `filter` in all, over `window`.

    `least` is how many matching requests there must be before a share is judged. Metric names and the filter
    language are documented only (Vercel's provider and command line); Vercel refuses unknown ones at `up`.
    """

    name: str
    severity: Severity
    summary: str
    runbook: str
    metric: str
    aggregation: str
    window: str  # 5m, 15m, 1h or 1d
    threshold: float
    unit: str
    filter: str = ""
    share: bool = False  # True: the share of requests that also match `errors`
    errors: str = ""
    least: int = 0

    @property
    def limit(self) -> str:
        """The condition in words, such as `over 5 % of the requests in 5m`."""
        amount = (
            f"{self.threshold * 100:g} % {self.unit}" if self.share else f"{self.threshold:g} {self.unit}"
        )
        return f"over {amount} in {self.window}"


_REQUESTS: Final = "vercel.request.count"
_FAILED: Final = "httpStatus >= 500"
_DURATION: Final = "vercel.function_invocation.function_duration_ms"
_LIVE: Final = 'environment:"production"'
_API: Final = f"{_LIVE} and route:/api/*"

# Plan §7.2.
_CORE: Final = f'{_LIVE} and (route:"/" or route:"/feed" or route:"/draw" or route:"/battle")'

VERCEL_RULES: Final[tuple[VercelRule, ...]] = (
    VercelRule(
        name="WebErrorsHigh", severity=P1, summary="Requests that are answered with 5xx",
        runbook="the-site-answers-errors", metric=_REQUESTS, aggregation="count", window="5m", threshold=0.05,
        unit="of the requests", filter=_LIVE, share=True, errors=_FAILED, least=5,
    ),
    VercelRule(
        name="WebErrors", severity=P2, summary="Requests that are answered with 5xx",
        runbook="the-site-answers-errors", metric=_REQUESTS, aggregation="count", window="15m",
        threshold=0.01, unit="of the requests", filter=_LIVE, share=True, errors=_FAILED, least=5,
    ),
    VercelRule(
        name="ApiLatency", severity=P2, summary="p95 of the API",
        runbook="answers-are-slow", metric=_DURATION, aggregation="p95", window="15m", threshold=500,
        unit="ms", filter=_API,
    ),
    VercelRule(
        name="ApiLatencyDay", severity=P2, summary="p95 of the API, the objective itself",
        runbook="the-error-budget-burns", metric=_DURATION, aggregation="p95", window="1d", threshold=500,
        unit="ms", filter=_API,
    ),
    VercelRule(
        name="CorePages", severity=P2, summary="Requests to core pages that fail",
        runbook="the-site-answers-errors", metric=_REQUESTS, aggregation="count", window="1h", threshold=0.01,
        unit="of the requests", filter=_CORE, share=True, errors=_FAILED, least=5,
    ),
    VercelRule(
        name="CorePagesDay", severity=P2, summary="Requests to core pages that fail, the objective itself",
        runbook="the-error-budget-burns", metric=_REQUESTS, aggregation="count", window="1d", threshold=0.01,
        unit="of the requests", filter=_CORE, share=True, errors=_FAILED, least=5,
    ),
)  # fmt: skip


def vercel_rules(settings: Settings) -> tuple[VercelRule, ...]:
    """The rules declared at Vercel: none where the stack file says so, for plans without them."""
    return VERCEL_RULES if settings.vercel_alerts else ()


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
