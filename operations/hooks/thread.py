"""Threads of their own for what hooks wait for.

The event loop's threads are all taken where more resources are registered than it has threads, each until the
engine answers; the engine answers none while a hook is at work. A hook that waited for one of those threads
would wait for ever (seen: a first `up` of 71 resources that hung).
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_THREADS: Final = ThreadPoolExecutor(max_workers=16, thread_name_prefix="hook")


async def beside(what: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `asyncio.to_thread` does, on threads that no registration takes."""
    context = copy_context()
    return await asyncio.get_running_loop().run_in_executor(
        _THREADS, lambda: context.run(what, *args, **kwargs)
    )
