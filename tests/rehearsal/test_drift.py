"""`operations drift`: each change by hand is found, with the command that mends it, which does."""

import json
import shlex
from typing import Any, Final

import pytest

from operations.verbs.drift.unseen import WHERE
from rehearsal.standin.drift import DRIFTS
from tests.harness import RehearsalHome
from tests.schemas import parsed

ENVIRONMENT = "gate-share-paint-environment-production"
PEPPER = "web-variable-BATTLE_PASSWORD_PEPPER-production"

# Change by hand: stack, name of the finding, what a person reads about it.
FOUND: Final = {
    "app-url": ("production", "web-variable-NEXT_PUBLIC_APP_URL-production", "builds made since"),
    "skew-protection": ("production", "web-project", "skewProtection is not set; applied: 12 hours"),
    "branch-tracking": ("staging", "web-environment-staging", "branchTracking"),
    "domain-removed": ("staging", "web-domain-staging.share-paint.app", "was removed"),
    "wait-timer": ("production", ENVIRONMENT, "waitTimer is 45; applied: 0"),
    "admin-bypass": ("production", ENVIRONMENT, "canAdminsBypass is true; applied: false"),
    "reviewers-removed": ("production", ENVIRONMENT, "applied: reviewers user 1001, team 2001"),
    "ruleset-off": ("production", "gate-share-paint-ruleset-main", "enforcement is disabled"),
    "bypass-added": ("production", "gate-share-paint-ruleset-main", "bypassActors"),
    "secret-by-hand": (
        "production", "gate-share-paint-secret-production-SLACK_WEBHOOK_URL", "written by somebody else",
    ),
    "variable-by-hand": ("production", PEPPER, "written by somebody else"),
    "alias-moved": ("production", "web-live", "applied: release 2222222222222222222222222222222222222222"),
    "kill-switch": ("production", "web-feature-battle", "is off; applied: on"),
    "policy-removed": ("production", "gate-share-paint-branch-production-main", "was removed"),
    "github-variable": (
        "production", "gate-share-paint-variable-production-NEXT_PUBLIC_APP_URL", "value is https://edited",
    ),
    "policy-added": ("production", "share-paint:production:branch:hotfix/*", "hotfix/* may deploy"),
}  # fmt: skip
NOTHING, DRIFTED, UNCHECKED = 0, 3, 1


def drift(home: RehearsalHome, stack: str, code: int) -> dict[str, Any]:
    """What `drift --json` finds; it must end with this code."""
    done = home.operations("drift", "--json", "--stack", stack)
    assert done.code == code, done.text
    return parsed("drift", done.stdout)


def test_every_change_by_hand_of_the_accounts_is_looked_for(module_home: RehearsalHome) -> None:
    """And of every kind of object that `drift` has words for."""
    assert set(FOUND) == set(DRIFTS)
    known = module_home.resources("production") | module_home.resources("staging")
    kinds = {known[name]["type"].split(":")[-1] for _, name, _ in FOUND.values() if name in known}
    assert kinds >= set(WHERE) - {"Service"}  # tests/rehearsal/test_host_drift.py


@pytest.mark.parametrize("stack", ["staging", "production"])
def test_a_stack_that_nobody_touched_shows_none(module_home: RehearsalHome, stack: str) -> None:
    assert drift(module_home, stack, NOTHING) == {
        "stack": stack, "drift": [], "unchecked": [], "untold": [], "pending": 0,
    }  # fmt: skip


def rounds() -> list[tuple[str, list[str]]]:
    """Stack and changes that can be made at once: no two of a round touch the same object."""
    found: list[tuple[str, list[str]]] = []
    for name, (stack, finding, _) in FOUND.items():
        for its, names in found:
            if its == stack and finding not in {FOUND[each][1] for each in names}:
                names.append(name)
                break
        else:
            found.append((stack, [name]))
    return found


@pytest.mark.parametrize(("stack", "names"), rounds(), ids=lambda value: value[0] if value else None)
def test_changes_by_hand_are_found_and_their_commands_take_them_back(
    applied_home: RehearsalHome, stack: str, names: list[str]
) -> None:
    before = applied_home.export(stack)["deployment"]["resources"]
    for name in names:
        DRIFTS[name].apply(applied_home.home.account)

    found = {each["name"]: each for each in drift(applied_home, stack, DRIFTED)["drift"]}
    assert applied_home.export(stack)["deployment"]["resources"] == before  # looking writes nothing
    assert set(found) == {FOUND[name][1] for name in names}
    command = []
    for name in names:
        _, finding, said = FOUND[name]
        assert said in found[finding]["what"], found[finding]
        *start, mend, what, of, its = shlex.split(found[finding]["mend"])
        assert (start, of, its) == (["python", "-m", "operations", "drift"], "--stack", stack)
        command += [mend, what]

    mended = applied_home.operations("drift", *command, "--stack", stack, "--yes").ok()
    for name in names:
        assert FOUND[name][1] in mended.stdout.split("Mended: ")[1]
    assert f"{stack}: nothing was changed by hand." in mended.stdout  # looked at again, a refresh included


def test_what_was_mended_is_what_the_stack_declares(applied_home: RehearsalHome) -> None:
    github, vercel = applied_home.account("github"), applied_home.account("vercel")
    before = github.dump(), vercel.dump()
    for name in ("reviewers-removed", "secret-by-hand", "variable-by-hand", "policy-added"):
        DRIFTS[name].apply(applied_home.home.account)
    names = [found["name"] for found in drift(applied_home, "production", DRIFTED)["drift"]]
    assert len(names) == 4
    applied_home.operations(
        "drift", "-s", "production", "--yes", *[part for name in names for part in ("--mend", name)]
    ).ok()

    def told(dump: dict[str, Any], *kinds: str) -> Any:
        return {
            (kind, id): {k: v for k, v in document.items() if k.lower() not in ("updatedat", "updated_at")}
            for kind in kinds
            for id, document in dump[kind].items()
        }

    kinds = ("environment", "secret", "policy")
    assert told(github.dump(), *kinds) == told(before[0], *kinds)
    assert told(vercel.dump(), "variable") == told(before[1], "variable")


def test_one_change_is_mended_and_another_stays(applied_home: RehearsalHome) -> None:
    """In an incident an instant rollback must not be undone by mending something else."""
    for name in ("alias-moved", "reviewers-removed"):
        DRIFTS[name].apply(applied_home.home.account)
    applied_home.operations("drift", "-s", "production", "--mend", ENVIRONMENT, "--yes").ok()

    [left] = drift(applied_home, "production", DRIFTED)["drift"]
    assert left["name"] == "web-live"


def test_an_edit_that_nobody_applied_yet_is_no_drift(applied_home: RehearsalHome) -> None:
    applied_home.edit("production", waitMinutes=7, battle="off")
    found = drift(applied_home, "production", NOTHING)
    assert (found["drift"], found["pending"]) == ([], 2 + 1)  # both repositories' environments, the item

    DRIFTS["admin-bypass"].apply(applied_home.home.account)
    [found] = drift(applied_home, "production", DRIFTED)["drift"]
    assert found["what"] == "canAdminsBypass is true; applied: false"


def test_mending_asks_first_and_refuses_what_it_did_not_find(applied_home: RehearsalHome) -> None:
    DRIFTS["reviewers-removed"].apply(applied_home.home.account)
    writes = len(applied_home.account("github").calls())
    command = ("drift", "-s", "production", "--mend")

    assert "--yes" in applied_home.operations(*command, ENVIRONMENT).failed().text
    refused = applied_home.operations(*command, "no-such", "--yes").failed()
    assert f"no change by hand is named no-such. Found: {ENVIRONMENT}" in refused.text
    assert len(applied_home.account("github").calls()) == writes


def _value(home: RehearsalHome, name: str) -> list[str]:
    """The value of a secret as the state has it, decrypted: of its inputs and its outputs."""
    shown = home.pulumi("stack", "export", "-s", "production", "--show-secrets").ok().stdout
    [found] = [r for r in json.loads(shown)["deployment"]["resources"] if r["urn"].endswith(f"::{name}")]
    return [found[side]["value"]["plaintext"] for side in ("inputs", "outputs")]


def test_a_mend_that_fails_leaves_the_state_as_it_was_and_works_once_the_service_answers(
    applied_home: RehearsalHome,
) -> None:
    secret = FOUND["secret-by-hand"][1]
    DRIFTS["secret-by-hand"].apply(applied_home.home.account)
    account, before = applied_home.account("github"), _value(applied_home, secret)
    account.put("fault", "1", {"verb": "update", "kind": "ActionsEnvironmentSecret", "status": 422})
    command = ("drift", "-s", "production", "--mend", secret, "--yes")
    applied_home.operations(*command).failed()

    assert _value(applied_home, secret) == before
    assert list(applied_home.folder.glob(".Pulumi.*")) == []
    applied_home.operations(*command).ok()
    assert drift(applied_home, "production", NOTHING)["drift"] == []


def test_what_cannot_be_asked_is_said_and_the_rest_is_still_checked(applied_home: RehearsalHome) -> None:
    """The plugin of Vercel refuses this token, so no refresh is possible; the API of GitHub answers."""
    DRIFTS["reviewers-removed"].apply(applied_home.home.account)
    done = applied_home.operations("drift", "-s", "production")
    assert "nobody has to approve" in done.stdout

    applied_home.edit("production", release="not-a-sha")
    done = applied_home.operations("drift", "-s", "production")
    assert done.code == DRIFTED
    assert "not checked: what a refresh sees" in done.stderr
    assert "is no full git SHA" in done.stderr
    assert "nobody has to approve" in done.stdout
