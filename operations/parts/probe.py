"""One question of the smoke test, and what its answer means."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException

from operations.parts.part import Finding
from operations.services.network import UnheardError


@dataclass
class Told:
    """What an answer said (`text`), and the finding that becomes of it."""

    what: str
    text: str = ""
    ok: bool | None = True

    @property
    def finding(self) -> Finding:
        return Finding(what=self.what, ok=self.ok, text=self.text)


@contextmanager
def question(what: str, refused: type[Exception] = ValueError) -> Iterator[Told]:
    """Turns what is raised in the block into a finding: not good for an error of the network or for
    `refused`, neither good nor bad where something else than the app has answered."""
    told = Told(what)
    try:
        yield told
    except UnheardError as error:
        told.ok, told.text = None, str(error)
    except (OSError, HTTPException, ValueError, refused) as error:
        told.ok, told.text = False, (str(error) or type(error).__name__).splitlines()[0][:200]
