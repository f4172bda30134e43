"""Promotion and rollback of a release: what changes in the stack file, and what speaks for it or against.

Which release it is comes from what the other stack really serves (`operations.parts.serving`), never from an
argument. Gathers the facts of the Go/No-Go list; the lines themselves are `plan.promotion`'s.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Literal, Protocol

from operations.parts.serving import Web
from operations.services import approval
from operations.services.accounts import GitHubAccount, VercelAccount
from operations.services.hosts import Running
from operations.stack.workspace import OperationError
from plan import promotion
from plan.config import Loaded
from plan.preflight import check
from plan.promotion import P1_LABEL, Kept, Line, Point
from plan.protection import APP_CHECKS, required
from plan.settings import PROJECT, Settings
from plan.socket import SOCKET, service_name
from plan.web import names

Part = Literal["web", "socket"]
PARTS: Final[tuple[Part, ...]] = ("web", "socket")
Edit = Callable[[dict[str, Any]], None]


class Watch(Protocol):
    """What is asked of a monitor."""

    def open_alerts(self) -> tuple[Any, ...]:
        """What needs somebody now; each has `page` and `text`."""

    def healthy_since(self, service: str, within: timedelta) -> datetime | None:
        """Since when a service answers; None when it does not."""


@dataclass(frozen=True, kw_only=True)
class Release:
    """A release as a stack names it: SHA of the web app, SHA and digest of the socket server; "" for none."""

    web: str
    socket: str = ""
    digest: str = ""

    def __str__(self) -> str:
        return self.told(PARTS if self.socket else PARTS[:1])

    def of(self, part: Part) -> Point:
        """One part of it."""
        return Point(self.web) if part == "web" else Point(self.socket, self.digest)

    def told(self, parts: Iterable[Part]) -> str:
        """These parts, in words, and no other."""
        named: dict[str, list[str]] = {}
        for part in parts:
            named.setdefault(self.of(part).sha[:7] or "-", []).append(part)
        return ", ".join(f"{sha} ({' and '.join(each)})" for sha, each in named.items())


def current(settings: Settings) -> Release:
    """What the stack file names."""
    return Release(web=settings.release, socket=settings.socket_release, digest=settings.socket_digest)


def previous(settings: Settings) -> Release:
    """N-1, as the stack file names it."""
    return Release(
        web=settings.previous_release,
        socket=settings.previous_socket_release,
        digest=settings.previous_socket_digest,
    )


def changed(old: Release, new: Release) -> tuple[Part, ...]:
    """The parts that differ. A socket server that the new release does not name stays as it is."""
    web: tuple[Part, ...] = ("web",) if new.web and new.web != old.web else ()
    moves = new.socket and (new.socket, new.digest) != (old.socket, old.digest)
    return (*web, "socket") if moves else web


def keeping(
    settings: Settings, new: Release, served: str, runs: Point | None = None, *, built: bool = True
) -> dict[Part, Kept]:
    """What becomes N-1 of each part that `new` changes.

    `served`: SHA that the domain serves, "" where there is none; `runs`: what the socket service runs, None
    where it was not asked; `built`: whether this stack has built the web release that the record names.
    """
    old, before = current(settings), previous(settings)
    serves: dict[Part, Point | None] = {"web": Point(served), "socket": runs}
    return {
        part: promotion.kept(
            old.of(part), before.of(part), new.of(part), serves[part], built=built or part != "web"
        )
        for part in changed(old, new)
    }


def promoting(
    settings: Settings, new: Release, served: str, runs: Point | None = None, *, built: bool = True
) -> Edit:
    """The edit that makes `new` current and keeps as N-1 what serves now (arguments as of `keeping`).

    What was taken back stays marked, but for a release that is made current on purpose, now or before: as N-1
    it must be one that a rollback goes to.
    """
    old, kept = current(settings), keeping(settings, new, served, runs, built=built)
    marks: dict[str, str] = {
        part: sha
        for part, sha in settings.rolled_back.items()
        if part not in kept or sha not in (old.of(part).sha, new.of(part).sha, kept[part].point.sha)
    }
    marks |= {part: each.taken_back for part, each in kept.items() if each.taken_back}

    def change(config: dict[str, Any]) -> None:
        if "web" in kept:
            before = kept["web"].point.sha
            _set(config, release=new.web, previousRelease=before, autoAssignCustomDomains=False)
        if "socket" in kept:
            point = kept["socket"].point
            _set(config, socketRelease=new.socket, socketDigest=new.digest)
            _set(config, previousSocketRelease=point.sha, previousSocketDigest=point.digest)
        if kept:
            _set(config, promotedParts=list(kept), rolledBack=dict(sorted(marks.items())))

    return change


def newest_image(
    settings: Settings, commits: Sequence[str], registered: Callable[[str], str]
) -> tuple[str, str]:
    """SHA and digest of the newest of `commits` (oldest first) that has a socket image; two "" for none.

    `registered`: digest of a commit's image, "" where there is none. One that was taken back is none: what
    comes after it without an image of its own has the same server.
    """
    for sha in reversed(commits):
        if sha == settings.rolled_back.get("socket"):
            break
        if digest := registered(sha):
            return sha, digest
    return "", ""


def rolling_back(settings: Settings, parts: tuple[Part, ...], *, built: bool = True) -> Edit:
    """The edit that swaps current and N-1 of the parts, and notes from what they were taken back.

    A web release whose build failed, hence not `built`, is no N-1: every later update would build it again,
    and fail again.
    """
    old, new = current(settings), previous(settings)

    def change(config: dict[str, Any]) -> None:
        marks = dict(settings.rolled_back)
        if "web" in parts:
            _set(config, release=new.web, previousRelease=old.web if built else "")
            marks["web"] = old.web
        if "socket" in parts:
            _set(config, socketRelease=new.socket, socketDigest=new.digest)
            _set(config, previousSocketRelease=old.socket, previousSocketDigest=old.digest)
            marks["socket"] = old.socket
        if parts:
            _set(config, rolledBack=dict(sorted(marks.items())))

    return change


_RECORD: Final = {
    "release": "release",
    "previousRelease": "previous_release",
    "autoAssignCustomDomains": "auto_assign_custom_domains",
    "socketRelease": "socket_release",
    "socketDigest": "socket_digest",
    "previousSocketRelease": "previous_socket_release",
    "previousSocketDigest": "previous_socket_digest",
}


def proposed(loaded: Loaded, edit: Edit) -> Loaded:
    """The settings as they will be with the edit made, for the checks before a run."""
    config = {f"{PROJECT}:{key}": getattr(loaded.settings, name) for key, name in _RECORD.items()}
    edit(config)
    update = {
        name: config.get(f"{PROJECT}:{key}", Settings.model_fields[name].default)
        for key, name in _RECORD.items()
    }
    return replace(loaded, settings=loaded.settings.model_copy(update=update))


def to_take_back(settings: Settings, asked: Part | None) -> tuple[Part, ...]:
    """The parts that a rollback swaps: the one asked for, else what the last promotion changed.

    One that was taken back already is left: the command may be repeated after it was interrupted.
    Raises OperationError where there is no N-1 to go back to.
    """
    there: dict[Part, str] = {"web": settings.previous_release, "socket": settings.previous_socket_release}
    wanted: tuple[Part, ...] = (asked,) if asked else settings.promoted_parts
    wanted = wanted or tuple(part for part in PARTS if there[part])
    missing = [part for part in wanted if not there[part] and part not in settings.rolled_back]
    if missing or not wanted:
        raise OperationError(
            f"no N-1 of {' and '.join(missing or PARTS)} is recorded in stack `{settings.stack}`: "
            "there is nothing to go back to. The kill switch takes battle out of service: "
            f"python -m operations features battle=off --stack {settings.stack}"
        )
    return tuple(part for part in wanted if there[part] and settings.rolled_back.get(part) != there[part])


def _set(config: dict[str, Any], **values: Any) -> None:
    """Write or, where the value is the default, remove keys."""
    for key, value in values.items():
        name = f"{PROJECT}:{key}"
        if value in ("", [], {}):
            config.pop(name, None)
        elif config.get(name) != value:
            config[name] = value


@dataclass(frozen=True, kw_only=True)
class Source:
    """The stack that a release comes from, and what it serves."""

    settings: Settings
    web: Web | None
    socket: Running | None
    watch: Watch | None  # None: it has no monitor
    trouble: str = ""  # why its socket host could not be asked

    @property
    def release(self) -> Release:
        web = self.web.sha if self.web else ""
        return Release(
            web=web,
            socket=self.socket.release if self.socket else "",
            digest=self.socket.digest if self.socket else "",
        )


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Gathers the facts about one promotion."""

    target: Settings
    source: Source
    vercel: VercelAccount
    github: GitHubAccount
    watch: Watch | None  # the target's own monitor
    served: str  # what the target's domain serves now: SHA, "" for nothing or what is of no commit
    runs: Point | None = None  # what its socket service runs; None: not asked,
    trouble: str = ""  # and why
    built: bool = True  # whether the target has built the web release that its record names
    state: approval.Resources = field(default_factory=dict)  # the target's

    def lines(self, proposed: Loaded, today: date, expected: str | None = None) -> Iterator[Line]:
        """The Go/No-Go list, in the plan's order. `proposed`: the target's settings with the edit made."""
        new = self.source.release
        yield from self._origin(new, expected)
        yield from self._record(new)
        if new.web:
            yield from self._app(new)
        yield from self._health(new)
        yield from self._incidents()
        yield from self._approval()
        what, report = "variables and settings", check(proposed, today)
        for problem in report.problems:
            yield Line.no_go(what, f"{problem.key} {problem.text}", problem.fix)
        if not report.problems:
            yield Line.go(what, f"{len(proposed.settings.values)} values set, nothing missing")
        yield promotion.ages_line(self.target, today)
        yield self._way_back(new)

    def _origin(self, new: Release, expected: str | None) -> Iterator[Line]:
        settings, web, socket = self.source.settings, self.source.web, self.source.socket
        what, look = f"{settings.stack} runs it now", f"python -m operations status --stack {settings.stack}"
        if web is None or not web.sha or not web.ready:
            yield Line.no_go(what, f"{settings.web_domain} serves no ready build of a commit", look)
        elif expected and expected not in (web.sha, new.socket):
            text = f"{expected[:7]} was asked for, {settings.stack} runs {new}"
            yield Line.no_go(what, text, f"deploy it to {settings.stack} first")
        else:
            yield Line.go(what, f"{settings.web_domain} serves {new}")
        if settings.socket_release and (socket is None or not socket.settled):
            text = socket.text if socket else self.source.trouble or "its host has no such service"
            yield Line.no_go(f"socket on {settings.stack}", text, look)
        named: dict[Part, str] = {"web": new.web, "socket": new.socket}
        for part, sha in named.items():
            if sha and self.target.rolled_back.get(part) == sha:
                fix = f"pulumi config rm --path rolledBack.{part} --stack {self.target.stack}"
                yield Line.no_go("not taken back before", f"{sha[:7]} of {part} was rolled back", fix)

    def _app(self, new: Release) -> Iterator[Line]:
        repository, base = self.target.app_repository, self.served
        runs, where = self.github.check_runs(repository, new.web), f"at {new.web[:7]}"
        needed = required(self.target, APP_CHECKS)
        own = {run["name"] for run in runs if promotion.made_by(needed, run)}
        if not own >= set(APP_CHECKS):  # a merge commit may have none of its own; those that it has count
            for pull in self.github.pulls_of(repository, new.web):
                of_pull = self.github.check_runs(repository, pull["head"]["sha"])
                runs = [*runs, *(run for run in of_pull if run["name"] not in own)]
                where += f", of pull request #{pull['number']}"
        yield promotion.checks_line(needed, runs, where)
        if not base or base == new.web:
            return
        comparison = self.github.comparison(repository, base, new.web)
        workflow = self.target.migration_workflow
        applied: bool | None = None
        if workflow and (found := self.github.workflow_runs(repository, workflow, new.web)) is not None:
            applied = any(run["conclusion"] == "success" for run in found)
        yield from promotion.migration_lines(comparison, applied, workflow)

    def _health(self, new: Release) -> Iterator[Line]:
        stack, watch = self.source.settings.stack, self.source.watch
        if watch is None:
            yield self._unwatched(f"healthy on {stack}", stack)
            return
        now, wanted = datetime.now(UTC), timedelta(minutes=self.target.promote_after_minutes)
        begun = {"web": self.source.web, "socket": self.source.socket}
        for part in PARTS:
            if part == "socket" and not new.socket:
                continue
            here = begun[part]
            try:
                since = watch.healthy_since(part, timedelta(days=1))
            except OperationError as error:
                yield Line.no_go(f"{part} healthy on {stack}", str(error), "docs/runbook.md")
                continue
            healthy = now - max(since, here.since) if since and here else None
            yield promotion.health_line(part, stack, healthy, wanted)

    def _incidents(self) -> Iterator[Line]:
        repository, what = self.target.app_repository, "no open P1 issue"
        issues = self.github.open_issues(repository, P1_LABEL)
        found = "; ".join(f"#{issue['number']} {issue['title']}" for issue in issues)
        if found:
            yield Line.no_go(what, found, "close what is solved")
        else:
            yield Line.go(what, f"none with the label {P1_LABEL} in {repository}")
        if self.watch is None:
            yield self._unwatched("alerting", self.target.stack)
            return
        try:
            pages = [alert.text for alert in self.watch.open_alerts() if alert.page]
        except OperationError as error:
            yield Line.no_go("alerting", str(error), "docs/runbook.md")
            return
        yield Line.go("alerting", "the monitor answers")
        if pages:
            yield Line.no_go("no open P1 alert", "; ".join(pages), "docs/runbook.md")
        else:
            yield Line.go("no open P1 alert", "none fires")

    def _approval(self) -> Iterator[Line]:
        """Whether somebody has to approve, as the stack file says: GitHub drops what it does not give."""
        found = list(approval.examine(self.github, self.target, self.state))
        for each in found:
            if each.fault:
                yield Line.no_go(each.what, each.fault, each.fix)
        unknown = [f"{each.what}: {each.unknown}" for each in found if each.unknown]
        if found and not any(each.fault for each in found):
            names = " or ".join(reviewer.name for reviewer in self.target.reviewers)
            yield Line.go("approval", "; ".join([f"{names} of {self.target.environment}", *unknown]))

    def _unwatched(self, what: str, stack: str) -> Line:
        text = f"stack {stack} has no monitor"
        if self.target.promote_unmonitored:
            return Line.unchecked(what, f"{text} (promoteUnmonitored)")
        fix = (
            f"pulumi config set monitorHost ssh://USER@HOST --stack {stack}; to go without, knowingly: "
            f"pulumi config set promoteUnmonitored true --stack {self.target.stack}"
        )
        return Line.no_go(what, f"{text}: nobody has judged it", fix)

    def _record(self, new: Release) -> Iterator[Line]:
        """Where what serves and what the record names differ, and what the promotion makes of it."""
        target, old = self.target, current(self.target)
        mend = f"python -m operations up --refresh --stack {target.stack}"
        look = f"python -m operations doctor --stack {target.stack}"
        kept = keeping(target, new, self.served, self.runs, built=self.built)
        asked: dict[Part, Point | None] = {"web": Point(self.served), "socket": self.runs}
        for part in PARTS:
            named, serves, what = old.of(part), asked[part], f"{part} of the record"
            if not named.sha:
                continue
            if serves is None:
                if self.trouble:
                    known = Line.no_go(what, self.trouble, look) if part in kept else None
                    yield known or Line.unchecked(what, self.trouble)
                continue
            if serves.same(named):
                continue
            place = target.web_domain if part == "web" else service_name(target.stack)
            if not serves.sha:
                yield Line.no_go(what, f"{place} serves no release, the record names {named.sha[:7]}", mend)
                continue
            told = f"{place} serves {serves.sha[:7]}, not {named.sha[:7]}"
            if part in kept and kept[part].taken_back:
                yield Line(ok=None, what=what, evidence=f"{told}, which is marked as taken back")
            elif part in kept:
                yield Line(ok=None, what=what, evidence=told)
            else:
                yield Line.no_go(what, told, f"{mend}, or keep it: {_rollback(target, part)}")

    def _way_back(self, new: Release) -> Line:
        kept, what = keeping(self.target, new, self.served, self.runs, built=self.built), "way back"
        named = [f"{each.point.sha[:7]} ({part})" for part, each in kept.items() if each.way_back]
        if named or not kept:
            return Line.go(what, f"{' and '.join(named) or 'what is served'} becomes N-1")
        return Line.unchecked(what, "there is nothing to go back to")


def go(lines: list[Line]) -> bool:
    return all(line.ok is not False for line in lines)


def restorable(
    settings: Settings,
    parts: tuple[Part, ...],
    state: Mapping[str, Mapping[str, Any]],
    vercel: VercelAccount,
    refusal: Callable[[Settings, str], str],
) -> list[str]:
    """What keeps N-1 from being restored, with the command that goes on; empty when nothing does."""
    new, reasons = previous(settings), dict[Part, str]()
    onward = f"python -m operations promote --stack {settings.stack}"
    if "web" in parts:
        known = state.get(names("release", new.web))
        live = vercel.deployment(str(known["id"])) if known else None
        if known is None:
            again = f"python -m operations up --stack {settings.stack}"
            reasons["web"] = (
                f"{new.web[:7]} was never built by this stack: {again}. If that fails, promote a mended "
                f"release: {onward}"
            )
        elif live is None or not Web.of(live).ready:
            reasons["web"] = (
                f"the deployment of {new.web[:7]} is gone from Vercel. To build it again: "
                f"python -m operations up --refresh --stack {settings.stack}; or promote another release: "
                f"{onward}"
            )
    if "socket" in parts:
        try:
            if words := refusal(settings, f"{settings.socket_image}:{new.socket}@{new.digest}"):
                reasons["socket"] = f"the image of {new.socket[:7]} cannot be had: {words}"
        except OperationError as error:
            reasons["socket"] = str(error)
    left = [part for part in parts if part not in reasons] if reasons else []
    alone = [f"{p} alone: python -m operations rollback --part {p} --stack {settings.stack}" for p in left]
    return [*(f"{part}: {reason}" for part, reason in reasons.items()), *alone]


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
    failed: dict[Part, tuple[str, ...]] = {
        "web": (f"{names('release', new.web)}:",),
        "socket": (f"{SOCKET}-service:", f"release {new.socket} failed"),
    }
    for part, words in failed.items():
        if (sha := new.of(part).sha) and any(each in failure for each in words):
            before = old.of(part).sha
            back = [f"back to {before[:7]}: {_rollback(settings, part)}"] if before else []
            what = "was not built" if part == "web" else "did not come up"
            found.append(f"{sha[:7]} ({part}) {what}. To go on, {'; or '.join([*back, *onward])}")
    if old.web and f"{names('release', old.web)}:" in failure:
        found.append(
            f"N-1 ({old.web[:7]}) was not built. To go on without it: pulumi config rm previousRelease "
            f"--stack {stack}, then python -m operations up --stack {stack}"
        )
    return found


def _rollback(settings: Settings, part: Part) -> str:
    return f"python -m operations rollback --part {part} --stack {settings.stack}"


def source_of(target: Settings) -> str:
    """The stack that releases come from: the other one. Raises OperationError where that is not clear."""
    others = [sibling.stack for sibling in target.siblings if not sibling.stated.get("release")]
    if target.vercel_target != "production":
        raise OperationError(
            f"stack `{target.stack}` follows its branch, nothing is promoted to it; "
            "push to the branch, or set socketRelease and socketDigest"
        )
    if len(others) != 1:
        raise OperationError("promote needs exactly one other stack whose release it takes")
    return others[0]
