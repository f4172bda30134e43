"""What a scene consists of."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rehearsal.scenes.stage import Fact, Stage, Verb

Happening = Callable[[Stage], object]
"""What somebody else does: a push, a release that breaks, a hand in a dashboard."""

Facts = Callable[[Stage], Iterator[Fact]]
"""What the stores must say afterwards."""

Watched = tuple[str, Callable[[], str], Callable[[list[str]], bool]]
"""What is watched, how it is asked, and which of its answers, in their order, are right."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One scene. `during` is watched while its steps run."""

    title: str
    steps: tuple[Verb | Happening, ...]
    facts: Facts
    during: Callable[[Stage], Watched] | None = None
    docker: bool = False  # True: there is no such scene without Docker


Act = tuple[tuple[Scene, ...], ...]
"""Lanes that are played side by side, each a chain of scenes: they work on different stacks."""
