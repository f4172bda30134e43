"""What something looked like all the while: a thread that asks again and again and keeps what changed."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def watching(look: Callable[[], T], pause: float = 0.02) -> Iterator[list[T]]:
    """The answers of `look` while the block runs, without repetitions in a row; at least one.

    `pause`: seconds between two questions. What `look` raises is raised when the block ends.
    """
    seen: list[T] = []
    raised: list[BaseException] = []
    first, done = threading.Event(), threading.Event()

    def watch() -> None:
        try:
            while True:
                value = look()
                if seen[-1:] != [value]:
                    seen.append(value)
                first.set()
                if done.wait(pause):
                    return
        except BaseException as error:
            raised.append(error)
            first.set()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        first.wait()
        yield seen
    finally:
        done.set()
        thread.join()
    if raised:
        raise raised[0]
