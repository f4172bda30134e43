"""Promotion and rollback of a release: what changes in the stack file, and what speaks for it or against.

Which release it is comes from what the other stack really serves (`operations.serving`), never from an
argument. Gathers the facts of the Go/No-Go list; the lines themselves are `plan.promotion`'s.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Literal, Protocol

from operations import approval
from operations.accounts import GitHubAccount, VercelAccount
from operations.hosts import Running
from operations.serving import Web
from operations.workspace import OperationError
from plan import promotion
from plan.preflight import check
from plan.promotion import P1_LABEL, Line
from plan.protection import APP_CHECKS
from plan.settings import PROJECT, Loaded, Settings
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
        if not self.socket or self.socket == self.web:
            return f"{self.web[:7]} (web{' and socket' if self.socket else ''})"
        return f"{self.web[:7] or '-'} (web), {self.socket[:7]} (socket)"


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


def promoting(settings: Settings, new: Release, served: str) -> Edit:
    """The edit that makes `new` current and keeps as N-1 what is current now.

    `served` is what the domain serves before the first release is named: N-1 of the first promotion.
    What was taken back stays marked, but for a release that is made current on purpose, now or before: as N-1
    it must be one that a rollback goes to.
    """
    old = current(settings)
    parts = changed(old, new)
    chosen = {"web": {old.web, new.web}, "socket": {old.socket, new.socket}}
    marks = {
        part: sha
        for part, sha in settings.rolled_back.items()
        if part not in parts or sha not in chosen[part]
    }

    def change(config: dict[str, Any]) -> None:
        if "web" in parts:
            before = old.web or (served if served != new.web else "")
            _set(config, release=new.web, previousRelease=before, autoAssignCustomDomains=False)
        if "socket" in parts:
            _set(config, socketRelease=new.socket, socketDigest=new.digest)
            _set(config, previousSocketRelease=old.socket, previousSocketDigest=old.digest)
        if parts:
            _set(config, promotedParts=list(parts), rolledBack=marks)

    return change


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
    served: str  # what the target's domain serves now
    state: approval.Resources = field(default_factory=dict)  # the target's

    def lines(self, proposed: Loaded, today: date, expected: str | None = None) -> Iterator[Line]:
        """The Go/No-Go list, in the plan's order. `proposed`: the target's settings with the edit made."""
        new = self.source.release
        yield from self._origin(new, expected)
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
        own = {run["name"] for run in runs}
        if not own >= set(APP_CHECKS):  # a merge commit may have none of its own; those that it has count
            for pull in self.github.pulls_of(repository, new.web):
                of_pull = self.github.check_runs(repository, pull["head"]["sha"])
                runs = [*runs, *(run for run in of_pull if run["name"] not in own)]
                where += f", of pull request #{pull['number']}"
        yield promotion.checks_line(APP_CHECKS, runs, where)
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

    def _way_back(self, new: Release) -> Line:
        parts, what = changed(current(self.target), new), "way back"
        before: dict[Part, str] = {"web": self.served, "socket": self.target.socket_release}
        kept = [f"{before[part][:7]} ({part})" for part in parts if before[part]]
        if kept or not parts:
            return Line.go(what, f"{' and '.join(kept) or 'what is served'} becomes N-1")
        return Line.unchecked(what, "nothing is served yet")


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
    if "web" in parts:
        known = state.get(names("release", new.web))
        live = vercel.deployment(str(known["id"])) if known else None
        if known is None:
            again = f"python -m operations up --stack {settings.stack}"
            reasons["web"] = f"{new.web[:7]} was never built by this stack: {again}"
        elif live is None or not Web.of(live).ready:
            reasons["web"] = f"the deployment of {new.web[:7]} is gone from Vercel; promote another release"
    if "socket" in parts:
        try:
            if words := refusal(settings, f"{settings.socket_image}:{new.socket}@{new.digest}"):
                reasons["socket"] = f"the image of {new.socket[:7]} cannot be had: {words}"
        except OperationError as error:
            reasons["socket"] = str(error)
    left = [part for part in parts if part not in reasons] if reasons else []
    alone = [f"{p} alone: python -m operations rollback --part {p} --stack {settings.stack}" for p in left]
    return [*(f"{part}: {reason}" for part, reason in reasons.items()), *alone]


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
