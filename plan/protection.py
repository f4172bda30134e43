"""Branches, environments, reviewers and required checks on GitHub (deployment plan §1, §2).

Owns the protection rows of both repositories and what each GitHub plan can enforce. Whether a stack file
asks for more than the plan offers is judged by `plan.preflight`.
"""

from dataclasses import dataclass
from typing import Final, Literal

from plan.settings import Reviewer, Settings

# Names of the check runs that must be green (plan §2.1 for the app; .github/workflows here for this program).
APP_CHECKS: Final = ("lint", "type-check", "test", "build", "pai16-ci-gate")
INFRA_CHECKS: Final = ("test", "rehearsal", "live")
# Id of the app that makes the check runs of workflows; the same for everybody: GET /apps/github-actions.
GITHUB_ACTIONS: Final = 15368
RECORD_BRANCH: Final = "main"  # of this program: the release record of every stack (ADR 0013)


def plan_environment(environment: str) -> str:
    """The environment in which the live stack is read without anybody's approval."""
    return f"{environment}-plan"


@dataclass(frozen=True, kw_only=True)
class Check:
    """A check that must be green, and the GitHub App that has to say so: a name alone can be anybody's."""

    name: str
    app: int


def required(settings: Settings, names: tuple[str, ...]) -> tuple[Check, ...]:
    """The checks of these names, each of the app that `checkApps` names, or of GitHub Actions."""
    return tuple(Check(name=name, app=settings.check_apps.get(name, GITHUB_ACTIONS)) for name in names)


@dataclass(frozen=True, kw_only=True)
class Capability:
    """What GitHub enforces on a repository. Source: docs/providers.md#limits."""

    environments: bool
    reviewers: bool  # and wait timers, self-review prevention, no admin bypass
    rulesets: bool


def capability(plan: str, visibility: str) -> Capability:
    """By the owner's plan (free, pro, team, enterprise) and the repository's visibility."""
    public, paid = visibility == "public", plan in ("pro", "team", "enterprise")
    return Capability(
        environments=public or paid, reviewers=public or plan == "enterprise", rulesets=public or paid
    )


@dataclass(frozen=True, kw_only=True)
class Repository:
    """One repository of the gate. `branch` and `tags` are what may deploy this stack from it."""

    name: str
    branch: str
    tags: tuple[str, ...]
    guarded: bool  # whether this stack also declares the rulesets of `branch` and `tags`
    plans: bool  # whether its workflows read the live stack before somebody approves a change
    checks: tuple[Check, ...]
    capability: Capability
    bypass_app: int | None  # GitHub App that may push past the branch ruleset


@dataclass(frozen=True, kw_only=True)
class EnvironmentRule:
    """Protection of one GitHub environment. `branches` and `tags` empty: every ref may deploy."""

    repository: str
    name: str
    reviewers: tuple[Reviewer, ...]
    wait_minutes: int
    prevent_self_review: bool
    admins_bypass: bool
    branches: tuple[str, ...]
    tags: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Ruleset:
    """Protection of one branch or tag pattern."""

    repository: str
    target: Literal["branch", "tag"]
    pattern: str
    checks: tuple[Check, ...]
    approvals: int
    bypass_app: int | None

    @property
    def ref(self) -> str:
        """A bare name passes the preview and fails at `up` (hazard `bare-branch-name`)."""
        return f"refs/{'heads' if self.target == 'branch' else 'tags'}/{self.pattern}"


def repositories(settings: Settings) -> tuple[Repository, ...]:
    """The app's repository and this program's.

    The app deploys each stack from the stack's own branch. This program deploys every stack from the branch
    of the release record, whose ruleset exists once: the stack that states `vercelProject` declares it.
    """
    return (
        Repository(
            name=settings.app_repository,
            branch=settings.branch,
            tags=settings.tags,
            guarded=True,
            plans=False,
            checks=required(settings, APP_CHECKS),
            capability=capability(settings.github_plan, settings.app_repository_visibility),
            bypass_app=None,
        ),
        Repository(
            name=settings.infra_repository,
            branch=RECORD_BRANCH,
            tags=(),
            guarded=bool(settings.vercel_project),
            plans=True,
            checks=required(settings, INFRA_CHECKS),
            capability=capability(settings.github_plan, settings.infra_repository_visibility),
            bypass_app=settings.release_app_id or None,
        ),
    )


def environment_rules(settings: Settings) -> tuple[EnvironmentRule, ...]:
    """Every GitHub environment of this stack. A repository that cannot have environments gets none."""
    rules: list[EnvironmentRule] = []
    for repository in repositories(settings):
        if not repository.capability.environments:
            continue
        gated = bool(settings.reviewers) and repository.capability.reviewers
        rules.append(
            EnvironmentRule(
                repository=repository.name,
                name=settings.environment,
                reviewers=settings.reviewers if gated else (),
                wait_minutes=settings.wait_minutes if repository.capability.reviewers else 0,
                prevent_self_review=gated,
                # Declared as false it would differ for ever (hazard `admin-bypass-flaps`).
                admins_bypass=not gated,
                branches=(repository.branch,),
                tags=repository.tags,
            )
        )
        if repository.plans:
            rules.append(_open(repository, plan_environment(settings.environment), (repository.branch,)))
        if settings.preview:
            rules.append(_open(repository, "preview", ()))
    return tuple(rules)


def _open(repository: Repository, name: str, branches: tuple[str, ...]) -> EnvironmentRule:
    """An environment that nobody has to approve."""
    return EnvironmentRule(
        repository=repository.name,
        name=name,
        reviewers=(),
        wait_minutes=0,
        prevent_self_review=False,
        admins_bypass=True,
        branches=branches,
        tags=(),
    )


def rulesets(settings: Settings) -> tuple[Ruleset, ...]:
    """The branches with their checks, and the tags, which may be neither moved nor deleted.

    Tags carry no checks: the app's CI runs on pull requests, so a merge commit has no check runs and a
    tag that demanded them could never be made.
    """
    rules: list[Ruleset] = []
    for repository in repositories(settings):
        if not (repository.guarded and repository.capability.rulesets):
            continue
        rules.append(
            Ruleset(
                repository=repository.name,
                target="branch",
                pattern=repository.branch,
                checks=repository.checks,
                approvals=settings.approvals,
                bypass_app=repository.bypass_app,
            )
        )
        rules += [
            Ruleset(
                repository=repository.name,
                target="tag",
                pattern=tag,
                checks=(),
                approvals=0,
                bypass_app=None,
            )
            for tag in repository.tags
        ]
    return tuple(rules)
