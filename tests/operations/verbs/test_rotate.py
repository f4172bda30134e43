"""Several secrets in one rotation: which ones, where their values come from, what is refused."""

from datetime import date, timedelta

import pytest

from operations.stack.workspace import OperationError
from operations.verbs import rotate
from plan.settings import PROJECT
from tests.builders import production

TODAY = date(2026, 11, 25)
PEPPER, KEPT = "BATTLE_PASSWORD_PEPPER", "BATTLE_PASSWORD_PEPPER_PREVIOUS"


def test_everything_is_every_secret_but_a_kept_one_and_keys_of_several_lines() -> None:
    file = production()
    file.set_secret(KEPT, "the-pepper-of-before")
    file.set_secret("SOCKET_HOST_KEY", "-----BEGIN\nKEY\nEND-----\n")
    keys, left = rotate.all_keys(file.settings())
    assert set(keys) == set(file.secrets) - {KEPT, "SOCKET_HOST_KEY", "fingerprintKey"}
    assert left == ["SOCKET_HOST_KEY"]


def test_values_come_as_lines_in_any_order_and_may_hold_an_equals_sign() -> None:
    text = "# from the issuers\nB=two=2\n\nA=one\n"
    assert rotate.parse_lines(text, ["A", "B"]) == {"A": "one", "B": "two=2"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("A=one", "no line KEY=VALUE for B"),
        ("A=\nB=two", "no line KEY=VALUE for A"),
        ("A=one\nB=two\nC=hidden-three", "line 3"),
        ("A=one\nA=hidden-two\nB=two", "line 2"),
        ("A=one\nhidden-two", "line 2"),
    ],
)
def test_a_line_that_does_not_fit_is_refused_without_its_value(text: str, said: str) -> None:
    with pytest.raises(OperationError, match=said) as refused:
        rotate.parse_lines(text, ["A", "B"])
    assert "hidden" not in str(refused.value)


def test_lines_may_end_as_those_of_another_system_do_and_begin_with_its_mark() -> None:
    assert rotate.parse_lines("\ufeffA=one\r\nB=tw\u2028o\r\n", ["A", "B"]) == {"A": "one", "B": "tw\u2028o"}


def test_every_value_that_did_not_come_alone_is_named_and_none_is_repeated() -> None:
    values = {
        PEPPER: '"c4n4ry" # of .env',
        "SENTRY_DSN": "https://c4n4ry\u200b",
        "WATCHDOG_URL": "https://c4n4ry ",
    }
    with pytest.raises(OperationError) as refused:
        rotate.begin_all(production().settings(), values, TODAY)
    assert [line.split(";")[0] for line in str(refused.value).splitlines()] == [
        f"{PEPPER} came with quotes around it and a comment behind it",
        "SENTRY_DSN came with an invisible character (U+200B)",
        "WATCHDOG_URL came with spaces around it",
    ]
    assert "c4n4ry" not in str(refused.value)


def test_a_rotation_to_the_value_that_is_there_is_seen_through_a_line_end() -> None:
    file = production()
    with pytest.raises(OperationError, match="has this value already"):
        rotate.begin(file.settings(), "SENTRY_DSN", file.secrets["SENTRY_DSN"] + "\r\n", TODAY)
    rotation = rotate.begin(file.settings(), "SENTRY_DSN", "https://new\r\n", TODAY)
    assert rotation is not None
    assert rotation.secrets == {"SENTRY_DSN": "https://new"}


def test_one_edit_writes_every_value_and_keeps_the_old_pepper() -> None:
    file = production()
    old, settings = file.secrets[PEPPER], file.settings()
    values = {PEPPER: "a-new-pepper-of-thirty-two-letters", "SENTRY_DSN": "https://new@sentry.example/1"}
    rotation = rotate.begin_all(settings, values, TODAY)
    assert rotation is not None
    assert rotation.secrets == {**values, KEPT: old}
    config: dict[str, object] = {}
    rotation.change(config)
    records = config[f"{PROJECT}:rotation"]
    assert isinstance(records, dict)
    assert {record["date"] for record in records.values()} == {TODAY.isoformat()}
    assert records.keys() == rotation.secrets.keys()


def test_every_problem_is_told_at_once() -> None:
    file = production()
    file.set_secret("SENTRY_DSN", "https://same@sentry.example/1", on=TODAY - timedelta(days=3))
    file.set_secret(KEPT, "the-pepper-of-before")
    values = {PEPPER: "another", "SENTRY_DSN": "https://same@sentry.example/1", KEPT: "x"}
    with pytest.raises(OperationError) as refused:
        rotate.begin_all(file.settings(), values, TODAY)
    for said in ("SENTRY_DSN has this value already", "--finish", f"{KEPT} holds an old value"):
        assert said in str(refused.value)


def test_what_was_set_lately_is_left_and_the_rest_goes_on() -> None:
    file = production()
    file.set_secret("SENTRY_DSN", "https://same@sentry.example/1", on=TODAY)
    values = {"SENTRY_DSN": "https://same@sentry.example/1"}
    assert rotate.begin_all(file.settings(), values, TODAY) is None
    more = rotate.begin_all(file.settings(), {**values, PEPPER: "a-new-pepper"}, TODAY)
    assert more is not None
    assert more.secrets.keys() == {PEPPER, KEPT}


def test_a_pepper_made_lately_is_under_way_as_long_as_the_one_before_is_kept() -> None:
    file = production()
    file.set_secret(PEPPER, "a-new-pepper", on=TODAY)
    assert not rotate.under_way(file.settings(), PEPPER, TODAY)
    file.set_secret(KEPT, "the-pepper-of-before", on=TODAY)
    assert rotate.under_way(file.settings(), PEPPER, TODAY)
    assert rotate.under_way(file.settings(), PEPPER, TODAY + timedelta(days=1))
    assert not rotate.under_way(file.settings(), PEPPER, TODAY + timedelta(days=2))
    assert not rotate.under_way(file.settings(), "SENTRY_DSN", TODAY)


def test_a_rotation_that_was_interrupted_before_midnight_goes_on_after_it() -> None:
    file, values = production(), {"SENTRY_DSN": "https://new@sentry.example/1", PEPPER: "a-new-pepper"}
    for key, value in {**values, KEPT: file.secrets[PEPPER]}.items():
        file.set_secret(key, value, on=TODAY - timedelta(days=1))
    assert rotate.begin_all(file.settings(), values, TODAY) is None


def test_one_that_was_interrupted_longer_ago_is_told_the_command_that_carries_it_out() -> None:
    file = production()
    for key, value in {"SENTRY_DSN": "https://new@sentry.example/1", PEPPER: "new", KEPT: "old"}.items():
        file.set_secret(key, value, on=TODAY - timedelta(days=2))
    carry_out = "python -m operations up --stack production"
    for key, value in {"SENTRY_DSN": "https://new@sentry.example/1", PEPPER: "another"}.items():
        with pytest.raises(OperationError, match=carry_out):
            rotate.begin(file.settings(), key, value, TODAY)


def test_a_secret_that_an_issuer_makes_is_not_made_here() -> None:
    assert len(rotate.generated(PEPPER)) >= 32
    assert len(rotate.generated("MONITOR_PASSWORD")) >= 32
    with pytest.raises(OperationError, match="made by its issuer"):
        rotate.generated("SENTRY_DSN")
