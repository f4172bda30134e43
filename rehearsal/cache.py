"""The user's cache, where things live that clones share: the engine, the virtual environments.

Owns its place and the lock with which only one process at a time fills a part of it.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

Progress = Callable[[str], object]


def say(text: str) -> None:
    """Progress on standard output, at once: a pipe would hold it back for minutes."""
    print(text, flush=True)


def cache(part: str) -> Path:
    """The folder of a part, made if need be. Source of the place: XDG Base Directory Specification."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "paintshare" / part
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


@contextmanager
def locked(file: Path, progress: Progress, waiting: str) -> Iterator[None]:
    """Hold an exclusive lock. Says `waiting` once if somebody else has it; a dead holder frees it."""
    with file.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(waiting)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
