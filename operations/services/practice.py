"""What a rehearsal brings in place of accounts, names and networks of the world.

The operations know this protocol and not who keeps it: whoever does is found by its name, an entry point,
and only by a command that runs in a rehearsal (`--rehearsal`, or after `eval "$(python -m rehearsal
env)"`).
"""

import os
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final, Protocol

from operations.services.accounts import GITHUB_URL
from operations.services.network import Network
from operations.stack.workspace import OperationError
from plan.settings import Settings

ENTRY_POINT: Final = "rehearsal.practice:Rehearsal"
ACCOUNT: Final = "PAINTSHARE_ACCOUNT"  # set in a rehearsal's environment: the file that holds its accounts


class Practice(Protocol):
    """One rehearsal. `account`: the file that the environment names by ACCOUNT."""

    def environment(self) -> Mapping[str, str]:
        """The environment of a command in it, made ready if need be."""
        ...

    def accounts(self, account: Path) -> AbstractContextManager[tuple[str, str]]:
        """Addresses of Vercel's and of GitHub's API, while the context lasts."""
        ...

    def addresses(self, account: Path, domain: str) -> Sequence[str]:
        """The addresses of a domain, which is nobody's."""
        ...

    def network(self, account: Path, folder: Path, settings: Settings) -> AbstractContextManager[Network]:
        """Where a stack's site and its socket server answer. `folder`: of its stack file."""
        ...

    def applied(self, base: Path, folder: Path, stack: str) -> tuple[Path, Mapping[str, str], str]:
        """Apply a checkout in a rehearsal of its own, below `folder`.

        Where this clone is then previewed, in which environment, and the checkout's own preview.
        """
        ...


def practice() -> Practice:
    """The rehearsal of this clone. Raises OperationError where there is none."""
    try:
        made: Practice = pkgutil.resolve_name(ENTRY_POINT)()
    except ModuleNotFoundError as error:
        room = ENTRY_POINT.partition(".")[0]
        if error.name != room:
            raise
        raise OperationError(
            f"there is no {room}/ beside these operations: leave out --rehearsal, and unset {ACCOUNT}"
        ) from None
    return made


@contextmanager
def github_of() -> Iterator[str]:
    """The address of GitHub's API alone: the stand-in's in the rehearsal, a job's own where it names one."""
    account = os.environ.get(ACCOUNT)
    if not account:
        yield os.environ.get("GITHUB_API_URL") or GITHUB_URL
        return
    with practice().accounts(Path(account)) as (_, github_url):
        yield github_url
