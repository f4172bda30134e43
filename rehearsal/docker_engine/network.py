"""The engine's network: a namespace, a link to the machine, and links to engines beside it."""

import re
import subprocess
from pathlib import Path

from rehearsal.docker_engine import packages
from rehearsal.docker_engine.engine import Engine
from rehearsal.docker_engine.errors import DockerUnavailableError


def add_namespace(engine: Engine) -> None:
    """The engine's network: loopback and one link, to the machine."""
    inside = engine.namespace.name
    ip(f"netns add {inside}")
    ip(f"link add {engine.link} type veth peer name machine netns {inside}")
    ip(f"address add {engine.machine}/30 dev {engine.link}")
    ip(f"link set {engine.link} up")
    ip(f"-n {inside} address add {engine.address}/30 dev machine")
    ip(f"-n {inside} link set machine up")
    ip(f"-n {inside} link set lo up")


def connect(engine: Engine, *others: Engine | None) -> None:
    """A link to each other engine: through the machine, its packet filter would decide."""
    for other in filter(None, others):
        inside, there = engine.namespace.name, other.namespace.name
        if output("ip", "-n", there, "link", "show", engine.link).returncode == 0:
            continue
        ip(f"-n {there} link add {engine.link} type veth peer name {other.link} netns {inside}")
        for name, link, mine, theirs in (
            (there, engine.link, other.address, engine.address),
            (inside, other.link, engine.address, other.address),
        ):
            # An address of its own, because containers leave with the address of the interface.
            ip(f"-n {name} address add {mine}/32 dev {link}")
            ip(f"-n {name} link set {link} up")
            ip(f"-n {name} route add {theirs}/32 dev {link} src {mine}")


def links_to_engines(engine: Engine) -> list[str]:
    """Links of `connect`: that of an engine which comes back at once would be taken for the new one."""
    listed = output("ip", "-n", engine.namespace.name, "-o", "link", "show", "type", "veth").stdout
    return re.findall(r"^\d+: (ps-[0-9a-f]+)@", listed, re.MULTILINE)


def inhabitants(engine: Engine) -> list[int]:
    """Processes in the engine's network namespace."""
    return [int(pid) for pid in output("ip", "netns", "pids", engine.namespace.name).stdout.split()]


def ip(arguments: str) -> None:
    """Run ip(8) with these arguments."""
    run("ip", *arguments.split())


def run(*command: str | Path) -> None:
    """Raises DockerUnavailableError with what the command said."""
    done = output(*command)
    if done.returncode:
        raise DockerUnavailableError(f"{' '.join(map(str, command))}: {done.stderr.strip()}")


def output(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """A command's end and what it said."""
    return subprocess.run(command, check=False, capture_output=True, text=True, env=packages.environment())
