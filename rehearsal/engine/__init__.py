"""The Pulumi engine of the rehearsal: found, downloaded or built, outside the clone.

`ensure` answers with the first of: a `pulumi` on PATH that is new enough and has its language host; the
official release; a build from the pinned Go modules beside this file. The last two are kept in the user's
cache, one folder a version, shared by all clones. Says nothing about projects or stacks.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rehearsal import files
from rehearsal.cache import Progress, cache, locked, say
from rehearsal.engine import build, download
from rehearsal.engine.errors import EngineError

__all__ = ["VERSION", "EngineError", "EnginePaths", "ensure"]

_HOST: Final = "pulumi-language-python"
_ENGINE: Final = build.Program(
    title="Pulumi engine",
    name="pulumi",
    folder=Path(__file__).resolve().parent,
    module="github.com/pulumi/pulumi/pkg/v3",
    version_variable="github.com/pulumi/pulumi/sdk/v3/go/common/version.Version",
    minutes=4,
    instead="Or install Pulumi itself: https://www.pulumi.com/docs/install/",
)
VERSION: Final = _ENGINE.version


@dataclass(frozen=True)
class EnginePaths:
    """An engine that is ready. Its language host lies in `bin` too, where the engine looks for it."""

    bin: Path
    version: str
    origin: str  # "PATH", "release" or "build"

    @property
    def pulumi(self) -> Path:
        return self.bin / "pulumi"


def ensure(progress: Progress = say, *, fetch: Callable[..., bool] = download.fetch) -> EnginePaths:
    """The engine, made ready if need be: minutes at the first call on a machine, milliseconds afterwards.

    Raises EngineError with what to install when it can be had in no way.
    """
    store = cache("engine")
    found = _on_path(store)
    if found:
        return found
    release, built = _places(store)
    ready = _ready(release, built)
    if ready is None:
        waiting = "another command is preparing the Pulumi engine; waiting for it"
        with locked(store / "lock", progress, waiting):
            ready = _ready(release, built)
            if ready is None:
                if not fetch(VERSION, release, progress):
                    build.build(_ENGINE, built, progress)
                ready = _ready(release, built)
    if ready is None:
        raise EngineError(
            f"the engine was prepared, but {store} holds none; remove that folder and try again"
        )
    if ready.origin == "build":
        files.write(ready.bin / _HOST, LANGUAGE_HOST, 0o755)
    return ready


def at_hand() -> bool:
    """True where `ensure` has nothing to prepare."""
    store = cache("engine")
    return _on_path(store) is not None or _ready(*_places(store)) is not None


def seconds_to_build() -> int:
    """How long a build takes on this machine."""
    return _ENGINE.seconds


def _places(store: Path) -> tuple[Path, Path]:
    """Folders of the official release and of the build."""
    return store / f"{VERSION}-release", store / _ENGINE.build_name


def _ready(release: Path, built: Path) -> EnginePaths | None:
    """What the cache holds. Folders appear there whole or not at all."""
    for folder, origin in ((release, "release"), (built, "build")):
        if (folder / "bin" / "pulumi").exists():
            return EnginePaths(folder / "bin", VERSION, origin)
    return None


def _on_path(store: Path) -> EnginePaths | None:
    """The first `pulumi` on PATH, if it is not ours, new enough and complete."""
    command = shutil.which("pulumi")
    if command is None:
        return None
    binary = Path(command).resolve()
    if binary.is_relative_to(store) or not os.access(binary.parent / _HOST, os.X_OK):
        return None
    try:
        answer = subprocess.run(
            [binary, "version"], capture_output=True, text=True, timeout=30, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = answer.strip().removeprefix("v")
    return EnginePaths(binary.parent, version, "PATH") if _new_enough(version) else None


def _new_enough(version: str) -> bool:
    numbers = re.match(r"(\d+)\.(\d+)\.", version)
    if numbers is None:
        return False
    wanted = VERSION.split(".")
    return int(numbers[1]) == int(wanted[0]) and int(numbers[2]) >= int(wanted[1])


# The cache serves every clone, so the script finds this clone's host through the environment
# that `python -m rehearsal env` prints. -P keeps the host's own folder off the program's search path.
LANGUAGE_HOST: Final = """\
#!/bin/sh
: "${PAINTSHARE_PYTHON:?is not set: run  eval \\"\\$(python -m rehearsal env)\\"  in the clone}"
exec "$PAINTSHARE_PYTHON" -P "$PAINTSHARE_LANGUAGE_HOST" "$@"
"""
