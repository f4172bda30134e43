"""What every REST answer of the stand-in has: its query, its route, and what a token lacks."""

from collections.abc import Callable
from typing import Any

from rehearsal.standin.account import Account

Query = dict[str, str]
Answer = tuple[int, Any]
# Method, pattern of the path, and what answers.
Route = tuple[str, str, Callable[..., Answer]]


def lacking(account: Account) -> list[str]:
    """Permissions that the token was not given, by the document `token`/`current`."""
    return list((account.get("token", "current") or {}).get("lacks", []))
