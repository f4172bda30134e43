"""The comparison with the live accounts, which comes before the first `up`."""

from collections.abc import Iterator

from plan.adoption import adoptables
from plan.problems import Problem
from plan.rotation import iso_date
from plan.settings import Settings


def compared(settings: Settings) -> Iterator[Problem]:
    """Before the first `up` the accounts must be compared: a namesake there is adopted, never duplicated."""
    if iso_date(settings.adopted_on):
        return
    kinds: dict[str, list[str]] = {}
    for item in adoptables(settings):
        kinds.setdefault(item.kind, []).append(item.label)
    yield Problem(
        "adoptedOn",
        "the live accounts were not compared yet. Each of these that exists there already would be "
        "refused as a duplicate or overwritten:\n"
        + "\n".join(f"{kind}: {', '.join(found)}" for kind, found in kinds.items()),
        f"python -m operations adopt --stack {settings.stack}",
    )
