"""ScrapeAgent: a Prometheus in agent mode beside the socket server, on its network.

The socket server's metrics stay private: the agent scrapes every task where it runs and writes what it read
to the monitor on the other host, which needs no way in.
"""

from dataclasses import dataclass

import pulumi

from components.swarm import declare
from plan.uptime import UptimePlan


@dataclass(frozen=True, kw_only=True)
class ScrapeAgentArgs:
    """`plan`: the monitor's, `network_id`: the socket server's; None where there is none.

    `hooks`: called when its service changes.
    """

    plan: UptimePlan | None
    network_id: pulumi.Input[str] | None
    hooks: pulumi.ResourceHookBinding | None = None


class ScrapeAgent(pulumi.ComponentResource):
    """The agent of one stack. Needs a Docker provider of the socket host in `opts.providers`."""

    service_name: pulumi.Output[str] | None = None
    """Name of the Swarm service; None while there is nothing to scrape, or nobody to write to."""
    services: tuple[pulumi.Output[str], ...] = ()
    """The same, as other components have it; empty while there is none."""

    def __init__(self, name: str, args: ScrapeAgentArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("paintshare:index:ScrapeAgent", name, None, opts)
        if args.plan and args.plan.agent and args.network_id is not None:
            agent = args.plan.agent.service
            service = declare(name, agent, args.plan.stack, args.network_id, self, hooks=args.hooks)
            self.service_name = service.name
            self.services = (service.name,)
        self.register_outputs({"service_name": self.service_name})
