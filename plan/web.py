"""What one stack declares on Vercel: project, environments, domains, variables, releases (plan §1, §3, §6).

Pure functions from settings to rows; `components.web_app` maps each row to one resource. Logical names
of children are made in `names`, because the `adopt:` map of a stack file is keyed by them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from plan.assignments import Assignment, assignments
from plan.fingerprints import fingerprint_all
from plan.problems import config_set
from plan.rows import Class, Store
from plan.settings import Settings

WEB: Final = "web"  # logical name of the component
# Bytes of all names and values of one deployment: https://vercel.com/docs/environment-variables
VARIABLES_LIMIT: Final = 64 * 1024
FEATURES: Final = ("battle",)  # kill switches: a key of the stack file each, "on" or "off"

# Settings of the project that a stack file may state under `vercelProject`, with the type each must have.
# Left out: what other keys own (name, gitRepository, autoAssignCustomDomains, teamId), inline variables
# (hazard `inline-variables`) and passwords.
PROJECT_SETTINGS: Final[dict[str, type]] = {
    "automaticallyExposeSystemEnvironmentVariables": bool,
    "buildCommand": str,
    "buildMachineType": str,
    "customerSuccessCodeVisibility": bool,
    "devCommand": str,
    "directoryListing": bool,
    "enableAffectedProjectsDeployments": bool,
    "enablePreviewFeedback": bool,
    "enableProductionFeedback": bool,
    "framework": str,
    "functionFailover": bool,
    "gitComments": dict,
    "gitForkProtection": bool,
    "gitLfs": bool,
    "gitProviderOptions": dict,
    "ignoreCommand": str,
    "installCommand": str,
    "nodeVersion": str,
    "oidcTokenConfig": dict,
    "onDemandConcurrentBuilds": bool,
    "optionsAllowlist": dict,
    "outputDirectory": str,
    "previewComments": bool,
    "previewDeploymentSuffix": str,
    "previewDeploymentsDisabled": bool,
    "prioritiseProductionBuilds": bool,
    "protectedSourcemaps": bool,
    "publicSource": bool,
    "resourceConfig": dict,
    "rootDirectory": str,
    "serverlessFunctionRegion": str,
    "skewProtection": str,
    "trustedIps": dict,
    "vercelAuthentication": dict,
}


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Where on Vercel something applies: a standard target, or the stack's custom environment.

    `git_branch` narrows the target `preview` to one branch, for plans without custom environments.
    """

    target: str | None = None
    custom: bool = False
    git_branch: str | None = None

    @property
    def production(self) -> bool:
        """Whether this is Vercel's own production target."""
        return self.target == "production"


@dataclass(frozen=True, kw_only=True)
class Variable:
    """One variable in one scope. `value` is None where a resource makes it."""

    name: str
    key: str
    value: str | None
    sensitive: bool
    environment: str
    scope: Scope
    adopt: str | None


@dataclass(frozen=True, kw_only=True)
class Domain:
    """One domain of the project; `redirect_to` makes it a permanent redirect."""

    name: str
    domain: str
    scope: Scope
    redirect_to: str | None
    adopt: str | None


@dataclass(frozen=True, kw_only=True)
class CustomEnvironment:
    """A Vercel custom environment that tracks a branch."""

    name: str
    environment: str
    branch: str
    adopt: str | None


@dataclass(frozen=True, kw_only=True)
class Release:
    """One git SHA to keep built; `current` is the one the domain serves."""

    name: str
    sha: str
    current: bool


@dataclass(frozen=True, kw_only=True)
class Project:
    """The adopted project's settings. `settings` are property names of the Vercel provider (snake_case)."""

    name: str
    repository: str
    production_branch: str
    auto_assign_custom_domains: bool
    settings: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class WebPlan:
    """Everything one stack declares on Vercel."""

    team_id: str
    project_id: str
    project: Project | None  # None: another stack owns it
    environment: str
    custom_environment: CustomEnvironment | None
    variables: tuple[Variable, ...]
    domains: tuple[Domain, ...]
    releases: tuple[Release, ...]
    follows: str | None  # branch whose head is deployed again when a variable changes
    scope: Scope
    fingerprint: str
    edge_config_name: str
    edge_config_adopt: str | None
    features: dict[str, str]
    retention: str | None


def skipped_builds(project: Mapping[str, Any], stack: str) -> list[str]:
    """What a project's own settings do to a rotation, which builds the same commit again; one sentence each.

    `project`: settings by the names of PROJECT_SETTINGS, `stack` the one that owns them. Sources: Vercel
    docs, project-configuration/git-settings (Ignored Build Step) and monorepos (skipping unaffected
    projects); a build that is skipped is canceled, which is a failure to the plugin (client/deployment.go).
    """
    found = []
    why = "A rotation builds the same commit again: what is canceled leaves the old value live"
    if command := project.get("ignoreCommand"):
        found.append(
            f"vercelProject.ignoreCommand: Vercel runs {command!r} before each build, and cancels it where "
            f"that ends with 0. {why}, so it has to end with 1 for a commit that was built before. To do "
            f"without it: pulumi config rm --path vercelProject.ignoreCommand --stack {stack}"
        )
    if project.get("enableAffectedProjectsDeployments"):
        found.append(
            "vercelProject.enableAffectedProjectsDeployments: Vercel cancels the build of a commit that "
            f"changes nothing of the project. {why}: "
            + config_set(stack, "vercelProject.enableAffectedProjectsDeployments", "false", "bool")
        )
    return found


def edge_config_name(stack: str) -> str:
    """The Edge Config that holds the stack's kill switches."""
    return f"paintshare-{stack}"


def names(kind: str, *parts: str) -> str:
    """Logical name of a child: `web-KIND-PARTS`."""
    return "-".join((WEB, kind, *parts))


def web_plan(settings: Settings) -> WebPlan:
    """Derive the plan. Call after preflight: a placeholder or a missing value is not caught here."""
    scope = _scope(settings)
    adopt = settings.adopt
    variables = tuple(_variable(settings, a, scope) for a in assignments(settings, Store.VERCEL))
    main = names("domain", settings.web_domain)
    domains = [
        Domain(name=main, domain=settings.web_domain, scope=scope, redirect_to=None, adopt=adopt.get(main)),
        *(
            Domain(
                name=names("domain", domain),
                domain=domain,
                scope=scope,
                redirect_to=settings.web_domain,
                adopt=adopt.get(names("domain", domain)),
            )
            for domain in settings.redirect_domains
        ),
    ]
    custom = None
    if scope.custom:
        name = names("environment", settings.environment)
        custom = CustomEnvironment(
            name=name, environment=settings.environment, branch=settings.branch, adopt=adopt.get(name)
        )
    shas = [settings.release, settings.previous_release]
    return WebPlan(
        team_id=settings.vercel_team,
        project_id=settings.vercel_project_id,
        project=_project(settings),
        environment=settings.environment,
        custom_environment=custom,
        variables=variables,
        domains=tuple(domains),
        releases=tuple(
            Release(name=names("release", sha), sha=sha, current=i == 0) for i, sha in enumerate(shas) if sha
        ),
        # A production build of the branch's head would be published at once: only a release redeploys there.
        follows=None if scope.production else settings.branch,
        scope=scope,
        fingerprint=fingerprint_all(
            settings.fingerprint_key.get_secret_value(),
            [(v.key, v.value) for v in variables if v.environment == settings.environment and v.value],
        ),
        edge_config_name=edge_config_name(settings.stack),
        edge_config_adopt=adopt.get(names("edge-config")),
        features={feature: getattr(settings, feature) for feature in FEATURES},
        retention=settings.deployment_retention or None,
    )


def _scope(settings: Settings) -> Scope:
    match settings.vercel_target:
        case "custom":
            return Scope(custom=True)
        case "branch":
            return Scope(target="preview", git_branch=settings.branch)
        case _:
            return Scope(target="production")


def _variable(settings: Settings, assignment: Assignment, scope: Scope) -> Variable:
    name = names("variable", assignment.row.key, assignment.environment)
    return Variable(
        name=name,
        key=assignment.row.key,
        value=assignment.value,
        sensitive=assignment.row.kind is not Class.PUBLIC or settings.vercel_sensitive_only,
        environment=assignment.environment,
        scope=Scope(target="preview") if assignment.environment == "preview" else scope,
        adopt=settings.adopt.get(name),
    )


def _project(settings: Settings) -> Project | None:
    if not settings.vercel_project:
        return None
    return Project(
        name=settings.vercel_project_name,
        repository=f"{settings.github_owner}/{settings.app_repository}",
        production_branch=settings.branch,
        auto_assign_custom_domains=settings.auto_assign_custom_domains,
        settings=dict(settings.vercel_project),
    )
