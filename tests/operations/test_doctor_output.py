"""`doctor` as a script reads it: one document, of the shape in docs/json, and the exit code."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import jsonschema  # type: ignore[import-untyped]  # it brings no types
import pytest
import typer

from operations.cli import doctor
from operations.verbs import doctor as examination
from operations.verbs.doctor import Check
from tests.schemas import parsed

FOUND = (
    Check(what="the engine is there"),
    Check(what="the token", fault="it ends on 2026-12-24", fix="make a new one"),
    Check(what="the certificate", skipped="openssl is not installed here"),
)


@pytest.fixture
def examined(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    @contextmanager
    def accounts(*_: object) -> Iterator[tuple[SimpleNamespace, str, str]]:
        yield SimpleNamespace(env={}), "", ""

    monkeypatch.setattr(doctor, "accounts_of", accounts)
    monkeypatch.setattr(examination, "examine", lambda *_: iter(request.param))


@pytest.mark.parametrize("examined", [FOUND], indirect=True)
@pytest.mark.usefixtures("examined")
def test_every_check_is_told_and_a_fault_ends_with_code_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(typer.Exit) as ended:
        doctor.doctor("staging", as_json=True)
    assert ended.value.exit_code == 1
    told = parsed("doctor", capsys.readouterr().out)
    assert (told["stack"], told["findings"]) == ("staging", 1)
    assert [Check(**check) for check in told["checks"]] == list(FOUND)


@pytest.mark.parametrize("examined", [FOUND[:1]], indirect=True)
@pytest.mark.usefixtures("examined")
def test_without_a_fault_it_ends_well(capsys: pytest.CaptureFixture[str]) -> None:
    doctor.doctor("staging", as_json=True)
    assert parsed("doctor", capsys.readouterr().out)["findings"] == 0


def test_a_document_of_another_shape_would_be_seen() -> None:
    with pytest.raises(jsonschema.ValidationError, match="'checks' is a required property"):
        parsed("doctor", '{"stack": "staging", "findings": 0}')
