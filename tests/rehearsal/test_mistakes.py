"""Mistakes in a stack file, each seen through the real engine: one error block, and nothing is touched."""

import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any, Final

import pytest

from rehearsal import demo
from rehearsal.stack_files import supabase_jwt
from tests.harness import RehearsalHome, Result

Mistake = Callable[[RehearsalHome], object]


def _in_the_clear(home: RehearsalHome) -> None:
    home.set_config("staging", "BATTLE_PASSWORD_PEPPER", "pepper-in-the-clear")


def _same_secret(home: RehearsalHome) -> None:
    value = home.config("production", "BATTLE_PASSWORD_PEPPER")
    home.operations("set", "BATTLE_PASSWORD_PEPPER", "--stack", "staging", stdin=value).ok()


def _without_date(home: RehearsalHome) -> None:
    home.set_config("staging", "SENTRY_DSN", "https://new@sentry.example/1", secret=True)


def _foreign_key(home: RehearsalHome) -> None:
    key = supabase_jwt("service_role", demo.SUPABASE_REF["production"])
    home.operations("set", "SUPABASE_SERVICE_ROLE_KEY", "--stack", "staging", stdin=key).ok()


def _edit(stack: str, **values: Any) -> Mistake:
    return lambda home: home.edit(stack, **values)


_REVIEWERS: Final = [demo.REVIEWER_USER, demo.REVIEWER_TEAM, {"user": "third", "id": 3}]

_SERVICE_ROLE: Final = supabase_jwt("service_role", demo.SUPABASE_REF["staging"])

# name -> (stack, the mistake, what the error block must say)
MISTAKES: Final[dict[str, tuple[str, Mistake, str]]] = {
    "missing required key": ("staging", _edit("staging", supabaseRef=None), "supabaseRef: is missing"),
    "missing secret": ("staging", _edit("staging", SENTRY_DSN=None), "SENTRY_DSN: is missing"),
    "placeholder": ("staging", _edit("staging", socketDomain="REPLACE_ME-x"), "socketDomain: still holds"),
    "unknown key": ("staging", _edit("staging", webDomian="x.example"), "webDomian: is no key"),
    "wrong type": (
        "production",
        _edit("production", reviewers=[{"user": "mina", "id": "many"}]),
        "reviewers: at reviewers[0].id",
    ),
    "secret in the clear": ("staging", _in_the_clear, "BATTLE_PASSWORD_PEPPER: is a secret"),
    "service-role JWT in a public key": (
        "staging",
        _edit("staging", NEXT_PUBLIC_SUPABASE_ANON_KEY=_SERVICE_ROLE),
        "NEXT_PUBLIC_SUPABASE_ANON_KEY: holds a Supabase key for servers",
    ),
    "Supabase key of another project": (
        "staging",
        _foreign_key,
        "SUPABASE_SERVICE_ROLE_KEY: belongs to Supabase project",
    ),
    "same secret in both stacks": ("staging", _same_secret, "BATTLE_PASSWORD_PEPPER: is the same secret as"),
    "value without its date": ("staging", _without_date, "SENTRY_DSN: was changed without its date"),
    "production data in Preview": (
        "staging",
        _edit("staging", supabaseRef=demo.SUPABASE_REF["production"]),
        "Preview and staging would share it",
    ),
    "bad domain": ("staging", _edit("staging", webDomain="https://staging.share-paint.app/"), "is no domain"),
    "host port clash": ("staging", _edit("staging", socketHttpsPort=8443), "socketHttpsPort: host port 8443"),
    "auto-assign off without a release": (
        "production",
        _edit("production", release=None, previousRelease=None),
        "autoAssignCustomDomains: is off and no release is set",
    ),
    "more than two reviewers": (
        "production",
        _edit("production", reviewers=_REVIEWERS),
        "reviewers: names 3",
    ),
    "plan without reviewers": (
        "production",
        _edit("production", appRepositoryVisibility="private"),
        "githubPlan: a private repository",
    ),
}


def _diagnostics(result: Result) -> str:
    """The error block, without the engine's indentation and line breaks."""
    return re.sub(r"\s+", " ", result.text.split("Diagnostics:")[1])


ROUNDS: Final = (
    ("missing required key",),
    ("missing secret", "placeholder", "unknown key", "secret in the clear", "bad domain"),
    ("service-role JWT in a public key", "same secret in both stacks", "value without its date"),
    ("Supabase key of another project", "host port clash"),
    ("production data in Preview",),
    ("wrong type",),
    ("auto-assign off without a release", "more than two reviewers", "plan without reviewers"),
)
"""Mistakes that one file can hold without one hiding another."""


def test_every_mistake_has_its_round() -> None:
    assert sorted(name for names in ROUNDS for name in names) == sorted(MISTAKES)


@pytest.mark.parametrize("names", ROUNDS, ids=" and ".join)
def test_mistakes_are_told_in_one_error_block_and_touch_nothing(
    applied_home: RehearsalHome, names: tuple[str, ...]
) -> None:
    [stack] = {MISTAKES[name][0] for name in names}
    for name in names:
        MISTAKES[name][1](applied_home)
    before = _everything(applied_home)
    refused = applied_home.pulumi("up", "-s", stack, "--yes", "--skip-preview").failed()
    said = _diagnostics(refused)

    for name in names:
        assert MISTAKES[name][2] in said, said
    assert said.count("error:") == 1
    assert len(re.findall(r"-> (pulumi config|python -m operations) ", said)) >= len(names)
    assert "pepper-in-the-clear" not in refused.text
    block = refused.text.partition("Diagnostics:")[2].partition("error:")[2].partition("\n\n")[0]
    assert max(map(len, block.splitlines())) <= 130
    assert _everything(applied_home) == before


def test_a_wrong_top_level_type_is_the_engines_own_error(applied_home: RehearsalHome) -> None:
    applied_home.edit("staging", tags="v*")
    refused = applied_home.pulumi("preview", "-s", "staging").failed()
    assert "'tags' must be of type" in refused.text


@pytest.mark.parametrize(("days", "word"), [(74, None), (75, "due soon"), (90, "OVERDUE")])
def test_age_warns_and_never_blocks(applied_home: RehearsalHome, days: int, word: str | None) -> None:
    day = (date.today() - timedelta(days=days)).isoformat()
    applied_home.set_config("staging", "rotation.SENTRY_DSN.date", day, path=True)
    said = applied_home.pulumi("preview", "-s", "staging", "--expect-no-changes").ok().text

    assert ("SENTRY_DSN" in said) is (word is not None)
    assert word is None or word in said


def test_an_unreadable_sibling_is_said_aloud(applied_home: RehearsalHome) -> None:
    applied_home.edit("production", rotation=None)
    said = applied_home.pulumi("preview", "-s", "staging").ok().text
    assert "not checked: whether a secret equals one of stack `production`" in said


def _everything(home: RehearsalHome) -> Any:
    return {service: home.account(service).dump() for service in ("vercel", "github")}
