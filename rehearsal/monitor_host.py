"""The monitor of a home's stacks: its images, what the stack files say of it, where people look at it.

A stack is watched once its socket server runs: probes verify certificates, and the socket server's proxy
makes its authority when it starts.
"""

from collections.abc import Mapping
from typing import Any, Final

from rehearsal import demo, docker_hosts, outside
from rehearsal.cache import Progress
from rehearsal.docker_engine import images
from rehearsal.docker_engine.images import ImageRef
from rehearsal.docker_engine.registry import Registry
from rehearsal.home import Home

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
