"""Who has to approve a deployment: what GitHub dropped is found, wherever it was asked for."""

from collections.abc import Mapping
from typing import Any, cast

import pytest

from operations.services import approval
from operations.services.accounts import GitHubAccount, Json
from operations.stack.workspace import OperationError
from operations.verbs.promote import Judge
from plan.gate import names
from plan.promotion import Line
from plan.protection import environment_rules
from plan.settings import Settings
from tests.builders import production

REVIEWERS = [{"user": "mina", "id": 1}, {"team": "owners", "id": 2}]
SETTINGS: Settings = production(reviewers=REVIEWERS, waitMinutes=5).settings()
APP, INFRA = SETTINGS.app_repository, SETTINGS.infra_repository
RULE = next(rule for rule in environment_rules(SETTINGS) if rule.repository == APP and rule.reviewers)


def live(**changes: Any) -> Json:
    """The environment as GitHub answers when it kept everything; None drops a rule."""
    rules: dict[str, Any] = {
        "wait_timer": {"wait_timer": 5},
        "required_reviewers": {
            "prevent_self_review": True,
            "reviewers": [
                {"type": "User", "reviewer": {"id": 1}},
                {"type": "Team", "reviewer": {"id": 2}},
            ],
        },
    }
    top: Json = {"can_admins_bypass": False, "deployment_branch_policy": {"custom_branch_policies": True}}
    for name, change in changes.items():
        (top if name in top else rules)[name] = change
    listed = [{"type": type, **rule} for type, rule in rules.items() if rule is not None]
    return {**top, "protection_rules": listed}


def only(kind: str, id: int) -> Json:
    return {"prevent_self_review": True, "reviewers": [{"type": kind, "reviewer": {"id": id}}]}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, []),
        ({"required_reviewers": None}, ["nobody has to approve a deployment, mina or owners should"]),
        ({"required_reviewers": only("User", 1)}, ["owners cannot approve"]),
        (
            {"required_reviewers": only("User", 2)},
            ["mina and owners cannot approve"],
        ),  # a user's 2, no team's
        (
            {"required_reviewers": {**live()["protection_rules"][1], "prevent_self_review": False}},
            ["whoever started a deployment may approve it"],
        ),
        ({"wait_timer": None}, ["it waits 0 minutes, not 5"]),
        ({"can_admins_bypass": True}, ["administrators may bypass it"]),
        ({"deployment_branch_policy": None}, ["every branch may deploy"]),
    ],
)
def test_each_protection_that_github_dropped_is_told(change: Json, told: list[str]) -> None:
    assert approval.weaker(RULE, live(**change)) == told


class GitHub(GitHubAccount):
    """Answers with `live`; who has no access stands in `strangers` ("REPOSITORY NAME")."""

    def __init__(self, live: Json | None = None, strangers: Mapping[str, bool | None] | None = None) -> None:
        self.live, self.strangers, self.written = live, strangers or {}, list[tuple[str, str, Json]]()

    def environment(self, repository: str, name: str) -> Json | None:
        assert (repository, name) in ((APP, "production"), (INFRA, "production"))
        return self.live

    def put_environment(self, repository: str, name: str, body: Json) -> Json:
        self.written.append((repository, name, body))
        return self.live or {}

    def user_reads(self, repository: str, login: str) -> bool | None:
        assert login == "mina"
        return self.strangers.get(f"{repository} mina", True)

    def team_reads(self, repository: str, slug: str) -> bool | None:
        assert slug == "owners"
        return self.strangers.get(f"{repository} owners", True)


OUTPUTS = {
    "waitTimer": 5.0, "preventSelfReview": True, "canAdminsBypass": False,
    "reviewers": [{"users": [1.0], "teams": [2.0]}],
}  # fmt: skip
APPLIED = {
    names(repository, "environment", "production"): {"outputs": OUTPUTS} for repository in (APP, INFRA)
}


def faults(github: GitHub, state: approval.Resources = APPLIED) -> list[tuple[str, str]]:
    found = list(approval.examine(github, SETTINGS, state))
    assert all(each.fix for each in found if each.fault)
    return [(each.what, each.fault) for each in found if each.fault]


def test_a_protection_that_is_there_is_no_fault_and_each_repository_is_asked() -> None:
    found = list(approval.examine(GitHub(live()), SETTINGS, APPLIED))
    assert [(each.fault, each.unknown) for each in found] == [("", "")] * 6
    assert {repository for repository in (APP, INFRA) for each in found if repository in each.what} == {
        APP,
        INFRA,
    }


@pytest.mark.parametrize(
    ("stranger", "command"),
    [
        (
            f"{INFRA} owners",
            f"/orgs/{SETTINGS.github_owner}/teams/owners/repos/{SETTINGS.github_owner}/{INFRA}",
        ),
        (f"{APP} mina", f"/repos/{SETTINGS.github_owner}/{APP}/collaborators/mina"),
    ],
)
def test_a_reviewer_without_access_to_one_of_the_repositories_is_found(stranger: str, command: str) -> None:
    [found] = [v for v in approval.examine(GitHub(live(), {stranger: False}), SETTINGS, {}) if v.fault]
    repository, name = stranger.split()
    assert found.what == f"the reviewer {name} has access to {repository}"
    assert command in found.fix


def test_what_github_does_not_tell_is_neither_good_nor_bad() -> None:
    found = approval.examine(GitHub(live(), {f"{APP} owners": None}), SETTINGS, {})
    assert [each.unknown for each in found if each.unknown] == ["GitHub does not tell this token"]


def test_an_environment_that_protects_less_than_was_applied_is_found_with_what_mends_it() -> None:
    lost = GitHub(live(required_reviewers=None))
    assert {fault for _, fault in faults(lost)} == {
        "nobody has to approve a deployment, mina or owners should"
    }
    assert [fault for _, fault in faults(GitHub())] == ["it is gone"] * 2
    [first, *_] = [v for v in approval.examine(lost, SETTINGS, APPLIED) if v.fault]
    assert first.fix == (
        f"python -m operations drift --mend gate-{APP}-environment-production --stack production"
    )


@pytest.mark.parametrize(
    "edit",
    [
        {"waitTimer": 0},
        {"preventSelfReview": False},
        {"canAdminsBypass": True},
        {"reviewers": None},
        {"reviewers": [{"users": [1], "teams": [3]}]},
    ],
)
def test_an_edit_that_the_next_up_writes_is_not_judged_before(edit: Json) -> None:
    state = {name: {"outputs": {**OUTPUTS, **edit}} for name in APPLIED}
    assert faults(GitHub(live(required_reviewers=None)), state) == []
    assert faults(GitHub(live(required_reviewers=None)), {}) == []


def test_the_go_no_go_list_says_who_approves_or_stops_with_what_mends_it() -> None:
    def lines(github: GitHub) -> list[Line]:
        anything = cast("Any", None)
        return list(
            Judge(
                target=SETTINGS, source=anything, github=github, watch=None, served={}, state=APPLIED,
            )._approval()
        )  # fmt: skip

    [go] = lines(GitHub(live(), {f"{APP} owners": None}))
    assert go.ok
    assert go.evidence.startswith("mina or owners of production; ")
    assert go.evidence.endswith(f"the reviewer owners has access to {APP}: GitHub does not tell this token")
    stopped = lines(GitHub(live(required_reviewers=None), {f"{APP} owners": False}))
    assert [(line.ok, line.fix.split()[0]) for line in stopped] == [(False, "gh")] + [(False, "python")] * 2


def test_a_protection_is_written_whole_and_what_github_left_out_of_it_is_an_error() -> None:
    github = GitHub(live())
    approval.write(github, SETTINGS, APP, "production")
    policy = {"protected_branches": False, "custom_branch_policies": True}
    whole = {
        "wait_timer": 5, "prevent_self_review": True, "can_admins_bypass": False,
        "reviewers": [{"type": "User", "id": 1}, {"type": "Team", "id": 2}],
        "deployment_branch_policy": policy,
    }  # fmt: skip
    assert github.written == [(APP, "production", whole)]
    with pytest.raises(OperationError, match=r"owners cannot approve.*operations doctor"):
        approval.write(GitHub(live(required_reviewers=only("User", 1))), SETTINGS, APP, "production")
    with pytest.raises(OperationError, match="declares no environment"):
        approval.write(github, SETTINGS, APP, "qa")


def test_a_run_of_the_stack_that_nobody_approves_is_named_with_the_command_that_ends_it() -> None:
    class Runs(GitHub):
        def waiting_runs(self, repository: str, file: str) -> list[Json]:
            assert (repository, file) == (INFRA, "promote.yml")
            return [
                {"id": 41, "created_at": "2026-11-30T10:00:00Z", "display_title": "release-production"},
                {"id": 42, "created_at": "2026-11-30T11:00:00Z", "display_title": "release-staging"},
            ]

    [found] = approval.waiting(Runs(), SETTINGS)
    assert str(found).startswith("run 41 has waited for an approval since 2026-11-30 10:00 UTC")
    assert f"gh run cancel 41 --repo {SETTINGS.github_owner}/{INFRA}" in str(found)
