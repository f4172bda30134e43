"""That an engine runs, as a node of a swarm, and that nothing of it is left when it was stopped."""

import contextlib
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from docker.errors import DockerException  # type: ignore[import-untyped]

from rehearsal import guarded
from rehearsal.cache import Progress, locked
from rehearsal.docker_engine import packages, processes
from rehearsal.docker_engine.daemon import START, group, programs, settings_file, start
from rehearsal.docker_engine.engine import Engine, node_state
from rehearsal.docker_engine.errors import DockerUnavailableError
from rehearsal.docker_engine.network import add_namespace, connect, inhabitants, ip, links_to_engines, run

_CGROUPS: Final = Path("/sys/fs/cgroup")
_STOP: Final = 40  # seconds; containers get their own grace within it


def existing(folder: Path) -> bool:
    """True when an engine was made in `folder`, running or not."""
    return settings_file(folder.absolute()).exists()


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
            environment = programs(progress)
            progress("starting the rehearsal's Docker engine")
            guarded.note(engine.folder)
            _clean(engine)  # what a kill or a crash left
            try:
                _bring_up(engine, first, beside, environment)
            except (DockerUnavailableError, DockerException) as error:
                _clean(engine)
                raise DockerUnavailableError(str(error)) from error
        else:
            connect(engine, first, beside)  # lost if the other was started anew
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
    add_namespace(engine)
    _weigh(engine)
    connect(engine, first, beside)
    start(engine, environment)
    _join_swarm(engine, first)


def _weigh(engine: Engine) -> None:
    """Let the containers count as some processes, not as a single one, where processors are short.

    All of Docker's containers together weigh as much as one process otherwise, and on a machine that is busy
    building, health checks of sound tasks time out (seen: each of them was replaced again and again).
    """
    for folder, file, weight in (
        (_CGROUPS / "cpu" / group(engine), "cpu.shares", 10 * 1024),  # version 1: a process has 1024
        (_CGROUPS / group(engine), "cpu.weight", 10 * 100),  # version 2: 100
    ):
        if (folder.parent / "cgroup.procs").exists():
            folder.mkdir(exist_ok=True)
            if (folder / file).exists():
                (folder / file).write_text(str(weight))


def _unweigh(engine: Engine) -> None:
    """Remove the control groups, of every hierarchy, from the innermost on. One in use stays."""
    for top in (*_CGROUPS.glob(f"*/{group(engine)}"), _CGROUPS / group(engine)):
        for folder, _, _ in os.walk(top, topdown=False):
            with contextlib.suppress(OSError):
                Path(folder).rmdir()


def _mount(engine: Engine) -> None:
    engine.short.mkdir(mode=0o711, parents=True, exist_ok=True)
    run("mount", "--bind", engine.folder, engine.short)
    # Where `/` is shared, what the engine mounts below one name would appear below the other too.
    run("mount", "--make-private", engine.short)


def _join_swarm(engine: Engine, first: Engine | None) -> None:
    """Make the engine a node of a swarm, or wait until it is that again."""
    with contextlib.closing(engine.client()) as client:
        if node_state(client) == "inactive":
            if first:
                with contextlib.closing(first.client()) as manager:
                    token = manager.swarm.attrs["JoinTokens"]["Worker"]
                client.swarm.join([f"{first.address}:2377"], token, advertise_addr=engine.address)
            else:
                client.swarm.init(advertise_addr=engine.address)
        processes.wait_until(lambda: node_state(client) in ("active", "error"), START)
        if node_state(client) != "active":
            raise DockerUnavailableError(f"the engine did not become a node of its swarm (log: {engine.log})")


def _clean(engine: Engine) -> None:
    """Nothing of the engine runs, is mounted or has a network afterwards."""
    containerd = processes.find("containerd", str(engine.short / "containerd.toml"))
    # Without containerd dockerd waits in vain for its containers to end.
    patience = _STOP if containerd else 1
    processes.end(processes.find("dockerd", str(settings_file(engine.short))), patience)
    processes.end(containerd, 10)
    processes.kill_tree(processes.find("containerd-shim-runc-v2", str(engine.short / "containerd.sock")))
    if engine.namespace.exists():
        processes.end(inhabitants(engine), 5)  # the registry, and what a dead shim has left
    for mount in reversed(_mounts(engine.short)):
        run("umount", "--lazy", mount)
    if engine.short.exists():
        engine.short.rmdir()
    # By themselves: a namespace goes, with the links into it, only when its last process has gone.
    if Path("/sys/class/net", engine.link).exists():
        ip(f"link delete {engine.link}")
    if engine.namespace.exists():
        for link in links_to_engines(engine):
            ip(f"-n {engine.namespace.name} link delete {link}")
        ip(f"netns delete {engine.namespace.name}")
    _unweigh(engine)
    for name in ("docker.pid", "docker.sock", "containerd.sock", "containerd.sock.ttrpc"):
        (engine.folder / name).unlink(missing_ok=True)


def _mounts(folder: Path) -> list[str]:
    """A folder and those below it on which something is mounted, outer ones first (proc(5), mountinfo)."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [point for point in points if Path(point).is_relative_to(folder)]
