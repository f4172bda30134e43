"""What goes into the images: programs of this machine or of Debian, with what they need beside them."""

import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from rehearsal.cache import Progress, cache, locked
from rehearsal.docker_engine import packages
from rehearsal.docker_engine.errors import DockerUnavailableError

_NODE: Final = 20  # the least major version
_ZONES: Final = ("Asia/Seoul", "UTC")
_ASSET: Final = (
    r'"/static/([^"]+)": &vfsgen[^{]*\{[^}]*?\t(compressedContent|content):\s*\[\]byte\("([^"]*)"\)'
)


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
                output([npm, "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=work)
                work.rename(folder)
    return folder / "node_modules"


def node() -> Path:
    """Node on this machine. Raises DockerUnavailableError where there is none that is new enough."""
    program = packages.installed("node")
    if program is None or int(output([program, "--version"]).lstrip("v").split(".")[0]) < _NODE:
        raise DockerUnavailableError(f"the sample battle server needs Node {_NODE} or newer on this machine")
    return program.resolve()


def package_of(program: Path) -> Path:
    """The root below which a program's package lies: of an unpacked package, or of the machine."""
    return next(parent for parent in program.parents if (parent / "usr").is_dir())


def busybox(wget: str, progress: Progress) -> dict[str, "Path | bytes | None"]:
    """What health checks and `docker exec` call; the official images have it too."""
    busybox = packages.program("busybox", "busybox", progress)
    return linked(busybox, "bin/busybox") | {wget: busybox, "bin/sh": busybox, "bin/cat": busybox}


def zones_and_authorities() -> dict[str, "Path | bytes | None"]:
    """Time zones, for working hours, and the authorities of TLS. Those of the machine."""
    found = {f"usr/share/zoneinfo/{zone}": Path("/usr/share/zoneinfo", zone) for zone in _ZONES}
    found["etc/ssl/certs/ca-certificates.crt"] = Path("/etc/ssl/certs/ca-certificates.crt")
    missing = [str(file) for file in found.values() if not file.exists()]
    if missing:
        raise DockerUnavailableError(
            f"{', '.join(missing)} missing here: apt-get install tzdata ca-certificates"
        )
    return {path: file.resolve() for path, file in found.items()}


def prometheus_web(package: Path) -> dict[str, "Path | bytes | None"]:
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


def alertmanager_ui(program: Path, progress: Progress) -> dict[str, bytes]:
    """The user interface as the Go module of the same version carries it; nothing where Go is missing.

    Debian ships none, because it has no compiler for it. The module holds each file as gzipped bytes in a Go
    source (`asset/assets_vfsdata.go`, written by vfsgen).
    """
    version = re.search(r"\d+\.\d+\.\d+", output([program, "--version"]))
    go = packages.installed("go") or packages.installed("/usr/local/go/bin/go")
    if go is None or version is None:
        progress("no Go here: Alertmanager's pages stay empty, everything else works")
        return {}
    module = f"github.com/prometheus/alertmanager@v{version[0]}"
    try:
        folder = Path(json.loads(output([go, "mod", "download", "-json", module], cwd=Path("/")))["Dir"])
        source = (folder / "asset/assets_vfsdata.go").read_text()
    except (DockerUnavailableError, OSError) as error:
        progress(f"Alertmanager's pages stay empty, everything else works: {error}")
        return {}
    files = {}
    for path, kind, escaped in re.findall(_ASSET, source):
        content = bytes.fromhex(escaped.replace("\\x", ""))
        files[path] = gzip.decompress(content) if kind == "compressedContent" else content
    return files


def linked(program: Path, path: str) -> dict[str, "Path | bytes | None"]:
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


def output(
    command: list[str | Path], *, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> str:
    """What a command prints. Raises DockerUnavailableError with its last words."""
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=cwd, env=dict(env or os.environ)
    )
    if done.returncode:
        raise DockerUnavailableError(f"{' '.join(map(str, command))} failed:\n{done.stderr.strip()[-2000:]}")
    return done.stdout
