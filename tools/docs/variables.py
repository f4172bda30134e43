"""docs/variables.md: the matrix, and how many variables each environment has in each store."""

from collections.abc import Iterator, Sequence
from typing import Final

from plan.assignments import assignments, environments
from plan.rows import Need, Row, Store
from plan.settings import Settings
from plan.variables import MATRIX
from tools.docs.page import HEAD, table
from tools.picture import StackRows

_NEED: Final = {
    Need.REQUIRED: "required",
    Need.OPTIONAL: "optional",
    Need.REFUSED: "–",
    Need.PLATFORM: "Vercel's own",
    Need.SHARED: "as the stack",
}

_STORES: Final = {Store.GITHUB: "GitHub"}  # proper names among the stores
_VARIABLES: Final = """\
# Variables and secrets

One row per key of `plan/variables.py`. The column *plan* numbers the eleven rows of §3 of the deployment
plan, of which the eleventh is Slack's webhook or PagerDuty's key; the program itself needs the others.

*Class*: **public** values are compiled into the browser's bundle, **config** stays on servers, **secret** is
encrypted in the stack file. On Vercel all but public variables are sensitive: nobody can read them back.

*Preview* belongs to the stack whose file says `preview: true`. A key that Preview requires has that stack's
value (same data source); an optional one has a value of its own under `PREVIEW_…`, or none. Preview has no
socket server and no monitoring of its own.
"""
_VARIABLES_HOW: Final = """\
*derived* is computed from other settings, *resource* is made by a resource of the program. Set a secret with
`python -m operations set KEY --stack STACK`, any other key of the stack file with
`pulumi config set KEY VALUE --stack STACK`; then `pulumi preview` and `pulumi up`.

## How many, where

As the rehearsal's stack files set them; optional keys add to it.
"""


def text(stacks: Sequence[StackRows]) -> str:
    """The matrix as a table, and how many variables each environment has in each store."""
    columns = ["preview", *(rows.settings.environment for rows in stacks)]
    rows = [
        (
            number,
            f"`{row.key}`",
            row.kind,
            *(_need(row, preview=column == "preview") for column in columns),
            ", ".join(row.stores),
            row.source,
            ", ".join(f"`{key}`" for key in row.stack_file_keys) or "–",
            row.meaning,
        )
        for number, row in _numbered()
    ]
    names = (*(column.capitalize() for column in columns), "Stores", "Source", "Stack-file keys", "Meaning")
    counts = [
        (environment, of.settings.stack, *_counts(of.settings, environment))
        for of in stacks
        for environment in sorted(environments(of.settings))
    ]
    return "\n".join(
        [
            HEAD,
            _VARIABLES,
            *table(("plan", "Key", "Class", *names), rows),
            "",
            _VARIABLES_HOW,
            *table(
                ("Environment", "Stack", *(_STORES.get(store, store.capitalize()) for store in Store)), counts
            ),
            "",
        ]
    )


def _numbered() -> Iterator[tuple[str, Row]]:
    """Rows with their number in the plan's table; alternatives of one row share it."""
    number, groups = 0, set()
    for row in MATRIX:
        if not row.plan:
            yield "", row
            continue
        if row.one_of is None or row.one_of not in groups:
            number += 1
        groups.add(row.one_of)
        yield str(number), row


def _need(row: Row, *, preview: bool) -> str:
    need = row.preview if preview else row.stack
    if need is Need.OPTIONAL and row.one_of:
        others = " or ".join(f"`{o.key}`" for o in MATRIX if o.one_of == row.one_of and o is not row)
        return f"this or {others}"
    return _NEED[need]


def _counts(settings: Settings, environment: str) -> list[str]:
    counts = []
    for store in Store:
        found = [a for a in assignments(settings, store) if a.environment == environment]
        secret = sum(a.secret for a in found)
        counts.append(f"{len(found)}, {secret} secret" if secret else str(len(found) or "–"))
    return counts
