"""Who is told: routes, silences and channels, and what a message says (deployment plan §4.2)."""

from typing import Any, Final

from plan.alerts.policy import TASKS_DOWN, WATCHDOG
from plan.alerts.rule import Severity
from plan.settings import Settings

PAGE_WAIT: Final = 5  # seconds that Alertmanager gathers alerts of one service before the first message
PAGE_INTERVAL: Final = 60
PAGE_REPEAT: Final = "30m"
NOTIFY_WAIT, NOTIFY_INTERVAL, NOTIFY_REPEAT = "30s", "5m", "12h"

# Plan §4.2: P2 in working hours. The zone's data comes from the image (prom/alertmanager has it).
WORKING_HOURS: Final[dict[str, Any]] = {
    "weekdays": ["monday:friday"],
    "times": [{"start_time": "09:00", "end_time": "18:00"}],
    "location": "Asia/Seoul",
}

# Discord refuses a title of more than 256 characters and a text of more than 4096, and Alertmanager 0.25 cuts
# neither (its notify/discord): a page that nobody gets. `printf` counts characters, as Discord does.
_TITLE: Final = (
    '{{ if eq .Status "firing" }}{{ .CommonLabels.severity | toUpper | printf "%.20s" }}{{ else }}Resolved'
    '{{ end }} {{ .CommonLabels.stack | printf "%.60s" }}: {{ .CommonLabels.service | printf "%.100s" }}'
)


def _told(alerts: str, most: int, verb: str) -> str:
    """At most `most` alerts, a line each of at most 490 characters."""
    return (
        f"{{{{ range $number, $alert := {alerts} }}}}{{{{ if lt $number {most} }}}}"
        f'**{{{{ .Labels.alertname | printf "%.60s" }}}}**{verb}: '
        '{{ .Annotations.summary | printf "%.160s" }} ({{ .Annotations.runbook | printf "%.250s" }})\n'
        "{{ end }}{{ end }}"
    )


TOLD_FIRING, TOLD_OVER = 5, 3  # how many alerts of each kind a message tells
_FIRING: Final = _told(".Alerts.Firing", TOLD_FIRING, "")
_OVER: Final = _told(".Alerts.Resolved", TOLD_OVER, " is over")

_TEXT: Final = (
    _FIRING
    + _OVER
    + f"{{{{ if or (gt (len .Alerts.Firing) {TOLD_FIRING}) (gt (len .Alerts.Resolved) {TOLD_OVER}) }}}}"
    "In all {{ len .Alerts.Firing }} alerts fire and {{ len .Alerts.Resolved }} are over.\n{{ end }}"
)


def alertmanager_yml(settings: Settings) -> dict[str, Any]:
    """Routes, silences and channels. What no route knows goes where P1 goes: an alert is never lost."""
    watchdog = settings.text("WATCHDOG_URL")
    return {
        "time_intervals": [{"name": "working-hours", "time_intervals": [WORKING_HOURS]}],
        "route": {
            "receiver": "page",
            "group_by": ["stack", "service", "severity"],
            "group_wait": f"{PAGE_WAIT}s",
            "group_interval": f"{PAGE_INTERVAL}s",
            "repeat_interval": PAGE_REPEAT,
            "routes": [
                {
                    # Its silence is the message: it is sent again and again, and never resolved.
                    "receiver": "watchdog" if watchdog else "nobody",
                    "matchers": [f'alertname="{WATCHDOG}"'],
                    "group_wait": "0s",
                    "group_interval": "1m",
                    "repeat_interval": "30s",
                },
                {"receiver": "page", "matchers": [f'severity="{Severity.P1}"']},
                {
                    "receiver": "notify",
                    "matchers": [f'severity="{Severity.P2}"'],
                    "group_wait": NOTIFY_WAIT,
                    "group_interval": NOTIFY_INTERVAL,
                    "repeat_interval": NOTIFY_REPEAT,
                    "active_time_intervals": ["working-hours"],
                },
            ],
        },
        "inhibit_rules": [
            # Nothing else needs saying of a service that is down (its latency, its burning budget).
            {
                "source_matchers": ['outage="yes"'],
                "target_matchers": ['outage!="yes"'],
                "equal": ["stack", "service"],
            },
            {
                "source_matchers": ['alertname="SiteDown"'],
                "target_matchers": ['alertname="ApiDown"'],
                "equal": ["stack"],
            },
            {
                "source_matchers": [f'alertname="{TASKS_DOWN}"'],
                "target_matchers": ['alertname="SocketDown"'],
                "equal": ["stack"],
            },
        ],
        "receivers": [
            {"name": "page", **_chat(settings), **_pager(settings)},
            {"name": "notify", **(_chat(settings) or _pager(settings))},
            {"name": "nobody"},
            *(
                [{"name": "watchdog", "webhook_configs": [{"url": watchdog, "send_resolved": False}]}]
                if watchdog
                else []
            ),
        ],
    }


def _chat(settings: Settings) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if url := settings.text("DISCORD_WEBHOOK_URL"):
        discord = {"webhook_url": url, "send_resolved": True, "title": _TITLE, "message": _TEXT}
        found["discord_configs"] = [discord]
    if url := settings.text("SLACK_WEBHOOK_URL"):
        slack = {"api_url": url, "send_resolved": True, "title": _TITLE, "text": _TEXT.replace("**", "*")}
        found["slack_configs"] = [slack]
    return found


def _pager(settings: Settings) -> dict[str, Any]:
    key = settings.text("PAGERDUTY_KEY")
    if not key:
        return {}
    pager = {
        "routing_key": key,
        "url": settings.pagerduty_url,
        "send_resolved": True,
        "description": _TITLE,
        "severity": '{{ if eq .CommonLabels.severity "p1" }}critical{{ else }}warning{{ end }}',
        # In place of Alertmanager's own, which tell every label of every alert: an event of more than
        # 512 KB loses all its details. How many alerts there are is still its own.
        "details": {"firing": _FIRING.replace("**", ""), "resolved": _OVER.replace("**", "")},
    }
    return {"pagerduty_configs": [pager]}
