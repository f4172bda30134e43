"""Protection rows: what each GitHub plan can enforce, and who may deploy what (plan §1, §2)."""

import pytest

from plan.protection import (
    APP_CHECKS,
    INFRA_CHECKS,
    Capability,
    EnvironmentRule,
    Ruleset,
    capability,
    environment_rules,
    repositories,
    rulesets,
)
from tests.builders import StackFile, production, staging

ALL, NONE = (
    Capability(environments=True, reviewers=True, rulesets=True),
    Capability(environments=False, reviewers=False, rulesets=False),
)
NO_REVIEWERS = Capability(environments=True, reviewers=False, rulesets=True)


def rules(file: StackFile) -> dict[str, EnvironmentRule]:
    return {f"{rule.repository}:{rule.name}": rule for rule in environment_rules(file.settings())}


def refs(file: StackFile) -> dict[str, Ruleset]:
    return {f"{rule.repository}:{rule.ref}": rule for rule in rulesets(file.settings())}


@pytest.mark.parametrize(
    ("plan", "private"), [("free", NONE), ("pro", NO_REVIEWERS), ("team", NO_REVIEWERS), ("enterprise", ALL)]
)
def test_a_plan_protects_public_repositories_wholly_and_private_ones_by_its_price(
    plan: str, private: Capability
) -> None:
    assert capability(plan, "public") == ALL
    assert capability(plan, "private") == private


def test_the_required_checks_are_the_plans() -> None:
    assert APP_CHECKS == ("lint", "type-check", "test", "build", "pai16-ci-gate")


def test_staging_has_its_own_environment_and_preview_in_both_repositories() -> None:
    assert set(rules(staging())) == {
        "share-paint:staging", "share-paint:preview",
        "share-paint-infra:staging", "share-paint-infra:staging-plan", "share-paint-infra:preview",
    }  # fmt: skip
    assert set(rules(production())) == {
        "share-paint:production", "share-paint-infra:production", "share-paint-infra:production-plan",
    }  # fmt: skip


def test_the_live_stack_is_read_without_an_approval_but_from_the_record_branch_alone() -> None:
    rule = rules(production(waitMinutes=5))["share-paint-infra:production-plan"]
    assert (rule.reviewers, rule.wait_minutes, rule.prevent_self_review) == ((), 0, False)
    assert (rule.branches, rule.tags) == (("main",), ())


@pytest.mark.parametrize(
    ("repository", "branches", "tags"),
    [("share-paint", ("main",), ("v*",)), ("share-paint-infra", ("main",), ())],
)
def test_production_deploys_main_and_version_tags_after_an_approval_that_nobody_gives_himself(
    repository: str, branches: tuple[str, ...], tags: tuple[str, ...]
) -> None:
    rule = rules(production(waitMinutes=5))[f"{repository}:production"]
    assert [r.name for r in rule.reviewers] == ["mina-release", "infra-owners"]
    assert (rule.prevent_self_review, rule.admins_bypass, rule.wait_minutes) == (True, False, 5)
    assert (rule.branches, rule.tags) == (branches, tags)


@pytest.mark.parametrize("file", [staging(), production(), production(branch="release", tags=["r*"])])
def test_every_stack_is_deployed_from_the_release_record_in_this_programs_repository(file: StackFile) -> None:
    rule = rules(file)[f"share-paint-infra:{file.settings().environment}"]
    assert (rule.branches, rule.tags) == (("main",), ())


def test_the_release_records_branch_is_guarded_by_the_stack_that_owns_what_exists_once() -> None:
    assert "share-paint-infra:refs/heads/main" in refs(production(branch="release"))
    assert not any(name.startswith("share-paint-infra:") for name in refs(staging()))


def test_staging_deploys_develop_alone_and_without_asking() -> None:
    rule = rules(staging())["share-paint:staging"]
    assert (rule.branches, rule.tags, rule.reviewers) == (("develop",), (), ())
    # Stated as forbidden where no reviewer is, it would differ for ever (hazard `admin-bypass-flaps`).
    assert (rule.prevent_self_review, rule.admins_bypass) == (False, True)


def test_every_ref_may_deploy_to_preview() -> None:
    rule = rules(staging(waitMinutes=5))["share-paint:preview"]
    assert (rule.branches, rule.tags, rule.reviewers, rule.wait_minutes) == ((), (), (), 0)
    assert (rule.prevent_self_review, rule.admins_bypass) == (False, True)


@pytest.mark.parametrize("plan", ["pro", "team"])
def test_a_plan_without_reviewers_gets_rules_that_ask_for_nothing_it_drops(plan: str) -> None:
    file = production(githubPlan=plan, appRepositoryVisibility="private", waitMinutes=5)
    rule = rules(file)["share-paint:production"]
    assert (rule.reviewers, rule.wait_minutes, rule.prevent_self_review, rule.admins_bypass) == (
        (),
        0,
        False,
        True,
    )
    assert rules(file)["share-paint-infra:production"].reviewers  # public: not weakened with the other


def test_a_free_plan_gets_no_environment_and_no_ruleset_for_a_private_repository() -> None:
    file = production(githubPlan="free", appRepositoryVisibility="private")
    assert {rule.repository for rule in environment_rules(file.settings())} == {"share-paint-infra"}
    assert {rule.repository for rule in rulesets(file.settings())} == {"share-paint-infra"}


def test_a_ruleset_names_a_full_ref_and_never_a_bare_name() -> None:
    # A bare name passes the preview and fails at `up` (hazard `bare-branch-name`).
    assert set(refs(staging())) == {"share-paint:refs/heads/develop"}
    assert set(refs(production())) == {
        "share-paint:refs/heads/main", "share-paint:refs/tags/v*", "share-paint-infra:refs/heads/main"
    }  # fmt: skip


def test_a_branch_demands_its_repositorys_checks_and_the_stacks_approvals() -> None:
    app, infra = (
        refs(production())["share-paint:refs/heads/main"],
        refs(production())["share-paint-infra:refs/heads/main"],
    )
    assert ([c.name for c in app.checks], app.approvals) == ([*APP_CHECKS], 2)
    assert ([c.name for c in infra.checks], infra.approvals) == ([*INFRA_CHECKS], 2)
    assert refs(staging())["share-paint:refs/heads/develop"].approvals == 1


def test_a_check_is_of_github_actions_unless_the_stack_file_names_another_app() -> None:
    file = production()
    file.config["checkApps"] = {"pai16-ci-gate": 77}
    apps = {c.name: c.app for c in refs(file)["share-paint:refs/heads/main"].checks}
    assert apps == dict.fromkeys(APP_CHECKS, 15368) | {"pai16-ci-gate": 77}


def test_a_tag_demands_no_checks_because_a_merge_commit_has_none() -> None:
    tag = refs(production())["share-paint:refs/tags/v*"]
    assert (tag.checks, tag.approvals) == ((), 0)


def test_the_release_app_passes_the_branch_ruleset_of_this_programs_repository_only() -> None:
    bypass = {name: rule.bypass_app for name, rule in refs(production(releaseAppId=77)).items()}
    assert {name for name, app in bypass.items() if app} == {"share-paint-infra:refs/heads/main"}
    assert bypass["share-paint-infra:refs/heads/main"] == 77


def test_without_a_release_app_nobody_passes() -> None:
    assert not any(rule.bypass_app for rule in refs(production(releaseAppId=0)).values())


def test_the_gate_covers_the_apps_repository_and_this_programs() -> None:
    assert [r.name for r in repositories(production().settings())] == ["share-paint", "share-paint-infra"]
