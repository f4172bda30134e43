"""DeploymentGate: GitHub environments, their protection, secrets and variables, and the rulesets.

Maps `plan.gate.GatePlan` to resources. Every property of an environment is stated, because GitHub's PUT is
whole: what is left out is wiped (hazard `environment-put-is-whole`).
"""

from dataclasses import dataclass

import pulumi
import pulumi_github as github

from plan.gate import Environment, GatePlan, NamedRuleset
from plan.settings import Reviewer


@dataclass(frozen=True, kw_only=True)
class DeploymentGateArgs:
    """`plan`: what to declare. `hooks`: called by the engine when an environment was written."""

    plan: GatePlan
    hooks: pulumi.ResourceHookBinding | None = None


class DeploymentGate(pulumi.ComponentResource):
    """Who may deploy what, for every repository of one stack. Needs a GitHub provider in `opts.providers`."""

    environments: pulumi.Output[list[str]]
    """Ids (`repository:environment`) of the GitHub environments."""

    def __init__(
        self, name: str, args: DeploymentGateArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("paintshare:index:DeploymentGate", name, None, opts)
        self.environments = pulumi.Output.all(
            *[self._environment(e, args.hooks) for e in args.plan.environments]
        )
        for ruleset in args.plan.rulesets:
            self._ruleset(ruleset)
        self.register_outputs({"environments": self.environments})

    def _environment(self, plan: Environment, hooks: pulumi.ResourceHookBinding | None) -> pulumi.Output[str]:
        rule = plan.rule
        environment = github.RepositoryEnvironment(
            plan.name,
            repository=rule.repository,
            environment=rule.name,
            wait_timer=rule.wait_minutes,
            can_admins_bypass=rule.admins_bypass,
            prevent_self_review=rule.prevent_self_review,
            reviewers=_reviewers(rule.reviewers),
            deployment_branch_policy={"protected_branches": False, "custom_branch_policies": True}
            if plan.policies
            else None,
            # Deleting it deletes its history, secrets and policies, and `--ignore-protect` is not enough.
            opts=pulumi.ResourceOptions(
                parent=self, protect=True, retain_on_delete=True, import_=plan.adopt, hooks=hooks
            ),
        )
        for policy in plan.policies:
            github.RepositoryEnvironmentDeploymentPolicy(
                policy.name,
                repository=rule.repository,
                environment=environment.environment,
                branch_pattern=policy.branch,
                tag_pattern=policy.tag,
                opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True, import_=policy.adopt),
            )
        for secret in plan.secrets:
            github.ActionsEnvironmentSecret(
                secret.name,
                repository=rule.repository,
                environment=environment.environment,
                secret_name=secret.key,
                value=secret.value,
                opts=pulumi.ResourceOptions(parent=self),
            )
        for variable in plan.variables:
            github.ActionsEnvironmentVariable(
                variable.name,
                repository=rule.repository,
                environment=environment.environment,
                variable_name=variable.key,
                value=variable.value,
                opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True, import_=variable.adopt),
            )
        return environment.id

    def _ruleset(self, plan: NamedRuleset) -> None:
        rule = plan.rule
        branch = rule.target == "branch"
        github.RepositoryRuleset(
            plan.name,
            repository=rule.repository,
            name=plan.title,
            target=rule.target,
            enforcement="active",
            conditions={"ref_name": {"includes": [rule.ref], "excludes": []}},
            bypass_actors=[
                {"actor_id": rule.bypass_app, "actor_type": "Integration", "bypass_mode": "always"}
            ]
            if rule.bypass_app
            else None,
            rules={
                "deletion": True,
                "non_fast_forward": True,
                # A moved tag would be another release under the same name.
                "update": not branch,
                "pull_request": {
                    "required_approving_review_count": rule.approvals,
                    "dismiss_stale_reviews_on_push": True,
                    "require_last_push_approval": True,
                    "required_review_thread_resolution": True,
                }
                if branch
                else None,
                "required_status_checks": {
                    "strict_required_status_checks_policy": True,
                    "required_checks": [
                        {"context": check.name, "integration_id": check.app} for check in rule.checks
                    ],
                }
                if rule.checks
                else None,
            },
            opts=pulumi.ResourceOptions(parent=self, import_=plan.adopt),
        )


def _reviewers(reviewers: tuple[Reviewer, ...]) -> list[github.RepositoryEnvironmentReviewerArgsDict] | None:
    """GitHub asks for one of them; two approvals are the ruleset's business (hazard `one-of-several`)."""
    if not reviewers:
        return None
    users = [r.id for r in reviewers if r.user and r.id is not None]
    teams = [r.id for r in reviewers if r.team and r.id is not None]
    return [{"users": users, "teams": teams}]
