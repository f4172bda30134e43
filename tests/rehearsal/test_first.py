"""What `make rehearse` begins with: the engine at once, the packages beside it, how long it will take."""

import os
import subprocess
from pathlib import Path

import pytest

from rehearsal import engine, first, venv

pytestmark = pytest.mark.real


@pytest.fixture
def order(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was done, in its order; the process does not become another one."""
    done: list[str] = []

    def ensure() -> Path:
        done.append("packages")
        return Path("/venv")

    def execute(python: str, words: list[str], environment: dict[str, str]) -> None:
        done.append(" ".join([python, *words[1:]]))
        assert float(environment[first.BEGAN]) > 0

    monkeypatch.setattr(subprocess, "Popen", lambda command, **_: done.append(" ".join(command[1:])))
    monkeypatch.setattr(venv, "ensure", ensure)
    monkeypatch.setattr(os, "execve", execute)
    return done


def test_the_engine_is_begun_before_there_are_packages(
    order: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(engine, "at_hand", lambda: False)
    first.main(["up"])
    assert order == ["-m rehearsal.engine --ahead", "packages", "/venv/bin/python -m rehearsal up"]
    assert "to build the Pulumi engine, once" in capsys.readouterr().out


def test_with_an_engine_none_is_begun(
    order: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(engine, "at_hand", lambda: True)
    first.main(["up"])
    assert order == ["packages", "/venv/bin/python -m rehearsal up"]
    assert "Pulumi" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("cores", "building", "said"),
    [
        (2, 220, "about 5 min on this machine (2 cores), 4 of them to build the Pulumi engine, once."),
        (8, 55, "about 2 min on this machine (8 cores), 1 of them to build the Pulumi engine, once."),
        (2, 0, "about 75 s on this machine (2 cores)."),
        (1, 0, "about 150 s on this machine (1 cores)."),
        (8, 0, "about 38 s on this machine (8 cores)."),
    ],
)
def test_how_long_it_takes_depends_on_the_cores_and_on_what_is_missing(
    cores: int, building: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert first.expected(building).endswith(said)
