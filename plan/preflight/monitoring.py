"""The monitor, and where alerts go."""

import re
from collections.abc import Iterator
from typing import Final

from plan.channels import CHANNELS as ADDRESSES
from plan.channels import PAGERDUTY, fault_of_channel, fault_of_path
from plan.preflight.fixes import to_set, to_set_from_file
from plan.preflight.hosts import pem
from plan.preflight.shapes import domains
from plan.problems import Problem
from plan.settings import PLACEHOLDER, Settings

CHANNELS: Final = ("DISCORD_WEBHOOK_URL", "SLACK_WEBHOOK_URL", "PAGERDUTY_KEY")
_SLACK_CHANNEL: Final = re.compile(r"[CG][A-Z0-9]+")


def addresses(settings: Settings) -> Iterator[Problem]:
    """Where alerts go: one address that its service refuses, and it refuses all of its configuration."""
    for key in (*ADDRESSES, "PAGERDUTY_KEY"):
        value = settings.pagerduty_url if key == "pagerdutyUrl" else settings.text(key)
        if (value or key == "pagerdutyUrl") and (fault := fault_of_channel(key, value)):
            yield Problem(key, fault, to_set(settings, key, PAGERDUTY))
    channel = settings.vercel_slack_channel
    if channel and not _SLACK_CHANNEL.fullmatch(channel):
        text = f"{channel!r} is no id of a channel, which begins with C or G (at the end of its details)"
        yield Problem("vercelSlackChannel", text, to_set(settings, "vercelSlackChannel", "ID"))


def channels(settings: Settings) -> Iterator[Problem]:
    """Plan §2.3: no observability gap. One channel that fails must not be the only one."""
    there = [key for key in CHANNELS if key in settings.values]
    if settings.vercel_target == "production" and len(there) < 2:
        missing = [key for key in CHANNELS if key not in there]
        yield Problem(
            missing[0],
            "is missing: alerts of production need two channels (Discord, Slack, PagerDuty), or one that "
            "fails leaves an observability gap (plan §2.3)",
            to_set(settings, missing[0]),
        )


def monitor(settings: Settings) -> Iterator[Problem]:
    """What the monitor needs once a host is named for it."""
    if not settings.monitor_host:
        return
    if not settings.monitor_domain:
        yield Problem(
            "monitorDomain", "is missing: the monitor is reached there", to_set(settings, "monitorDomain")
        )
    elif settings.monitor_domain in {d for key, d in domains(settings) if key != "monitorDomain"}:
        yield Problem(
            "monitorDomain",
            "is another domain of this stack too",
            to_set(settings, "monitorDomain", "DOMAIN"),
        )
    if "MONITOR_PASSWORD" not in settings.values:
        yield Problem(
            "MONITOR_PASSWORD",
            "is missing: without it the monitor would be open, or closed to its own agent",
            to_set(settings, "MONITOR_PASSWORD") + " --generate",
        )
    if settings.monitor_host == settings.socket_host and PLACEHOLDER not in settings.monitor_host:
        yield Problem(
            "monitorHost",
            "is the socket host: a host does not watch itself, it would go down together with its alarm",
            to_set(settings, "monitorHost", "ssh://USER@HOST"),
        )
    if settings.monitor_http_port == settings.monitor_https_port:
        yield Problem(
            "monitorHttpsPort", "equals monitorHttpPort", to_set(settings, "monitorHttpsPort", "PORT")
        )
    for key, path in (("webProbePath", settings.web_probe_path), ("apiProbePath", settings.api_probe_path)):
        if (path or key == "webProbePath") and (fault := fault_of_path(path)):
            yield Problem(key, f"{path!r} {fault}", to_set(settings, key, "/PATH"))
    internal = settings.monitor_tls == "internal" or (
        settings.socket_release and settings.socket_tls == "internal"
    )
    if internal and not settings.monitor_ca:
        yield Problem(
            "monitorCa",
            "is missing: probes and the agent verify certificates, and would refuse those of an `internal` "
            "authority (its own is root.crt below pki/ in the proxy's volume)",
            to_set_from_file(settings, "monitorCa", "root.crt"),
        )
    yield from pem(settings, "monitorCa", settings.monitor_ca, private=False)
