"""Swarm services: the table of their arguments, and how a rollout is waited for.

Follows the official plugin. With `convergeConfig` an update is completed as soon as every slot has a running
task: also before the last one was replaced, and within the monitor window.
"""

import time
from collections.abc import Iterator
from typing import Final

from rehearsal.standin.account import Account
from rehearsal.standin.docker_kinds import session
from rehearsal.standin.docker_kinds.fields import (
    Assignments,
    Duration,
    Field,
    Hosts,
    Labels,
    Object,
    Objects,
    Options,
    Plain,
    Presence,
    Ratio,
    Strings,
    go_duration,
    nanoseconds,
)
from rehearsal.standin.docker_kinds.objects import PATIENCE, DockerKind, Read
from rehearsal.standin.kinds import UNKNOWN, Failure, Properties, ServiceError, UnfinishedError

_COUNT: Final = Plain(least=0)


def _reference(kind: str) -> Objects:
    """A config or secret as a file of the container."""
    upper = kind.capitalize()
    return Objects(
        Object(
            (
                Field(f"{kind}Id", f"{upper}ID"),
                Field(f"{kind}Name", f"{upper}Name"),
                Field("fileName", "File.Name"),
                Field("fileUid", "File.UID", default="0"),
                Field("fileGid", "File.GID", default="0"),
                Field("fileMode", "File.Mode", _COUNT, default=0o444),
            )
        ),
        ("fileName",),
    )


def _rollout(failure: tuple[str, ...]) -> Object:
    return Object(
        (
            Field("parallelism", "Parallelism", _COUNT, default=1),
            Field("delay", "Delay", Duration(), default="0s"),
            Field("failureAction", "FailureAction", Plain(failure), default="pause"),
            Field("monitor", "Monitor", Duration(), default="5s"),
            Field("maxFailureRatio", "MaxFailureRatio", Ratio(), default="0.0"),
            Field("order", "Order", Plain(("stop-first", "start-first")), default="stop-first"),
        )
    )


_MOUNTS: Final = Objects(
    Object(
        (
            Field("target", "Target"),
            Field("source", "Source"),
            Field("type", "Type", Plain(("bind", "volume", "tmpfs"))),
            Field("readOnly", "ReadOnly"),
            Field(
                "bindOptions",
                "BindOptions",
                Object(
                    (
                        Field(
                            "propagation",
                            "Propagation",
                            Plain(("private", "rprivate", "shared", "rshared", "slave", "rslave")),
                            default="rprivate",
                        ),
                    )
                ),
            ),
            Field(
                "volumeOptions",
                "VolumeOptions",
                Object(
                    (
                        Field("noCopy", "NoCopy"),
                        Field("labels", "Labels", Labels(), replaces=True),
                        Field("driverName", "DriverConfig.Name"),
                        Field("driverOptions", "DriverConfig.Options"),
                    )
                ),
            ),
            Field(
                "tmpfsOptions",
                "TmpfsOptions",
                # The plugin reads back the permission bits alone.
                Object((Field("sizeBytes", "SizeBytes"), Field("mode", "Mode", Plain(least=0, most=0o777)))),
            ),
        )
    ),
    ("target",),
)

_CONTAINER: Final = Object(
    (
        Field("image", "Image"),
        Field("labels", "Labels", Labels(), replaces=True),
        Field("commands", "Command"),
        Field("args", "Args"),
        Field("hostname", "Hostname"),
        Field("env", "Env", Assignments()),
        Field("dir", "Dir"),
        Field("user", "User"),
        Field("groups", "Groups"),
        Field("readOnly", "ReadOnly"),
        Field("mounts", "Mounts", _MOUNTS),
        Field("stopSignal", "StopSignal"),
        Field("stopGracePeriod", "StopGracePeriod", Duration(), kept=True),
        Field(
            "healthcheck",
            "Healthcheck",
            Object(
                (
                    Field("tests", "Test"),
                    Field("interval", "Interval", Duration(), default="0s"),
                    Field("timeout", "Timeout", Duration(), default="0s"),
                    Field("startPeriod", "StartPeriod", Duration(), default="0s"),
                    Field("retries", "Retries", _COUNT, default=0),
                )
            ),
            kept=True,
        ),
        Field("hosts", "Hosts", Hosts(), replaces=True),
        Field(
            "dnsConfig",
            "DNSConfig",
            Object(
                (
                    Field("nameservers", "Nameservers"),
                    Field("searches", "Search"),
                    Field("options", "Options"),
                )
            ),
            kept=True,
        ),
        Field("secrets", "Secrets", _reference("secret")),
        Field("configs", "Configs", _reference("config")),
        Field("isolation", "Isolation", Plain(("default", "process", "hyperv")), default="default"),
        Field("sysctl", "Sysctls", replaces=True),
        Field("capAdds", "CapabilityAdd"),
        Field("capDrops", "CapabilityDrop"),
        Field("init", "Init", kept=True),
    )
)

_TASK: Final = Object(
    (
        Field("containerSpec", "ContainerSpec", _CONTAINER),
        Field(
            "resources",
            "Resources",
            Object(
                tuple(
                    Field(
                        name,
                        key,
                        Object((Field("nanoCpus", "NanoCPUs"), Field("memoryBytes", "MemoryBytes"))),
                    )
                    for name, key in (("limits", "Limits"), ("reservation", "Reservations"))
                )
            ),
            kept=True,
        ),
        Field(
            "restartPolicy",
            "RestartPolicy",
            Object(
                (
                    Field("condition", "Condition", Plain(("none", "on-failure", "any"))),
                    Field("delay", "Delay", Duration(), zeroed=True),
                    Field("maxAttempts", "MaxAttempts", _COUNT),
                    Field("window", "Window", Duration(), zeroed=True),
                )
            ),
            kept=True,
        ),
        Field(
            "placement",
            "Placement",
            Object(
                (
                    Field("constraints", "Constraints", Strings()),
                    Field(
                        "prefs",
                        "Preferences",
                        Strings(
                            lambda each: {"Spread": {"SpreadDescriptor": each}},
                            lambda each: str(each["Spread"]["SpreadDescriptor"]),
                        ),
                    ),
                    Field("maxReplicas", "MaxReplicas", _COUNT),
                    Field(
                        "platforms",
                        "Platforms",
                        Objects(
                            Object((Field("architecture", "Architecture"), Field("os", "OS"))),
                            ("architecture", "os"),
                        ),
                    ),
                )
            ),
            kept=True,
        ),
        Field("forceUpdate", "ForceUpdate", _COUNT, kept=True),
        Field("runtime", "Runtime", Plain(("container", "plugin")), kept=True),
        Field(
            "networksAdvanceds",
            "Networks",
            Objects(
                Object(
                    (
                        Field("name", "Target", written=False),
                        Field("id", "Target"),
                        Field("aliases", "Aliases", Strings()),
                        Field("driverOpts", "DriverOpts", Options()),
                    )
                ),
                ("id",),
            ),
            replaces=True,
        ),
        Field("logDriver", "LogDriver", Object((Field("name", "Name"), Field("options", "Options")))),
    )
)

_CONVERGE: Final = Object(
    (
        Field("delay", "", Duration(read_back=False), default="7s"),
        Field("timeout", "", Duration(read_back=False), default="3m"),
    )
)
_AUTH: Final = Object((Field("serverAddress", ""), Field("username", ""), Field("password", "")))

# The plugin waits 7 s before its first look, and looks every 5. Here: until Swarm says that it has begun, and
# then until it has made the first task. It never says so of an update that replaces no task.
_BEGIN, _FIRST_TASK = 5.0, 2.0
_POLL: Final = 0.3


class Service(DockerKind):
    type = "docker:index/service:Service"
    fields = Object(
        (
            Field("name", "Name", replaces=True),
            Field("labels", "Labels", Labels(), kept=True),
            Field("taskSpec", "TaskTemplate", _TASK),
            Field(
                "mode",
                "Mode",
                Object(
                    (
                        Field(
                            "replicated",
                            "Replicated",
                            Object((Field("replicas", "Replicas", _COUNT, default=1),)),
                        ),
                        Field("global", "Global", Presence(), default=False),
                    )
                ),
                kept=True,
            ),
            Field("updateConfig", "UpdateConfig", _rollout(("pause", "continue", "rollback"))),
            Field("rollbackConfig", "RollbackConfig", _rollout(("pause", "continue"))),
            Field(
                "endpointSpec",
                "EndpointSpec",
                Object(
                    (
                        Field("mode", "Mode", Plain(("vip", "dnsrr")), kept=True),
                        Field(
                            "ports",
                            "Ports",
                            Objects(
                                Object(
                                    (
                                        Field("name", "Name"),
                                        Field(
                                            "protocol",
                                            "Protocol",
                                            Plain(("tcp", "udp", "sctp")),
                                            default="tcp",
                                        ),
                                        Field("targetPort", "TargetPort"),
                                        Field("publishedPort", "PublishedPort", kept=True),
                                        Field(
                                            "publishMode",
                                            "PublishMode",
                                            Plain(("host", "ingress")),
                                            default="ingress",
                                        ),
                                    )
                                )
                            ),
                        ),
                    )
                ),
                kept=True,
            ),
            Field("convergeConfig", "", _CONVERGE, written=False),
            Field("auth", "", _AUTH, replaces=True, written=False),
        )
    )

    def unseen(self) -> frozenset[str]:
        return frozenset({"auth", "convergeConfig"})

    def check(self, inputs: Properties) -> list[Failure]:
        return [*super().check(inputs), *_conflicts(inputs)]

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        del account
        with session.asking(*_secrets(inputs)) as engine:
            made = engine.write("/services/create", self._spec(inputs), auth=_auth(inputs))["ID"]
        if "convergeConfig" in inputs:
            try:
                _Rollout(made, inputs).start()
            except ServiceError as error:
                try:
                    _remove(made)  # as the plugin does: the next `up` creates it anew
                except ServiceError:
                    # The engine has gone, say. The plugin forgets the service; here the state keeps it.
                    raise UnfinishedError(error.message, made, inputs, inputs) from None
                raise
        return made, self._outputs(made, inputs)

    def read(self, account: Account, id: str, state: Properties) -> Read | None:
        del account
        # The plugin also takes a service of the same name that was made anew by hand.
        names = (id, state.get("name", id))
        with session.asking() as engine:
            all_services = engine.services()
        found = [each for each in all_services if each["ID"] == id]
        found += [each for each in all_services if each["Spec"]["Name"] in names]
        if not found:
            return None
        return self.answer(found[0]["ID"], self.fields.from_engine(found[0]["Spec"]), state)

    def update(self, account: Account, id: str, state: Properties, inputs: Properties) -> Properties:
        del account, state
        secrets = _secrets(inputs)
        with session.asking(*secrets) as engine:
            for attempt in range(5):
                now = engine.inspect_service(id)
                body = self._spec(inputs, self.fields.from_engine(now["Spec"]))
                try:
                    engine.write(
                        f"/services/{id}/update", body, auth=_auth(inputs), version=now["Version"]["Index"]
                    )
                    break
                except Exception as error:
                    # Swarm writes to a service that is being rolled out, too.
                    if attempt == 4 or "update out of sequence" not in str(error):
                        raise
        if "convergeConfig" in inputs:
            try:
                _Rollout(id, inputs).update()
            except ServiceError as error:
                raise UnfinishedError(error.message, id, inputs, inputs) from None
        return self._outputs(id, inputs)

    def delete(self, account: Account, id: str, state: Properties) -> None:
        del account, state
        _remove(id)

    def _spec(self, inputs: Properties, live: Properties | None = None) -> Properties:
        """The body to send. What is left out and kept stays as it is in the engine."""
        whole = _completed(self.fields, inputs, live or {})
        spec: Properties = self.fields.to_engine(
            {name: value for name, value in whole.items() if name not in ("auth", "convergeConfig")}
        )
        # Left out, the plugin sends zero, not Docker's ten seconds: the container is killed at once.
        spec["TaskTemplate"]["ContainerSpec"].setdefault("StopGracePeriod", 0)
        return spec

    def _outputs(self, id: str, inputs: Properties) -> Properties:
        with session.asking() as engine:
            live = self.fields.from_engine(engine.inspect_service(id)["Spec"])
        read = self.answer(id, live, inputs)[2]
        return read | self.compared(inputs, read)

    def compared(self, inputs: Properties, outputs: Properties) -> Properties:
        """The plugin compares its outputs, and in them is what it read back and nobody stated."""
        return self.fields.with_zeros(inputs, outputs)


def _completed(table: Object, inputs: Properties, live: Properties) -> Properties:
    """Inputs, and from the engine what they leave out and the plugin keeps."""
    whole = dict(inputs)
    for field in table.fields:
        if field.name not in inputs:
            if field.kept and field.name in live:
                whole[field.name] = live[field.name]
        elif isinstance(field.value, Object) and field.name in live:
            whole[field.name] = _completed(field.value, inputs[field.name], live[field.name])
    return whole


def _conflicts(inputs: Properties) -> Iterator[Failure]:
    mode, task = inputs.get("mode"), inputs["taskSpec"]
    if isinstance(mode, dict) and mode.get("global") is True:
        for path, place in (("mode.replicated", mode), ("convergeConfig", inputs)):
            if path.rpartition(".")[2] in place:
                yield Failure(path, "conflicts with mode.global")
    networks = task.get("networksAdvanceds", []) if isinstance(task, dict) else []
    for index, each in enumerate(networks if isinstance(networks, list) else []):
        if each is not UNKNOWN and ("id" in each) == ("name" in each):
            yield Failure(
                f"taskSpec.networksAdvanceds[{index}].id", "network 'name' or 'id' must be specified"
            )


def _auth(inputs: Properties) -> Properties:
    if "auth" not in inputs:
        return session.credentials(inputs["taskSpec"]["containerSpec"]["image"])
    auth = inputs["auth"]
    return {
        "username": auth.get("username", ""),
        "password": auth.get("password", ""),
        "serveraddress": auth["serverAddress"],
    }


def _secrets(inputs: Properties) -> list[str]:
    """Values that no message may hold."""
    env = inputs["taskSpec"]["containerSpec"].get("env", {})
    return [*env.values(), inputs.get("auth", {}).get("password", "")]


def _remove(id: str) -> None:
    """Remove a service and wait until its tasks have ended, so that its network and configs can go too."""
    with session.asking() as engine:
        spec = engine.inspect_service(id)["Spec"]
        engine.remove_service(id)
    grace = spec["TaskTemplate"]["ContainerSpec"].get("StopGracePeriod", 10 * 10**9) / 10**9
    deadline = time.monotonic() + grace + PATIENCE
    while time.monotonic() < deadline:
        with session.asking() as engine:
            # By hand: the engine refuses to filter by a service that is gone.
            if not any(each["ServiceID"] == id and _is_alive(each) for each in engine.tasks()):
                return
        if session.cancelled.wait(_POLL):
            return


_ENDED: Final = ("complete", "shutdown", "failed", "rejected", "remove", "orphaned")


def _is_alive(task: Properties) -> bool:
    return task["Status"]["State"] not in _ENDED


class _Rollout:
    """Waits for the tasks of one service. What ends badly is a ServiceError in the plugin's own words."""

    def __init__(self, id: str, inputs: Properties) -> None:
        self._id, self._name, self._hidden = id, inputs["name"], _secrets(inputs)
        self._delay = (nanoseconds(inputs["convergeConfig"]["delay"]) or 0) / 10**9
        self._timeout = nanoseconds(inputs["convergeConfig"]["timeout"]) or 0

    def start(self) -> None:
        """Until every replica of a new service runs (and is healthy, where there is a health check)."""
        self._pause(self._delay)
        for _ in self._until_timeout():
            service, tasks = self._ask()
            if self._all_run(service, tasks):
                return

    def update(self) -> None:
        """Until every replica runs, new or old, or Swarm says how the update ended."""
        deadline = time.monotonic() + _BEGIN
        while not self._ask()[0].get("UpdateStatus") and time.monotonic() < deadline:
            self._pause(_POLL)
        self._pause(_FIRST_TASK)
        for _ in self._until_timeout():
            service, tasks = self._ask()
            status = service.get("UpdateStatus") or {}
            match status.get("State"):
                case "completed":
                    return
                case "rollback_completed":
                    raise self._error("service rollback completed", status)
                case "paused":
                    raise self._error("service update paused", status)
                case "rollback_paused":
                    raise self._error("service rollback paused", status)
            if self._all_run(service, tasks):
                if status.get("State") == "rollback_started":
                    raise self._error("service rollback completed", status)
                return

    def _ask(self) -> tuple[Properties, list[Properties]]:
        with session.asking(*self._hidden) as engine:
            service = engine.inspect_service(self._id)
            return service, engine.tasks(filters={"service": self._id})

    def _all_run(self, service: Properties, tasks: list[Properties]) -> bool:
        with session.asking() as engine:
            down = {node["ID"] for node in engine.nodes() if node["Status"]["State"] == "down"}
        running = [each for each in tasks if _runs(each) and each.get("NodeID") not in down]
        replicated = service["Spec"]["Mode"].get("Replicated")
        if replicated is None:
            raise ServiceError(0, "not_converged", f"{self._name}: no replica count")
        waiting = any(each["DesiredState"] == "running" and not _runs(each) for each in tasks)
        return len({each.get("Slot") for each in running}) == replicated["Replicas"] and not waiting

    def _until_timeout(self) -> Iterator[None]:
        deadline = time.monotonic() + self._timeout / 10**9
        while time.monotonic() < deadline:
            yield
            self._pause(_POLL)
        raise self._error(f"Service with ID ({self._id}) did not converge after {go_duration(self._timeout)}")

    def _pause(self, seconds: float) -> None:
        if session.cancelled.wait(seconds):
            raise ServiceError(0, "cancelled", f"{self._name}: the run was interrupted while tasks started")

    def _error(self, happened: str, status: Properties | None = None) -> ServiceError:
        words = ": ".join(filter(None, (happened, (status or {}).get("Message"))))
        return ServiceError(0, "not_converged", session.hide(words, *self._hidden))


def _runs(task: Properties) -> bool:
    return bool(task["DesiredState"] == task["Status"]["State"] == "running")
