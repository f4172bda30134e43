"""The arguments of a Swarm service: a table of their names, kinds and defaults."""

from typing import Final

from rehearsal.standin.docker.fields import (
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
)

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

SERVICE: Final = Object(
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
