"""The socket server of one stack: image, environment, limits, health gate, proxy (plan §3, §4.1, §6.2).

Pure functions from settings to a `SocketPlan`; `components.socket_server` maps it to Swarm resources. Every
number of the rollout stands here. Durations are written as Docker returns them, so that a refresh is quiet.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from plan.assignments import Assignment, assignments
from plan.caddy import opening
from plan.hosts import config_name, login_label, secret_name
from plan.rows import Store
from plan.settings import Settings
from plan.urls import socket_url

SOCKET: Final = "socket"  # logical name of the component
PORT: Final = 3001  # inside the task

DRAIN_SECONDS: Final = 20  # the server stops taking connections and lets clients move (docs/app-contract.md)
STOP_GRACE: Final = "30s"  # longer than the drain, or Docker kills it half-way
# Caddy's official image gives its program this one: it may bind low ports, and cannot be started where the
# capability is dropped ("operation not permitted").
PROXY_CAPABILITIES: Final = ("CAP_NET_BIND_SERVICE",)
PROXY_MEMORY: Final = 512 * 1024 * 1024  # bytes; 5,000 players' connections take about half
PROXY_NANO_CPUS: Final = 1_000_000_000
PROXY_STOP_GRACE: Final = "5s"  # while the old proxy ends nobody gets in: no task of its own to finish
PASSIVE_SINCE: Final = (2, 11, 2)
"""The first Caddy that remembers the failure of an upstream that was looked up (caddyserver/caddy#7539)."""


def prefix(stack: str) -> str:
    """What the physical names of a stack begin with on a Docker host; two stacks may share one."""
    return f"paintshare-{stack}"


def service_name(stack: str) -> str:
    """Name of the Swarm service of a stack's socket server."""
    return f"{prefix(stack)}-socket"


def proxy_name(stack: str) -> str:
    """Name of the Swarm service of the proxy in front of it."""
    return f"{prefix(stack)}-proxy"


@dataclass(frozen=True, kw_only=True)
class HealthGate:
    """When a task counts as healthy. A hanging `/healthz` fails after (`interval` + `timeout`) x `retries`.

    The probe starts a Node process: on a host that is short of CPU it takes longer than 2 s, and a tight
    time-out would kill every task just when players need them (seen: replicas restarted for ever). It uses
    `http`, as loading `fetch` takes longer than all the rest (200 ms of CPU a probe instead of 77).
    """

    path: str = "/healthz"
    interval: str = "2s"
    timeout: str = "10s"
    retries: int = 3
    start_period: str = "20s"

    @property
    def command(self) -> list[str]:
        """Succeeds on a 2xx answer only. Needs nothing of the image but Node."""
        ask = f"require('http').get('http://127.0.0.1:{PORT}{self.path}'"
        judge = "r=>process.exit(r.statusCode>=200&&r.statusCode<300?0:1)"
        return ["node", "-e", f"{ask},{judge}).on('error',()=>process.exit(1))"]


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """A quarter of the tasks at a time, new ones first; back to N-1 when one fails in its monitor window.

    The next task waits until the one before has outlived its window: a release that is healthy and then dies
    would otherwise have replaced every task by then, and nothing serves until N-1 has started again (with a
    delay of 1 s, 213 of 5,469 probes were lost; measured, two tasks). So a rollout has seven steps at most,
    and `converge_timeout` holds them all.
    """

    parallelism: int
    delay: str
    monitor: str
    rollback_delay: str = "1s"
    converge_timeout: str = "5m0s"


@dataclass(frozen=True, kw_only=True)
class FileSecret:
    """A secret mounted as a file instead of an environment variable.

    `name` carries the keyed HMAC of the value: Swarm secrets are immutable, so a new value needs a new name,
    and a bare hash of the value never leaves this program.
    """

    key: str
    value: str
    name: str


@dataclass(frozen=True, kw_only=True)
class SocketPlan:
    """Everything one stack declares on the socket host. Names carry the stack: two may share a host."""

    stack: str
    prefix: str
    service: str
    proxy: str
    release: str
    image: str
    proxy_image: str
    login: dict[str, str]  # label that shows the registry's credentials; empty for an open one
    proxy_login: dict[str, str]
    replicas: int
    memory_bytes: int
    nano_cpus: int
    environment: dict[str, str]  # values in the clear that are no secret
    secrets: dict[str, str]  # values that must be marked secret
    edge_config: bool  # True: EDGE_CONFIG is made by a resource and joins `secrets`,
    edge_config_file: Callable[[str], FileSecret] | None  # or becomes this file, given its value
    file_secrets: tuple[FileSecret, ...]
    caddyfile: str
    caddyfile_name: str
    http_port: int
    https_port: int
    health: HealthGate
    rollout: Rollout


def socket_plan(settings: Settings) -> SocketPlan | None:
    """The plan, or None while the stack file names no release of the socket server."""
    if not settings.socket_release:
        return None
    names = prefix(settings.stack)
    found = list(assignments(settings, Store.SOCKET))
    secrets = {a.row.key: a.value for a in found if a.secret and a.value is not None}
    files: tuple[FileSecret, ...] = ()
    if settings.socket_file_secrets:
        files = tuple(_file_secret(settings, key, value) for key, value in sorted(secrets.items()))
        secrets = {}
    edge_config = any(a.row.key == "EDGE_CONFIG" for a in found)
    edge_file = partial(_file_secret, settings, "EDGE_CONFIG") if settings.socket_file_secrets else None
    caddyfile = render_caddyfile(settings)
    return SocketPlan(
        stack=settings.stack,
        prefix=names,
        service=service_name(settings.stack),
        proxy=proxy_name(settings.stack),
        release=settings.socket_release,
        image=f"{settings.socket_image}:{settings.socket_release}@{settings.socket_digest}",
        proxy_image=settings.proxy_image,
        login=login_label(settings, settings.socket_image),
        proxy_login=login_label(settings, settings.proxy_image),
        replicas=settings.socket_replicas,
        memory_bytes=settings.socket_memory_mib * 1024 * 1024,
        nano_cpus=settings.socket_milli_cpus * 1_000_000,
        environment=_environment(found, [*(f.key for f in files), *(["EDGE_CONFIG"] if edge_file else [])]),
        secrets=secrets,
        edge_config=edge_config,
        edge_config_file=edge_file if edge_config else None,
        file_secrets=files,
        caddyfile=caddyfile,
        caddyfile_name=config_name(names, "caddyfile", caddyfile),
        http_port=settings.socket_http_port,
        https_port=settings.socket_https_port,
        health=HealthGate(),
        rollout=_rollout(settings.socket_replicas, f"{settings.socket_watch_seconds}s"),
    )


def _rollout(replicas: int, window: str) -> Rollout:
    """Where there is no next task, nothing waits for it: Swarm judges no failure while it waits."""
    parallelism = max(1, replicas // 4)
    return Rollout(parallelism=parallelism, delay="0s" if replicas <= parallelism else window, monitor=window)


def _environment(found: list[Assignment], files: list[str]) -> dict[str, str]:
    plain = {a.row.key: a.value for a in found if not a.secret and a.value is not None}
    mounted = {f"{key}_FILE": f"/run/secrets/{key}" for key in files}
    own = {"NODE_ENV": "production", "PORT": str(PORT), "DRAIN_SECONDS": str(DRAIN_SECONDS)}
    return {**plain, **mounted, **own}


def _file_secret(settings: Settings, key: str, value: str) -> FileSecret:
    name = secret_name(settings, prefix(settings.stack), key.lower().replace("_", "-"), value)
    return FileSecret(key=key, value=value, name=name)


def forgets_failures(proxy_image: str) -> bool:
    """Whether the tag of a proxy's image names a Caddy before PASSIVE_SINCE. False where it names none."""
    _, _, tag = proxy_image.partition("@")[0].rpartition("/")[2].partition(":")
    named = re.match(r"v?(\d+(?:\.\d+){0,2})(?![\d.])", tag)
    if named is None:
        return False
    version = tuple(int(part) for part in named[1].split("."))
    return version < PASSIVE_SINCE[: len(version)]  # `2.11` is the newest of them


def render_caddyfile(settings: Settings) -> str:
    """The proxy's configuration: TLS, WebSocket and long polling, sticky sessions, private metrics.

    A proxy that ends would wait for every request without a bound, and a long poll is one; meanwhile its
    port is taken, and nobody gets in (grace_period).

    Upstreams are the service's tasks, looked up every second (`dnsrr`); a task that fails a request is left
    out for two seconds, and a GET goes to another. Caddy before PASSIVE_SINCE forgets the failure at once
    unless other requests are under way at that task, and the cookie names it again. What dies may say
    nothing: its address does not answer a dial, nor its connections a request, so both waits are short
    (numbers: ADR 0021). Only what Engine.io holds on purpose, the polls of a session, may take
    longer; its clients notice a dead server by themselves. Source: Caddy's documentation and its
    modules/caddyhttp/reverseproxy, docs/providers.md#docker.
    """
    begins = opening(settings.socket_domain, settings.socket_tls, socket_url(settings))
    return f"""\
{begins.head}\
(tasks) {{
	dynamic a {{
		name tasks.{service_name(settings.stack)}
		port {PORT}
		refresh 1s
	}}
	lb_policy cookie paintshare_socket
	lb_try_duration 5s
	lb_try_interval 100ms
	lb_retry_match method GET HEAD
	fail_duration 2s
}}

{begins.site} {{
{begins.tls}	@private path /metrics /metrics/*
	respond @private 404
	@session {{
		path /socket.io/*
		query sid=*
	}}
	reverse_proxy @session {{
		import tasks
		transport http {{
			dial_timeout 500ms
		}}
	}}
	reverse_proxy {{
		import tasks
		transport http {{
			dial_timeout 500ms
			response_header_timeout 3s
		}}
	}}
}}
"""
