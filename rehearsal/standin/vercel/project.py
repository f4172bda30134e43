"""The project: its settings, what an update sends as null, and how the REST API words it."""

from typing import Any, Final

from rehearsal.standin.account import Account, Document, new_id
from rehearsal.standin.kinds import Failure, Properties, Read, ServiceError
from rehearsal.standin.rest import Answer, Query, Route
from rehearsal.standin.vercel.service import (
    PROJECT,
    VercelKind,
    asked_project,
    find_project,
    matches,
    now,
    one_of,
    stated,
    team_of,
)

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
        failures = matches(
            inputs, "name", r"[a-z0-9\-]{1,52}", "state it: 1-52 lower case letters, digits and hyphens"
        )
        failures += one_of(inputs, "nodeVersion", ("18.x", "20.x", "22.x", "24.x"))
        failures += one_of(inputs, "skewProtection", ("30 minutes", "4 hours", "12 hours", "1 day", "7 days"))
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
        team = team_of(account, inputs)
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
            id, project = find_project(account, name, team_of(account, {"teamId": team[0]} if team else {}))
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


_PROTECTION: Final = {
    "standard_protection": "prod_deployment_urls_and_all_previews",
    "standard_protection_new": "all_except_custom_domains",
    "all_deployments": "all",
    "only_preview_deployments": "preview",
    "only_production_deployments": "production",
}

_SKEW: Final = {"30 minutes": 1800, "4 hours": 14400, "12 hours": 43200, "1 day": 86400, "7 days": 604800}

# Names of the REST API that differ from the provider's (client/project.go of terraform-provider-vercel).
_RENAMED: Final = {
    "automaticallyExposeSystemEnvironmentVariables": "autoExposeSystemEnvs",
    "customerSuccessCodeVisibility": "customerSupportCodeVisibility",
    "functionFailover": "serverlessFunctionZeroConfigFailover",
    "gitLfs": "gitLFS",
    "ignoreCommand": "commandForIgnoringBuildStep",
    "prioritiseProductionBuilds": "productionDeploymentsFastLane",
}

_RESHAPED: Final = (
    *("buildMachineType", "gitProviderOptions", "gitRepository", "onDemandConcurrentBuilds"),
    *("passwordProtection", "previewComments", "resourceConfig", "skewProtection", "trustedIps"),
    "vercelAuthentication",
)


def _project_json(id: str, project: Document) -> Document:
    answer = {_RENAMED.get(name, name): project.get(name) for name in SETTINGS if name not in _RESHAPED}
    resources = dict(project.get("resourceConfig") or {})
    if "functionDefaultCpuType" in resources:
        resources["functionDefaultMemoryType"] = resources.pop("functionDefaultCpuType")
    resources["elasticConcurrencyEnabled"] = project.get("onDemandConcurrentBuilds", False)
    resources["buildMachineType"] = project.get("buildMachineType")
    regions = resources.get("functionDefaultRegions") or [None]
    return answer | {
        "id": id,
        "accountId": project.get("teamId"),
        "createdAt": project["createdAt"],
        "updatedAt": project["updatedAt"],
        "enablePreviewFeedback": project.get("enablePreviewFeedback", project.get("previewComments")),
        "gitProviderOptions": _git_options_json(project.get("gitProviderOptions")),
        "link": _link_json(project.get("gitRepository")),
        "passwordProtection": _protection_json(project.get("passwordProtection")),
        "resourceConfig": resources,
        "serverlessFunctionRegion": regions[0],
        "skewProtectionMaxAge": _SKEW.get(project.get("skewProtection", ""), 0),
        "ssoProtection": _protection_json(project.get("vercelAuthentication")),
        "trustedIps": _protection_json(project.get("trustedIps")),
    }


def _protection_json(protection: Document | None) -> Document | None:
    if not protection or protection.get("deploymentType") in (None, "none"):
        return None
    kept = {name: value for name, value in protection.items() if name not in ("password", "protectionMode")}
    if mode := protection.get("protectionMode"):
        kept["protectionMode"] = {"trusted_ip_required": "additional", "trusted_ip_optional": "exclusive"}[
            mode
        ]
    return kept | {"deploymentType": _PROTECTION[protection["deploymentType"]]}


def _git_options_json(options: Document | None) -> Document | None:
    if not options:
        return None
    answer = dict(options)
    if "createDeployments" in answer:
        answer["createDeployments"] = "enabled" if answer["createDeployments"] else "disabled"
    if "repositoryDispatchEvents" in answer:
        answer["disableRepositoryDispatchEvents"] = not answer.pop("repositoryDispatchEvents")
    return answer


def _link_json(link: Document | None) -> Document | None:
    if not link:
        return None
    org, _, repo = link["repo"].partition("/")
    hooks = link.get("deployHooks", [])
    return {
        "type": link["type"],
        "org": org,
        "repo": repo,
        "productionBranch": link.get("productionBranch"),
        "deployHooks": hooks,
    }


def _get_project(account: Account, query: Query, _: Any, name: str) -> Answer:
    return 200, _project_json(*asked_project(account, query, name))


ROUTES: Final[tuple[Route, ...]] = (("GET", PROJECT, _get_project),)
