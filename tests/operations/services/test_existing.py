"""What `adopt` decides from what it sees in the accounts: adopt, split, delete, or refuse."""

from collections.abc import Mapping
from typing import Any, Final

import pytest
import yaml

from operations.services import existing
from operations.services.accounts import GitHubAccount, Json, VercelAccount
from operations.services.existing import Adoption, Deletion, Split
from operations.stack.workspace import OperationError, Workspace
from operations.verbs import adopt
from plan.web import PROJECT_SETTINGS, VARIABLES_LIMIT
from rehearsal import demo
from tests.builders import TODAY, StackFile, production, staging

PLACE: Final = f"{demo.VERCEL_TEAM_ID}/{demo.VERCEL_PROJECT_ID}"


class Vercel(VercelAccount):
    """An account that holds what the test gives it, and writes down what is done to it."""

    def __init__(
        self,
        project: Json | None = None,
        variables: list[Json] | None = None,
        domains: list[str] | None = None,
        environments: dict[str, str] | None = None,
        edge_configs: dict[str, str] | None = None,
    ) -> None:
        self.live_edge_configs = edge_configs or {}
        self.live_project = {"id": demo.VERCEL_PROJECT_ID, **(project or {})}
        self.live_variables = variables or []
        self.live_domains = domains or []
        self.live_environments = environments or {}
        self.done: list[tuple[Any, ...]] = []

    def project(self) -> Json | None:
        return self.live_project

    def variables(self) -> list[Json]:
        return self.live_variables

    def domains(self) -> list[Json]:
        return [{"name": name} for name in self.live_domains]

    def custom_environments(self) -> list[Json]:
        return [{"slug": slug, "id": id} for slug, id in self.live_environments.items()]

    def edge_config(self, name: str) -> str | None:
        return self.live_edge_configs.get(name)

    def set_targets(self, variable: str, targets: list[str]) -> None:
        self.done.append(("set_targets", variable, targets))

    def create_variable(self, key: str, value: str, targets: list[str], kind: str) -> str:
        self.done.append(("create", key, value, targets, kind))
        return "made"

    def delete_variable(self, variable: str) -> None:
        self.done.append(("delete", variable))


class GitHub(GitHubAccount):
    """Environments by `repository:name`, in lower case as GitHub compares them."""

    def __init__(
        self,
        environments: Mapping[str, Json] | None = None,
        rulesets: Mapping[str, list[Json]] | None = None,
        people: Mapping[str, int] | None = None,
    ) -> None:
        self.live = {place.lower(): content for place, content in (environments or {}).items()}
        self.live_rulesets = rulesets or {}
        self.people = people or {}

    def environment(self, repository: str, name: str) -> Json | None:
        return self.live.get(f"{repository}:{name}".lower())

    def policies(self, repository: str, environment: str) -> list[Json]:
        found: list[Json] = self.live[f"{repository}:{environment}"].get("policies", [])
        return found

    def variables(self, repository: str, environment: str) -> list[Json]:
        return [{"name": name} for name in self.live[f"{repository}:{environment}"].get("variables", [])]

    def rulesets(self, repository: str) -> list[Json]:
        return self.live_rulesets.get(repository, [])

    def user_id(self, login: str) -> int | None:
        return self.people.get(f"user {login}")

    def team_id(self, slug: str) -> int | None:
        return self.people.get(f"team {slug}")


def inspect(
    file: StackFile, vercel: VercelAccount | None = None, github: GitHubAccount | None = None, *managed: str
) -> Adoption:
    state = dict.fromkeys(managed, "some:type")
    return existing.inspect(file.settings(), state, vercel or Vercel(), github or GitHub())


def variable(key: str, kind: str = "plain", target: Any = ("production",), **more: Any) -> Json:
    return {"id": f"env_{key}", "key": key, "type": kind, "target": target, "value": "live", **more}


def nothing_done(found: Adoption) -> bool:
    return not (found.ids or found.splits or found.deletions or found.reviewers)


# --- project -----------------------------------------------------------------------------------------


def test_in_an_empty_account_nothing_is_adopted() -> None:
    assert nothing_done(inspect(production()))
    assert nothing_done(inspect(staging()))


def test_a_project_that_is_not_there_is_refused_with_the_command_that_names_it() -> None:
    vercel = Vercel()
    vercel.project = lambda: None  # type: ignore[method-assign]
    with pytest.raises(OperationError, match="config set vercelProjectId prj_… --stack staging"):
        inspect(staging(), vercel)


def test_a_project_found_by_another_identifier_is_refused_with_its_canonical_id() -> None:
    with pytest.raises(OperationError, match="config set vercelProjectId prj_real --stack production"):
        inspect(production(), Vercel(project={"id": "prj_real"}))


def test_settings_that_the_stack_file_lacks_are_kept_and_those_it_states_are_left() -> None:
    file = production(vercelProject={"framework": "nextjs"})
    live = {"framework": "remix", "buildCommand": "make", "autoExposeSystemEnvs": True}
    assert inspect(file, Vercel(project=live)).project == {
        "buildCommand": "make",
        "automaticallyExposeSystemEnvironmentVariables": True,
    }


def test_a_stack_that_does_not_own_the_project_keeps_none_of_its_settings() -> None:
    assert (
        inspect(staging(), Vercel(project={"buildCommand": "make", "passwordProtection": {}})).project == {}
    )


FEEDBACK: Final = "project setting enableProductionFeedback: not set -> false, which the plugin sends"


def test_what_the_first_up_writes_over_the_live_project_is_listed_stated_or_not() -> None:
    stated = {
        "framework": "nextjs", "protectedSourcemaps": True, "skewProtection": "1 day",
        "resourceConfig": {"fluid": True}, "gitForkProtection": True,
    }  # fmt: skip
    live = {
        "framework": "remix", "protectedSourcemaps": True, "skewProtectionMaxAge": 43200,
        "buildCommand": "make", "resourceConfig": {"fluid": True, "functionDefaultTimeout": 60},
    }  # fmt: skip
    file = production(vercelProject=stated)
    assert inspect(file, Vercel(project=live)).changes == [
        "project setting framework: remix -> nextjs",
        "project setting skewProtection: 12 hours -> 1 day",
        "project setting autoAssignCustomDomains: true -> false",
        FEEDBACK,
    ]
    # Once the project is in the state, or where its value is stated or was set before, nothing is unsaid.
    assert inspect(file, Vercel(project=live), None, "web-project").changes == []
    assert FEEDBACK not in inspect(file, Vercel(project={"enableProductionFeedback": False})).changes
    file.config["vercelProject"] = {**stated, "enableProductionFeedback": True}
    [told] = [text for text in inspect(file, Vercel()).changes if "enableProductionFeedback" in text]
    assert told == "project setting enableProductionFeedback: not set -> true"


def test_what_the_plugin_made_of_null_is_not_written_into_the_stack_file() -> None:
    assert existing.project_settings({**DEFAULTS, "enableProductionFeedback": False}) == {}


@pytest.mark.parametrize("name", ["passwordProtection", "trustedIps", "trustedSources"])
def test_a_setting_that_nobody_can_keep_is_refused_before_it_is_lost(name: str) -> None:
    with pytest.raises(OperationError, match="the first update would remove"):
        inspect(production(), Vercel(project={name: {"deploymentType": "all"}}))


DEFAULTS: Final[Json] = {
    "buildCommand": None, "framework": None, "gitForkProtection": True, "autoExposeSystemEnvs": False,
    "gitLFS": False, "directoryListing": False, "nodeVersion": None, "skewProtectionMaxAge": 0,
    "ssoProtection": None, "oidcTokenConfig": {"enabled": True, "issuerMode": "team"}, "resourceConfig": {},
    "previewDeploymentsDisabled": False, "protectedSourcemaps": False, "id": "prj_x", "name": "x",
}  # fmt: skip

# One live answer of Vercel -> what the stack file must state.
LIVE_SETTINGS: Final[dict[str, tuple[Json, Json]]] = {
    "a text": ({"buildCommand": "make"}, {"buildCommand": "make"}),
    "a renamed text": ({"commandForIgnoringBuildStep": "x"}, {"ignoreCommand": "x"}),
    "a switch that is on": ({"gitLFS": True}, {"gitLfs": True}),
    "a switch that is off": ({"gitForkProtection": False}, {"gitForkProtection": False}),
    "failover": ({"serverlessFunctionZeroConfigFailover": True}, {"functionFailover": True}),
    "a fast lane": ({"productionDeploymentsFastLane": True}, {"prioritiseProductionBuilds": True}),
    "skew protection": ({"skewProtectionMaxAge": 43200}, {"skewProtection": "12 hours"}),
    "authentication": (
        {"ssoProtection": {"deploymentType": "all_except_custom_domains"}},
        {"vercelAuthentication": {"deploymentType": "standard_protection_new"}},
    ),
    **{
        f"skew of {seconds} s": ({"skewProtectionMaxAge": seconds}, {"skewProtection": text})
        for seconds, text in ((1800, "30 minutes"), (14400, "4 hours"), (86400, "1 day"), (604800, "7 days"))
    },
    # The provider's words for what the REST API calls otherwise.
    **{
        f"protection of {theirs}": (
            {"ssoProtection": {"deploymentType": theirs}},
            {"vercelAuthentication": {"deploymentType": ours}},
        )
        for theirs, ours in (
            ("prod_deployment_urls_and_all_previews", "standard_protection"),
            ("all", "all_deployments"),
            ("preview", "only_preview_deployments"),
            ("production", "only_production_deployments"),
        )
    },
    "token issuer": (
        {"oidcTokenConfig": {"issuerMode": "global"}},
        {"oidcTokenConfig": {"issuerMode": "global"}},
    ),
    "functions": (
        {
            "resourceConfig": {
                "functionDefaultMemoryType": "performance",
                "functionDefaultTimeout": 60,
                "functionDefaultRegions": ["icn1"],
                "fluid": True,
                "elasticConcurrencyEnabled": True,
            }
        },
        {
            "resourceConfig": {
                "functionDefaultCpuType": "performance",
                "functionDefaultTimeout": 60,
                "functionDefaultRegions": ["icn1"],
                "fluid": True,
            }
        },
    ),
}


def test_a_project_with_vercels_defaults_needs_no_statement() -> None:
    assert existing.project_settings(DEFAULTS) == {}


@pytest.mark.parametrize("case", LIVE_SETTINGS)
def test_a_setting_that_differs_from_vercels_default_is_stated_as_the_provider_names_it(case: str) -> None:
    live, stated = LIVE_SETTINGS[case]
    assert existing.project_settings({**DEFAULTS, **live}) == stated


# Settings that an update resets when they are not stated, by the type of their default at Vercel.
TEXTS: Final = {
    "buildCommand", "devCommand", "framework", "ignoreCommand", "installCommand", "outputDirectory",
    "previewDeploymentSuffix", "rootDirectory", "nodeVersion", "enablePreviewFeedback",
    "gitComments", "optionsAllowlist",
}  # fmt: skip
ON: Final = {"gitForkProtection"}
OFF: Final = {
    "automaticallyExposeSystemEnvironmentVariables", "enableAffectedProjectsDeployments",
    "previewDeploymentsDisabled", "gitLfs", "functionFailover", "customerSuccessCodeVisibility",
    "protectedSourcemaps", "prioritiseProductionBuilds", "directoryListing", "enableProductionFeedback",
}  # fmt: skip
# What the REST API calls otherwise than the provider.
RENAMED: Final = {
    "ignoreCommand": "commandForIgnoringBuildStep",
    "automaticallyExposeSystemEnvironmentVariables": "autoExposeSystemEnvs",
    "gitLfs": "gitLFS",
    "functionFailover": "serverlessFunctionZeroConfigFailover",
    "customerSuccessCodeVisibility": "customerSupportCodeVisibility",
    "prioritiseProductionBuilds": "productionDeploymentsFastLane",
}


def test_each_setting_that_an_update_would_reset_is_kept_when_it_differs_and_left_out_when_not() -> None:
    def live(values: Json) -> Json:
        return {RENAMED.get(name, name): value for name, value in values.items()}

    differing = dict.fromkeys(TEXTS, "x") | dict.fromkeys(ON, False) | dict.fromkeys(OFF, True)
    assert existing.project_settings(live(differing)) == differing
    default = dict.fromkeys(TEXTS) | dict.fromkeys(ON, True) | dict.fromkeys(OFF, False)
    assert existing.project_settings(live(default)) == {}
    assert set(differing) <= set(PROJECT_SETTINGS)


@pytest.mark.parametrize("case", LIVE_SETTINGS)
def test_what_adopt_states_is_accepted_by_preflight(case: str) -> None:
    stated = existing.project_settings(LIVE_SETTINGS[case][0])
    assert production(vercelProject=stated).check(staging()).problems == ()
    assert set(stated) <= set(PROJECT_SETTINGS)


# --- domains and the custom environment --------------------------------------------------------------


def test_domains_that_exist_are_adopted_by_name() -> None:
    found = inspect(production(), Vercel(domains=["share-paint.app", "other.example"]))
    assert found.ids == {"web-domain-share-paint.app": f"{PLACE}/share-paint.app"}


def test_the_custom_environment_is_adopted_by_its_slug() -> None:
    found = inspect(staging(), Vercel(environments={"staging": "env_s", "qa": "env_q"}))
    assert found.ids == {"web-environment-staging": f"{PLACE}/staging"}


def test_an_edge_config_left_by_a_lost_create_is_adopted_by_its_id() -> None:
    found = inspect(staging(), Vercel(edge_configs={"paintshare-staging": "ecfg_1", "other": "ecfg_2"}))
    assert found.ids == {"web-edge-config": f"{demo.VERCEL_TEAM_ID}/ecfg_1"}


def test_an_edge_config_of_the_state_is_left_alone() -> None:
    vercel = Vercel(edge_configs={"paintshare-staging": "ecfg_1"})
    assert inspect(staging(), vercel, None, "web-edge-config").ids == {}


# --- variables ---------------------------------------------------------------------------------------


def test_variables_made_by_hand_that_leave_no_room_are_named() -> None:
    huge = variable("HUGE") | {"value": "x" * VARIABLES_LIMIT}
    with pytest.raises(OperationError, match=r"production come to .* made by hand \(HUGE\).*65,536"):
        inspect(production(), Vercel(variables=[huge]))
    inspect(production(), Vercel(variables=[huge | {"target": ["development"]}]))


def test_a_public_variable_is_adopted_by_its_id() -> None:
    found = inspect(production(), Vercel(variables=[variable("NEXT_PUBLIC_APP_URL")]))
    assert found.ids == {"web-variable-NEXT_PUBLIC_APP_URL-production": f"{PLACE}/env_NEXT_PUBLIC_APP_URL"}
    assert (found.splits, found.deletions) == ([], [])


def test_a_target_given_as_one_text_counts_as_well() -> None:
    live = [variable("NEXT_PUBLIC_APP_URL", target="production")]
    assert set(inspect(production(), Vercel(variables=live)).ids) == {
        "web-variable-NEXT_PUBLIC_APP_URL-production"
    }


@pytest.mark.parametrize("kind", ["plain", "encrypted"])
def test_a_secret_that_is_readable_is_deleted_because_it_must_become_sensitive(kind: str) -> None:
    found = inspect(production(), Vercel(variables=[variable("SENTRY_DSN", kind)]))
    assert found.deletions == [Deletion(id="env_SENTRY_DSN", label="SENTRY_DSN (production)")]
    assert found.ids == {}


def test_a_secret_that_is_sensitive_already_is_adopted() -> None:
    found = inspect(production(), Vercel(variables=[variable("SENTRY_DSN", "sensitive")]))
    assert found.ids == {"web-variable-SENTRY_DSN-production": f"{PLACE}/env_SENTRY_DSN"}
    assert found.deletions == []


def test_a_public_variable_on_several_targets_is_split_and_its_copy_adopted() -> None:
    live = [variable("NEXT_PUBLIC_APP_URL", target=["production", "preview", "development"])]
    found = inspect(production(), Vercel(variables=live))
    name = "web-variable-NEXT_PUBLIC_APP_URL-production"
    assert found.splits == [
        Split(
            id="env_NEXT_PUBLIC_APP_URL", key="NEXT_PUBLIC_APP_URL", keep=("preview", "development"),
            target="production", name=name, kind="plain", value="live",
        )
    ]  # fmt: skip
    assert set(found.ids) == {name}
    assert found.deletions == []


@pytest.mark.parametrize(("key", "kind"), [("SENTRY_DSN", "encrypted"), ("SENTRY_DSN", "sensitive")])
def test_a_secret_on_several_targets_is_split_without_a_copy_so_that_up_makes_it(key: str, kind: str) -> None:
    live = [variable(key, kind, target=["production", "preview"])]
    found = inspect(production(), Vercel(variables=live))
    [split] = found.splits
    assert (split.keep, split.target, split.value) == (("preview",), "production", None)
    assert (found.ids, found.deletions) == ({}, [])


def test_a_variable_of_another_target_key_or_branch_is_left_alone() -> None:
    live = [
        variable("NEXT_PUBLIC_APP_URL", target=["preview"]),
        variable("SOMETHING_ELSE"),
        variable("SENTRY_DSN", "encrypted", target=["development"]),
    ]
    assert nothing_done(inspect(production(), Vercel(variables=live)))
    narrowed = [variable("NEXT_PUBLIC_SOCKET_URL", target=["preview"], gitBranch="feature/x")]
    assert nothing_done(inspect(staging(), Vercel(variables=narrowed)))


def test_without_custom_environments_only_what_is_narrowed_to_the_branch_is_stagings() -> None:
    live = [
        variable("NEXT_PUBLIC_APP_URL", target=["preview"], gitBranch="develop"),
        variable("NEXT_PUBLIC_SOCKET_URL", target=["preview"]),
    ]
    assert set(inspect(staging(vercelTarget="branch"), Vercel(variables=live)).ids) == {
        "web-variable-NEXT_PUBLIC_APP_URL-staging",
        "web-variable-NEXT_PUBLIC_SOCKET_URL-preview",
    }


def test_a_variable_of_the_custom_environment_is_found_by_the_environments_id() -> None:
    live = [
        variable("NEXT_PUBLIC_APP_URL", target=[], customEnvironmentIds=["env_s"]),
        variable("NEXT_PUBLIC_SENTRY_DSN", target=[], customEnvironmentIds=["env_q"]),
    ]
    vercel = Vercel(variables=live, environments={"staging": "env_s", "qa": "env_q"})
    assert set(inspect(staging(), vercel).ids) == {
        "web-environment-staging",
        "web-variable-NEXT_PUBLIC_APP_URL-staging",
    }


SHARED: Final = {
    "a standard target and a custom environment": {
        "target": ["production"],
        "customEnvironmentIds": ["env_s"],
    },
    "two custom environments": {"target": [], "customEnvironmentIds": ["env_s", "env_q"]},
}


@pytest.mark.parametrize("kind", ["plain", "encrypted"])
@pytest.mark.parametrize("case", SHARED)
def test_a_variable_that_serves_a_custom_environment_and_another_is_refused_before_one_loses_it(
    case: str, kind: str
) -> None:
    vercel = Vercel(
        variables=[variable("NEXT_PUBLIC_APP_URL", kind, **SHARED[case])],
        environments={"staging": "env_s", "qa": "env_q"},
    )
    with pytest.raises(OperationError, match=r"NEXT_PUBLIC_APP_URL .*serves other environments too"):
        inspect(staging(), vercel)


def test_productions_variable_that_serves_a_custom_environment_too_is_refused() -> None:
    shared = variable("NEXT_PUBLIC_APP_URL", customEnvironmentIds=["env_s"])
    with pytest.raises(OperationError, match="serves other environments too"):
        inspect(production(), Vercel(variables=[shared]))


def test_a_public_variable_that_is_sensitive_is_refused_because_up_could_not_import_it() -> None:
    with pytest.raises(OperationError, match="vercelSensitiveOnly"):
        inspect(production(), Vercel(variables=[variable("NEXT_PUBLIC_APP_URL", "sensitive")]))
    found = inspect(
        production(vercelSensitiveOnly=True), Vercel(variables=[variable("NEXT_PUBLIC_APP_URL", "sensitive")])
    )
    assert set(found.ids) == {"web-variable-NEXT_PUBLIC_APP_URL-production"}


def test_what_is_in_the_state_already_is_adopted_no_more() -> None:
    vercel = Vercel(
        variables=[variable("NEXT_PUBLIC_APP_URL"), variable("SENTRY_DSN", "encrypted")],
        domains=["share-paint.app"],
    )
    managed = ("web-variable-NEXT_PUBLIC_APP_URL-production", "web-variable-SENTRY_DSN-production")
    found = inspect(production(), vercel, None, *managed)
    assert set(found.ids) == {"web-domain-share-paint.app"}
    assert found.deletions == []


# --- GitHub ------------------------------------------------------------------------------------------

LIVE = {
    "share-paint:production": {
        "policies": [
            {"id": 5, "name": "main", "type": "branch"},
            {"id": 6, "name": "v*"},
            {"id": 7, "name": "hotfix"},
        ],
        "variables": ["NEXT_PUBLIC_APP_URL", "OTHER"],
    }
}
GATE = "gate-share-paint"


def test_an_environment_and_what_stands_below_it_are_adopted() -> None:
    # The policy `v*` is one for branches there, so the declared one for tags is made anew.
    assert inspect(production(), None, GitHub(LIVE)).ids == {
        f"{GATE}-environment-production": "share-paint:production",
        f"{GATE}-branch-production-main": "share-paint:production:5",
        f"{GATE}-variable-production-NEXT_PUBLIC_APP_URL": "share-paint:production:NEXT_PUBLIC_APP_URL",
    }


def test_a_protection_that_the_first_up_writes_over_is_listed() -> None:
    reviewers = [{"type": "User", "reviewer": {"id": 5}}, {"type": "Team", "reviewer": {"id": 2001}}]
    rules = [
        {"type": "wait_timer", "wait_timer": 30},
        {"type": "required_reviewers", "reviewers": reviewers, "prevent_self_review": True},
    ]
    live = {"share-paint:production": {"protection_rules": rules, "can_admins_bypass": True}}
    file = production(reviewers=[{"user": "mina"}, {"team": "infra", "id": 2001}])
    github = GitHub(live, people={"user mina": 11})
    place = "GitHub environment share-paint:production"
    assert [text for text in inspect(file, None, github).changes if "GitHub" in text] == [
        f"{place}: wait timer 30 min -> 0 min",
        f"{place}: reviewers team 2001, user 5 -> team 2001, user 11",
        f"{place}: bypass by administrators allowed -> refused",
    ]
    managed = f"{GATE}-environment-production"
    assert not [text for text in inspect(file, None, github, managed).changes if "GitHub" in text]


def test_a_policy_for_tags_is_adopted_by_the_declared_one_for_tags() -> None:
    policies = [{"id": 8, "name": "v*", "type": "tag"}, {"id": 9, "name": "main", "type": "tag"}]
    found = inspect(production(), None, GitHub({"share-paint:production": {"policies": policies}}))
    assert found.ids == {
        f"{GATE}-environment-production": "share-paint:production",
        f"{GATE}-tag-production-v*": "share-paint:production:8",
    }


def test_an_environment_made_by_vercels_integration_is_found_whatever_its_case() -> None:
    made = GitHub({"share-paint:Preview": {}})
    assert inspect(staging(), None, made).ids == {f"{GATE}-environment-preview": "share-paint:preview"}


def test_a_ruleset_is_adopted_by_its_title_and_repository() -> None:
    github = GitHub(
        rulesets={"share-paint": [{"id": 9, "name": "paintshare main"}, {"id": 8, "name": "theirs"}]}
    )
    assert inspect(production(), None, github).ids == {f"{GATE}-ruleset-main": "share-paint:9"}


def test_what_github_holds_and_the_state_too_is_adopted_no_more() -> None:
    managed = (f"{GATE}-environment-production", f"{GATE}-branch-production-main")
    found = inspect(production(), None, GitHub(LIVE), *managed)
    assert set(found.ids) == {f"{GATE}-variable-production-NEXT_PUBLIC_APP_URL"}


def test_reviewers_without_id_get_the_one_github_knows() -> None:
    file = production(reviewers=[{"user": "mina"}, {"team": "infra"}])
    people = {"user mina": 11, "team infra": 22}
    assert inspect(file, None, GitHub(people=people)).reviewers == {0: 11, 1: 22}
    assert inspect(production(), None, GitHub()).reviewers == {}


@pytest.mark.parametrize("kind", ["user", "team"])
def test_a_reviewer_that_github_does_not_know_is_named_with_the_command_that_mends_it(kind: str) -> None:
    file = production(reviewers=[{kind: "nobody"}])
    with pytest.raises(OperationError) as raised:
        inspect(file)
    assert f"GitHub knows no {kind} nobody" in str(raised.value)
    assert f"pulumi config set --path 'reviewers[0].{kind}'" in str(raised.value)


@pytest.mark.parametrize("file", [staging(), production()], ids=lambda f: f.stack)
def test_every_id_has_a_label_and_belongs_to_a_declared_object(file: StackFile) -> None:
    github = GitHub({f"share-paint:{file.stack}": LIVE["share-paint:production"]})
    found = inspect(file, Vercel(domains=[file.config["webDomain"]]), github)
    assert found.ids.keys() == found.labels.keys()
    assert file.check().problems == ()
    assert found.ids


# --- apply -------------------------------------------------------------------------------------------


def config(workspace: Workspace) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(workspace.stack_file.read_text())["config"]
    return content


def adoption(**changes: Any) -> Adoption:
    return Adoption(ids={"web-b": "id-b", "web-a": "id-a"}, **changes)


def test_ids_date_settings_and_reviewers_are_written_to_the_stack_file(workspace: Workspace) -> None:
    workspace.rewrite(
        lambda c: c.update(
            {
                "paintshare:vercelProject": {"gitLfs": True},
                "paintshare:reviewers": [{"user": "a"}, {"user": "b"}],
            }
        )
    )
    vercel = Vercel()
    adopt.apply(workspace, adoption(project={"framework": "nextjs"}, reviewers={1: 22}), vercel, TODAY)
    written = config(workspace)
    assert written["paintshare:adopt"] == {"web-a": "id-a", "web-b": "id-b"}
    assert written["paintshare:adoptedOn"] == TODAY.isoformat()
    assert written["paintshare:vercelProject"] == {"gitLfs": True, "framework": "nextjs"}
    assert written["paintshare:reviewers"] == [{"user": "a"}, {"user": "b", "id": 22}]
    assert vercel.done == []


def test_once_nothing_is_left_to_adopt_the_entries_go(workspace: Workspace) -> None:
    adopt.apply(workspace, adoption(), Vercel(), TODAY)
    adopt.apply(workspace, Adoption(), Vercel(), TODAY)
    assert "paintshare:adopt" not in config(workspace)
    assert config(workspace)["paintshare:adoptedOn"] == TODAY.isoformat()


def split(value: str | None) -> Split:
    return Split(
        id="env_1", key="K", keep=("preview",), target="production", name="web-k", kind="plain", value=value
    )


def test_a_split_narrows_the_record_first_and_its_copy_is_what_is_adopted(workspace: Workspace) -> None:
    vercel, found = Vercel(), Adoption(ids={"web-k": "team/prj/env_1"}, splits=[split("live")])
    adopt.apply(workspace, found, vercel, TODAY)
    assert vercel.done == [
        ("set_targets", "env_1", ["preview"]),
        ("create", "K", "live", ["production"], "plain"),
    ]
    assert config(workspace)["paintshare:adopt"] == {"web-k": "team/prj/made"}


def test_a_split_without_a_copy_only_narrows_the_record(workspace: Workspace) -> None:
    vercel = Vercel()
    adopt.apply(workspace, Adoption(splits=[split(None)]), vercel, TODAY)
    assert vercel.done == [("set_targets", "env_1", ["preview"])]


def test_deletions_are_done_last_at_vercel(workspace: Workspace) -> None:
    vercel = Vercel()
    found = Adoption(splits=[split(None)], deletions=[Deletion(id="env_2", label="x")])
    adopt.apply(workspace, found, vercel, TODAY)
    assert vercel.done[-1] == ("delete", "env_2")


def test_when_vercel_fails_the_stack_file_is_as_it_was(workspace: Workspace) -> None:
    class Failing(Vercel):
        def delete_variable(self, variable: str) -> None:
            raise OperationError(f"no {variable}")

    before = workspace.stack_file.read_bytes()
    found = adoption(deletions=[Deletion(id="env_2", label="x")])
    with pytest.raises(OperationError):
        adopt.apply(workspace, found, Failing(), TODAY)
    assert workspace.stack_file.read_bytes() == before
