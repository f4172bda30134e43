"""How a verb ends that is interrupted: Ctrl-C, SIGTERM, a closed terminal (SIGHUP).

Owns that the engine is told once and has ended before the verb does, and that whoever waits for it knows what
for. A first interrupt lets the engine finish what it has begun and free its lock; by a second one, which a
terminal sends to all of its processes, it drops what it has at work.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Final, NoReturn

import psutil

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """A signal asked for the end. No KeyboardInterrupt: typer would turn that into an exit without a word."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def listen(say: Callable[[str], object]) -> None:
    """From here on the first signal raises Interrupted once all children have ended; more change nothing.

    A signal that whoever started the verb ignores is still ignored.
    """

    def interrupt(number: int, _frame: FrameType | None) -> NoReturn:
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        # The SDK's threads read what the engine says; once this is raised their files are closed.
        threading.excepthook = lambda _: None
        for process in psutil.Process().children():
            with contextlib.suppress(psutil.NoSuchProcess):
                if number != signal.SIGINT:  # a Ctrl-C has reached it already
                    process.send_signal(signal.SIGINT)
                name, pid = process.name(), process.pid
                tell(say, f"interrupted: {name} ends what it has begun; to cut it off: kill {pid}")
                # Before anything is unwound: an engine whose output is closed dies with its lock held.
                _await(process.pid)
        raise Interrupted(number)

    for each in _SIGNALS:
        if signal.getsignal(each) is not signal.SIG_IGN:
            signal.signal(each, interrupt)


def tell(say: Callable[[str], object], text: str) -> None:
    """Say it, where there still is a terminal."""
    with contextlib.suppress(OSError):
        say(text)


def _await(child: int) -> None:
    """Until it has ended; its exit code is left for whoever started it."""
    with contextlib.suppress(ChildProcessError):
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
