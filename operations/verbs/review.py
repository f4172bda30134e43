"""What a pull request changes: the preview of its head, less what its base would change anyway.

Both previews run against the same state, so what is pending on the base already (an `up` that nobody has run
yet, drift) is told apart from what the pull request brings. Only the engine's own output is read, and in it
every secret is `[secret]`: a secret that changed shows as changed, never with a value.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from operations.stack.plans import LEFT, UNKNOWNS, changed_paths, stays
from operations.stack.workspace import OperationError
from plan import paths

UNKNOWN: Final = "[known after apply]"
SECRET: Final = "[secret]"  # noqa: S105  the engine's word for one
_REPLACING: Final = {"replace", "create-replacement", "delete-replaced", "import-replacement"}
_GONE: Final = {"delete", "discard"}
_STACK: Final = "pulumi:pulumi:Stack"
_MISSING: Final = object()

Json = dict[str, Any]


class PreviewError(OperationError):
    """The preview itself failed; the message is what the engine said."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One resource that a preview changes: inputs `before` and afterwards, None where it is not there."""

    urn: str
    op: str
    before: Json | None
    inputs: Json | None
    reasons: tuple[str, ...]  # property paths on which the engine decided
    stays: bool = False  # a removal from the state alone


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One property: texts in the clear, secrets as `[secret]`; None where it is not set."""

    path: str
    old: str | None
    new: str | None


@dataclass(frozen=True, kw_only=True)
class Change:
    """One resource that the pull request changes."""

    op: str  # create, import, update, replace, delete, keep; forget and renew: what is there stays
    name: str
    type: str
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Review:
    """Everything a pull request changes in one stack. `pending` changes are the base's own."""

    changes: tuple[Change, ...]
    pending: int


def preview(folder: Path, stack: str, env: Mapping[str, str]) -> str:
    """The output of `pulumi preview --json` in a project folder. Raises PreviewError."""
    command = ["pulumi", "-C", str(folder), "preview", "--json", "--stack", stack, "--non-interactive"]
    clean = {key: value for key, value in env.items() if key != "PULUMI_OPTION_CWD"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=clean, check=False)
    except FileNotFoundError:
        raise OperationError("pulumi is not on PATH: https://www.pulumi.com/docs/install/") from None
    if done.returncode:
        raise PreviewError(_said(done.stdout) or done.stderr.strip())
    return done.stdout


def _said(output: str) -> str:
    """The errors among a preview's diagnostics."""
    try:
        found = json.loads(output).get("diagnostics") or ()
    except ValueError:
        return output.strip()
    return "\n".join(str(d.get("message", "")).strip() for d in found if d.get("severity") == "error")


@contextmanager
def checkout(clone: Path, ref: str) -> Iterator[Path]:
    """Another commit of this repository in a folder of its own, with its .venv, while the block lasts."""
    with tempfile.TemporaryDirectory(prefix="paintshare-base-") as scratch:
        folder = Path(scratch) / "base"
        git = ["git", "-C", str(clone), "worktree"]
        _git([*git, "add", "--quiet", "--detach", str(folder), ref])
        try:
            _git([sys.executable, "-m", "rehearsal.venv"], folder)
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            _git([*git, "prune"])


def _git(command: list[str], cwd: Path | None = None) -> None:
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)
    if done.returncode:
        raise OperationError(f"{' '.join(command)} failed:\n{done.stderr.strip()}")


def steps(output: str) -> dict[str, Step]:
    """What `pulumi preview --json` would change, by URN; unchanged resources are left out, as by the engine.

    Raises OperationError for anything else than such an output.
    """
    try:
        found = [_step(step) for step in json.loads(output)["steps"]]
    except (ValueError, KeyError, TypeError):
        raise OperationError("`pulumi preview --json` did not print a plan") from None
    merged: dict[str, Step] = {}
    for step in found:
        if _type(step.urn) == _STACK or _kind(step.op) == "same":
            continue
        known = merged.get(step.urn)  # a replacement comes in several steps
        if known is None or step.op in ("replace", "create-replacement"):
            merged[step.urn] = step
    return merged


def compare(base: Mapping[str, Step], head: Mapping[str, Step]) -> Review:
    """What `head` would change that `base` would not; with an empty base, all of it."""
    changes, pending = [], 0
    for urn in {**base, **head}:
        before, after = base.get(urn) or _unchanged(head[urn]), head.get(urn) or _unchanged(base[urn])
        change = _change(before, after)
        if change is not None:
            changes.append(change)
        elif before is not None and before.op != "same":
            pending += 1
    return Review(changes=tuple(changes), pending=pending)


def _unchanged(other: Step) -> Step | None:
    """How a preview that leaves a resource as it is sees it; None where there is none."""
    if other.before is None:
        return None
    return Step(urn=other.urn, op="same", before=other.before, inputs=other.before, reasons=())


def _change(base: Step | None, head: Step | None) -> Change | None:
    some = head or base
    if some is None:
        return None
    old = base.inputs if base else None
    new = head.inputs if head else None
    same_way = base is not None and head is not None and _kind(base.op) == _kind(head.op)
    if old == new and (same_way or (old is None and new is None)):
        return None
    name, type_ = some.urn.rsplit("::", 1)[-1], _type(some.urn)
    if old is None and head is not None:
        op = "keep" if head.op == "same" else _kind(head.op)
        return Change(op=op, name=name, type=type_)
    if new is None or head is None:
        return Change(op=_told("delete", head), name=name, type=type_)
    op = _told("replace", head) if head.op in _REPLACING else "update"
    differences = tuple(_differences(old, new))
    if not differences:  # secrets, or something outside the inputs (a provider, a dependency)
        hidden = head.reasons or (base.reasons if base else ())
        differences = tuple(Difference(path=path, old=SECRET, new=SECRET) for path in hidden)
    return Change(op=op, name=name, type=type_, differences=differences)


def _step(step: Json) -> Step:
    op = str(step["op"])
    after = None if op in _GONE else (step.get("newState") or step.get("oldState") or {})
    before = step.get("oldState")
    stated = {**_inputs(before or {}), **_inputs(after or {})}
    reasons = (
        *changed_paths(step.get("detailedDiff"), step.get("diffReasons"), stated),
        *(step.get("replaceReasons") or ()),
    )
    return Step(
        urn=str(step["urn"]),
        op=op,
        before=None if before is None else _inputs(before),
        inputs=None if after is None else _inputs(after),
        reasons=tuple(dict.fromkeys(str(reason) for reason in reasons)),
        stays=op == "discard" or stays(_type(str(step["urn"])), bool((before or {}).get("retainOnDelete"))),
    )


def _told(op: str, step: Step | None) -> str:
    return LEFT[op] if step and step.stays else op


def _inputs(state: Json) -> Json:
    inputs = state.get("inputs") or {}
    return {key: value for key, value in inputs.items() if key not in ("__defaults", "__provider")}


def _kind(op: str) -> str:
    if op in _REPLACING:
        return "replace"
    return {"discard": "delete", "read": "same", "refresh": "same"}.get(op, op)


def _type(urn: str) -> str:
    """`vercel:index/project:Project` of a URN, whatever its parents."""
    return urn.split("::")[2].rsplit("$", 1)[-1]


def _differences(old: Any, new: Any, path: str = "") -> Iterator[Difference]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({**old, **new}):
            below = paths.join(path, str(key))
            yield from _differences(old.get(key, _MISSING), new.get(key, _MISSING), below)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, pair in enumerate(zip(old, new, strict=True)):
            yield from _differences(*pair, paths.join(path, index))
    elif old != new:
        yield Difference(path=path, old=_text(old), new=_text(new))


def _text(value: Any) -> str | None:
    if value is _MISSING:
        return None
    if isinstance(value, str):
        return UNKNOWN if value in UNKNOWNS else value
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    for unknown in UNKNOWNS:
        text = text.replace(json.dumps(unknown), UNKNOWN)
    return text
