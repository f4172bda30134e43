"""TrafficAlerts under mocks: each row of the policy becomes one rule, told where the stack file says."""

from plan.traffic import VERCEL_RULES
from tests.builders import StackFile, production
from tests.components import declare


def watched(**changes: object) -> StackFile:
    file = production(vercelAlerts=True, vercelSlackChannel="C0123", **changes)
    file.set_secret("VERCEL_ALERTS_WEBHOOK_URL", "https://hooks.example/traffic-secret")
    return file


def test_the_setting_turns_them_all_off() -> None:
    assert declare.traffic(production(vercelAlerts=False)).children() == []


def test_each_row_is_one_rule_told_to_slack_and_the_webhook() -> None:
    recorded = declare.traffic(watched())
    assert {r.name for r in recorded.of("CustomAlertRule")} == {f"traffic-{row.name}" for row in VERCEL_RULES}
    for kind in ("AlertRuleSlackNotification", "AlertRuleWebhookNotification"):
        assert {r.inputs["alertRuleId"] for r in recorded.of(kind)} == {
            f"traffic-{row.name}-id" for row in VERCEL_RULES
        }
    assert {r.provider for r in recorded.children()} == {"on-vercel"}
    assert {r.parent for r in recorded.children()} == {"traffic"}


def test_without_a_channel_nobody_is_told_but_the_teams_owners() -> None:
    file = production(vercelAlerts=True, vercelSlackChannel="")
    file.drop_secret("VERCEL_ALERTS_WEBHOOK_URL")
    recorded = declare.traffic(file)
    assert {r.kind for r in recorded.children()} == {"CustomAlertRule"}


def test_a_share_is_a_division_of_failed_requests_by_all_with_a_floor_of_failed_ones() -> None:
    high = declare.traffic(watched()).named("traffic-WebErrorsHigh").inputs
    query = high["evaluation"]["query"]
    assert high["evaluation"]["window"] == "5m"
    assert query["formulas"] == {"formula": "errors / requests"}
    assert "5" in query["metrics"]["errors"]["filter"]
    assert "filter" not in query["metrics"]["requests"]
    assert (high["trigger"]["operator"], high["trigger"]["threshold"]) == ("gt", 0.05)
    assert high["trigger"]["minimum"]["output"] == "errors"
    assert high["severity"] == "high"


def test_a_latency_is_one_metric() -> None:
    latency = declare.traffic(watched()).named("traffic-ApiLatency").inputs
    assert list(latency["evaluation"]["query"]["metrics"]) == latency["evaluation"]["query"]["outputs"]
    assert latency["trigger"]["threshold"] == 500
    assert latency["severity"] == "medium"


def test_the_webhooks_address_is_secret() -> None:
    file = watched()
    recorded = declare.traffic(file)
    assert recorded.one("Webhook").secrets == {"endpoint"}
    for child in recorded.children():
        shown = {key: value for key, value in child.inputs.items() if key not in child.secrets}
        assert "traffic-secret" not in f"{child.name} {shown}"
