"""One line of doctor, and what its checks share."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from operations.stack.workspace import OperationError

EXPIRY: Final = timedelta(days=7)  # a token or certificate that ends sooner is a finding


@dataclass(frozen=True, kw_only=True)
class Check:
    """One line. `fault` is what is wrong and `fix` what to do; `skipped` is why nothing was checked."""

    what: str
    fault: str = ""
    fix: str = ""
    skipped: str = ""


def faults(checks: Sequence[Check]) -> list[Check]:
    return [check for check in checks if check.fault]


def expiry(until: datetime | None, now: datetime) -> str:
    if until is None or until - now > EXPIRY:
        return ""
    return f"it {'ends' if until > now else 'ended'} on {until:%Y-%m-%d}"


def last_words(error: OperationError) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].removeprefix("error: ") if lines else "no word of why"


def minor(text: str) -> tuple[int, ...]:
    """Major and minor number of a version."""
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])
