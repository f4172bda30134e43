"""Background processes of the rehearsal: started detached, found and ended by what they were started with.

A process is ours if its program and one argument (the path of its configuration) are: that holds after a
crash, a reboot and in a second command, where a number in a file may belong to somebody else.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from rehearsal import guarded

_started: Final[list[subprocess.Popen[bytes]]] = []  # kept, so that those that end are reaped


def find(program: str, argument: str) -> list[int]:
    """Process ids of `program` (its file's name) that have `argument` among their arguments."""
    return [
        pid for pid, arguments in running() if argument in arguments and Path(arguments[0]).name == program
    ]


def start(command: Sequence[str | Path], log: Path, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a command that outlives this process; its output goes to `log`. An interrupted run ends it."""
    with log.open("ab") as output:
        started = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True, cwd="/", env={**env, **guarded.mark()},
        )  # fmt: skip
    _started.append(started)
    return started


def end(processes: Iterable[int], patience: float) -> None:
    """Ask each process to end, and after `patience` seconds make it."""
    pids = list(processes)
    for number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 10.0)):
        for pid in pids:
            _send(pid, number)
        if wait_until(lambda: not any(map(_alive, pids)), seconds):
            return


def kill_tree(roots: Iterable[int]) -> None:
    """Kill processes and all that descend from them."""
    children: dict[int, list[int]] = {}
    for pid, _ in running():
        children.setdefault(_parent(pid), []).append(pid)
    doomed = list(roots)
    for pid in doomed:  # grows while it is walked
        doomed += children.get(pid, [])
    end_at_once = [pid for pid in doomed if pid > 1]
    for pid in end_at_once:
        _send(pid, signal.SIGKILL)
    wait_until(lambda: not any(map(_alive, end_at_once)), 10)


def wait_until(condition: Callable[[], bool], seconds: float, every: float = 0.02) -> bool:
    """True as soon as `condition` holds, asked every so many seconds; False when it did not in `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True


def running() -> Iterable[tuple[int, list[str]]]:
    """Every process but kernel threads and those that have ended and wait for their parent."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if line:
                yield int(entry.name), os.fsdecode(line.removesuffix(b"\0")).split("\0")


def _alive(pid: int) -> bool:
    for started in _started:
        started.poll()
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
