"""Who has to approve a deployment: what the plan asks GitHub for, and what GitHub made of it.

GitHub leaves a reviewer without access to the repository out of an environment and answers 200
(integrations/terraform-provider-github#1166), and the plugin does not look: so the live environment is looked
at, and each reviewer's access. Asks GitHub; the rows are `plan.protection`'s.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from operations.services.accounts import GitHubAccount, Json
from operations.stack.workspace import OperationError
from plan.gate import names
from plan.protection import EnvironmentRule, environment_rules
from plan.settings import Reviewer, Settings

WORKFLOW: Final = "promote.yml"

Resources = Mapping[str, Mapping[str, Any]]
"""Logical name -> resource as the state has it."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One thing looked at. `fault` is what is wrong, `fix` the command, `unknown` why nobody can say."""

    what: str
    fault: str = ""
    fix: str = ""
    unknown: str = ""


def examine(github: GitHubAccount, settings: Settings, state: Resources) -> Iterator[Verdict]:
    """Every environment that somebody has to approve: its reviewers' access, and what it protects now.

    One of which the stack file says otherwise than the state is not judged: the next `up` writes it.
    """
    for rule in environment_rules(settings):
        if not rule.reviewers:
            continue
        for reviewer in rule.reviewers:
            yield access(github, settings, rule.repository, reviewer)
        name = names(rule.repository, "environment", rule.name)
        applied = (state.get(name) or {}).get("outputs")
        if applied is None or _of_state(applied) != _asked(rule):
            continue
        live = github.environment(rule.repository, rule.name)
        yield Verdict(
            what=f"{rule.repository}:{rule.name} protects what the stack file says",
            fault="; ".join(weaker(rule, live)) if live else "it is gone",
            fix=f"python -m operations drift --mend {name} --stack {settings.stack}",
        )


def access(github: GitHubAccount, settings: Settings, repository: str, reviewer: Reviewer) -> Verdict:
    """Whether a reviewer may read a repository; GitHub leaves out one who may not."""
    owner, name = settings.github_owner, reviewer.name
    what = f"the reviewer {name} has access to {repository}"
    if reviewer.team:
        reads = github.team_reads(repository, name)
        grant = f"gh api -X PUT /orgs/{owner}/teams/{name}/repos/{owner}/{repository} -f permission=pull"
    else:
        reads = github.user_reads(repository, name)
        grant = f"gh api -X PUT /repos/{owner}/{repository}/collaborators/{name} -f permission=pull"
    if reads is None:
        return Verdict(what=what, unknown="GitHub does not tell this token")
    return Verdict(
        what=what, fault="" if reads else "it has none: GitHub would ask nobody in its place", fix=grant
    )


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A run that waits for an approval. It holds its stack meanwhile: no newer one can even ask."""

    run: int
    since: datetime
    command: str

    def __str__(self) -> str:
        return (
            f"run {self.run} has waited for an approval since {self.since:%Y-%m-%d %H:%M} UTC, and no newer "
            f"one can ask before it ends; approve it, or end it: {self.command}"
        )


def waiting(github: GitHubAccount, settings: Settings) -> list[Waiting]:
    """The stack's runs of promote.yml that nobody has approved yet, by the name that it gives its runs."""
    place = f"{settings.github_owner}/{settings.infra_repository}"
    return [
        Waiting(
            run=run["id"],
            since=datetime.fromisoformat(run["created_at"]),
            command=f"gh run cancel {run['id']} --repo {place}",
        )
        for run in github.waiting_runs(settings.infra_repository, WORKFLOW)
        if run["display_title"] == f"release-{settings.stack}"
    ]


_KINDS: Final = {"users": "User", "teams": "Team"}


def body(rule: EnvironmentRule) -> Json:
    """The whole protection of a row as GitHub's `PUT …/environments/NAME` takes it."""
    limited = bool(rule.branches or rule.tags)
    return {
        "wait_timer": rule.wait_minutes,
        "prevent_self_review": rule.prevent_self_review,
        "can_admins_bypass": rule.admins_bypass,
        "reviewers": [
            {"type": _KINDS[kind], "id": id} for kind, ids in _reviewers(rule).items() for id in ids
        ],
        "deployment_branch_policy": {"protected_branches": False, "custom_branch_policies": True}
        if limited
        else None,
    }


def write(github: GitHubAccount, settings: Settings, repository: str, name: str) -> None:
    """Write the protection of the plan's row again, whole.

    Raises OperationError where the stack file has no such row any more, and for what GitHub left out.
    """
    rule = row(settings, repository, name)
    if rule is None:
        raise OperationError(
            f"the stack file declares no environment {repository}:{name} any more: there is nothing to write "
            f"again. pulumi preview --stack {settings.stack} shows what the next `up` makes of it"
        )
    refuse_weaker(settings, rule, github.put_environment(repository, name, body(rule)))


def row(settings: Settings, repository: str, name: str) -> EnvironmentRule | None:
    """The row of an environment."""
    rules = environment_rules(settings)
    return next((rule for rule in rules if (rule.repository, rule.name) == (repository, name)), None)


def refuse_weaker(settings: Settings, rule: EnvironmentRule, live: Json) -> None:
    """Raise OperationError where the live environment protects less than the row asks for."""
    if lost := weaker(rule, live):
        raise OperationError(
            f"GitHub answered well and left something out of {rule.repository}:{rule.name}: "
            f"{'; '.join(lost)}. A reviewer needs access to the repository, and the owner's plan has to "
            f"offer the protection: python -m operations doctor --stack {settings.stack}"
        )


def weaker(rule: EnvironmentRule, live: Json) -> list[str]:
    """In what a live environment (REST) protects less than its row; empty where it does all of it."""
    rules = {each["type"]: each for each in live.get("protection_rules") or []}
    there = reviewers(live)
    missing = [r.name for r in rule.reviewers if r.id not in there["users" if r.user else "teams"]]
    waits = rules.get("wait_timer", {}).get("wait_timer", 0)
    found = []
    if missing and not any(there.values()):
        found.append(f"nobody has to approve a deployment, {' or '.join(missing)} should")
    elif missing:
        found.append(f"{' and '.join(missing)} cannot approve")
    elif rule.prevent_self_review and not rules["required_reviewers"].get("prevent_self_review"):
        found.append("whoever started a deployment may approve it")
    if waits < rule.wait_minutes:
        found.append(f"it waits {waits} minutes, not {rule.wait_minutes}")
    if live.get("can_admins_bypass", True) and not rule.admins_bypass:
        found.append("administrators may bypass it")
    if (rule.branches or rule.tags) and not live.get("deployment_branch_policy"):
        found.append("every branch may deploy")
    return found


def reviewers(live: Json) -> dict[str, list[int]]:
    """Ids by kind. GitHub answers with the rule only while there is a reviewer."""
    found: dict[str, list[int]] = {"users": [], "teams": []}
    for rule in live.get("protection_rules") or []:
        if rule["type"] == "required_reviewers":
            for each in rule["reviewers"]:
                found["users" if each["type"] == "User" else "teams"].append(each["reviewer"]["id"])
    return sorted_ids(found)


def sorted_ids(found: Mapping[str, Any]) -> dict[str, list[int]]:
    return {kind: sorted(int(id) for id in found.get(kind) or []) for kind in _KINDS}


def _reviewers(rule: EnvironmentRule) -> dict[str, list[int]]:
    return sorted_ids(
        {
            "users": [r.id for r in rule.reviewers if r.user and r.id is not None],
            "teams": [r.id for r in rule.reviewers if r.team and r.id is not None],
        }
    )


def _asked(rule: EnvironmentRule) -> tuple[Any, ...]:
    return _reviewers(rule), rule.wait_minutes, rule.prevent_self_review, rule.admins_bypass


def _of_state(outputs: Mapping[str, Any]) -> tuple[Any, ...]:
    return (
        sorted_ids((outputs.get("reviewers") or [{}])[0]),
        int(outputs.get("waitTimer") or 0),
        bool(outputs.get("preventSelfReview")),
        bool(outputs.get("canAdminsBypass", True)),
    )
