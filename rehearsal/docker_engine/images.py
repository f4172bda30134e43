"""The images of the rehearsal, made on this machine and pushed to its registry.

No image comes from outside: a root file system is a program of the machine, or of a Debian package, with the
libraries it is linked with. What is built is named by a hash of everything that goes into it, so that nothing
is built or pushed twice. The Dockerfiles lie in `rehearsal/images`.
"""

import contextlib
import io
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from rehearsal.cache import Progress
from rehearsal.docker_engine import packages
from rehearsal.docker_engine.building import (
    PATIENCE,
    Files,
    ImageRef,
    archived,
    build,
    digest_of,
    found_in,
    name_of,
    push,
)
from rehearsal.docker_engine.contents import (
    alertmanager_ui,
    busybox,
    linked,
    node,
    node_modules,
    output,
    package_of,
    prometheus_web,
    zones_and_authorities,
)
from rehearsal.docker_engine.registry import Registry

SOURCES: Final = Path(__file__).resolve().parent.parent / "images"
FAULTS: Final = ("healthz-500", "crash", "hang", "dies")
"""Bad releases: `/healthz` answers 500; ends at once; `/healthz` never answers; ends 5 s after an answer."""
_NET_BIND_SERVICE: Final = "\1\0\0\2\0\4" + 14 * "\0"
"""The file capability as `security.capability` holds it: version 2, effective; permitted, bit 10."""
_USERS: Final = b"root:x:0:0:root:/root:/sbin/nologin\nnode:x:1000:1000:node:/home/node:/sbin/nologin\n"
_GROUPS: Final = b"root:x:0:\nnode:x:1000:\n"


def socket_server(
    registry: Registry, sha: str, progress: Progress = lambda _: None, *, fault: str = ""
) -> ImageRef:
    """The sample battle server as release `sha` (40 hexadecimal digits), sound or with one of FAULTS."""
    if fault and fault not in FAULTS:
        raise ValueError(f"fault is one of {', '.join(FAULTS)}")
    source = SOURCES / "socket-server"
    base = _node(source, progress)
    files = {name: source / name for name in ("Dockerfile", "package.json", "server.js")}
    arguments = {"BASE": name_of("node", digest_of(base, {})), "GIT_SHA": sha, "FAULT": fault}
    found = found_in(registry, f"socket:{sha}", digest_of(files, arguments))
    if found:
        return found
    with contextlib.closing(registry.engine.client(PATIENCE)) as client:
        build(client, "node", base, {}, progress, keep=True)
        built = build(client, "socket", files, arguments, progress)
        return push(client, registry, built, f"socket:{sha}", progress)


def caddy(registry: Registry, progress: Progress = lambda _: None, *, other: Path | None = None) -> ImageRef:
    """Debian's Caddy, or the `other` one, which the user's cache does not keep.

    As in the official image it has `wget`, for health checks, and may bind low ports.
    """
    program = other or packages.program("caddy", "caddy", progress)
    root = linked(program, "usr/bin/caddy") | busybox("usr/bin/wget", progress)
    root |= {"tmp": None, "config": None, "data": None, "srv": None}
    with io.BytesIO() as archive:  # COPY would drop the capability, an unpacked archive keeps it
        archived({"usr/bin/caddy": root.pop("usr/bin/caddy")}, archive, _NET_BIND_SERVICE)
        capable = {"capable.tar": archive.getvalue()}
    return _of_package(registry, "caddy", program, root, progress, beside=capable, keep=other is None)


def prometheus(registry: Registry, progress: Progress = lambda _: None) -> ImageRef:
    """Debian's Prometheus, server or agent, with promtool; in the places of the official image."""
    program = packages.program("prometheus", "prometheus", progress)
    root = linked(program, "bin/prometheus") | linked(program.with_name("promtool"), "bin/promtool")
    root |= busybox("bin/wget", progress) | zones_and_authorities() | prometheus_web(package_of(program))
    root |= {"tmp": None, "prometheus": None, "etc/prometheus": None}
    return _of_package(registry, "prometheus", program, root, progress)


def alertmanager(registry: Registry, progress: Progress = lambda _: None) -> ImageRef:
    """Debian's Alertmanager with amtool. Its package has no user interface: that comes from the Go module."""
    program = packages.program("prometheus-alertmanager", "prometheus-alertmanager", progress)
    share = "usr/share/prometheus/alertmanager"
    root = linked(program, "bin/alertmanager") | linked(program.with_name("amtool"), "bin/amtool")
    root |= busybox("bin/wget", progress) | zones_and_authorities()
    for file in (package_of(program) / share).rglob("*"):
        if file.suffix in (".tmpl", ".html", ".ico"):
            root[f"{share}/{file.relative_to(package_of(program) / share)}"] = file
    root |= {f"{share}/ui/{path}": content for path, content in alertmanager_ui(program, progress).items()}
    root |= {"tmp": None, "alertmanager": None, "etc/alertmanager": None}
    return _of_package(registry, "alertmanager", program, root, progress)


def blackbox(registry: Registry, progress: Progress = lambda _: None) -> ImageRef:
    """Debian's blackbox exporter."""
    package = "prometheus-blackbox-exporter"
    program = packages.program(package, package, progress)
    root = linked(program, "bin/blackbox_exporter") | busybox("bin/wget", progress)
    root |= zones_and_authorities() | {"tmp": None, "etc/blackbox_exporter": None}
    return _of_package(registry, "blackbox", program, root, progress)


def _node(source: Path, progress: Progress) -> dict[str, "Path | bytes | None"]:
    """What goes into the image with Node and the packages of `source`."""
    modules = node_modules(source, progress)
    root = linked(node(), "usr/local/bin/node") | {"tmp": None}
    for file in modules.rglob("*"):
        if file.is_file():
            root[f"app/node_modules/{file.relative_to(modules)}"] = file
    return _context("node", root)


def _context(name: str, root: Files) -> dict[str, "Path | bytes | None"]:
    files: dict[str, Path | bytes | None] = {"Dockerfile": SOURCES / name / "Dockerfile"}
    files |= {"root/etc/passwd": _USERS, "root/etc/group": _GROUPS}
    return files | {f"root/{path}": content for path, content in root.items()}


def _of_package(
    registry: Registry,
    name: str,
    program: Path,
    root: Files,
    progress: Progress,
    *,
    beside: Mapping[str, bytes] = MappingProxyType({}),
    keep: bool = True,
) -> ImageRef:
    """Build and push an image of a program, tagged by the version that the program says it has.

    `beside`: what else its Dockerfile names. `keep`: in the user's cache, one image of each name.
    """
    flag = "version" if name == "caddy" else "--version"
    environment = packages.environment(package_of(program))
    version = re.search(r"\d+\.\d+\.\d+", output([program, flag], env=environment))
    target, files = f"{name}:{version[0] if version else 'unknown'}", {**_context(name, root), **beside}
    found = found_in(registry, target, digest_of(files, {}))
    if found:
        return found
    with contextlib.closing(registry.engine.client(PATIENCE)) as client:
        built = build(client, name, files, {}, progress, keep=keep)
        return push(client, registry, built, target, progress)
