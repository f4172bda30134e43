"""How the blackbox exporter asks the site, the API and the socket server."""

from typing import Any, Final

from plan.alerts.series import UNHEARD_JOB
from plan.settings import Settings

# How long an outage can go unseen before a rule's `for` begins: one probe and one evaluation (seconds).
PROBE_INTERVAL: Final = 15
PROBE_TIMEOUT: Final = 8

_MITIGATED: Final = "x-vercel-mitigated"
_LOGIN: Final = r"(?i)^(https?:)?//([^/?#@]*\.)?vercel\.com([:/?#]|$)"
# What a challenge (200, 403, 429) and the way to the login answer: with others no header is looked at.
_IN_ITS_PLACE: Final = (200, 403, 429, 301, 302, 303, 307, 308)


def blackbox_yml(settings: Settings) -> dict[str, Any]:
    """One way to ask for both hosts, but the bypass of Vercel's protection is told to Vercel alone.

    Redirects are not followed: a protected deployment redirects to a login page, which answers 200. What
    Vercel's firewall answers is never up. Only a header tells a challenge from a broken page, and the
    exporter gives no headers away: `unheard` asks once more, and says by `probe_failed_due_to_regex` that
    Vercel answered in the app's place (`plan.alerts.series.UNHEARD`; `operations.smoke` judges the same way).
    """
    agent = {"User-Agent": f"paintshare-uptime-check/1 (stack {settings.stack})"}
    bypass = settings.text("VERCEL_PROTECTION_BYPASS")
    visitor = {**agent, **({"x-vercel-protection-bypass": bypass} if bypass else {})}
    return {
        "modules": {
            "web": _module(visitor, refused=[_header(_MITIGATED, ".")]),
            UNHEARD_JOB: _module(
                visitor, _IN_ITS_PLACE, [_header(_MITIGATED, "(?i)^challenge$"), _header("Location", _LOGIN)]
            ),
            "socket": _module(agent, tls=settings.socket_tls != "off"),
        }
    }


def _header(name: str, pattern: str) -> dict[str, Any]:
    return {"header": name, "regexp": pattern, "allow_missing": True}


def _module(
    headers: dict[str, str],
    statuses: tuple[int, ...] = (),  # 2xx
    refused: list[dict[str, Any]] | None = None,
    *,
    tls: bool = True,
) -> dict[str, Any]:
    return {
        "prober": "http",
        "timeout": f"{PROBE_TIMEOUT}s",
        "http": {
            "method": "GET",
            "headers": headers,
            "follow_redirects": False,
            "fail_if_not_ssl": tls,
            "preferred_ip_protocol": "ip4",
            **({"valid_status_codes": list(statuses)} if statuses else {}),
            **({"fail_if_header_matches": refused} if refused else {}),
            "tls_config": {"insecure_skip_verify": False},
        },
    }
