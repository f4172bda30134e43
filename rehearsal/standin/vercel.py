"""The Vercel kinds of the stand-in: what the service enforces, what the real plugin does, hazards included.

`server` checks types, required inputs and names from the SDK; here are the rules beyond them. `RULES` names
each with its source: FACTS (seen with the real plugin), a file of the provider's own source, or `page:` for
what a page alone vouches for (documentation, a docstring, an issue). Diffs are held against
rehearsal/observed/. Documents use the provider's property names; their kinds are team, repository, project,
variable, environment, domain, deployment, alias (id: domain), edgeConfig, edgeConfigItem, edgeConfigToken,
retention, webhook, alertRule, alertNotification, slackInstallation. They hold real values.
"""

import os
import re
import time
import uuid
from collections.abc import Iterable
from typing import Any, ClassVar, Final

from rehearsal.standin.account import Account, Document, new_id
from rehearsal.standin.kinds import UNKNOWN, Failure, Kind, Properties, ServiceError

TARGETS: Final = ("production", "preview", "development")

RULES: Final[dict[str, str]] = {
    # provider
    "token_has_24_characters": "FACTS Others: token of 24 characters; provider.go apiTokenRe",
    "team_is_needed": "FACTS Others: `team` needed on a team project",
    "parent_must_exist": "resource_project_environment_variable.go Create: could not find project",
    # project
    "project_name_is_unique": "FACTS Adopting: creating a project with an existing name answers 409",
    "project_import_takes_id_or_name": "FACTS Adopting: ids prj_x, name, team/prj_x; canonical id prj_x",
    "project_without_git_repository_is_cut_off": "FACTS Adopting: left out, DELETE .../link",
    "project_update_resets_undeclared": "FACTS Adopting: undeclared ones are sent as null, false or 0",
    "project_update_keeps_computed": "resource_project.go: UseNonNullStateForUnknown",
    "project_equal_settings_show_nothing": "FACTS Adopting: no write at all",
    "project_updates_in_place": "FACTS Adopting: name, ... update in place",
    "project_delete_takes_all_below": "client/project.go DeleteProject: variables cease to exist with it",
    "project_settings_have_allowed_values": "resource_project.go: validators",
    "project_one_way_to_say_it": "resource_project.go: ConflictsWith of region and of preview feedback",
    "project_repository_must_be_connected": "page: SDK Project.git_repository: Vercel for GitHub",
    # variable
    "variable_conflicts_on_key_and_target": "FACTS Variables: ENV_CONFLICT with its id",
    "variable_of_a_branch_overrides": "page: Vercel docs, environment-variables: Preview",
    "variable_branch_needs_preview": "page: getsentry/sentry#38047: gitBranch only with target=preview",
    "variable_branch_is_not_production": "page: vercel/vercel#15763: Cannot set Production Branch",
    "variable_branch_must_exist": "page: vercel/vercel#16111: branch not found in the Git repository",
    "variable_sensitive_refuses_development": "FACTS Variables: sensitive=True with target development fails",
    "variable_needs_a_scope": "page: SDK: at least one of target or custom_environment_ids must be set",
    "variable_has_one_value": "page: SDK: exactly one of value or value_wo is required",
    "variable_has_allowed_values": "resource_project_environment_variable.go: validators",
    "variable_replaces_and_updates": "FACTS Variables: the lists In place and Replace",
    "variable_sensitive_is_never_read": "FACTS Variables: a change by hand is not seen",
    "variable_drift_is_read": "FACTS Variables: others are read back and drift shows",
    "variable_import_of_sensitive_writes": "FACTS Variables: sensitive: import + PATCH",
    "variable_import_of_encrypted_as_sensitive_replaces": "FACTS Variables: an encrypted one fails",
    "variable_size_is_limited": "FACTS Variables: 64 KB of variables per deployment",
    "variable_policy_forces_sensitive": "FACTS Others: team policies can force `sensitive` on every variable",
    "variable_left_out_branch_stays": "client/environment_variable.go: gitBranch is omitempty in the PATCH",
    # custom environment
    "environment_name_is_free": "page: Vercel REST custom-environments: not Production, Preview",
    "environment_has_allowed_values": "resource_custom_environment.go: validators",
    "environment_keeps_what_is_left_out": "FACTS Others: keeps its old value silently",
    "environment_needs_the_plan": "page: Vercel docs, custom environments: Pro 1, Enterprise 12",
    "environment_delete_takes_variables": "client/custom_environment.go: DeleteCustomEnvironment",
    "environment_import_takes_name_or_id": "page: SDK Import: team/prj/name; REST takes environmentSlugOrId",
    # domain
    "domain_existing_needs_import": "FACTS Others: an existing one needs an import (team/prj/domain)",
    "domain_redirects_within_the_project": "page: SDK ProjectDomain.redirect: a domain name of the project",
    "domain_replaces_and_updates": "FACTS Others: `domain` replaces",
    "domain_branch_is_not_production": "resource_project_domain.go Create",
    "domain_has_one_scope": "resource_project_domain.go: ConflictsWith",
    "domain_has_allowed_values": "resource_project_domain.go: redirect_status_code",
    # deployment
    "deployment_replaces": "FACTS Others: every property replaces; only delete_on_destroy is state alone",
    "deployment_has_one_source": "resource_deployment.go ValidateConfig: either `ref` or `files`",
    "deployment_ref_must_exist": "FACTS Others: Deployment(project_id, ref); SDK: branch or commit hash",
    "deployment_ref_needs_git": "client/deployment.go getGitSource: project has no linked git repository",
    "deployment_keeps_the_variables_of_its_build": "FACTS Variables: new deployments only",
    "deployment_stays_when_deleted": "FACTS Others: delete_on_destroy is off by default",
    "deployment_takes_its_domains": "page: SDK Project.auto_assign_custom_domains, ProjectDomain.git_branch",
    "deployment_is_skipped": "client/deployment.go: deployment canceled; Vercel docs, Ignored Build Step",
    "deployment_is_staged": "FACTS Releases: with auto-assign off a production build is staged",
    "deployment_cannot_be_imported": "resource_deployment.go: no ImportState",
    # alias
    "alias_moves_in_place": "FACTS Others: Alias.deployment_id updates in place",
    "alias_is_an_upsert": "resource_alias.go Create: the API is an upsert",
    "alias_needs_a_domain_of_the_team": "page: Vercel REST assign-an-alias: 403 without access to the domain",
    "alias_needs_a_ready_deployment": "page: Vercel REST assign-an-alias: the deployment must be ready",
    "alias_delete_takes_the_domain_down": "client/alias.go DeleteAlias",
    "alias_left_behind_when_renamed": "resource_alias.go Update: upserts the new name, deletes nothing",
    "alias_cannot_be_imported": "resource_alias.go: no ImportState",
    # Edge Config
    "edge_config_name": "resource_edge_config.go: validators",
    "edge_config_count_is_limited": "page: Vercel docs, pricing/edge-config: 1, 3, 10 stores by plan",
    "edge_config_item_replaced_in_wrong_order_is_gone": "FACTS Others: the item is gone",
    "edge_config_item_has_one_value": "resource_edge_config_item.go: ExactlyOneOf, key",
    "edge_config_token_connects": "client/edge_config_token.go ConnectionString",
    # the rest
    "retention_has_allowed_values": "resource_project_deployment_retention.go: OneOf(1d ... 1y, unlimited)",
    "retention_stays_when_deleted": "resource_project_deployment_retention.go: Delete",
    "webhook_replaces": "FACTS Others: Webhook: any change replaces",
    "webhook_needs_known_projects": "page: SDK Webhook.project_ids: IDs of projects of the team",
    "alert_rule_is_one_metric_or_a_ratio": "FACTS Others: one division named `formula`",
    "alert_rule_has_allowed_values": "SDK CustomAlertRule; resource_custom_alert_rule.go: validators",
    "alert_rule_floor_is_of_the_numerator": "page: SDK CustomAlertRule.trigger.minimum: ratios, gt or gte",
    "alert_rule_needs_observability_plus": "page: SDK CustomAlertRule.project_id: Observability Plus",
    "alert_notification_needs_its_ends": "page: SDK AlertRuleSlackNotification, ...Webhook...",
}

# Its diffs give no path, only the names of properties, and beside them what it computes anew.
DETAILED: Final = False
RETRIES: Final = {429: 3}  # what the plugin retries by itself (FACTS Others)

Read = tuple[str, Properties, Properties]

_latest = 0
_session: dict[str, str] = {}  # the team of this plugin process; the engine starts one process per provider


def configure(config: dict[str, Any]) -> list[Failure]:
    """Check and keep the provider's settings: `apiToken` (else VERCEL_API_TOKEN) and `team` (id or slug)."""
    token = config.get("apiToken") or os.environ.get("VERCEL_API_TOKEN", "")
    failures = []
    if token is UNKNOWN:
        failures.append(Failure("apiToken", "cannot use an unknown value as api_token"))
    elif len(token) != 24:
        failures.append(Failure("apiToken", "api_token (VERCEL_API_TOKEN) must be 24 characters"))
    team = config.get("team")
    if team is UNKNOWN:
        failures.append(Failure("team", "cannot use an unknown value as team"))
    _session.clear()
    if isinstance(team, str) and team:
        _session["team"] = team
    return failures


def now() -> int:
    """Milliseconds since 1970, as Vercel's documents carry them; never twice the same: they order pages."""
    global _latest  # noqa: PLW0603  one clock a process
    _latest = max(_latest + 1, time.time_ns() // 1_000_000)
    return _latest


def stated(properties: Properties) -> Properties:
    """Without the empty ones: null, an empty list and an absent property mean the same to the plugin."""
    return {name: value for name, value in properties.items() if value is not None and value != []}


def is_known(value: Any) -> bool:
    """False for a value that holds an unknown anywhere."""
    if value is UNKNOWN:
        return False
    if isinstance(value, dict):
        return all(is_known(item) for item in value.values())
    if isinstance(value, list):
        return all(is_known(item) for item in value)
    return True


def _team(account: Account, inputs: Properties) -> str | None:
    name = inputs.get("teamId") or _session.get("team")
    found = [id for id, team in account.find("team") if name in (id, team["slug"])]
    return found[0] if found else None


def find_project(account: Account, id_or_name: str, team: str | None) -> tuple[str, Document]:
    """The project by id or name within a team. 404 when it is not there, or is another team's."""
    for id, project in account.find("project"):
        if id_or_name in (id, project["name"]) and project.get("teamId") == team:
            return id, project
    raise ServiceError(
        404, "not_found", "Could not find project, please make sure both project_id and team_id match"
    )


def _project(account: Account, inputs: Properties) -> tuple[str, Document]:
    return find_project(account, inputs["projectId"], _team(account, inputs))


def find_environment(account: Account, project_id: str, name_or_id: str) -> tuple[str, Document]:
    """The custom environment by id or name within a project, else 404."""
    for id, environment in account.find("environment", projectId=project_id):
        if name_or_id in (id, environment["name"]):
            return id, environment
    raise ServiceError(404, "not_found", f"Custom environment {name_or_id} not found in {project_id}")


def _parts(id: str, least: int) -> list[str]:
    """An import id without its optional leading team: `team/prj/x` and `prj/x` give [prj, x]."""
    parts = id.split("/")
    if len(parts) not in (least, least + 1):
        raise ServiceError(400, "invalid_id", f"Invalid id '{id}' specified: a team id is optional in front")
    return parts[-least:]


def _one_of(inputs: Properties, name: str, allowed: Iterable[Any]) -> list[Failure]:
    value = inputs.get(name)
    choices = list(allowed)
    if value is None or value is UNKNOWN or value in choices:
        return []
    return [Failure(name, f"must be one of {', '.join(map(str, choices))}")]


def _matches(inputs: Properties, name: str, pattern: str, rule: str) -> list[Failure]:
    value = inputs.get(name)
    if value is UNKNOWN or (isinstance(value, str) and re.fullmatch(pattern, value)):
        return []
    return [Failure(name, rule)]


class VercelKind(Kind):
    """What all kinds of Vercel share: a document of the account, and a computed `teamId`."""

    document: ClassVar[str]  # kind of its documents in the account
    kept = frozenset({"teamId"})
    #: Lists that are sets to the plugin: their order means nothing.
    sets: ClassVar[tuple[str, ...]] = ()

    def defaults(self, inputs: Properties) -> Properties:
        filled = dict(inputs)
        for name in self.sets:
            values = filled.get(name)
            if isinstance(values, list) and is_known(values):
                filled[name] = sorted(set(values))
        return filled

    def update(self, account: Account, id: str, state: Properties, inputs: Properties) -> Properties:
        del account, state, inputs
        raise ServiceError(501, "update_not_supported", f"Updating {self.document} {id} is not supported")

    def delete(self, account: Account, id: str, state: Properties) -> None:
        del state
        account.delete(self.document, id)

    def existing(self, account: Account, id: str) -> Document:
        """Its document, else 404."""
        document = account.get(self.document, id)
        if document is None:
            raise ServiceError(404, "not_found", f"{self.document} {id} not found")
        return document

    def answer(self, id: str, outputs: Properties) -> Read:
        """What a read returns: what the program may state is input too."""
        return id, {name: value for name, value in outputs.items() if name not in self.computed}, outputs


# --- project --------------------------------------------------------------------------------------

# What an update sends as null where the program says nothing (Optional alone).
_RESET: Final = (
    *("buildCommand", "devCommand", "enablePreviewFeedback", "framework", "gitComments", "gitRepository"),
    *("ignoreCommand", "installCommand", "optionsAllowlist", "outputDirectory", "passwordProtection"),
    *("previewComments", "previewDeploymentSuffix", "rootDirectory", "skewProtection", "trustedIps"),
    "trustedSources",
)
# Schema defaults: left out, they count as stated.
_DEFAULTS: Final[Properties] = {
    "autoAssignCustomDomains": True,
    "gitForkProtection": True,
    "oidcTokenConfig": {"issuerMode": "team"},
}
# What a new project has where nobody says anything; left out later, the state's value is sent again.
COMPUTED: Final[Properties] = {
    "automaticallyExposeSystemEnvironmentVariables": False,
    "buildMachineType": None,
    "customerSuccessCodeVisibility": False,
    "directoryListing": False,
    "enableAffectedProjectsDeployments": None,
    "enableProductionFeedback": None,
    "functionFailover": False,
    "gitLfs": False,
    "gitProviderOptions": None,
    "nodeVersion": "24.x",
    "onDemandConcurrentBuilds": False,
    "passport": None,
    "previewDeploymentsDisabled": False,
    "prioritiseProductionBuilds": False,
    "protectedSourcemaps": False,
    "resourceConfig": None,
    "vercelAuthentication": {"deploymentType": "standard_protection_new"},
}
SETTINGS: Final = ("name", *_RESET, *_DEFAULTS, *COMPUTED)


class Project(VercelKind):
    type = "vercel:index/project:Project"
    document = "project"
    replace_on = frozenset({"teamId"})
    recomputed = frozenset(
        {
            *("buildMachineType", "enablePreviewFeedback", "enableProductionFeedback", "gitProviderOptions"),
            *("previewComments", "resourceConfig", "serverlessFunctionRegion"),
        }
    )
    # The last two: no difference by themselves, and yet reset by an update that another one causes.
    kept = VercelKind.kept | frozenset(
        {*COMPUTED, "serverlessFunctionRegion", "enablePreviewFeedback", "previewComments"}
    )

    def defaults(self, inputs: Properties) -> Properties:
        return {**_DEFAULTS, **super().defaults(inputs)}

    def noise(self, outputs: Properties, inputs: Properties) -> frozenset[str]:
        return super().noise(outputs, inputs) - stated(outputs).keys()  # UseNonNullStateForUnknown

    def check(self, inputs: Properties) -> list[Failure]:
        failures = _matches(
            inputs, "name", r"[a-z0-9\-]{1,52}", "state it: 1-52 lower case letters, digits and hyphens"
        )
        failures += _one_of(inputs, "nodeVersion", ("18.x", "20.x", "22.x", "24.x"))
        failures += _one_of(
            inputs, "skewProtection", ("30 minutes", "4 hours", "12 hours", "1 day", "7 days")
        )
        resources = inputs.get("resourceConfig")
        regions = resources.get("functionDefaultRegions") if isinstance(resources, dict) else None
        if inputs.get("serverlessFunctionRegion") and regions:
            failures.append(
                Failure("serverlessFunctionRegion", "conflicts with resourceConfig.functionDefaultRegions")
            )
        if {"enablePreviewFeedback", "previewComments"} <= stated(inputs).keys():
            failures.append(Failure("previewComments", "conflicts with enablePreviewFeedback"))
        if inputs.get("environments"):
            failures.append(Failure("environments", "inline variables are not rehearsed: use single ones"))
        return failures

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        team = _team(account, inputs)
        self._name_is_free(account, inputs["name"], team)
        project = new_project(inputs["name"], team, inputs)
        if inputs.get("gitRepository"):
            project["gitRepository"] = _link(account, None, inputs["gitRepository"])
        id = new_id("prj_")
        account.put("project", id, project)
        return id, self._outputs(project, inputs)

    def read(self, account: Account, id: str, state: Properties) -> Read | None:
        if state:
            project = account.get("project", id)
            if project is None:
                return None
        else:
            *team, name = id.split("/")
            id, project = find_project(account, name, _team(account, {"teamId": team[0]} if team else {}))
        return self.answer(id, self._outputs(project, state))

    def update(self, account: Account, id: str, state: Properties, inputs: Properties) -> Properties:
        project = self.existing(account, id)
        if inputs["name"] != project["name"]:
            self._name_is_free(account, inputs["name"], project.get("teamId"))
        declared = _settings(inputs)
        updated = {**project, "name": inputs["name"], "updatedAt": now()}
        updated |= {name: declared.get(name) for name in _RESET}
        updated |= {name: declared.get(name, default) for name, default in _DEFAULTS.items()}
        updated |= {name: declared.get(name, state.get(name, project.get(name))) for name in COMPUTED}
        if updated.get("enableProductionFeedback") is None:
            updated["enableProductionFeedback"] = False  # sent with any update, whatever is stated
        if "resourceConfig" in declared:  # its members are sent one by one, unstated ones not at all
            updated["resourceConfig"] = project.get("resourceConfig", {}) | stated(declared["resourceConfig"])
        if inputs.get("gitRepository"):
            updated["gitRepository"] = _link(account, project.get("gitRepository"), inputs["gitRepository"])
        account.put("project", id, stated(updated))
        return self._outputs(updated, inputs)

    def delete(self, account: Account, id: str, state: Properties) -> None:
        del state
        for domain, _ in account.find("domain", projectId=id):
            account.delete("alias", domain)
        for kind in ("variable", "environment", "domain", "deployment", "retention", "alertRule"):
            for below, _ in account.find(kind, projectId=id):
                account.delete(kind, below)
        account.delete("project", id)

    def _name_is_free(self, account: Account, name: str, team: str | None) -> None:
        if account.find("project", name=name, teamId=team):
            raise ServiceError(409, "conflict", f"Project {name} already exists, use a new name")

    def _outputs(self, project: Document, stated_before: Properties) -> Properties:
        outputs = stated({name: project.get(name) for name in (*SETTINGS, "teamId")})
        regions = outputs.get("resourceConfig", {}).get("functionDefaultRegions")
        if stated_before.get("serverlessFunctionRegion") and regions:
            outputs["serverlessFunctionRegion"] = regions[0]
            outputs["resourceConfig"] = stated_before.get("resourceConfig")
        if "passwordProtection" in outputs:  # the password is never returned: what was stated stays
            password = (stated_before.get("passwordProtection") or {}).get("password", "")
            outputs["passwordProtection"] = {**outputs["passwordProtection"], "password": password}
        return stated(outputs)


def new_project(name: str, team: str | None, settings: Properties) -> Document:
    """The document of a project with these settings, and the service's own where nothing is said."""
    project = {**COMPUTED, **_DEFAULTS, **_settings(settings), "name": name, "teamId": team}
    return stated({**project, "createdAt": now(), "updatedAt": now()})


def _settings(inputs: Properties) -> Properties:
    settings = stated({name: inputs.get(name) for name in SETTINGS})
    if region := inputs.get("serverlessFunctionRegion"):
        settings["resourceConfig"] = settings.get("resourceConfig", {}) | {"functionDefaultRegions": [region]}
    return settings


def _link(account: Account, old: Document | None, new: Properties) -> Document:
    """Connect to a repository. Its production branch stays when the same repository says nothing else."""
    same = old is not None and (old["type"], old["repo"]) == (new["type"], new["repo"])
    if not same and account.get("repository", new["repo"]) is None:
        raise ServiceError(
            400, "repo_not_found", f"Vercel's app for {new['type']} has no access to {new['repo']}"
        )
    kept = old if same and old is not None else {"productionBranch": "main"}
    return kept | stated(new)


# --- variables ------------------------------------------------------------------------------------


class ProjectEnvironmentVariable(VercelKind):
    type = "vercel:index/projectEnvironmentVariable:ProjectEnvironmentVariable"
    document = "variable"
    replace_on = frozenset({"sensitive", "customEnvironmentIds", "key", "projectId", "teamId"})
    kept = VercelKind.kept | {"targets", "customEnvironmentIds"}
    recomputed = frozenset({"comment"})
    sets = ("targets", "customEnvironmentIds")

    def check(self, inputs: Properties) -> list[Failure]:
        failures = []
        targets = inputs.get("targets")
        if not targets and not inputs.get("customEnvironmentIds"):
            failures.append(Failure("targets", "at least one of targets or customEnvironmentIds must be set"))
        for target in targets if isinstance(targets, list) else []:
            failures += _one_of({"targets": target}, "targets", TARGETS)
        if inputs.get("sensitive") is True and isinstance(targets, list) and "development" in targets:
            failures.append(
                Failure(
                    "sensitive", "variables targeting `development` must explicitly set sensitive = false"
                )
            )
        if inputs.get("value") is None:
            failures.append(
                Failure("value", "exactly one of value or valueWo is required (rehearsed: value)")
            )
        if inputs.get("valueWo") is not None:
            failures.append(Failure("valueWo", "write-only values are not rehearsed: use value"))
        comment = inputs.get("comment")
        if isinstance(comment, str) and len(comment) > 1000:
            failures.append(Failure("comment", "length must be between 0 and 1000"))
        return failures + _one_of(inputs, "visibility", ("config", "secret"))

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        project_id, project = _project(account, inputs)
        variable = {
            "key": inputs["key"],
            "value": inputs["value"],
            "targets": inputs.get("targets") or [],
            "customEnvironmentIds": inputs.get("customEnvironmentIds") or [],
            "gitBranch": inputs.get("gitBranch"),
            "type": "sensitive" if inputs["sensitive"] else "encrypted",
            "comment": inputs.get("comment") or "",
            "visibility": inputs.get("visibility"),
            "projectId": project_id,
        }
        id = create_variable(account, project_id, project, variable)
        return id, _variable_outputs(account, variable, inputs)

    def read(self, account: Account, id: str, state: Properties) -> Read | None:
        if not state:
            project_id, id = _parts(id, 2)
            variable = account.get("variable", id)
            if variable is None or variable["projectId"] != project_id:
                raise ServiceError(404, "not_found", f"Environment variable {id} not found in {project_id}")
        else:
            variable = account.get("variable", id)
            if variable is None:
                return None
        return self.answer(id, _variable_outputs(account, variable, state))

    def update(self, account: Account, id: str, state: Properties, inputs: Properties) -> Properties:
        project_id, project = _project(account, inputs)
        old = self.existing(account, id)
        variable = {
            **old,
            "value": inputs["value"],
            "targets": inputs.get("targets") or state.get("targets") or [],
            "gitBranch": inputs.get("gitBranch") or old.get("gitBranch"),  # omitted when null: it stays
            "type": "sensitive" if inputs["sensitive"] else "encrypted",
            "comment": inputs.get("comment") or "",
            "visibility": inputs.get("visibility"),
        }
        put_variable(account, project_id, project, id, variable)
        return _variable_outputs(account, variable, inputs)


def _variable_outputs(account: Account, variable: Document, stated_before: Properties) -> Properties:
    outputs = {name: variable.get(name) for name in ("key", "targets", "customEnvironmentIds", "gitBranch")}
    sensitive = variable["type"] == "sensitive"
    outputs |= {
        "sensitive": sensitive,
        "value": stated_before.get("value") if sensitive else variable["value"],
        "comment": variable.get("comment") or None,
        "visibility": variable.get("visibility"),
        "projectId": stated_before.get("projectId", variable["projectId"]),
        "teamId": (account.get("project", variable["projectId"]) or {}).get("teamId"),
    }
    return stated(outputs)


def create_variable(account: Account, project_id: str, project: Document, variable: Document) -> str:
    """Store a new variable under a fresh id, which is returned. Refusals as `put_variable`."""
    id = new_id("", 16)
    put_variable(account, project_id, project, id, {**variable, "createdAt": now()})
    return id


def put_variable(account: Account, project_id: str, project: Document, id: str, variable: Document) -> None:
    """Store a variable, or refuse it as the service does: scope, branch, policy, conflict, size."""
    for environment in variable["customEnvironmentIds"]:
        find_environment(account, project_id, environment)
    if branch := variable.get("gitBranch"):
        _check_branch(account, project, branch, variable)
    policy = (account.get("team", project.get("teamId") or "") or {}).get("sensitivePolicy")
    scoped = variable["customEnvironmentIds"] or set(variable["targets"]) - {"development"}
    if policy == "on" and scoped and variable["type"] != "sensitive":
        raise ServiceError(
            403,
            "forbidden",
            f"{variable['key']}: this team has a policy that forces variables to be sensitive",
        )
    for other_id, other in account.find(
        "variable", projectId=project_id, key=variable["key"], gitBranch=variable.get("gitBranch")
    ):
        shared = sorted(
            set(other["targets"]) & set(variable["targets"])
            | set(other["customEnvironmentIds"]) & set(variable["customEnvironmentIds"])
        )
        if other_id != id and shared:
            raise ServiceError(
                400,
                "ENV_CONFLICT",
                f"A variable with the name `{variable['key']}` already exists for the target "
                f"{', '.join(shared)} on branch {variable.get('gitBranch')}, "
                f"the conflicting environment variable ID is {project_id}/{other_id}",
            )
    for scope in (*variable["targets"], *variable["customEnvironmentIds"]):
        values = variables_of(account, project_id, scope, variable.get("gitBranch"))
        values[variable["key"]] = variable["value"]
        if sum(len(key.encode()) + len(value.encode()) for key, value in values.items()) > 64 * 1024:
            raise ServiceError(
                400, "env_too_large", f"{variable['key']}: the variables of {scope} exceed 64 KB in total"
            )
    account.put("variable", id, {**variable, "updatedAt": now()})


def _check_branch(account: Account, project: Document, branch: str, variable: Document) -> None:
    if variable["targets"] != ["preview"] or variable["customEnvironmentIds"]:
        raise ServiceError(
            400,
            "bad_request",
            "Environment Variables with `gitBranch` can only be used with `target=preview`",
        )
    link = project.get("gitRepository") or {}
    if branch == link.get("productionBranch"):
        raise ServiceError(
            400, "bad_request", f'Cannot set Production Branch "{branch}" for a Preview Environment Variable'
        )
    if branch not in _repository(account, link.get("repo", ""))["branches"]:
        raise ServiceError(
            400, "bad_request", f"Branch '{branch}' not found in the connected Git repository."
        )


def variables_of(account: Account, project_id: str, scope: str, branch: str | None = None) -> dict[str, str]:
    """What a build sees: the values of a target or custom environment id; those of its branch win."""
    found = [
        variable
        for _, variable in account.find("variable", projectId=project_id)
        if scope in (*variable["targets"], *variable["customEnvironmentIds"])
        and variable.get("gitBranch") in (None, branch)
    ]
    found.sort(key=lambda variable: variable.get("gitBranch") is not None)
    return {variable["key"]: variable["value"] for variable in found}


# --- custom environments and domains --------------------------------------------------------------


def environment_limit(team: Document) -> int:
    """How many custom environments a project of this team may have."""
    return {"pro": 1, "enterprise": 12}.get(team.get("plan", ""), 0) if team.get("customEnvironments") else 0


class CustomEnvironment(VercelKind):
    type = "vercel:index/customEnvironment:CustomEnvironment"
    document = "environment"
    replace_on = frozenset({"projectId", "teamId"})
    kept = VercelKind.kept | {"branchTracking", "description"}

    def check(self, inputs: Properties) -> list[Failure]:
        failures = _matches(
            inputs, "name", r"[a-z0-9\-]{1,32}", "state it: 1-32 lower case letters, digits and hyphens"
        )
        tracking = inputs.get("branchTracking")
        if isinstance(tracking, dict):
            failures += _one_of(tracking, "type", ("startsWith", "endsWith", "equals"))
            failures += _matches(tracking, "pattern", r"(?s).{1,100}", "length must be between 1 and 100")
        return failures

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        project_id, project = _project(account, inputs)
        team = account.get("team", project.get("teamId") or "") or {}
        limit = environment_limit(team)
        if len(account.find("environment", projectId=project_id)) >= limit:
            raise ServiceError(
                403, "forbidden", f"The plan of this team allows {limit} custom environments per project"
            )
        self._name_is_free(account, project_id, inputs["name"])
        id = new_id("env_")
        environment = {
            "name": inputs["name"],
            "description": inputs.get("description"),
            "branchTracking": inputs.get("branchTracking"),
            "projectId": project_id,
            "createdAt": now(),
            "updatedAt": now(),
        }
        account.put("environment", id, stated(environment))
        return id, self._outputs(account, environment)

    def read(self, account: Account, id: str, state: Properties) -> Read | None:
        if state:
            environment = account.get("environment", id)
            if environment is None:
                return None
        else:
            project_id, name = _parts(id, 2)
            id, environment = find_environment(account, project_id, name)
        return self.answer(id, self._outputs(account, environment))

    def update(self, account: Account, id: str, state: Properties, inputs: Properties) -> Properties:
        del state
        environment = self.existing(account, id)
        if inputs["name"] != environment["name"]:
            self._name_is_free(account, environment["projectId"], inputs["name"])
        declared = stated({name: inputs.get(name) for name in ("name", "description", "branchTracking")})
        environment |= {**declared, "updatedAt": now()}
        account.put("environment", id, environment)
        return self._outputs(account, environment)

    def delete(self, account: Account, id: str, state: Properties) -> None:
        del state
        for variable_id, variable in account.find("variable"):
            others = [other for other in variable["customEnvironmentIds"] if other != id]
            if others == variable["customEnvironmentIds"]:
                continue
            if others or variable["targets"]:
                account.put("variable", variable_id, {**variable, "customEnvironmentIds": others})
            else:
                account.delete("variable", variable_id)
        account.delete("environment", id)

    def _name_is_free(self, account: Account, project_id: str, name: str) -> None:
        if name in TARGETS or account.find("environment", projectId=project_id, name=name):
            raise ServiceError(409, "conflict", f"An environment named {name} exists in {project_id}")

    def _outputs(self, account: Account, environment: Document) -> Properties:
        outputs = {
            name: environment.get(name) for name in ("name", "description", "branchTracking", "projectId")
        }
        project = account.get("project", environment["projectId"]) or {}
        return stated({**outputs, "teamId": project.get("teamId")})


class ProjectDomain(VercelKind):
    type = "vercel:index/projectDomain:ProjectDomain"
    document = "domain"
    replace_on = frozenset({"domain", "projectId", "teamId"})
    computed = frozenset({"misconfigured", "verifications", "verified"})

    def check(self, inputs: Properties) -> list[Failure]:
        failures = _one_of(inputs, "redirectStatusCode", (301, 302, 307, 308))
        if inputs.get("gitBranch") and inputs.get("customEnvironmentId"):
            failures.append(Failure("gitBranch", "conflicts with customEnvironmentId"))
        return failures

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        project_id, project = _project(account, inputs)
        domain = inputs["domain"]
        taken = account.get("domain", domain)
        if taken is not None:
            raise ServiceError(
                409, "domain_already_in_use", f"{domain} is already in use by {taken['projectId']}"
            )
        branch = (project.get("gitRepository") or {}).get("productionBranch")
        if inputs.get("gitBranch") and inputs["gitBranch"] == branch:
            raise ServiceError(
                400,
                "bad_request",
                f"Could not add domain {domain}: the git_branch specified is the production branch, omit it",
            )
        document = {
            "gitBranch": inputs.get("gitBranch"),
            "customEnvironmentId": inputs.get("customEnvironmentId"),
            "redirect": inputs.get("redirect"),
            "redirectStatusCode": inputs.get("redirectStatusCode"),
            "projectId": project_id,
            "createdAt": now(),
            "updatedAt": now(),
        }
        self._check_ends(account, project_id, document)
        account.put("domain", domain, stated(document))
        return domain, self._outputs(account, domain, document, inputs)

    def read(self, account: Account, id: str, state: Properties) -> Read | None:
        project_id = None
        if not state:
            project_id, id = _parts(id, 2)
        document = account.get("domain", id)
        if document is None or project_id not in (None, document["projectId"]):
            if not state:
                raise ServiceError(404, "not_found", f"Domain {id} not found in {project_id}")
            return None
        return self.answer(id, self._outputs(account, id, document, state))

    def update(self, account: Account, id: str, state: Properties, inputs: Properties) -> Properties:
        del state
        document = self.existing(account, id)
        document |= {name: inputs.get(name) for name in ("gitBranch", "redirect", "redirectStatusCode")}
        if inputs.get("customEnvironmentId"):  # omitted when null: it stays
            document["customEnvironmentId"] = inputs["customEnvironmentId"]
        self._check_ends(account, document["projectId"], document)
        account.put("domain", id, stated({**document, "updatedAt": now()}))
        return self._outputs(account, id, document, inputs)

    def delete(self, account: Account, id: str, state: Properties) -> None:
        del state
        account.delete("alias", id)
        account.delete("domain", id)

    def _check_ends(self, account: Account, project_id: str, document: Document) -> None:
        redirect = document.get("redirect")
        if redirect and (account.get("domain", redirect) or {}).get("projectId") != project_id:
            raise ServiceError(
                400, "bad_request", f"The redirect target {redirect} is no domain of {project_id}"
            )
        if document.get("customEnvironmentId"):
            find_environment(account, project_id, document["customEnvironmentId"])

    def _outputs(
        self, account: Account, domain: str, document: Document, stated_before: Properties
    ) -> Properties:
        names = ("gitBranch", "customEnvironmentId", "redirect", "redirectStatusCode", "projectId")
        outputs = stated({name: document.get(name) for name in names})
        project = account.get("project", document["projectId"]) or {}
        outputs |= stated(
            {"teamId": project.get("teamId"), "waitForReady": stated_before.get("waitForReady")}
        )
        return {**outputs, "domain": domain, "misconfigured": False, "verifications": [], "verified": True}


# --- deployments and aliases ----------------------------------------------------------------------


class Deployment(VercelKind):
    type = "vercel:index/deployment:Deployment"
    document = "deployment"
    replace_on = frozenset(
        {
            *("customEnvironmentId", "environment", "files", "meta", "pathPrefix", "production", "projectId"),
            *("projectSettings", "ref", "teamId"),
        }
    )
    kept = VercelKind.kept | {"meta"}
    computed = frozenset({"domains", "url"})
    recomputed = frozenset({"domains"})
    _stated: ClassVar = ("deleteOnDestroy", "environment", "files", "pathPrefix", "projectSettings", "meta")

    def check(self, inputs: Properties) -> list[Failure]:
        if (inputs.get("ref") is None) == (inputs.get("files") is None):
            return [Failure("ref", "a Deployment must have either `ref` or `files`, not both")]
        return []

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        project_id, project = _project(account, inputs)
        id = build(account, project_id, project, inputs)
        return id, self._outputs(account, account.get("deployment", id) or {}, inputs)

    def read(self, account: Account, id: str, state: Properties) -> Read | None:
        if not state:
            raise ServiceError(501, "import_not_implemented", "vercel_deployment does not support import")
        deployment = account.get("deployment", id)
        if deployment is None:
            return None
        return self.answer(id, self._outputs(account, deployment, state))

    def update(self, account: Account, id: str, state: Properties, inputs: Properties) -> Properties:
        """Only `deleteOnDestroy` can differ, and Vercel is not told of it."""
        del state
        return self._outputs(account, account.get("deployment", id) or {}, inputs)

    def delete(self, account: Account, id: str, state: Properties) -> None:
        if state.get("deleteOnDestroy"):
            for domain, _ in account.find("alias", deploymentId=id):
                account.delete("alias", domain)
            account.delete("deployment", id)

    def _outputs(self, account: Account, deployment: Document, stated_before: Properties) -> Properties:
        outputs = stated({name: deployment.get(name) for name in ("ref", "customEnvironmentId", "projectId")})
        outputs |= stated({name: stated_before.get(name) for name in self._stated})
        if stated_before.get("production") is not None:
            outputs["production"] = deployment.get("target") == "production"
        project = account.get("project", deployment.get("projectId", "")) or {}
        outputs |= stated({"teamId": project.get("teamId")})
        return {**outputs, "url": deployment.get("url"), "domains": deployment.get("domains", [])}


# Vercel's own reasons not to build: here both pass over a commit that was built before, as a step does that
# compares it with VERCEL_GIT_PREVIOUS_SHA.
_SKIPPING: Final = ("ignoreCommand", "enableAffectedProjectsDeployments")


def build(account: Account, project_id: str, project: Document, inputs: Properties) -> str:
    """Build a deployment and give it its domains; returns the id.

    Its document keeps in `env` the variables that it was built with: later changes do not reach it.
    """
    ref = inputs.get("ref")
    sha = _resolve(account, project, ref) if ref else None
    custom = inputs.get("customEnvironmentId")
    if custom:
        custom = find_environment(account, project_id, custom)[0]
    target = "production" if inputs.get("production") else "preview"
    if custom and target == "production":
        raise ServiceError(400, "bad_request", "A production deployment cannot target a custom environment")
    id = new_id("dpl_")
    if any(project.get(name) for name in _SKIPPING) and account.find(
        "deployment", projectId=project_id, sha=sha
    ):
        raise ServiceError(400, "deployment_canceled", "deployment canceled")
    team = account.get("team", project.get("teamId") or "") or {"slug": "personal"}
    domains = _domains_of(account, project_id, target, custom, ref)
    if target == "production" and not project.get("autoAssignCustomDomains"):
        domains = []
    url = f"{project['name']}-{id[-9:].lower()}-{team['slug']}.vercel.app"
    deployment = {
        "projectId": project_id,
        "ref": ref,
        "sha": sha,
        "files": inputs.get("files"),
        "meta": inputs.get("meta"),
        "customEnvironmentId": custom,
        "target": target,
        "env": {
            **variables_of(account, project_id, custom or target, ref),
            **(inputs.get("environment") or {}),
        },
        "url": url,
        "domains": domains,
        "readyState": "READY",
        "readySubstate": ("PROMOTED" if domains else "STAGED") if target == "production" else None,
        "createdAt": now(),
    }
    account.put("deployment", id, {name: value for name, value in deployment.items() if value is not None})
    for domain in domains:
        account.put("alias", domain, {"deploymentId": id, "projectId": project_id, "updatedAt": now()})
    return id


def push(account: Account, repo: str, branch: str, sha: str) -> str:
    """A push to a branch of a connected repository (`owner/name`): Vercel builds it; returns the deployment.

    It goes to the custom environment that tracks the branch, else to production or Preview.
    """
    repository = _repository(account, repo)
    commits = [*repository["commits"], *([] if sha in repository["commits"] else [sha])]
    branches = {**repository["branches"], branch: sha}
    account.put("repository", repo, {**repository, "branches": branches, "commits": commits})
    for id, project in account.find("project"):
        link = project.get("gitRepository") or {}
        if link.get("repo") != repo:
            continue
        environments = account.find("environment", projectId=id)
        tracking = [e for e, d in environments if (d.get("branchTracking") or {}).get("pattern") == branch]
        inputs = {"ref": branch, "production": branch == link.get("productionBranch")}
        return build(account, id, project, inputs | {"customEnvironmentId": next(iter(tracking), None)})
    raise ServiceError(404, "not_found", f"no project is connected to {repo}")


def _repository(account: Account, name: str) -> Document:
    """A connected repository (`owner/name`); one without branches and commits where there is none."""
    return account.get("repository", name) or {"branches": {}, "commits": []}


def _resolve(account: Account, project: Document, ref: str) -> str:
    """The commit of a branch or SHA of the connected repository."""
    link = project.get("gitRepository")
    if not link:
        raise ServiceError(
            400, "bad_request", "unable to deploy project by ref: project has no linked git repository"
        )
    repository = _repository(account, link["repo"])
    sha = repository["branches"].get(ref, ref)
    if sha not in repository["commits"]:
        raise ServiceError(400, "incorrect_git_source_info", f"The ref {ref} is not in {link['repo']}")
    if sha in repository.get("unbuildable", ()):  # the plugin waits for the end, and keeps no failed build
        raise ServiceError(400, "BUILD_FAILED", f"the build of {sha} failed")
    return str(sha)


def fail_builds(account: Account, repo: str, sha: str) -> None:
    """Let every build of a commit of a connected repository (`owner/name`) fail."""
    repository = _repository(account, repo)
    account.put("repository", repo, {**repository, "unbuildable": [*repository.get("unbuildable", ()), sha]})


def _domains_of(
    account: Account, project_id: str, target: str, custom: str | None, ref: str | None
) -> list[str]:
    """The domains that a new deployment takes over: production's, its branch's, or its environment's."""
    found = []
    for domain, document in account.find("domain", projectId=project_id):
        branch, environment = document.get("gitBranch"), document.get("customEnvironmentId")
        if document.get("redirect"):
            continue
        if custom:
            match = environment == custom
        elif target == "production":
            match = branch is None and environment is None
        else:
            match = branch is not None and branch == ref
        if match:
            found.append(domain)
    return found


class Alias(VercelKind):
    type = "vercel:index/alias:Alias"
    document = "alias"
    replace_on = frozenset({"teamId"})
    recomputed = frozenset({"id"})

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        set_alias(account, _team(account, inputs), inputs["alias"], inputs["deploymentId"])
        return inputs["alias"], self._outputs(account, inputs["alias"])

    def read(self, account: Account, id: str, state: Properties) -> Read | None:
        if not state:
            raise ServiceError(501, "import_not_implemented", "vercel_alias does not support import")
        if account.get("alias", state["alias"]) is None:
            return None
        return self.answer(id, self._outputs(account, state["alias"]))

    def update(self, account: Account, id: str, state: Properties, inputs: Properties) -> Properties:
        del id, state
        set_alias(account, _team(account, inputs), inputs["alias"], inputs["deploymentId"])
        return self._outputs(account, inputs["alias"])

    def delete(self, account: Account, id: str, state: Properties) -> None:
        account.delete("alias", state.get("alias", id))

    def _outputs(self, account: Account, domain: str) -> Properties:
        alias = account.get("alias", domain) or {}
        project = account.get("project", alias.get("projectId", "")) or {}
        return stated(
            {"alias": domain, "deploymentId": alias.get("deploymentId"), "teamId": project.get("teamId")}
        )


def set_alias(account: Account, team: str | None, domain: str, deployment_id: str) -> None:
    """Point a domain at a deployment, whatever it served before."""
    deployment = account.get("deployment", deployment_id)
    project = account.get("project", (deployment or {}).get("projectId", "")) or {}
    if deployment is None or project.get("teamId") != team:
        raise ServiceError(404, "not_found", f"The deployment {deployment_id} could not be found")
    if deployment["readyState"] != "READY":
        raise ServiceError(400, "deployment_not_ready", f"The deployment {deployment_id} is not ready")
    owner = account.get("project", (account.get("domain", domain) or {}).get("projectId", "")) or {}
    if not domain.endswith(".vercel.app") and owner.get("teamId") != team:
        raise ServiceError(403, "forbidden", f"You don't have access to the domain {domain}")
    account.put(
        "alias",
        domain,
        {"deploymentId": deployment_id, "projectId": deployment["projectId"], "updatedAt": now()},
    )


def promote(account: Account, project_id: str, deployment_id: str) -> None:
    """Point every production domain at a deployment, as the dashboard's promote and instant rollback do."""
    for domain in _domains_of(account, project_id, "production", None, None):
        account.put(
            "alias", domain, {"deploymentId": deployment_id, "projectId": project_id, "updatedAt": now()}
        )
    deployment = account.get("deployment", deployment_id)
    if deployment is not None:
        account.put("deployment", deployment_id, {**deployment, "readySubstate": "PROMOTED"})


# --- Edge Config ----------------------------------------------------------------------------------


class EdgeConfig(VercelKind):
    type = "vercel:index/edgeConfig:EdgeConfig"
    document = "edgeConfig"
    replace_on = frozenset({"teamId"})

    def check(self, inputs: Properties) -> list[Failure]:
        return _matches(
            inputs, "name", r"[a-z0-9_\-]{1,32}", "state it: 1-32 lower case letters, digits, - and _"
        )

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        team = _team(account, inputs)
        plan = (account.get("team", team or "") or {}).get("plan", "hobby")
        limit = {"hobby": 1, "pro": 3, "enterprise": 10}[plan]
        if len(account.find("edgeConfig", teamId=team)) >= limit:
            raise ServiceError(402, "edge_config_limit", f"The plan {plan} allows {limit} Edge Configs")
        id = new_id("ecfg_")
        document = {"name": inputs["name"], "teamId": team, "createdAt": now(), "updatedAt": now()}
        account.put("edgeConfig", id, document)
        return id, stated({"name": inputs["name"], "teamId": team})

    def read(self, account: Account, id: str, state: Properties) -> Read | None:
        id = id if state else _parts(id, 1)[0]
        document = account.get("edgeConfig", id)
        if document is None:
            return None
        return self.answer(id, stated({"name": document["name"], "teamId": document["teamId"]}))

    def update(self, account: Account, id: str, state: Properties, inputs: Properties) -> Properties:
        del state
        document = _edge_config(account, id) | {"name": inputs["name"], "updatedAt": now()}
        account.put("edgeConfig", id, document)
        return stated({"name": document["name"], "teamId": document["teamId"]})

    def delete(self, account: Account, id: str, state: Properties) -> None:
        del state
        for kind in ("edgeConfigItem", "edgeConfigToken"):
            for below, _ in account.find(kind, edgeConfigId=id):
                account.delete(kind, below)
        account.delete("edgeConfig", id)


def _edge_config(account: Account, id: str) -> Document:
    document = account.get("edgeConfig", id)
    if document is None:
        raise ServiceError(404, "edge_config_not_found", f"Edge Config {id} not found")
    return document


class EdgeConfigItem(VercelKind):
    type = "vercel:index/edgeConfigItem:EdgeConfigItem"
    document = "edgeConfigItem"
    replace_on = frozenset({"edgeConfigId", "key", "value", "valueJson"})
    recomputed = frozenset({"id", "teamId", "value", "valueJson"})

    def check(self, inputs: Properties) -> list[Failure]:
        failures = _matches(
            inputs, "key", r"[A-Za-z0-9_\-]{1,256}", "must be 1-256 letters, digits, '_' or '-'"
        )
        if (inputs.get("value") is None) == (inputs.get("valueJson") is None):
            failures.append(Failure("value", "exactly one of value or valueJson is required"))
        return failures

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        config = _edge_config(account, inputs["edgeConfigId"])
        value = inputs["value"] if inputs.get("value") is not None else inputs["valueJson"]
        id = f"{inputs['edgeConfigId']}/{inputs['key']}"
        item = {
            "edgeConfigId": inputs["edgeConfigId"],
            "key": inputs["key"],
            "value": value,
            "updatedAt": now(),
        }
        account.put("edgeConfigItem", id, item)
        return id, self._outputs(item, config)

    def read(self, account: Account, id: str, state: Properties) -> Read | None:
        id = id if state else "/".join(_parts(id, 2))
        item = account.get("edgeConfigItem", id)
        if item is None:
            return None
        outputs = self._outputs(item, _edge_config(account, item["edgeConfigId"]))
        return self.answer(id, outputs)

    def delete(self, account: Account, id: str, state: Properties) -> None:
        """By key: after a create-before-delete this takes the new value away, and succeeds."""
        del state
        account.delete("edgeConfigItem", id)

    def _outputs(self, item: Document, config: Document) -> Properties:
        value = item["value"]
        outputs = {"edgeConfigId": item["edgeConfigId"], "key": item["key"], "teamId": config["teamId"]}
        return stated({**outputs, "value" if isinstance(value, str) else "valueJson": value})


class EdgeConfigToken(VercelKind):
    type = "vercel:index/edgeConfigToken:EdgeConfigToken"
    document = "edgeConfigToken"
    replace_on = frozenset({"edgeConfigId", "label", "teamId"})
    computed = frozenset({"connectionString", "token"})

    def check(self, inputs: Properties) -> list[Failure]:
        return _matches(inputs, "label", r"(?s).{1,52}", "length must be between 1 and 52")

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        config = _edge_config(account, inputs["edgeConfigId"])
        document = {
            "edgeConfigId": inputs["edgeConfigId"],
            "label": inputs["label"],
            "token": str(uuid.uuid4()),
        }
        id = str(uuid.uuid4())
        account.put("edgeConfigToken", id, {**document, "createdAt": now()})
        return id, self._outputs(document, config)

    def read(self, account: Account, id: str, state: Properties) -> Read | None:
        if not state:  # team/ecfg/token: the API finds a token by its value
            config_id, token = _parts(id, 2)
            found = account.find("edgeConfigToken", edgeConfigId=config_id, token=token)
            id = found[0][0] if found else ""
        document = account.get("edgeConfigToken", id)
        if document is None:
            return None
        config = _edge_config(account, document["edgeConfigId"])
        return self.answer(id, self._outputs(document, config))

    def _outputs(self, document: Document, config: Document) -> Properties:
        outputs = {name: document[name] for name in ("edgeConfigId", "label", "token")}
        outputs["connectionString"] = (
            f"https://edge-config.vercel.com/{document['edgeConfigId']}?token={document['token']}"
        )
        return stated({**outputs, "teamId": config["teamId"]})


# --- retention, webhooks, alerts ------------------------------------------------------------------


class ProjectDeploymentRetention(VercelKind):
    type = "vercel:index/projectDeploymentRetention:ProjectDeploymentRetention"
    document = "retention"
    replace_on = frozenset({"projectId", "teamId"})
    _periods: ClassVar = {
        "expirationPreview": "6m",
        "expirationProduction": "1y",
        "expirationCanceled": "1m",
        "expirationErrored": "3m",
    }

    def defaults(self, inputs: Properties) -> Properties:
        return {**self._periods, **super().defaults(inputs)}

    def check(self, inputs: Properties) -> list[Failure]:
        allowed = ("1d", "1w", "1m", "2m", "3m", "6m", "1y", "unlimited")
        return [failure for name in self._periods for failure in _one_of(inputs, name, allowed)]

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        project_id, project = _project(account, inputs)
        return f"{project.get('teamId')}/{project_id}", self._put(account, project_id, project, inputs)

    def read(self, account: Account, id: str, state: Properties) -> Read | None:
        project_id = state.get("projectId") or _parts(id, 1)[0]
        policy = account.get("retention", project_id)
        project = account.get("project", project_id)
        if policy is None or project is None:
            return None
        outputs = stated({**policy, "teamId": project.get("teamId")})
        return self.answer(f"{project.get('teamId')}/{project_id}", outputs)

    def update(self, account: Account, id: str, state: Properties, inputs: Properties) -> Properties:
        del id, state
        return self._put(account, *_project(account, inputs), inputs)

    def delete(self, account: Account, id: str, state: Properties) -> None:
        """Nothing: the policy stays as it was."""

    def _put(self, account: Account, project_id: str, project: Document, inputs: Properties) -> Properties:
        policy = {**{name: inputs[name] for name in self._periods}, "projectId": project_id}
        account.put("retention", project_id, policy)
        return stated({**policy, "teamId": project.get("teamId")})


class Webhook(VercelKind):
    type = "vercel:index/webhook:Webhook"
    document = "webhook"
    replace_on = frozenset({"endpoint", "events", "projectIds", "teamId"})
    computed = frozenset({"secret"})
    sets = ("events", "projectIds")

    def check(self, inputs: Properties) -> list[Failure]:
        return [] if inputs.get("events") else [Failure("events", "at least one must be present")]

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        team = _team(account, inputs)
        for project_id in inputs.get("projectIds") or []:
            find_project(account, project_id, team)
        names = ("endpoint", "events", "projectIds")
        document = stated({**{name: inputs.get(name) for name in names}, "teamId": team})
        id, secret = new_id("hook_"), new_id("", 32)
        account.put("webhook", id, {**document, "secret": secret})
        return id, {**document, "secret": secret}

    def read(self, account: Account, id: str, state: Properties) -> Read | None:
        id = id if state else _parts(id, 1)[0]
        document = account.get("webhook", id)
        if document is None:
            return None
        return self.answer(id, stated({**document, "secret": state.get("secret")}))


class CustomAlertRule(VercelKind):
    type = "vercel:index/customAlertRule:CustomAlertRule"
    document = "alertRule"
    replace_on = frozenset({"teamId"})
    computed = frozenset({"createdAt", "updatedAt"})
    sets = ("tags",)
    _fields: ClassVar = (
        *("evaluation", "investigationPrompt", "name", "notificationSettings", "projectId", "severity"),
        *("tags", "trigger"),
    )

    def check(self, inputs: Properties) -> list[Failure]:
        failures = _matches(inputs, "name", r"(?s).+", "state it: a human-readable name")
        failures += _one_of(inputs, "severity", ("low", "medium", "high"))
        tags = inputs.get("tags")
        if isinstance(tags, list) and len(tags) > 10:
            failures.append(Failure("tags", "up to 10 unique tags"))
        evaluation, trigger = inputs.get("evaluation"), inputs.get("trigger")
        if isinstance(evaluation, dict):
            failures += _one_of(evaluation, "window", ("5m", "15m", "1h", "1d"))
            query = evaluation.get("query")
            if isinstance(query, dict) and is_known(query):
                failures += self._check_query(query)
        if isinstance(trigger, dict) and is_known(trigger):
            failures += self._check_trigger(trigger, evaluation)
        return failures

    def _check_query(self, query: Properties) -> list[Failure]:
        metrics, formulas = query.get("metrics") or {}, query.get("formulas") or {}
        if len(metrics) == 1 and not formulas:
            output = next(iter(metrics))
        elif len(metrics) == 2 and list(formulas) == ["formula"] and "formula" not in metrics:
            output = "formula"
            sides = [side.strip() for side in formulas["formula"].split("/")]
            if len(sides) != 2 or set(sides) != set(metrics):
                return [Failure("evaluation", "the formula must divide one metric by the other: a / b")]
        else:
            return [Failure("evaluation", "one metric, or two metrics and one division named `formula`")]
        if query.get("outputs") != [output]:
            return [Failure("evaluation", f"exactly one output: {output}")]
        return []

    def _check_trigger(self, trigger: Properties, evaluation: Any) -> list[Failure]:
        failures = _one_of(trigger, "type", ("threshold", "anomaly"))
        failures += _one_of(trigger, "operator", ("gt", "gte", "lt", "lte"))
        kind, anomaly = trigger.get("type", ""), ("standardDeviations",)
        needed = {"threshold": ("operator", "threshold"), "anomaly": anomaly}.get(kind, ())
        barred = {"threshold": anomaly, "anomaly": ("operator", "threshold")}.get(kind, ())
        if missing := [name for name in needed if trigger.get(name) is None]:
            failures.append(Failure("trigger", f"{' and '.join(missing)} required for type {kind}"))
        if given := [name for name in barred if trigger.get(name) is not None]:
            failures.append(Failure("trigger", f"{' and '.join(given)} not allowed for type {kind}"))
        if (trigger.get("standardDeviations") or 1) < 0.1:
            failures.append(Failure("trigger", "standardDeviations must be at least 0.1"))
        failures += self._check_floor(trigger, evaluation)
        query = evaluation.get("query") if isinstance(evaluation, dict) else None
        outputs = query.get("outputs") if isinstance(query, dict) else None
        if isinstance(outputs, list) and [trigger.get("output")] != outputs:
            failures.append(Failure("trigger", "output must be the query's single output"))
        return failures

    def _check_floor(self, trigger: Properties, evaluation: Any) -> list[Failure]:
        """`minimum`, below which nothing is judged: of a ratio's numerator, or of an anomaly's metric."""
        floor = trigger.get("minimum")
        query = evaluation.get("query") if isinstance(evaluation, dict) else None
        if floor is None or not isinstance(query, dict):
            return []
        formula = (query.get("formulas") or {}).get("formula", "")
        if floor.get("threshold", -1) < 0:
            return [Failure("trigger", "minimum.threshold must be at least 0")]
        if trigger.get("type") == "threshold" and not (formula and trigger.get("operator") in ("gt", "gte")):
            return [Failure("trigger", "minimum is for anomalies, or ratio thresholds with gt or gte")]
        metric = formula.split("/")[0].strip() if formula else next(iter(query.get("metrics") or {"": 0}))
        if floor.get("output") != metric:
            return [Failure("trigger", f"minimum.output must be {metric}")]
        return []

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        project_id, project = _project(account, inputs)
        self._observed(account, project)
        document = stated({**{name: inputs.get(name) for name in self._fields}, "projectId": project_id})
        document |= {"createdAt": now(), "updatedAt": now()}
        id = f"ar_{uuid.uuid4()}"
        account.put("alertRule", id, document)
        return id, self._outputs(account, document)

    def read(self, account: Account, id: str, state: Properties) -> Read | None:
        id = id if state else _parts(id, 1)[0]
        document = account.get("alertRule", id)
        if document is None:
            return None
        return self.answer(id, self._outputs(account, document))

    def update(self, account: Account, id: str, state: Properties, inputs: Properties) -> Properties:
        del state
        project_id, project = _project(account, inputs)
        old = self.existing(account, id)
        if (old["projectId"], old["evaluation"]) != (project_id, inputs["evaluation"]):
            self._observed(account, project)
        document = stated({**{name: inputs.get(name) for name in self._fields}, "projectId": project_id})
        document |= {"createdAt": old["createdAt"], "updatedAt": now()}
        account.put("alertRule", id, document)
        return self._outputs(account, document)

    def delete(self, account: Account, id: str, state: Properties) -> None:
        del state
        for notification, _ in account.find("alertNotification", alertRuleId=id):
            account.delete("alertNotification", notification)
        account.delete("alertRule", id)

    def _observed(self, account: Account, project: Document) -> None:
        if not (account.get("team", project.get("teamId") or "") or {}).get("observabilityPlus"):
            raise ServiceError(402, "observability_plus_required", "Alert rules require Observability Plus")

    def _outputs(self, account: Account, document: Document) -> Properties:
        team = (account.get("project", document["projectId"]) or {}).get("teamId")
        times = {name: str(document[name]) for name in ("createdAt", "updatedAt")}
        return stated({**document, **times, "teamId": team})


class _AlertNotification(VercelKind):
    """A link from a rule to where it sends; every end of it must exist."""

    document = "alertNotification"
    ends: ClassVar[tuple[str, ...]]

    def check(self, inputs: Properties) -> list[Failure]:
        return _one_of(inputs, "minimumSeverityLevel", ("critical",))

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        team = _team(account, inputs)
        rule = inputs["alertRuleId"]
        if rule != "ar_default" and account.get("alertRule", rule) is None:
            raise ServiceError(404, "not_found", f"Alert rule {rule} not found")
        document = stated({name: inputs.get(name) for name in (*self.ends, "minimumSeverityLevel")})
        document |= stated(self._resolve(account, inputs)) | stated({"teamId": team})
        id = "/".join(document[name] for name in self.ends)
        account.put("alertNotification", id, document)
        return id, document

    def _resolve(self, account: Account, inputs: Properties) -> Properties:
        raise NotImplementedError

    def read(self, account: Account, id: str, state: Properties) -> Read | None:
        id = id if state else "/".join(_parts(id, len(self.ends)))
        document = account.get("alertNotification", id)
        if document is None:
            return None
        return self.answer(id, document)

    def update(self, account: Account, id: str, state: Properties, inputs: Properties) -> Properties:
        del state
        document = self.existing(account, id)
        updated = stated({**document, "minimumSeverityLevel": inputs.get("minimumSeverityLevel")})
        account.put("alertNotification", id, updated)
        return updated


class AlertRuleSlackNotification(_AlertNotification):
    type = "vercel:index/alertRuleSlackNotification:AlertRuleSlackNotification"
    replace_on = frozenset({"alertRuleId", "slackChannelId", "slackInstallationId", "teamId"})
    kept = VercelKind.kept | {"slackInstallationId"}
    ends = ("alertRuleId", "slackInstallationId", "slackChannelId")

    def _resolve(self, account: Account, inputs: Properties) -> Properties:
        found = [id for id, _ in account.find("slackInstallation")]
        wanted = inputs.get("slackInstallationId")
        if wanted is None and len(found) == 1:
            return {"slackInstallationId": found[0]}
        if wanted not in found:
            raise ServiceError(
                400, "bad_request", f"slackInstallationId must be one of the {len(found)} of the team"
            )
        return {}


class AlertRuleWebhookNotification(_AlertNotification):
    type = "vercel:index/alertRuleWebhookNotification:AlertRuleWebhookNotification"
    replace_on = frozenset({"alertRuleId", "webhookId", "teamId"})
    ends = ("alertRuleId", "webhookId")

    def _resolve(self, account: Account, inputs: Properties) -> Properties:
        webhook = account.get("webhook", inputs["webhookId"])
        if webhook is None or "alerts.triggered" not in webhook["events"]:
            raise ServiceError(
                400, "bad_request", f"{inputs['webhookId']} is no webhook subscribed to alerts.triggered"
            )
        return {}


KINDS: Final[tuple[Kind, ...]] = (
    Project(),
    ProjectEnvironmentVariable(),
    CustomEnvironment(),
    ProjectDomain(),
    Deployment(),
    Alias(),
    EdgeConfig(),
    EdgeConfigItem(),
    EdgeConfigToken(),
    ProjectDeploymentRetention(),
    Webhook(),
    CustomAlertRule(),
    AlertRuleSlackNotification(),
    AlertRuleWebhookNotification(),
)
