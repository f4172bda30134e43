"""Builds a program from the Go modules pinned in a folder's go.mod and go.sum, as its own release does.

The result appears in its folder whole or not at all. The Go module cache and build cache are the user's.
"""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rehearsal.cache import Progress, cache, locked
from rehearsal.engine.errors import EngineError


@dataclass(frozen=True, kw_only=True)
class Program:
    """A program that is built: `folder` holds go.mod and go.sum, which requires its `module`."""

    title: str  # in messages
    name: str  # of the binary
    folder: Path
    module: str
    version_variable: str  # that the linker sets
    minutes: int  # to build it, on two cores
    instead: str = ""  # another way to have it

    @property
    def version(self) -> str:
        """The one that go.mod requires. Raises EngineError when it requires none."""
        file = self.folder / "go.mod"
        found = re.search(rf"^require {re.escape(self.module)} v(\S+)$", file.read_text(), re.MULTILINE)
        if found is None:
            raise EngineError(f"{file} does not require {self.module}")
        return found[1]

    @property
    def command(self) -> str:
        """Its main package."""
        return f"{self.module}/cmd/{self.name}"

    @property
    def seconds(self) -> int:
        """How long a build takes on this machine: it uses all cores."""
        return round(self.minutes * 60 * 2 / (os.cpu_count() or 1))

    @property
    def build_name(self) -> str:
        """A name for the folder of the build: another one where anything that is pinned differs."""
        pinned = (self.folder / "go.mod").read_bytes() + (self.folder / "go.sum").read_bytes()
        return f"{self.version}-{hashlib.sha256(pinned).hexdigest()[:12]}"


def ensure(program: Program, progress: Progress) -> Path:
    """The binary, in the user's cache, built if need be. Raises EngineError where it cannot be."""
    store = cache(program.name)
    folder = store / program.build_name
    binary = folder / "bin" / program.name
    if not binary.exists():
        waiting = f"another command is building the {program.title}; waiting for it"
        with locked(store / "lock", progress, waiting):
            if not binary.exists():
                build(program, folder, progress)
    return binary


def build(program: Program, folder: Path, progress: Progress) -> None:
    """Build the program into `folder`/bin. Raises EngineError with the compiler's last words."""
    go, title = _go(program), program.title
    progress(
        f"building the {title} {program.version} with {go}: once on this machine, "
        f"about {max(program.seconds / 60, 1):.0f} min"
    )
    started = time.monotonic()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".build-", dir=folder.parent) as draft:
        target = Path(draft) / "bin" / program.name
        target.parent.mkdir()
        command = [
            "go", "build", "-C", str(program.folder), "-mod=readonly", "-buildvcs=false", "-trimpath",
            "-ldflags", f"-s -w -X {program.version_variable}={program.version}",
            "-o", str(target), program.command,
        ]  # fmt: skip
        # GOFLAGS of the user could undo -mod and -trimpath; GOWORK would replace the pinned modules.
        env = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"}
        # A compiler lives for seconds: what it would collect, its end frees (218 s instead of 246 s).
        env |= {"GOGC": "off", "GOMEMLIMIT": "1GiB"}
        process = subprocess.Popen(
            command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            process_group=0,
        )  # fmt: skip
        said = _follow(process, progress, started)
        if process.returncode:
            raise EngineError(
                f"the {title} could not be built; the last words of `go build`:\n"
                + "\n".join(f"  {line}" for line in said[-15:])
            )
        target.parent.parent.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)  # a folder without its binary: removed by hand, in part
        Path(draft).rename(folder)
        Path(draft).mkdir()  # for the context manager to remove
    progress(f"{title} built in {time.monotonic() - started:.0f} s")


def _go(program: Program) -> str:
    """The Go on PATH in words. Raises EngineError when it is missing or cannot read this module file."""
    directive = re.search(r"^go (\S+)$", (program.folder / "go.mod").read_text(), re.MULTILINE)
    wanted = directive[1] if directive else "1.25"
    remedy = (
        f"Building the {program.title} needs Go {wanted} or newer (from 1.21 on, Go fetches the right "
        "version by itself unless GOTOOLCHAIN=local): https://go.dev/dl, brew install go, or apt-get install "
        f"golang where the distribution's is new enough. {program.instead}".rstrip()
    )
    try:
        found = subprocess.run(
            ["go", "env", "GOVERSION", "GOTOOLCHAIN"], capture_output=True, text=True, check=True
        )
    except FileNotFoundError:
        raise EngineError(f"Go is not on PATH. {remedy}") from None
    except subprocess.CalledProcessError as error:
        raise EngineError(f"`go env` failed: {error.stderr.strip()}. {remedy}") from None
    version, _, toolchain = found.stdout.strip().partition("\n")
    least = (1, 21) if toolchain != "local" else _numbers(wanted)
    if _numbers(version) < least:
        raise EngineError(f"{version} is too old. {remedy}")
    return version


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _follow(process: subprocess.Popen[str], progress: Progress, started: float) -> list[str]:
    """Wait for the build, with a sign of life a minute. Returns what it said."""
    said: list[str] = []
    while True:
        try:
            output, _ = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            progress(f"  still building ({(time.monotonic() - started) / 60:.0f} min)")
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)  # the compilers too
            raise
        else:
            said += output.splitlines()
            return said
