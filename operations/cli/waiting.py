"""`--wait MINUTES`: a verb that meets another run's lock begins again once the lock is free.

The verb itself begins again, from its first line: what the other run did is in the record, the state and the
plan that is shown. A verb that meets a lock has changed nothing (`LockedError`), so nothing is done twice.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from inspect import Parameter, signature
from typing import Annotated, Any, Final, ParamSpec

import typer
from rich.markup import escape

from operations.cli.console import err, workspace_of
from operations.stack.engine import Engine, LockedError

Wait = Annotated[
    float, typer.Option("--wait", min=0, max=240, metavar="MINUTES", help="Wait for another run's lock.")
]
P = ParamSpec("P")
_LOOK: Final = 1.0  # seconds between two looks into a folder
_RUN: Final = 15.0  # seconds between two looks that start the engine


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long a verb waits for a lock: `seconds` in all, by `clock` (seconds), `pause` between two looks."""

    seconds: float
    tell: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep

    def carry(self, verb: Callable[[], None], engine: Callable[[], Engine]) -> None:
        """Do `verb`, again whenever it met a lock that has become free since.

        Raises the LockedError of a lock that stayed, or whose process is gone: nobody will free that one.
        """
        until = self.clock() + self.seconds
        while True:
            try:
                verb()
            except LockedError as met:
                self._await(met, engine(), until)
            else:
                return

    def _await(self, met: LockedError, engine: Engine, until: float) -> None:
        began, told, locked = self.clock(), "", met
        while True:
            if self._hopeless(locked, until):
                raise _stayed(locked, self.clock() - began) from None
            if (who := _who(locked)) != told:
                self.tell(f"{who}; waiting for at most {_minutes(until - self.clock())}")
                told = who
            self.pause(min(_RUN if engine.looks_by_a_run else _LOOK, until - self.clock()))
            try:
                engine.ensure_free()
            except LockedError as still:
                locked = still
            else:
                self.tell("the lock is free; beginning again")
                return

    def _hopeless(self, locked: LockedError, until: float) -> bool:
        return self.clock() >= until or (locked.held is not None and locked.held.alive is False)


def patient(verb: Callable[P, None]) -> Callable[P, None]:
    """Give a verb the option `--wait`; it has the options `--stack` and `--rehearsal`."""

    @wraps(verb)
    def again(*args: P.args, **options: P.kwargs) -> None:
        given: dict[str, Any] = dict(options)
        minutes = float(given.pop("wait", 0.0))
        stack, rehearsal = str(given["stack"]), bool(given.get("rehearsal"))
        patience = Patience(seconds=minutes * 60, tell=_tell)
        patience.carry(lambda: verb(*args, **given), lambda: Engine(workspace_of(stack, rehearsal)))

    known = signature(verb)
    option = Parameter("wait", Parameter.KEYWORD_ONLY, default=0.0, annotation=Wait)
    again.__signature__ = known.replace(parameters=[*known.parameters.values(), option])  # type: ignore[attr-defined]
    again.__annotations__ = {**verb.__annotations__, "wait": Wait}
    return again


def _tell(text: str) -> None:
    err.print(f"[yellow]{escape(text)}[/yellow]")


def _who(locked: LockedError) -> str:
    """Who holds the lock and since when, as far as the backend says so."""
    if locked.held:
        return f"locked by {locked.held}"
    return "another run holds the lock; this backend does not say who, nor since when"


def _stayed(locked: LockedError, waited: float) -> LockedError:
    if waited <= 0:
        return locked
    return LockedError(f"waited {_minutes(waited)}; {locked}", locked.held)


def _minutes(seconds: float) -> str:
    whole = round(seconds / 60)
    return f"{seconds:.0f} seconds" if whole < 1 else "1 minute" if whole == 1 else f"{whole} minutes"
