"""What exists in the live accounts of what a stack declares, and how it differs.

Reads the accounts and finds every declared object that is there already and not in the stack's state: its
import id, what the first `up` will write over it, and what must be done by hand at Vercel before.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from operations.services.accounts import GitHubAccount, Json, VercelAccount
from operations.stack.workspace import OperationError
from plan.gate import GatePlan, gate_plan
from plan.problems import config_set
from plan.protection import EnvironmentRule
from plan.settings import Settings
from plan.web import VARIABLES_LIMIT, Scope, Variable, WebPlan, names, web_plan


@dataclass(frozen=True, kw_only=True)
class Split:
    """A hand-made variable that serves other targets too: it keeps those.

    The declared target gets a copy, so that nothing is missing until `up`; without `value` (nobody can read
    it, or it must become sensitive) `up` makes the new one.
    """

    id: str
    key: str
    keep: tuple[str, ...]
    target: str
    name: str  # logical name of the declared variable
    kind: str
    value: str | None


@dataclass(frozen=True, kw_only=True)
class Deletion:
    """A hand-made variable that must become sensitive, which Vercel does for a new one only."""

    id: str
    label: str


@dataclass(kw_only=True)
class Adoption:
    """What `adopt` found and what it will do."""

    ids: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    project: dict[str, Any] = field(default_factory=dict)
    reviewers: dict[int, int] = field(default_factory=dict)
    splits: list[Split] = field(default_factory=list)
    deletions: list[Deletion] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)  # what the first `up` will write over what is there


def inspect(
    settings: Settings, managed: Mapping[str, str], vercel: VercelAccount, github: GitHubAccount
) -> Adoption:
    """Compare what the stack declares with what is there. `managed`: logical names in the state already.

    Raises OperationError where adopting would lose something that cannot be read.
    """
    found = Adoption()
    _inspect_project(settings, managed, vercel, found)
    _inspect_web(settings, managed, vercel, found)
    for index, reviewer in enumerate(settings.reviewers):
        if reviewer.id is None:
            kind = "user" if reviewer.user else "team"
            id = github.user_id(reviewer.user) if reviewer.user else github.team_id(reviewer.team or "")
            if id is None:
                raise OperationError(
                    f"reviewers[{index}]: GitHub knows no {kind} {reviewer.name}: "
                    + config_set(settings.stack, f"reviewers[{index}].{kind}", "NAME")
                )
            found.reviewers[index] = id
    ids = {each.name: found.reviewers.get(index, each.id) for index, each in enumerate(settings.reviewers)}
    _inspect_gate(gate_plan(settings), managed, ids, github, found)
    return found


# --- Vercel ---------------------------------------------------------------------------------------------

# Property of the provider -> field of the REST answer and the value that needs no statement. An update resets
# what is not stated. Source: schema and read function of the provider's project resource.
_RESET: Final[Mapping[str, tuple[str, Any]]] = {
    "buildCommand": ("buildCommand", None),
    "devCommand": ("devCommand", None),
    "framework": ("framework", None),
    "ignoreCommand": ("commandForIgnoringBuildStep", None),
    "installCommand": ("installCommand", None),
    "outputDirectory": ("outputDirectory", None),
    "previewDeploymentSuffix": ("previewDeploymentSuffix", None),
    "rootDirectory": ("rootDirectory", None),
    "gitForkProtection": ("gitForkProtection", True),
    "automaticallyExposeSystemEnvironmentVariables": ("autoExposeSystemEnvs", False),
    "enablePreviewFeedback": ("enablePreviewFeedback", None),
    "enableProductionFeedback": ("enableProductionFeedback", False),  # never null again: `_project_changes`
    "enableAffectedProjectsDeployments": ("enableAffectedProjectsDeployments", False),
    "previewDeploymentsDisabled": ("previewDeploymentsDisabled", False),
    "gitLfs": ("gitLFS", False),
    "functionFailover": ("serverlessFunctionZeroConfigFailover", False),
    "customerSuccessCodeVisibility": ("customerSupportCodeVisibility", False),
    "protectedSourcemaps": ("protectedSourcemaps", False),
    "prioritiseProductionBuilds": ("productionDeploymentsFastLane", False),
    "directoryListing": ("directoryListing", False),
    "nodeVersion": ("nodeVersion", None),
    "gitComments": ("gitComments", None),
    "optionsAllowlist": ("optionsAllowlist", None),
}
_SKEW: Final = {1800: "30 minutes", 14400: "4 hours", 43200: "12 hours", 86400: "1 day", 604800: "7 days"}
_PROTECTION: Final = {
    "prod_deployment_urls_and_all_previews": "standard_protection",
    "all_except_custom_domains": "standard_protection_new",
    "all": "all_deployments",
    "preview": "only_preview_deployments",
    "production": "only_production_deployments",
}
# What `adopt` cannot write into a stack file: a password is never readable, the others are not translated.
_CANNOT_KEEP: Final = {
    "passwordProtection": "password protection (its password cannot be read)",
    "trustedIps": "trusted IPs",
    "trustedSources": "trusted sources",
}


def project_settings(live: Json) -> dict[str, Any]:
    """The live project's settings as the provider names them, those left out that need no statement."""
    stated = {
        name: live[field]
        for name, (field, default) in _RESET.items()
        if live.get(field) is not None and live[field] != default
    }
    if age := live.get("skewProtectionMaxAge"):
        stated["skewProtection"] = _SKEW.get(age, f"unknown - {age} seconds")
    if protection := live.get("ssoProtection"):
        kind = protection["deploymentType"]
        stated["vercelAuthentication"] = {"deploymentType": _PROTECTION.get(kind, kind)}
    if (oidc := live.get("oidcTokenConfig")) and oidc.get("issuerMode") != "team":
        stated["oidcTokenConfig"] = {"issuerMode": oidc["issuerMode"]}
    resources = live.get("resourceConfig") or {}
    kept = {
        "functionDefaultCpuType": resources.get("functionDefaultMemoryType"),
        "functionDefaultTimeout": resources.get("functionDefaultTimeout"),
        "functionDefaultRegions": resources.get("functionDefaultRegions"),
        "fluid": resources.get("fluid"),
    }
    if kept := {name: value for name, value in kept.items() if value}:
        stated["resourceConfig"] = kept
    return stated


def _inspect_project(
    settings: Settings, managed: Mapping[str, str], vercel: VercelAccount, found: Adoption
) -> None:
    live = vercel.project()
    if live is None:
        raise OperationError(
            f"Vercel knows no project {settings.vercel_project_id} in team {settings.vercel_team}: "
            f"pulumi config set vercelProjectId prj_… --stack {settings.stack}"
        )
    if live["id"] != settings.vercel_project_id:
        raise OperationError(
            f"vercelProjectId is {settings.vercel_project_id!r}, but the canonical id is {live['id']}: "
            f"pulumi config set vercelProjectId {live['id']} --stack {settings.stack}"
        )
    if not settings.vercel_project:
        return
    lost = [text for name, text in _CANNOT_KEEP.items() if live.get(name)]
    if lost:
        raise OperationError(
            f"the live project has {', '.join(lost)}, which the first update would remove and this program "
            "cannot state; turn it off in the dashboard, or add it to plan/web.py and components/web_app.py"
        )
    for name, value in project_settings(live).items():
        if name not in settings.vercel_project:
            found.project[name] = value
    if names("project") not in managed:
        found.changes += _project_changes(settings, live)


def _project_changes(settings: Settings, live: Json) -> Iterator[str]:
    """What the program's first update of the project will set otherwise than it is."""
    feedback = "enableProductionFeedback"
    there = {name: default for name, (_, default) in _RESET.items()} | project_settings(live)
    there |= {feedback: live.get(feedback)}
    there |= {"autoAssignCustomDomains": live.get("autoAssignCustomDomains", True)}
    stated = settings.vercel_project | {"autoAssignCustomDomains": settings.auto_assign_custom_domains}
    for name, value in stated.items():
        now = there.get(name, live.get(name))
        if isinstance(value, dict) and isinstance(now, dict):
            now = {member: now.get(member) for member in value}
        if now != value:
            yield f"project setting {name}: {_text(now)} -> {_text(value)}"
    if live.get(feedback) is None and feedback not in settings.vercel_project:
        # Null cannot be stated: the plugin sends false for it (seen on 2026-11-30, rehearsal/observed/).
        yield f"project setting {feedback}: not set -> false, which the plugin sends"


def _text(value: Any) -> str:
    return "not set" if value is None else value if isinstance(value, str) else json.dumps(value)


def _inspect_web(
    settings: Settings, managed: Mapping[str, str], vercel: VercelAccount, found: Adoption
) -> None:
    plan = web_plan(settings)
    place = f"{plan.team_id}/{plan.project_id}"
    environments = {e["slug"]: e["id"] for e in vercel.custom_environments()}
    custom = plan.custom_environment
    custom_id = environments.get(custom.environment) if custom else None
    if custom and custom_id and custom.name not in managed:
        _add(found, custom.name, f"{place}/{custom.environment}", f"environment {custom.environment}")
    domains = {d["name"] for d in vercel.domains()}
    for domain in plan.domains:
        if domain.domain in domains and domain.name not in managed:
            _add(found, domain.name, f"{place}/{domain.domain}", f"domain {domain.domain}")
    edge_config = names("edge-config")
    if edge_config not in managed and (id := vercel.edge_config(plan.edge_config_name)):
        # A second one of the name would be made, and readers of the first would go on reading it.
        _add(found, edge_config, f"{plan.team_id}/{id}", f"Edge Config {plan.edge_config_name}")
    live = vercel.variables()
    _refuse_oversize(plan, live, custom_id)
    for variable in plan.variables:
        if variable.name not in managed:
            for match in _matches(live, variable, custom_id):
                _adopt_variable(variable, match, place, found, settings.stack)


def _refuse_oversize(plan: WebPlan, live: list[Json], custom_id: str | None) -> None:
    """Preflight counts what is declared; a deployment also gets what was made by hand."""
    declared = {variable.key for variable in plan.variables}
    for scope, environment in {v.scope: v.environment for v in plan.variables}.items():
        ours = [(v.key, v.value or "") for v in plan.variables if v.scope == scope]
        by_hand = [
            (item["key"], item.get("value") or "")
            for item in live
            if item["key"] not in declared and _covers(item, scope, custom_id)
        ]
        total = sum(len(key.encode()) + len(value.encode()) for key, value in (*ours, *by_hand))
        if total > VARIABLES_LIMIT:
            raise OperationError(
                f"the variables of {environment} come to {total:,} bytes with those made by hand "
                f"({', '.join(sorted(key for key, _ in by_hand))}), and Vercel takes {VARIABLES_LIMIT:,} "
                "for a deployment: remove what nobody needs in Vercel's dashboard"
            )


def _matches(live: list[Json], variable: Variable, custom_id: str | None) -> Iterator[Json]:
    for item in live:
        if item["key"] != variable.key or item.get("gitBranch") != variable.scope.git_branch:
            continue
        if _covers(item, variable.scope, custom_id):
            yield item


def _covers(item: Json, scope: Scope, custom_id: str | None) -> bool:
    if scope.custom:
        return custom_id is not None and custom_id in (item.get("customEnvironmentIds") or [])
    return scope.target in _targets(item)


def _targets(item: Json) -> tuple[str, ...]:
    target = item.get("target") or []
    return (target,) if isinstance(target, str) else tuple(target)


def _adopt_variable(variable: Variable, item: Json, place: str, found: Adoption, stack: str) -> None:
    label = f"{variable.key} ({variable.environment})"
    renew = variable.sensitive and item.get("type") != "sensitive"
    target = variable.scope.target
    others = tuple(t for t in _targets(item) if t != target)
    shared = len(_targets(item)) + len(item.get("customEnvironmentIds") or []) > 1
    if shared and not (target and others):  # the split below keeps standard targets; all else would be lost
        raise OperationError(
            f"variable {label} serves other environments too, a custom one among them: give each its own in "
            "Vercel's dashboard first"
        )
    if target and others:
        value = None if renew or item.get("type") == "sensitive" else item.get("value")
        found.splits.append(
            Split(
                id=item["id"],
                key=variable.key,
                keep=others,
                target=target,
                name=variable.name,
                kind=item["type"],
                value=value,
            )
        )
        if value is not None:
            _add(found, variable.name, f"{place}/{item['id']}", f"variable {label}")
    elif item.get("type") == "sensitive" and not variable.sensitive:
        raise OperationError(
            f"variable {label} is public, but sensitive at Vercel, which an import cannot change: remove it "
            "in Vercel's dashboard (the next `up` makes it) or, where the team's policy demands it: "
            f"pulumi config set vercelSensitiveOnly true --stack {stack}"
        )
    elif renew:
        found.deletions.append(Deletion(id=item["id"], label=label))
    else:
        _add(found, variable.name, f"{place}/{item['id']}", f"variable {label}")
        if not variable.sensitive and variable.value not in (None, item.get("value")):
            found.changes.append(f"variable {label}: the value of the stack file replaces another one")


def _add(found: Adoption, name: str, id: str, label: str) -> None:
    found.ids[name], found.labels[name] = id, label


# --- GitHub ---------------------------------------------------------------------------------------------


def _protection(live: Json) -> dict[str, str]:
    """How an environment is protected now: a PUT is whole (hazard `environment-put-is-whole`)."""
    rules = {rule["type"]: rule for rule in live.get("protection_rules") or []}
    required = rules.get("required_reviewers", {})
    people = [f"{each['type'].lower()} {each['reviewer']['id']}" for each in required.get("reviewers", [])]
    return {
        "wait timer": f"{rules.get('wait_timer', {}).get('wait_timer', 0)} min",
        "reviewers": ", ".join(sorted(people)) or "nobody",
        "self review": "refused" if required.get("prevent_self_review") else "allowed",
        "bypass by administrators": "allowed" if live.get("can_admins_bypass", True) else "refused",
    }


def _declared_protection(rule: EnvironmentRule, ids: Mapping[str, int | None]) -> dict[str, str]:
    """The same as declared; `ids` of reviewers by name."""
    people = [f"{'user' if each.user else 'team'} {ids[each.name]}" for each in rule.reviewers]
    return {
        "wait timer": f"{rule.wait_minutes} min",
        "reviewers": ", ".join(sorted(people)) or "nobody",
        "self review": "refused" if rule.prevent_self_review else "allowed",
        "bypass by administrators": "allowed" if rule.admins_bypass else "refused",
    }


def _inspect_gate(
    plan: GatePlan,
    managed: Mapping[str, str],
    reviewers: Mapping[str, int | None],
    github: GitHubAccount,
    found: Adoption,
) -> None:
    for env in plan.environments:
        repository, name = env.rule.repository, env.rule.name
        # Names are not case-sensitive at GitHub: `Production` made by Vercel's integration is `production`.
        protection = github.environment(repository, name)
        if protection is None:
            continue
        place = f"{repository}:{name}"
        if env.name not in managed:
            _add(found, env.name, place, f"GitHub environment {place}")
            now, declared = _protection(protection), _declared_protection(env.rule, reviewers)
            found.changes += [
                f"GitHub environment {place}: {what} {now[what]} -> {declared[what]}"
                for what in declared
                if now[what] != declared[what]
            ]
        live = {(p["name"], p.get("type") or "branch"): p["id"] for p in github.policies(repository, name)}
        for policy in env.policies:
            key = (policy.branch, "branch") if policy.branch else (policy.tag, "tag")
            if key in live and policy.name not in managed:
                _add(found, policy.name, f"{place}:{live[key]}", f"deployment policy {place}:{key[0]}")
        there = {v["name"] for v in github.variables(repository, name)}
        for variable in env.variables:
            if variable.key in there and variable.name not in managed:
                _add(
                    found, variable.name, f"{place}:{variable.key}", f"GitHub variable {place}:{variable.key}"
                )
    titles: dict[str, dict[str, Any]] = {}
    for ruleset in plan.rulesets:
        repository = ruleset.rule.repository
        if repository not in titles:
            titles[repository] = {r["name"]: r["id"] for r in github.rulesets(repository)}
        if ruleset.title in titles[repository] and ruleset.name not in managed:
            id = f"{repository}:{titles[repository][ruleset.title]}"
            _add(found, ruleset.name, id, f"ruleset {repository}:{ruleset.title}")
