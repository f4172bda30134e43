"""What the stacks are at this moment: keys with their age, releases, health, open alerts, drift. Reads only.

Never holds a value: a key is set, missing, derived or made by a resource. What cannot be asked says why, in
place of an answer.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

from operations.parts import PARTS, Access, Part, release
from operations.services import monitor
from operations.services.accounts import GitHubAccount, VercelAccount
from operations.stack.workspace import OperationError, Workspace
from operations.verbs import drift as drifts
from plan.assignments import environments, value_of
from plan.hosts import docker_hosts
from plan.rotation import DUE_DAYS, WARN_DAYS, iso_date
from plan.rows import PREVIEW_PREFIX, Class, Need, Row, Source
from plan.settings import Settings
from plan.variables import MATRIX

DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Key:
    """One key in one environment. `age` in days, of secrets; `due` once it has to be rotated soon."""

    key: str
    environment: str
    state: str  # set, missing, not known, not set, derived, made, refused, platform
    age: int | None
    due: str  # "", soon, overdue


@dataclass(frozen=True, kw_only=True)
class StackStatus:
    """One stack. Texts are for people; "" where there is nothing to say."""

    stack: str
    release: str
    previous: str
    serves: dict[str, str]  # part -> what of it serves
    healthy: dict[str, str]
    alerts: tuple[str, ...]
    drift: str
    battle: str
    good: bool
    secrets: str = "decrypted"

    def as_json(self) -> dict[str, Any]:
        """Flat: a key a part."""
        found = asdict(self)
        serves: dict[str, str] = found.pop("serves")
        return {**found, **serves}


def keys(settings: Settings, today: date, *, locked: bool = False) -> list[Key]:
    """Every row of the matrix in every environment of the stack. `locked`: its secrets were not decrypted."""
    return [
        _key(settings, row, environment, today, locked)
        for environment in environments(settings)
        for row in MATRIX
    ]


def _key(settings: Settings, row: Row, environment: str, today: date, locked: bool) -> Key:
    preview = environment == "preview"
    need = row.preview if preview else row.stack
    state, age = "set", None
    if need in (Need.REFUSED, Need.PLATFORM):
        state = str(need)
    elif row.source is Source.DERIVED:
        state = "derived"
    elif row.source is Source.RESOURCE:
        state = "made"
    elif locked and row.kind is Class.SECRET:
        state = "not known"
    elif value_of(settings, row, preview=preview) is None:
        state = "missing" if need is Need.REQUIRED else "not set"
    else:
        own = PREVIEW_PREFIX + row.key if preview and need is Need.OPTIONAL else row.key
        record = settings.rotation.get(own)
        rotated = iso_date(record.date) if record else None
        age = (today - rotated).days if rotated else None
    due = "" if age is None or age < WARN_DAYS else "overdue" if age >= DUE_DAYS else "soon"
    return Key(key=row.key, environment=environment, state=state, age=age, due=due)


def stack_status(
    workspace: Workspace,
    settings: Settings,
    vercel: VercelAccount,
    github: GitHubAccount,
    *,
    drift: bool,
    locked: str = "",
) -> StackStatus:
    """Ask everything about one stack; what does not answer is told and makes it not good.

    `locked` says why its secrets were not decrypted; what needs none of them is asked all the same.
    """
    bad: list[str] = [locked] if locked else []

    def ask(what: Callable[[], str]) -> str:
        try:
            return what()
        except OperationError as error:
            bad.append(str(error))
            return f"not known: {str(error).splitlines()[0]}"

    def serves(part: Part) -> str:
        text, wrong = part.status(access)
        if wrong:
            bad.append(wrong)
        return text

    access = Access(settings=settings, vercel=vercel)
    health, alerts = _watched(settings, bad)
    return StackStatus(
        stack=settings.stack,
        release=_named(release.current(settings)) or f"follows {settings.branch}",
        previous=_named(release.previous(settings)) or "none",
        serves={part.name: ask(partial(serves, part)) for part in PARTS},
        healthy=health,
        alerts=alerts,
        drift=ask(lambda: _drift(workspace, settings, vercel, github)) if drift else "not asked",
        battle=settings.battle,
        good=not bad,
        secrets=locked or "decrypted",
    )


def _watched(settings: Settings, bad: list[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    if not settings.monitor_host:
        return {"monitor": "none is declared"}, ()
    try:
        with monitor.connected(settings) as watch:
            health = {
                part.name: _since(watch.healthy_since(part.name, DAY))
                for part in PARTS
                if part.declared(settings)
            }
            found = watch.open_alerts()
    except OperationError as error:
        bad.append(str(error))
        return {"monitor": f"not known: {str(error).splitlines()[0]}"}, ()
    bad += [alert.text for alert in found if alert.page]
    return health, tuple(alert.text for alert in found)


def _since(since: datetime | None) -> str:
    if since is None:
        return "NOT healthy"
    minutes = int((datetime.now(UTC) - since).total_seconds() // 60)
    return f"healthy for {minutes} min" if minutes < 23 * 60 else "healthy for a day"


def _named(found: release.Release) -> str:
    parts = [f"{found.of(part).sha[:7]} ({part.name})" for part in PARTS if found.of(part).sha]
    return ", ".join(parts)


def _drift(workspace: Workspace, settings: Settings, vercel: VercelAccount, github: GitHubAccount) -> str:
    found = drifts.inspect(workspace, vercel, github, docker_hosts(settings))
    text = f"{len(found.findings)} changed by hand" if found.findings else "none"
    if found.unchecked:
        text += f", {len(found.unchecked)} not checked"
    return text
