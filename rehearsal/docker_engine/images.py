"""The images of the rehearsal, made on this machine and pushed to its registry.

No image comes from outside: a root file system is a program of the machine, or of a Debian package, with the
libraries it is linked with. What is built is named by a hash of everything that goes into it, so that nothing
is built or pushed twice. The Dockerfiles lie in `rehearsal/images`.
"""

import contextlib
import functools
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO, Final

import docker  # type: ignore[import-untyped]
from docker.errors import BuildError, ImageNotFound  # type: ignore[import-untyped]

from rehearsal.cache import Progress, cache, locked
from rehearsal.docker_engine import packages
from rehearsal.docker_engine.errors import DockerUnavailableError
from rehearsal.docker_engine.registry import Registry

SOURCES: Final = Path(__file__).resolve().parent.parent / "images"
FAULTS: Final = ("healthz-500", "crash", "hang", "dies")
"""Bad releases: `/healthz` answers 500; ends at once; `/healthz` never answers; ends 5 s after an answer."""

_CONTENT: Final = "paintshare.content"  # label: hash of what the image was built from
_NODE: Final = 20  # the least major version
_ZONES: Final = ("Asia/Seoul", "UTC")
_ASSET: Final = (
    r'"/static/([^"]+)": &vfsgen[^{]*\{[^}]*?\t(compressedContent|content):\s*\[\]byte\("([^"]*)"\)'
)
_NET_BIND_SERVICE: Final = "\1\0\0\2\0\4" + 14 * "\0"
"""The file capability as `security.capability` holds it: version 2, effective; permitted, bit 10."""
_PATIENCE: Final = 600  # seconds without an answer of the engine
_USERS: Final = b"root:x:0:0:root:/root:/sbin/nologin\nnode:x:1000:1000:node:/home/node:/sbin/nologin\n"
_GROUPS: Final = b"root:x:0:\nnode:x:1000:\n"

Files = Mapping[str, "Path | bytes | None"]
"""Path in the image or build context → the file to copy, its content, or None for a folder open to all."""


@dataclass(frozen=True)
class ImageRef:
    """An image in the registry."""

    name: str
    tag: str
    digest: str

    @property
    def reference(self) -> str:
        """Tag and digest, as a service names it: the tag is for people, the digest decides."""
        return f"{self.name}:{self.tag}@{self.digest}"


def socket_server(
    registry: Registry, sha: str, progress: Progress = lambda _: None, *, fault: str = ""
) -> ImageRef:
    """The sample battle server as release `sha` (40 hexadecimal digits), sound or with one of FAULTS."""
    if fault and fault not in FAULTS:
        raise ValueError(f"fault is one of {', '.join(FAULTS)}")
    source = SOURCES / "socket-server"
    base = _node(source, progress)
    files = {name: source / name for name in ("Dockerfile", "package.json", "server.js")}
    arguments = {"BASE": _name("node", _digest(base, {})), "GIT_SHA": sha, "FAULT": fault}
    found = _found(registry, f"socket:{sha}", _digest(files, arguments))
    if found:
        return found
    with contextlib.closing(registry.engine.client(_PATIENCE)) as client:
        _build(client, "node", base, {}, progress, keep=True)
        built = _build(client, "socket", files, arguments, progress)
        return _push(client, registry, built, f"socket:{sha}", progress)


def caddy(registry: Registry, progress: Progress = lambda _: None, *, other: Path | None = None) -> ImageRef:
    """Debian's Caddy, or the `other` one, which the user's cache does not keep.

    As in the official image it has `wget`, for health checks, and may bind low ports.
    """
    program = other or packages.program("caddy", "caddy", progress)
    root = _linked(program, "usr/bin/caddy") | _busybox("usr/bin/wget", progress)
    root |= {"tmp": None, "config": None, "data": None, "srv": None}
    with io.BytesIO() as archive:  # COPY would drop the capability, an unpacked archive keeps it
        _archive({"usr/bin/caddy": root.pop("usr/bin/caddy")}, archive, _NET_BIND_SERVICE)
        capable = {"capable.tar": archive.getvalue()}
    return _of_package(registry, "caddy", program, root, progress, beside=capable, keep=other is None)


def prometheus(registry: Registry, progress: Progress = lambda _: None) -> ImageRef:
    """Debian's Prometheus, server or agent, with promtool; in the places of the official image."""
    program = packages.program("prometheus", "prometheus", progress)
    root = _linked(program, "bin/prometheus") | _linked(program.with_name("promtool"), "bin/promtool")
    root |= _busybox("bin/wget", progress) | _zones_and_authorities() | _prometheus_web(_package(program))
    root |= {"tmp": None, "prometheus": None, "etc/prometheus": None}
    return _of_package(registry, "prometheus", program, root, progress)


def alertmanager(registry: Registry, progress: Progress = lambda _: None) -> ImageRef:
    """Debian's Alertmanager with amtool. Its package has no user interface: that comes from the Go module."""
    program = packages.program("prometheus-alertmanager", "prometheus-alertmanager", progress)
    share = "usr/share/prometheus/alertmanager"
    root = _linked(program, "bin/alertmanager") | _linked(program.with_name("amtool"), "bin/amtool")
    root |= _busybox("bin/wget", progress) | _zones_and_authorities()
    for file in (_package(program) / share).rglob("*"):
        if file.suffix in (".tmpl", ".html", ".ico"):
            root[f"{share}/{file.relative_to(_package(program) / share)}"] = file
    root |= {f"{share}/ui/{path}": content for path, content in _alertmanager_ui(program, progress).items()}
    root |= {"tmp": None, "alertmanager": None, "etc/alertmanager": None}
    return _of_package(registry, "alertmanager", program, root, progress)


def blackbox(registry: Registry, progress: Progress = lambda _: None) -> ImageRef:
    """Debian's blackbox exporter."""
    package = "prometheus-blackbox-exporter"
    program = packages.program(package, package, progress)
    root = _linked(program, "bin/blackbox_exporter") | _busybox("bin/wget", progress)
    root |= _zones_and_authorities() | {"tmp": None, "etc/blackbox_exporter": None}
    return _of_package(registry, "blackbox", program, root, progress)


def node_modules(source: Path, progress: Progress = lambda _: None) -> Path:
    """The packages that a folder's package-lock.json pins, installed in the user's cache."""
    lock = (source / "package-lock.json").read_bytes()
    digest = hashlib.sha256(lock + (source / "package.json").read_bytes()).hexdigest()[:12]
    store = cache("images")
    folder = store / f"{source.name}-{digest}"
    with locked(store / "lock", progress, "another command is preparing images; waiting for it"):
        if not folder.exists():
            npm = packages.installed("npm")
            if npm is None:
                raise DockerUnavailableError(
                    f"npm is not installed: install Node {_NODE} or newer, which brings it"
                )
            progress(f"installing the packages of {source.name}")
            with tempfile.TemporaryDirectory(prefix=".npm-", dir=store) as draft:
                work = Path(draft) / "work"
                work.mkdir()
                for name in ("package.json", "package-lock.json"):
                    shutil.copy(source / name, work)
                _output([npm, "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=work)
                work.rename(folder)
    return folder / "node_modules"


def node() -> Path:
    """Node on this machine. Raises DockerUnavailableError where there is none that is new enough."""
    program = packages.installed("node")
    if program is None or int(_output([program, "--version"]).lstrip("v").split(".")[0]) < _NODE:
        raise DockerUnavailableError(f"the sample battle server needs Node {_NODE} or newer on this machine")
    return program.resolve()


def _node(source: Path, progress: Progress) -> dict[str, "Path | bytes | None"]:
    """What goes into the image with Node and the packages of `source`."""
    modules = node_modules(source, progress)
    root = _linked(node(), "usr/local/bin/node") | {"tmp": None}
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
    environment = packages.environment(_package(program))
    version = re.search(r"\d+\.\d+\.\d+", _output([program, flag], env=environment))
    target, files = f"{name}:{version[0] if version else 'unknown'}", {**_context(name, root), **beside}
    found = _found(registry, target, _digest(files, {}))
    if found:
        return found
    with contextlib.closing(registry.engine.client(_PATIENCE)) as client:
        built = _build(client, name, files, {}, progress, keep=keep)
        return _push(client, registry, built, target, progress)


def _package(program: Path) -> Path:
    """The root below which a program's package lies: of an unpacked package, or of the machine."""
    return next(parent for parent in program.parents if (parent / "usr").is_dir())


def _busybox(wget: str, progress: Progress) -> dict[str, "Path | bytes | None"]:
    """What health checks and `docker exec` call; the official images have it too."""
    busybox = packages.program("busybox", "busybox", progress)
    return _linked(busybox, "bin/busybox") | {wget: busybox, "bin/sh": busybox, "bin/cat": busybox}


def _zones_and_authorities() -> dict[str, "Path | bytes | None"]:
    """Time zones, for working hours, and the authorities of TLS. Those of the machine."""
    found = {f"usr/share/zoneinfo/{zone}": Path("/usr/share/zoneinfo", zone) for zone in _ZONES}
    found["etc/ssl/certs/ca-certificates.crt"] = Path("/etc/ssl/certs/ca-certificates.crt")
    missing = [str(file) for file in found.values() if not file.exists()]
    if missing:
        raise DockerUnavailableError(
            f"{', '.join(missing)} missing here: apt-get install tzdata ca-certificates"
        )
    return {path: file.resolve() for path, file in found.items()}


def _prometheus_web(package: Path) -> dict[str, "Path | bytes | None"]:
    """The pages of Debian's Prometheus, and of the packages that they link to only what they name."""
    web = package / "usr/share/prometheus/web"
    files: dict[str, Path | bytes | None] = {
        f"usr/share/prometheus/web/{file.relative_to(web)}": file
        for file in web.rglob("*")
        if file.is_file() and not file.is_symlink()
    }
    named = {
        path
        for template in (web / "templates").glob("*.html")
        for path in re.findall(r"static/[\w./-]+", template.read_text())
    }
    for path in named:
        library = path.replace("static/", "usr/share/javascript/", 1)
        candidates = (web / path, Path("/", library))  # a library that is installed was not unpacked
        if found := next((file for file in candidates if file.is_file()), None):
            files[f"usr/share/prometheus/web/{path}"] = found.resolve()
    fonts = "static/vendor/bootstrap4-glyphicons/fonts/glyphicons"
    for file in (web / fonts).glob("*"):
        files[f"usr/share/prometheus/web/{fonts}/{file.name}"] = file.resolve()
    return files


def _alertmanager_ui(program: Path, progress: Progress) -> dict[str, bytes]:
    """The user interface as the Go module of the same version carries it; nothing where Go is missing.

    Debian ships none, because it has no compiler for it. The module holds each file as gzipped bytes in a Go
    source (`asset/assets_vfsdata.go`, written by vfsgen).
    """
    version = re.search(r"\d+\.\d+\.\d+", _output([program, "--version"]))
    go = packages.installed("go") or packages.installed("/usr/local/go/bin/go")
    if go is None or version is None:
        progress("no Go here: Alertmanager's pages stay empty, everything else works")
        return {}
    module = f"github.com/prometheus/alertmanager@v{version[0]}"
    try:
        folder = Path(json.loads(_output([go, "mod", "download", "-json", module], cwd=Path("/")))["Dir"])
        source = (folder / "asset/assets_vfsdata.go").read_text()
    except (DockerUnavailableError, OSError) as error:
        progress(f"Alertmanager's pages stay empty, everything else works: {error}")
        return {}
    files = {}
    for path, kind, escaped in re.findall(_ASSET, source):
        content = bytes.fromhex(escaped.replace("\\x", ""))
        files[path] = gzip.decompress(content) if kind == "compressedContent" else content
    return files


def _linked(program: Path, path: str) -> dict[str, "Path | bytes | None"]:
    """A program under `path`, with the libraries it is linked with, where the loader looks for them."""
    package = next((parent for parent in program.parents if (parent / "usr").is_dir()), None)
    environment = packages.environment(package if package != Path("/") else None)
    files: dict[str, Path | bytes | None] = {path: program}
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False, env=environment)
    for line in listed.stdout.splitlines():  # fails, and lists nothing, for a static program
        # `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)` or `/lib64/ld-linux-x86-64.so.2 (0x…)`
        found = re.match(r"\s*(?:(\S+) => )?(/\S+) \(0x", line)
        if found:
            name, library = found[1], Path(found[2])
            files[f"lib/{packages.triplet()}/{name}" if name else str(library).lstrip("/")] = (
                library.resolve()
            )
    return files


def _found(registry: Registry, target: str, content: str) -> ImageRef | None:
    """The image `target` (name:tag), if the registry has it and it was built from that content."""
    name, tag = target.split(":")
    digest = registry.digest(name, tag)
    if digest is None or registry.labels(name, tag).get(_CONTENT) != content:
        return None
    return ImageRef(f"{registry.address}/{name}", tag, digest)


def _push(
    client: docker.DockerClient, registry: Registry, built: str, target: str, progress: Progress
) -> ImageRef:
    """Push an image as `target` (name:tag)."""
    name, tag = target.split(":")
    repository = f"{registry.address}/{name}"
    progress(f"pushing {target}")
    client.images.get(built).tag(repository, tag)
    for line in client.api.push(repository, tag, stream=True, decode=True):
        if "error" in line:
            raise DockerUnavailableError(f"{target} cannot be pushed: {line['error']}")
    digest = registry.digest(name, tag)
    if digest is None:
        raise DockerUnavailableError(f"{target} was pushed, but the registry does not have it")
    return ImageRef(repository, tag, digest)


def _build(
    client: docker.DockerClient,
    name: str,
    files: Files,
    arguments: Mapping[str, str],
    progress: Progress,
    *,
    keep: bool = False,
) -> str:
    """Build an image, unless the engine has it. Its name, tagged by a hash of what goes into it.

    With `keep` it is also kept in the user's cache, for other engines to load: the large ones, which many
    small ones are built on.
    """
    digest = _digest(files, arguments)
    built = _name(name, digest)
    kept = cache("images") / f"{name}-{digest[:12]}.tar"
    if _has(client, built, digest):
        return built
    if keep and kept.exists():
        progress(f"loading {built}")
        with kept.open("rb") as file:
            client.images.load(file)
        if _has(client, built, digest):
            return built
    progress(f"building {built}")
    with tempfile.TemporaryFile() as context:
        _archive(files, context)
        context.seek(0)
        try:
            client.images.build(
                fileobj=context, custom_context=True, tag=built, buildargs=dict(arguments),
                labels={_CONTENT: digest}, rm=True, forcerm=True,
            )  # fmt: skip
        except BuildError as error:
            raise DockerUnavailableError(f"{built} cannot be built: {error}") from error
    if keep:
        _keep(client, built, kept)
    return built


def _name(name: str, digest: str) -> str:
    return f"paintshare/{name}:{digest[:12]}"


def _has(client: docker.DockerClient, name: str, digest: str) -> bool:
    try:
        return bool(client.images.get(name).labels.get(_CONTENT) == digest)
    except ImageNotFound:
        return False


def _keep(client: docker.DockerClient, built: str, file: Path) -> None:
    """Put an image into the cache, in place of the one that was built from something else."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    with draft.open("wb") as target:
        for chunk in client.images.get(built).save(named=True):
            target.write(chunk)
    for old in file.parent.glob(f"{file.name.rpartition('-')[0]}-*.tar"):
        old.unlink(missing_ok=True)
    draft.replace(file)


def _digest(files: Files, arguments: Mapping[str, str]) -> str:
    total = hashlib.sha256(json.dumps(sorted(arguments.items())).encode())
    for path, content in sorted(files.items()):
        total.update(f"\0{path}\0".encode())
        if isinstance(content, Path):
            status = content.stat()
            total.update(f"{_mode(content):o}".encode())
            total.update(_file_digest(content, status.st_mtime_ns, status.st_size))
        elif content is not None:
            total.update(hashlib.sha256(content).digest())
    return total.hexdigest()


@functools.cache
def _file_digest(path: Path, _changed: int, _size: int) -> bytes:
    """Node alone has 100 MB, and goes into every release."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _archive(files: Files, target: IO[bytes], capability: str = "") -> None:
    """Files as tar: the same make the same bytes, whenever and by whomever."""
    with tarfile.open(fileobj=target, mode="w") as archive:
        for path, content in sorted(files.items()):
            entry = tarfile.TarInfo(path)
            if content is None:
                entry.type, entry.mode = tarfile.DIRTYPE, 0o1777
                archive.addfile(entry)
            elif isinstance(content, Path):
                entry.mode, entry.size = _mode(content), content.stat().st_size
                if capability:
                    entry.pax_headers = {"SCHILY.xattr.security.capability": capability}
                with content.open("rb") as file:
                    archive.addfile(entry, file)
            else:
                entry.mode, entry.size = 0o644, len(content)
                archive.addfile(entry, io.BytesIO(content))


def _mode(file: Path) -> int:
    return 0o755 if file.stat().st_mode & 0o100 else 0o644


def _output(
    command: list[str | Path], *, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=cwd, env=dict(env or os.environ)
    )
    if done.returncode:
        raise DockerUnavailableError(f"{' '.join(map(str, command))} failed:\n{done.stderr.strip()[-2000:]}")
    return done.stdout
