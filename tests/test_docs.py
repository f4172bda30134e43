"""Documents: the generated ones are current, and what the written ones tell a reader to run exists."""

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from plan.config import KNOWN_KEYS
from plan.variables import MATRIX
from rehearsal import stack_files
from tools import docs

ROOT = docs.ROOT
WRITTEN = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A root with the generated documents, free to be broken."""
    (tmp_path / "Pulumi.yaml").write_bytes((ROOT / "Pulumi.yaml").read_bytes())
    assert docs.main([], tmp_path) == 0
    return tmp_path


# --- generated documents ---------------------------------------------------------------------------------


def test_every_generated_document_is_current() -> None:
    assert docs.stale() == [], "run: python -m tools.docs"


def test_check_passes_right_after_writing(clone: Path) -> None:
    assert docs.main(["--check"], clone) == 0


def test_check_names_a_changed_document_and_writes_nothing(
    clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = clone / "docs" / "protection.md"
    changed.write_text("something else\n")
    assert docs.main(["--check"], clone) == 1
    assert re.findall(r"stale: (\S+)", capsys.readouterr().err) == ["docs/protection.md"]
    assert changed.read_text() == "something else\n"


def test_check_names_a_missing_document(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (clone / "docs" / "stack.svg").unlink()
    assert docs.main(["--check"], clone) == 1
    assert re.findall(r"stale: (\S+)", capsys.readouterr().err) == ["docs/stack.svg"]


def test_no_value_of_a_variable_reaches_a_document(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rehearsal's values are random: that two runs agree says that none is written."""
    values: set[str] = set()
    render = stack_files.render

    def watched(*arguments: object) -> stack_files.StackValues:
        found = render(*arguments)  # type: ignore[arg-type]
        values.update(found.secrets.values())
        values.update(str(found.config[row.key]) for row in MATRIX if row.key in found.config)
        return found

    monkeypatch.setattr(stack_files, "render", watched)
    first, second = docs.documents(), docs.documents()
    assert first == second
    assert len(values) > 2 * len(stack_files.STACKS)
    assert not [value for value in values for text in first.values() if value in text]


def test_the_matrix_numbers_the_plans_eleven_rows() -> None:
    text = docs.documents()["docs/variables.md"]
    rows = re.findall(r"^\| (\d*) \| `([A-Z_]+)` \|", text, re.MULTILINE)
    assert [key for _, key in rows] == [row.key for row in MATRIX]
    assert list(dict.fromkeys(number for number, _ in rows if number)) == [str(n) for n in range(1, 12)]


def test_every_key_of_the_project_file_is_described_under_a_heading() -> None:
    text = docs.documents()["docs/stack-file.md"]
    declared = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == set(declared)
    assert len(re.findall(r"^## ", text, re.MULTILINE)) > 1


# --- the picture -----------------------------------------------------------------------------------------


def _picture() -> ET.Element:
    return ET.fromstring(docs.documents()["docs/stack.svg"])  # noqa: S314  our own text


def test_the_picture_refers_to_nothing_outside_itself() -> None:
    text = docs.documents()["docs/stack.svg"]
    assert re.findall(r"https?://[^\"' ]+", text) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"href|@import|<image|<script", text)


def test_the_picture_names_domains_branches_and_rulesets_of_both_stacks() -> None:
    said = "\n".join(element.text or "" for element in _picture().iter(f"{SVG}text"))
    for rows in docs.load_stacks():
        for domain in rows.web.domains:
            assert domain.domain in said
        for ruleset in rows.gate.rulesets:
            assert f"{ruleset.rule.pattern}: " in said
        own = [v for v in rows.web.variables if v.environment == rows.web.environment]
        assert f"{len(own)} variables, {sum(v.sensitive for v in own)} of them sensitive" in said


def test_no_line_of_the_picture_runs_out_of_its_card() -> None:
    picture = _picture()
    boxes = [
        tuple(float(box.get(side, "0")) for side in ("x", "y", "width", "height"))
        for box in picture.iter(f"{SVG}rect")
    ]
    for text in picture.iter(f"{SVG}text"):
        x, y = float(text.get("x", "0")), float(text.get("y", "0"))
        width = len(text.text or "") * float(text.get("font-size", "0")) * 0.56  # of a wide sans-serif
        left = x - width / 2 if text.get("text-anchor") == "middle" else x
        around = [b for b in boxes if b[0] <= x <= b[0] + b[2] and b[1] <= y <= b[1] + b[3]]
        inner = min(around, key=lambda b: b[2] * b[3])
        assert inner[0] <= left, text.text
        assert left + width <= inner[0] + inner[2], text.text


# --- written documents -----------------------------------------------------------------------------------


def _commands(pattern: str) -> Iterator[str]:
    found = {match for path in WRITTEN for match in re.findall(pattern, path.read_text(), re.MULTILINE)}
    assert found, f"no document has a command like {pattern}"
    yield from sorted(found)


def test_every_make_target_that_a_document_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):(?!=)", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(_commands(r"(?:^|`)make ([a-z-]+)")) <= targets


@pytest.mark.real
@pytest.mark.parametrize("module", ["operations", "rehearsal"])
def test_every_verb_that_a_document_names_exists(module: str) -> None:
    for verb in sorted(set(_commands(rf"python -m {module} ([a-z]+)"))):
        done = subprocess.run(
            [sys.executable, "-m", module, verb, "--help"],
            cwd=ROOT, env={**os.environ, "NO_COLOR": "1"}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"python -m {module} {verb}: {done.stderr}"


def test_every_key_that_a_document_sets_exists() -> None:
    set_with_pulumi = set(_commands(r"pulumi config [sg]et (?:--path )?'?(\w+)"))
    set_with_operations = set(_commands(r"python -m operations (?:set|stamp) (\w+)"))
    assert (set_with_pulumi | set_with_operations) - {"KEY"} <= KNOWN_KEYS


def test_every_hazard_has_a_short_name_of_its_own() -> None:
    rows = re.findall(r"^\| `([^`]+)` \|", (ROOT / "docs" / "hazards.md").read_text(), re.MULTILINE)
    assert len(rows) > 1
    assert len(set(rows)) == len(rows)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", name) for name in rows)


# --- decisions -------------------------------------------------------------------------------------------

DECISIONS = sorted((ROOT / "docs/adr").glob("[0-9]*.md"))


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem[:4])
def test_a_decision_has_its_four_parts_and_fits_a_screen(path: Path) -> None:
    text = path.read_text()
    assert re.match(rf"# {path.stem[:4]}\. .+\n\nStatus: (accepted on [\d-]+|superseded by \d{{4}})\b", text)
    parts = re.findall(r"^## (.+)\n\n(?=\S)", text, re.MULTILINE)
    assert parts == ["Context", "Decision", "Consequences"]
    assert len(text.split()) <= 250
    for successor in re.findall(r"superseded by (\d{4})", text):
        assert list(path.parent.glob(f"{successor}-*.md")), successor


def test_the_index_names_every_decision_once_and_numbers_are_given_once() -> None:
    index = re.findall(r"\]\((\d{4}-[^)]+\.md)\)", (ROOT / "docs/adr/README.md").read_text())
    assert sorted(index) == [path.name for path in DECISIONS] != []
    assert len({name[:4] for name in index}) == len(index)
