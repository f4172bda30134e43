"""WebApp: what one stack declares on Vercel, property by property."""

import pulumiverse_vercel as vercel
import pytest

from plan.web import PROJECT_SETTINGS
from rehearsal import demo
from tests.builders import StackFile, production, staging
from tests.components import declare
from tests.components.recording import CONNECTION, Recorded

PROJECT_ID = "web-project-id"  # as the recording engine names what it made


def variables(recorded: Recorded) -> dict[str, dict[str, object]]:
    return {r.name.removeprefix("web-variable-"): r.inputs for r in recorded.of("ProjectEnvironmentVariable")}


# --- project -----------------------------------------------------------------------------------------


def test_the_project_is_adopted_by_its_canonical_id_and_outlives_every_mistake() -> None:
    project = declare.web(production()).one("Project")
    assert (project.name, project.import_id) == ("web-project", demo.VERCEL_PROJECT_ID)
    assert project.protected
    assert project.retained


@pytest.mark.parametrize(
    "settings", [{}, {"gitLfs": True}, {"framework": "nextjs", "skewProtection": "1 day"}]
)
def test_the_git_connection_is_always_declared_because_left_out_it_is_cut(
    settings: dict[str, object],
) -> None:
    recorded = declare.web(production(vercelProject={"publicSource": False, **settings}))
    assert recorded.one("Project").inputs["gitRepository"] == {
        "type": "github",
        "repo": "paintshare-demo/share-paint",
        "productionBranch": "main",
    }


def test_the_project_states_what_the_stack_file_states_and_no_more() -> None:
    settings = {"framework": "nextjs", "gitLfs": False, "resourceConfig": {"fluid": True}}
    inputs = declare.web(production(vercelProject=settings)).one("Project").inputs
    stated = {"name", "gitRepository", "autoAssignCustomDomains"}
    assert set(inputs) == stated | set(settings)
    assert {key: inputs[key] for key in settings} == settings
    assert (inputs["name"], inputs["autoAssignCustomDomains"]) == ("share-paint", False)


def test_no_variable_is_declared_inline_in_the_project() -> None:
    assert "environments" not in declare.web(production()).one("Project").inputs


def test_each_setting_of_the_project_reaches_the_provider_under_its_own_name() -> None:
    every: dict[str, object] = {
        name: {bool: True, str: name, dict: {}}[kind] for name, kind in PROJECT_SETTINGS.items()
    }
    inputs = declare.web(production(vercelProject=every)).one("Project").inputs
    assert {name: inputs.get(name) for name in every} == every


def test_staging_declares_no_project_and_uses_it_by_its_id() -> None:
    recorded = declare.web(staging())
    assert recorded.of("Project") == []
    used = {r.inputs["projectId"] for r in recorded.children() if "projectId" in r.inputs}
    assert used == {demo.VERCEL_PROJECT_ID}


def test_production_uses_the_adopted_projects_id() -> None:
    used = {r.inputs["projectId"] for r in declare.web(production()).children() if "projectId" in r.inputs}
    assert used == {PROJECT_ID}


# --- custom environment ------------------------------------------------------------------------------


def test_staging_is_a_custom_environment_that_states_its_branch_and_description() -> None:
    custom = declare.web(staging()).one("CustomEnvironment")
    assert custom.name == "web-environment-staging"
    # So every property is there (hazard `environment-keeps-old-value`).
    assert set(custom.inputs) == declare.properties(vercel.CustomEnvironmentArgs) - {"teamId"}
    assert custom.inputs["branchTracking"] == {"type": "equals", "pattern": "develop"}
    assert custom.inputs["description"] == "Follows develop"
    assert custom.inputs["name"] == "staging"


@pytest.mark.parametrize("file", [production(), staging(vercelTarget="branch")], ids=lambda f: f.stack)
def test_no_other_target_makes_a_custom_environment(file: StackFile) -> None:
    recorded = declare.web(file)
    assert recorded.of("CustomEnvironment") == []
    assert not any("customEnvironmentId" in r.inputs or "customEnvironmentIds" in r.inputs for r in recorded)


# --- variables ---------------------------------------------------------------------------------------


def test_a_variable_of_staging_goes_to_the_custom_environment_alone_and_one_of_preview_to_preview_alone() -> (
    None
):
    for name, inputs in variables(declare.web(staging())).items():
        if name.endswith("-staging"):
            assert inputs["customEnvironmentIds"] == ["web-environment-staging-id"]
            assert "targets" not in inputs
        else:
            assert name.endswith("-preview")
            assert inputs["targets"] == ["preview"]
            assert "customEnvironmentIds" not in inputs
        assert "gitBranch" not in inputs


def test_a_variable_of_production_goes_to_production_alone() -> None:
    for inputs in variables(declare.web(production())).values():
        assert inputs["targets"] == ["production"]
        assert not {"gitBranch", "customEnvironmentIds"} & set(inputs)


def test_without_custom_environments_variables_and_domain_of_staging_are_narrowed_to_its_branch() -> None:
    recorded = declare.web(staging(vercelTarget="branch"))
    for name, inputs in variables(recorded).items():
        assert inputs["targets"] == ["preview"]
        assert inputs.get("gitBranch") == ("develop" if name.endswith("-staging") else None)
    assert recorded.one("ProjectDomain").inputs["gitBranch"] == "develop"


def test_preview_has_no_app_url_and_none_of_the_optional_keys() -> None:
    preview = {
        n.removesuffix("-preview") for n in variables(declare.web(staging())) if n.endswith("-preview")
    }
    assert not preview & {
        "NEXT_PUBLIC_APP_URL", "SUPABASE_SERVICE_ROLE_KEY", "SENTRY_DSN", "NEXT_PUBLIC_SENTRY_DSN",
    }  # fmt: skip


def test_what_is_not_for_browsers_is_sensitive() -> None:
    for name, inputs in variables(declare.web(production())).items():
        assert inputs["sensitive"] is not name.startswith("NEXT_PUBLIC_")


def test_a_team_that_forces_sensitive_gets_every_variable_sensitive() -> None:
    assert all(
        v["sensitive"] is True for v in variables(declare.web(staging(vercelSensitiveOnly=True))).values()
    )


def test_a_variable_carries_the_value_of_the_stack_file() -> None:
    file = production()
    found = variables(declare.web(file))
    assert found["BATTLE_PASSWORD_PEPPER-production"]["value"] == file.secrets["BATTLE_PASSWORD_PEPPER"]
    assert found["NEXT_PUBLIC_APP_URL-production"]["value"] == "https://share-paint.app"


def test_the_connection_string_of_the_kill_switch_reaches_every_environment() -> None:
    found = variables(declare.web(staging()))
    assert found["EDGE_CONFIG-staging"]["value"] == CONNECTION
    assert found["EDGE_CONFIG-preview"]["value"] == CONNECTION


# --- domains -----------------------------------------------------------------------------------------


def test_productions_domain_is_its_own_and_www_redirects_to_it_for_good() -> None:
    www, main = sorted(declare.web(production()).of("ProjectDomain"), key=lambda d: d.name, reverse=True)
    assert (main.name, main.inputs) == (
        "web-domain-share-paint.app",
        {"projectId": PROJECT_ID, "domain": "share-paint.app"},
    )
    assert www.inputs == {
        "projectId": PROJECT_ID,
        "domain": "www.share-paint.app",
        "redirect": "share-paint.app",
        "redirectStatusCode": 308,
    }


def test_stagings_domain_points_at_its_custom_environment() -> None:
    domain = declare.web(staging()).one("ProjectDomain")
    assert domain.inputs["domain"] == "staging.share-paint.app"
    assert domain.inputs["customEnvironmentId"] == "web-environment-staging-id"


# --- kill switch -------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["on", "off"])
def test_the_kill_switch_is_an_edge_config_item(state: str) -> None:
    recorded = declare.web(staging(battle=state))
    assert recorded.one("EdgeConfig").inputs == {"name": "paintshare-staging"}
    item = recorded.one("EdgeConfigItem")
    assert item.inputs == {"edgeConfigId": "web-edge-config-id", "key": "battle", "value": state}
    assert item.name == "web-feature-battle"


def test_switching_battle_off_changes_nothing_else_so_that_it_needs_no_deployment() -> None:
    file = production()
    on = {r.name: r.inputs for r in declare.web(file)}
    file.config["battle"] = "off"
    off = {r.name: r.inputs for r in declare.web(file)}
    assert {name for name in on | off if on.get(name) != off.get(name)} == {"web-feature-battle"}


# --- releases ----------------------------------------------------------------------------------------


def test_production_pins_its_domain_to_the_current_release_and_keeps_the_one_before_built() -> None:
    recorded = declare.web(production())
    current, previous = (f"web-release-{sha}" for sha in (demo.RELEASES[1], demo.RELEASES[0]))
    assert {r.name for r in recorded.of("Deployment")} == {current, previous}
    assert recorded.named(current).inputs["ref"] == demo.RELEASES[1]
    alias = recorded.one("Alias")
    assert alias.name == "web-live"
    assert alias.inputs == {"alias": "share-paint.app", "deploymentId": f"{current}-id"}
    assert recorded.outputs["web"]["served_deployment"] == f"{current}-id"


def test_a_promotion_adds_one_deployment_and_repoints_the_alias() -> None:
    file = production()
    before = {r.name: r.inputs for r in declare.web(file)}
    file.config |= {"release": demo.RELEASES[2], "previousRelease": demo.RELEASES[1]}
    after = {r.name: r.inputs for r in declare.web(file)}
    new, gone = f"web-release-{demo.RELEASES[2]}", f"web-release-{demo.RELEASES[0]}"
    assert {name for name in before | after if before.get(name) != after.get(name)} == {new, gone, "web-live"}
    assert after["web-live"]["deploymentId"] == f"{new}-id"


def test_a_rollback_repoints_the_alias_at_a_deployment_that_exists_without_a_build() -> None:
    file = production()
    before = {r.name: r.inputs for r in declare.web(file)}
    file.config |= {"release": demo.RELEASES[0], "previousRelease": demo.RELEASES[1]}
    after = {r.name: r.inputs for r in declare.web(file)}
    assert {name for name in before | after if before.get(name) != after.get(name)} == {"web-live"}


def test_a_rotated_secret_rebuilds_both_releases() -> None:
    file = production()
    before = {r.name: r.inputs for r in declare.web(file)}
    file.set_secret("SENTRY_DSN", "https://new.example")
    after = {r.name: r.inputs for r in declare.web(file)}
    assert {name for name in before | after if before.get(name) != after.get(name)} == {
        "web-variable-SENTRY_DSN-production",
        *(f"web-release-{sha}" for sha in demo.RELEASES[:2]),
    }


@pytest.mark.parametrize("change", [{"release": "", "previousRelease": "", "autoAssignCustomDomains": True}])
def test_without_a_release_production_follows_its_branch_by_itself(change: dict[str, object]) -> None:
    recorded = declare.web(production(**change))
    assert recorded.of("Alias") == []
    assert recorded.of("Deployment") == []
    assert "served_deployment" not in recorded.outputs["web"]


@pytest.mark.parametrize("target", ["custom", "branch"])
def test_staging_is_built_again_from_its_branch_and_never_as_production(target: str) -> None:
    recorded = declare.web(staging(vercelTarget=target))
    follow = recorded.one("Deployment")
    assert (follow.name, follow.inputs["ref"], follow.inputs["production"]) == (
        "web-follow-develop",
        "develop",
        False,
    )
    expected = "web-environment-staging-id" if target == "custom" else None
    assert follow.inputs.get("customEnvironmentId") == expected
    assert recorded.of("Alias") == []


def test_a_release_is_built_for_production() -> None:
    assert all(r.inputs["production"] is True for r in declare.web(production()).of("Deployment"))


@pytest.mark.parametrize("file", [staging(), production()], ids=lambda f: f.stack)
def test_an_old_deployment_is_left_to_vercel_as_a_rollback_target(file: StackFile) -> None:
    assert all(r.inputs["deleteOnDestroy"] is False for r in declare.web(file).of("Deployment"))


@pytest.mark.parametrize("file", [staging(), production()], ids=lambda f: f.stack)
def test_a_deployment_waits_for_its_variables_and_domains(file: StackFile) -> None:
    recorded = declare.web(file)
    needed = {r.name for r in recorded if r.kind in {"ProjectEnvironmentVariable", "ProjectDomain"}}
    for deployment in recorded.of("Deployment"):
        assert needed <= deployment.depends_on


@pytest.mark.parametrize("file", [staging(), production()], ids=lambda f: f.stack)
def test_a_deployments_meta_carries_a_keyed_fingerprint_and_no_value(file: StackFile) -> None:
    for deployment in declare.web(file).of("Deployment"):
        meta = deployment.inputs["meta"]
        assert set(meta) == {"paintshareVariables", "paintshareEdgeConfig"}
        assert len(meta["paintshareVariables"]) == 32
        assert CONNECTION not in str(meta)
        assert not any(value in str(meta) for value in file.secrets.values())
        # The token's id: a new connection string rebuilds too, and the id opens nothing.
        assert meta["paintshareEdgeConfig"] == "web-edge-config-token-id"


# --- retention, adoption, outputs --------------------------------------------------------------------


def test_retention_is_declared_only_where_the_stack_file_sets_it() -> None:
    assert declare.web(production()).of("ProjectDeploymentRetention") == []
    retention = declare.web(production(deploymentRetention="6m")).one("ProjectDeploymentRetention")
    assert retention.inputs == {"projectId": PROJECT_ID, "expirationProduction": "6m"}


def test_import_ids_of_the_stack_file_reach_exactly_the_objects_they_name() -> None:
    adopt = {
        "web-environment-staging": "team/prj/staging",
        "web-domain-staging.share-paint.app": "team/prj/staging.share-paint.app",
        "web-variable-SENTRY_DSN-staging": "team/prj/env",
    }
    recorded = declare.web(staging(adopt=adopt))
    assert {r.name: r.import_id for r in recorded if r.import_id} == adopt


def test_without_import_ids_only_the_project_is_imported() -> None:
    assert {r.name for r in declare.web(production()) if r.import_id} == {"web-project"}
    assert [r for r in declare.web(staging()) if r.import_id] == []


def test_the_url_is_that_of_the_main_domain() -> None:
    assert declare.web(production()).outputs["web"]["url"] == "https://share-paint.app"
