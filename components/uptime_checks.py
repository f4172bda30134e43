"""UptimeChecks: probes, Prometheus, Alertmanager and the proxy before their pages, on the monitoring host.

Maps `plan.uptime.UptimePlan` to an overlay network and four Swarm services. What they judge and whom they
tell stands in their configurations, which the plan renders.
"""

from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from components.swarm import declare
from plan.uptime import UptimePlan


@dataclass(frozen=True, kw_only=True)
class UptimeChecksArgs:
    """`plan`: what to declare, or None for nothing yet. `hooks`: called when one of its services changes."""

    plan: UptimePlan | None
    hooks: pulumi.ResourceHookBinding | None = None


class UptimeChecks(pulumi.ComponentResource):
    """The monitor of one stack. Needs a Docker provider of the monitoring host in `opts.providers`."""

    url: str | None
    """Where people find both pages, URL/prometheus/ and URL/alertmanager/; None while no host is named."""
    services: tuple[pulumi.Output[str], ...] = ()
    """Names of its Swarm services; empty while no host is named."""

    def __init__(self, name: str, args: UptimeChecksArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("paintshare:index:UptimeChecks", name, None, opts)
        self.url = args.plan.url if args.plan else None
        if args.plan:
            network = docker.Network(
                f"{name}-network",
                name=args.plan.network,
                driver="overlay",
                attachable=True,
                opts=pulumi.ResourceOptions(parent=self),
            )
            self.services = tuple(
                declare(name, service, args.plan.stack, network.id, self, hooks=args.hooks).name
                for service in args.plan.services
            )
        self.register_outputs({"url": self.url})
