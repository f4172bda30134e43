"""Each component of one stack file, declared and recorded."""

import inspect
import re

import pulumi
import pulumi_docker as docker
import pulumi_github as github
import pulumiverse_vercel as vercel

from components.deployment_gate import DeploymentGate, DeploymentGateArgs
from components.scrape_agent import ScrapeAgent, ScrapeAgentArgs
from components.socket_server import SocketServer, SocketServerArgs
from components.traffic_alerts import TrafficAlerts, TrafficAlertsArgs
from components.uptime_checks import UptimeChecks, UptimeChecksArgs
from components.web_app import WebApp, WebAppArgs
from plan.gate import GATE, gate_plan
from plan.socket import SOCKET, socket_plan
from plan.traffic import TRAFFIC, traffic_plan
from plan.uptime import AGENT, UPTIME, uptime_plan
from plan.web import WEB, web_plan
from tests.builders import StackFile
from tests.components.recording import Recorded, record


def web(file: StackFile) -> Recorded:
    def program() -> None:
        provider = vercel.Provider("on-vercel", team="team_x")
        args = WebAppArgs(plan=web_plan(file.settings()))
        WebApp(WEB, args, pulumi.ResourceOptions(providers=[provider]))

    return record(program, file.stack)


def gate(file: StackFile) -> Recorded:
    def program() -> None:
        provider = github.Provider("on-github", owner="owner")
        args = DeploymentGateArgs(plan=gate_plan(file.settings()))
        DeploymentGate(GATE, args, pulumi.ResourceOptions(providers=[provider]))

    return record(program, file.stack)


def socket(file: StackFile) -> Recorded:
    def program() -> None:
        provider = docker.Provider("on-socket-host", host="unix:///none")
        args = SocketServerArgs(plan=socket_plan(file.settings()), edge_config=pulumi.Output.secret("edge"))
        SocketServer(SOCKET, args, pulumi.ResourceOptions(providers=[provider]))

    return record(program, file.stack)


def uptime(file: StackFile) -> Recorded:
    def program() -> None:
        provider = docker.Provider("on-monitor-host", host="unix:///none")
        args = UptimeChecksArgs(plan=uptime_plan(file.settings()))
        UptimeChecks(UPTIME, args, pulumi.ResourceOptions(providers=[provider]))

    return record(program, file.stack)


def agent(file: StackFile, network_id: str | None = "network") -> Recorded:
    def program() -> None:
        provider = docker.Provider("on-socket-host", host="unix:///none")
        args = ScrapeAgentArgs(plan=uptime_plan(file.settings()), network_id=network_id)
        ScrapeAgent(AGENT, args, pulumi.ResourceOptions(providers=[provider]))

    return record(program, file.stack)


def traffic(file: StackFile) -> Recorded:
    def program() -> None:
        provider = vercel.Provider("on-vercel", team="team_x")
        args = TrafficAlertsArgs(plan=traffic_plan(file.settings()))
        TrafficAlerts(TRAFFIC, args, pulumi.ResourceOptions(providers=[provider]))

    return record(program, file.stack)


def properties(args: type) -> set[str]:
    """Every property that a resource of the SDK takes, as the wire names it."""
    names = set(inspect.signature(args).parameters)
    return {re.sub(r"_(\w)", lambda found: found[1].upper(), name) for name in names}
