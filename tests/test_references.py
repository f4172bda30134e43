"""What a text of this repository points at is in it: files, sections, hazards, decisions.

Any path below one of the rooms counts, wherever it stands: documents, comments, docstrings, messages.
"""

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

from rehearsal.standin import docker, github, vercel
from tools import docs

ROOT = docs.ROOT
URL = re.compile(r"https?://[^\s)>\"']+")
ROOMS = "docs|findings|plan|components|operations|rehearsal|tools|tests|\\.github"
PATH = re.compile(rf"(?<![\w./~{{}}-])(?:{ROOMS})/[\w./-]*\w(?:#[\w-]+)?(?![\w*/{{<…-])")
LINK = re.compile(r"\]\(([^)\s]+)\)")
HAZARD = re.compile(r"\bhazards?\s+((?:`[a-z-]+`(?:,\s+|\s+and\s+)?)+)")
DECISION = re.compile(r"\bADR (\d{4})\b")
ELSEWHERE = re.compile(r"\b(?:FACTS|STYLE|DESIGN)\b")  # notes of whoever wrote this program, in no repository
THIS = Path(__file__).relative_to(ROOT).as_posix()  # its examples point nowhere on purpose


@cache
def texts() -> dict[str, str]:
    """Every text file that git knows, by path; a new one that is not ignored too."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split("\0")  # fmt: skip
    kinds = (".md", ".py", ".yml", ".yaml", ".toml", ".in", ".json5", "Makefile", ".sh", ".ci/run")
    return {
        path: (ROOT / path).read_text()
        for path in listed
        if path.endswith(kinds) and path != THIS and (ROOT / path).is_file()
    }


def headings(text: str) -> set[str]:
    """GitHub's names of a document's headings: lower case, punctuation dropped, spaces to hyphens."""
    written = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in written}


@cache
def hazards() -> frozenset[str]:
    return frozenset(re.findall(r"^\| `([^`]+)` \|", (ROOT / "docs/hazards.md").read_text(), re.MULTILINE))


def dangling(path: str, text: str) -> Iterator[str]:
    """Each reference of a text that leads nowhere."""
    bare = URL.sub("", text)
    named = [(ROOT, reference) for reference in PATH.findall(bare)]
    if path.endswith(".md"):
        named += [((ROOT / path).parent, link) for link in LINK.findall(text) if not URL.match(link)]
    for folder, reference in named:
        file, _, section = reference.partition("#")
        target = folder / file if file else ROOT / path
        there = target.exists() or target.with_suffix(".py").exists()
        if not there or (section and section not in headings(target.read_text())):
            yield reference
    for names in HAZARD.findall(bare):
        yield from (f"hazard {name}" for name in re.findall(r"`([a-z-]+)`", names) if name not in hazards())
    for number in DECISION.findall(bare):
        if not list((ROOT / "docs/adr").glob(f"{number}-*.md")):
            yield f"ADR {number}"
    yield from ELSEWHERE.findall(text)


def test_no_text_points_at_what_is_not_in_this_repository() -> None:
    assert len(texts()) > 100
    found = {path: sorted(set(dangling(path, text))) for path, text in texts().items()}
    assert {path: references for path, references in found.items() if references} == {}


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("plan/web.py", "# see docs/gone.md", ["docs/gone.md"]),
        ("plan/web.py", "# see docs/runbook.md#no-such-section", ["docs/runbook.md#no-such-section"]),
        ("docs/alerts.md", "[there](gone.md) and [here](#nowhere)", ["gone.md", "#nowhere"]),
        ("Makefile", "# plan/gone.py", ["plan/gone.py"]),
        ("plan/web.py", "(hazards `git-link-cut`, `no-such`)", ["hazard no-such"]),
        ("plan/web.py", "(ADR 9999)", ["ADR 9999"]),
        ("plan/web.py", "(FACTS)", ["FACTS"]),
        ("README.md", "[hazards](docs/hazards.md), <https://example.com/docs/gone.md>, plan/web.py", []),
        ("plan/web.py", "(hazard `git-link-cut`), docs/hazards.md#vercel, plan/preflight", []),
    ],
)
def test_a_reference_that_leads_nowhere_is_found(path: str, text: str, expected: list[str]) -> None:
    assert list(dangling(path, text)) == expected


@pytest.mark.parametrize(
    "module", [vercel, github, docker], ids=lambda module: module.__name__.split(".")[-1]
)
def test_what_a_rule_says_was_seen_stands_in_the_documents(module: ModuleType) -> None:
    sections = headings((ROOT / "docs/providers.md").read_text())
    seen = {name: re.findall(r"seen#([\w-]+)", source) for name, source in module.RULES.items()}
    assert any(seen.values())
    assert [name for name, named in seen.items() if not sections.issuperset(named)] == []
