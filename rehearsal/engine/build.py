"""Builds the engine from the Go modules pinned in go.mod and go.sum, as its own release does.

The result appears in its folder whole or not at all. The Go module cache and build cache are the user's.
"""

import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final

from rehearsal.cache import Progress
from rehearsal.engine.errors import EngineError

_COMMAND: Final = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
_VERSION: Final = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"


def build(version: str, module: Path, folder: Path, progress: Progress) -> None:
    """Build `folder`/bin/pulumi from the module. Raises EngineError with the compiler's last words."""
    go = _go((module / "go.mod").read_text())
    progress(f"building the Pulumi engine {version} with {go}: once on this machine, 4 minutes on two cores")
    started = time.monotonic()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".build-", dir=folder.parent) as draft:
        target = Path(draft) / "bin" / "pulumi"
        target.parent.mkdir()
        command = [
            "go", "build", "-C", str(module), "-mod=readonly", "-buildvcs=false", "-trimpath",
            "-ldflags", f"-s -w -X {_VERSION}={version}", "-o", str(target), _COMMAND,
        ]  # fmt: skip
        # GOFLAGS of the user could undo -mod and -trimpath; GOWORK would replace the pinned modules.
        env = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"}
        process = subprocess.Popen(
            command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        said = _follow(process, progress, started)
        if process.returncode:
            raise EngineError(
                "the Pulumi engine could not be built; the last words of `go build`:\n"
                + "\n".join(f"  {line}" for line in said[-15:])
            )
        target.parent.parent.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)  # a folder without its binary: removed by hand, in part
        Path(draft).rename(folder)
        Path(draft).mkdir()  # for the context manager to remove
    progress(f"engine built in {time.monotonic() - started:.0f} s")


def _go(module: str) -> str:
    """The Go on PATH in words. Raises EngineError when it is missing or cannot read this module file."""
    directive = re.search(r"^go (\S+)$", module, re.MULTILINE)
    wanted = directive[1] if directive else "1.25"
    remedy = (
        f"Building the Pulumi engine needs Go {wanted} or newer (from 1.21 on, Go fetches the right version "
        "by itself unless GOTOOLCHAIN=local): https://go.dev/dl, brew install go, or apt-get install golang "
        "where the distribution's is new enough. Or install Pulumi itself: "
        "https://www.pulumi.com/docs/install/"
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
            process.kill()
            raise
        else:
            said += output.splitlines()
            return said
