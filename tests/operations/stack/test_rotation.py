"""Reminders: from 75 days on, per stack, from dates in the clear."""

from datetime import date, timedelta
from pathlib import Path

from operations.stack.rotation import Due, due
from tests.builders import TODAY, production, staging


def ages(folder: Path) -> dict[tuple[str, str], int]:
    return {(d.stack, d.key): d.days for d in due(folder, TODAY)}


def test_a_secret_is_due_from_the_75th_day_in_the_stack_where_it_is_old(tmp_path: Path) -> None:
    old, new = staging(), production()
    old.set_secret("SENTRY_DSN", "a", TODAY - timedelta(days=75))
    old.set_secret("BATTLE_PASSWORD_PEPPER", "b", TODAY - timedelta(days=74))
    new.set_secret("SENTRY_DSN", "c", TODAY - timedelta(days=91))
    for file in (old, new):
        file.write(tmp_path)
    assert ages(tmp_path) == {("production", "SENTRY_DSN"): 91, ("staging", "SENTRY_DSN"): 75}


def test_a_record_of_a_secret_that_is_gone_reminds_nobody(tmp_path: Path) -> None:
    file = staging()
    file.set_secret("SENTRY_DSN", "a", TODAY - timedelta(days=100))
    del file.secrets["SENTRY_DSN"]
    file.write(tmp_path)
    assert ages(tmp_path) == {}


def test_the_committed_stack_files_and_an_empty_one_are_read(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.empty.yaml").write_text("")
    assert ages(tmp_path) == {}


def test_an_issue_says_until_when_and_how_and_holds_no_value() -> None:
    found = Due(stack="production", key="SENTRY_DSN", rotated=date(2026, 1, 1), days=80)
    title, body = found.issue()
    assert title == "Rotate SENTRY_DSN of production: 80 days old"
    assert body.startswith(found.marker)
    assert "until 2026-04-01" in body
    assert "python -m operations rotate SENTRY_DSN --stack production" in body
    assert Due(stack="s", key="K", rotated=date(2026, 1, 1), days=90).issue()[0].startswith("Overdue")
