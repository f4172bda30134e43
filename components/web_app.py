"""WebApp: the Vercel side of one stack.

Maps `plan.web.WebPlan` to resources: adopted project, custom environment, variables, domains, releases,
kill switch. Owns no choice of its own. What must outlive a mistake is protected or retained on that very
resource: inherited, both would break the replacements below (STYLE, trap 6).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumiverse_vercel as vercel

from plan.web import Project, Scope, WebPlan


@dataclass(frozen=True, kw_only=True)
class WebAppArgs:
    """`plan`: what to declare."""

    plan: WebPlan


class WebApp(pulumi.ComponentResource):
    """The web app of one stack on Vercel. Needs a Vercel provider in `opts.providers`."""

    url: pulumi.Output[str]
    """Where people reach the app in this environment."""
    edge_config: pulumi.Output[str]
    """Connection string of the kill switch (secret), for the socket server's EDGE_CONFIG."""
    served_deployment: pulumi.Output[str] | None
    """Id of the deployment the domain is pinned to; None where the environment follows its branch."""

    def __init__(self, name: str, args: WebAppArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("paintshare:index:WebApp", name, None, opts)
        plan = args.plan
        project = self._project(f"{name}-project", plan.project, plan.project_id) if plan.project else None
        project_id: pulumi.Input[str] = project.id if project else plan.project_id

        custom = None
        if plan.custom_environment:
            custom = vercel.CustomEnvironment(
                plan.custom_environment.name,
                project_id=project_id,
                name=plan.custom_environment.environment,
                # Left out, an old value would stay silently (FACTS "CustomEnvironment").
                description=f"Follows {plan.custom_environment.branch}",
                branch_tracking={"type": "equals", "pattern": plan.custom_environment.branch},
                opts=pulumi.ResourceOptions(
                    parent=self, protect=True, retain_on_delete=True, import_=plan.custom_environment.adopt
                ),
            )
        environment_id = custom.id if custom else None

        edge = vercel.EdgeConfig(
            f"{name}-edge-config",
            name=plan.edge_config_name,
            opts=pulumi.ResourceOptions(
                parent=self, protect=True, retain_on_delete=True, import_=plan.edge_config_adopt
            ),
        )
        token = vercel.EdgeConfigToken(
            f"{name}-edge-config-token",
            edge_config_id=edge.id,
            label=plan.edge_config_name,
            # Without it every running reader of the kill switch goes blind.
            opts=pulumi.ResourceOptions(parent=self, protect=True, retain_on_delete=True),
        )
        for feature, state in plan.features.items():
            vercel.EdgeConfigItem(
                f"{name}-feature-{feature}",
                edge_config_id=edge.id,
                key=feature,
                value=state,
                # Created before the old one is deleted, the key would be gone afterwards (FACTS).
                opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
            )

        variables = [
            vercel.ProjectEnvironmentVariable(
                variable.name,
                project_id=project_id,
                key=variable.key,
                value=token.connection_string if variable.value is None else variable.value,
                sensitive=variable.sensitive,
                targets=[variable.scope.target] if variable.scope.target else None,
                git_branch=variable.scope.git_branch,
                custom_environment_ids=_custom(variable.scope, environment_id),
                # Created before the old one is deleted, it would collide (FACTS: ENV_CONFLICT).
                opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True, import_=variable.adopt),
            )
            for variable in plan.variables
        ]

        domains = [
            vercel.ProjectDomain(
                domain.name,
                project_id=project_id,
                domain=domain.domain,
                git_branch=domain.scope.git_branch,
                custom_environment_id=environment_id if domain.scope.custom else None,
                redirect=domain.redirect_to,
                redirect_status_code=308 if domain.redirect_to else None,
                opts=pulumi.ResourceOptions(
                    parent=self, protect=domain.redirect_to is None, import_=domain.adopt
                ),
            )
            for domain in plan.domains
        ]

        if plan.retention:
            vercel.ProjectDeploymentRetention(
                f"{name}-retention",
                project_id=project_id,
                expiration_production=plan.retention,
                opts=pulumi.ResourceOptions(parent=self),
            )

        def deploy(logical_name: str, ref: str) -> vercel.Deployment:
            """A build of `ref` with today's variables: it is replaced when one of them changes."""
            return vercel.Deployment(
                logical_name,
                project_id=project_id,
                ref=ref,
                production=plan.scope.production,
                custom_environment_id=environment_id if plan.scope.custom else None,
                delete_on_destroy=False,  # old builds stay as rollback targets
                meta={"paintshareVariables": plan.fingerprint, "paintshareEdgeConfig": token.id},
                # No time-outs: the plugin does not read them (docs/hazards.md, build-hangs).
                opts=pulumi.ResourceOptions(parent=self, depends_on=[*variables, *domains]),
            )

        if plan.follows:
            deploy(f"{name}-follow-{plan.follows}", plan.follows)
        self.served_deployment = None
        for release in plan.releases:
            deployment = deploy(release.name, release.sha)
            if release.current:
                live = vercel.Alias(
                    f"{name}-live",
                    alias=plan.domains[0].domain,
                    deployment_id=deployment.id,
                    # Deleting the alias takes the domain down (docs/decisions.md, releases).
                    opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True),
                )
                self.served_deployment = live.deployment_id

        self.url = pulumi.Output.from_input(f"https://{plan.domains[0].domain}")
        self.edge_config = token.connection_string
        self.register_outputs({"url": self.url, "served_deployment": self.served_deployment})

    def _project(self, name: str, project: Project, project_id: str) -> vercel.Project:
        """The existing project. The import id stays for ever: were the project lost, `up` must fail rather
        than make another one."""
        settings = {_snake(key): value for key, value in project.settings.items()}
        return vercel.Project(
            name,
            name=project.name,
            # Left out, the live git connection is cut (FACTS).
            git_repository={
                "type": "github",
                "repo": project.repository,
                "production_branch": project.production_branch,
            },
            auto_assign_custom_domains=project.auto_assign_custom_domains,
            **settings,
            opts=pulumi.ResourceOptions(parent=self, import_=project_id, protect=True, retain_on_delete=True),
        )


def _custom(scope: Scope, environment_id: pulumi.Output[str] | None) -> list[pulumi.Output[str]] | None:
    return [environment_id] if scope.custom and environment_id is not None else None


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def exports(web: WebApp) -> Mapping[str, pulumi.Output[str]]:
    """Stack outputs of the web app, by name."""
    served = {"servedDeployment": web.served_deployment} if web.served_deployment is not None else {}
    return {"url": web.url, **served}
