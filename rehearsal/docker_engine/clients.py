"""Players and an HTTP prober that watch a rollout from outside: `rehearsal/images/clients`, run by Node.

Owns the process and its events. What the counts must be is for the caller to say.
"""

import json
import os
import subprocess
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

from rehearsal.cache import Progress
from rehearsal.docker_engine import contents, images, processes

_SOURCE: Final = images.SOURCES / "clients"
_PATIENCE: Final = 120  # seconds for the last answers and the summary, on a machine that is busy

Event = dict[str, Any]
"""One line of the program: `event` and `t` (milliseconds since 1970), and what belongs to the event."""


class Clients:
    """A run of the program, as a context: leaving it ends the program."""

    def __init__(
        self,
        url: str,
        origin: str,
        *,
        players: int = 50,
        rooms: int = 5,
        rate: int = 0,
        path: str = "/healthz",
        seconds: int = 300,
        connect: str = "",
        insecure: bool = False,
        transports: str = "websocket,polling",
        progress: Progress = lambda _: None,
    ) -> None:
        """`rate` is probes of `path` a second; `seconds` is when it ends by itself; `connect` is the address
        of the host in `url`, whatever DNS says; `insecure` accepts any certificate; `transports` are tried in
        their order.
        """
        modules = contents.node_modules(_SOURCE, progress)
        command = [
            str(contents.node()), str(_SOURCE / "clients.js"), f"--url={url}", f"--origin={origin}",
            f"--players={players}", f"--rooms={rooms}", f"--rate={rate}", f"--path={path}",
            f"--seconds={seconds}", f"--transports={transports}",
            *([f"--connect={connect}"] if connect else []),
            *(["--insecure"] if insecure else []),
        ]  # fmt: skip
        self.events: list[Event] = []
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "NODE_PATH": str(modules)},
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish()

    def count(self, event: str) -> int:
        """How many events of a kind there were so far."""
        return sum(one["event"] == event for one in list(self.events))

    def wait(self, condition: Callable[["Clients"], bool], seconds: float = 60) -> bool:
        """True as soon as `condition` holds, False when it did not within `seconds` or the program ended."""
        processes.wait_until(lambda: condition(self) or self._process.poll() is not None, seconds)
        if self._process.poll() is not None:
            self._reader.join(5)  # its last words
        return condition(self)

    def finish(self) -> Event:
        """End the program after its last probes were answered. Its summary, empty if it died."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(_PATIENCE)
        return next((one for one in reversed(self.events) if one["event"] == "summary"), {})

    def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101  a pipe was asked for
        for line in self._process.stdout:
            self.events.append(json.loads(line))
