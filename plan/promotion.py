"""Go or No-Go of a promotion (deployment plan §2.3): the lines of the list and what makes each of them.

Pure: facts in, lines out. `operations.verbs.promote` gathers the facts and shows the list.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from plan.protection import Check
from plan.rotation import DUE_DAYS, iso_date
from plan.settings import Settings

MIGRATIONS: Final = "supabase/migrations/"  # plan §5.1: the schema's history, in the app's repository
FILES_READ: Final = 300  # GitHub's comparison names no more files than these
P1_LABEL: Final = "P1"


@dataclass(frozen=True)
class Point:
    """One part of a release: git SHA, and of an image its digest; "" where nobody knows it."""

    sha: str = ""
    digest: str = ""

    def same(self, other: "Point") -> bool:
        """Whether both are one release. A digest that nobody knows fits every one."""
        digests = {self.digest, other.digest} - {""}
        return bool(self.sha) and self.sha == other.sha and len(digests) < 2


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What a promotion keeps as N-1, and which release it marks as taken back ("" for none)."""

    point: Point
    taken_back: str = ""

    @property
    def way_back(self) -> bool:
        """Whether a rollback goes to it: to what was taken back it does not."""
        return bool(self.point.sha) and self.point.sha != self.taken_back


def kept(old: Point, before: Point, new: Point, serves: Point | None, *, built: bool = True) -> Kept:
    """What stays as N-1 of one part when `new` is promoted: what serves, whatever the record says.

    `old`, `before`: what the record names as current and as N-1. `serves`: None where it was not asked; with
    an empty SHA where nothing serves, or something that is of no commit. `built`: whether `old` ever was, at
    least by this stack. What the record names and does not serve was taken back, by a person or by Swarm.
    """
    if not old.sha:
        return Kept(point=Point() if serves is None or serves.same(new) else serves)
    if serves is None or serves.same(old):
        return Kept(point=old)
    if not serves.sha:
        return Kept(point=old if built else before)
    if serves.same(new):
        if serves.same(before):
            return Kept(point=old if built else Point(), taken_back=old.sha)
        return Kept(point=old if built else before)
    point = before if serves.same(before) else serves
    return Kept(point=point, taken_back=old.sha if old.sha != point.sha else "")


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of the list. `ok` None: for a person to read, mostly because it was not checked; `evidence`
    says why. It does not refuse."""

    ok: bool | None
    what: str
    evidence: str
    fix: str = ""

    @classmethod
    def go(cls, what: str, evidence: str) -> "Line":
        return cls(ok=True, what=what, evidence=evidence)

    @classmethod
    def no_go(cls, what: str, evidence: str, fix: str) -> "Line":
        return cls(ok=False, what=what, evidence=evidence, fix=fix)

    @classmethod
    def unchecked(cls, what: str, reason: str) -> "Line":
        return cls(ok=None, what=what, evidence=f"not checked: {reason}")


_ALTER: Final = r"\balter\s+(?:foreign\s+)?table\b[^;]*?"  # then one of its actions, whichever comes
_NAME: Final = r'(?:"[^"]*"|[^\s".;,()]+)'  # of a column, quoted or not; the word COLUMN may be left out
_RULE: Final = r"(?:constraint|primary|unique|check|foreign|exclude)\b"
_PART: Final = r"(?:[^;,()]|\((?:[^()]|\([^()]*\))*\))"  # of one action: commas in parentheses end none
_FILLED: Final = r"\b(?:default|generated|(?:small|big)?serial)\b"

# A statement of a migration that code of the release before may not survive (plan §2.3, §6.3: expand first).
_DESTRUCTIVE: Final = {
    "drops": re.compile(
        r"\bdrop\s+(table|column|view|materialized\s+view|type|schema|function|index|constraint|policy|trigger"
        r"|attribute)\b"
        rf"|{_ALTER}\bdrop\b(?!\s+(?:default|not\s+null|expression|identity)\b)\s+\S+",
        re.I,
    ),
    "renames": re.compile(
        rf"\brename\s+(?:(?:to|column|constraint|attribute|value)\b|{_NAME}\s+to\b)|\bset\s+schema\b", re.I
    ),
    "changes a type": re.compile(rf"\balter\s+(column\s+)?{_NAME}\s+(set\s+data\s+)?type\b", re.I),
    "requires a value": re.compile(
        rf"\bset\s+not\s+null\b|(?:{_ALTER}\badd\b(?!\s+{_RULE})|\badd\s+column\b)"
        rf"(?!{_PART}*?{_FILLED}){_PART}*?\b(?:not\s+null|primary\s+key)\b",
        re.I,
    ),
    "deletes rows": re.compile(r"\btruncate\b|\bdelete\s+from\b", re.I),
}
# One that refuses rows which the code before may write; whether it writes such rows nobody can tell from SQL.
_TABLE: Final = rf"({_NAME}(?:\.{_NAME})?)"
_RESTRICTING: Final = (
    re.compile(rf"\balter\s+table\s+(?:if\s+exists\s+)?(?:only\s+)?{_TABLE}[^;]*?\badd\s+{_RULE}", re.I),
    re.compile(rf"\bcreate\s+unique\s+index\b[^;]*?\son\s+(?:only\s+)?{_TABLE}", re.I),
)
_CREATED: Final = re.compile(rf"\bcreate\s+table\s+(?:if\s+not\s+exists\s+)?{_TABLE}", re.I)
_COMMENT: Final = re.compile(r"--[^\n]*|/\*.*?\*/", re.S)


def destructive(sql: str) -> tuple[str, ...]:
    """What in a migration takes something away, in a few words each; comments do not count."""
    text = _COMMENT.sub(" ", sql)
    return tuple(
        f"{what}: {' '.join(found[0].split())[:60]}"
        for what, pattern in _DESTRUCTIVE.items()
        if (found := pattern.search(text))
    )


def restricting(sql: str) -> tuple[str, ...]:
    """What in a migration refuses rows of a table that was there before it, in a few words each."""
    text = _COMMENT.sub(" ", sql)
    new = {_table(found[1]) for found in _CREATED.finditer(text)}
    return tuple(
        f"restricts rows: {' '.join(found[0].split())[:60]}"
        for pattern in _RESTRICTING
        for found in pattern.finditer(text)
        if _table(found[1]) not in new
    )


def _table(name: str) -> str:
    return name.replace('"', "").lower().removeprefix("public.")


def added(patch: str) -> str:
    """The lines that a unified diff adds."""
    return "\n".join(line[1:] for line in patch.splitlines() if line.startswith("+") and line[:3] != "+++")


def migration_lines(
    comparison: Mapping[str, Any] | None, applied: bool | None, workflow: str
) -> Iterator[Line]:
    """Whether the release's migrations leave the running code alive, and whether they ran before it.

    `comparison` is GitHub's of both SHAs; `applied` whether `workflow` succeeded at the new one (None where
    nobody can tell).
    """
    what = "migrations leave N-1 alive"
    if comparison is None:
        yield Line.unchecked(what, "GitHub cannot compare the two releases")
        return
    files, status = comparison.get("files") or [], comparison["status"]
    if status in ("behind", "diverged"):
        yield Line.unchecked(what, f"the new release is {status} of what is served; read them by hand")
        return
    if len(files) >= FILES_READ:
        yield Line.unchecked(what, f"{FILES_READ} files or more differ, GitHub names no more")
        return
    found = [file for file in files if file["filename"].startswith(MIGRATIONS)]
    if not found:
        yield Line.go(what, "the release has none")
        return
    bad = [f"{_short(f)} is {f['status']}" for f in found if f["status"] in ("removed", "renamed")]
    unread = [_short(file) for file in found if not file.get("patch")]
    sql = {_short(file): added(file.get("patch") or "") for file in found}
    bad += [f"{name} {each}" for name, text in sql.items() for each in destructive(text)]
    rules = restricting("\n".join(sql.values()))
    if bad:
        fix = "ship the code that no longer needs it first, the removal in a later release (plan §6.3)"
        yield Line.no_go(what, "; ".join(bad), fix)
    elif unread:
        yield Line.unchecked(what, f"{', '.join(unread)} too long to be shown")
    elif rules:
        yield Line.unchecked(what, f"whether the running code keeps to it: {'; '.join(rules)}")
    else:
        yield Line.go(what, f"{len(found)} read, they only add")
    yield _applied(applied, workflow)


def _applied(applied: bool | None, workflow: str) -> Line:
    what = "migrations ran before the code"
    if applied is None:
        return Line.unchecked(what, f"no run of {workflow}" if workflow else "migrationWorkflow is not set")
    if not applied:
        fix = f"run {workflow} of the app's repository, then promote"
        return Line.no_go(what, f"{workflow} has not succeeded at this release", fix)
    return Line.go(what, f"{workflow} succeeded at this release")


def _short(file: Mapping[str, Any]) -> str:
    return str(file["filename"]).removeprefix(MIGRATIONS)


def made_by(checks: Iterable[Check], run: Mapping[str, Any]) -> bool:
    """Whether a check run is of a required check and of its app (`app.id` of GitHub's answer)."""
    return Check(name=run["name"], app=(run.get("app") or {}).get("id", 0)) in checks


def checks_line(required: Collection[Check], runs: Collection[Mapping[str, Any]], where: str) -> Line:
    """Whether every required check is green among the latest runs of a commit, by the app that makes it.

    Runs of another app under the same name do not count; whose they are is told.
    """
    latest = {run["name"]: run["conclusion"] or run["status"] for run in runs if made_by(required, run)}
    names, what = tuple(check.name for check in required), "required checks"
    red = [f"{name} {latest[name]}" for name in names if latest.get(name, "success") != "success"]
    missing = [name for name in names if name not in latest]
    if red or missing:
        parts = [", ".join(red)] if red else []
        parts += [f"no run of {', '.join(missing)}"] if missing else []
        parts += [
            f"{run['name']} of app {_app(run)} does not count, it has to be of {check.app}"
            for check in required
            for run in runs
            if run["name"] == check.name and check.name in missing
        ]
        fix = "make them green in the app's repository; the mended release then comes by itself"
        return Line.no_go(what, f"{'; '.join(parts)} ({where})", fix)
    return Line.go(what, f"{', '.join(names)} green ({where})")


def _app(run: Mapping[str, Any]) -> str:
    app = run.get("app") or {}
    return f"{app.get('slug', 'unknown')} ({app.get('id', 'no id')})"


def ages_line(settings: Settings, today: date) -> Line:
    """Plan §3: no key past 90 days."""
    old = {
        key: (today - rotated).days
        for key, record in sorted(settings.rotation.items())
        if key in settings.values and (rotated := iso_date(record.date))
    }
    what = f"no key past {DUE_DAYS} days"
    if overdue := [f"{key} {age} days" for key, age in old.items() if age >= DUE_DAYS]:
        fix = f"python -m operations rotate KEY --stack {settings.stack}"
        return Line.no_go(what, ", ".join(overdue), fix)
    return Line.go(what, f"the oldest of {len(old)} is {max(old.values(), default=0)} days old")


def health_line(part: str, stack: str, healthy: timedelta | None, wanted: timedelta) -> Line:
    """Whether a part of the release has been healthy long enough on the stack it comes from; None: is not."""
    what, least = f"{part} healthy on {stack}", int(wanted.total_seconds() // 60)
    fix = f"wait, or look at it: python -m operations status --stack {stack}"
    if healthy is None:
        return Line.no_go(what, "the monitor says that it is not", fix)
    minutes = int(healthy.total_seconds() // 60)
    if healthy < wanted:
        return Line.no_go(what, f"for {minutes} min, promoteAfterMinutes asks for {least}", fix)
    return Line.go(what, f"for {minutes} min ({least} are asked for)")
