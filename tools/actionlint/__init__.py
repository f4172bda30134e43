"""actionlint, the linter of .github/workflows, built from the Go modules pinned beside this file.

Kept in the user's cache, one folder a version, shared by all clones, like the engine.
"""

from pathlib import Path
from typing import Final

from rehearsal.cache import Progress, say
from rehearsal.engine import build

_ACTIONLINT: Final = build.Program(
    title="linter actionlint",
    name="actionlint",
    folder=Path(__file__).resolve().parent,
    module="github.com/rhysd/actionlint",
    version_variable="github.com/rhysd/actionlint.version",
    minutes=1,
)


def ensure(progress: Progress = say) -> Path:
    """The program: half a minute at the first call on a machine. Raises EngineError without one."""
    return build.ensure(_ACTIONLINT, progress)
