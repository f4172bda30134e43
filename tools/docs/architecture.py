"""docs/architecture.md: the rooms with the imports between them, where to change what, what is left out.

The picture is drawn from the imports, the order of the rooms is that of the contracts in pyproject.toml, and
what a room is for is the first sentence of its docstring.
"""

import ast
import tomllib
from functools import cache
from pathlib import Path
from typing import Final

import grimp

from tools.docs.page import HEAD, table

_ROOMS_HEAD: Final = """\
# Architecture

The plan is rows, components turn rows into resources, the operations are what a person runs around
that. A room imports from those below it in the picture and never from those above;
`tests/test_architecture.py` keeps it so.
"""
_READING: Final = """\
Drawn from the imports; an arrow that follows from others is left out. `__main__.py` is the program's
table of contents, `Pulumi.yaml` declares every key, `Pulumi.STACK.yaml` states what a stack is, and
`tests/` mirrors the tree ([which kind of test for which claim](../tests/README.md)).
"""
_CHANGES: Final = """\
## Where to change what

| To change | Edit |
| --- | --- |
| a variable or secret | a row of `plan/variables.py`, its key in `Pulumi.yaml` |
| a required check, what an environment protects | `plan/protection.py` |
| a branch, domain, reviewer, wait, number of approvals | the stack file |
| a setting of the Vercel project | `vercelProject` in `Pulumi.production.yaml` |
| a rule of the checks before a run | `plan/preflight/` |
| the socket server's health gate, limits, proxy | `plan/socket.py` |
| an alert's limit, severity or wording | its row in `plan/alerts/` |
| probes, channels, working hours | `plan/uptime/` |
| how a row becomes a resource | `components/` |
| what a verb does, what it says | `operations/verbs/`, `operations/cli/` |
| a line of the Go/No-Go list | `operations/verbs/promote.py` gathers it, `plan/promotion.py` judges it |
| a part of a release, what its rollback touches | its file in `operations/parts/` |
| a new part | a file there, its name in `operations/parts/__init__.py`, its keys in `plan/settings.py` |
| where the socket server runs | `operations/parts/runtime.py`, `swarm.py`; its component |
| what becomes N-1 | `plan/promotion.py` (`kept`), `operations/parts/release.py` |
| a check of `doctor` | `operations/verbs/doctor/` |
| what the rehearsal's account holds | `rehearsal/standin/` |

After a change of rows, or of which room imports which, `python -m tools.docs` writes the generated
documents anew; a test compares them.

## What it does not manage, on purpose

| Left out | Why |
| --- | --- |
| the app's code, its CI and its deploy workflows | the app has them; only the checks' names are known here |
| the GitHub repositories themselves | adopting one wipes every setting that is not declared |
| the Vercel team, members and billing | one mistake would reach every other project |
| DNS records | the zone has other owners; Vercel says which record a domain needs |
| Supabase's settings, PITR and migrations | the data must not hang on this program's state |
| accounts of people, and their own secrets | they belong to the identity provider |
| Vercel's *Development* target | it holds no sensitive values; a developer's machine has its own `.env` |
| building and pushing images | the app's CI does, and hands over a digest |
"""
_SHOWN: Final = ("plan", "components", "operations", "rehearsal", "tools")  # the tests import everything


def text(root: Path) -> str:
    """The document. Its picture is Mermaid, which GitHub draws."""
    rooms, wings = _orders(root)
    boxes = [box for room in rooms for box in (wings if room == wings[0].partition(".")[0] else [room])]
    lines = [HEAD, _ROOMS_HEAD, "```mermaid", "flowchart TD"]
    for room in rooms:
        inner = [box for box in boxes if box.startswith(f"{room}.")]
        if inner:
            lines += [f"  subgraph {room}", *(f"    {_node(box)}" for box in inner), "  end"]
        else:
            lines.append(f"  {_node(room)}")
    lines += [f"  {a} --> {b}" for a, b in sorted(_arrows(tuple(boxes)))]
    lines += ["```", "", _READING]
    what = ((f"`{box.replace('.', '/')}/`", _purpose(root / box.replace(".", "/"))) for box in boxes)
    lines += ["## Rooms", "", *table(("Room", "What is in it"), what), "", _CHANGES.rstrip()]
    return "\n".join(lines) + "\n"


def _orders(root: Path) -> tuple[list[str], list[str]]:
    """The rooms and the wings of one of them, uppermost first, as the contracts order them."""
    contracts = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = {contract["id"]: contract.get("layers") for contract in contracts}
    return [room for room in layers["rooms"] if room in _SHOWN], layers["wings"]


@cache
def _modules() -> dict[str, frozenset[str]]:
    graph = grimp.build_graph(*_SHOWN, cache_dir=None)
    return {
        module: frozenset(graph.find_modules_directly_imported_by(module)) for module in sorted(graph.modules)
    }


def _within(module: str, box: str) -> bool:
    return f"{module}.".startswith(f"{box}.")


def _node(box: str) -> str:
    return f'{box}["{box.replace(".", "/")}"]'


def _arrows(boxes: tuple[str, ...]) -> set[tuple[str, str]]:
    """Which box imports which, without those between which a way over others leads."""

    def home(module: str) -> str | None:
        return next((box for box in boxes if _within(module, box)), None)

    pairs = ((home(module), home(other)) for module, found in _modules().items() for other in found)
    arrows = {(a, b) for a, b in pairs if a and b and a != b}
    return {pair for pair in arrows if not _detour(pair, arrows)}


def _detour(pair: tuple[str, str], arrows: set[tuple[str, str]]) -> bool:
    start, goal = pair
    seen: set[str] = set()
    ways = [b for a, b in arrows if a == start and b != goal]
    while ways:
        box = ways.pop()
        if box == goal:
            return True
        if box not in seen:
            seen.add(box)
            ways += [b for a, b in arrows if a == box]
    return False


def _purpose(folder: Path) -> str:
    """The first sentence of a package's docstring."""
    said = ast.get_docstring(ast.parse((folder / "__init__.py").read_text())) or ""
    return " ".join(said.split("\n\n")[0].split())
