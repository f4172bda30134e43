"""The GitHub kinds, rule by rule: each `test_<rule>__…` breaks one rule and sees what the service does."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi_github as sdk
import pytest

from rehearsal.standin import github
from rehearsal.standin.account import Document
from rehearsal.standin.kinds import UNKNOWN, Properties
from tests.rehearsal import rules
from tests.rehearsal.driver import Driver, Object
from tests.rehearsal.rules import refused

KINDS = {kind.type.rsplit(":", 1)[1]: kind for kind in github.KINDS}
CUSTOM = {"protectedBranches": False, "customBranchPolicies": True}


class Hub(Driver):
    """One account behind the plugin, and short verbs for its kinds."""

    def __init__(self, path: Path) -> None:
        github.configure({"token": "t", "owner": "acme"})
        super().__init__(path, "github", github.KINDS)
        self.set_repository()
        for kind, id in (("user", 7), ("user", 8), ("team", 9)):
            self.account.put(kind, str(id), {"name": f"{kind}-{id}"})

    def set_repository(self, name: str = "app", **fields: str) -> None:
        plan = {"visibility": "private", "plan": "enterprise", "owner": "acme", **fields}
        self.account.put("repository", name, plan)

    def environment(self, name: str = "production", **inputs: Any) -> Object:
        return self.create("RepositoryEnvironment", repository="app", environment=name, **inputs)

    def policy(self, environment: str = "production", **pattern: str) -> Object:
        return self.create(
            "RepositoryEnvironmentDeploymentPolicy", repository="app", environment=environment, **pattern
        )

    def secret(self, name: str = "KEY", value: str = "v", environment: str = "production") -> Object:
        return self.create(
            "ActionsEnvironmentSecret",
            repository="app",
            environment=environment,
            secretName=name,
            value=value,
        )

    def variable(self, name: str = "KEY", value: str = "v", environment: str = "production") -> Object:
        return self.create(
            "ActionsEnvironmentVariable",
            repository="app",
            environment=environment,
            variableName=name,
            value=value,
        )

    def ruleset(self, **inputs: Any) -> Object:
        return self.create("RepositoryRuleset", **ruleset(**inputs))

    def live(self, kind: str, id: str) -> Document:
        found = self.account.get(kind, id)
        assert found is not None
        return found

    def by_hand(self, kind: str, id: str, **fields: Any) -> None:
        """Change an object in the dashboard."""
        self.account.put(kind, id, {**self.live(kind, id), **fields})


def ruleset(**inputs: Any) -> Properties:
    """Inputs of a good ruleset."""
    refs = {"refName": {"includes": ["refs/heads/main"], "excludes": []}}
    good = {"repository": "app", "name": "main", "target": "branch", "enforcement": "active"}
    return {**good, "conditions": refs, "rules": {"deletion": True}, **inputs}


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    hub = Hub(tmp_path / "account.db")
    yield hub
    hub.account.close()
    github.configure({"token": "t"})


def test_every_rule_has_a_test_that_breaks_it_and_every_test_a_rule() -> None:
    assert rules.without_a_test(github.RULES, globals()) == set()
    assert rules.without_a_rule(github.RULES, globals()) == set()


def test_every_kind_and_every_property_it_names_are_of_the_sdk(hub: Hub) -> None:
    for name, kind in KINDS.items():
        assert getattr(sdk, name).pulumi_type == kind.type
        resource = hub.plugin.schema.resources[kind.type]
        named = kind.replace_on | kind.computed | kind.unseen() | {path.split(".")[0] for path in kind.kept}
        assert named - {*resource.inputs, *resource.outputs} == set(), name


def test_what_a_program_states_twice_the_same_shows_nothing(hub: Hub) -> None:
    stated: Properties = {"repository": "app", "environment": "production", "waitTimer": 0}
    stated |= {"reviewers": [{"users": [8, 7], "teams": []}], "deploymentBranchPolicy": CUSTOM}
    environment = hub.create("RepositoryEnvironment", **stated)
    stated["reviewers"] = [{"users": [7, 8]}]
    assert hub.changes(environment, **stated) == []
    assert hub.changes(hub.seen(environment), **stated) == []


# --- provider -------------------------------------------------------------------------------------


def test_token_is_needed__from_the_configuration_or_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("GITHUB_TOKEN", raising=False)
    assert [f.property for f in github.configure({"owner": "acme"})] == ["token"]
    monkeypatch.setenv("GITHUB_TOKEN", "t")
    assert github.configure({"owner": "acme"}) == []


def test_owner_holds_the_repository__another_owner_finds_none(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GITHUB_OWNER", raising=False)
    github.configure({"token": "t"})
    with refused(404, "repository app"):
        hub.environment()
    github.configure({"token": "t", "owner": "acme"})
    assert hub.environment().id == "app:production"


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_repository_must_exist__for_every_kind(hub: Hub, kind: str) -> None:
    inputs: Properties = {
        "RepositoryEnvironment": {"environment": "e"},
        "RepositoryEnvironmentDeploymentPolicy": {"environment": "e", "branchPattern": "b"},
        "ActionsEnvironmentSecret": {"environment": "e", "secretName": "S", "value": "v"},
        "ActionsEnvironmentVariable": {"environment": "e", "variableName": "V", "value": "v"},
        "ActionsSecret": {"secretName": "S", "value": "v"},
        "ActionsVariable": {"variableName": "V", "value": "v"},
        "RepositoryRuleset": ruleset(),
    }[kind]
    with refused(404, "repository other"):
        hub.create(kind, **{**inputs, "repository": "other"})


# --- environments ---------------------------------------------------------------------------------


def test_environment_put_is_whole__what_an_update_leaves_out_is_wiped(hub: Hub) -> None:
    environment = hub.environment(
        waitTimer=5,
        reviewers=[{"users": [7], "teams": [9]}],
        preventSelfReview=True,
        canAdminsBypass=False,
        deploymentBranchPolicy=CUSTOM,
    )
    live = hub.live("environment", "app:production")
    assert live["reviewers"] == {"users": [7], "teams": [9]}
    assert (live["waitTimer"], live["preventSelfReview"], live["canAdminsBypass"]) == (5, True, False)
    hub.update(environment, repository="app", environment="production")
    live = hub.live("environment", "app:production")
    assert (live["waitTimer"], live["reviewers"], live["deploymentBranchPolicy"]) == (0, None, None)
    assert (live["preventSelfReview"], live["canAdminsBypass"]) == (False, True)


def test_environment_put_is_an_upsert__creating_over_one_made_by_hand_wipes_it(hub: Hub) -> None:
    hub.account.put(
        "environment", "app:Production", {"repository": "app", "name": "Production", "waitTimer": 30}
    )
    hub.environment("production")
    assert [id for id, _ in hub.account.find("environment")] == ["app:Production"]
    assert hub.live("environment", "app:Production")["waitTimer"] == 0


def test_environment_name_ignores_case__every_spelling_finds_it(hub: Hub) -> None:
    environment = hub.environment("Production")
    assert hub.adopt("RepositoryEnvironment", "app:production").inputs["environment"] == "production"
    hub.secret(environment="PRODUCTION")
    assert hub.live("secret", "app:Production:KEY")["value"] == "v"
    assert hub.changes(environment, repository="app", environment="production") == ["!environment"]


def test_environment_rename_replaces__and_nothing_else_does(hub: Hub) -> None:
    environment = hub.environment()
    assert hub.changes(environment, repository="app", environment="live") == ["!environment"]
    assert hub.changes(
        environment,
        repository="app",
        environment="production",
        waitTimer=1,
        reviewers=[{"users": [7]}],
        preventSelfReview=True,
        canAdminsBypass=False,
        deploymentBranchPolicy=CUSTOM,
    ) == ["canAdminsBypass", "deploymentBranchPolicy", "preventSelfReview", "reviewers", "waitTimer"]


def test_environment_rename_loses_all_below__the_new_one_is_empty(hub: Hub) -> None:
    old = hub.environment("production")
    hub.secret()
    secret = hub.adopt("ActionsEnvironmentSecret", "app:production:KEY")
    assert hub.changes(secret, repository="app", environment="live", secretName="KEY", value="v") == [
        "!environment",
        "value",
    ]
    hub.environment("live")
    hub.delete(old)
    assert hub.account.find("secret") == []


def test_environment_delete_takes_all_below__secrets_variables_policies(hub: Hub) -> None:
    environment = hub.environment(deploymentBranchPolicy=CUSTOM)
    hub.environment("staging")
    hub.policy(branchPattern="main")
    hub.secret()
    hub.variable()
    hub.secret(environment="staging")
    hub.delete(environment)
    left = hub.account.dump()
    assert set(left) == {"environment", "repository", "secret", "team", "user"}
    assert list(left["secret"]) == ["app:staging:KEY"]
    hub.delete(environment)  # the plugin takes a 404 for done


@pytest.mark.parametrize(
    ("minutes", "refused_ones"), [(-1, ["waitTimer"]), (0, []), (43200, []), (43201, ["waitTimer"])]
)
def test_environment_wait_is_limited__to_thirty_days(hub: Hub, minutes: int, refused_ones: list[str]) -> None:
    given = {"repository": "app", "environment": "e", "waitTimer": minutes}
    assert hub.refused_inputs("RepositoryEnvironment", **given) == refused_ones


def test_environment_reviewers_are_limited__to_six_in_one_item(hub: Hub) -> None:
    def refusals(*reviewers: Properties) -> list[str]:
        given = {"repository": "app", "environment": "e", "reviewers": list(reviewers)}
        return hub.refused_inputs("RepositoryEnvironment", **given)

    assert refusals({"users": [1, 2, 3, 4, 5, 6]}) == []
    assert refusals({"users": [1, 2, 3, 4, 5, 6, 7]}) == ["reviewers[0].users"]
    assert refusals({"users": [7]}, {"teams": [9]}) == ["reviewers"]
    with refused(422, "maximum of 6"):
        hub.environment(reviewers=[{"users": [1, 2, 3, 4], "teams": [5, 6, 7]}])


@pytest.mark.parametrize("reviewers", [{"users": [404]}, {"teams": [7]}])
def test_environment_reviewer_must_exist__but_the_preview_does_not_know(
    hub: Hub, reviewers: Properties
) -> None:
    given = {"repository": "app", "environment": "e", "reviewers": [reviewers]}
    assert hub.refused_inputs("RepositoryEnvironment", **given) == []
    with refused(422, "reviewers"):
        hub.create("RepositoryEnvironment", **given)


def test_environment_reviewer_without_access_is_dropped__with_a_success(hub: Hub) -> None:
    hub.by_hand("repository", "app", access={"users": [7], "teams": []})
    made = hub.environment(reviewers=[{"users": [7, 8], "teams": [9]}])
    assert hub.live("environment", "app:production")["reviewers"] == {"users": [7], "teams": []}
    assert made.outputs["reviewers"] == [{"users": [7, 8], "teams": [9]}]  # the plugin does not look
    hub.by_hand("repository", "app", access={"users": [], "teams": []})
    hub.update(made, **made.inputs, waitTimer=5)
    assert hub.live("environment", "app:production")["reviewers"] is None


def test_environment_reviewers_drift_unseen__when_all_are_removed_by_hand(hub: Hub) -> None:
    stated: Properties = {"repository": "app", "environment": "production"}
    stated |= {"reviewers": [{"users": [7]}], "preventSelfReview": True}
    environment = hub.create("RepositoryEnvironment", **stated)
    hub.by_hand("environment", "app:production", reviewers=None, preventSelfReview=False)
    assert hub.changes(hub.seen(environment), **stated) == []
    hub.by_hand("environment", "app:production", reviewers={"users": [8], "teams": []})
    assert hub.changes(hub.seen(environment), **stated) == ["preventSelfReview", "reviewers[0].users[0]"]


@pytest.mark.parametrize(
    ("field", "value", "path"),
    [
        ("waitTimer", 9, "waitTimer"),
        ("waitTimer", 0, "waitTimer"),
        ("canAdminsBypass", True, "canAdminsBypass"),
        ("preventSelfReview", False, "preventSelfReview"),
        ("deploymentBranchPolicy", None, "deploymentBranchPolicy"),
        (
            "deploymentBranchPolicy",
            {"protectedBranches": True, "customBranchPolicies": True},
            "deploymentBranchPolicy.protectedBranches",
        ),
    ],
)
def test_environment_drift_is_seen__and_an_update_mends_it(
    hub: Hub, field: str, value: Any, path: str
) -> None:
    stated: Properties = {"repository": "app", "environment": "production", "waitTimer": 5}
    stated |= {"reviewers": [{"users": [7]}], "preventSelfReview": True, "canAdminsBypass": False}
    stated |= {"deploymentBranchPolicy": CUSTOM}
    environment = hub.create("RepositoryEnvironment", **stated)
    before = hub.live("environment", "app:production")
    hub.by_hand("environment", "app:production", **{field: value})
    assert hub.changes(hub.seen(environment), **stated) == [path]
    hub.update(hub.seen(environment), **stated)
    assert hub.live("environment", "app:production") == before


def test_environment_drift_is_seen__when_it_was_deleted(hub: Hub) -> None:
    environment = hub.environment()
    assert hub.refresh(environment) is not None
    hub.account.delete("environment", "app:production")
    assert hub.refresh(environment) is None


def test_environment_drift_is_seen__of_what_the_program_does_not_state(hub: Hub) -> None:
    environment = hub.environment()
    hub.by_hand("environment", "app:production", waitTimer=9, deploymentBranchPolicy=CUSTOM)
    assert hub.changes(hub.seen(environment), repository="app", environment="production") == [
        "deploymentBranchPolicy",
        "waitTimer",
    ]


@pytest.mark.parametrize("both", [True, False])
def test_environment_branch_policy_is_one_of_two__not_both_and_not_neither(hub: Hub, both: bool) -> None:
    with refused(422, "same value"):
        hub.environment(deploymentBranchPolicy={"protectedBranches": both, "customBranchPolicies": both})


def test_environment_protection_dropped_by_plan__silently_and_it_differs_for_ever(hub: Hub) -> None:
    hub.set_repository(plan="team")
    stated: Properties = {"repository": "app", "environment": "production", "canAdminsBypass": False}
    stated |= {"preventSelfReview": True, "deploymentBranchPolicy": CUSTOM}
    environment = hub.create("RepositoryEnvironment", **stated)
    live = hub.live("environment", "app:production")
    assert (live["canAdminsBypass"], live["preventSelfReview"]) == (True, False)
    assert live["deploymentBranchPolicy"] == CUSTOM
    for _ in range(2):
        assert hub.changes(hub.seen(environment), **stated) == ["canAdminsBypass"]
        environment = hub.update(hub.seen(environment), **stated)


@pytest.mark.parametrize("protection", [{"reviewers": [{"users": [7]}]}, {"waitTimer": 1}])
def test_environment_reviewers_need_the_plan__else_the_update_fails_half_way(
    hub: Hub, protection: Properties
) -> None:
    hub.set_repository(plan="team")
    with refused(422, "billing plan"):
        hub.environment(**protection)
    hub.set_repository(plan="free", visibility="public")
    assert hub.environment(**protection).id == "app:production"


def test_environment_needs_the_plan__on_a_private_repository(hub: Hub) -> None:
    environment = hub.environment()
    hub.set_repository(plan="free")
    with refused(404, "no environments"):
        hub.environment()
    with refused(404):
        hub.secret()
    assert hub.refresh(environment) is None


def test_environment_equal_import_shows_nothing__and_a_different_one_its_difference(hub: Hub) -> None:
    stated: Properties = {"repository": "app", "environment": "production", "waitTimer": 5}
    stated |= {"reviewers": [{"users": [8, 7]}], "preventSelfReview": True, "canAdminsBypass": False}
    stated |= {"deploymentBranchPolicy": CUSTOM}
    hub.create("RepositoryEnvironment", **stated)
    adopted = hub.adopt("RepositoryEnvironment", "app:production")
    assert adopted.id == "app:production"
    assert hub.changes(adopted, **stated) == []
    assert hub.changes(adopted, **{**stated, "waitTimer": 6}) == ["waitTimer"]
    del stated["deploymentBranchPolicy"]
    assert hub.changes(adopted, **stated) == ["deploymentBranchPolicy"]


def test_a_colon_in_the_name_of_an_environment_is_escaped_in_its_id(hub: Hub) -> None:
    environment = hub.environment("eu:production")
    assert environment.id == "app:eu??production"
    assert hub.adopt("RepositoryEnvironment", environment.id).inputs["environment"] == "eu:production"


# --- deployment policies --------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [None, {"protectedBranches": True, "customBranchPolicies": False}])
def test_policy_needs_custom_branch_policies__of_its_environment(hub: Hub, policy: Properties | None) -> None:
    given: Properties = {"deploymentBranchPolicy": policy} if policy else {}
    hub.environment(**given)
    with refused(404, "custom_branch_policies"):
        hub.policy(branchPattern="main")


def test_policy_needs_the_environment__to_exist_before(hub: Hub) -> None:
    with refused(404, "environment production"):
        hub.policy(branchPattern="main")


@pytest.mark.parametrize("patterns", [{}, {"branchPattern": "main", "tagPattern": "v*"}])
def test_policy_is_branch_or_tag__not_both_and_not_neither(hub: Hub, patterns: dict[str, str]) -> None:
    given = {"repository": "app", "environment": "production", **patterns}
    assert hub.refused_inputs("RepositoryEnvironmentDeploymentPolicy", **given) == ["branchPattern"]


def test_policy_branch_to_tag_replaces__while_a_new_pattern_updates(hub: Hub) -> None:
    hub.environment(deploymentBranchPolicy=CUSTOM)
    policy = hub.policy(branchPattern="main")
    stated = {"repository": "app", "environment": "production"}
    assert hub.changes(policy, **stated, tagPattern="v*") == ["!branchPattern", "!tagPattern"]
    assert hub.changes(policy, **stated, branchPattern="next") == ["branchPattern"]
    updated = hub.update(policy, **stated, branchPattern="next")
    assert updated.id == policy.id
    assert hub.live("policy", str(policy.outputs["policyId"]))["name"] == "next"


def test_policy_is_unique__per_kind_of_pattern(hub: Hub) -> None:
    hub.environment(deploymentBranchPolicy=CUSTOM)
    hub.policy(branchPattern="main")
    hub.policy(tagPattern="main")
    with refused(303, "already exists"):
        hub.policy(branchPattern="main")
    other = hub.policy(branchPattern="next")
    with refused(303, "already exists"):
        hub.update(other, repository="app", environment="production", branchPattern="main")


def test_policy_dropped_with_the_branch_policy__so_deleting_it_then_fails(hub: Hub) -> None:
    environment = hub.environment(deploymentBranchPolicy=CUSTOM)
    policy = hub.policy(branchPattern="main")
    hub.update(environment, repository="app", environment="production")
    assert hub.account.find("policy") == []
    with refused(404, "deployment policy"):
        hub.delete(policy)
    assert hub.refresh(policy) is None  # a refresh makes the next run pass


def test_policy_deleted_by_hand_is_seen__and_a_renamed_one_too(hub: Hub) -> None:
    hub.environment(deploymentBranchPolicy=CUSTOM)
    policy = hub.policy(branchPattern="main")
    number = str(policy.outputs["policyId"])
    hub.by_hand("policy", number, name="next")
    stated = {"repository": "app", "environment": "production", "branchPattern": "main"}
    assert hub.changes(hub.seen(policy), **stated) == ["branchPattern"]
    hub.account.delete("policy", number)
    assert hub.refresh(policy) is None


def test_policy_import__by_repository_environment_and_number(hub: Hub) -> None:
    hub.environment(deploymentBranchPolicy=CUSTOM)
    policy = hub.policy(tagPattern="v*")
    adopted = hub.adopt(policy.kind, policy.id)
    assert hub.changes(adopted, repository="app", environment="production", tagPattern="v*") == []
    with refused(400, "expected 3 parts"):
        hub.adopt(policy.kind, str(policy.outputs["policyId"]))


# --- secrets and variables ------------------------------------------------------------------------


def test_secret_put_is_an_upsert__creating_over_one_made_by_hand_overwrites_it(hub: Hub) -> None:
    hub.environment()
    made = {"repository": "app", "environment": "production", "name": "KEY", "value": "old"}
    hub.account.put("secret", "app:production:KEY", {**made, "created_at": "2026", "updated_at": "2026"})
    hub.secret(name="key", value="new")
    live = hub.live("secret", "app:production:KEY")
    assert (live["value"], live["created_at"], live["updated_at"] > "2026") == ("new", "2026", True)


def test_secret_changed_by_hand_is_unseen__though_its_date_moves(hub: Hub) -> None:
    hub.environment()
    secret = hub.secret(value="v")
    hub.by_hand("secret", "app:production:KEY", value="other", updated_at="2099")
    seen = hub.seen(secret)
    assert seen.outputs["remoteUpdatedAt"] == "2099"
    assert (seen.outputs["value"], seen.outputs["updatedAt"]) == ("v", secret.outputs["updatedAt"])
    stated = {"repository": "app", "environment": "production", "secretName": "KEY", "value": "v"}
    assert hub.changes(seen, **stated) == []


def test_secret_deleted_by_hand_is_seen__and_with_its_environment(hub: Hub) -> None:
    environment = hub.environment()
    first, second = hub.secret("FIRST"), hub.secret("SECOND")
    hub.account.delete("secret", "app:production:FIRST")
    assert hub.refresh(first) is None
    assert hub.refresh(second) is not None
    hub.delete(environment)
    assert hub.refresh(second) is None


def test_secret_import_writes__because_its_value_cannot_be_read(hub: Hub) -> None:
    hub.environment()
    hub.secret(value="v")
    adopted = hub.adopt("ActionsEnvironmentSecret", "app:production:KEY")
    assert "v" not in adopted.outputs.values()
    stated = {"repository": "app", "environment": "production", "secretName": "KEY", "value": "v"}
    assert hub.changes(adopted, **stated) == ["value"]


def test_secret_value_updates_in_place__and_the_store_has_the_new_one_only(hub: Hub) -> None:
    hub.environment()
    secret = hub.secret(value="old")
    stated = {"repository": "app", "environment": "production", "secretName": "KEY", "value": "new"}
    assert hub.changes(secret, **stated) == ["value"]
    hub.update(secret, **stated)
    assert hub.live("secret", "app:production:KEY")["value"] == "new"
    assert "old" not in str(hub.account.dump()["secret"])


@pytest.mark.parametrize(
    ("values", "refusals"),
    [
        ({}, ["value"]),
        ({"value": "v", "plaintextValue": "v"}, ["value"]),
        ({"plaintextValue": "v"}, ["plaintextValue"]),
        ({"value": UNKNOWN}, []),
    ],
)
def test_secret_has_one_value__and_it_is_called_value(
    hub: Hub, values: Properties, refusals: list[str]
) -> None:
    given = {"repository": "app", "environment": "production", "secretName": "KEY", **values}
    assert hub.refused_inputs("ActionsEnvironmentSecret", **given) == refusals


def test_secret_size_is_limited__to_48_kb(hub: Hub) -> None:
    hub.environment()
    hub.secret(value="x" * 49152)
    with refused(422, "48 KB"):
        hub.secret(value="x" * 49153)


def test_secret_count_is_limited__to_100_in_one_environment(hub: Hub) -> None:
    hub.environment()
    hub.environment("staging")
    for number in range(100):
        hub.secret(f"KEY_{number}")
    with refused(422, "100"):
        hub.secret("ONE_MORE")
    hub.secret("KEY_0", "new")
    hub.secret("ONE_MORE", environment="staging")


@pytest.mark.parametrize("name", ["1ST", "A-B", "A B", "", "GITHUB_TOKEN", "github_x"])
@pytest.mark.parametrize("kind", ["ActionsEnvironmentSecret", "ActionsEnvironmentVariable"])
def test_entry_name__has_letters_digits_and_underscores_only(hub: Hub, kind: str, name: str) -> None:
    named = "secretName" if kind.endswith("Secret") else "variableName"
    given = {"repository": "app", "environment": "production", "value": "v", named: name}
    assert hub.refused_inputs(kind, **given) == [named]
    assert hub.refused_inputs(kind, **{**given, named: "_good_1"}) == []


def test_entry_name__is_stored_in_upper_case(hub: Hub) -> None:
    hub.environment()
    hub.secret("key")
    hub.variable("key")
    assert hub.live("secret", "app:production:KEY")["name"] == "KEY"
    with refused(409):
        hub.variable("KEY")


def test_entry_needs_the_environment__secret_and_variable(hub: Hub) -> None:
    with refused(404, "environment production"):
        hub.secret()
    with refused(404, "environment production"):
        hub.variable()


def test_entry_name_replaces__like_its_place(hub: Hub) -> None:
    hub.environment()
    place = {"repository": "app", "environment": "staging", "value": "v"}
    assert hub.changes(hub.secret(), **place, secretName="NEW") == ["!environment", "!secretName"]
    assert hub.changes(hub.variable(), **place, variableName="NEW") == ["!environment", "!variableName"]


def test_variable_is_unique__creating_over_one_made_by_hand_is_409(hub: Hub) -> None:
    hub.environment()
    hub.variable(value="old")
    with refused(409, "Already exists"):
        hub.variable(value="new")
    assert hub.live("variable", "app:production:KEY")["value"] == "old"


def test_variable_drift_is_seen__changed_and_deleted(hub: Hub) -> None:
    hub.environment()
    variable = hub.variable(value="v")
    stated = {"repository": "app", "environment": "production", "variableName": "KEY", "value": "v"}
    assert hub.changes(hub.seen(variable), **stated) == []
    hub.by_hand("variable", "app:production:KEY", value="other")
    assert hub.changes(hub.seen(variable), **stated) == ["value"]
    hub.account.delete("variable", "app:production:KEY")
    assert hub.refresh(variable) is None
    with refused(404):
        hub.update(variable, **stated)


def test_variable_equal_import_shows_nothing__and_another_value_does(hub: Hub) -> None:
    hub.environment()
    hub.variable(value="v")
    adopted = hub.adopt("ActionsEnvironmentVariable", "app:production:KEY")
    stated = {"repository": "app", "environment": "production", "variableName": "KEY"}
    assert hub.changes(adopted, **stated, value="v") == []
    assert hub.changes(adopted, **stated, value="w") == ["value"]


def test_entry_deleted_twice_fails__with_404(hub: Hub) -> None:
    hub.environment()
    for entry in (hub.secret(), hub.variable()):
        hub.delete(entry)
        with refused(404, "KEY"):
            hub.delete(entry)


def test_secrets_and_variables_of_a_repository_have_no_environment(hub: Hub) -> None:
    secret = hub.create("ActionsSecret", repository="app", secretName="KEY", value="v")
    variable = hub.create("ActionsVariable", repository="app", variableName="KEY", value="w")
    assert (secret.id, variable.id) == ("app:KEY", "app:KEY")
    assert hub.live("secret", "app:KEY")["value"] == "v"
    adopted = hub.adopt("ActionsVariable", "app:KEY")
    assert hub.changes(adopted, repository="app", variableName="KEY", value="w") == []
    hub.delete(secret)
    hub.delete(variable)
    assert set(hub.account.dump()) == {"repository", "team", "user"}


# --- rulesets -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "ref", "good"),
    [
        ("branch", "main", False),
        ("branch", "refs/tags/v*", False),
        ("tag", "v*", False),
        ("tag", "~DEFAULT_BRANCH", False),
        ("branch", "refs/heads/main", True),
        ("branch", "~DEFAULT_BRANCH", True),
        ("tag", "refs/tags/v*", True),
        ("tag", "~ALL", True),
    ],
)
@pytest.mark.parametrize("side", ["includes", "excludes"])
def test_ruleset_ref_is_full__or_it_passes_the_preview_and_fails_at_up(
    hub: Hub, target: str, ref: str, good: bool, side: str
) -> None:
    names = {"includes": [], "excludes": [], side: [ref]}
    stated = ruleset(target=target, conditions={"refName": names})
    assert hub.refused_inputs("RepositoryRuleset", **stated) == []
    if good:
        hub.create("RepositoryRuleset", **stated)
    else:
        with refused(422, ref):
            hub.create("RepositoryRuleset", **stated)


def test_ruleset_name_is_unique__in_one_repository(hub: Hub) -> None:
    hub.set_repository("infra")
    hub.ruleset()
    hub.ruleset(repository="infra")
    with refused(422, "Name must be unique"):
        hub.ruleset()
    other = hub.ruleset(name="other")
    with refused(422, "Name must be unique"):
        hub.update(other, **ruleset(name="main"))


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"target": "ref"}, "target"),
        ({"enforcement": "on"}, "enforcement"),
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"bypassActors": [{"actorType": "App", "bypassMode": "always"}]}, "bypassActors[0].actorType"),
        ({"bypassActors": [{"actorType": "Team", "bypassMode": "ever"}]}, "bypassActors[0].bypassMode"),
        (
            {"rules": {"pullRequest": {"requiredApprovingReviewCount": 11}}},
            "rules.pullRequest.requiredApprovingReviewCount",
        ),
        (
            {"rules": {"pullRequest": {"allowedMergeMethods": ["fast"]}}},
            "rules.pullRequest.allowedMergeMethods",
        ),
        ({"rules": {"requiredStatusChecks": {"requiredChecks": []}}}, "rules.requiredStatusChecks"),
    ],
)
def test_ruleset_has_allowed_values__others_are_refused_in_the_preview(
    hub: Hub, wrong: Properties, path: str
) -> None:
    assert hub.refused_inputs("RepositoryRuleset", **ruleset(**wrong)) == [path]
    assert hub.refused_inputs("RepositoryRuleset", **ruleset()) == []


@pytest.mark.parametrize(
    ("target", "rules_", "refusals"),
    [
        ("branch", {"maxFileSize": {"maxFileSize": 5}}, ["rules.maxFileSize"]),
        ("push", {"deletion": True}, ["rules.deletion", "conditions.refName"]),
        ("push", {"maxFileSize": {"maxFileSize": 5}}, ["conditions.refName"]),
        ("branch", {"deletion": True}, []),
    ],
)
def test_ruleset_rules_fit_the_target__push_or_refs(
    hub: Hub, target: str, rules_: Properties, refusals: list[str]
) -> None:
    stated = ruleset(target=target, rules=rules_)
    assert hub.refused_inputs("RepositoryRuleset", **stated) == refusals


def test_ruleset_needs_the_plan__on_a_private_repository(hub: Hub) -> None:
    hub.set_repository(plan="free")
    with refused(403, "Upgrade"):
        hub.ruleset()
    hub.set_repository(plan="team")
    hub.ruleset()


def test_ruleset_drift_is_seen__and_its_deletion(hub: Hub) -> None:
    created = hub.ruleset(rules={"deletion": True, "pullRequest": {"requiredApprovingReviewCount": 2}})
    stated = dict(created.inputs)
    assert hub.changes(hub.seen(created), **stated) == []
    weaker = {"pullRequest": {"requiredApprovingReviewCount": 1}, "nonFastForward": True}
    hub.by_hand("ruleset", created.id, enforcement="disabled", rules=weaker)
    assert hub.changes(hub.seen(created), **stated) == [
        "enforcement",
        "rules.deletion",
        "rules.nonFastForward",
        "rules.pullRequest.requiredApprovingReviewCount",
    ]
    hub.account.delete("ruleset", created.id)
    assert hub.refresh(created) is None
    with refused(404):
        hub.update(created, **stated)
    with refused(404):
        hub.delete(created)


def test_ruleset_equal_import_shows_nothing__merge_methods_left_to_github_included(hub: Hub) -> None:
    checks: list[dict[str, object]] = [{"context": "test"}, {"context": "build", "integrationId": 0}]
    actors = [
        {"actorType": "Team", "actorId": 9, "bypassMode": "always"},
        {"actorType": "Integration", "actorId": 5, "bypassMode": "always"},
    ]
    stated = ruleset(
        bypassActors=actors,
        rules={
            "deletion": True,
            "update": False,
            "pullRequest": {"requiredApprovingReviewCount": 2},
            "requiredStatusChecks": {"requiredChecks": checks, "strictRequiredStatusChecksPolicy": True},
        },
    )
    created = hub.create("RepositoryRuleset", **stated)
    assert hub.live("ruleset", created.id)["rules"]["pullRequest"]["allowedMergeMethods"]
    adopted = hub.adopt("RepositoryRuleset", f"app:{created.id}")
    assert adopted.id == created.id
    stated["bypassActors"].reverse()
    checks.reverse()
    assert hub.changes(adopted, **stated) == []
    checks[0]["integrationId"] = 15368  # live it may be anybody's
    assert hub.changes(adopted, **stated) == ["rules.requiredStatusChecks.requiredChecks[0].integrationId"]
    assert hub.changes(adopted, **{**stated, "rules": {"deletion": True}}) == [
        "rules.pullRequest",
        "rules.requiredStatusChecks",
    ]


def test_ruleset_updates_in_place__and_another_repository_does_not_have_it(hub: Hub) -> None:
    hub.set_repository("infra")
    created = hub.ruleset()
    stated = ruleset(name="renamed", rules={"nonFastForward": True})
    assert hub.changes(created, **stated) == ["name", "rules.deletion", "rules.nonFastForward"]
    assert hub.update(created, **stated).id == created.id
    assert hub.live("ruleset", created.id)["rules"] == {"nonFastForward": True}
    assert hub.changes(created, **ruleset(repository="infra")) == ["repository"]
    with refused(404, "infra"):
        hub.update(created, **ruleset(repository="infra"))
