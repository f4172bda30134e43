"""Plays scenes, and says in a line each how it went."""

import contextlib
import shlex
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from rehearsal import home
from rehearsal.cache import Progress
from rehearsal.scenes.scene import Act, Happening, Scene
from rehearsal.scenes.stage import SceneError, Stage, Verb
from rehearsal.standin.api import AccountApi
from rehearsal.watching import watching


def play(stage: Stage, scene: Scene) -> str:
    """Play one scene. What the stores say, in a line; raises SceneError with everything that differs."""
    stage.said.clear()
    with contextlib.ExitStack() as around:
        stage.edge_config_url = around.enter_context(AccountApi(stage.home.account)).edge_config_url
        if scene.during:
            what, look, right = scene.during(stage)
            seen = around.enter_context(watching(look, pause=0.1))
        for step in scene.steps:
            _take(stage, step)
        if scene.during:
            around.close()
            if not right(seen):
                raise SceneError(f"{what} was {', then '.join(map(repr, seen))}")
    facts = list(scene.facts(stage))
    wrong = [
        f"{fact.what}: {fact.found!r}, not {fact.wanted!r}" for fact in facts if fact.found != fact.wanted
    ]
    if wrong:
        raise SceneError("\n".join(wrong))
    return ", ".join(fact.told for fact in facts if fact.told)


def _take(stage: Stage, step: Verb | Happening) -> None:
    if not isinstance(step, Verb):
        step(stage)
    elif step.each:
        with ThreadPoolExecutor() as pool:
            for done in [pool.submit(stage.operations, step, stack) for stack in home.STACKS]:
                done.result()
    else:
        stage.operations(step)


def play_all(acts: Sequence[Act], stage: Stage, say: Progress, line: Callable[..., None]) -> bool:
    """Play every scene that this machine can, one line each by `line`; False where one fails.

    The scenes beside it are played to their end, those after it are left out.
    """
    for act in acts:
        with ThreadPoolExecutor() as pool:
            # What is said belongs to a lane, what is kept to all.
            lanes = [pool.submit(_play_lane, lane, replace(stage, said=[]), say, line) for lane in act]
        if not all(lane.result() for lane in lanes):
            return False
    return True


def _play_lane(lane: Sequence[Scene], stage: Stage, say: Progress, line: Callable[..., None]) -> bool:
    for scene in lane:
        if scene.docker and stage.registry is None:
            continue
        started, trouble, told = time.monotonic(), "", ""
        try:
            told = play(stage, scene)
        except SceneError as error:
            trouble = str(error)
        line(say, ok=not trouble, title=scene.title, seconds=time.monotonic() - started, told=told)
        log = stage.home.logs / f"scene-{scene.title.replace(' ', '-')}.log"
        log.write_text("\n".join(f"$ {shlex.join(said.words)}\n{said.text}" for said in stage.said))
        if trouble:
            say(f"{trouble}\nWhat was said: {log}")
            return False
    return True
