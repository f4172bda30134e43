"""The monitors of a home's stacks: what the stack files say of them, where they are, what they see.

Both run on the monitoring host. They trust the home's authority, from which the socket servers' proxies and
the web app have their certificates.
"""

from collections.abc import Mapping
from typing import Any, Final

from operations.services.monitor import Monitor
from operations.stack.workspace import OperationError
from rehearsal import authority, demo, docker_hosts
from rehearsal.docker_engine.building import ImageRef
from rehearsal.home import STACKS, Home, engines

PORTS: Final = {"staging": (9081, 9444), "production": (9080, 9443)}  # on the monitoring host: HTTP, HTTPS


def keys(home: Home, stack: str, found: Mapping[str, ImageRef]) -> dict[str, Any]:
    """What the stack file says of a monitor; `found` are the images of `docker_hosts.stock`."""
    http, https = PORTS[stack]
    return {
        "monitorHost": engines(home.folder)[1].host,
        "monitorDomain": demo.monitor_domain(stack),
        "monitorHttpPort": http,
        "monitorHttpsPort": https,
        "monitorTls": "off",
        "monitorCa": authority.ensure(home.folder).root.read_text(),
        "pagerdutyUrl": "http://{}:{}/v2/enqueue".format(*demo.CHANNELS),
        **{f"{part}Image": found[part].reference for part in ("prometheus", "alertmanager", "blackbox")},
    }


def name(home: Home, found: Mapping[str, ImageRef]) -> None:
    """Write a monitor into each stack file that names none."""
    for stack in STACKS:
        if not docker_hosts.config(home, stack).get("monitorHost"):
            home.edit(stack, **keys(home, stack, found))


def url(home: Home, stack: str) -> str:
    """Where this machine reaches the monitor: `URL/prometheus/` and `URL/alertmanager/`."""
    return f"http://{engines(home.folder)[1].address}:{PORTS[stack][0]}"


def answering(monitor: Monitor) -> dict[str, bool]:
    """Which check of a stack (`web`, `api`, `socket`) answers by the monitor's latest probe."""
    try:
        return {one.labels["check"]: one.value == 1 for one in monitor.query('probe_success{job="probe"}')}
    except OperationError:
        return {}  # not up yet
