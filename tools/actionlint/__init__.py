"""actionlint, the linter of .github/workflows, built from the Go modules pinned beside this file.

Kept in the user's cache, one folder a version, shared by all clones, like the engine.
"""

import hashlib
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from rehearsal.cache import Progress, cache, locked, say

_MODULE: Final = Path(__file__).resolve().parent
_COMMAND: Final = "github.com/rhysd/actionlint/cmd/actionlint"


class ActionlintError(Exception):
    """It could not be built; the message holds the compiler's last words."""


def ensure(progress: Progress = say) -> Path:
    """The program, built if need be: half a minute at the first call on a machine. Needs Go."""
    store = cache("actionlint")
    content = (_MODULE / "go.mod").read_bytes() + (_MODULE / "go.sum").read_bytes()
    program = store / hashlib.sha256(content).hexdigest()[:12]
    if not program.exists():
        with locked(store / "lock", progress, "another clone is building actionlint; waiting for it"):
            if not program.exists():
                _build(program)
    return program


def _build(program: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=".build-", dir=program.parent) as draft:
        target = Path(draft) / program.name
        command = ["go", "build", "-C", str(_MODULE), "-mod=readonly", "-trimpath", "-buildvcs=false"]
        # GOFLAGS of the user could undo -mod; GOWORK would replace the pinned modules.
        env = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"}
        try:
            subprocess.run(
                [*command, "-o", str(target), _COMMAND], env=env, capture_output=True, text=True, check=True
            )
        except FileNotFoundError:
            raise ActionlintError("Go is not on PATH: https://go.dev/dl") from None
        except subprocess.CalledProcessError as error:
            raise ActionlintError(f"actionlint could not be built:\n{error.stderr.strip()}") from None
        target.replace(program)
