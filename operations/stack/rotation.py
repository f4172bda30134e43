"""Which secrets are due, by the dates in the stack files: no value, no key and no engine is needed to tell.

Owns the reminders: one issue a secret and stack, from `WARN_DAYS` on until its date is a new one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import yaml

from plan.rotation import DUE_DAYS, WARN_DAYS, iso_date
from plan.settings import PROJECT

LABEL: Final = "rotation"


@dataclass(frozen=True, kw_only=True)
class Due:
    """One secret that was rotated `WARN_DAYS` or more days ago."""

    stack: str
    key: str
    rotated: date
    days: int

    @property
    def marker(self) -> str:
        return f"<!-- paintshare-rotation:{self.stack}:{self.key} -->"

    def issue(self) -> tuple[str, str]:
        """Title and body. The same on every day of a week but for the count of days in the title."""
        last = self.rotated + timedelta(days=DUE_DAYS)
        title = f"Rotate {self.key} of {self.stack}: {self.days} days old"
        if self.days >= DUE_DAYS:
            title = f"Overdue: rotate {self.key} of {self.stack}, {self.days} days old"
        body = (
            f"{self.marker}\n`{self.key}` of stack `{self.stack}` was rotated on {self.rotated}; the plan "
            f"(§3) allows {DUE_DAYS} days, until {last}. From then on `promote` refuses.\n\n"
            f"```sh\npython -m operations rotate {self.key} --stack {self.stack}\n```\n\n"
            "How: docs/runbook.md. This issue is closed by the first weekly run that finds a new date.\n"
        )
        return title, body


def due(folder: Path, today: date) -> Iterator[Due]:
    """Every secret of every stack file in `folder` that is due, the oldest first."""
    found = [
        Due(stack=file.name.split(".")[1], key=key, rotated=rotated, days=(today - rotated).days)
        for file in sorted(folder.glob("Pulumi.*.yaml"))
        for key, rotated in _dates(file)
    ]
    yield from sorted((d for d in found if d.days >= WARN_DAYS), key=lambda d: (-d.days, d.stack, d.key))


def _dates(file: Path) -> Iterator[tuple[str, date]]:
    config: Mapping[str, Any] = (yaml.safe_load(file.read_text()) or {}).get("config") or {}
    rotation = config.get(f"{PROJECT}:rotation") or {}
    for key, record in sorted(rotation.items()):
        set_on = f"{PROJECT}:{key}" in config
        rotated = iso_date(str(record.get("date"))) if isinstance(record, dict) else None
        if set_on and rotated is not None:
            yield str(key), rotated
