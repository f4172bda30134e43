"""The monitor of a home's stacks: its images, what the stack files say of it, where people look at it.

A stack is watched once its socket server runs: probes verify certificates, and the socket server's proxy
makes its authority when it starts.
"""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from rehearsal import demo, docker_hosts, home, outside
from rehearsal.cache import Progress
from rehearsal.docker_engine import images
from rehearsal.docker_engine.images import ImageRef
from rehearsal.docker_engine.registry import Registry
from rehearsal.home import CLONE, Home, HomeError

PORTS: Final = {"staging": (9081, 9444), "production": (9080, 9443)}  # on the monitoring host: HTTP, HTTPS


def stock(registry: Registry, progress: Progress = lambda _: None) -> Mapping[str, ImageRef]:
    """The monitor's images, by the key of the stack file that names each."""
    return {
        "prometheusImage": images.prometheus(registry, progress),
        "alertmanagerImage": images.alertmanager(registry, progress),
        "blackboxImage": images.blackbox(registry, progress),
        "proxyImage": images.caddy(registry, progress),
    }


def keys(home: Home, stack: str, found: Mapping[str, ImageRef]) -> dict[str, Any]:
    """What the stack file says of a monitor on the home's monitoring host."""
    http, https = PORTS[stack]
    socket = docker_hosts.endpoint(home, stack)
    authorities = [outside.authority(home).root, *([socket.authority] if socket.authority else [])]
    return {
        "monitorHost": docker_hosts.engines(home.folder)[1].host,
        "monitorDomain": demo.monitor_domain(stack),
        "monitorHttpPort": http,
        "monitorHttpsPort": https,
        "monitorTls": "off",
        "pagerdutyUrl": "http://{}:{}/v2/enqueue".format(*demo.CHANNELS),
        "monitorCa": "".join(file.read_text() for file in authorities),
        **{key: image.reference for key, image in found.items()},
    }


def url(home: Home, stack: str) -> str:
    """Where this machine reaches the monitor: `URL/prometheus/` and `URL/alertmanager/`."""
    return f"http://{docker_hosts.engines(home.folder)[1].address}:{PORTS[stack][0]}"


def watch(folder: Path, say: Progress) -> int:
    """Name a monitor in production's stack file, apply it and say where it is. Returns the exit code.

    Raises HomeError where the stack has no socket server yet.
    """
    stack = "production"
    here = home.ensure(folder, say)
    socket = docker_hosts.endpoint(here, stack) if docker_hosts.existing(here.folder) else None
    if socket is None or (socket.authority and not socket.authority.exists()):
        raise HomeError("there is nothing to watch yet: make rehearse")
    hosts = docker_hosts.ensure(here.folder, say)
    here.edit(stack, **keys(here, stack, stock(hosts.monitor, say)))
    outside.ensure(here, say)
    up = ["pulumi", "up", "--stack", stack, "--yes", "--skip-preview", "--non-interactive"]
    done = subprocess.run(up, cwd=CLONE, env=here.env(), check=False)
    if done.returncode == 0:
        print(
            f"Prometheus    {url(here, stack)}/prometheus/\n"
            f"Alertmanager  {url(here, stack)}/alertmanager/\n"
            f"Channels      {outside.receiver_url(here.folder)}\n"
            f"User paintshare, password: pulumi config get MONITOR_PASSWORD --stack {stack}"
        )
    return done.returncode
