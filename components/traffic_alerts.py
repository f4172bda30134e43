"""TrafficAlerts: what Vercel judges of the real traffic, as custom alert rules, and whom it tells.

Maps `plan.traffic.TrafficPlan` to one rule each, with a link to a Slack channel and one to a webhook.
"""

from dataclasses import dataclass

import pulumi
import pulumiverse_vercel as vercel

from plan.alerts.rule import Severity
from plan.traffic import TrafficPlan, VercelRule

# Vercel keeps `critical` for what its own investigation finds.
_SEVERITY = {Severity.P1: "high", Severity.P2: "medium"}


@dataclass(frozen=True, kw_only=True)
class TrafficAlertsArgs:
    """`plan`: what to declare."""

    plan: TrafficPlan


class TrafficAlerts(pulumi.ComponentResource):
    """The alert rules of one stack at Vercel. Needs a Vercel provider in `opts.providers`."""

    rule_ids: dict[str, pulumi.Output[str]]
    """Id of each rule by its name."""

    def __init__(
        self, name: str, args: TrafficAlertsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("paintshare:index:TrafficAlerts", name, None, opts)
        plan, child = args.plan, pulumi.ResourceOptions(parent=self)
        webhook = self._webhook(name, plan) if plan.webhook and plan.rules else None
        self.rule_ids = {}
        for row in plan.rules:
            rule = vercel.CustomAlertRule(
                f"{name}-{row.name}",
                name=f"{row.severity.upper()} {row.name}: {row.summary}",
                project_id=plan.project_id,
                severity=_SEVERITY[row.severity],
                evaluation={"window": row.window, "query": _query(row)},
                trigger=_trigger(row),
                opts=child,
            )
            self.rule_ids[row.name] = rule.id
            if plan.slack_channel:
                vercel.AlertRuleSlackNotification(
                    f"{name}-{row.name}-slack",
                    alert_rule_id=rule.id,
                    slack_channel_id=plan.slack_channel,
                    opts=child,
                )
            if webhook:
                vercel.AlertRuleWebhookNotification(
                    f"{name}-{row.name}-webhook", alert_rule_id=rule.id, webhook_id=webhook.id, opts=child
                )
        self.register_outputs({"rule_ids": self.rule_ids})

    def _webhook(self, name: str, plan: TrafficPlan) -> vercel.Webhook:
        return vercel.Webhook(
            f"{name}-webhook",
            endpoint=pulumi.Output.secret(plan.webhook),
            events=["alerts.triggered"],
            project_ids=[plan.project_id],
            opts=pulumi.ResourceOptions(parent=self, additional_secret_outputs=["secret"]),
        )


def _query(row: VercelRule) -> vercel.CustomAlertRuleEvaluationQueryArgsDict:
    """One metric, or the share of it that also matches `errors`: two metrics and one division, `formula`."""
    metric: vercel.CustomAlertRuleEvaluationQueryMetricsArgsDict = {
        "metric": row.metric,
        "aggregation": row.aggregation,
    }
    if not row.share:
        return {"metrics": {"value": metric}, "outputs": ["value"], "filter": row.filter}
    return {
        "metrics": {"errors": {**metric, "filter": row.errors}, "requests": metric},
        "formulas": {"formula": "errors / requests"},
        "outputs": ["formula"],
        "filter": row.filter,
    }


def _trigger(row: VercelRule) -> vercel.CustomAlertRuleTriggerArgsDict:
    trigger: vercel.CustomAlertRuleTriggerArgsDict = {
        "type": "threshold",
        "output": "formula" if row.share else "value",
        "operator": "gt",
        "threshold": row.threshold,
    }
    if row.share:
        # Two failed requests of three at night are no outage.
        trigger["minimum"] = {"output": "errors", "threshold": row.least}
    return trigger
