"""Hooks get on while every thread of the event loop waits for the engine, which waits for a hook."""

import asyncio
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from pathlib import Path

from operations.hooks.thread import beside

WHO: ContextVar[str] = ContextVar("who")


def test_a_hook_ends_while_registrations_hold_every_thread_of_the_loop() -> None:
    answered = threading.Event()  # by the engine, once the hook has ended

    async def run() -> str:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(max_workers=1))
        registration = loop.run_in_executor(None, answered.wait)
        WHO.set("this program")
        try:
            return await asyncio.wait_for(beside(lambda number: f"{WHO.get()} {number}", 7), 30)
        finally:
            answered.set()
            await registration

    assert asyncio.run(run()) == "this program 7"


def test_nothing_of_the_program_waits_for_a_thread_of_the_loop() -> None:
    root = Path(__file__).resolve().parents[3]
    rooms = [f for room in ("components", "operations") for f in (root / room).rglob("*.py")]
    waiting = [f.name for f in rooms if re.search(r"\bto_thread\(|run_in_executor\(\s*None", f.read_text())]
    assert waiting == []
