"""PaintShare's deployment plan for one stack: a table of contents.

Settings come from the stack file, rows from `plan`, resources from `components`.
"""

import os
from datetime import date

import pulumi
import pulumi_github as github
import pulumiverse_vercel as vercel

from components.deployment_gate import DeploymentGate, DeploymentGateArgs
from components.docker_host import docker_providers
from components.scrape_agent import ScrapeAgent, ScrapeAgentArgs
from components.socket_server import SocketServer, SocketServerArgs
from components.traffic_alerts import TrafficAlerts, TrafficAlertsArgs
from components.uptime_checks import UptimeChecks, UptimeChecksArgs
from components.web_app import WebApp, WebAppArgs, exports
from operations.hooks import protection, rollout
from plan import config, preflight
from plan.gate import GATE, gate_plan
from plan.hosts import MONITOR_HOST, SOCKET_HOST, monitor_host, socket_host
from plan.socket import SOCKET, socket_plan
from plan.traffic import TRAFFIC, traffic_plan
from plan.uptime import AGENT, UPTIME, uptime_plan
from plan.web import WEB, web_plan

stack = preflight.enforce(config.load(), date.today(), os.environ)

# The plugin reads its token from the environment by itself. Seen by the SDK, it would be stored in the state
# and every short-lived token would show as a change.
kept = protection.of_environments(stack, os.environ.pop("GITHUB_TOKEN", None))
on_vercel = vercel.Provider("vercel", team=stack.vercel_team)
on_github = github.Provider("github", owner=stack.github_owner)
on_socket_host = docker_providers(SOCKET_HOST, socket_host(stack))
on_monitor_host = docker_providers(MONITOR_HOST, monitor_host(stack))

web = WebApp(WEB, WebAppArgs(plan=web_plan(stack)), pulumi.ResourceOptions(providers=[on_vercel]))
gate = DeploymentGate(
    GATE, DeploymentGateArgs(plan=gate_plan(stack), hooks=kept), pulumi.ResourceOptions(providers=[on_github])
)
socket = SocketServer(
    SOCKET,
    SocketServerArgs(
        plan=socket_plan(stack),
        edge_config=web.edge_config,
        hooks=rollout.of_server(stack),
        proxy_hooks=rollout.of_proxy(stack),
    ),
    pulumi.ResourceOptions(providers=on_socket_host),
)
traffic = TrafficAlerts(
    TRAFFIC, TrafficAlertsArgs(plan=traffic_plan(stack)), pulumi.ResourceOptions(providers=[on_vercel])
)
monitored, watched = uptime_plan(stack), rollout.of_monitor(stack)
uptime = UptimeChecks(
    UPTIME, UptimeChecksArgs(plan=monitored, hooks=watched), pulumi.ResourceOptions(providers=on_monitor_host)
)
agent = ScrapeAgent(
    AGENT,
    ScrapeAgentArgs(plan=monitored, network_id=socket.network_id, hooks=watched),
    pulumi.ResourceOptions(providers=on_socket_host),
)
rollout.refuse_taken_back(stack, [*socket.services, *uptime.services, *agent.services])

for name, value in exports(web).items():
    pulumi.export(name, value)
pulumi.export("environments", gate.environments)
pulumi.export("monitor", uptime.url)
