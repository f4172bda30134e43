"""`python -m rehearsal.guarded COMMAND ...`: run a command; interrupted, end what it has started.

Owns how a run ends that was not let finish: Ctrl-C, Ctrl-\\, SIGTERM, a closed terminal (SIGHUP). The command
runs in a session of its own, so that this process alone is told; it passes one Ctrl-C on, waits, and ends
what is left: processes by a mark that the environment of all of them carries, Docker engines by a list that
they are written into before they start (`note`). More signals change nothing. What could not be ended is
named with the command that ends it. Standard library only: a first run begins before there are packages.
"""

import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

VARIABLE: Final = "PAINTSHARE_RUN"
"""Folders of the runs, outer ones first, that whoever carries it in its environment belongs to."""

_ENGINES: Final = "engines"
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_GRACE: Final = 15.0  # seconds for commands to end by themselves: an engine frees its lock
_CLONE: Final = Path(__file__).resolve().parent.parent


def run(command: list[str], *, always: bool = False) -> int:
    """Run a command. Its exit code, 128 + signal if it was ended by one, as a shell counts.

    `always`: end what it has started after a normal end too.
    """
    listened = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    signal.pthread_sigmask(signal.SIG_BLOCK, {*listened, signal.SIGCHLD})
    with tempfile.TemporaryDirectory(prefix="paintshare-run-") as made:
        folder = Path(made)
        (folder / _ENGINES).touch()
        outer = os.environ.get(VARIABLE)
        environment = {**os.environ, VARIABLE: f"{outer}{os.pathsep}{folder}" if outer else str(folder)}
        # Neither what is blocked here nor the terminal's signals reach it.
        pid = os.posix_spawnp(command[0], command, environment, setsid=True, setsigmask=())
        while True:
            number = signal.sigwait({*listened, signal.SIGCHLD})
            if number != signal.SIGCHLD:
                _say("interrupted: ending what this run has started; another Ctrl-C changes nothing")
                _interrupt(pid, folder)
                _end(pid, folder)
                return 128 + number
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                if always:
                    _end(pid, folder)
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code


def mark() -> dict[str, str]:
    """For a process that is given an environment of its own: it belongs to the run, if there is one."""
    return {VARIABLE: os.environ[VARIABLE]} if VARIABLE in os.environ else {}


def note(engine: Path) -> None:
    """A Docker engine is about to be started in this folder: it belongs to the run, if there is one."""
    _write(f"{sys.executable}\t{engine}\n")


def forget(engine: Path) -> None:
    """The Docker engine in this folder was ended."""
    _write(f"\t{engine}\n")


def _write(line: str) -> None:
    for folder in filter(None, os.environ.get(VARIABLE, "").split(os.pathsep)):
        if Path(folder).is_dir():  # else a run that is over; whoever carries its mark was meant to go on
            with (Path(folder) / _ENGINES).open("a") as file:
                file.write(line)


def _interrupt(pid: int, folder: Path) -> None:
    """Pass the Ctrl-C on, and wait until the command is gone or nothing beside it is at work in its group."""

    def over() -> bool:
        return not _alive(pid) or not any(_group(one) == pid for one, _ in _members(folder) if one != pid)

    os.killpg(pid, signal.SIGINT)
    _wait(over, _GRACE)


def _end(pid: int, folder: Path) -> None:
    """Nothing of the run is left afterwards, or it is named with the command that ends it."""
    _kill([-pid], signal.SIGKILL)  # the command's own group: nothing new is started
    engines = _engines(folder)
    stuck = [engine for engine in engines if not _stop(*engine)]
    members = dict(_members(folder))
    _kill(members, signal.SIGTERM)
    _wait(lambda: not dict(_members(folder)), 5)
    _kill(dict(_members(folder)), signal.SIGKILL)
    _wait(lambda: not dict(_members(folder)), 5)
    left = dict(_members(folder))
    ended = [
        f"{count} {what}"
        for count, what in (
            (len(engines) - len(stuck), "Docker engines"), (len(members) - len(left), "processes"),
        )
        if count
    ]  # fmt: skip
    if ended:
        _say(f"ended: {', '.join(ended)}")
    for python, engine in stuck:
        _say(f"NOT ended: the Docker engine in {engine}. Try: {shlex.join(_stopping(python, engine))}")
    for process, words in left.items():
        _say(f"NOT ended: {shlex.join(words)[:60]}. Try: kill -9 {process}")


def _engines(folder: Path) -> list[tuple[str, str]]:
    """Python and folder of each Docker engine that was started, the last one first."""
    left: dict[str, str] = {}
    for line in (folder / _ENGINES).read_text().splitlines():
        python, _, engine = line.partition("\t")
        left.pop(engine, None)
        if python:
            left[engine] = python
    return [(python, engine) for engine, python in reversed(left.items())]


def _stop(python: str, engine: str) -> bool:
    """Its own process, because the Docker client is not in the standard library."""
    done = subprocess.run(
        _stopping(python, engine), cwd=_CLONE, stdin=subprocess.DEVNULL, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    return done.returncode == 0


def _stopping(python: str, engine: str) -> list[str]:
    return [python, "-m", "rehearsal.docker_engine", "stop", engine]


def _members(folder: Path) -> Iterator[tuple[int, list[str]]]:
    """Id and words of every process that carries the mark; none where there is no /proc."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            environment = (entry / "environ").read_bytes().split(b"\0")
            words = os.fsdecode((entry / "cmdline").read_bytes()).split("\0")[:-1]
        except OSError:  # gone meanwhile, or somebody else's
            continue
        found = next((one for one in environment if one.startswith(f"{VARIABLE}=".encode())), b"")
        if words and str(folder) in os.fsdecode(found).partition("=")[2].split(os.pathsep):
            yield int(entry.name), words


def _alive(pid: int) -> bool:
    """Of a child: not gone, and not merely waiting to be reaped."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


def _kill(processes: Mapping[int, object] | Sequence[int], number: signal.Signals) -> None:
    for pid in processes:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def _wait(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)


def _say(text: str) -> None:
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:  # the terminal was closed
        return


def main(words: list[str]) -> int:
    always = words[:1] == ["--always"]
    return run(words[1:] if always else words, always=always)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
