"""The seeded account holds what adoption must cope with, and each drift changes what its name says."""

from pathlib import Path
from typing import Any

import pulumi
import pulumiverse_vercel as sdk
import pytest

from rehearsal import demo
from rehearsal.standin import drift, seeds
from rehearsal.standin.account import Account
from rehearsal.standin.kinds import Properties, ServiceError
from rehearsal.standin.vercel.deployment import build
from tests.rehearsal.seeded import Seeded
from tests.rehearsal.standin_engine import Rehearsal

GIT = {"type": "github", "repo": seeds.REPOSITORY, "productionBranch": "main"}


def test_an_account_that_holds_anything_is_not_seeded_again(seeded: Seeded) -> None:
    before = {service: account.dump() for service, account in seeded.accounts.items()}
    with pytest.raises(FileExistsError, match="not empty"):
        seeds.seed(seeded.path)
    assert before == {service: account.dump() for service, account in seeded.accounts.items()}


def test_an_account_with_objects_of_one_service_only_is_refused_too(tmp_path: Path) -> None:
    account = Account(tmp_path / "account.db", "github")
    account.put("repository", "own", {})
    with pytest.raises(FileExistsError):
        seeds.seed(tmp_path / "account.db")
    account.close()
    account = Account(tmp_path / "account.db", "vercel")
    assert account.dump() == {}
    account.close()


def test_the_project_imports_without_a_change_when_its_settings_are_stated(seeded: Seeded) -> None:
    stated = {"name": demo.VERCEL_PROJECT_NAME, "gitRepository": GIT, **seeds.PROJECT_SETTINGS}
    assert seeded.imported("Project", demo.VERCEL_PROJECT_ID, **stated) == ([], set())
    exposed = {**stated, "automaticallyExposeSystemEnvironmentVariables": True}
    assert seeded.imported("Project", demo.VERCEL_PROJECT_ID, **exposed) == (
        ["automaticallyExposeSystemEnvironmentVariables"],
        set(),
    )


def test_each_setting_that_an_update_resets_shows_when_it_is_left_out(seeded: Seeded) -> None:
    stated = {"name": demo.VERCEL_PROJECT_NAME, "gitRepository": GIT, **seeds.PROJECT_SETTINGS}
    for name in ("buildCommand", "framework", "skewProtection", "gitRepository"):
        left = {key: value for key, value in stated.items() if key != name}
        assert seeded.imported("Project", demo.VERCEL_PROJECT_ID, **left) == ([name], set())


@pytest.mark.parametrize(
    ("key", "targets"),
    [
        ("NEXT_PUBLIC_SUPABASE_URL", ["production", "preview"]),
        ("NEXT_PUBLIC_APP_URL", ["production"]),
        ("NEXT_PUBLIC_SENTRY_DSN", ["production"]),
        ("NEXT_PUBLIC_ANALYTICS_ID", ["production", "preview"]),
    ],
)
def test_a_plain_hand_made_variable_imports_without_a_change(
    seeded: Seeded, key: str, targets: list[str]
) -> None:
    stored = seeded.accounts["vercel"].get("variable", seeds.VARIABLES[key]) or {}
    id = f"{demo.VERCEL_TEAM_ID}/{demo.VERCEL_PROJECT_ID}/{seeds.VARIABLES[key]}"
    inputs = {"projectId": demo.VERCEL_PROJECT_ID, "key": key, "value": stored["value"]}
    assert seeded.imported("Variable", id, **inputs, sensitive=False, targets=targets) == ([], set())


def test_preview_reads_the_data_of_production_by_one_shared_variable(seeded: Seeded) -> None:
    id = seeds.VARIABLES["NEXT_PUBLIC_SUPABASE_URL"]
    stored = seeded.accounts["vercel"].get("variable", id) or {}
    assert stored["targets"] == ["preview", "production"]
    assert demo.SUPABASE_REF["production"] in stored["value"]


def test_the_encrypted_service_role_key_cannot_be_imported_as_sensitive(seeded: Seeded) -> None:
    key = "SUPABASE_SERVICE_ROLE_KEY"
    id = f"{demo.VERCEL_PROJECT_ID}/{seeds.VARIABLES[key]}"
    inputs = {"projectId": demo.VERCEL_PROJECT_ID, "key": key, "value": "other", "targets": ["production"]}
    assert seeded.imported("Variable", id, **inputs, sensitive=True) == (
        ["sensitive", "value"],
        {"sensitive"},
    )


@pytest.mark.parametrize("key", sorted(seeds.VARIABLES))
def test_creating_over_a_hand_made_variable_conflicts_and_names_its_id(seeded: Seeded, key: str) -> None:
    inputs = {"projectId": demo.VERCEL_PROJECT_ID, "key": key, "value": "v", "targets": ["production"]}
    with pytest.raises(ServiceError, match=f"ENV_CONFLICT.*{seeds.VARIABLES[key]}"):
        seeded.create("Variable", **inputs, sensitive=True)


def test_the_domain_serves_a_build_of_a_release_with_the_hand_made_values(seeded: Seeded) -> None:
    account = seeded.accounts["vercel"]
    id = f"{demo.VERCEL_PROJECT_ID}/{demo.PRODUCTION_DOMAIN}"
    inputs = {"projectId": demo.VERCEL_PROJECT_ID, "domain": demo.PRODUCTION_DOMAIN}
    assert seeded.imported("Domain", id, **inputs) == ([], set())
    alias = account.get("alias", demo.PRODUCTION_DOMAIN) or {}
    served = account.get("deployment", alias["deploymentId"]) or {}
    assert (served["sha"], served["target"]) == (demo.RELEASES[0], "production")
    assert set(served["env"]) == set(seeds.VARIABLES)


def test_every_release_and_branch_of_the_demo_can_be_built(seeded: Seeded) -> None:
    project = seeded.accounts["vercel"].get("project", demo.VERCEL_PROJECT_ID) or {}
    for ref in (*demo.RELEASES, "develop", "main"):
        assert build(seeded.accounts["vercel"], demo.VERCEL_PROJECT_ID, project, {"ref": ref})


def test_the_environments_of_the_integration_are_taken_over_in_any_case(seeded: Seeded) -> None:
    reviewers = [{"users": [demo.REVIEWER_USER["id"]], "teams": [demo.REVIEWER_TEAM["id"]]}]
    inputs = {"repository": demo.APP_REPOSITORY, "environment": "production", "reviewers": reviewers}
    seeded.create("Environment", **inputs, waitTimer=5, canAdminsBypass=False)
    found = seeded.accounts["github"].find("environment", repository=demo.APP_REPOSITORY)
    assert [document["name"] for _, document in found] == ["Preview", "Production"]
    assert found[1][1].items() >= {"waitTimer": 5, "canAdminsBypass": False}.items()
    assert found[1][1]["reviewers"] == reviewers[0]


def test_both_repositories_exist_and_protect(seeded: Seeded) -> None:
    for repository in (demo.APP_REPOSITORY, demo.INFRA_REPOSITORY):
        inputs = {"repository": repository, "environment": "staging", "waitTimer": 1}
        seeded.create("Environment", **inputs)
        rules = {"deletion": True}
        conditions = {"refName": {"includes": ["refs/heads/main"], "excludes": []}}
        seeded.create(
            "Ruleset",
            repository=repository,
            name="paintshare main",
            target="branch",
            enforcement="active",
            conditions=conditions,
            rules=rules,
        )


@pytest.mark.real
def test_the_real_engine_adopts_the_seeded_objects_without_a_write_and_sees_no_change_after(
    tmp_path: Path,
) -> None:
    seeds.seed(tmp_path / "account.db")
    rehearsal = Rehearsal(tmp_path)
    before = rehearsal.vercel.dump()
    settings: dict[str, Any] = {
        "build_command": seeds.PROJECT_SETTINGS["buildCommand"],
        "framework": seeds.PROJECT_SETTINGS["framework"],
        "node_version": seeds.PROJECT_SETTINGS["nodeVersion"],
        "prioritise_production_builds": True,
        "resource_config": {"function_default_regions": ["icn1"]},
        "skew_protection": seeds.PROJECT_SETTINGS["skewProtection"],
    }

    def program() -> None:
        provider = sdk.Provider("vercel", api_token=demo.VERCEL_TOKEN, team=demo.VERCEL_TEAM_SLUG)

        def adopt(id: str) -> pulumi.ResourceOptions:
            return pulumi.ResourceOptions(provider=provider, import_=id)

        place = f"{demo.VERCEL_TEAM_ID}/{demo.VERCEL_PROJECT_ID}"
        git = sdk.ProjectGitRepositoryArgs(type="github", repo=seeds.REPOSITORY, production_branch="main")
        project = sdk.Project(
            "project",
            name=demo.VERCEL_PROJECT_NAME,
            git_repository=git,
            **settings,
            opts=adopt(demo.VERCEL_PROJECT_ID),
        )
        sdk.ProjectEnvironmentVariable(
            "variable",
            project_id=project.id,
            key="NEXT_PUBLIC_APP_URL",
            value=f"https://{demo.PRODUCTION_DOMAIN}",
            sensitive=False,
            targets=["production"],
            opts=adopt(f"{place}/{seeds.VARIABLES['NEXT_PUBLIC_APP_URL']}"),
        )
        sdk.ProjectDomain(
            "domain",
            project_id=project.id,
            domain=demo.PRODUCTION_DOMAIN,
            opts=adopt(f"{place}/{demo.PRODUCTION_DOMAIN}"),
        )

    first, again = rehearsal.up(program), rehearsal.preview(program)
    after = rehearsal.vercel.dump()
    rehearsal.close()
    assert first.steps == {name: ["import"] for name in ("project", "variable", "domain")}
    assert (first.changed, first.error) == ({}, "")
    assert (again.steps, again.error) == ({}, "")
    assert after == before


# --- drift ----------------------------------------------------------------------------------------


def declared(seeded: Seeded) -> dict[str, tuple[str, Properties, Properties]]:
    """What a program would have made or adopted: by kind (id, inputs, state)."""
    project = {"projectId": demo.VERCEL_PROJECT_ID}
    tracking = {"type": "equals", "pattern": "develop"}
    environment = {"repository": demo.APP_REPOSITORY, "environment": "production"}
    reviewers = [{"users": [demo.REVIEWER_USER["id"]]}]
    made = {
        "CustomEnvironment": seeded.create(
            "CustomEnvironment", **project, name="staging", branchTracking=tracking
        ),
        "Domain": seeded.create("Domain", **project, domain=demo.STAGING_DOMAIN),
        "Environment": seeded.create(
            "Environment",
            **environment,
            reviewers=reviewers,
            waitTimer=5,
            canAdminsBypass=False,
            preventSelfReview=True,
            deploymentBranchPolicy={"protectedBranches": False, "customBranchPolicies": True},
        ),
        "Secret": seeded.create("Secret", **environment, secretName="TOKEN", value="ours"),
        "Setting": seeded.create(
            "Setting", **environment, variableName="NEXT_PUBLIC_APP_URL", value="https://a.example"
        ),
        "Policy": seeded.create("Policy", **environment, branchPattern="main"),
        "Ruleset": seeded.create(
            "Ruleset",
            repository=demo.APP_REPOSITORY,
            name="paintshare main",
            target="branch",
            enforcement="active",
            conditions={"refName": {"includes": ["refs/heads/main"], "excludes": []}},
            rules={"deletion": True},
        ),
    }
    builds = [seeded.create("Deployment", **project, ref=sha, production=True) for sha in demo.RELEASES[:2]]
    made["Alias"] = seeded.create("Alias", alias=demo.PRODUCTION_DOMAIN, deploymentId=builds[0][0])
    config = seeded.create("EdgeConfig", name="paintshare-production")
    made["Item"] = seeded.create("Item", edgeConfigId=config[0], key="battle", value="on")
    pepper = {"key": "BATTLE_PASSWORD_PEPPER", "value": "ours", "targets": ["production"]}
    made["Pepper"] = seeded.create("Variable", **project, **pepper, sensitive=True)
    for kind, id in {
        "Project": demo.VERCEL_PROJECT_ID,
        "Variable": f"{demo.VERCEL_PROJECT_ID}/{seeds.VARIABLES['NEXT_PUBLIC_APP_URL']}",
    }.items():
        plugin, type = seeded.plugin(kind)
        found = plugin.read(type, id, {}, {})
        assert found is not None
        made[kind] = found
    return made


EXPECTED = {  # drift: the kind it touches, and the property that a refresh shows changed
    "app-url": ("Variable", "value"),
    "skew-protection": ("Project", "skewProtection"),
    "branch-tracking": ("CustomEnvironment", "branchTracking"),
    "domain-removed": ("Domain", None),
    "wait-timer": ("Environment", "waitTimer"),
    "admin-bypass": ("Environment", "canAdminsBypass"),
    "reviewers-removed": ("Environment", None),
    "ruleset-off": ("Ruleset", "enforcement"),
    "secret-by-hand": ("Secret", None),
    "variable-by-hand": ("Pepper", None),
    "alias-moved": ("Alias", "deploymentId"),
    "kill-switch": ("Item", "value"),
    "policy-added": ("Environment", None),
    "policy-removed": ("Policy", None),
    "github-variable": ("Setting", "value"),
    "bypass-added": ("Ruleset", "bypassActors"),
}


def test_every_drift_is_expected_below() -> None:
    assert set(drift.DRIFTS) == set(EXPECTED)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_drift_changes_one_thing_and_a_refresh_shows_it_unless_no_plugin_reads_it(
    seeded: Seeded, name: str
) -> None:
    kind, property = EXPECTED[name]
    id, inputs, state = declared(seeded)[kind]
    service = drift.DRIFTS[name].service
    before = seeded.accounts[service].dump()
    drift.DRIFTS[name].apply(seeded.path)
    after = seeded.accounts[service].dump()
    changed = {
        (each, key)
        for each in before | after
        for key in before.get(each, {}) | after.get(each, {})
        if before.get(each, {}).get(key) != after.get(each, {}).get(key)
    }
    assert len(changed) == (2 if name == "domain-removed" else 1), changed  # what it served goes with it
    plugin, type = seeded.plugin("Variable" if kind == "Pepper" else kind)
    found = plugin.read(type, id, state, inputs)
    if name in ("domain-removed", "policy-removed"):
        assert found is None
        return
    assert found is not None
    refreshed = found[1]
    differing = {key for key in inputs | refreshed if inputs.get(key) != refreshed.get(key)}
    assert differing == ({property} if drift.DRIFTS[name].seen else set())


@pytest.mark.parametrize(
    "name",
    [
        "branch-tracking", "domain-removed", "ruleset-off", "secret-by-hand", "variable-by-hand",
        "kill-switch", "bypass-added", "policy-removed", "github-variable",
    ],
)  # fmt: skip
def test_a_drift_of_what_is_not_there_yet_says_so_and_changes_nothing(seeded: Seeded, name: str) -> None:
    before = seeded.accounts[drift.DRIFTS[name].service].dump()
    with pytest.raises(LookupError, match="apply"):
        drift.DRIFTS[name].apply(seeded.path)
    assert seeded.accounts[drift.DRIFTS[name].service].dump() == before


def test_reviewers_removed_by_hand_are_gone_in_the_account(seeded: Seeded) -> None:
    declared(seeded)
    drift.DRIFTS["reviewers-removed"].apply(seeded.path)
    found = seeded.accounts["github"].find("environment", repository=demo.APP_REPOSITORY, name="Production")
    assert found[0][1]["reviewers"] is None
