"""The monitor of one stack: probes, Prometheus, Alertmanager, their proxy, and the agent beside the sockets.

Pure functions from settings to an `UptimePlan` with every configuration rendered; `components.uptime_checks`
maps it to Swarm resources. What is judged stands in `plan.alerts`, who is told in `alertmanager`, what asks
and gathers in `blackbox` and `prometheus`. A configuration is named by a hash of its text; one that holds a
secret is a Swarm secret, named by the keyed HMAC of its text.
"""

from dataclasses import dataclass
from typing import Final

from plan.settings import Settings
from plan.uptime.names import monitor_prefix
from plan.uptime.services import AgentPlan, Service, agent, alertmanager, blackbox, prometheus, proxy
from plan.urls import monitor_url

UPTIME: Final = "uptime"  # logical name of the component
AGENT: Final = "agent"  # and of the one on the socket host


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
        prometheus=prometheus(settings, prefix),
        alertmanager=alertmanager(settings, prefix),
        blackbox=blackbox(settings, prefix),
        proxy=proxy(settings, prefix),
        agent=agent(settings) if settings.socket_release else None,
        url=monitor_url(settings),
    )
