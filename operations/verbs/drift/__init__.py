"""What was changed by hand: what a refresh shows, and what no refresh can show.

Live objects are compared with the state, which is what the program applied last; an edit of the stack file
that nobody applied yet is no drift. `inspect` writes nothing. `mend` writes the declared values again through
the engine, of the named findings only: during an incident a change by hand may be meant to stay.
"""

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from operations.services import approval
from operations.services.accounts import GitHubAccount, Json, VercelAccount
from operations.stack.engine import Engine, Listener
from operations.stack.plans import UNKNOWNS, changed_paths
from operations.stack.workspace import OperationError, Workspace
from operations.verbs.drift import hosts as unseen_hosts
from operations.verbs.drift import unseen
from operations.verbs.drift.unseen import Finding, name_of
from plan import paths
from plan.hosts import DockerHost
from plan.problems import config_set

_QUIET: Final = frozenset({"same", "read", "refresh"})
_SECRET: Final = "[secret]"  # noqa: S105  what the engine prints in place of one
_LONGEST: Final = 60  # characters of a value that is shown


@dataclass(frozen=True, kw_only=True)
class Drift:
    """What `inspect` found. `pending` counts declared changes that nobody applied yet.

    `unchecked` could not be compared this time, which is a failure; `untold` is not shown to a token that
    only reads, which is none.
    """

    stack: str
    findings: tuple[Finding, ...]
    unchecked: tuple[str, ...]
    pending: int
    untold: tuple[str, ...] = ()

    def mend_command(self, finding: Finding) -> str:
        return f"python -m operations drift --mend {shlex.quote(finding.name)} --stack {self.stack}"

    def as_json(self) -> Json:
        return {
            "stack": self.stack,
            "drift": [
                {
                    "name": f.name,
                    "where": f.where,
                    "what": f.what,
                    "keep": f.keep,
                    "mend": self.mend_command(f),
                }
                for f in self.findings
            ],
            "unchecked": list(self.unchecked),
            "untold": list(self.untold),
            "pending": self.pending,
        }


@dataclass(kw_only=True)
class _Change:
    """What a preview would do to one resource: property path -> (value there, value declared)."""

    removed: bool = False
    paths: dict[str, tuple[Any, Any]] = field(default_factory=dict)


def inspect(
    workspace: Workspace, vercel: VercelAccount, github: GitHubAccount, hosts: Mapping[str, DockerHost]
) -> Drift:
    """Compare everything of the stack that can be compared. What cannot be is listed as `unchecked`.

    `hosts`: the Docker hosts by the logical name of their provider (`plan.hosts.docker_hosts`).
    """
    state = list(workspace.state().values())
    hidden, on_hosts = (
        unseen.inspect(state, vercel, github),
        unseen_hosts.inspect(state, hosts, workspace.stack),
    )
    told = [*hidden.findings, *on_hosts.findings]
    unchecked = [*hidden.unchecked, *on_hosts.unchecked]
    seen, pending, failures = _refresh(workspace, state)
    unchecked += failures
    for finding in told:
        if finding.covers and (change := seen.get(finding.urn)):
            change.removed = False
            change.paths = {p: v for p, v in change.paths.items() if not p.startswith(finding.covers)}
    for urn in hidden.unreadable_bypass & seen.keys():
        # To a token that may not read them, declared bypass actors look as if somebody had removed them.
        seen[urn].paths = {p: v for p, v in seen[urn].paths.items() if not p.startswith("bypassActors")}
    known = {resource["urn"]: resource for resource in state}
    findings = [
        _finding(known[urn], change, state, workspace.stack)
        for urn, change in seen.items()
        if urn in known and (change.removed or change.paths)
    ]
    return Drift(
        stack=workspace.stack,
        findings=_merged(findings, told),
        unchecked=tuple(unchecked),
        pending=pending,
        untold=tuple(hidden.untold),
    )


def mend(
    workspace: Workspace,
    github: GitHubAccount,
    findings: Iterable[Finding],
    listener: Listener | None = None,
) -> None:
    """Write the declared values again, of these findings and nothing else.

    A protection that no refresh sees is written through GitHub's own API, and read into the state with all
    else. Only for a value that nobody can read the state is told that it differs (`Workspace.noted`), so that
    the engine updates in place: a replacement would delete a secret after writing it anew. Killed in between,
    the next `up` does the rest. Raises OperationError, the state as it was.
    """
    engine = Engine(workspace)
    targets: list[str] = []
    notes: dict[str, Mapping[str, str]] = {}
    for finding in findings:
        if finding.policy:
            github.delete_policy(*finding.policy)
            continue
        if finding.environment:
            approval.write(github, workspace.in_the_clear().settings, *finding.environment)
        targets.append(finding.urn)
        if finding.note is not None:
            notes[finding.urn] = finding.note
    if not targets:
        return
    engine.refresh(targets)
    with workspace.noted(notes):
        engine.up("Mend what was changed by hand", targets, listener=listener)


def _merged(seen: list[Finding], hidden: list[Finding]) -> tuple[Finding, ...]:
    """One finding an object, also where a refresh sees one half of what was changed."""
    found = {finding.name: finding for finding in seen}
    for each in hidden:
        same = found.get(each.name)
        found[each.name] = replace(each, what=f"{same.what}; {each.what}", keep=same.keep) if same else each
    return tuple(sorted(found.values(), key=lambda finding: finding.where))


# --- what a refresh shows ------------------------------------------------------------------------------


def _refresh(workspace: Workspace, state: list[Json]) -> tuple[dict[str, _Change], int, list[str]]:
    """What `up --refresh` would change and a plain `up` would not; how much a plain one would; failures."""
    failures: list[str] = []
    try:
        refreshed = _changes(workspace.preview("--refresh"))
    except OperationError as error:
        hosts = sorted({r["urn"] for r in state if r["type"].startswith("docker:")})
        if not hosts:
            return {}, 0, [f"what a refresh sees: {error}"]
        failures.append(f"the Docker hosts: {error}")
        excluded = [part for urn in hosts for part in ("--exclude", urn)]
        try:
            refreshed = _changes(workspace.preview("--refresh", *excluded))
        except OperationError as second:
            return {}, 0, [f"what a refresh sees: {second}"]
    if not refreshed:
        return {}, 0, failures
    pending = _changes(workspace.preview())
    for urn, change in pending.items():
        if (both := refreshed.get(urn)) and change.removed == both.removed:
            both.paths = {path: v for path, v in both.paths.items() if path not in change.paths}
            both.removed = False
    return refreshed, len(pending), failures


def _changes(plan: Json) -> dict[str, _Change]:
    found: dict[str, _Change] = {}
    for step in plan.get("steps") or []:
        if step["op"] in _QUIET:
            continue
        change = found.setdefault(step["urn"], _Change())
        change.removed |= step["op"] == "create"
        before, after = step.get("oldState") or {}, (step.get("newState") or {}).get("inputs") or {}
        there = before.get("inputs") or {}
        detail = step.get("detailedDiff")
        if detail:
            change.paths |= {path: (_at(there, path), _at(after, path)) for path in detail}
            continue
        outputs = {**there, **(before.get("outputs") or {})}  # what the service answered last
        for name in changed_paths(None, step.get("diffReasons"), {**there, **after}):
            change.paths |= _differing(name, outputs.get(name), after.get(name))
    return found


def _differing(path: str, live: Any, declared: Any) -> dict[str, tuple[Any, Any]]:
    """Where a property differs whose plugin gives no detail, member by member of what is declared."""
    if isinstance(live, dict) and isinstance(declared, dict):
        members = (_differing(f"{path}.{name}", live.get(name), each) for name, each in declared.items())
        return {below: pair for found in members for below, pair in found.items()}
    if isinstance(declared, str) and declared in UNKNOWNS:
        declared = _SECRET
    return {path: (live, declared)} if live != declared or live == _SECRET else {}


def _at(properties: Any, path: str) -> Any:
    """The value at one of the engine's paths: None where none is stated, `_SECRET` for one untold."""
    parts = paths.split(path)
    if parts is None:
        return _SECRET
    for part in parts:
        if properties is None:
            return None
        if isinstance(properties, dict) and isinstance(part, str):
            properties = properties.get(part)
        elif isinstance(properties, list) and isinstance(part, int):
            properties = properties[part] if part < len(properties) else None
        else:  # secret as a whole, or not known yet
            return _SECRET
    return _SECRET if isinstance(properties, str) and properties in UNKNOWNS else properties


def _finding(resource: Json, change: _Change, state: list[Json], stack: str) -> Finding:
    inputs = resource.get("inputs") or {}
    what, keep = _told(change), ""
    match resource["type"].split(":")[-1]:
        case "Alias" if "deploymentId" in change.paths:
            live, applied = (_release(state, str(id)) for id in change.paths["deploymentId"])
            what = f"serves {live}; applied: {applied}"
            keep = (
                "to keep it, write what it serves into `release` of the stack file: a plain `up` leaves it, "
                "the next `up --refresh` or promotion moves it"
            )
        case "EdgeConfigItem" if "value" in change.paths:
            live, applied = change.paths["value"]
            what = f"is {live}; applied: {applied}"
            keep = f"to keep it: {config_set(stack, str(inputs.get('key')), shlex.quote(str(live)))}"
        case "ProjectEnvironmentVariable":
            what += "; builds made since carry the other value until they are made again"
    return Finding(
        name=name_of(resource), urn=resource["urn"], where=unseen.where(resource), what=what, keep=keep
    )


def _told(change: _Change) -> str:
    if change.removed:
        return "was removed"
    return "; ".join(_differs(path, *values) for path, values in sorted(change.paths.items()))


def _differs(path: str, live: Any, declared: Any) -> str:
    told = all(
        isinstance(value, (str, int, float, type(None))) and value != _SECRET for value in (live, declared)
    )
    if told and live != declared:  # else the difference lies elsewhere than in what is stated
        return f"{path} is {_short(live)}; applied: {_short(declared)}"
    return f"{path} differs from what was applied"


def _short(value: Any) -> str:
    text = "not set" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def _release(state: list[Json], deployment: str) -> str:
    """A deployment by the release it was built from, where the state knows it."""
    for resource in state:
        if resource["type"].endswith(":Deployment") and resource.get("id") == deployment:
            return f"release {resource['inputs'].get('ref')}"
    return f"{deployment}, which this stack did not deploy"
