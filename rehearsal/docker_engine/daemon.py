"""dockerd and containerd: where they come from, how they are set, and that they answer."""

import contextlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from docker.errors import DockerException  # type: ignore[import-untyped]

from rehearsal.cache import Progress
from rehearsal.docker_engine import packages, processes
from rehearsal.docker_engine.engine import Engine
from rehearsal.docker_engine.errors import DockerUnavailableError

_PROGRAMS: Final = (
    "dockerd",
    "containerd",
    "containerd-shim-runc-v2",
    "runc",
    "docker-init",
    "docker-proxy",
    "iptables",
)
START: Final = 120  # seconds; a second or two is usual


def programs(progress: Progress) -> dict[str, str]:
    """The environment in which dockerd finds all it calls. Debian's packages where something is missing."""
    if all(packages.installed(name) for name in _PROGRAMS):
        return packages.environment()
    return packages.environment(packages.unpacked("docker.io", progress))


def settings_file(folder: Path) -> Path:
    """dockerd's settings, by the folder or its short name."""
    return folder / "daemon.json"


def _settings(engine: Engine) -> dict[str, Any]:
    return {
        **_transports(engine),
        "data-root": str(engine.short / "data"),
        "exec-root": str(engine.short / "run"),
        "pidfile": str(engine.short / "docker.pid"),
        # Named, because dockerd would use a containerd of the system, with somebody else's containers in it.
        "containerd": str(engine.short / "containerd.sock"),
        "log-opts": {"max-size": "10m", "max-file": "2"},
        "cgroup-parent": f"/{group(engine)}",
        # Names that the engine does not know are asked for on the link: whoever wants containers to know some
        # listens there, and nothing else reaches the network.
        "dns": [engine.machine],
    }


def _transports(engine: Engine) -> dict[str, Any]:
    """The unix socket; with a folder `tls` also TLS, for whoever has a certificate of its authority."""
    material = engine.folder / "tls"
    if not material.is_dir():
        return {"hosts": [engine.host]}
    return {
        "hosts": [engine.host, engine.tls_host],
        "tlsverify": True,
        "tlscacert": str(material / "ca.pem"),
        "tlscert": str(material / "cert.pem"),
        "tlskey": str(material / "key.pem"),
    }


def group(engine: Engine) -> str:
    """The control group below which the engine's containers are."""
    return f"paintshare-{engine.id}"


def _containerd_settings(engine: Engine) -> str:
    return (
        "version = 2\n"
        f'root = "{engine.short}/containerd/root"\n'
        f'state = "{engine.short}/containerd/state"\n'
        'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
        f'[grpc]\n  address = "{engine.short}/containerd.sock"\n'
    )


def start(engine: Engine, environment: Mapping[str, str]) -> None:
    """Start containerd and dockerd, and return once both answer. Raises DockerUnavailableError."""
    containerd, dockerd = engine.short / "containerd.toml", settings_file(engine.short)
    containerd.write_text(_containerd_settings(engine))
    dockerd.write_text(json.dumps(_settings(engine), indent=2) + "\n")
    listens = (engine.short / "containerd.sock").exists
    _start_one(engine, ["containerd", "--config", containerd], environment, listens)
    _start_one(engine, ["dockerd", "--config-file", dockerd], environment, lambda: _answers(engine))


def _start_one(
    engine: Engine, command: list[str | Path], environment: Mapping[str, str], ready: Callable[[], bool]
) -> None:
    log = engine.folder / f"{command[0]}.log"
    # Not `ip netns exec`: it hides the control groups, and the engine refuses to start (seen: 20.10).
    started = processes.start(["nsenter", f"--net={engine.namespace}", *command], log, environment)
    processes.wait_until(lambda: started.poll() is not None or ready(), START)
    if started.poll() is not None or not ready():
        last = (log.read_text(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
        raise DockerUnavailableError(f"{command[0]} did not start: {last} (log: {log})")


def _answers(engine: Engine) -> bool:
    try:
        with contextlib.closing(engine.client(timeout=10)) as client:
            return bool(client.ping())
    except (DockerException, OSError):
        return False
