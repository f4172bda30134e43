"""A working week on what was rehearsed, as `make week` runs it: what people do between two first runs.

Owns that there is something to work on, and what is said at the beginning and the end.
"""

import time
from pathlib import Path
from typing import Final

from rehearsal import docker_hosts, home, outside, scenario, scenes, warm
from rehearsal.cache import Progress
from rehearsal.cache import say as say_aloud
from rehearsal.scenes.playing import play_all
from rehearsal.scenes.stage import Stage

_MINUTES: Final = 4  # on two cores


def run(folder: Path = home.FOLDER, say: Progress = say_aloud) -> int:
    """Play the week on both stacks of a home. Returns the exit code. Raises HomeError before a rehearsal."""
    here = home.ensure(folder, say) if home.existing(folder) else None
    if here is None or not all(stack.get("resourceCount") for stack in here.stacks()):
        raise home.HomeError("there is nothing to work on yet. Run: make rehearse")
    started = time.monotonic()
    say(f"This takes about {_MINUTES} min. Each line is judged by the accounts, the Docker engines and git.")
    here.logs.mkdir(exist_ok=True)
    registry = None
    if docker_hosts.existing(folder):  # a rehearsal without Docker has a week without it
        registry = docker_hosts.ensure(folder, say).socket
        outside.ensure(here, say)
    with warm.warm():
        if not play_all(scenes.WEEK, Stage(here, registry), say, scenario.say_line):
            return 1
    say(f"\nThe week went as it must. {time.monotonic() - started:.0f} s in all; what was said: {here.logs}")
    return 0
