"""What the matrix gives to each store of a stack: key, environment and value."""

from collections.abc import Iterator
from dataclasses import dataclass

from plan.rows import PREVIEW_PREFIX, Class, Need, Row, Store
from plan.settings import Settings
from plan.variables import MATRIX


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """One key in one environment and one store. `value` is None where a resource makes it."""

    row: Row
    environment: str
    store: Store
    value: str | None

    @property
    def secret(self) -> bool:
        return self.row.kind is Class.SECRET


def environments(settings: Settings) -> tuple[str, ...]:
    """The environments this stack owns: its own, and Preview where the stack file says so."""
    return (settings.environment, "preview") if settings.preview else (settings.environment,)


def assignments(settings: Settings, store: Store) -> Iterator[Assignment]:
    """Every variable of this stack in `store`, in the matrix's order, environments in turn.

    Preview has no host of its own: it uses those of the stack that owns it.
    """
    for environment in environments(settings):
        preview = environment == "preview"
        if preview and store not in (Store.VERCEL, Store.GITHUB):
            continue
        for row in MATRIX:
            need = row.preview if preview else row.stack
            if store not in row.stores or need in (Need.REFUSED, Need.PLATFORM):
                continue
            value = value_of(settings, row, preview=preview)
            if value is not None or row.from_resource:
                yield Assignment(row=row, environment=environment, store=store, value=value)


def value_of(settings: Settings, row: Row, *, preview: bool) -> str | None:
    """The value of a row in the stack's own environment or in Preview; None when unset or not yet made."""
    if row.derive:
        return row.derive(settings)
    key = PREVIEW_PREFIX + row.key if preview and row.preview is Need.OPTIONAL else row.key
    secret = settings.values.get(key)
    return secret.get_secret_value() if secret else None
