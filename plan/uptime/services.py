"""The monitor's services: one Swarm service with one task each, and the files that it reads."""

from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from plan.caddy import PROXY_HTTP_PORT, PROXY_HTTPS_PORT
from plan.hosts import config_name, login_label, secret_name
from plan.settings import Settings
from plan.socket import PROXY_CAPABILITIES
from plan.uptime.alertmanager import alertmanager_yml
from plan.uptime.blackbox import blackbox_yml
from plan.uptime.names import SECRETS
from plan.uptime.prometheus import agent_yml, prometheus_yml, rules_yml
from plan.uptime.proxy import caddyfile
from plan.urls import monitor_url

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


def prometheus(settings: Settings, prefix: str) -> Service:
    """Prometheus with its rules; its data outlives it."""
    key = settings.text("SUPABASE_METRICS_KEY")
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
        secrets=(_secret(settings, prefix, f"{SECRETS}/supabase-metrics-key", key),) if key else (),
        volume=f"{prefix}-data",
        volume_path="/prometheus",
        health="http://127.0.0.1:9090/prometheus/-/ready",
        memory_bytes=settings.monitor_memory_mib * _MIB,
        nano_cpus=1_000_000_000,
    )


def alertmanager(settings: Settings, prefix: str) -> Service:
    """Alertmanager; its silences outlive it."""
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


def blackbox(settings: Settings, prefix: str) -> Service:
    """The exporter that probes."""
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


def proxy(settings: Settings, prefix: str) -> Service:
    """The proxy before both UIs; its certificates outlive it."""
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


def agent(settings: Settings) -> AgentPlan:
    """The agent beside the socket servers, which writes what it scrapes to the monitor."""
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
            secrets=(
                _secret(settings, prefix, f"{SECRETS}/monitor-password", settings.text("MONITOR_PASSWORD")),
            ),
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


def _config(prefix: str, path: str, text: str) -> ConfigFile:
    return ConfigFile(path=path, text=text, name=config_name(prefix, _part(path), text))


def _secret(settings: Settings, prefix: str, path: str, value: str) -> SecretFile:
    return SecretFile(path=path, value=value, name=secret_name(settings, prefix, _part(path), value))


def _part(path: str) -> str:
    return path.rsplit("/", 1)[1].lower().replace(".", "-")


def _yaml(content: dict[str, Any]) -> str:
    return yaml.safe_dump(content, sort_keys=False, width=1000)
