"""The Caddy that stacks run unless they say otherwise, built from pinned Go modules into the user's cache.

Debian's is from before `plan.socket.PASSIVE_SINCE`. `make rehearse` runs that one all the same, because this
one takes two minutes more to build. Tests of what is promised while a task hangs take this one.
"""

from pathlib import Path
from typing import Final

from rehearsal.cache import Progress, say
from rehearsal.engine import build

_CADDY: Final = build.Program(
    title="proxy Caddy",
    name="caddy",
    folder=Path(__file__).resolve().parent,
    module="github.com/caddyserver/caddy/v2",
    version_variable="github.com/caddyserver/caddy/v2.CustomVersion",
    minutes=2,
)
VERSION: Final = _CADDY.version


def ensure(progress: Progress = say) -> Path:
    """The program: minutes at the first call on a machine. Raises EngineError where it cannot be built."""
    return build.ensure(_CADDY, progress)
