"""How the blackbox exporter asks the site, the API and the socket server."""

from typing import Any, Final

from plan.settings import Settings

# How long an outage can go unseen before a rule's `for` begins: one probe and one evaluation (seconds).
PROBE_INTERVAL: Final = 15
PROBE_TIMEOUT: Final = 8


def blackbox_yml(settings: Settings) -> dict[str, Any]:
    """One way to ask for both hosts, but the bypass of Vercel's protection is told to Vercel alone.

    Redirects are not followed: a protected deployment redirects to a login page, which answers 200.
    """
    agent = {"User-Agent": f"paintshare-uptime-check/1 (stack {settings.stack})"}
    bypass = settings.text("VERCEL_PROTECTION_BYPASS")
    return {
        "modules": {
            "web": _module({**agent, **({"x-vercel-protection-bypass": bypass} if bypass else {})}),
            "socket": _module(agent, tls=settings.socket_tls != "off"),
        }
    }


def _module(headers: dict[str, str], *, tls: bool = True) -> dict[str, Any]:
    return {
        "prober": "http",
        "timeout": f"{PROBE_TIMEOUT}s",
        "http": {
            "method": "GET",
            "headers": headers,
            "follow_redirects": False,
            "fail_if_not_ssl": tls,
            "preferred_ip_protocol": "ip4",
            "tls_config": {"insecure_skip_verify": False},
        },
    }
