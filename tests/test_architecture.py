"""The house: in which order the rooms import each other, and how long a module may get."""

import ast
import graphlib
import re
from typing import Final

import grimp
import pytest
from importlinter.cli import lint_imports

from tests.builders import ROOT

ROOMS: Final = ("plan", "components", "operations", "rehearsal", "tools")
LONGEST: Final = 400  # lines of a module
_REASON: Final = re.compile(rf"^Over {LONGEST} lines: \S.", re.MULTILINE)  # in its docstring


def test_no_arrow_runs_back_and_no_circle(capsys: pytest.CaptureFixture[str]) -> None:
    """The contracts stand in pyproject.toml; imports inside functions and for types alone count as well."""
    kept = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    assert kept == 0, capsys.readouterr().out


def test_no_module_imports_the_package_that_imports_it() -> None:
    """Which are not side by side, so that no contract speaks of them."""
    graph = grimp.build_graph(*ROOMS, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    graphlib.TopologicalSorter(imports).prepare()  # CycleError names the modules


@pytest.mark.parametrize("room", ["plan", "components", "operations", "rehearsal", "tools"])
def test_a_module_is_short_or_says_why_not(room: str) -> None:
    long = {
        file.relative_to(ROOT).as_posix()
        for file in (ROOT / room).rglob("*.py")
        if len((text := file.read_text()).splitlines()) > LONGEST
        and not _REASON.search(ast.get_docstring(ast.parse(text)) or "")
    }
    assert not long, f"split it by subject, or say in its docstring: Over {LONGEST} lines: …"
