"""Where alerts go: an address that its service would refuse, or that leads to nobody, is seen before."""

import pytest

from plan.channels import PAGERDUTY, fault_of_channel, fault_of_path

DISCORD = "https://discord.com/api/webhooks/123456789012345678/tok-en_1"
SLACK = "https://hooks.slack.com/services/T01ABC/B02DEF/aBc123"
WATCHDOG = "https://hc-ping.com/2f6e8a4c-0000-4000-8000-000000000000"
URLS = (
    "DISCORD_WEBHOOK_URL",
    "SLACK_WEBHOOK_URL",
    "pagerdutyUrl",
    "WATCHDOG_URL",
    "VERCEL_ALERTS_WEBHOOK_URL",
)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("DISCORD_WEBHOOK_URL", DISCORD),
        ("DISCORD_WEBHOOK_URL", DISCORD.replace("discord.com/api", "canary.discordapp.com/api/v10")),
        ("DISCORD_WEBHOOK_URL", f"{DISCORD}?thread_id=1"),
        ("DISCORD_WEBHOOK_URL", "http://hooks.example:9999/api/webhooks/1/x"),
        ("SLACK_WEBHOOK_URL", SLACK),
        ("SLACK_WEBHOOK_URL", SLACK.replace("slack.com", "slack-gov.com")),
        ("SLACK_WEBHOOK_URL", "http://127.0.0.1:9999/services/T1/B1/x"),
        ("PAGERDUTY_KEY", "0123456789abcdef0123456789ABCDEF"),
        ("pagerdutyUrl", PAGERDUTY),
        ("pagerdutyUrl", "https://events.eu.pagerduty.com/v2/enqueue"),
        ("WATCHDOG_URL", WATCHDOG),
        ("WATCHDOG_URL", "https://user:pass@up.example:8443/api/push/x?status=up&msg=OK%20yes"),
        ("VERCEL_ALERTS_WEBHOOK_URL", "https://events.pagerduty.com/integration/key/enqueue"),
    ],
)
def test_the_address_of_a_channel_is_taken(key: str, value: str) -> None:
    assert fault_of_channel(key, value) == ""


@pytest.mark.parametrize("key", URLS)
@pytest.mark.parametrize(
    "value",
    [
        "discord.com/api/webhooks/1/x", "//discord.com/x", "c4n4ry", "ftp://a.example/c4n4ry", "https://",
        "https:///c4n4ry",
        "https://a b/c4n4ry", "https://a.example/c4 n4ry", "https://a.example/%zz", "https://a.example:c4n4ry/x",
        "https://a.example:0/x", "https://a.example:65536/x", "https://a.example/{{ c4n4ry }}",
        "mailto:ops@a.example",
        "https://[::1/c4n4ry", "https://a.example/x#c4n4ry", "https:/a.example/c4n4ry", "https://-a/c4n4ry",
    ],
)  # fmt: skip
def test_what_is_no_url_is_refused_without_being_repeated(key: str, value: str) -> None:
    fault = fault_of_channel(key, value)
    assert fault.startswith("is no URL: https://")
    assert "c4n4ry" not in fault


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("DISCORD_WEBHOOK_URL", SLACK, "no address of Discord's"),
        ("DISCORD_WEBHOOK_URL", "https://discord.com/channels/1/2", "no address of Discord's"),
        ("DISCORD_WEBHOOK_URL", "https://discord.gg/c4n4ry", "no address of Discord's"),
        ("DISCORD_WEBHOOK_URL", f"{DISCORD}/slack", "no address of Discord's"),
        ("DISCORD_WEBHOOK_URL", DISCORD.replace("https", "http"), "has no https"),
        ("SLACK_WEBHOOK_URL", DISCORD, "no address of Slack's"),
        ("SLACK_WEBHOOK_URL", "https://hooks.slack.com/triggers/T1/1/c4n4ry", "no address of Slack's"),
        ("SLACK_WEBHOOK_URL", "https://paintshare.slack.com/archives/C1", "no address of Slack's"),
        ("SLACK_WEBHOOK_URL", SLACK.replace("https", "http"), "has no https"),
        ("pagerdutyUrl", "https://events.pagerduty.com", "no address of PagerDuty's"),
        ("pagerdutyUrl", "https://api.opsgenie.com/v2/alerts", "no address of PagerDuty's"),
        (
            "pagerdutyUrl",
            "https://events.pagerduty.com/generic/2010-04-15/create_event.json",
            "no address of",
        ),
        ("pagerdutyUrl", PAGERDUTY.replace("https", "http"), "has no https"),
        ("PAGERDUTY_KEY", PAGERDUTY, "no integration key"),
        ("PAGERDUTY_KEY", "c4n4ry", "no integration key"),
        ("WATCHDOG_URL", SLACK, "an address of Slack's"),
        ("WATCHDOG_URL", DISCORD, "an address of Discord's"),
        ("WATCHDOG_URL", PAGERDUTY, "an address of PagerDuty's"),
        ("VERCEL_ALERTS_WEBHOOK_URL", SLACK, "an address of Slack's"),
        ("VERCEL_ALERTS_WEBHOOK_URL", f"{DISCORD}/slack", "an address of Discord's"),
    ],
)
def test_what_leads_to_nobody_is_refused_without_being_repeated(key: str, value: str, words: str) -> None:
    fault = fault_of_channel(key, value)
    assert words in fault
    assert value not in fault.removesuffix(PAGERDUTY)
    assert "c4n4ry" not in fault


@pytest.mark.parametrize("path", ["/", "/api/health", "/a%20b?x=1/2", "/draw;v=1,2"])
def test_a_path_of_a_probe_is_taken(path: str) -> None:
    assert fault_of_path(path) == ""


@pytest.mark.parametrize("path", ["", "draw", "https://a.example/", "/a b", "/%", "/#top", "/한"])
def test_what_a_probe_could_not_ask_for_is_refused(path: str) -> None:
    assert fault_of_path(path)
