"""A review as text for GitHub: Markdown in which nothing from a resource can act, in parts that fit.

Everything that comes from a resource stands inside one fenced block whose fence no content can close; there
GitHub knows no links, mentions, images or HTML. Control characters and line breaks are shown as escapes.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from operations.verbs.review import Change, Review

LIMIT: Final = 65_536  # characters of one comment (REST API: "body is too long")
_ROOM: Final = 60_000  # UTF-8 bytes of the changes in one part: safe however GitHub counts
_LONGEST: Final = 160  # characters of a value that are shown
_MOST: Final = 12  # properties of one resource that are shown
_OPS: Final = (
    "delete",
    "forget",
    "replace",
    "renew",
    "update",
    "import",
    "create",
    "keep",
)  # what to look at first
# First character of a line of GitHub's `diff` blocks: green, grey, orange or red.
_MARKS: Final = {
    "create": "+",
    "import": "+",
    "update": "!",
    "replace": "!",
    "renew": "!",
    "delete": "-",
    "forget": "!",
    "keep": " ",
}


def marker(stack: str) -> str:
    """What tells the comments of a stack's preview apart; invisible in the page."""
    return f"<!-- paintshare-preview:{stack} -->"


def render(review: Review, *, stack: str, where: str, head: str, base: str | None) -> list[str]:
    """The comment in parts, each at most `LIMIT` characters. `where`: "live" or "in the rehearsal".

    `base` is the commit that `head` was compared with, None where all that an `up` would change is shown.
    """
    blocks = list(_blocks(review.changes))
    parts = len(blocks) or 1
    bodies = []
    for number in range(1, parts + 1):
        of = f" (part {number} of {parts})" if parts > 1 else ""
        lines = [marker(stack), f"### `{_plain(stack)}`: preview {where}{of}", ""]
        if number == 1:
            lines += [_summary(review, "An `up`" if base is None else "This pull request"), ""]
        if blocks:
            lines += [blocks[number - 1], ""]
        if number == parts:
            lines += [_foot(review, head, base)]
        bodies.append("\n".join(lines))
    return bodies


def render_failure(text: str, *, stack: str, where: str) -> list[str]:
    """The comment of a preview that failed: what the engine said, as much of its end as fits."""
    lines = [marker(stack), f"### `{_plain(stack)}`: preview {where} failed", "", fenced(text)]
    return ["\n".join(lines)]


def _summary(review: Review, who: str) -> str:
    counts = Counter(change.op for change in review.changes)
    if not counts:
        return f"{who} changes no resource."
    return f"{who} would " + ", ".join(f"{op} {counts[op]}" for op in _OPS if counts[op]) + "."


def _foot(review: Review, head: str, base: str | None) -> str:
    compared = f" compared with its base `{_plain(base)[:12]}`" if base is not None else ""
    pending = ""
    if review.pending:
        are = "changes are" if review.pending > 1 else "change is"
        pending = f" {review.pending} {are} pending on the base already, not shown."
    return f"<sub>`{_plain(head)[:12]}`{compared}.{pending}</sub>"


def _blocks(changes: Sequence[Change]) -> Iterable[str]:
    """Fenced blocks of whole resources, none larger than `_ROOM`."""
    block: list[str] = []
    size = 0
    for change in sorted(changes, key=lambda c: (_OPS.index(c.op), c.name)):
        text = "\n".join(_lines(change))
        weight = len(text.encode()) + 1
        if block and size + weight > _ROOM:
            yield _fenced(block)
            block, size = [], 0
        block.append(text)
        size += weight
    if block:
        yield _fenced(block)


def fenced(text: str, longest: int = _ROOM) -> str:
    """Any text as a block of its own, cut to `longest` bytes: the end, which says how it ended."""
    lines = [_shown(line, 10 * _LONGEST) for line in text.strip().splitlines()]
    while lines and len("\n".join(lines).encode()) > longest:
        lines = lines[len(lines) // 2 + 1 :]
    return _fenced(lines, "text")


def _fenced(texts: Sequence[str], language: str = "diff") -> str:
    body = "\n".join(texts)
    longest = max((len(run) for run in re.findall(r"`+", body)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{body}\n{fence}"


def _lines(change: Change) -> Iterable[str]:
    kind = change.type.rsplit(":", 1)[-1]
    yield f"{_MARKS[change.op]} {change.op:8}{_shown(change.name)}  ({_shown(kind)})"
    if change.op == "forget":
        yield "      stays where it is; this program alone forgets it"
    if change.op == "renew":
        yield "      the old one stays where it is, and this program forgets it; a new one is made"
    for difference in change.differences[:_MOST]:
        old, new = (None if t is None else _shown(t) for t in (difference.old, difference.new))
        path = _shown(difference.path)
        if old is None:
            yield f"      {path}: added {new}"
        elif new is None:
            yield f"      {path}: removed {old}"
        else:
            yield f"      {path}: {old}" + ("  (changed)" if old == new else f" -> {new}")
    if len(change.differences) > _MOST:
        yield f"      and {len(change.differences) - _MOST} more properties"


def _shown(text: str, longest: int = _LONGEST) -> str:
    """On one line, without characters that hide or reorder others, not too long."""
    safe = "".join(_escape(c) if _hidden(c) else c for c in text)
    return safe if len(safe) <= longest else f"{safe[:longest]}… ({len(text)} characters)"


def _hidden(character: str) -> bool:
    return unicodedata.category(character) in ("Cf", "Cc", "Cn", "Co", "Cs", "Zl", "Zp")


def _escape(character: str) -> str:
    short = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return short.get(character) or f"\\u{{{ord(character):x}}}"


def _plain(text: str) -> str:
    """A name outside the block: letters, digits and a few signs, whatever it was."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", text)
