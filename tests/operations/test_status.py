"""What `status` says of a key: set with its age, missing, derived, made; never its value."""

import io
from datetime import timedelta

import pytest
from rich.console import Console

from operations.cli.status import show
from operations.status import StackStatus, keys
from tests.builders import TODAY, StackFile, staging


def cells(file: StackFile) -> dict[tuple[str, str], tuple[str, int | None, str]]:
    found = keys(file.settings(), TODAY)
    return {(key.key, key.environment): (key.state, key.age, key.due) for key in found}


@pytest.mark.parametrize(("age", "due"), [(0, ""), (74, ""), (75, "soon"), (89, "soon"), (90, "overdue")])
def test_a_secret_is_shown_with_its_age_and_from_75_days_as_due(age: int, due: str) -> None:
    file = staging()
    file.set_secret("SENTRY_DSN", file.secrets["SENTRY_DSN"], on=TODAY - timedelta(days=age))
    assert cells(file)["SENTRY_DSN", "staging"] == ("set", age, due)


def test_what_has_no_value_says_why() -> None:
    found = {place: state for place, (state, _, _) in cells(staging()).items()}
    assert found["SUPABASE_URL", "staging"] == "derived"
    assert found["EDGE_CONFIG", "staging"] == "made"
    assert found["NEXT_PUBLIC_APP_URL", "preview"] == "platform"
    assert found["SLACK_WEBHOOK_URL", "preview"] == "refused"
    assert found["SENTRY_DSN", "preview"] == "not set"


def test_no_value_is_shown_and_no_line_is_wider_than_100_columns() -> None:
    file = staging()
    settings = file.settings()
    stack = StackStatus(
        stack="staging", release="follows develop", previous="none", web="w", socket="s", healthy={},
        alerts=("P1 WebDown since 2026-11-25 10:00 UTC: " + "the site is down " * 10,),
        drift="none", battle="on", good=False,
    )  # fmt: skip
    text = io.StringIO()
    show(Console(file=text, width=200), keys(settings, TODAY), [stack])
    assert max(len(line) for line in text.getvalue().splitlines()) <= 100
    assert "BATTLE_PASSWORD_PEPPER" in text.getvalue()
    for secret in file.secrets.values():
        assert secret not in text.getvalue()
