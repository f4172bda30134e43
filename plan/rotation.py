"""Dates of secrets (deployment plan §3): how old one may get."""

from datetime import date
from typing import Final

WARN_DAYS: Final = 75
DUE_DAYS: Final = 90  # plan §3: rotation at least every 90 days


def iso_date(text: str) -> date | None:
    """The date, or None where the text is no ISO date."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
