"""The monitor of one stack: probes, Prometheus, Alertmanager, their proxy, and the agent beside the sockets.

Pure functions from settings to an `UptimePlan` with every configuration rendered; `components.uptime_checks`
maps it to Swarm resources. The rules stand in `plan.alerts`. A configuration is named by a hash of its text;
one that holds a secret is a Swarm secret, named by the keyed HMAC of its text.
"""

import base64
import hashlib
from dataclasses import dataclass
from typing import Any, Final

import yaml

from plan.alerts import RULES, WATCHDOG, Severity, rendered
from plan.settings import Settings
from plan.socket import PORT as SOCKET_PORT
from plan.variables import app_url, fingerprint, socket_url

UPTIME: Final = "uptime"  # logical name of the component
USER: Final = "paintshare"  # of the monitor's basic auth
PROXY_HTTP_PORT, PROXY_HTTPS_PORT = 8080, 8443  # inside the proxy's task: no capability is needed

PROBE_INTERVAL: Final = "15s"
PROBE_TIMEOUT: Final = "8s"
EVALUATION: Final = "15s"


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
    arguments: tuple[str, ...] = ()
    configs: tuple[ConfigFile, ...] = ()
    secrets: tuple[SecretFile, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    volume: str | None = None  # physical name of a volume that outlives the service
    volume_path: str = ""
    tmpfs: tuple[str, ...] = ()
    ports: tuple[tuple[int, int], ...] = ()  # (in the task, on the host)
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
    prefix = f"paintshare-{settings.stack}-monitor"
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


def monitor_url(settings: Settings) -> str:
    """Where people and the agent reach the monitor, without a slash at the end."""
    scheme, port, usual = (
        ("http", settings.monitor_http_port, 80)
        if settings.monitor_tls == "off"
        else ("https", settings.monitor_https_port, 443)
    )
    return f"{scheme}://{settings.monitor_domain}" + ("" if port == usual else f":{port}")


# --- services ------------------------------------------------------------------------------------------


def _prometheus(settings: Settings, prefix: str) -> Service:
    secrets: tuple[SecretFile, ...] = ()
    return Service(
        role="prometheus",
        name=f"{prefix}-prometheus",
        image=settings.prometheus_image,
        arguments=(
            "--config.file=/etc/prometheus/prometheus.yml",
            "--storage.tsdb.path=/prometheus",
            f"--storage.tsdb.retention.time={settings.monitor_retention}",
            f"--web.external-url={monitor_url(settings)}/prometheus",
            "--web.enable-remote-write-receiver",
        ),
        configs=(
            _config(prefix, "/etc/prometheus/prometheus.yml", _yaml(_prometheus_yml(settings, prefix))),
            _config(prefix, "/etc/prometheus/rules.yml", _yaml(_rules_yml())),
        ),
        secrets=secrets,
        volume=f"{prefix}-data",
        volume_path="/prometheus",
        memory_bytes=settings.monitor_memory_mib * 1024 * 1024,
        nano_cpus=1_000_000_000,
    )


def _alertmanager(settings: Settings, prefix: str) -> Service:
    return Service(
        role="alertmanager",
        name=f"{prefix}-alertmanager",
        image=settings.alertmanager_image,
        arguments=(
            "--config.file=/etc/alertmanager/alertmanager.yml",
            "--storage.path=/alertmanager",
            f"--web.external-url={monitor_url(settings)}/alertmanager",
            "--cluster.listen-address=",
        ),
        secrets=(
            _secret(
                settings, prefix, "/etc/alertmanager/alertmanager.yml", _yaml(_alertmanager_yml(settings))
            ),
        ),
        volume=f"{prefix}-silences",
        volume_path="/alertmanager",
        memory_bytes=128 * 1024 * 1024,
        nano_cpus=500_000_000,
    )


def _blackbox(settings: Settings, prefix: str) -> Service:
    return Service(
        role="blackbox",
        name=f"{prefix}-blackbox",
        image=settings.blackbox_image,
        arguments=("--config.file=/etc/blackbox_exporter/config.yml",),
        configs=(_config(prefix, "/etc/blackbox_exporter/config.yml", _yaml(_blackbox_yml(settings))),),
        memory_bytes=128 * 1024 * 1024,
        nano_cpus=500_000_000,
    )


def _proxy(settings: Settings, prefix: str) -> Service:
    return Service(
        role="proxy",
        name=f"{prefix}-proxy",
        image=settings.proxy_image,
        # The password stands in it: the whole file is a secret.
        secrets=(_secret(settings, prefix, "/etc/caddy/Caddyfile", _caddyfile(settings, prefix)),),
        volume=f"{prefix}-certificates",
        volume_path="/data",
        tmpfs=("/config",),
        ports=(
            (PROXY_HTTP_PORT, settings.monitor_http_port),
            (PROXY_HTTPS_PORT, settings.monitor_https_port),
        ),
        memory_bytes=128 * 1024 * 1024,
        nano_cpus=500_000_000,
    )


def _agent(settings: Settings) -> AgentPlan:
    prefix = f"paintshare-{settings.stack}-agent"
    text = _yaml(_agent_yml(settings))
    return AgentPlan(
        network=f"paintshare-{settings.stack}",
        service=Service(
            role="agent",
            name=prefix,
            image=settings.prometheus_image,
            arguments=(
                "--enable-feature=agent",
                "--config.file=/etc/prometheus/prometheus.yml",
                "--storage.agent.path=/prometheus",
            ),
            configs=(_config(prefix, "/etc/prometheus/prometheus.yml", text),),
            secrets=(_secret(settings, prefix, "/run/secrets/monitor-password", _password(settings)),),
            tmpfs=("/prometheus",),
            memory_bytes=256 * 1024 * 1024,
            nano_cpus=500_000_000,
        ),
    )


# --- configurations ------------------------------------------------------------------------------------


def _prometheus_yml(settings: Settings, prefix: str) -> dict[str, Any]:
    blackbox = f"tasks.{prefix}-blackbox"
    return {
        "global": {
            "scrape_interval": PROBE_INTERVAL,
            "scrape_timeout": "10s",
            "evaluation_interval": EVALUATION,
            "external_labels": {"stack": settings.stack},
        },
        "rule_files": ["/etc/prometheus/rules.yml"],
        "alerting": {
            "alertmanagers": [
                {
                    "path_prefix": "/alertmanager",
                    "dns_sd_configs": [
                        {"names": [f"tasks.{prefix}-alertmanager"], "type": "A", "port": 9093}
                    ],
                }
            ]
        },
        "scrape_configs": [
            {
                "job_name": "probe",
                "metrics_path": "/probe",
                "params": {"module": ["web"]},
                "static_configs": [
                    {"targets": [url], "labels": {"check": check}} for check, url in probes(settings).items()
                ],
                "relabel_configs": [
                    {"source_labels": ["__address__"], "target_label": "__param_target"},
                    {"source_labels": ["__param_target"], "target_label": "instance"},
                    {"target_label": "__address__", "replacement": f"{blackbox}:9115"},
                ],
            },
        ],
    }


def probes(settings: Settings) -> dict[str, str]:
    """Name of each check and the URL it asks for (plan §4.1)."""
    found = {"web": f"{app_url(settings)}/", "api": f"{app_url(settings)}/api/health"}
    if settings.socket_release:
        found["socket"] = f"{socket_url(settings)}/healthz"
    return found


def _rules_yml() -> dict[str, Any]:
    return {"groups": [{"name": "policy", "rules": rendered(RULES)}]}


def _alertmanager_yml(settings: Settings) -> dict[str, Any]:
    return {
        "route": {
            "receiver": "page",
            "group_by": ["alertname"],
            "group_wait": "5s",
            "group_interval": "1m",
            "repeat_interval": "30m",
            "routes": [
                {"receiver": "nobody", "matchers": [f'alertname="{WATCHDOG}"']},
                {"receiver": "notify", "matchers": [f'severity="{Severity.P2}"']},
            ],
        },
        "receivers": [
            {"name": "nobody"},
            {"name": "page", **_channels(settings)},
            {"name": "notify", **_channels(settings)},
        ],
    }


def _channels(settings: Settings) -> dict[str, Any]:
    channels: dict[str, Any] = {}
    if url := _value(settings, "DISCORD_WEBHOOK_URL"):
        channels["discord_configs"] = [{"webhook_url": url, "send_resolved": True}]
    if url := _value(settings, "SLACK_WEBHOOK_URL"):
        channels["slack_configs"] = [{"api_url": url, "send_resolved": True}]
    if key := _value(settings, "PAGERDUTY_KEY"):
        channels["pagerduty_configs"] = [{"routing_key": key, "send_resolved": True}]
    return channels


def _blackbox_yml(settings: Settings) -> dict[str, Any]:
    return {
        "modules": {
            "web": {
                "prober": "http",
                "timeout": PROBE_TIMEOUT,
                "http": {
                    "preferred_ip_protocol": "ip4",
                    "fail_if_not_ssl": True,
                    "headers": {"User-Agent": f"paintshare-uptime-check ({settings.stack})"},
                },
            }
        }
    }


def _agent_yml(settings: Settings) -> dict[str, Any]:
    return {
        "global": {"scrape_interval": "15s", "scrape_timeout": "10s"},
        "scrape_configs": [
            {
                "job_name": "socket",
                "dns_sd_configs": [
                    {
                        "names": [f"tasks.paintshare-{settings.stack}-socket"],
                        "type": "A",
                        "port": SOCKET_PORT,
                        "refresh_interval": "5s",
                    }
                ],
            }
        ],
        "remote_write": [
            {
                "url": f"{monitor_url(settings)}/prometheus/api/v1/write",
                "basic_auth": {"username": USER, "password_file": "/run/secrets/monitor-password"},
            }
        ],
    }


def _caddyfile(settings: Settings, prefix: str) -> str:
    """TLS and one password before both UIs and the remote-write endpoint.

    The whole `Authorization` header is compared: Caddy's own basic auth wants a salted hash, which would be
    another text at each run.
    """
    site, tls, https = {
        "acme": (settings.monitor_domain, "", ""),
        "internal": (settings.monitor_domain, "\ttls internal\n", ""),
        "off": (f"http://:{PROXY_HTTP_PORT}", "", "\tauto_https off\n"),
    }[settings.monitor_tls]
    credentials = base64.b64encode(f"{USER}:{_password(settings)}".encode()).decode()
    return f"""\
{{
\tadmin off
\thttp_port {PROXY_HTTP_PORT}
\thttps_port {PROXY_HTTPS_PORT}
{https}}}

{site} {{
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
    return ConfigFile(path=path, text=text, name=f"{prefix}-{_part(path)}-{_digest(text)}")


def _secret(settings: Settings, prefix: str, path: str, value: str) -> SecretFile:
    mac = fingerprint(settings.fingerprint_key.get_secret_value(), value)[:12]
    return SecretFile(path=path, value=value, name=f"{prefix}-{_part(path)}-{mac}")


def _part(path: str) -> str:
    return path.rsplit("/", 1)[1].lower().replace(".", "-")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _value(settings: Settings, key: str) -> str:
    found = settings.values.get(key)
    return found.get_secret_value() if found else ""


def _password(settings: Settings) -> str:
    return _value(settings, "MONITOR_PASSWORD")


def _yaml(content: dict[str, Any]) -> str:
    return yaml.safe_dump(content, sort_keys=False, width=1000)
