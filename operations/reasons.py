"""Which properties a step of the engine's plan changes, whichever plugin planned it.

Docker's and GitHub's plugins give every path (`detailedDiff`). Vercel's gives none, only `diffReasons`:
names, and with any change also of what it computes anew (`comment`, `id`, `teamId`, ...), which nobody
changed. Seen on 2026-11-30 (rehearsal/observed/).
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any


def changed_paths(
    detail: Mapping[str, Any] | None, reasons: Iterable[str] | None, stated: Collection[str]
) -> tuple[str, ...]:
    """Property paths that change. `stated`: names of the inputs, before or afterwards."""
    return tuple(detail) if detail else tuple(path for path in reasons or () if top(path) in stated)


def top(path: str) -> str:
    """The property that a path begins with."""
    return path.partition(".")[0].partition("[")[0]
