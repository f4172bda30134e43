"""Runs a verb of `operations` and kills it, all its processes, just before the n-th step that it takes.

A step is what the verb does to the world: it puts a stack file in place, calls git or the engine to change
something, writes to a service. The steps are those that the verb really takes, seen by an audit hook; none is
listed here. `python -m tests.rehearsal.killing FILE N VERB…` appends each step to FILE; N 0 kills at none.
"""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

_READS: Final = (
    *(("pulumi", word) for word in ("version", "whoami", "config", "about", "plugin")),
    *(("git", word) for word in ("rev-parse", "check-ignore", "status", "diff", "log", "fetch")),
)


def step(event: str, arguments: tuple[Any, ...]) -> str:
    """A word or two for what changes something; "" for everything else."""
    if event == "os.rename":
        target = Path(os.fsdecode(arguments[1])).name
        return f"put {target} in place" if target.startswith("Pulumi.") else ""
    if event == "subprocess.Popen":
        return _command([os.fsdecode(word) for word in arguments[1]])
    if event == "http.client.send":
        method, _, path = bytes(arguments[1][:200]).partition(b" ")
        if method in (b"POST", b"PUT", b"PATCH", b"DELETE"):
            return f"{method.decode()} {path.split()[0].decode()}"
    return ""


def _command(words: Sequence[str]) -> str:
    program = Path(words[0]).name
    if program not in ("git", "pulumi"):
        return ""
    named = [word for word in _without_folder(words[1:]) if not word.startswith("-")]
    if (program, named[0] if named else "version") in _READS or named[:2] == ["stack", "export"]:
        return ""
    return f"{program} {named[0]}"


def _without_folder(words: Sequence[str]) -> list[str]:
    """The words of a command without `-C FOLDER`."""
    left = list(words)
    while "-C" in left:
        at = left.index("-C")
        del left[at : at + 2]
    return left


def main() -> None:
    file, number, *words = sys.argv[1:]
    taken, last = 0, ""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal taken, last
        if event not in ("os.rename", "subprocess.Popen", "http.client.send"):
            return
        found = step(event, arguments)
        if found in ("", last):  # the same once more is no other step
            return
        taken, last = taken + 1, found
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(descriptor, f"{found}\n".encode())
        os.close(descriptor)
        if taken == int(number):
            os.killpg(0, signal.SIGKILL)

    from operations.__main__ import run  # noqa: PLC0415  its imports take no step

    sys.addaudithook(hook)
    sys.argv = ["operations", *words]
    run()


if __name__ == "__main__":
    main()
