"""Where the socket server runs, behind one protocol: what a part asks of a runtime, whichever it is."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from operations.parts.part import Served
from plan.settings import Settings


class Runtime(Protocol):
    """A runtime of the socket server. Each raises OperationError where it cannot be asked."""

    @property
    def targets(self) -> tuple[str, ...]:
        """Logical names of the resources that carry a release."""
        ...

    def place(self, settings: Settings) -> str:
        """The service, as the runtime names it."""
        ...

    def served(self, settings: Settings, *, settled: bool = False) -> Served | None:
        """What the service runs; None where there is none. `settled`: once an update has ended."""
        ...

    def status(self, settings: Settings) -> tuple[str, str]:
        """What it runs in a few words, and what is wrong with it ("" where nothing is)."""
        ...

    def verify(self, settings: Settings) -> tuple[str, str]:
        """What it runs, and how that differs from what is declared, values never shown ("" where not).

        Raises OperationError also where it does not run the release that the record names.
        """
        ...

    def refusal(self, settings: Settings, image: str) -> str:
        """Why it cannot run an image; "" where it can."""
        ...

    def registry(self, settings: Settings) -> AbstractContextManager[Callable[[str], str]]:
        """Asks its registry, while the context lasts: digest of a commit's image, "" where there is none."""
        ...
