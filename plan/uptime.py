"""The monitor of one stack: probes, Prometheus, Alertmanager, their proxy, and the agent beside the sockets.

Pure functions from settings to an `UptimePlan` with every configuration rendered; `components.uptime_checks`
maps it to Swarm resources. The rules stand in `plan.alerts`. A configuration is named by a hash of its text;
one that holds a secret is a Swarm secret, named by the keyed HMAC of its text.
"""

import base64
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from plan.alerts import (
    BURNS,
    TASKS_DOWN,
    WATCHDOG,
    Exporter,
    Rule,
    Severity,
    bad_minute,
    facts,
    rendered,
    rules_of,
)
from plan.hosts import config_name, login_label, secret_name
from plan.protection import RECORD_BRANCH
from plan.settings import Settings
from plan.socket import PORT as SOCKET_PORT
from plan.socket import PROXY_CAPABILITIES, PUBLISHED_PROTOCOLS, https_redirect
from plan.urls import app_url, socket_url, supabase_url

UPTIME: Final = "uptime"  # logical name of the component
AGENT: Final = "agent"  # and of the one on the socket host
USER: Final = "paintshare"  # of the monitor's basic auth
PROXY_HTTP_PORT, PROXY_HTTPS_PORT = 8080, 8443  # inside the proxy's task: no capability is needed

# How long an outage can go unseen before a rule's `for` begins: one probe and one evaluation (seconds).
PROBE_INTERVAL: Final = 15
PROBE_TIMEOUT: Final = 8
EVALUATION: Final = 15
SCRAPE_TIMEOUT: Final = 10  # longer than the probe's, so that a slow site is a failed probe, not a lost one
SUPABASE_INTERVAL: Final = 60  # as its documentation asks
# A task that is gone: 5 s to its look-up, 2.1 intervals to the end of its series (Prometheus' scrape.go), and
# some to write it to the monitor.
AGENT_DELAY: Final = 5 + 32 + 5
MINUTE: Final = 60  # between two judgements of a minute

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

_SECRETS: Final = "/run/secrets"
_CA_FOLDER: Final = "/etc/paintshare"
_MIB: Final = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class ConfigFile:
    """A Swarm config: `name` carries the hash of `text`."""

    path: str
    text: str
    name: str


@dataclass(frozen=True, kw_only=True)
class SecretFile:
    """A Swarm secret: `name` carries the keyed HMAC of `value`, and a bare hash never leaves this program."""

    path: str
    value: str
    name: str


@dataclass(frozen=True, kw_only=True)
class Service:
    """One Swarm service with one task. `arguments` follow the entry point of the image."""

    role: str  # last part of logical names
    name: str  # Swarm service name; also its name on the network (`tasks.NAME`)
    image: str
    login: dict[str, str] = field(default_factory=dict)  # label that shows its registry's credentials
    arguments: tuple[str, ...] = ()
    configs: tuple[ConfigFile, ...] = ()
    secrets: tuple[SecretFile, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    volume: str | None = None  # physical name of a volume that outlives the service
    volume_path: str = ""
    tmpfs: tuple[str, ...] = ()
    ports: tuple[tuple[int, int], ...] = ()  # (in the task, on the host)
    capabilities: tuple[str, ...] = ()  # that its program needs to be started at all
    health: str = ""  # URL inside the task that answers 200 when it is ready; empty: none
    memory_bytes: int
    nano_cpus: int


@dataclass(frozen=True, kw_only=True)
class AgentPlan:
    """Prometheus in agent mode on the socket server's overlay `network`, on the socket host."""

    network: str  # physical name; made by SocketServer
    service: Service


@dataclass(frozen=True, kw_only=True)
class UptimePlan:
    """Everything one stack declares for monitoring. Names carry the stack: two may share a host."""

    stack: str
    prefix: str
    network: str
    prometheus: Service
    alertmanager: Service
    blackbox: Service
    proxy: Service
    agent: AgentPlan | None  # None: no socket server yet
    url: str  # of both UIs: URL/prometheus/ and URL/alertmanager/

    @property
    def services(self) -> tuple[Service, ...]:
        """In the order in which they are to start."""
        return (self.blackbox, self.alertmanager, self.prometheus, self.proxy)


def uptime_plan(settings: Settings) -> UptimePlan | None:
    """The plan, or None while the stack file names no monitoring host."""
    if not settings.monitor_host:
        return None
    prefix = monitor_prefix(settings)
    return UptimePlan(
        stack=settings.stack,
        prefix=prefix,
        network=prefix,
        prometheus=_prometheus(settings, prefix),
        alertmanager=_alertmanager(settings, prefix),
        blackbox=_blackbox(settings, prefix),
        proxy=_proxy(settings, prefix),
        agent=_agent(settings) if settings.socket_release else None,
        url=monitor_url(settings),
    )


def monitor_prefix(settings: Settings) -> str:
    """First part of every physical name on the monitoring host."""
    return f"paintshare-{settings.stack}-monitor"


def monitor_url(settings: Settings) -> str:
    """Where people and the agent reach the monitor, without a slash at the end."""
    scheme, port, usual = (
        ("http", settings.monitor_http_port, 80)
        if settings.monitor_tls == "off"
        else ("https", settings.monitor_https_port, 443)
    )
    return f"{scheme}://{settings.monitor_domain}" + ("" if port == usual else f":{port}")


# --- services -------------------------------------------------------------------------------------------


def _prometheus(settings: Settings, prefix: str) -> Service:
    key = _value(settings, "SUPABASE_METRICS_KEY")
    return Service(
        role="prometheus",
        name=f"{prefix}-prometheus",
        image=settings.prometheus_image,
        login=login_label(settings, settings.prometheus_image),
        arguments=(
            "--config.file=/etc/prometheus/prometheus.yml",
            "--storage.tsdb.path=/prometheus",
            f"--storage.tsdb.retention.time={settings.monitor_retention}",
            f"--web.external-url={monitor_url(settings)}/prometheus",
            "--web.enable-remote-write-receiver",
        ),
        configs=(
            _config(prefix, "/etc/prometheus/prometheus.yml", _yaml(prometheus_yml(settings))),
            _config(prefix, "/etc/prometheus/rules.yml", _yaml(rules_yml(settings))),
        ),
        secrets=(_secret(settings, prefix, f"{_SECRETS}/supabase-metrics-key", key),) if key else (),
        volume=f"{prefix}-data",
        volume_path="/prometheus",
        health="http://127.0.0.1:9090/prometheus/-/ready",
        memory_bytes=settings.monitor_memory_mib * _MIB,
        nano_cpus=1_000_000_000,
    )


def _alertmanager(settings: Settings, prefix: str) -> Service:
    # Discord's receiver reads its webhook from the configuration only, so all of it is a secret.
    text = _yaml(alertmanager_yml(settings))
    return Service(
        role="alertmanager",
        name=f"{prefix}-alertmanager",
        image=settings.alertmanager_image,
        login=login_label(settings, settings.alertmanager_image),
        arguments=(
            "--config.file=/etc/alertmanager/alertmanager.yml",
            "--storage.path=/alertmanager",
            f"--web.external-url={monitor_url(settings)}/alertmanager",
            "--cluster.listen-address=",
        ),
        secrets=(_secret(settings, prefix, "/etc/alertmanager/alertmanager.yml", text),),
        volume=f"{prefix}-silences",
        volume_path="/alertmanager",
        health="http://127.0.0.1:9093/alertmanager/-/ready",
        memory_bytes=128 * _MIB,
        nano_cpus=500_000_000,
    )


def _blackbox(settings: Settings, prefix: str) -> Service:
    path, text = "/etc/blackbox_exporter/blackbox.yml", _yaml(blackbox_yml(settings))
    secret = "VERCEL_PROTECTION_BYPASS" in settings.values
    authority, environment = _authority(settings, prefix)
    return Service(
        role="blackbox",
        name=f"{prefix}-blackbox",
        image=settings.blackbox_image,
        login=login_label(settings, settings.blackbox_image),
        arguments=(f"--config.file={path}",),
        configs=(*authority, *(() if secret else (_config(prefix, path, text),))),
        secrets=(_secret(settings, prefix, path, text),) if secret else (),
        environment=environment,
        health="http://127.0.0.1:9115/-/healthy",
        memory_bytes=128 * _MIB,
        nano_cpus=500_000_000,
    )


def _proxy(settings: Settings, prefix: str) -> Service:
    return Service(
        role="proxy",
        name=f"{prefix}-proxy",
        image=settings.proxy_image,
        login=login_label(settings, settings.proxy_image),
        secrets=(_secret(settings, prefix, "/etc/caddy/Caddyfile", caddyfile(settings, prefix)),),
        volume=f"{prefix}-certificates",
        volume_path="/data",
        tmpfs=("/config",),
        ports=(
            (PROXY_HTTP_PORT, settings.monitor_http_port),
            (PROXY_HTTPS_PORT, settings.monitor_https_port),
        ),
        capabilities=PROXY_CAPABILITIES,
        memory_bytes=128 * _MIB,
        nano_cpus=500_000_000,
    )


def _agent(settings: Settings) -> AgentPlan:
    prefix = f"paintshare-{settings.stack}-agent"
    authority, environment = _authority(settings, prefix)
    return AgentPlan(
        network=f"paintshare-{settings.stack}",
        service=Service(
            role="agent",
            name=prefix,
            image=settings.prometheus_image,
            login=login_label(settings, settings.prometheus_image),
            arguments=(
                "--enable-feature=agent",
                "--config.file=/etc/prometheus/prometheus.yml",
                "--storage.agent.path=/prometheus",
                # How long it ends while the monitor is away (1m if not said): its grace is 30 s.
                "--storage.remote.flush-deadline=10s",
            ),
            configs=(
                _config(prefix, "/etc/prometheus/prometheus.yml", _yaml(agent_yml(settings))),
                *authority,
            ),
            secrets=(_secret(settings, prefix, f"{_SECRETS}/monitor-password", _password(settings)),),
            environment=environment,
            tmpfs=("/prometheus",),
            health="http://127.0.0.1:9090/-/ready",
            memory_bytes=256 * _MIB,
            nano_cpus=500_000_000,
        ),
    )


def _authority(settings: Settings, prefix: str) -> tuple[tuple[ConfigFile, ...], tuple[tuple[str, str], ...]]:
    """The team's own certificate authority, trusted besides those of the image.

    Go reads the files of SSL_CERT_DIR in addition to the first bundle it finds (crypto/x509, root_unix.go).
    """
    if not settings.monitor_ca:
        return (), ()
    return (
        (_config(prefix, f"{_CA_FOLDER}/ca.crt", settings.monitor_ca),),
        (("SSL_CERT_DIR", _CA_FOLDER),),
    )


# --- Prometheus -------------------------------------------------------------------------------------------


def probes(settings: Settings) -> dict[str, str]:
    """Name of each check and the URL it asks for (plan §4.1)."""
    found = {"web": app_url(settings) + settings.web_probe_path}
    if settings.api_probe_path:
        found["api"] = app_url(settings) + settings.api_probe_path
    if settings.socket_release:
        found["socket"] = f"{socket_url(settings)}/healthz"
    return found


def prometheus_yml(settings: Settings) -> dict[str, Any]:
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
            {
                "job_name": "probe",
                "metrics_path": "/probe",
                "static_configs": [
                    {
                        "targets": [url],
                        "labels": {
                            "check": check,
                            "service": "socket" if check == "socket" else "web",
                            "authority": _authority_of(settings, check),
                            "__param_module": "socket" if check == "socket" else "web",
                        },
                    }
                    for check, url in probes(settings).items()
                ],
                "relabel_configs": [
                    {"source_labels": ["__address__"], "target_label": "__param_target"},
                    {"source_labels": ["__param_target"], "target_label": "instance"},
                    {"target_label": "__address__", "replacement": f"tasks.{prefix}-blackbox:9115"},
                ],
            },
            _own("prometheus", "/prometheus/metrics", {"static_configs": [{"targets": ["localhost:9090"]}]}),
            _own(
                "alertmanager",
                "/alertmanager/metrics",
                {"dns_sd_configs": [_tasks(f"{prefix}-alertmanager", 9093)]},
            ),
            *([_supabase(settings)] if "SUPABASE_METRICS_KEY" in settings.values else []),
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
        "basic_auth": {"username": "service_role", "password_file": f"{_SECRETS}/supabase-metrics-key"},
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
            {"name": "policy", "rules": rendered(policy, known, runbook)},
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
                "basic_auth": {"username": USER, "password_file": f"{_SECRETS}/monitor-password"},
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


# --- blackbox exporter ------------------------------------------------------------------------------------


def blackbox_yml(settings: Settings) -> dict[str, Any]:
    """One way to ask for both hosts, but the bypass of Vercel's protection is told to Vercel alone.

    Redirects are not followed: a protected deployment redirects to a login page, which answers 200.
    """
    agent = {"User-Agent": f"paintshare-uptime-check/1 (stack {settings.stack})"}
    bypass = _value(settings, "VERCEL_PROTECTION_BYPASS")
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


# --- Alertmanager -----------------------------------------------------------------------------------------

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
    watchdog = _value(settings, "WATCHDOG_URL")
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
    if url := _value(settings, "DISCORD_WEBHOOK_URL"):
        discord = {"webhook_url": url, "send_resolved": True, "title": _TITLE, "message": _TEXT}
        found["discord_configs"] = [discord]
    if url := _value(settings, "SLACK_WEBHOOK_URL"):
        slack = {"api_url": url, "send_resolved": True, "title": _TITLE, "text": _TEXT.replace("**", "*")}
        found["slack_configs"] = [slack]
    return found


def _pager(settings: Settings) -> dict[str, Any]:
    key = _value(settings, "PAGERDUTY_KEY")
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


# --- proxy ------------------------------------------------------------------------------------------------


def caddyfile(settings: Settings, prefix: str) -> str:
    """TLS and one password before both UIs and the remote-write endpoint.

    The whole `Authorization` header is compared: Caddy's own basic auth wants a salted hash, which would be
    another text at each run.
    """
    site, tls, https = {
        "acme": (settings.monitor_domain, "", ""),
        "internal": (settings.monitor_domain, "\ttls internal\n", ""),
        "off": (f"http://:{PROXY_HTTP_PORT}", "", "\tauto_https off\n"),
    }[settings.monitor_tls]
    redirect = https_redirect(settings.monitor_domain, monitor_url(settings)) if not https else ""
    credentials = base64.b64encode(f"{USER}:{_password(settings)}".encode()).decode()
    return f"""\
{{
\tadmin off
\thttp_port {PROXY_HTTP_PORT}
\thttps_port {PROXY_HTTPS_PORT}
{https}{PUBLISHED_PROTOCOLS}}}

{redirect}{site} {{
{tls}\t@known header Authorization "Basic {credentials}"
\thandle @known {{
\t\thandle /prometheus/* {{
\t\t\treverse_proxy tasks.{prefix}-prometheus:9090
\t\t}}
\t\thandle /alertmanager/* {{
\t\t\treverse_proxy tasks.{prefix}-alertmanager:9093
\t\t}}
\t\thandle {{
\t\t\tredir * /prometheus/
\t\t}}
\t}}
\thandle {{
\t\theader WWW-Authenticate `Basic realm="paintshare {settings.stack}"`
\t\trespond 401
\t}}
}}
"""


# --- names ---------------------------------------------------------------------------------------------


def _config(prefix: str, path: str, text: str) -> ConfigFile:
    return ConfigFile(path=path, text=text, name=config_name(prefix, _part(path), text))


def _secret(settings: Settings, prefix: str, path: str, value: str) -> SecretFile:
    return SecretFile(path=path, value=value, name=secret_name(settings, prefix, _part(path), value))


def _part(path: str) -> str:
    return path.rsplit("/", 1)[1].lower().replace(".", "-")


def _value(settings: Settings, key: str) -> str:
    found = settings.values.get(key)
    return found.get_secret_value() if found else ""


def _password(settings: Settings) -> str:
    return _value(settings, "MONITOR_PASSWORD")


def _yaml(content: dict[str, Any]) -> str:
    return yaml.safe_dump(content, sort_keys=False, width=1000)
