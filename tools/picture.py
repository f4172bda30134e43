"""docs/stack.svg: what each stack declares on Vercel and GitHub, and how a change travels.

Owns the layout. Every name, count, branch and domain is read off the plan rows of both stacks; values of
variables never reach the picture. It brings its own background and is set in system fonts, whose widths
differ: lines are wrapped with room to spare.
"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from xml.sax.saxutils import escape

from plan.gate import Environment, GatePlan
from plan.settings import Settings
from plan.web import WebPlan

_WIDTH: Final = 1000
_MARGIN, _GAP, _PAD = 24, 20, 14  # around everything, between the stacks, inside a stack
_COLUMN: Final = (_WIDTH - 2 * _MARGIN - _GAP - 5 * _PAD) / 3
_LINE: Final = 18  # from one line of text to the next
_CHARACTER: Final = 6.7  # width of one character of 12 px text in the widest usual font
_SANS: Final = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif"
_INK, _SOFT, _EDGE, _PAPER, _GROUND = "#24292f", "#5b6570", "#d3d8dd", "#ffffff", "#f6f7f5"
_ACCENTS: Final = (("#0f6b62", "#e4f0ed"), ("#6741a0", "#eeeaf6"))  # line and tint of each stack
_TOP, _PILLS = 108.0, 146.0  # upper edge of the frames and of the environments' names in them
_NOTES: Final = (
    "An object belongs to the stack in whose frame it stands, unless its card names the other.",
    "Preview has the data of the stack it stands in, never the other's.",
    "Drawn as the rehearsal applies it; values live in the stack files, secrets encrypted.",
)
_PULL_REQUESTS: Final = "feature/*"  # deployment plan §1.1; no row declares it


@dataclass(frozen=True, kw_only=True)
class StackRows:
    """The settings of one stack and the rows derived from them."""

    settings: Settings
    web: WebPlan
    gate: GatePlan


@dataclass(frozen=True)
class _Block:
    heading: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class _Card:
    """Blocks under a label, as wide as one column."""

    label: str
    blocks: tuple[_Block, ...]

    @property
    def height(self) -> float:
        lines = sum(1 + len(_wrapped(block)) for block in self.blocks)
        return 30 + lines * _LINE + (len(self.blocks) - 1) * 8 + 8


@dataclass
class _Canvas:
    parts: list[str] = field(default_factory=list)

    def box(self, x: float, y: float, width: float, height: float, *, fill: str, edge: str) -> None:
        self.parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="9" '
            f'fill="{fill}" stroke="{edge}"/>'
        )

    def text(
        self, x: float, y: float, text: str, *, size: int = 12, fill: str = _INK, extra: str = ""
    ) -> None:
        self.parts.append(
            f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{fill}"{extra}>{escape(text)}</text>'
        )

    def arrow(self, x1: float, y1: float, x2: float, y2: float) -> None:
        self.parts.append(
            f'<path d="M{x1:g} {y1:g} L{x2:g} {y2:g}" stroke="{_SOFT}" stroke-width="1.5" '
            f'marker-end="url(#tip)"/>'
        )


_BOLD: Final = ' font-weight="600"'
_MIDDLE: Final = ' text-anchor="middle"'


def draw(owner: StackRows, other: StackRows) -> str:
    """The picture as SVG text: `owner` of Preview on the left with two environments, `other` on the right."""
    names = ("preview", owner.settings.environment, other.settings.environment)
    left, right = float(_MARGIN), _MARGIN + 3 * _PAD + 2 * _COLUMN + _GAP
    xs = (left + _PAD, left + 2 * _PAD + _COLUMN, right + _PAD)
    centres = tuple(x + _COLUMN / 2 for x in xs)
    environments = [
        (_vercel(owner, names[0]), _vercel(owner, names[1]), _vercel(other, names[2])),
        (_github(owner, names[0]), _github(owner, names[1]), _github(other, names[2])),
    ]
    stacks: tuple[list[tuple[_Card, ...]], list[tuple[_Card, ...]]] = (
        [_halves("Vercel", _shared(owner, other)), _halves("GitHub", _rulesets(owner))],
        [(_Card("Vercel", _shared(other, owner)),), (_Card("GitHub", _rulesets(other)),)],
    )
    first = _PILLS + 40
    below = first + sum(map(_row_height, environments))
    bottoms = [below + sum(map(_row_height, rows)) for rows in stacks]

    canvas = _Canvas()
    widths = (2 * _COLUMN + 3 * _PAD, _COLUMN + 2 * _PAD)
    frames = zip((owner, other), (left, right), widths, bottoms, _ACCENTS, strict=True)
    for stack, x, width, bottom, (accent, tint) in frames:
        canvas.box(x, _TOP, width, bottom - _TOP, fill=tint, edge=accent)
        canvas.text(x + _PAD, _TOP + 23, f"stack {stack.settings.stack}", size=13, fill=accent, extra=_BOLD)
    _branches(canvas, centres, owner, other)
    for name, centre, (accent, _) in zip(names, centres, (_ACCENTS[0], *_ACCENTS), strict=True):
        canvas.box(centre - 60, _PILLS, 120, 28, fill=accent, edge=accent)
        canvas.text(centre, _PILLS + 19, name.capitalize(), size=13, fill=_PAPER, extra=_BOLD + _MIDDLE)
    _draw_rows(canvas, environments, xs, first)
    for rows, columns in zip(stacks, (xs[:2], xs[2:]), strict=True):
        _draw_rows(canvas, rows, columns, below)
    end = max(bottoms[0] + len(_NOTES) * _LINE + 6, bottoms[1])
    for index, note in enumerate(_NOTES, 1):
        canvas.text(left + _PAD, bottoms[0] + 8 + index * _LINE, note, fill=_SOFT)
    return _page(canvas, end + _MARGIN)


def _branches(canvas: _Canvas, centres: Sequence[float], owner: StackRows, other: StackRows) -> None:
    """The branches on top, the merges between them and what carries each into its environment."""
    chips = (
        _PULL_REQUESTS,
        owner.settings.branch,
        " · ".join((other.settings.branch, *other.settings.tags)),
    )
    carried = (
        "each pull request",
        "each push",
        "a release in the stack file" if other.web.releases else "each push",
    )
    for chip, centre, how in zip(chips, centres, carried, strict=True):
        canvas.box(centre - 66, 24, 132, 34, fill=_PAPER, edge=_SOFT)
        canvas.text(centre, 46, chip, size=13, extra=_BOLD + _MIDDLE)
        canvas.arrow(centre, 58, centre, _PILLS - 3)
        canvas.text(centre + 10, 88, how, size=11, fill=_SOFT)
    for start, end, target in ((centres[0], centres[1], owner), (centres[1], centres[2], other)):
        canvas.arrow(start + 66, 41, end - 70, 41)
        count = target.settings.approvals
        label = f"merge, {count} approval{'s' if count > 1 else ''}"
        canvas.text((start + end) / 2, 33, label, size=11, fill=_SOFT, extra=_MIDDLE)


# --- what each card says ---------------------------------------------------------------------------------


def _vercel(rows: StackRows, environment: str) -> _Card:
    """One environment on Vercel: where it answers, what it tracks, its variables."""
    web = rows.web
    found = [v for v in web.variables if v.environment == environment]
    sensitive = sum(v.sensitive for v in found)
    count = f"{len(found)} variables, {sensitive} of them sensitive"
    if environment != web.environment:
        url = f"{rows.settings.vercel_project_name}-git-*.vercel.app"
        return _Card("Vercel", (_Block(url, ("Vercel's own URL of each branch", count)),))
    main, *redirects = web.domains
    lines = [f"{domain.domain} redirects here" for domain in redirects]
    if web.custom_environment:
        lines.append(f"custom environment, tracks {web.custom_environment.branch}")
    elif web.scope.git_branch:
        lines.append(f"Preview of branch {web.scope.git_branch}")
    lines.append(count)
    if web.releases:
        kept = " and N-1" if len(web.releases) > 1 else ""
        lines.append(f"release{kept} pinned by git SHA, rebuilt when a variable changes")
    elif web.follows:
        lines.append(f"{web.follows} is deployed again when a variable changes")
    return _Card("Vercel", (_Block(main.domain, tuple(lines)),))


def _github(rows: StackRows, environment: str) -> _Card:
    """One environment on GitHub; repositories that protect it alike share a block."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for found in rows.gate.environments:
        if found.rule.name == environment:
            alike.setdefault(_protection(found), []).append(found.rule.repository)
    blocks = [
        _Block(f"environment {environment}", (*lines, f"in {' and '.join(repositories)}"))
        for lines, repositories in alike.items()
    ]
    return _Card("GitHub", tuple(blocks) or (_Block("no environment", ("the GitHub plan has none",)),))


def _protection(environment: Environment) -> tuple[str, ...]:
    rule = environment.rule
    refs = [*(f"branch {branch}" for branch in rule.branches), *(f"tags {tag}" for tag in rule.tags)]
    lines = [f"only {' and '.join(refs)}" if refs else "any branch or tag"]
    if rule.reviewers:
        people = f"one of {len(rule.reviewers)} reviewers" if len(rule.reviewers) > 1 else "one reviewer"
        lines.append(f"{people} approves")
    else:
        lines.append("no reviewer")
    refused = [
        text
        for text, holds in (
            ("no self-review", rule.prevent_self_review),
            ("no admin bypass", not rule.admins_bypass),
        )
        if holds
    ]
    if refused:
        lines.append(", ".join(refused))
    if rule.wait_minutes:
        lines.append(f"waits {rule.wait_minutes} minutes")
    secrets, variables = len(environment.secrets), len(environment.variables)
    lines.append(f"{_count(secrets, 'secret')}, {_count(variables, 'variable')}")
    return tuple(lines)


def _shared(rows: StackRows, other: StackRows) -> tuple[_Block, ...]:
    """What the stack declares on Vercel for all its environments."""
    web = rows.web
    features = tuple(f"kill switch {key}: {state}" for key, state in web.features.items())
    edge = _Block(f"Edge Config {web.edge_config_name}", (*features, "read without a deployment"))
    name = f"project {rows.settings.vercel_project_name}"
    if not web.project:
        return edge, _Block(name, (f"used here, owned by stack {other.settings.stack}",))
    domains = "on" if web.project.auto_assign_custom_domains else "off"
    lines = [
        "adopted, protected, kept by destroy",
        f"git connection, production branch {web.project.production_branch}",
        f"automatic assignment of domains: {domains}",
    ]
    if web.retention:
        lines.append(f"keeps deployments for {web.retention}")
    return edge, _Block(name, tuple(lines))


def _rulesets(rows: StackRows) -> tuple[_Block, ...]:
    """The rulesets of the stack, one block a repository."""
    found: dict[str, list[str]] = {}
    for ruleset in rows.gate.rulesets:
        rule = ruleset.rule
        checks = (
            f", {_count(len(rule.checks), 'check')}: {', '.join(c.name for c in rule.checks)}"
            if rule.checks
            else ""
        )
        text = (
            f"{rule.pattern}: {_count(rule.approvals, 'approval')}{checks}"
            if rule.target == "branch"
            else f"{rule.pattern}: neither moved nor deleted"
        )
        found.setdefault(rule.repository, []).append(text)
    blocks = [_Block(f"rulesets of {repository}", tuple(lines)) for repository, lines in found.items()]
    return tuple(blocks) or (_Block("no rulesets", ("the GitHub plan has none",)),)


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"


def _halves(label: str, blocks: tuple[_Block, ...]) -> tuple[_Card, _Card]:
    """The blocks of a two-column stack: the first under its first environment, the others beside it."""
    first, *rest = blocks
    return _Card(label, (first,)), _Card(label, tuple(rest)) if rest else _Card("", ())


# --- drawing ---------------------------------------------------------------------------------------------


def _wrapped(block: _Block) -> list[str]:
    width = int((_COLUMN - 2 * 12) / _CHARACTER)
    return [part for line in block.lines for part in textwrap.wrap(line, width, break_on_hyphens=False)]


def _row_height(row: Sequence[_Card]) -> float:
    return max(card.height for card in row) + _PAD


def _draw_rows(canvas: _Canvas, rows: Sequence[Sequence[_Card]], xs: Sequence[float], y: float) -> None:
    """Cards of one row are equally high, whichever stack they stand in."""
    for row in rows:
        for card, x in zip(row, xs, strict=True):
            _draw_card(canvas, card, x, y, _row_height(row) - _PAD)
        y += _row_height(row)


def _draw_card(canvas: _Canvas, card: _Card, x: float, y: float, height: float) -> None:
    if not card.blocks:
        return
    canvas.box(x, y, _COLUMN, height, fill=_PAPER, edge=_EDGE)
    canvas.text(x + 12, y + 19, card.label.upper(), size=10, fill=_SOFT, extra=' letter-spacing="1.2"')
    line = y + 38
    for block in card.blocks:
        canvas.text(x + 12, line, block.heading, extra=_BOLD)
        for text in _wrapped(block):
            line += _LINE
            canvas.text(x + 12, line, text, fill=_SOFT)
        line += _LINE + 8


def _page(canvas: _Canvas, height: float) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height:g}" '
        f'viewBox="0 0 {_WIDTH} {height:g}" role="img" font-family="{_SANS}">\n'
        "<title>What each stack declares</title>\n"
        "<desc>Generated by python -m tools.docs from the plan rows of both stacks.</desc>\n"
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        f'orient="auto"><path d="M0 0 L8 4 L0 8 Z" fill="{_SOFT}"/></marker></defs>\n'
        f'<rect width="{_WIDTH}" height="{height:g}" rx="12" fill="{_GROUND}" stroke="{_EDGE}"/>\n'
    )
    return head + "\n".join(canvas.parts) + "\n</svg>\n"
