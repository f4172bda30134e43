"""Promotion of a release: which one it is, and what speaks for it or against.

Which release it is comes from what the other stack really serves (`operations.parts`), never from an
argument. Gathers the facts of the Go/No-Go list; the lines themselves are `plan.promotion`'s.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol

from operations.parts import PARTS, Served, State
from operations.parts.part import rollback
from operations.parts.release import Release, current, keeping, taken_back
from operations.parts.web import WEB
from operations.services import approval
from operations.services.accounts import GitHubAccount
from operations.stack.workspace import OperationError
from plan import promotion
from plan.config import Loaded
from plan.preflight import check
from plan.promotion import P1_LABEL, Line, Point
from plan.protection import APP_CHECKS, required
from plan.settings import Settings


class Watch(Protocol):
    """What is asked of a monitor."""

    def open_alerts(self) -> tuple[Any, ...]:
        """What needs somebody now; each has `page` and `text`."""

    def healthy_since(self, service: str, within: timedelta) -> datetime | None:
        """Since when a service answers; None when it does not."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """The stack that a release comes from, and what it serves."""

    settings: Settings
    served: Mapping[str, Served | None]  # by part; None: nothing, or it could not be asked
    watch: Watch | None  # None: it has no monitor
    troubles: Mapping[str, str] = field(default_factory=dict)  # why a part could not be asked

    @property
    def release(self) -> Release:
        return Release({part: each.wanted for part, each in self.served.items() if each})


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Gathers the facts about one promotion."""

    target: Settings
    source: Source
    github: GitHubAccount
    watch: Watch | None  # the target's own monitor
    served: Mapping[str, Point | None]  # what the target serves now, by part; None: not asked,
    troubles: Mapping[str, str] = field(default_factory=dict)  # and why
    built: Mapping[str, bool] = field(default_factory=dict)  # whether it has built what its record names
    state: State = field(default_factory=dict)  # the target's

    def lines(self, proposed: Loaded, today: date, expected: str | None = None) -> Iterator[Line]:
        """The Go/No-Go list, in the plan's order. `proposed`: the target's settings with the edit made."""
        new = self.source.release
        yield from self._origin(new, expected)
        yield from self._record(new)
        if new.of(WEB).sha:
            yield from self._app(new.of(WEB).sha)
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
        settings, source = self.source.settings, self.source
        what, serves = f"{settings.stack} runs it now", f"{settings.web_domain} serves {new}"
        unfit = [
            line
            for part in PARTS
            if (line := part.unfit(settings, source.served[part.name], source.troubles.get(part.name, "")))
        ]
        if not any(line.what == what for line in unfit):
            if expected and expected not in [new.of(part).sha for part in PARTS]:
                text = f"{expected[:7]} was asked for, {settings.stack} runs {new}"
                yield Line.no_go(what, text, f"deploy it to {settings.stack} first")
            else:
                yield Line.go(what, serves)
        yield from unfit
        marks = taken_back(self.target)
        for part in PARTS:
            sha = new.of(part).sha
            if sha and marks.get(part.name) == sha:
                fix = f"pulumi config rm --path rolledBack.{part.name} --stack {self.target.stack}"
                yield Line.no_go("not taken back before", f"{sha[:7]} of {part.name} was rolled back", fix)

    def _app(self, sha: str) -> Iterator[Line]:
        """What the app's repository says of a commit: the web app's is the app's."""
        repository, serves = self.target.app_repository, self.served.get(WEB.name)
        base = serves.sha if serves else ""
        runs, where = self.github.check_runs(repository, sha), f"at {sha[:7]}"
        needed = required(self.target, APP_CHECKS)
        own = {run["name"] for run in runs if promotion.made_by(needed, run)}
        if not own >= set(APP_CHECKS):  # a merge commit may have none of its own; those that it has count
            for pull in self.github.pulls_of(repository, sha):
                of_pull = self.github.check_runs(repository, pull["head"]["sha"])
                runs = [*runs, *(run for run in of_pull if run["name"] not in own)]
                where += f", of pull request #{pull['number']}"
        yield promotion.checks_line(needed, runs, where)
        if trouble := self.troubles.get(WEB.name):
            yield Line.unchecked("migrations leave N-1 alive", trouble)
        if not base or base == sha:
            return
        comparison = self.github.comparison(repository, base, sha)
        workflow = self.target.migration_workflow
        applied: bool | None = None
        if workflow and (found := self.github.workflow_runs(repository, workflow, sha)) is not None:
            applied = any(run["conclusion"] == "success" for run in found)
        yield from promotion.migration_lines(comparison, applied, workflow)

    def _health(self, new: Release) -> Iterator[Line]:
        stack, watch = self.source.settings.stack, self.source.watch
        if watch is None:
            yield self._unwatched(f"healthy on {stack}", stack)
            return
        now, wanted = datetime.now(UTC), timedelta(minutes=self.target.promote_after_minutes)
        for part in PARTS:
            if not new.of(part).sha:
                continue
            here = self.source.served[part.name]
            try:
                since = watch.healthy_since(part.name, timedelta(days=1))
            except OperationError as error:
                yield Line.no_go(f"{part.name} healthy on {stack}", str(error), "docs/runbook.md")
                continue
            healthy = now - max(since, here.since) if since and here else None
            yield promotion.health_line(part.name, stack, healthy, wanted)

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
        kept = keeping(target, new, self.served, self.built)
        for part in PARTS:
            named, serves, what = old.of(part), self.served.get(part.name), f"{part.name} of the record"
            if trouble := self.troubles.get(part.name):  # at a first promotion too: nobody knows what is N-1
                known = Line.no_go(what, trouble, look) if part in kept else None
                yield known or Line.unchecked(what, trouble)
                continue
            if not named.sha or serves is None or serves.same(named):
                continue
            place = part.place(target)
            if not serves.sha:
                yield Line.no_go(what, f"{place} serves no release, the record names {named.sha[:7]}", mend)
                continue
            told = f"{place} serves {serves.sha[:7]}, not {named.sha[:7]}"
            if part in kept and kept[part].taken_back:
                yield Line(ok=None, what=what, evidence=f"{told}, which is marked as taken back")
            elif part in kept:
                yield Line(ok=None, what=what, evidence=told)
            else:
                yield Line.no_go(what, told, f"{mend}, or keep it: {rollback(part.name, target.stack)}")

    def _way_back(self, new: Release) -> Line:
        kept, what = keeping(self.target, new, self.served, self.built), "way back"
        named = [f"{each.point.sha[:7]} ({part.name})" for part, each in kept.items() if each.way_back]
        if named or not kept:
            return Line.go(what, f"{' and '.join(named) or 'what is served'} becomes N-1")
        return Line.unchecked(what, "there is nothing to go back to")


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
