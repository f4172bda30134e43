"""DeploymentGate: what one stack declares on GitHub, property by property."""

import pulumi_github as github
import pytest

from tests.builders import StackFile, production, staging
from tests.components import declare
from tests.components.recording import Declared, Recorded

ENVIRONMENT = "gate-share-paint-environment-production"


def environments(file: StackFile) -> dict[str, Declared]:
    found = declare.gate(file).of("RepositoryEnvironment")
    return {f"{r.inputs['repository']}:{r.inputs['environment']}": r for r in found}


def ruleset(file: StackFile, name: str) -> Declared:
    return declare.gate(file).named(name)


# --- environments ------------------------------------------------------------------------------------


def test_staging_declares_staging_and_preview_and_production_itself_in_both_repositories() -> None:
    assert set(environments(staging())) == {
        "share-paint:staging", "share-paint:preview",
        "share-paint-infra:staging", "share-paint-infra:staging-plan", "share-paint-infra:preview",
    }  # fmt: skip
    assert set(environments(production())) == {
        "share-paint:production", "share-paint-infra:production", "share-paint-infra:production-plan",
    }  # fmt: skip


def gated(file: StackFile) -> list[Declared]:
    return [found for key, found in environments(file).items() if key.endswith(f":{file.stack}")]


def test_production_asks_one_of_its_reviewers_and_lets_nobody_approve_himself_or_pass() -> None:
    for found in gated(production(waitMinutes=5)):
        assert found.inputs["reviewers"] == [{"users": [1001], "teams": [2001]}]
        assert found.inputs["preventSelfReview"] is True
        assert found.inputs["canAdminsBypass"] is False
        assert found.inputs["waitTimer"] == 5


def test_a_gated_environment_states_every_property_because_githubs_put_is_whole() -> None:
    every = declare.properties(github.RepositoryEnvironmentArgs)
    for found in gated(production()):
        assert set(found.inputs) == every


# Nothing to state there: no reviewer asked for, every ref allowed, and GitHub's null is the same.
LEFT_OUT = {"staging": {"reviewers"}, "preview": {"reviewers", "deploymentBranchPolicy"}}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_an_open_environment_leaves_out_only_what_it_has_none_of(name: str) -> None:
    every = declare.properties(github.RepositoryEnvironmentArgs)
    found = environments(staging())[f"share-paint:{name}"]
    assert set(found.inputs) == every - LEFT_OUT[name]


def test_reviewers_reach_github_as_numbers_by_kind() -> None:
    reviewers = [{"user": "a", "id": 7}, {"user": "b", "id": 8}]
    [group] = environments(production(reviewers=reviewers))["share-paint:production"].inputs["reviewers"]
    assert group == {"users": [7, 8], "teams": []}


@pytest.mark.parametrize("stack_file", [staging(), production()], ids=lambda f: f.stack)
def test_a_gated_environment_is_open_to_its_policies_only(stack_file: StackFile) -> None:
    own = environments(stack_file)[f"share-paint:{stack_file.stack}"]
    assert own.inputs["deploymentBranchPolicy"] == {"protectedBranches": False, "customBranchPolicies": True}


def policies(recorded: Recorded, environment: str) -> list[tuple[str | None, str | None]]:
    found = recorded.of("RepositoryEnvironmentDeploymentPolicy")
    ours = [
        r for r in found if r.inputs["environment"] == environment and r.inputs["repository"] == "share-paint"
    ]
    return [(r.inputs.get("branchPattern"), r.inputs.get("tagPattern")) for r in ours]


def test_production_deploys_from_main_and_version_tags() -> None:
    assert sorted(policies(declare.gate(production()), "production"), key=str) == [
        ("main", None),
        (None, "v*"),
    ]


def test_staging_deploys_from_develop_alone_and_preview_from_everywhere() -> None:
    recorded = declare.gate(staging())
    assert policies(recorded, "staging") == [("develop", None)]
    assert policies(recorded, "preview") == []


def test_what_stands_below_an_environment_waits_for_it() -> None:
    # On GitHub a policy, secret or variable of an environment that does not exist yet is a 404.
    recorded = declare.gate(production())
    below = [r for r in recorded.children() if r.kind not in {"RepositoryEnvironment", "RepositoryRuleset"}]
    for child in below:
        environment = child.inputs["environment"].partition(":")[2] or child.inputs["environment"]
        assert child.depends_on == {f"gate-{child.inputs['repository']}-environment-{environment}"}
    assert len(below) == 10


# --- secrets and variables ---------------------------------------------------------------------------


def test_the_alert_secret_reaches_both_repositories_as_a_value_that_changes_in_place() -> None:
    file = production()
    found = declare.gate(file).of("ActionsEnvironmentSecret")
    assert {r.inputs["repository"] for r in found} == {"share-paint", "share-paint-infra"}
    for secret in found:
        assert set(secret.inputs) == {"repository", "environment", "secretName", "value"}
        assert secret.inputs["secretName"] == "SLACK_WEBHOOK_URL"
        assert secret.inputs["value"] == file.secrets["SLACK_WEBHOOK_URL"]


def test_variables_hold_the_urls_that_workflows_check() -> None:
    found = declare.gate(production(socketHttpsPort=443)).of("ActionsEnvironmentVariable")
    assert {(r.inputs["variableName"], r.inputs["value"]) for r in found} == {
        ("NEXT_PUBLIC_APP_URL", "https://share-paint.app"),
        ("NEXT_PUBLIC_SOCKET_URL", "https://socket.share-paint.app"),
    }


def test_what_the_workflows_read_reaches_the_environments_of_this_repository_alone() -> None:
    delivery = {"production": {"PULUMI_BACKEND_URL": "s3://state"}, "production-plan": {"AWS_REGION": "a"}}
    found = declare.gate(production(delivery=delivery)).of("ActionsEnvironmentVariable")
    added = {r.name: r.inputs["value"] for r in found if "NEXT_PUBLIC" not in r.name}
    assert added == {
        "gate-share-paint-infra-variable-production-PULUMI_BACKEND_URL": "s3://state",
        "gate-share-paint-infra-variable-production-plan-AWS_REGION": "a",
    }


# --- rulesets ----------------------------------------------------------------------------------------


def test_each_branch_and_tag_has_an_active_ruleset_on_its_full_ref() -> None:
    found = [
        *declare.gate(staging()).of("RepositoryRuleset"),
        *declare.gate(production()).of("RepositoryRuleset"),
    ]
    refs = {
        (r.inputs["repository"], r.inputs["target"], *r.inputs["conditions"]["refName"]["includes"])
        for r in found
    }
    assert refs == {
        ("share-paint", "branch", "refs/heads/develop"),
        ("share-paint", "branch", "refs/heads/main"),
        ("share-paint", "tag", "refs/tags/v*"),
        ("share-paint-infra", "branch", "refs/heads/main"),
    }
    assert {r.inputs["name"] for r in found} == {"paintshare develop", "paintshare main", "paintshare v*"}
    assert all(r.inputs["enforcement"] == "active" for r in found)
    assert all(r.inputs["conditions"]["refName"]["excludes"] == [] for r in found)


def test_nothing_may_be_deleted_or_force_pushed() -> None:
    for found in declare.gate(production()).of("RepositoryRuleset"):
        assert found.inputs["rules"]["deletion"] is True
        assert found.inputs["rules"]["nonFastForward"] is True


def test_the_branch_demands_the_checks_and_approvals() -> None:
    rules = ruleset(production(), "gate-share-paint-ruleset-main").inputs["rules"]
    checks = rules["requiredStatusChecks"]["requiredChecks"]
    assert [c["context"] for c in checks] == ["lint", "type-check", "test", "build", "pai16-ci-gate"]
    assert {c["integrationId"] for c in checks} == {15368}  # GitHub Actions; a name alone can be anybody's
    assert rules["requiredStatusChecks"]["strictRequiredStatusChecksPolicy"] is True
    assert rules["pullRequest"] == {
        "requiredApprovingReviewCount": 2,
        "dismissStaleReviewsOnPush": True,
        "requireLastPushApproval": True,
        "requiredReviewThreadResolution": True,
    }
    assert rules["update"] is False


def test_a_tag_may_not_be_moved_and_demands_no_check() -> None:
    rules = ruleset(production(), "gate-share-paint-ruleset-v*").inputs["rules"]
    assert rules["update"] is True
    assert rules.get("pullRequest") is None
    assert rules.get("requiredStatusChecks") is None


def test_the_release_app_passes_one_ruleset_only() -> None:
    found = declare.gate(production(releaseAppId=77)).of("RepositoryRuleset")
    passed = {r.name: r.inputs["bypassActors"] for r in found if "bypassActors" in r.inputs}
    assert passed == {
        "gate-share-paint-infra-ruleset-main": [
            {"actorId": 77, "actorType": "Integration", "bypassMode": "always"}
        ]
    }


def test_without_a_release_app_nobody_passes() -> None:
    found = declare.gate(production()).of("RepositoryRuleset")
    assert not any("bypassActors" in r.inputs for r in found)


# --- smaller plans -----------------------------------------------------------------------------------


def given_up(plan: str) -> StackFile:
    """A private app repository whose missing protection is given up knowingly."""
    return production(
        githubPlan=plan,
        appRepositoryVisibility="private",
        unprotectedRepositories=["share-paint"],
        waitMinutes=5,
    )


def test_on_a_plan_without_reviewers_nothing_is_declared_that_github_would_drop() -> None:
    found = environments(given_up("team"))["share-paint:production"].inputs
    assert "reviewers" not in found
    assert (found["waitTimer"], found["preventSelfReview"], found["canAdminsBypass"]) == (0, False, True)
    # Branch policies and rulesets are there all the same.
    assert found["deploymentBranchPolicy"]["customBranchPolicies"] is True
    assert ruleset(given_up("team"), "gate-share-paint-ruleset-main").inputs["rules"]["deletion"] is True


def test_on_a_free_plan_a_private_repository_gets_nothing_and_the_public_one_everything() -> None:
    recorded = declare.gate(given_up("free"))
    assert {r.inputs["repository"] for r in recorded.children()} == {"share-paint-infra"}
    assert len(recorded.of("RepositoryRuleset")) == 1


# --- adoption, outputs -------------------------------------------------------------------------------


def test_import_ids_of_the_stack_file_reach_exactly_the_objects_they_name() -> None:
    adopt = {
        ENVIRONMENT: "share-paint:production",
        "gate-share-paint-branch-production-main": "share-paint:production:1",
        "gate-share-paint-tag-production-v*": "share-paint:production:2",
        "gate-share-paint-variable-production-NEXT_PUBLIC_APP_URL": "share-paint:production:4",
        "gate-share-paint-ruleset-main": "share-paint:3",
    }
    recorded = declare.gate(production(adopt=adopt))
    assert {r.name: r.import_id for r in recorded if r.import_id} == adopt


def test_the_gate_names_its_environments() -> None:
    assert declare.gate(production()).outputs["gate"]["environments"] == [
        f"{ENVIRONMENT}-id",
        "gate-share-paint-infra-environment-production-id",
        "gate-share-paint-infra-environment-production-plan-id",
    ]
