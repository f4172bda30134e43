"""Which properties a step of the engine's plan changes, whichever plugin planned it.

Docker's and GitHub's plugins give every path (`detailedDiff`). Vercel's gives none, only `diffReasons`:
names, and with any change also of what it computes anew (`comment`, `id`, `teamId`, ...), which nobody
changed. Seen on 2026-11-30 (rehearsal/observed/).
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

# What stands for a value that the engine does not know yet. Source: sdk/go/common/resource/plugin/rpc.go.
UNKNOWNS: Final = {
    "04da6b54-80e4-46f7-96ec-b56ff0331ba9", "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
    "3eeb2bf0-c639-47a8-9e75-3b44932eb421", "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
    "030794c1-ac77-496b-92df-f27374a8bd58", "e48ece36-62e2-4504-bad9-02848725956a",
    "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
}  # fmt: skip
# Deleted in the state only: builds stay on Vercel (components.web_app).
FORGOTTEN: Final = frozenset({"vercel:index/deployment:Deployment"})
# What is said of a resource whose old one stays where it is.
LEFT: Final = {"delete": "forget", "replace": "renew"}


def changed_paths(
    detail: Mapping[str, Any] | None, reasons: Iterable[str] | None, stated: Collection[str]
) -> tuple[str, ...]:
    """Property paths that change. `stated`: names of the inputs, before or afterwards."""
    return tuple(detail) if detail else tuple(path for path in reasons or () if top(path) in stated)


def top(path: str) -> str:
    """The property that a path begins with."""
    return path.partition(".")[0].partition("[")[0]


def stays(type: str, retained: bool) -> bool:
    """Whether the removal of such a resource, or of its old one, is one from the state alone."""
    return retained or type in FORGOTTEN
