"""A Docker engine of the rehearsal's own: dockerd and containerd, their state, a node of a swarm.

Owns where the engine lives, that it runs, and that nothing of it is left when it was stopped. It runs in a
network namespace of its own: bridges, packet filter, swarm and published ports cannot meet those of another
engine on the machine, and nothing is published to the network. Only a link of two addresses leads there.
"""

import contextlib
import hashlib
import ipaddress
import json
import os
import platform
import re
import socket
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import docker  # type: ignore[import-untyped]
from docker.errors import DockerException  # type: ignore[import-untyped]

from rehearsal import guarded
from rehearsal.cache import Progress, locked
from rehearsal.docker_engine import packages, processes
from rehearsal.docker_engine.errors import DockerUnavailableError

_PROGRAMS: Final = (
    "dockerd",
    "containerd",
    "containerd-shim-runc-v2",
    "runc",
    "docker-init",
    "docker-proxy",
    "iptables",
)
_SHORT: Final = Path("/run/paintshare")
_CGROUPS: Final = Path("/sys/fs/cgroup")
_NAMESPACES: Final = Path("/run/netns")  # where ip-netns(8) keeps them
# For tests of networks (RFC 2544), so that no network in use has it: a link of two addresses for each engine.
_LINKS: Final = ipaddress.ip_network("198.18.0.0/15")
_START: Final = 120  # seconds; a second or two is usual
_STOP: Final = 40  # seconds; containers get their own grace within it


@dataclass(frozen=True)
class Engine:
    """An engine by the folder that it lives in; running or not."""

    folder: Path

    @property
    def id(self) -> str:
        """Names what the engine has outside its folder: ten hexadecimal digits."""
        return hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:10]

    @property
    def short(self) -> Path:
        """Where the folder is mounted a second time, so that paths of unix sockets stay short.

        They have at most 107 characters (unix(7)). No symbolic link: runc refuses a root below one.
        """
        return _SHORT / self.id

    @property
    def host(self) -> str:
        """What `DOCKER_HOST` and a Docker provider take."""
        return f"unix://{self.short / 'docker.sock'}"

    @property
    def tls_host(self) -> str:
        """Its second address, where a folder `tls` with ca.pem, cert.pem and key.pem lies in its folder."""
        return f"tcp://{self.address}:2376"

    @property
    def address(self) -> str:
        """Where the machine reaches published ports, and other nodes the swarm."""
        return str(self._addresses[2])

    @property
    def machine(self) -> str:
        """Where containers reach what listens on the machine."""
        return str(self._addresses[1])

    @property
    def namespace(self) -> Path:
        """The network namespace of the engine, for `nsenter --net=`."""
        return _NAMESPACES / f"paintshare-{self.id}"

    @property
    def link(self) -> str:
        """The interface that leads to the engine (at most 15 characters, as all interfaces' names)."""
        return f"ps-{self.id}"

    @property
    def log(self) -> Path:
        return self.folder / "dockerd.log"

    @property
    def _addresses(self) -> ipaddress.IPv4Network:
        number = int(self.id, 16) % (_LINKS.num_addresses // 4)
        return ipaddress.IPv4Network((int(_LINKS[0]) + 4 * number, 30))

    def client(self, timeout: float = 60) -> docker.DockerClient:
        """A new client; close it."""
        return docker.DockerClient(base_url=self.host, timeout=timeout)

    def running(self) -> bool:
        """True when the engine answers, on the folder as it is now, and is a node of its swarm."""
        try:
            if not self.short.samefile(self.folder):
                return False  # the folder was removed under a running engine and made anew
            with socket.socket(socket.AF_UNIX) as containerd:  # without it dockerd answers and starts nothing
                containerd.connect(str(self.short / "containerd.sock"))
            with contextlib.closing(self.client(timeout=60)) as client:
                return _node_state(client) == "active"
        except (DockerException, OSError):
            return False


def existing(folder: Path) -> bool:
    """True when an engine was made in `folder`, running or not."""
    return _settings_file(folder.absolute()).exists()


def ensure(
    folder: Path,
    progress: Progress = lambda _: None,
    *,
    first: Engine | None = None,
    beside: Engine | None = None,
) -> Engine:
    """The engine of `folder`, running: seconds at the first call, milliseconds while it runs.

    It is a swarm of its own, or joins that of `first` as one more node. `beside` is another swarm, linked so
    that containers of each reach what the other publishes. Raises DockerUnavailableError where none can be
    had.
    """
    engine = Engine(folder.absolute())
    _check_machine()
    engine.folder.mkdir(mode=0o711, parents=True, exist_ok=True)
    with locked(
        engine.folder / "lock", progress, "another command is starting the Docker engine; waiting for it"
    ):
        if not engine.running():
            environment = _programs(progress)
            progress("starting the rehearsal's Docker engine")
            guarded.note(engine.folder)
            _clean(engine)  # what a kill or a crash left
            try:
                _bring_up(engine, first, beside, environment)
            except (DockerUnavailableError, DockerException) as error:
                _clean(engine)
                raise DockerUnavailableError(str(error)) from error
        else:
            _connect(engine, first, beside)  # lost if the other was started anew
    return engine


def stop(folder: Path) -> None:
    """End the engine of `folder`, with its containers, registry, mounts and network. Its data stays."""
    engine = Engine(folder.absolute())
    if engine.folder.exists():
        with locked(engine.folder / "lock", lambda _: None, ""):
            _clean(engine)
    else:
        _clean(engine)
    guarded.forget(engine.folder)


def _check_machine() -> None:
    if platform.system() != "Linux":
        raise DockerUnavailableError("an engine of the rehearsal's own needs Linux")
    if os.geteuid() != 0:
        raise DockerUnavailableError("only root can start a Docker engine")
    if packages.installed("ip") is None:
        raise DockerUnavailableError("the engine's network is made with `ip`: apt-get install iproute2")


def _bring_up(
    engine: Engine, first: Engine | None, beside: Engine | None, environment: Mapping[str, str]
) -> None:
    _mount(engine)
    _add_namespace(engine)
    _weigh(engine)
    _connect(engine, first, beside)
    _start(engine, environment)
    _join_swarm(engine, first)


def _programs(progress: Progress) -> dict[str, str]:
    """The environment in which dockerd finds all it calls. Debian's packages where something is missing."""
    if all(packages.installed(name) for name in _PROGRAMS):
        return packages.environment()
    return packages.environment(packages.unpacked("docker.io", progress))


def _settings_file(folder: Path) -> Path:
    return folder / "daemon.json"


def _settings(engine: Engine) -> dict[str, Any]:
    return {
        **_transports(engine),
        "data-root": str(engine.short / "data"),
        "exec-root": str(engine.short / "run"),
        "pidfile": str(engine.short / "docker.pid"),
        # Named, because dockerd would use a containerd of the system, with somebody else's containers in it.
        "containerd": str(engine.short / "containerd.sock"),
        "log-opts": {"max-size": "10m", "max-file": "2"},
        "cgroup-parent": f"/{_group(engine)}",
        # Names that the engine does not know are asked for on the link: whoever wants containers to know some
        # listens there, and nothing else reaches the network.
        "dns": [engine.machine],
    }


def _transports(engine: Engine) -> dict[str, Any]:
    """The unix socket; with a folder `tls` also TLS, for whoever has a certificate of its authority."""
    material = engine.folder / "tls"
    if not material.is_dir():
        return {"hosts": [engine.host]}
    return {
        "hosts": [engine.host, engine.tls_host],
        "tlsverify": True,
        "tlscacert": str(material / "ca.pem"),
        "tlscert": str(material / "cert.pem"),
        "tlskey": str(material / "key.pem"),
    }


def _group(engine: Engine) -> str:
    """The control group below which the engine's containers are."""
    return f"paintshare-{engine.id}"


def _weigh(engine: Engine) -> None:
    """Let the containers count as some processes, not as a single one, where processors are short.

    All of Docker's containers together weigh as much as one process otherwise, and on a machine that is busy
    building, health checks of sound tasks time out (seen: each of them was replaced again and again).
    """
    for group, file, weight in (
        (_CGROUPS / "cpu" / _group(engine), "cpu.shares", 10 * 1024),  # version 1: a process has 1024
        (_CGROUPS / _group(engine), "cpu.weight", 10 * 100),  # version 2: 100
    ):
        if (group.parent / "cgroup.procs").exists():
            group.mkdir(exist_ok=True)
            if (group / file).exists():
                (group / file).write_text(str(weight))


def _unweigh(engine: Engine) -> None:
    """Remove the control groups, of every hierarchy, from the innermost on. One in use stays."""
    for top in (*_CGROUPS.glob(f"*/{_group(engine)}"), _CGROUPS / _group(engine)):
        for folder, _, _ in os.walk(top, topdown=False):
            with contextlib.suppress(OSError):
                Path(folder).rmdir()


def _containerd_settings(engine: Engine) -> str:
    return (
        "version = 2\n"
        f'root = "{engine.short}/containerd/root"\n'
        f'state = "{engine.short}/containerd/state"\n'
        'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
        f'[grpc]\n  address = "{engine.short}/containerd.sock"\n'
    )


def _mount(engine: Engine) -> None:
    engine.short.mkdir(mode=0o711, parents=True, exist_ok=True)
    _run("mount", "--bind", engine.folder, engine.short)
    # Where `/` is shared, what the engine mounts below one name would appear below the other too.
    _run("mount", "--make-private", engine.short)


def _add_namespace(engine: Engine) -> None:
    """The engine's network: loopback and one link, to the machine."""
    inside = engine.namespace.name
    _ip(f"netns add {inside}")
    _ip(f"link add {engine.link} type veth peer name machine netns {inside}")
    _ip(f"address add {engine.machine}/30 dev {engine.link}")
    _ip(f"link set {engine.link} up")
    _ip(f"-n {inside} address add {engine.address}/30 dev machine")
    _ip(f"-n {inside} link set machine up")
    _ip(f"-n {inside} link set lo up")


def _connect(engine: Engine, *others: Engine | None) -> None:
    """A link to each other engine: through the machine, its packet filter would decide."""
    for other in filter(None, others):
        inside, there = engine.namespace.name, other.namespace.name
        if _output("ip", "-n", there, "link", "show", engine.link).returncode == 0:
            continue
        _ip(f"-n {there} link add {engine.link} type veth peer name {other.link} netns {inside}")
        for name, link, mine, theirs in (
            (there, engine.link, other.address, engine.address),
            (inside, other.link, engine.address, other.address),
        ):
            # An address of its own, because containers leave with the address of the interface.
            _ip(f"-n {name} address add {mine}/32 dev {link}")
            _ip(f"-n {name} link set {link} up")
            _ip(f"-n {name} route add {theirs}/32 dev {link} src {mine}")


def _start(engine: Engine, environment: Mapping[str, str]) -> None:
    containerd, dockerd = engine.short / "containerd.toml", _settings_file(engine.short)
    containerd.write_text(_containerd_settings(engine))
    dockerd.write_text(json.dumps(_settings(engine), indent=2) + "\n")
    listens = (engine.short / "containerd.sock").exists
    _start_one(engine, ["containerd", "--config", containerd], environment, listens)
    _start_one(engine, ["dockerd", "--config-file", dockerd], environment, lambda: _answers(engine))


def _start_one(
    engine: Engine, command: list[str | Path], environment: Mapping[str, str], ready: Callable[[], bool]
) -> None:
    log = engine.folder / f"{command[0]}.log"
    # Not `ip netns exec`: it hides the control groups, and the engine refuses to start (FACTS: Docker Swarm).
    started = processes.start(["nsenter", f"--net={engine.namespace}", *command], log, environment)
    processes.wait_until(lambda: started.poll() is not None or ready(), _START)
    if started.poll() is not None or not ready():
        last = (log.read_text(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
        raise DockerUnavailableError(f"{command[0]} did not start: {last} (log: {log})")


def _answers(engine: Engine) -> bool:
    try:
        with contextlib.closing(engine.client(timeout=10)) as client:
            return bool(client.ping())
    except (DockerException, OSError):
        return False


def _node_state(client: docker.DockerClient) -> str:
    return str(client.info()["Swarm"]["LocalNodeState"])


def _join_swarm(engine: Engine, first: Engine | None) -> None:
    """Make the engine a node of a swarm, or wait until it is that again."""
    with contextlib.closing(engine.client()) as client:
        if _node_state(client) == "inactive":
            if first:
                with contextlib.closing(first.client()) as manager:
                    token = manager.swarm.attrs["JoinTokens"]["Worker"]
                client.swarm.join([f"{first.address}:2377"], token, advertise_addr=engine.address)
            else:
                client.swarm.init(advertise_addr=engine.address)
        processes.wait_until(lambda: _node_state(client) in ("active", "error"), _START)
        if _node_state(client) != "active":
            raise DockerUnavailableError(f"the engine did not become a node of its swarm (log: {engine.log})")


def _clean(engine: Engine) -> None:
    """Nothing of the engine runs, is mounted or has a network afterwards."""
    containerd = processes.find("containerd", str(engine.short / "containerd.toml"))
    # Without containerd dockerd waits in vain for its containers to end.
    patience = _STOP if containerd else 1
    processes.end(processes.find("dockerd", str(_settings_file(engine.short))), patience)
    processes.end(containerd, 10)
    processes.kill_tree(processes.find("containerd-shim-runc-v2", str(engine.short / "containerd.sock")))
    if engine.namespace.exists():
        processes.end(_inhabitants(engine), 5)  # the registry, and what a dead shim has left
    for mount in reversed(_mounts(engine.short)):
        _run("umount", "--lazy", mount)
    if engine.short.exists():
        engine.short.rmdir()
    # By themselves: a namespace goes, with the links into it, only when its last process has gone.
    if Path("/sys/class/net", engine.link).exists():
        _ip(f"link delete {engine.link}")
    if engine.namespace.exists():
        for link in _links_to_engines(engine):
            _ip(f"-n {engine.namespace.name} link delete {link}")
        _ip(f"netns delete {engine.namespace.name}")
    _unweigh(engine)
    for name in ("docker.pid", "docker.sock", "containerd.sock", "containerd.sock.ttrpc"):
        (engine.folder / name).unlink(missing_ok=True)


def _links_to_engines(engine: Engine) -> list[str]:
    """Links of `_connect`: that of an engine which comes back at once would be taken for the new one."""
    listed = _output("ip", "-n", engine.namespace.name, "-o", "link", "show", "type", "veth").stdout
    return re.findall(r"^\d+: (ps-[0-9a-f]+)@", listed, re.MULTILINE)


def _inhabitants(engine: Engine) -> list[int]:
    return [int(pid) for pid in _output("ip", "netns", "pids", engine.namespace.name).stdout.split()]


def _mounts(folder: Path) -> list[str]:
    """A folder and those below it on which something is mounted, outer ones first (proc(5), mountinfo)."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [point for point in points if Path(point).is_relative_to(folder)]


def _ip(arguments: str) -> None:
    _run("ip", *arguments.split())


def _run(*command: str | Path) -> None:
    """Raises DockerUnavailableError with what the command said."""
    done = _output(*command)
    if done.returncode:
        raise DockerUnavailableError(f"{' '.join(map(str, command))}: {done.stderr.strip()}")


def _output(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=False, capture_output=True, text=True, env=packages.environment())
