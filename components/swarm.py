"""What the Swarm services of all components share, and how a service of the monitor is made."""

import base64
from typing import Final

import pulumi
import pulumi_docker as docker

from plan.uptime.services import Service

LOGS: Final[docker.ServiceTaskSpecLogDriverArgsDict] = {
    "name": "json-file",
    "options": {"max-size": "10m", "max-file": "3"},
}
# Each duration is stated: the plugin sends zero for one that is left out, reads it back and plans its removal
# in every preview. Such an update of nothing exchanges all tasks (docs/hazards.md, zero-planned-away).
RESTART: Final[docker.ServiceTaskSpecRestartPolicyArgsDict] = {
    "condition": "any",
    "delay": "2s",
    "window": "0s",
}


def encoded(text: str) -> str:
    """The data of a config or a secret."""
    return base64.b64encode(text.encode()).decode()


def port(target: int, published: int) -> docker.ServiceEndpointSpecPortArgsDict:
    """In host mode: the routing mesh needs IPVS, which some hosts lack (docs/providers.md#docker)."""
    return {"target_port": target, "published_port": published, "publish_mode": "host", "protocol": "tcp"}


def labels(of: dict[str, str]) -> list[docker.ServiceLabelArgsDict]:
    """Labels as the plugin takes them."""
    return [{"label": key, "value": value} for key, value in sorted(of.items())]


def container_labels(of: dict[str, str]) -> list[docker.ServiceTaskSpecContainerSpecLabelArgsDict]:
    """A changed label of a container replaces its service, whose name is taken: only what never changes."""
    return [{"label": key, "value": value} for key, value in sorted(of.items())]


def declare(
    name: str,
    service: Service,
    stack: str,
    network_id: pulumi.Input[str],
    parent: pulumi.Resource,
    *,
    hooks: pulumi.ResourceHookBinding | None,
) -> docker.Service:
    """One task of a row of the plan, with its configs, secrets and volume. `name` is the parent's.

    A changed configuration has another name: it is made, the service updated in place, the old one removed.
    The old task ends first: two cannot hold the lock of one volume, or one host port.
    """
    child = pulumi.ResourceOptions(parent=parent)
    configs = [
        docker.ServiceConfig(f"{name}-{file.name}", name=file.name, data=encoded(file.text), opts=child)
        for file in service.configs
    ]
    secrets = [
        docker.Secret(
            f"{name}-{file.name}",
            name=file.name,
            data=pulumi.Output.secret(encoded(file.value)),
            opts=child,
        )
        for file in service.secrets
    ]
    mounts: list[docker.ServiceTaskSpecContainerSpecMountArgsDict] = [
        {"target": path, "type": "tmpfs"} for path in service.tmpfs
    ]
    if service.volume:
        volume = docker.Volume(
            f"{name}-{service.role}-volume",
            name=service.volume,
            # History, silences and certificates cannot be had again.
            opts=pulumi.ResourceOptions(parent=parent, retain_on_delete=True),
        )
        mounts.append({"target": service.volume_path, "type": "volume", "source": volume.name})
    marks = {"app.paintshare.stack": stack}
    return docker.Service(
        f"{name}-{service.role}",
        name=service.name,
        labels=labels({**marks, **service.login}),
        mode={"replicated": {"replicas": 1}},
        task_spec={
            "container_spec": {
                "image": service.image,
                "args": list(service.arguments) or None,
                "env": dict(service.environment) or None,
                "configs": [
                    {"config_id": made.id, "config_name": file.name, "file_name": file.path}
                    for made, file in zip(configs, service.configs, strict=True)
                ]
                or None,
                "secrets": [
                    {"secret_id": made.id, "secret_name": file.name, "file_name": file.path}
                    for made, file in zip(secrets, service.secrets, strict=True)
                ]
                or None,
                "mounts": mounts or None,
                "healthcheck": _health(service),
                "labels": container_labels(marks),
                "read_only": True,
                "cap_drops": ["ALL"],
                "cap_adds": list(service.capabilities) or None,
                "init": True,
                "stop_grace_period": "30s",
            },
            "networks_advanceds": [{"id": network_id}],
            # A volume lives on one node: with it, a task that moved would begin without its history.
            "placement": {"constraints": ["node.role==manager"]} if service.volume else None,
            "resources": {
                "limits": {"memory_bytes": service.memory_bytes, "nano_cpus": service.nano_cpus},
                "reservation": {
                    "memory_bytes": service.memory_bytes // 4,
                    "nano_cpus": service.nano_cpus // 10,
                },
            },
            "restart_policy": RESTART,
            "log_driver": LOGS,
        },
        endpoint_spec={
            "mode": "dnsrr",
            "ports": [port(target, published) for target, published in service.ports] or None,
        },
        update_config={"order": "stop-first", "failure_action": "rollback", "monitor": "15s"},
        rollback_config={"order": "stop-first", "failure_action": "pause", "monitor": "5s"},
        converge_config={"delay": "1s", "timeout": "10m0s"},
        opts=pulumi.ResourceOptions(
            parent=parent, custom_timeouts=pulumi.CustomTimeouts(create="15m", update="15m"), hooks=hooks
        ),
    )


def _health(service: Service) -> docker.ServiceTaskSpecContainerSpecHealthcheckArgsDict | None:
    """Ready or not, by the service's own word. Reading a long history at the start takes minutes."""
    if not service.health:
        return None
    return {
        "tests": ["CMD", "wget", "-q", "-O", "/dev/null", service.health],
        "interval": "5s",
        "timeout": "5s",
        "retries": 3,
        "start_period": "5m",
    }
