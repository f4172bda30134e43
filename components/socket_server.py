"""SocketServer: the battle server on Docker Swarm, health-gated, behind a proxy.

Maps `plan.socket.SocketPlan` to an overlay network, two services, a content-hashed config and a volume for
certificates. A release that does not become healthy never takes traffic: Swarm goes back to N-1 by itself,
and the update of the service fails.
"""

from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from components.swarm import LOGS, RESTART, container_labels, encoded, labels, port
from plan.caddy import PROXY_HTTP_PORT, PROXY_HTTPS_PORT
from plan.socket import (
    PROXY_CAPABILITIES,
    PROXY_MEMORY,
    PROXY_NANO_CPUS,
    PROXY_STOP_GRACE,
    STOP_GRACE,
    SocketPlan,
)


@dataclass(frozen=True, kw_only=True)
class SocketServerArgs:
    """`plan`: what to declare, or None for nothing yet. `edge_config`: value of EDGE_CONFIG (secret).

    `hooks` and `proxy_hooks`: called by the engine when the service of the server, or of the proxy, changes.
    """

    plan: SocketPlan | None
    edge_config: pulumi.Input[str]
    hooks: pulumi.ResourceHookBinding | None = None
    proxy_hooks: pulumi.ResourceHookBinding | None = None


class SocketServer(pulumi.ComponentResource):
    """The socket server of one stack. Needs a Docker provider of the socket host in `opts.providers`."""

    service_name: pulumi.Output[str] | None
    """Name of the Swarm service; None while no release is set."""
    services: tuple[pulumi.Output[str], ...] = ()
    """Names of all its Swarm services; empty while no release is set."""
    network_id: pulumi.Output[str] | None = None
    """Id of the overlay network that its tasks are on; None while no release is set."""

    def __init__(self, name: str, args: SocketServerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("paintshare:index:SocketServer", name, None, opts)
        self._name = name
        self.service_name = self._declare(args.plan, args).name if args.plan else None
        self.register_outputs({"service_name": self.service_name})

    def _declare(self, plan: SocketPlan, args: SocketServerArgs) -> docker.Service:
        child = pulumi.ResourceOptions(parent=self)
        marks = {"app.paintshare.stack": plan.stack}
        network = docker.Network(
            f"{self._name}-network", name=plan.prefix, driver="overlay", attachable=True, opts=child
        )
        self.network_id = network.id
        server = self._server(plan, network, args, marks)
        proxy = self._proxy(plan, network, args.proxy_hooks, marks, depends_on=server)
        self.services = (server.name, proxy.name)
        return server

    def _server(
        self,
        plan: SocketPlan,
        network: docker.Network,
        args: SocketServerArgs,
        marks: dict[str, str],
    ) -> docker.Service:
        # The value's HMAC is part of the names: a new one is made, mounted, and the old one removed.
        secrets = [
            self._secret(f"{self._name}-secret-{file.name}", file.key, file.name, file.value)
            for file in plan.file_secrets
        ]
        values: dict[str, pulumi.Input[str]] = {k: pulumi.Output.secret(v) for k, v in plan.secrets.items()}
        if plan.edge_config_file:
            file = pulumi.Output.from_input(args.edge_config).apply(plan.edge_config_file)
            # As the others' its name tells nothing of the value (plan.fingerprints).
            physical = pulumi.Output.unsecret(file.apply(lambda made: made.name))
            secrets.append(
                self._secret(f"{self._name}-secret-edge-config", "EDGE_CONFIG", physical, args.edge_config)
            )
        elif plan.edge_config:
            values["EDGE_CONFIG"] = args.edge_config
        health, rollout = plan.health, plan.rollout
        return docker.Service(
            f"{self._name}-service",
            name=plan.service,
            labels=labels({**marks, **plan.login, "app.paintshare.release": plan.release}),
            mode={"replicated": {"replicas": plan.replicas}},
            task_spec={
                "container_spec": {
                    "image": plan.image,
                    "env": {**plan.environment, **values},
                    "secrets": secrets or None,
                    "healthcheck": {
                        "tests": ["CMD", *health.command],
                        "interval": health.interval,
                        "timeout": health.timeout,
                        "retries": health.retries,
                        "start_period": health.start_period,
                    },
                    "stop_grace_period": STOP_GRACE,
                    "stop_signal": "SIGTERM",
                    "init": True,
                    "read_only": True,
                    "cap_drops": ["ALL"],
                    "mounts": [{"target": "/tmp", "type": "tmpfs"}],  # noqa: S108  inside the task
                    # A changed label of the container replaces the service, whose name is taken (ForceNew).
                    "labels": container_labels(marks),
                },
                "networks_advanceds": [{"id": network.id}],
                "resources": {
                    "limits": {"memory_bytes": plan.memory_bytes, "nano_cpus": plan.nano_cpus},
                    "reservation": {"memory_bytes": plan.memory_bytes // 2, "nano_cpus": plan.nano_cpus // 4},
                },
                "restart_policy": RESTART,
                "log_driver": LOGS,
            },
            endpoint_spec={"mode": "dnsrr"},
            update_config={
                "parallelism": rollout.parallelism,
                "delay": rollout.delay,
                "order": "start-first",
                "failure_action": "rollback",
                "monitor": rollout.monitor,
                "max_failure_ratio": "0.0",
            },
            rollback_config={
                "parallelism": rollout.parallelism,
                "delay": rollout.rollback_delay,
                "order": "start-first",
                "failure_action": "pause",
                "monitor": "5s",
                "max_failure_ratio": "0.0",
            },
            converge_config={"delay": "1s", "timeout": rollout.converge_timeout},
            opts=pulumi.ResourceOptions(
                parent=self,
                custom_timeouts=pulumi.CustomTimeouts(create="10m", update="10m"),
                hooks=args.hooks,
            ),
        )

    def _secret(
        self, logical: str, key: str, name: pulumi.Input[str], value: pulumi.Input[str]
    ) -> docker.ServiceTaskSpecContainerSpecSecretArgsDict:
        """A Swarm secret, mounted as the file of a key."""
        text: pulumi.Output[str] = pulumi.Output.from_input(value).apply(encoded)
        data: pulumi.Output[str] = pulumi.Output.secret(text)
        made = docker.Secret(logical, name=name, data=data, opts=pulumi.ResourceOptions(parent=self))
        return {"secret_id": made.id, "secret_name": made.name, "file_name": f"/run/secrets/{key}"}

    def _proxy(
        self,
        plan: SocketPlan,
        network: docker.Network,
        hooks: pulumi.ResourceHookBinding | None,
        marks: dict[str, str],
        depends_on: docker.Service,
    ) -> docker.Service:
        config = docker.ServiceConfig(
            f"{self._name}-{plan.caddyfile_name}",
            name=plan.caddyfile_name,
            data=encoded(plan.caddyfile),
            opts=pulumi.ResourceOptions(parent=self),
        )
        certificates = docker.Volume(
            f"{self._name}-certificates",
            name=f"{plan.prefix}-certificates",
            # Issued anew, certificates run into the authority's rate limits.
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True),
        )
        return docker.Service(
            f"{self._name}-proxy",
            name=plan.proxy,
            labels=labels({**marks, **plan.proxy_login}),
            mode={"replicated": {"replicas": 1}},
            task_spec={
                "container_spec": {
                    "image": plan.proxy_image,
                    "configs": [
                        {
                            "config_id": config.id,
                            "config_name": plan.caddyfile_name,
                            "file_name": "/etc/caddy/Caddyfile",
                        }
                    ],
                    "mounts": [
                        {"target": "/data", "type": "volume", "source": certificates.name},
                        {"target": "/config", "type": "tmpfs"},
                    ],
                    "read_only": True,
                    "cap_drops": ["ALL"],
                    "cap_adds": list(PROXY_CAPABILITIES),
                    "init": True,
                    "stop_grace_period": PROXY_STOP_GRACE,
                },
                "networks_advanceds": [{"id": network.id}],
                # Where the domain points and the certificates lie: on the manager that the stack file names.
                "placement": {"constraints": ["node.role==manager"]},
                "resources": {
                    "limits": {"memory_bytes": PROXY_MEMORY, "nano_cpus": PROXY_NANO_CPUS},
                    "reservation": {
                        "memory_bytes": PROXY_MEMORY // 8,
                        "nano_cpus": PROXY_NANO_CPUS // 10,
                    },
                },
                "restart_policy": RESTART,
                "log_driver": LOGS,
            },
            endpoint_spec={
                "mode": "dnsrr",
                "ports": [
                    port(PROXY_HTTP_PORT, plan.http_port),
                    port(PROXY_HTTPS_PORT, plan.https_port),
                ],
            },
            # Two tasks cannot publish one host port, so the old one ends first.
            update_config={"order": "stop-first", "failure_action": "rollback", "monitor": "5s"},
            converge_config={"delay": "1s", "timeout": plan.rollout.converge_timeout},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[depends_on], hooks=hooks),
        )
