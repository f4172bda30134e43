"""What all REST answers of GitHub share: pages, times, and the repository of a path."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from rehearsal.standin.account import Account, Document
from rehearsal.standin.kinds import ServiceError
from rehearsal.standin.rest import Answer, Query

REPOSITORY: Final = r"/repos/([^/]+)/([^/]+)"


class Page:
    """One page of a GitHub list: `page` and `per_page`, and the Link header to the next."""

    def __init__(self, items: list[Any], query: Query, wrap: Callable[[list[Any]], Any]) -> None:
        self._number, size = int(query.get("page", 1)), min(int(query.get("per_page", 30)), 100)
        self._last = max(1, -(-len(items) // size))
        self.body = wrap(items[(self._number - 1) * size : self._number * size])

    def links(self, url: str, query: Query) -> dict[str, str]:
        if self._number >= self._last:
            return {}
        named = {"next": self._number + 1, "last": self._last}
        targets = [
            f'<{url}?{urlencode({**query, "page": page})}>; rel="{rel}"' for rel, page in named.items()
        ]
        return {"Link": ", ".join(targets)}


def missing() -> ServiceError:
    """What GitHub answers to a path that leads nowhere."""
    return ServiceError(404, "not_found", "Not Found")


def time_of(document: Document, name: str) -> str:
    """As the REST API writes times; documents hold them as the provider prints them."""
    found = document.get(name)
    if found is None:
        return "2026-02-22T00:00:00Z"
    return datetime.strptime(found, "%Y-%m-%d %H:%M:%S.%f +0000 UTC").strftime("%Y-%m-%dT%H:%M:%SZ")


def repository_at(account: Account, owner: str, name: str) -> Document:
    """The repository of a path, whose owner is written in any case; else 404."""
    found = account.get("repository", name)
    if found is None or found.get("owner", owner).casefold() != owner.casefold():
        raise missing()
    return found


def wrapped(name: str, items: list[Document], query: Query) -> Answer:
    """A page of a list that comes with its total."""
    total = len(items)
    return 200, Page(items, query, lambda page: {"total_count": total, name: page})
