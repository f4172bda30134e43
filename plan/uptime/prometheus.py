"""What Prometheus gathers and judges, on the monitoring host and, as an agent, on the socket host."""

from typing import Any, Final

from plan.alerts import rules_of
from plan.alerts.objectives import BURNS, bad_minute, unheard
from plan.alerts.rendering import facts, rendered
from plan.alerts.rule import Rule
from plan.alerts.series import UNHEARD_JOB, Exporter
from plan.protection import RECORD_BRANCH
from plan.settings import Settings
from plan.socket import PORT as SOCKET_PORT
from plan.uptime.alertmanager import PAGE_WAIT
from plan.uptime.blackbox import PROBE_INTERVAL, PROBE_TIMEOUT
from plan.uptime.names import SECRETS, USER, monitor_prefix
from plan.urls import app_url, monitor_url, socket_url, supabase_url

SCRAPE_TIMEOUT: Final = 10  # longer than the probe's, so that a slow site is a failed probe, not a lost one
SUPABASE_INTERVAL: Final = 60  # as its documentation asks

# A task that is gone: 5 s to its look-up, 2.1 intervals to the end of its series (Prometheus' scrape.go), and
# some to write it to the monitor.
AGENT_DELAY: Final = 5 + 32 + 5
EVALUATION: Final = 15
MINUTE: Final = 60  # between two judgements of a minute


def probes(settings: Settings) -> dict[str, str]:
    """Name of each check and the URL it asks for (plan §4.1)."""
    found = {"web": app_url(settings) + settings.web_probe_path}
    if settings.api_probe_path:
        found["api"] = app_url(settings) + settings.api_probe_path
    if settings.socket_release:
        found["socket"] = f"{socket_url(settings)}/healthz"
    return found


def prometheus_yml(settings: Settings) -> dict[str, Any]:
    """The configuration of the monitor's Prometheus: what it scrapes and probes, and whom it alerts."""
    prefix = monitor_prefix(settings)
    return {
        "global": {
            "scrape_interval": f"{PROBE_INTERVAL}s",
            "scrape_timeout": f"{SCRAPE_TIMEOUT}s",
            "evaluation_interval": f"{EVALUATION}s",
            "external_labels": {"stack": settings.stack},
        },
        "rule_files": ["/etc/prometheus/rules.yml"],
        "alerting": {
            "alertmanagers": [
                {"path_prefix": "/alertmanager", "dns_sd_configs": [_tasks(f"{prefix}-alertmanager", 9093)]}
            ]
        },
        "scrape_configs": [
            _probing(settings, "probe", {c: "socket" if c == "socket" else "web" for c in probes(settings)}),
            _probing(settings, UNHEARD_JOB, {c: UNHEARD_JOB for c in probes(settings) if c != "socket"}),
            _own("prometheus", "/prometheus/metrics", {"static_configs": [{"targets": ["localhost:9090"]}]}),
            _own(
                "alertmanager",
                "/alertmanager/metrics",
                {"dns_sd_configs": [_tasks(f"{prefix}-alertmanager", 9093)]},
            ),
            *([_supabase(settings)] if "SUPABASE_METRICS_KEY" in settings.values else []),
        ],
    }


def _probing(settings: Settings, job: str, modules: dict[str, str]) -> dict[str, Any]:
    """A job that asks through the exporter; `modules`: the way in which each check is asked."""
    return {
        "job_name": job,
        "metrics_path": "/probe",
        "static_configs": [
            {
                "targets": [url],
                "labels": {
                    "check": check,
                    "service": "socket" if check == "socket" else "web",
                    "authority": _authority_of(settings, check),
                    "__param_module": modules[check],
                },
            }
            for check, url in probes(settings).items()
            if check in modules
        ],
        "relabel_configs": [
            {"source_labels": ["__address__"], "target_label": "__param_target"},
            {"source_labels": ["__param_target"], "target_label": "instance"},
            {
                "target_label": "__address__",
                "replacement": f"tasks.{monitor_prefix(settings)}-blackbox:9115",
            },
        ],
    }


def _authority_of(settings: Settings, check: str) -> str:
    """`internal` issues certificates for hours, `public` for months: each is late at another time."""
    return "internal" if check == "socket" and settings.socket_tls == "internal" else "public"


def _own(job: str, path: str, targets: dict[str, Any]) -> dict[str, Any]:
    return {"job_name": job, "metrics_path": path, **targets}


def _tasks(service: str, port: int) -> dict[str, Any]:
    """Every task of a Swarm service, looked up by its name on the overlay network."""
    return {"names": [f"tasks.{service}"], "type": "A", "port": port, "refresh_interval": "5s"}


def _supabase(settings: Settings) -> dict[str, Any]:
    """Source: Supabase, "Metrics API"."""
    return {
        "job_name": "supabase",
        "scheme": "https",
        "metrics_path": "/customer/v1/privileged/metrics",
        "scrape_interval": f"{SUPABASE_INTERVAL}s",
        "scrape_timeout": "30s",
        "basic_auth": {"username": "service_role", "password_file": f"{SECRETS}/supabase-metrics-key"},
        "static_configs": [{"targets": [supabase_url(settings).removeprefix("https://")]}],
    }


def rules_yml(settings: Settings) -> dict[str, Any]:
    """Three groups: the policy at every evaluation, and once a minute the bad minutes and what they burn."""
    runbook = (
        f"https://github.com/{settings.github_owner}/{settings.infra_repository}"
        f"/blob/{RECORD_BRANCH}/docs/runbook.md"
    )
    known = facts(settings, len(probes(settings)))
    burning = frozenset(rule.name for rule in BURNS)
    policy = [rule for rule in rules_of(settings) if rule.name not in burning]
    burns = [rule for rule in rules_of(settings) if rule.name in burning]
    return {
        "groups": [
            {"name": "policy", "rules": [unheard(), *rendered(policy, known, runbook)]},
            {
                "name": "objectives",
                "interval": f"{MINUTE}s",
                "rules": [bad_minute(PROBE_INTERVAL), *rendered(burns, known, runbook)],
            },
        ]
    }


def agent_yml(settings: Settings) -> dict[str, Any]:
    """Prometheus beside the socket server: each task is a target of its own, under its address."""
    return {
        "global": {
            "scrape_interval": f"{PROBE_INTERVAL}s",
            "scrape_timeout": f"{SCRAPE_TIMEOUT}s",
            "external_labels": {"stack": settings.stack},
        },
        "scrape_configs": [
            {
                "job_name": "socket",
                "dns_sd_configs": [_tasks(f"paintshare-{settings.stack}-socket", SOCKET_PORT)],
            },
            {"job_name": "agent", "static_configs": [{"targets": ["localhost:9090"]}]},
        ],
        "remote_write": [
            {
                "url": f"{monitor_url(settings)}/prometheus/api/v1/write",
                "basic_auth": {"username": USER, "password_file": f"{SECRETS}/monitor-password"},
                # Its own metrics are hundreds of series: only that it is there is of interest.
                "write_relabel_configs": [
                    {"source_labels": ["job", "__name__"], "regex": "socket;.*|agent;up", "action": "keep"}
                ],
            }
        ],
    }


def longest_silence(rule: Rule) -> int:
    """Seconds from the beginning of an outage to its first message at the latest, as rendered.

    Of a service that nothing else was told about: Alertmanager adds to what it told each PAGE_INTERVAL.
    """
    units = {"s": 1, "m": 60, "h": 3600}
    held = int(rule.for_[:-1]) * units[rule.for_[-1]]
    probe = PROBE_INTERVAL + PROBE_TIMEOUT
    seen = max(probe, AGENT_DELAY) if Exporter.AGENT in rule.needs else probe
    return seen + EVALUATION + held + PAGE_WAIT
