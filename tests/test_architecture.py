"""The house: in which order the rooms import each other, and how long a module may get."""

import pytest
from importlinter.cli import lint_imports

from tests.builders import ROOT


def test_no_arrow_runs_back_and_no_circle(capsys: pytest.CaptureFixture[str]) -> None:
    """The contracts stand in pyproject.toml; imports inside functions and for types alone count as well."""
    kept = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    assert kept == 0, capsys.readouterr().out
