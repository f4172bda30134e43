"""The Vercel kinds, rule by rule: each `test_<rule>__…` breaks one rule and sees what the service does."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumiverse_vercel as sdk
import pytest

from rehearsal.standin import schema, vercel
from rehearsal.standin.account import Account
from rehearsal.standin.kinds import UNKNOWN, Properties
from rehearsal.standin.plugin import StandIn
from rehearsal.standin.vercel.environment import CustomEnvironment
from rehearsal.standin.vercel.project import Project
from rehearsal.standin.vercel.service import VercelKind
from rehearsal.standin.vercel.variable import put_variable, variables_of
from tests.rehearsal import rules
from tests.rehearsal.rules import refused

TEAM = "team_testTeam0000000000001"
REPOSITORY = "acme/app"
SHA = "a" * 40
KINDS = {kind.type.rsplit(":", 1)[1]: kind for kind in vercel.KINDS}


class World:
    """One account with a team, a connected repository and a project, and short verbs for the kinds."""

    def __init__(self, path: Path) -> None:
        vercel.configure({"apiToken": "x" * 24, "team": "acme"})
        self.account = Account(path, "vercel")
        self.set_team(plan="pro", customEnvironments=True, observabilityPlus=True)
        branches = {"main": SHA, "develop": "b" * 40}
        self.account.put(
            "repository", REPOSITORY, {"branches": branches, "commits": [*branches.values(), "c" * 40]}
        )
        git = {"type": "github", "repo": REPOSITORY, "productionBranch": "main"}
        self.project, _ = self.create("Project", name="app", gitRepository=git)

    def set_team(self, **flags: Any) -> None:
        self.account.put("team", TEAM, {"slug": "acme", "name": "Acme", **flags})

    def failures(self, kind: str, **inputs: Any) -> list[str]:
        return [f.property for f in KINDS[kind].check(KINDS[kind].defaults(inputs))]

    def create(self, kind: str, **inputs: Any) -> tuple[str, Properties]:
        filled = KINDS[kind].defaults(inputs)
        assert KINDS[kind].check(filled) == []
        return KINDS[kind].create(self.account, filled)

    def update(self, kind: str, id: str, state: Properties, **inputs: Any) -> Properties:
        filled = KINDS[kind].defaults(inputs)
        assert KINDS[kind].check(filled) == []
        return KINDS[kind].update(self.account, id, state, filled)

    def read(self, kind: str, id: str, state: Properties | None = None) -> tuple[str, Properties, Properties]:
        found = KINDS[kind].read(self.account, id, state or {})
        assert found is not None
        return found

    def changes(self, kind: str, old: Properties, **inputs: Any) -> list[str]:
        """The paths that the plugin's diff shows, as the engine asks for it."""
        plugin = StandIn("vercel", self.account)
        filled, failures = plugin.check(KINDS[kind].type, inputs)
        assert failures == []
        return [path for path, _ in plugin.diff(KINDS[kind].type, old, filled).changes]

    def gone(self, kind: str, id: str, state: Properties) -> bool:
        return KINDS[kind].read(self.account, id, state) is None

    def delete(self, kind: str, id: str, state: Properties | None = None) -> None:
        KINDS[kind].delete(self.account, id, state or {})

    def variable(self, key: str = "KEY", value: str = "v", **inputs: Any) -> tuple[str, Properties]:
        scope = {} if "targets" in inputs or "customEnvironmentIds" in inputs else {"targets": ["preview"]}
        inputs = {"sensitive": False, **scope, **inputs}
        return self.create(
            "ProjectEnvironmentVariable", projectId=self.project, key=key, value=value, **inputs
        )

    def environment(self, name: str = "staging", **inputs: Any) -> tuple[str, Properties]:
        return self.create("CustomEnvironment", projectId=self.project, name=name, **inputs)

    def domain(self, domain: str, **inputs: Any) -> tuple[str, Properties]:
        return self.create("ProjectDomain", projectId=self.project, domain=domain, **inputs)

    def deployment(self, **inputs: Any) -> tuple[str, Properties]:
        return self.create("Deployment", projectId=self.project, **{"ref": SHA, **inputs})

    def document(self, kind: str, id: str) -> dict[str, Any]:
        found = self.account.get(kind, id)
        assert found is not None
        return found


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "account.db")
    yield world
    world.account.close()
    vercel.configure({"apiToken": "x" * 24})


def test_every_rule_has_a_test_that_breaks_it_and_every_test_a_rule() -> None:
    assert rules.without_a_test(vercel.RULES, globals()) == set()
    assert rules.without_a_rule(vercel.RULES, globals()) == set()


def test_every_kind_and_every_property_it_names_are_of_the_sdk() -> None:
    for name, kind in KINDS.items():
        resource = getattr(sdk, name)
        assert resource.pulumi_type == kind.type
        getters = (getattr(member, "fget", None) for member in vars(resource).values())
        properties = {getattr(getter, "_pulumi_name", getattr(getter, "__name__", "")) for getter in getters}
        assert isinstance(kind, VercelKind)
        named = kind.replace_on | kind.kept | kind.computed | set(kind.sets)
        assert named - properties == set(), name


@pytest.mark.parametrize("name", sorted(KINDS))
def test_unknown_values_of_a_preview_pass_every_check(name: str) -> None:
    kind = KINDS[name]
    plugin = schema.load(schema.SDKS["vercel"]).resources[kind.type]
    unknown: Properties = dict.fromkeys(
        set(plugin.inputs) - {"files", "valueWo", "valueJson", "environments"}, UNKNOWN
    )
    one_of_two = {"gitBranch", "serverlessFunctionRegion", "previewComments"}
    unknown = {key: value for key, value in unknown.items() if key not in one_of_two}
    assert kind.check(kind.defaults(unknown)) == []
    nested: dict[str, Properties] = {
        "Project": {"resourceConfig": {"functionDefaultRegions": UNKNOWN}},
        "CustomEnvironment": {"branchTracking": {"type": UNKNOWN, "pattern": UNKNOWN}},
        "ProjectEnvironmentVariable": {"targets": ["preview", UNKNOWN], "customEnvironmentIds": [UNKNOWN]},
        "CustomAlertRule": {"evaluation": {"window": UNKNOWN, "query": {"metrics": {"a": UNKNOWN}}}},
    }
    assert kind.check(kind.defaults(unknown | nested.get(name, {}))) == []


def everything(world: World) -> dict[str, tuple[str, Properties]]:
    """One object of every kind."""
    environment = world.environment(branchTracking={"type": "equals", "pattern": "develop"})
    config = world.create("EdgeConfig", name="flags")
    rule_id, rule_state = world.create("CustomAlertRule", projectId=world.project, **rule(tags=["web"]))
    hook = world.create("Webhook", endpoint="https://h.test", events=["alerts.triggered"])
    world.account.put("slackInstallation", "icfg_1", {"workspace": "acme"})
    domain = world.domain("app.test")
    deployment = world.deployment(meta={"a": "b"}, environment={"E": "e"})
    store = {"edgeConfigId": config[0]}
    return {
        "Project": world.create("Project", name="other", skewProtection="1 day"),
        "ProjectEnvironmentVariable": world.variable(
            customEnvironmentIds=[environment[0]], sensitive=True, comment="why"
        ),
        "CustomEnvironment": environment,
        "ProjectDomain": domain,
        "Deployment": deployment,
        "Alias": world.create("Alias", alias="app.test", deploymentId=deployment[0]),
        "EdgeConfig": config,
        "EdgeConfigItem": world.create("EdgeConfigItem", **store, key="battle", value="on"),
        "EdgeConfigToken": world.create("EdgeConfigToken", **store, label="app"),
        "ProjectDeploymentRetention": world.create("ProjectDeploymentRetention", projectId=world.project),
        "Webhook": hook,
        "CustomAlertRule": (rule_id, rule_state),
        "AlertRuleSlackNotification": world.create(
            "AlertRuleSlackNotification", alertRuleId=rule_id, slackChannelId="C1"
        ),
        "AlertRuleWebhookNotification": world.create(
            "AlertRuleWebhookNotification", alertRuleId=rule_id, webhookId=hook[0]
        ),
    }


def test_what_a_create_answers_is_what_a_refresh_reads(world: World) -> None:
    made = everything(world)
    assert set(made) == set(KINDS)
    for kind, (id, state) in made.items():
        read_id, inputs, outputs = world.read(kind, id, state)
        assert (read_id, outputs) == (id, state), kind
        assert inputs == {name: state[name] for name in state.keys() - KINDS[kind].computed}


def test_what_is_deleted_reads_as_gone_but_for_what_the_service_keeps(world: World) -> None:
    stays = {"Deployment", "ProjectDeploymentRetention"}
    made = everything(world)
    for kind in reversed(KINDS):
        world.delete(kind, *made[kind])
    assert {kind for kind, (id, state) in made.items() if not world.gone(kind, id, state)} == stays
    world.delete("Project", world.project)
    assert all(world.gone(kind, *made[kind]) for kind in stays)


def test_what_replaces_each_kind_is_as_the_plugin_has_it() -> None:
    """Source: RequiresReplace in the resource_*.go of the provider; a project moves to no other team."""
    assert {name: kind.replace_on - {"teamId"} for name, kind in KINDS.items()} == {
        "Project": set(),
        "ProjectEnvironmentVariable": {"customEnvironmentIds", "key", "projectId", "sensitive"},
        "CustomEnvironment": {"projectId"},
        "ProjectDomain": {"domain", "projectId"},
        "Deployment": {
            *("customEnvironmentId", "environment", "files", "meta", "pathPrefix", "production"),
            *("projectId", "projectSettings", "ref"),
        },
        "Alias": set(),
        "EdgeConfig": set(),
        "EdgeConfigItem": {"edgeConfigId", "key", "value", "valueJson"},
        "EdgeConfigToken": {"edgeConfigId", "label"},
        "ProjectDeploymentRetention": {"projectId"},
        "Webhook": {"endpoint", "events", "projectIds"},
        "CustomAlertRule": set(),
        "AlertRuleSlackNotification": {"alertRuleId", "slackChannelId", "slackInstallationId"},
        "AlertRuleWebhookNotification": {"alertRuleId", "webhookId"},
    }
    assert {name for name, kind in KINDS.items() if "teamId" not in kind.replace_on} == {"EdgeConfigItem"}


def test_what_is_gone_cannot_be_updated_and_reads_as_gone(world: World) -> None:
    environment = world.environment()
    made = {
        "ProjectEnvironmentVariable": world.variable(customEnvironmentIds=[environment[0]]),
        "ProjectDomain": world.domain("app.test"),
        "CustomEnvironment": environment,
        "EdgeConfig": world.create("EdgeConfig", name="flags"),
        "CustomAlertRule": world.create("CustomAlertRule", projectId=world.project, **rule()),
    }
    hook, _ = world.create("Webhook", endpoint="https://h.test", events=["alerts.triggered"])
    ends = {"alertRuleId": made["CustomAlertRule"][0], "webhookId": hook}
    made = {
        "AlertRuleWebhookNotification": world.create("AlertRuleWebhookNotification", **ends),
        **made,
        "Project": world.read("Project", world.project)[::2],
    }
    for kind, (id, state) in made.items():
        world.delete(kind, id, state)
        assert world.gone(kind, id, state), kind
        with refused(404):
            KINDS[kind].update(world.account, id, state, {**state, "projectId": world.project})


# --- provider -------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", ["", "x" * 23, "x" * 25])
def test_token_has_24_characters__any_other_length_is_refused(
    token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VERCEL_API_TOKEN", raising=False)
    assert [f.property for f in vercel.configure({"apiToken": token})] == ["apiToken"]
    assert vercel.configure({"apiToken": "x" * 24}) == []


def test_token_has_24_characters__the_environment_gives_it_when_the_program_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VERCEL_API_TOKEN", "x" * 24)
    assert vercel.configure({}) == []
    monkeypatch.setenv("VERCEL_API_TOKEN", "short")
    assert vercel.configure({}) != []


def test_token_has_24_characters__an_unknown_one_is_refused_as_an_unknown_team_is() -> None:
    unknown = {"apiToken": UNKNOWN, "team": UNKNOWN}
    assert [f.property for f in vercel.configure(unknown)] == ["apiToken", "team"]


def test_team_is_needed__without_it_the_project_of_a_team_is_not_found(world: World) -> None:
    vercel.configure({"apiToken": "x" * 24})
    with refused(404, "team_id"):
        world.variable()
    with refused(404):
        world.read("Project", world.project)
    assert world.variable(teamId=TEAM)[1]["teamId"] == TEAM


@pytest.mark.parametrize(
    ("kind", "inputs"),
    [
        (
            "ProjectEnvironmentVariable",
            {"key": "K", "value": "v", "sensitive": False, "targets": ["preview"]},
        ),
        ("CustomEnvironment", {"name": "staging"}),
        ("ProjectDomain", {"domain": "app.test"}),
        ("Deployment", {"ref": "main"}),
        ("ProjectDeploymentRetention", {}),
    ],
)
def test_parent_must_exist__an_unknown_project_is_404(
    world: World, kind: str, inputs: dict[str, Any]
) -> None:
    with refused(404):
        world.create(kind, projectId="prj_unknown", **inputs)


def test_parent_must_exist__an_unknown_custom_environment_is_404(world: World) -> None:
    with refused(404, "env_unknown"):
        world.variable(customEnvironmentIds=["env_unknown"])
    with refused(404, "env_unknown"):
        world.domain("staging.app.test", customEnvironmentId="env_unknown")
    with refused(404, "env_unknown"):
        world.deployment(customEnvironmentId="env_unknown")


def test_parent_must_exist__an_unknown_edge_config_is_404(world: World) -> None:
    with refused(404, "ecfg_unknown"):
        world.create("EdgeConfigItem", edgeConfigId="ecfg_unknown", key="k", value="v")
    with refused(404, "ecfg_unknown"):
        world.create("EdgeConfigToken", edgeConfigId="ecfg_unknown", label="app")


# --- project --------------------------------------------------------------------------------------

GIT = {"type": "github", "repo": REPOSITORY, "productionBranch": "main"}


def test_project_name_is_unique__creating_or_renaming_to_an_existing_one_is_409(world: World) -> None:
    with refused(409, "already exists"):
        world.create("Project", name="app")
    other, state = world.create("Project", name="other")
    with refused(409):
        world.update("Project", other, state, name="app")


@pytest.mark.parametrize("form", ["{id}", "app", f"{TEAM}/{{id}}", f"{TEAM}/app"])
def test_project_import_takes_id_or_name__and_answers_the_canonical_id(world: World, form: str) -> None:
    id, inputs, outputs = world.read("Project", form.format(id=world.project))
    assert id == world.project
    assert inputs["gitRepository"] == GIT
    assert outputs["teamId"] == TEAM


def test_project_import_takes_id_or_name__an_unknown_one_is_404(world: World) -> None:
    with refused(404):
        world.read("Project", "prj_unknown")


def test_project_without_git_repository_is_cut_off__by_any_update(world: World) -> None:
    _, _, state = world.read("Project", world.project)
    world.update("Project", world.project, state, name="app", framework="nextjs")
    assert "gitRepository" not in world.document("project", world.project)


def test_project_update_resets_undeclared__settings_without_a_computed_value(world: World) -> None:
    live = world.document("project", world.project) | {"skewProtection": "12 hours", "buildCommand": "make"}
    world.account.put("project", world.project, live | {"autoAssignCustomDomains": False})
    _, inputs, state = world.read("Project", world.project)
    assert (inputs["skewProtection"], inputs["buildCommand"]) == ("12 hours", "make")
    world.update("Project", world.project, state, name="app", gitRepository=GIT)
    after = world.document("project", world.project)
    assert "skewProtection" not in after
    assert "buildCommand" not in after
    assert after["autoAssignCustomDomains"] is True


def test_project_update_keeps_computed__left_out_the_value_of_the_state_is_sent(world: World) -> None:
    regions = {"functionDefaultRegions": ["icn1"], "fluid": True}
    live = world.document("project", world.project) | {"nodeVersion": "22.x", "resourceConfig": regions}
    world.account.put("project", world.project, live)
    _, _, state = world.read("Project", world.project)
    world.account.put("project", world.project, live | {"nodeVersion": "18.x"})  # by hand, after the refresh
    world.update("Project", world.project, state, name="app", gitRepository=GIT)
    after = world.document("project", world.project)
    assert (after["nodeVersion"], after["resourceConfig"]) == ("22.x", regions)
    assert {"nodeVersion", "resourceConfig", "vercelAuthentication"} <= Project.kept


def test_project_update_keeps_computed__unstated_members_of_the_resource_config_too(world: World) -> None:
    live = world.document("project", world.project) | {"resourceConfig": {"fluid": True}}
    world.account.put("project", world.project, live)
    _, _, state = world.read("Project", world.project)
    settings = {"name": "app", "gitRepository": GIT, "serverlessFunctionRegion": "icn1"}
    outputs = world.update("Project", world.project, state, **settings)
    stored = world.document("project", world.project)["resourceConfig"]
    assert stored == {"fluid": True, "functionDefaultRegions": ["icn1"]}
    assert (outputs["serverlessFunctionRegion"], "resourceConfig" in outputs) == ("icn1", False)


def test_project_equal_settings_show_nothing__when_each_is_declared(world: World) -> None:
    live = world.document("project", world.project) | {
        "skewProtection": "12 hours",
        "prioritiseProductionBuilds": True,
        "resourceConfig": {"functionDefaultRegions": ["icn1"]},
    }
    world.account.put("project", world.project, live)
    _, inputs, _ = world.read("Project", world.project)
    declared = {
        "name": "app",
        "gitRepository": GIT,
        "skewProtection": "12 hours",
        "prioritiseProductionBuilds": True,
        "resourceConfig": {"functionDefaultRegions": ["icn1"]},
    }
    assert world.changes("Project", inputs, **declared) == []
    feedback = world.document("project", world.project) | {"enablePreviewFeedback": True}
    world.account.put("project", world.project, feedback)
    _, inputs, _ = world.read("Project", world.project)
    assert world.changes("Project", inputs, **declared) == []
    del declared["skewProtection"]
    assert world.changes("Project", inputs, **declared) == ["skewProtection"]


def test_project_updates_in_place__name_framework_root_directory_and_git_repository(world: World) -> None:
    assert KINDS["Project"].replace_on == {"teamId"}
    world.account.put("repository", "acme/other", {"branches": {"trunk": SHA}, "commits": [SHA]})
    git = {"type": "github", "repo": "acme/other", "productionBranch": "trunk"}
    _, _, state = world.read("Project", world.project)
    settings = {"name": "web", "framework": "nextjs", "rootDirectory": "web", "gitRepository": git}
    world.update("Project", world.project, state, **settings)
    assert world.document("project", world.project).items() >= settings.items()


def test_project_delete_takes_all_below__variables_domains_deployments(world: World) -> None:
    world.environment()
    world.domain("app.test")
    world.variable()
    world.deployment(production=True)
    assert "alias" in world.account.dump()
    world.delete("Project", world.project)
    assert set(world.account.dump()) == {"team", "repository"}


def test_project_update_resets_undeclared__a_password_that_nobody_can_read(world: World) -> None:
    protection = {"deploymentType": "all_deployments", "password": "theirs"}
    live = world.document("project", world.project) | {"passwordProtection": protection}
    world.account.put("project", world.project, live)
    _, inputs, _ = world.read("Project", world.project)
    assert inputs["passwordProtection"] == {**protection, "password": ""}
    stated = {"passwordProtection": {**protection, "password": "ours"}}
    assert world.read("Project", world.project, stated)[1]["passwordProtection"]["password"] == "ours"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", "Has Capitals"),
        ("name", None),
        ("name", "x" * 53),
        ("nodeVersion", "21.x"),
        ("skewProtection", "13 hours"),
        ("environments", [{"key": "K"}]),
    ],
)
def test_project_settings_have_allowed_values__others_are_refused(
    world: World, name: str, value: object
) -> None:
    assert world.failures("Project", **{"name": "app", name: value}) == [name]


def test_project_one_way_to_say_it__two_are_refused(world: World) -> None:
    regions = {"functionDefaultRegions": ["icn1"]}
    assert world.failures("Project", name="app", serverlessFunctionRegion="icn1", resourceConfig=regions) == [
        "serverlessFunctionRegion"
    ]
    assert world.failures("Project", name="app", enablePreviewFeedback=True, previewComments=True) == [
        "previewComments"
    ]


def test_project_repository_must_be_connected__an_unknown_repository_is_refused(world: World) -> None:
    _, _, state = world.read("Project", world.project)
    with refused(400, "acme/unknown"):
        world.create("Project", name="new", gitRepository={**GIT, "repo": "acme/unknown"})
    with refused(400, "acme/unknown"):
        world.update(
            "Project", world.project, state, name="app", gitRepository={**GIT, "repo": "acme/unknown"}
        )


# --- variables ------------------------------------------------------------------------------------


def test_variable_conflicts_on_key_and_target__naming_the_other_ones_id(world: World) -> None:
    id, _ = world.variable(targets=["production", "preview"])
    with refused(400, "ENV_CONFLICT: A variable with the name `KEY` already exists for the target preview"):
        world.variable(targets=["preview", "development"])
    with refused(400, f"{world.project}/{id}"):
        world.variable(targets=["production"])
    other, state = world.variable(targets=["development"])
    with refused(400, "ENV_CONFLICT"):
        world.update(
            "ProjectEnvironmentVariable",
            other,
            state,
            projectId=world.project,
            key="KEY",
            value="v",
            sensitive=False,
            targets=["production"],
        )
    world.variable("OTHER", targets=["preview"])


def test_variable_conflicts_on_key_and_target__in_a_custom_environment_too(world: World) -> None:
    environment, _ = world.environment()
    world.variable(customEnvironmentIds=[environment])
    world.variable(targets=["preview"])
    with refused(400, "ENV_CONFLICT"):
        world.variable(customEnvironmentIds=[environment])


def test_variable_of_a_branch_overrides__and_does_not_collide_with_the_plain_one(world: World) -> None:
    world.variable(value="all", targets=["preview"])
    world.variable(value="develop's", targets=["preview"], gitBranch="develop")
    plain, _ = world.deployment(ref="c" * 40)
    develop, _ = world.deployment(ref="develop")
    assert world.document("deployment", plain)["env"] == {"KEY": "all"}
    assert world.document("deployment", develop)["env"] == {"KEY": "develop's"}
    with refused(400, "ENV_CONFLICT"):
        world.variable(targets=["preview"], gitBranch="develop")


def test_variable_of_a_branch_overrides__whichever_was_made_first(world: World) -> None:
    project = world.document("project", world.project)
    fields = {"key": "KEY", "targets": ["preview"], "customEnvironmentIds": [], "type": "plain"}
    for id, branch in (("0", "develop"), ("1", None)):
        variable = {**fields, "value": str(branch), "gitBranch": branch, "projectId": world.project}
        put_variable(world.account, world.project, project, id, variable)
    assert variables_of(world.account, world.project, "preview", "develop") == {"KEY": "develop"}
    assert variables_of(world.account, world.project, "preview") == {"KEY": "None"}


@pytest.mark.parametrize("targets", [["production"], ["preview", "production"]])
def test_variable_branch_needs_preview__alone(world: World, targets: list[str]) -> None:
    with refused(400, "target=preview"):
        world.variable(targets=targets, gitBranch="develop")


def test_variable_branch_needs_preview__and_no_custom_environment(world: World) -> None:
    environment, _ = world.environment()
    with refused(400, "target=preview"):
        world.variable(targets=["preview"], customEnvironmentIds=[environment], gitBranch="develop")


def test_variable_branch_is_not_production__main_is_refused(world: World) -> None:
    with refused(400, 'Cannot set Production Branch "main"'):
        world.variable(targets=["preview"], gitBranch="main")


def test_variable_branch_must_exist__in_the_connected_repository(world: World) -> None:
    with refused(400, "Branch 'nowhere' not found"):
        world.variable(targets=["preview"], gitBranch="nowhere")
    _, _, state = world.read("Project", world.project)
    world.update("Project", world.project, state, name="app")
    with refused(400, "Branch 'develop' not found"):
        world.variable(targets=["preview"], gitBranch="develop")


def test_variable_sensitive_refuses_development__alone_or_among_others(world: World) -> None:
    inputs = {"projectId": world.project, "key": "K", "value": "v", "sensitive": True}
    for targets in (["development"], ["development", "production"]):
        assert world.failures("ProjectEnvironmentVariable", **inputs, targets=targets) == ["sensitive"]
    assert world.failures("ProjectEnvironmentVariable", **inputs, targets=["production"]) == []


def test_variable_needs_a_scope__a_target_or_a_custom_environment(world: World) -> None:
    inputs = {"projectId": world.project, "key": "K", "value": "v", "sensitive": True}
    assert world.failures("ProjectEnvironmentVariable", **inputs) == ["targets"]
    assert world.failures("ProjectEnvironmentVariable", **inputs, customEnvironmentIds=UNKNOWN) == []
    assert world.failures("ProjectEnvironmentVariable", **inputs, customEnvironmentIds=[UNKNOWN]) == []


def test_variable_has_one_value__none_is_refused(world: World) -> None:
    inputs = {"projectId": world.project, "key": "K", "sensitive": True, "targets": ["preview"]}
    assert world.failures("ProjectEnvironmentVariable", **inputs) == ["value"]
    assert world.failures("ProjectEnvironmentVariable", **inputs, value=UNKNOWN) == []
    assert world.failures("ProjectEnvironmentVariable", **inputs, value="a", valueWo="b") == ["valueWo"]


@pytest.mark.parametrize(
    ("name", "value"), [("targets", ["staging"]), ("comment", "x" * 1001), ("visibility", "hidden")]
)
def test_variable_has_allowed_values__others_are_refused(world: World, name: str, value: object) -> None:
    inputs = {"key": "K", "value": "v", "sensitive": False, "targets": ["preview"], name: value}
    assert world.failures("ProjectEnvironmentVariable", projectId=world.project, **inputs) == [name]


def test_variable_replaces_and_updates__as_listed(world: World) -> None:
    assert KINDS["ProjectEnvironmentVariable"].replace_on == {
        *("sensitive", "customEnvironmentIds", "key", "projectId", "teamId")
    }
    id, state = world.variable(value="old", targets=["preview"])
    changed = {"value": "new", "targets": ["development", "preview"], "comment": "why"}
    inputs = {"projectId": world.project, "key": "KEY", "sensitive": False, **changed}
    assert world.update("ProjectEnvironmentVariable", id, state, **inputs).items() >= changed.items()
    assert world.document("variable", id).items() >= changed.items()


def test_variable_replaces_and_updates__left_out_targets_stay(world: World) -> None:
    environment, _ = world.environment()
    id, state = world.variable(targets=["preview"], customEnvironmentIds=[environment])
    inputs = {"projectId": world.project, "key": "KEY", "value": "v", "sensitive": False}
    world.update("ProjectEnvironmentVariable", id, state, **inputs, customEnvironmentIds=[environment])
    assert world.document("variable", id)["targets"] == ["preview"]


def test_variable_replaces_and_updates__branch_and_comment_too(world: World) -> None:
    repository = world.document("repository", REPOSITORY)
    repository["branches"]["next"] = SHA
    world.account.put("repository", REPOSITORY, repository)
    id, state = world.variable(targets=["preview"], gitBranch="develop", comment="before")
    assert (state["gitBranch"], state["comment"]) == ("develop", "before")
    inputs = {"projectId": world.project, "key": "KEY", "value": "v", "sensitive": False}
    outputs = world.update(
        "ProjectEnvironmentVariable", id, state, **inputs, targets=["preview"], gitBranch="next"
    )
    assert (outputs["gitBranch"], "comment" in outputs) == ("next", False)


def test_variable_replaces_and_updates__the_order_of_targets_means_nothing(world: World) -> None:
    _, state = world.variable(targets=["production", "preview"])
    assert state["targets"] == ["preview", "production"]


def test_variable_sensitive_is_never_read__so_a_change_by_hand_stays_unseen(world: World) -> None:
    id, state = world.variable(value="ours", sensitive=True)
    world.account.put("variable", id, world.document("variable", id) | {"value": "theirs"})
    _, inputs, outputs = world.read("ProjectEnvironmentVariable", id, state)
    assert (inputs["value"], outputs["value"]) == ("ours", "ours")


def test_variable_drift_is_read__where_it_is_not_sensitive(world: World) -> None:
    id, state = world.variable(value="ours")
    world.account.put("variable", id, world.document("variable", id) | {"value": "theirs"})
    _, inputs, outputs = world.read("ProjectEnvironmentVariable", id, state)
    assert (inputs["value"], outputs["value"]) == ("theirs", "theirs")
    world.account.delete("variable", id)
    assert world.gone("ProjectEnvironmentVariable", id, state)


@pytest.mark.parametrize("form", ["{team}/{project}/{id}", "{project}/{id}"])
def test_variable_import_of_sensitive_writes__as_its_value_cannot_be_compared(
    world: World, form: str
) -> None:
    plain, _ = world.variable("PLAIN", "p")
    secret, _ = world.variable("SECRET", "s", sensitive=True)
    names = {"team": TEAM, "project": world.project}
    id, inputs, _ = world.read("ProjectEnvironmentVariable", form.format(id=plain, **names))
    assert (id, inputs["value"], inputs["sensitive"]) == (plain, "p", False)
    id, inputs, outputs = world.read("ProjectEnvironmentVariable", form.format(id=secret, **names))
    assert (id, inputs["sensitive"]) == (secret, True)
    assert "value" not in inputs | outputs


def test_variable_import_of_sensitive_writes__an_unknown_id_is_404(world: World) -> None:
    with refused(404):
        world.read("ProjectEnvironmentVariable", f"{world.project}/nothing")
    with refused(400, "Invalid id"):
        world.read("ProjectEnvironmentVariable", "nothing")
    id, _ = world.variable()
    with refused(404):
        world.read("ProjectEnvironmentVariable", f"prj_other/{id}")


def test_variable_import_of_encrypted_as_sensitive_replaces__which_an_import_cannot(world: World) -> None:
    id, _ = world.variable(sensitive=False)
    _, inputs, _ = world.read("ProjectEnvironmentVariable", f"{world.project}/{id}")
    assert inputs["sensitive"] is False
    assert "sensitive" in KINDS["ProjectEnvironmentVariable"].replace_on


def test_variable_size_is_limited__to_64_kilobytes_an_environment(world: World) -> None:
    world.variable("A", "x" * 40_000, targets=["preview"])
    with refused(400, "exceed 64 KB"):
        world.variable("B", "x" * 30_000, targets=["preview", "production"])
    world.variable("B", "x" * 30_000, targets=["production"])
    id, state = world.variable("C", "x", targets=["preview"])
    with refused(400, "exceed 64 KB"):
        inputs = {"projectId": world.project, "key": "C", "sensitive": False, "targets": ["preview"]}
        world.update("ProjectEnvironmentVariable", id, state, **inputs, value="x" * 30_000)
    assert world.document("variable", id)["value"] == "x"


def test_variable_policy_forces_sensitive__when_the_team_says_so(world: World) -> None:
    world.set_team(plan="pro", sensitivePolicy="on")
    with refused(403, "forces variables to be sensitive"):
        world.variable(targets=["preview"])
    world.variable(targets=["preview"], sensitive=True)
    world.variable(targets=["development"])
    world.set_team(plan="pro", customEnvironments=True, sensitivePolicy="on")
    environment, _ = world.environment()
    with refused(403, "forces variables to be sensitive"):
        world.variable("OTHER", customEnvironmentIds=[environment])


def test_variable_left_out_branch_stays__in_an_update(world: World) -> None:
    id, state = world.variable(targets=["preview"], gitBranch="develop")
    inputs = {"projectId": world.project, "key": "KEY", "value": "v", "sensitive": False}
    world.update("ProjectEnvironmentVariable", id, state, **inputs, targets=["preview"])
    assert world.document("variable", id)["gitBranch"] == "develop"


# --- custom environments and domains --------------------------------------------------------------


def test_environment_name_is_free__reserved_and_taken_ones_are_409(world: World) -> None:
    world.set_team(plan="enterprise", customEnvironments=True)
    for reserved in ("production", "preview", "development"):
        with refused(409, reserved):
            world.environment(reserved)
    world.environment("staging")
    id, state = world.environment("qa")
    with refused(409, "staging"):
        world.environment("staging")
    with refused(409, "staging"):
        world.update("CustomEnvironment", id, state, projectId=world.project, name="staging")


@pytest.mark.parametrize("name", ["Staging", "x" * 33, None])
def test_environment_has_allowed_values__names(world: World, name: str | None) -> None:
    assert world.failures("CustomEnvironment", projectId=world.project, name=name) == ["name"]


@pytest.mark.parametrize(
    ("tracking", "property"),
    [
        ({"type": "regex", "pattern": "develop"}, "type"),
        ({"type": "equals", "pattern": ""}, "pattern"),
        ({"type": "equals", "pattern": "x" * 101}, "pattern"),
    ],
)
def test_environment_has_allowed_values__branch_tracking(
    world: World, tracking: dict[str, str], property: str
) -> None:
    assert world.failures("CustomEnvironment", name="qa", branchTracking=tracking) == [property]


def test_environment_keeps_what_is_left_out__silently(world: World) -> None:
    tracking = {"type": "equals", "pattern": "develop"}
    id, state = world.environment(branchTracking=tracking, description="for tests")
    world.update("CustomEnvironment", id, state, projectId=world.project, name="uat")
    assert world.document("environment", id).items() >= {
        ("name", "uat"),
        ("description", "for tests"),
    }
    assert world.document("environment", id)["branchTracking"] == tracking
    assert {"branchTracking", "description"} <= CustomEnvironment.kept
    assert KINDS["CustomEnvironment"].replace_on == {"projectId", "teamId"}
    assert world.read("CustomEnvironment", id, state)[1]["branchTracking"] == tracking


def test_environment_needs_the_plan__and_its_number_is_limited(world: World) -> None:
    world.set_team(plan="pro", customEnvironments=False)
    with refused(403, "allows 0"):
        world.environment()
    world.set_team(plan="hobby", customEnvironments=True)
    with refused(403, "allows 0"):
        world.environment()
    world.set_team(plan="pro", customEnvironments=True)
    world.environment("one")
    with refused(403, "allows 1"):
        world.environment("two")


def test_environment_delete_takes_variables__that_have_no_other_scope(world: World) -> None:
    id, _ = world.environment()
    only, _ = world.variable("ONLY", customEnvironmentIds=[id])
    shared, _ = world.variable("SHARED", customEnvironmentIds=[id], targets=["preview"])
    world.delete("CustomEnvironment", id)
    assert world.account.get("variable", only) is None
    assert world.document("variable", shared)["customEnvironmentIds"] == []


def test_environment_delete_takes_variables__but_not_those_of_another_one(world: World) -> None:
    world.set_team(plan="enterprise", customEnvironments=True)
    first, second = (world.environment(name)[0] for name in ("first", "second"))
    both, _ = world.variable("BOTH", customEnvironmentIds=[first, second])
    other, _ = world.variable("OTHER", customEnvironmentIds=[second])
    before = world.document("variable", other)
    world.delete("CustomEnvironment", first)
    assert world.document("variable", both)["customEnvironmentIds"] == [second]
    assert world.document("variable", other) == before


def test_environment_import_takes_name_or_id__and_an_unknown_one_is_404(world: World) -> None:
    id, _ = world.environment("staging")
    for form in (f"{TEAM}/{world.project}/staging", f"{world.project}/{id}"):
        assert world.read("CustomEnvironment", form)[:2] == (
            id,
            {"name": "staging", "projectId": world.project, "teamId": TEAM},
        )
    with refused(404):
        world.read("CustomEnvironment", f"{world.project}/qa")


def test_domain_existing_needs_import__creating_it_is_409(world: World) -> None:
    world.domain("app.test")
    with refused(409, "already in use"):
        world.domain("app.test")
    id, inputs, _ = world.read("ProjectDomain", f"{TEAM}/{world.project}/app.test")
    assert id == "app.test"
    assert inputs == {"domain": "app.test", "projectId": world.project, "teamId": TEAM}
    for wrong in (f"{world.project}/other.test", "prj_other/app.test"):
        with refused(404):
            world.read("ProjectDomain", wrong)


def test_domain_redirects_within_the_project__elsewhere_is_refused(world: World) -> None:
    with refused(400, "elsewhere.test"):
        world.domain("www.app.test", redirect="elsewhere.test")
    world.domain("app.test")
    _, state = world.domain("www.app.test", redirect="app.test", redirectStatusCode=308)
    with refused(400, "elsewhere.test"):
        inputs = {"projectId": world.project, "domain": "www.app.test", "redirect": "elsewhere.test"}
        world.update("ProjectDomain", "www.app.test", state, **inputs)


def test_domain_replaces_and_updates__only_the_name_replaces(world: World) -> None:
    assert KINDS["ProjectDomain"].replace_on == {"domain", "projectId", "teamId"}
    world.domain("app.test")
    id, state = world.domain("www.app.test", redirect="app.test")
    world.update("ProjectDomain", id, state, projectId=world.project, domain=id, gitBranch="develop")
    document = world.document("domain", id)
    assert (document["gitBranch"], "redirect" in document) == ("develop", False)


def test_domain_replaces_and_updates__a_left_out_custom_environment_stays(world: World) -> None:
    environment, _ = world.environment()
    id, state = world.domain("staging.app.test", customEnvironmentId=environment)
    world.update("ProjectDomain", id, state, projectId=world.project, domain=id)
    assert world.document("domain", id)["customEnvironmentId"] == environment
    with refused(404, "env_unknown"):
        inputs = {"projectId": world.project, "domain": id, "customEnvironmentId": "env_unknown"}
        world.update("ProjectDomain", id, state, **inputs)


def test_alias_delete_takes_the_domain_down__as_taking_the_domain_off_the_project_does(
    world: World,
) -> None:
    id, state = world.domain("app.test")
    world.deployment(production=True)
    world.delete("ProjectDomain", id, state)
    assert world.account.get("alias", "app.test") is None


def test_domain_branch_is_not_production__main_is_refused(world: World) -> None:
    with refused(400, "production branch"):
        world.domain("app.test", gitBranch="main")


def test_domain_has_one_scope__branch_and_custom_environment_are_refused(world: World) -> None:
    inputs = {"domain": "app.test", "gitBranch": "develop", "customEnvironmentId": UNKNOWN}
    assert world.failures("ProjectDomain", projectId=world.project, **inputs) == ["gitBranch"]


def test_domain_has_allowed_values__for_the_status_of_a_redirect(world: World) -> None:
    inputs = {"domain": "www.app.test", "redirect": "app.test", "redirectStatusCode": 303}
    assert world.failures("ProjectDomain", projectId=world.project, **inputs) == ["redirectStatusCode"]


# --- deployments and aliases ----------------------------------------------------------------------


def test_deployment_replaces__on_every_property_but_delete_on_destroy(world: World) -> None:
    del world
    getters = (getattr(member, "fget", None) for member in vars(sdk.Deployment).values())
    properties = {getattr(getter, "_pulumi_name", getattr(getter, "__name__", "")) for getter in getters}
    assert KINDS["Deployment"].replace_on == properties - {"", "deleteOnDestroy", "domains", "url"}


def test_deployment_has_one_source__ref_or_files(world: World) -> None:
    assert world.failures("Deployment", projectId=world.project) == ["ref"]
    assert world.failures("Deployment", projectId=world.project, ref="main", files={"a": "1~x"}) == ["ref"]


def test_deployment_ref_must_exist__an_unknown_commit_or_branch_is_refused(world: World) -> None:
    for ref in ("d" * 40, "nowhere"):
        with refused(400, ref):
            world.deployment(ref=ref)
    assert "deployment" not in world.account.dump()
    id, _ = world.deployment(ref="main")
    assert world.document("deployment", id)["sha"] == SHA


def test_deployment_ref_needs_git__after_the_link_was_cut(world: World) -> None:
    _, _, state = world.read("Project", world.project)
    world.update("Project", world.project, state, name="app")
    with refused(400, "no linked git repository"):
        world.deployment()


def test_deployment_keeps_the_variables_of_its_build__a_later_change_reaches_only_new_ones(
    world: World,
) -> None:
    environment, _ = world.environment()
    id, state = world.variable(value="old", sensitive=True, targets=["production"])
    world.variable("STAGED", "s", customEnvironmentIds=[environment])
    first, _ = world.deployment(production=True)
    inputs = {"projectId": world.project, "key": "KEY", "sensitive": True, "targets": ["production"]}
    world.update("ProjectEnvironmentVariable", id, state, **inputs, value="new")
    second, _ = world.deployment(production=True, environment={"EXTRA": "e"})
    third, _ = world.deployment(customEnvironmentId=environment)
    assert world.document("deployment", first)["env"] == {"KEY": "old"}
    assert world.document("deployment", second)["env"] == {"KEY": "new", "EXTRA": "e"}
    assert world.document("deployment", third)["env"] == {"STAGED": "s"}


def test_deployment_stays_when_deleted__unless_it_says_so(world: World) -> None:
    stays, state = world.deployment()
    world.delete("Deployment", stays, state)
    assert world.document("deployment", stays)["readyState"] == "READY"
    goes, state = world.deployment(deleteOnDestroy=True)
    world.create("Alias", alias="app-x.vercel.app", deploymentId=goes)
    world.delete("Deployment", goes, state)
    assert world.gone("Deployment", goes, state)
    assert world.account.get("alias", "app-x.vercel.app") is None


def test_deployment_takes_its_domains__of_production_a_branch_or_a_custom_environment(world: World) -> None:
    environment, _ = world.environment()
    world.domain("app.test")
    world.domain("www.app.test", redirect="app.test")
    world.domain("develop.app.test", gitBranch="develop")
    world.domain("staging.app.test", customEnvironmentId=environment)
    made = {
        "app.test": world.deployment(production=True),
        "develop.app.test": world.deployment(ref="develop"),
        "staging.app.test": world.deployment(ref="develop", customEnvironmentId=environment),
    }
    aliases = {domain: alias["deploymentId"] for domain, alias in world.account.find("alias")}
    assert aliases == {domain: id for domain, (id, _) in made.items()}
    assert [outputs["domains"] for _, outputs in made.values()] == [[domain] for domain in made]
    with refused(400, "custom environment"):
        world.deployment(production=True, customEnvironmentId=environment)


def test_deployment_takes_its_domains__and_no_other_branchs(world: World) -> None:
    world.domain("app.test")
    world.domain("develop.app.test", gitBranch="develop")
    assert world.deployment(ref="c" * 40)[1]["domains"] == []
    assert world.deployment(ref=None, files={"a": "1~x"})[1]["domains"] == []
    assert "alias" not in world.account.dump()


def test_deployment_is_staged__with_auto_assign_off(world: World) -> None:
    world.domain("app.test")
    first, _ = world.deployment(production=True)
    _, _, state = world.read("Project", world.project)
    settings = {"name": "app", "gitRepository": GIT, "autoAssignCustomDomains": False}
    world.update("Project", world.project, state, **settings)
    second, outputs = world.deployment(production=True)
    assert world.document("alias", "app.test")["deploymentId"] == first
    assert outputs["domains"] == []
    assert world.document("deployment", second)["readySubstate"] == "STAGED"
    world.domain("develop.app.test", gitBranch="develop")
    assert world.deployment(ref="develop")[1]["domains"] == ["develop.app.test"]


@pytest.mark.parametrize(
    "setting", [{"ignoreCommand": "git diff --quiet"}, {"enableAffectedProjectsDeployments": True}]
)
def test_deployment_is_skipped__of_a_commit_that_was_built_before(
    world: World, setting: dict[str, Any]
) -> None:
    world.deployment(production=True)
    _, _, state = world.read("Project", world.project)
    world.update("Project", world.project, state, name="app", gitRepository=GIT, **setting)
    with refused(400, "deployment canceled"):
        world.deployment(production=True)


def test_deployment_cannot_be_imported__but_is_read_by_its_state(world: World) -> None:
    id, state = world.deployment(meta={"fingerprint": "f"}, production=True)
    with refused(501, "import"):
        world.read("Deployment", id)
    _, inputs, outputs = world.read("Deployment", id, state)
    assert inputs == {
        "projectId": world.project,
        "ref": SHA,
        "meta": {"fingerprint": "f"},
        "production": True,
        "teamId": TEAM,
    }
    assert outputs["url"].endswith("-acme.vercel.app")


def test_alias_moves_in_place__to_another_deployment(world: World) -> None:
    world.domain("app.test")
    first, _ = world.deployment()
    second, _ = world.deployment()
    id, state = world.create("Alias", alias="app.test", deploymentId=first)
    assert KINDS["Alias"].replace_on == {"teamId"}
    assert state == {"alias": "app.test", "deploymentId": first, "teamId": TEAM}
    assert world.update("Alias", id, state, alias="app.test", deploymentId=second)["deploymentId"] == second
    assert world.document("alias", "app.test")["deploymentId"] == second


def test_alias_is_an_upsert__creating_one_moves_what_is_there(world: World) -> None:
    world.domain("app.test")
    world.deployment(production=True)
    second, _ = world.deployment()
    world.create("Alias", alias="app.test", deploymentId=second)
    assert world.document("alias", "app.test")["deploymentId"] == second


def test_alias_needs_a_domain_of_the_team__another_is_403(world: World) -> None:
    id, _ = world.deployment()
    with refused(403, "elsewhere.test"):
        world.create("Alias", alias="elsewhere.test", deploymentId=id)
    world.create("Alias", alias="anything.vercel.app", deploymentId=id)


def test_alias_needs_a_ready_deployment__an_unknown_one_is_404(world: World) -> None:
    world.domain("app.test")
    with refused(404, "dpl_unknown"):
        world.create("Alias", alias="app.test", deploymentId="dpl_unknown")
    id, _ = world.deployment()
    vercel.configure({"apiToken": "x" * 24})
    with refused(404, id):
        world.create("Alias", alias="app-x.vercel.app", deploymentId=id)
    vercel.configure({"apiToken": "x" * 24, "team": "acme"})
    world.account.put("deployment", id, world.document("deployment", id) | {"readyState": "ERROR"})
    with refused(400, "not ready"):
        world.create("Alias", alias="app.test", deploymentId=id)


def test_alias_delete_takes_the_domain_down__though_domain_and_deployment_stay(world: World) -> None:
    world.domain("app.test")
    deployment, _ = world.deployment()
    id, state = world.create("Alias", alias="app.test", deploymentId=deployment)
    world.delete("Alias", id, state)
    assert world.account.get("alias", "app.test") is None
    assert world.gone("Alias", id, state)
    assert world.account.get("domain", "app.test") is not None


def test_alias_left_behind_when_renamed__serves_on(world: World) -> None:
    deployment, _ = world.deployment()
    id, state = world.create("Alias", alias="old.vercel.app", deploymentId=deployment)
    state = world.update("Alias", id, state, alias="new.vercel.app", deploymentId=deployment)
    assert {domain for domain, _ in world.account.find("alias")} == {"old.vercel.app", "new.vercel.app"}
    assert world.read("Alias", id, state)[1]["alias"] == "new.vercel.app"


def test_alias_cannot_be_imported__by_its_domain(world: World) -> None:
    with refused(501, "import"):
        world.read("Alias", "app.test")


# --- Edge Config ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Has Capitals", "x" * 33, None])
def test_edge_config_name__outside_its_letters_is_refused(world: World, name: str | None) -> None:
    assert world.failures("EdgeConfig", name=name) == ["name"]


def test_edge_config_count_is_limited__by_the_plan(world: World) -> None:
    world.set_team(plan="hobby")
    world.create("EdgeConfig", name="one")
    with refused(402, "allows 1"):
        world.create("EdgeConfig", name="two")
    world.set_team(plan="pro")
    id, state = world.create("EdgeConfig", name="two")
    world.update("EdgeConfig", id, state, name="renamed")
    assert world.document("edgeConfig", id)["name"] == "renamed"
    assert world.read("EdgeConfig", f"{TEAM}/{id}")[1]["name"] == "renamed"


def test_edge_config_item_replaced_in_wrong_order_is_gone__and_nobody_complains(world: World) -> None:
    config, _ = world.create("EdgeConfig", name="flags")
    id, state = world.create("EdgeConfigItem", edgeConfigId=config, key="battle", value="on")
    assert "value" in KINDS["EdgeConfigItem"].replace_on
    with refused(501):
        world.update("EdgeConfigItem", id, state, edgeConfigId=config, key="battle", value="off")
    new_id, new_state = world.create("EdgeConfigItem", edgeConfigId=config, key="battle", value="off")
    world.delete("EdgeConfigItem", id, state)
    assert world.gone("EdgeConfigItem", new_id, new_state)


def test_edge_config_item_has_one_value__and_a_key_of_its_letters(world: World) -> None:
    inputs = {"edgeConfigId": "ecfg_x", "key": "k"}
    assert world.failures("EdgeConfigItem", **inputs) == ["value"]
    assert world.failures("EdgeConfigItem", **inputs, value="a", valueJson={"a": 1}) == ["value"]
    assert world.failures("EdgeConfigItem", edgeConfigId="ecfg_x", key="a b", value="v") == ["key"]
    config, _ = world.create("EdgeConfig", name="flags")
    id, state = world.create("EdgeConfigItem", edgeConfigId=config, key="limits", valueJson={"rooms": 5})
    assert world.read("EdgeConfigItem", f"{TEAM}/{id}")[1]["valueJson"] == state["valueJson"] == {"rooms": 5}


def test_edge_config_token_connects__by_a_string_that_carries_store_and_token(world: World) -> None:
    config, state = world.create("EdgeConfig", name="flags")
    id, outputs = world.create("EdgeConfigToken", edgeConfigId=config, label="app")
    token = world.document("edgeConfigToken", id)["token"]
    assert outputs["connectionString"] == f"https://edge-config.vercel.com/{config}?token={token}"
    assert world.gone("EdgeConfigToken", f"{config}/other", {})
    imported, inputs, _ = world.read("EdgeConfigToken", f"{config}/{token}")
    assert (imported, inputs) == (id, {"edgeConfigId": config, "label": "app", "teamId": TEAM})
    world.delete("EdgeConfig", config, state)
    assert world.account.get("edgeConfigToken", id) is None


# --- retention, webhooks, alerts ------------------------------------------------------------------


def test_retention_has_allowed_values__others_are_refused(world: World) -> None:
    inputs = {"projectId": world.project, "expirationProduction": "2y"}
    assert world.failures("ProjectDeploymentRetention", **inputs) == ["expirationProduction"]


def test_retention_stays_when_deleted__as_it_was(world: World) -> None:
    id, state = world.create("ProjectDeploymentRetention", projectId=world.project, expirationPreview="1w")
    assert id == f"{TEAM}/{world.project}"
    world.delete("ProjectDeploymentRetention", id, state)
    assert world.read("ProjectDeploymentRetention", id)[1]["expirationPreview"] == "1w"
    assert world.document("retention", world.project)["expirationProduction"] == "1y"


def test_webhook_replaces__on_any_change_and_shows_its_secret_once(world: World) -> None:
    assert KINDS["Webhook"].replace_on >= {"endpoint", "events", "projectIds"}
    id, state = world.create("Webhook", endpoint="https://hook.test", events=["alerts.triggered"])
    with refused(501):
        world.update("Webhook", id, state, endpoint="https://other.test", events=["alerts.triggered"])
    assert world.read("Webhook", id, state)[2]["secret"] == state["secret"]
    assert "secret" not in world.read("Webhook", id)[2]
    assert world.failures("Webhook", endpoint="https://hook.test", events=[]) == ["events"]


def test_webhook_needs_known_projects__an_unknown_one_is_404(world: World) -> None:
    with refused(404):
        world.create("Webhook", endpoint="https://h.test", events=["x"], projectIds=["prj_unknown"])


METRIC = {"metric": "vercel.request.count", "aggregation": "count"}
THRESHOLD = {"type": "threshold", "output": "errors", "operator": "gt", "threshold": 20}


def rule(**changes: Any) -> dict[str, Any]:
    query = {"metrics": {"errors": METRIC}, "outputs": ["errors"], **changes.pop("query", {})}
    inputs = {"name": "errors", "severity": "high", "trigger": THRESHOLD, **changes}
    return {"evaluation": {"window": changes.pop("window", "5m"), "query": query}, **inputs}


@pytest.mark.parametrize(
    "query",
    [
        {"metrics": {"errors": METRIC, "all": METRIC}},
        {"metrics": {"errors": METRIC, "all": METRIC}, "formulas": {"ratio": "errors / all"}},
        {"metrics": {"errors": METRIC, "all": METRIC}, "formulas": {"formula": "errors * all"}},
        {"metrics": {"errors": METRIC}, "formulas": {"formula": "errors / errors"}},
        {"outputs": ["errors", "errors"]},
    ],
)
def test_alert_rule_is_one_metric_or_a_ratio__anything_else_is_refused(
    world: World, query: dict[str, Any]
) -> None:
    assert "evaluation" in world.failures("CustomAlertRule", **rule(query=query))


def test_alert_rule_is_one_metric_or_a_ratio__and_both_are_accepted(world: World) -> None:
    ratio = {
        "metrics": {"errors": METRIC, "all": METRIC},
        "formulas": {"formula": "errors / all"},
        "outputs": ["formula"],
    }
    world.create("CustomAlertRule", projectId=world.project, **rule())
    trigger = {**THRESHOLD, "output": "formula"}
    id, state = world.create("CustomAlertRule", projectId=world.project, **rule(query=ratio, trigger=trigger))
    changed = rule(query=ratio, trigger={**trigger, "threshold": 0.05})
    world.update("CustomAlertRule", id, state, projectId=world.project, **changed)
    assert world.read("CustomAlertRule", f"{TEAM}/{id}")[1]["trigger"]["threshold"] == 0.05


@pytest.mark.parametrize(
    ("changes", "property"),
    [
        ({"window": "2m"}, "window"),
        ({"severity": "critical"}, "severity"),
        ({"tags": [str(number) for number in range(11)]}, "tags"),
        ({"trigger": {"type": "anomaly", "output": "errors"}}, "trigger"),
        ({"trigger": {**THRESHOLD, "type": "anomaly", "standardDeviations": 3}}, "trigger"),
        ({"trigger": {**THRESHOLD, "standardDeviations": 3}}, "trigger"),
        ({"trigger": {"type": "anomaly", "output": "errors", "standardDeviations": 0.05}}, "trigger"),
        ({"trigger": {**THRESHOLD, "operator": "over"}}, "operator"),
        ({"trigger": {**THRESHOLD, "output": "other"}}, "trigger"),
        ({"name": None}, "name"),
    ],
)
def test_alert_rule_has_allowed_values__others_are_refused(
    world: World, changes: dict[str, Any], property: str
) -> None:
    assert world.failures("CustomAlertRule", **rule(**changes)) == [property]


RATIO = {
    "metrics": {"errors": METRIC, "all": METRIC},
    "formulas": {"formula": "errors / all"},
    "outputs": ["formula"],
}
SHARE = {**THRESHOLD, "output": "formula", "minimum": {"output": "errors", "threshold": 5}}


@pytest.mark.parametrize(
    ("query", "trigger"),
    [
        ({}, {**THRESHOLD, "minimum": {"output": "errors", "threshold": 5}}),
        (RATIO, {**SHARE, "operator": "lt"}),
        (RATIO, {**SHARE, "minimum": {"output": "all", "threshold": 5}}),
        (RATIO, {**SHARE, "minimum": {"output": "errors", "threshold": -1}}),
    ],
)
def test_alert_rule_floor_is_of_the_numerator__others_are_refused(
    world: World, query: dict[str, Any], trigger: dict[str, Any]
) -> None:
    assert world.failures("CustomAlertRule", **rule(query=query, trigger=trigger)) == ["trigger"]


def test_alert_rule_floor_is_of_the_numerator__and_is_kept(world: World) -> None:
    made = rule(query=RATIO, trigger=SHARE)
    _, state = world.create("CustomAlertRule", projectId=world.project, **made)
    assert state["trigger"]["minimum"] == SHARE["minimum"]


def test_alert_rule_needs_observability_plus__on_the_team(world: World) -> None:
    world.set_team(plan="pro")
    with refused(402, "Observability Plus"):
        world.create("CustomAlertRule", projectId=world.project, **rule())


def test_alert_notification_needs_its_ends__rule_webhook_and_slack_installation(world: World) -> None:
    id, _ = world.create("CustomAlertRule", projectId=world.project, **rule())
    deaf, _ = world.create("Webhook", endpoint="https://h.test", events=["deployment.error"])
    hook, _ = world.create("Webhook", endpoint="https://h.test", events=["alerts.triggered"])
    with refused(404, "ar_unknown"):
        world.create("AlertRuleWebhookNotification", alertRuleId="ar_unknown", webhookId=hook)
    with refused(400, "alerts.triggered"):
        world.create("AlertRuleWebhookNotification", alertRuleId=id, webhookId=deaf)
    with refused(400, "one of the 0"):
        world.create("AlertRuleSlackNotification", alertRuleId=id, slackChannelId="C1")
    world.account.put("slackInstallation", "icfg_1", {"workspace": "acme"})
    made, state = world.create("AlertRuleSlackNotification", alertRuleId=id, slackChannelId="C1")
    assert (made, state["slackInstallationId"]) == (f"{id}/icfg_1/C1", "icfg_1")
    made, _ = world.create("AlertRuleWebhookNotification", alertRuleId=id, webhookId=hook)
    inputs = {"alertRuleId": id, "webhookId": hook, "teamId": TEAM}
    assert world.read("AlertRuleWebhookNotification", f"{TEAM}/{made}")[1] == inputs
    world.delete("CustomAlertRule", id)
    assert "alertNotification" not in world.account.dump()
