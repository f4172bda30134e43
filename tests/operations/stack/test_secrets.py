"""A secret is set together with its date and HMAC, or stamped after it was set by hand."""

import io
import sys
from datetime import timedelta
from typing import Any

import pytest
import yaml

from operations.cli import console
from operations.stack import secrets
from operations.stack.workspace import OperationError, Workspace
from plan import preflight
from plan.fingerprints import fingerprint, key_fingerprint
from tests.builders import TODAY
from tests.operations.conftest import FINGERPRINT_KEY, STACK_FILE

LATER = TODAY + timedelta(days=30)


def records(workspace: Workspace) -> dict[str, Any]:
    config = yaml.safe_load(workspace.stack_file.read_text())["config"]
    found: dict[str, Any] = config.get("paintshare:rotation", {})
    return found


def test_setting_a_secret_writes_value_date_and_hmac(workspace: Workspace) -> None:
    secrets.set_secret(workspace, "SENTRY_DSN", "the-value", TODAY)
    loaded = workspace.load().settings
    assert loaded.values["SENTRY_DSN"].get_secret_value() == "the-value"
    mac = fingerprint(FINGERPRINT_KEY, "the-value")
    assert records(workspace) == {"SENTRY_DSN": {"date": TODAY.isoformat(), "hmac": mac}}


def test_line_ends_around_a_secret_are_cut_where_it_enters(workspace: Workspace) -> None:
    secrets.set_secret(workspace, "SENTRY_DSN", "\nthe-value\r\n\n", TODAY)
    assert workspace.load().settings.values["SENTRY_DSN"].get_secret_value() == "the-value"
    assert records(workspace)["SENTRY_DSN"]["hmac"] == fingerprint(FINGERPRINT_KEY, "the-value")
    secrets.set_secret(workspace, "SOCKET_HOST_KEY", "-----BEGIN\r\nKEY\r\nEND-----\r\n", TODAY)
    assert (
        workspace.load().settings.values["SOCKET_HOST_KEY"].get_secret_value() == "-----BEGIN\nKEY\nEND-----"
    )


def test_standard_input_that_is_no_text_is_refused_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    utf_16 = io.BytesIO("https://dsn".encode("utf-16"))  # what a shell of Windows writes into a pipe
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(utf_16, encoding="utf-8"))
    with pytest.raises(OperationError, match="no UTF-8 text"):
        console.read_value("SENTRY_DSN")


def test_other_records_stay_as_they_are(workspace: Workspace) -> None:
    secrets.set_secret(workspace, "SENTRY_DSN", "one", TODAY)
    secrets.set_secret(workspace, "WATCHDOG_URL", "two", LATER)
    assert {key: record["date"] for key, record in records(workspace).items()} == {
        "SENTRY_DSN": TODAY.isoformat(),
        "WATCHDOG_URL": LATER.isoformat(),
    }


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("webDomain", "x", "no secret of the matrix"),
        ("NEXT_PUBLIC_SENTRY_DSN", "x", "no secret of the matrix"),
        ("SENTRY_DSN", "", "empty"),
        ("fingerprintKey", "short", "32 characters"),
        ("SENTRY_DSN", "\r\n", "empty"),
        ("SENTRY_DSN", " \n", "SENTRY_DSN is blank"),
        ("SENTRY_DSN", '"https://dsn"', "SENTRY_DSN came with quotes around it"),
        ("SENTRY_DSN", "https://dsn\u200b", "SENTRY_DSN came with an invisible character"),
    ],
)
def test_what_cannot_be_set_is_said_and_changes_nothing(
    workspace: Workspace, key: str, value: str, message: str
) -> None:
    before = workspace.stack_file.read_bytes()
    with pytest.raises(OperationError, match=message) as refused:
        secrets.set_secret(workspace, key, value, TODAY)
    assert "dsn" not in str(refused.value)
    assert workspace.stack_file.read_bytes() == before


def without_fingerprint_key(workspace: Workspace) -> None:
    text = STACK_FILE.split("  paintshare:fingerprintKey")[0]
    workspace.stack_file.write_text(text)


def test_without_a_fingerprint_key_the_message_says_how_to_set_it(workspace: Workspace) -> None:
    without_fingerprint_key(workspace)
    with pytest.raises(OperationError, match="operations set fingerprintKey --stack staging"):
        secrets.set_secret(workspace, "SENTRY_DSN", "x", TODAY)


def test_a_new_fingerprint_key_renews_each_hmac_and_keeps_each_date(workspace: Workspace) -> None:
    secrets.set_secret(workspace, "SENTRY_DSN", "one", TODAY)
    dated = {"SENTRY_DSN": records(workspace)["SENTRY_DSN"]}
    without_fingerprint_key(workspace)
    workspace.rewrite(lambda config: config.update({"paintshare:rotation": dated}), {"SENTRY_DSN": "one"})
    new = "another fingerprint key of more than 32 characters"
    secrets.set_secret(workspace, "fingerprintKey", new, LATER)
    expected = {"date": TODAY.isoformat(), "hmac": fingerprint(new, "one")}
    own = {"date": LATER.isoformat(), "hmac": key_fingerprint(new)}
    assert records(workspace) == {"SENTRY_DSN": expected, "fingerprintKey": own}


def test_a_stamp_dates_what_was_set_by_hand_and_nothing_else(workspace: Workspace) -> None:
    secrets.set_secret(workspace, "SENTRY_DSN", "one", TODAY)
    workspace.rewrite(lambda _: None, secrets={"WATCHDOG_URL": "by hand"})
    assert secrets.stamp(workspace, (), LATER) == ("WATCHDOG_URL", "fingerprintKey")
    assert records(workspace)["SENTRY_DSN"]["date"] == TODAY.isoformat()
    assert records(workspace)["WATCHDOG_URL"] == {
        "date": LATER.isoformat(),
        "hmac": fingerprint(FINGERPRINT_KEY, "by hand"),
    }
    assert secrets.stamp(workspace, (), LATER) == ()


@pytest.mark.parametrize("date", ["2.3.2026", "2026-03-02 later", "2126-03-02"])
def test_a_stamp_mends_a_date_that_is_none(workspace: Workspace, date: str) -> None:
    secrets.set_secret(workspace, "SENTRY_DSN", "one", TODAY)
    mac = records(workspace)["SENTRY_DSN"]["hmac"]
    wrong = {"SENTRY_DSN": {"date": date, "hmac": mac}}
    workspace.rewrite(lambda config: config.update({"paintshare:rotation": wrong}))
    assert secrets.stamp(workspace, ["SENTRY_DSN"], LATER) == ("SENTRY_DSN",)
    assert records(workspace)["SENTRY_DSN"] == {"date": LATER.isoformat(), "hmac": mac}


@pytest.mark.parametrize(
    ("key", "message"),
    [("webDomain", "no secret"), ("SENTRY_DSN", "operations set SENTRY_DSN --stack staging")],
)
def test_what_cannot_be_stamped_is_said_and_changes_nothing(
    workspace: Workspace, key: str, message: str
) -> None:
    before = workspace.stack_file.read_bytes()
    with pytest.raises(OperationError, match=message):
        secrets.stamp(workspace, [key], TODAY)
    assert workspace.stack_file.read_bytes() == before


def test_what_was_set_passes_preflights_record_check(workspace: Workspace) -> None:
    secrets.set_secret(workspace, "SENTRY_DSN", "one", TODAY)
    assert not [p for p in preflight.check(workspace.load(), TODAY).problems if p.key == "SENTRY_DSN"]


def test_the_key_of_the_hmacs_is_stamped_by_a_mark_that_two_stacks_can_compare(workspace: Workspace) -> None:
    assert secrets.stamp(workspace, ["fingerprintKey"], TODAY) == ("fingerprintKey",)
    mark = {"date": TODAY.isoformat(), "hmac": key_fingerprint(FINGERPRINT_KEY)}
    assert records(workspace) == {"fingerprintKey": mark}
    assert "without the record" not in preflight.check(workspace.load(), TODAY).error_text()
