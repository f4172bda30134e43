"""Documents generated from the plan: `python -m tools.docs` writes them, `--check` names stale ones.

Owns docs/variables.md, docs/stack-file.md, docs/protection.md, docs/delivery.md, docs/alerts.md,
docs/architecture.md and docs/stack.svg, a module each. The rows are those of the rehearsal's stack files,
which are the committed ones with demo names for placeholders; values of variables reach no document, so that
equal rows give equal bytes.
"""

import argparse
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

import yaml

from plan.config import parse
from plan.gate import gate_plan
from plan.web import web_plan
from rehearsal import stack_files
from tools.docs import alerts, architecture, delivery, protection, stack_file, variables
from tools.docs.page import REGENERATE
from tools.picture import StackRows, draw

ROOT: Final = Path(__file__).resolve().parents[2]


def _declared(root: Path) -> dict[str, Any]:
    declared: dict[str, Any] = yaml.safe_load((root / "Pulumi.yaml").read_text())["config"]
    return declared


def load_stacks(root: Path = ROOT) -> tuple[StackRows, ...]:
    """The rows of every stack of the rehearsal, in its order; only names, counts and rules are used."""
    declared = _declared(root)
    defaults = {key: spec["default"] for key, spec in declared.items() if "default" in spec}
    found = []
    for stack in stack_files.STACKS:
        values = stack_files.render(stack, date(2026, 1, 1), "k" * 32)
        raw = {**defaults, **values.config, **values.secrets}
        loaded = parse(stack, raw, values.secrets)
        if loaded.problems:
            raise ValueError(f"Pulumi.{stack}.yaml: {loaded.problems}")
        settings = loaded.settings
        found.append(StackRows(settings=settings, web=web_plan(settings), gate=gate_plan(settings)))
    return tuple(found)


def documents(root: Path = ROOT) -> dict[str, str]:
    """Path below the root -> text of every generated document."""
    stacks = load_stacks(root)
    owner = next(rows for rows in stacks if rows.settings.preview)
    other = next(rows for rows in stacks if not rows.settings.preview)
    return {
        "docs/variables.md": variables.text(stacks),
        "docs/stack-file.md": stack_file.text((root / "Pulumi.yaml").read_text()),
        "docs/protection.md": protection.text(stacks),
        "docs/alerts.md": alerts.text(other.settings),
        "docs/delivery.md": delivery.text(stacks),
        "docs/architecture.md": architecture.text(ROOT),
        "docs/stack.svg": draw(owner, other),
    }


def stale(root: Path = ROOT) -> list[str]:
    """Generated documents whose file is missing or differs, by path below the root."""
    return [
        path
        for path, text in documents(root).items()
        if not (root / path).is_file() or (root / path).read_text() != text
    ]


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Write the documents, or with --check name the stale ones and return 1."""
    parser = argparse.ArgumentParser(prog=REGENERATE, description="Generate docs/ from the plan's rows.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 naming stale files")
    check = parser.parse_args(arguments).check
    found = stale(root)
    if check:
        for path in found:
            print(f"stale: {path} (mend it with: {REGENERATE})", file=sys.stderr)
        return 1 if found else 0
    texts = documents(root)
    for path in found:
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_text(texts[path])
        print(f"written: {path}")
    return 0
