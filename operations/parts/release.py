"""A release and its N-1 in the stack file: what a promotion keeps, what a rollback swaps. No I/O.

What becomes N-1 of a part is `plan.promotion.kept`; here its answers become edits of the stack file.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from operations.parts import PARTS, Access, Part, State
from operations.parts.part import rollback
from operations.stack.workspace import OperationError
from plan import promotion
from plan.config import Loaded
from plan.promotion import Kept, Point
from plan.settings import FIELDS, PROJECT, Settings

Edit = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Release:
    """A release as a stack names it: part -> SHA, and digest of an image. What has no SHA is not in it."""

    points: Mapping[str, Point] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.told([part for part in PARTS if self.of(part).sha] or PARTS[:1])

    def of(self, part: Part) -> Point:
        """One part of it."""
        return self.points.get(part.name, Point())

    def told(self, parts: Iterable[Part]) -> str:
        """These parts, in words, and no other."""
        named: dict[str, list[str]] = {}
        for part in parts:
            named.setdefault(self.of(part).sha[:7] or "-", []).append(part.name)
        return ", ".join(f"{sha} ({' and '.join(each)})" for sha, each in named.items())


def names(parts: Iterable[Part]) -> str:
    """Their names, in words."""
    return " and ".join(part.name for part in parts)


def current(settings: Settings) -> Release:
    """What the stack file names."""
    return Release({part.name: _point(settings, part.keys.sha, part.keys.digest) for part in PARTS})


def previous(settings: Settings) -> Release:
    """N-1, as the stack file names it."""
    return Release(
        {part.name: _point(settings, part.keys.previous, part.keys.previous_digest) for part in PARTS}
    )


def taken_back(settings: Settings) -> dict[str, str]:
    """Part -> the release of it that was taken back, and is not to be promoted again."""
    return dict(settings.rolled_back.items())


def changed(old: Release, new: Release) -> tuple[Part, ...]:
    """The parts that differ. One that the new release does not name stays as it is."""
    return tuple(part for part in PARTS if new.of(part).sha and new.of(part) != old.of(part))


def keeping(
    settings: Settings,
    new: Release,
    served: Mapping[str, Point | None],
    built: Mapping[str, bool] | None = None,
) -> dict[Part, Kept]:
    """What becomes N-1 of each part that `new` changes.

    `served`: what serves of each part, None where it was not asked; `built`: whether this stack has built
    what its record names, true where nothing is said.
    """
    old, before = current(settings), previous(settings)
    return {
        part: promotion.kept(
            old.of(part), before.of(part), new.of(part), served.get(part.name),
            built=(built or {}).get(part.name, True),
        )
        for part in changed(old, new)
    }  # fmt: skip


def promoting(
    settings: Settings,
    new: Release,
    served: Mapping[str, Point | None],
    built: Mapping[str, bool] | None = None,
) -> Edit:
    """The edit that makes `new` current and keeps as N-1 what serves now (arguments as of `keeping`).

    What was taken back stays marked, but for a release that is made current on purpose, now or before: as N-1
    it must be one that a rollback goes to.
    """
    old, kept = current(settings), keeping(settings, new, served, built)
    marks = taken_back(settings)
    for part, each in kept.items():
        if marks.get(part.name) in (old.of(part).sha, new.of(part).sha, each.point.sha):
            del marks[part.name]
        if each.taken_back:
            marks[part.name] = each.taken_back

    def change(config: dict[str, Any]) -> None:
        for part, each in kept.items():
            _write(config, part, new.of(part), each.point)
            if part.keys.follows:
                _set(config, **{part.keys.follows: False})
        if kept:
            _set(config, promotedParts=[part.name for part in kept], rolledBack=dict(sorted(marks.items())))

    return change


def rolling_back(settings: Settings, parts: Sequence[Part], built: Mapping[str, bool] | None = None) -> Edit:
    """The edit that swaps current and N-1 of the parts, and notes from what they were taken back.

    A release whose build failed, hence not `built`, is no N-1: every later update would build it again, and
    fail again.
    """
    old, new = current(settings), previous(settings)

    def change(config: dict[str, Any]) -> None:
        for part in parts:
            kept = old.of(part) if (built or {}).get(part.name, True) else Point()
            _write(config, part, new.of(part), kept)
        if parts:
            marks = taken_back(settings) | {part.name: old.of(part).sha for part in parts}
            _set(config, rolledBack=dict(sorted(marks.items())))

    return change


def proposed(loaded: Loaded, edit: Edit) -> Loaded:
    """The settings as they will be with the edit made, for the checks before a run."""
    keys = [key for part in PARTS for key in vars(part.keys).values() if key]
    config = {f"{PROJECT}:{key}": getattr(loaded.settings, FIELDS[key]) for key in keys}
    edit(config)
    update = {
        name: config.get(f"{PROJECT}:{key}", Settings.model_fields[name].default)
        for key, name in ((key, FIELDS[key]) for key in keys)
    }
    return replace(loaded, settings=loaded.settings.model_copy(update=update))


def to_take_back(settings: Settings, asked: Part | None) -> tuple[Part, ...]:
    """The parts that a rollback swaps: the one asked for, else what the last promotion changed.

    One that was taken back already is left: the command may be repeated after it was interrupted.
    Raises OperationError where there is no N-1 to go back to.
    """
    there = previous(settings)
    wanted = (asked,) if asked else tuple(part for part in PARTS if part.name in settings.promoted_parts)
    wanted = wanted or tuple(part for part in PARTS if there.of(part).sha)
    marks = taken_back(settings)
    missing = [part for part in wanted if not there.of(part).sha and part.name not in marks]
    if missing or not wanted:
        raise OperationError(
            f"no N-1 of {names(missing or PARTS)} is recorded in stack `{settings.stack}`: "
            "there is nothing to go back to. The kill switch takes battle out of service: "
            f"python -m operations features battle=off --stack {settings.stack}"
        )
    return tuple(part for part in wanted if there.of(part).sha and marks.get(part.name) != there.of(part).sha)


def restorable(access: Access, parts: Sequence[Part], state: State) -> list[str]:
    """What keeps N-1 from being restored, with the command that goes on; empty when nothing does."""
    reasons = {part: reason for part in parts if (reason := part.obstacle(access, state))}
    left = [part for part in parts if part not in reasons] if reasons else []
    return [
        *(f"{part.name}: {reason}" for part, reason in reasons.items()),
        *(f"{part.name} alone: {rollback(part.name, access.settings.stack)}" for part in left),
    ]


def ways_on(settings: Settings, failure: str) -> list[str]:
    """What gets on after a release that failed, each with its command; empty where `failure` names none.

    `up` alone would meet the same build, or the same image, again.
    """
    stack, new, old = settings.stack, current(settings), previous(settings)
    verb = "promote" if settings.vercel_target == "production" else "stage"
    onward = [
        f"a mended release: python -m operations {verb} --stack {stack}",
        f"once more, when its reason is mended: python -m operations up --stack {stack}",
    ]
    found = []
    for part in PARTS:
        if (sha := new.of(part).sha) and (what := part.failed(settings, failure)):
            before = old.of(part).sha
            back = [f"back to {before[:7]}: {rollback(part.name, stack)}"] if before else []
            found.append(f"{sha[:7]} ({part.name}) {what}. To go on, {'; or '.join([*back, *onward])}")
    for part in PARTS:
        if part.previous_failed(settings, failure):
            found.append(
                f"N-1 ({old.of(part).sha[:7]}) was not built. To go on without it: pulumi config rm "
                f"{part.keys.previous} --stack {stack}, then python -m operations up --stack {stack}"
            )
    return found


def _point(settings: Settings, sha: str, digest: str) -> Point:
    return Point(*(str(getattr(settings, FIELDS[key])) if key else "" for key in (sha, digest)))


def _write(config: dict[str, Any], part: Part, now: Point, before: Point) -> None:
    keys = part.keys
    written = {keys.sha: now.sha, keys.digest: now.digest}
    written |= {keys.previous: before.sha, keys.previous_digest: before.digest}
    _set(config, **{key: value for key, value in written.items() if key})


def _set(config: dict[str, Any], **values: Any) -> None:
    """Write or, where the value is the default, remove keys."""
    for key, value in values.items():
        name = f"{PROJECT}:{key}"
        if value in ("", [], {}):
            config.pop(name, None)
        elif config.get(name) != value:
            config[name] = value
