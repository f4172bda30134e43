"""Where alerts go: what the address or key of each channel looks like, and what would send them to nobody.

Pure. Alertmanager refuses its whole configuration for an address without its scheme, and takes one of another
product without a word. Hosts are not pinned: a relay, or the rehearsal's receiver, has its own.

Sources: Discord, Execute Webhook; Slack, Incoming webhooks; PagerDuty, Events API v2; Go, net/url;
Alertmanager, config/config.go (SecretURL). What passes here passes `amtool check-config`
(tests/rehearsal/test_monitor_routes.py).
"""

import re
from collections.abc import Mapping
from typing import Final

_CHARACTER: Final = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})"
_URL: Final = re.compile(
    rf"""(?i:(?P<scheme>https?))://
    (?:[A-Za-z0-9._~-]+(?::[A-Za-z0-9._~-]*)?@)?
    (?P<host>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)(?::(?P<port>[0-9]+))?
    (?P<path>/{_CHARACTER}*)?(?:\?(?:{_CHARACTER}|[?])*)?""",
    re.VERBOSE,
)
_PROBE: Final = re.compile(rf"/{_CHARACTER}*(?:\?(?:{_CHARACTER}|[?])*)?")
_PORTS: Final = range(1, 65_536)

_DISCORD: Final = re.compile(r"/api(?:/v[0-9]+)?/webhooks/[0-9]+/[A-Za-z0-9_-]+")
_SLACK: Final = re.compile(r"/services/T[A-Za-z0-9]+/B[A-Za-z0-9]+/[A-Za-z0-9]+")
_PAGERDUTY: Final = re.compile(r"/v2/enqueue")
_KEY: Final = re.compile(r"[A-Za-z0-9]{32}")
# Product -> its own domains, where http only redirects and a POST becomes a GET, and its path.
_PRODUCTS: Final[Mapping[str, tuple[tuple[str, ...], re.Pattern[str]]]] = {
    "Discord": (("discord.com", "discordapp.com"), _DISCORD),
    "Slack": (("slack.com", "slack-gov.com"), _SLACK),
    "PagerDuty": (("pagerduty.com",), _PAGERDUTY),
}
PAGERDUTY: Final = "https://events.pagerduty.com/v2/enqueue"
# Key -> product, and how its address is written; None: any address that is none of theirs.
CHANNELS: Final[Mapping[str, tuple[str, str] | None]] = {
    "DISCORD_WEBHOOK_URL": ("Discord", "https://discord.com/api/webhooks/ID/TOKEN"),
    "SLACK_WEBHOOK_URL": ("Slack", "https://hooks.slack.com/services/T…/B…/…"),
    "pagerdutyUrl": ("PagerDuty", PAGERDUTY),
    "WATCHDOG_URL": None,
    "VERCEL_ALERTS_WEBHOOK_URL": None,
}


def fault_of_channel(key: str, value: str) -> str:
    """What keeps `value` from being the address of a channel, without repeating it; "" where nothing does.

    `key` is one of `CHANNELS`, or PAGERDUTY_KEY.
    """
    if key == "PAGERDUTY_KEY":
        return "" if _KEY.fullmatch(value) else "is no integration key: 32 letters and digits, and no URL"
    wanted, found = CHANNELS[key], _URL.fullmatch(value)
    if found is None or int(found["port"] or 443) not in _PORTS:
        return f"is no URL: {wanted[1] if wanted else 'https://HOST/PATH'}"
    host, path, secure = found["host"].lower(), found["path"] or "", found["scheme"].lower() == "https"
    return _fault(*wanted, host, path, secure=secure) if wanted else _fault_of_any(host, path)


def _fault(product: str, form: str, host: str, path: str, *, secure: bool) -> str:
    domains, shape = _PRODUCTS[product]
    if not shape.fullmatch(path):
        return f"is no address of {product}'s for alerts: {form}"
    if not secure and _within(host, domains):
        return f"has no https, and would be redirected to nobody: {form}"
    return ""


def _fault_of_any(host: str, path: str) -> str:
    for product, (domains, shape) in _PRODUCTS.items():
        if shape.fullmatch(path) or (product != "PagerDuty" and _within(host, domains)):
            return f"is an address of {product}'s, which does not understand what is sent there"
    return ""


def fault_of_path(path: str) -> str:
    """What keeps `path` from being asked for by a probe; "" where nothing does."""
    return "" if _PROBE.fullmatch(path) else "is no path, which starts with / and holds no space"


def _within(host: str, domains: tuple[str, ...]) -> bool:
    return any(host == domain or host.endswith(f".{domain}") for domain in domains)
