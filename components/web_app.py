"""WebApp: the Vercel side of one stack.

Maps `plan.web.WebPlan` to resources: adopted project, custom environment, variables, domains, releases,
kill switch. Owns no choice of its own. What must outlive a mistake is protected or retained on that very
resource: inherited, both would break the replacements below (hazard `protect-inherited`).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumiverse_vercel as vercel

from plan.web import CustomEnvironment, Project, Scope, WebPlan


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
        self._name, self._plan = name, args.plan
        project = self._project(args.plan.project) if args.plan.project else None
        self._project_id: pulumi.Input[str] = project.id if project else args.plan.project_id
        self._environment_id = self._environment(args.plan.custom_environment)
        token = self._kill_switch()
        variables = self._variables(token)
        domains = self._domains()
        self._retention()
        self.url = pulumi.Output.from_input(f"https://{args.plan.domains[0].domain}")
        self.edge_config = token.connection_string
        self.served_deployment = self._releases(token, after=[*variables, *domains])
        self.register_outputs({"url": self.url, "served_deployment": self.served_deployment})

    def _project(self, project: Project) -> vercel.Project:
        """The existing project. The import id stays for ever: were the project lost, `up` must fail rather
        than make another one."""
        settings = {_snake(key): value for key, value in project.settings.items()}
        return vercel.Project(
            f"{self._name}-project",
            name=project.name,
            # Left out, the live git connection is cut (hazard `git-link-cut`).
            git_repository={
                "type": "github",
                "repo": project.repository,
                "production_branch": project.production_branch,
            },
            auto_assign_custom_domains=project.auto_assign_custom_domains,
            **settings,
            opts=pulumi.ResourceOptions(
                parent=self, import_=self._plan.project_id, protect=True, retain_on_delete=True
            ),
        )

    def _environment(self, environment: CustomEnvironment | None) -> pulumi.Output[str] | None:
        """Id of the custom environment, where the stack has one."""
        if environment is None:
            return None
        return vercel.CustomEnvironment(
            environment.name,
            project_id=self._project_id,
            name=environment.environment,
            # Left out, an old value would stay silently (hazard `environment-keeps-old-value`).
            description=f"Follows {environment.branch}",
            branch_tracking={"type": "equals", "pattern": environment.branch},
            opts=pulumi.ResourceOptions(
                parent=self, protect=True, retain_on_delete=True, import_=environment.adopt
            ),
        ).id

    def _kill_switch(self) -> vercel.EdgeConfigToken:
        """The Edge Config with its features, and the token by which it is read."""
        edge = vercel.EdgeConfig(
            f"{self._name}-edge-config",
            name=self._plan.edge_config_name,
            opts=pulumi.ResourceOptions(
                parent=self, protect=True, retain_on_delete=True, import_=self._plan.edge_config_adopt
            ),
        )
        token = vercel.EdgeConfigToken(
            f"{self._name}-edge-config-token",
            edge_config_id=edge.id,
            label=self._plan.edge_config_name,
            # Without it every running reader of the kill switch goes blind.
            opts=pulumi.ResourceOptions(parent=self, protect=True, retain_on_delete=True),
        )
        for feature, state in self._plan.features.items():
            vercel.EdgeConfigItem(
                f"{self._name}-feature-{feature}",
                edge_config_id=edge.id,
                key=feature,
                value=state,
                # Made before the old one is deleted, the key would be gone (hazard `edge-item-gone`).
                opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
            )
        return token

    def _variables(self, token: vercel.EdgeConfigToken) -> list[vercel.ProjectEnvironmentVariable]:
        return [
            vercel.ProjectEnvironmentVariable(
                variable.name,
                project_id=self._project_id,
                key=variable.key,
                value=token.connection_string if variable.value is None else variable.value,
                sensitive=variable.sensitive,
                targets=[variable.scope.target] if variable.scope.target else None,
                git_branch=variable.scope.git_branch,
                custom_environment_ids=None if (own := self._custom(variable.scope)) is None else [own],
                # Made before the old one is deleted, it would collide (hazard `variable-replace-collides`).
                opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True, import_=variable.adopt),
            )
            for variable in self._plan.variables
        ]

    def _domains(self) -> list[vercel.ProjectDomain]:
        return [
            vercel.ProjectDomain(
                domain.name,
                project_id=self._project_id,
                domain=domain.domain,
                git_branch=domain.scope.git_branch,
                custom_environment_id=self._custom(domain.scope),
                redirect=domain.redirect_to,
                redirect_status_code=308 if domain.redirect_to else None,
                opts=pulumi.ResourceOptions(
                    parent=self, protect=domain.redirect_to is None, import_=domain.adopt
                ),
            )
            for domain in self._plan.domains
        ]

    def _retention(self) -> None:
        """How long builds stay, as rollback targets, where the stack file says so."""
        if self._plan.retention:
            vercel.ProjectDeploymentRetention(
                f"{self._name}-retention",
                project_id=self._project_id,
                expiration_production=self._plan.retention,
                opts=pulumi.ResourceOptions(parent=self),
            )

    def _releases(
        self, token: vercel.EdgeConfigToken, after: Sequence[pulumi.Resource]
    ) -> pulumi.Output[str] | None:
        """The builds that are kept, made `after` what goes into them; returns the id of the live one."""
        if self._plan.follows:
            self._deployment(f"{self._name}-follow-{self._plan.follows}", self._plan.follows, token, after)
        served = None
        for release in self._plan.releases:
            deployment = self._deployment(release.name, release.sha, token, after)
            if release.current:
                served = vercel.Alias(
                    f"{self._name}-live",
                    alias=self._plan.domains[0].domain,
                    deployment_id=deployment.id,
                    # Deleting the alias takes the domain down (ADR 0001).
                    opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True),
                ).deployment_id
        return served

    def _deployment(
        self, logical: str, ref: str, token: vercel.EdgeConfigToken, after: Sequence[pulumi.Resource]
    ) -> vercel.Deployment:
        """A build of `ref` with today's variables: it is replaced when one of them changes."""
        return vercel.Deployment(
            logical,
            project_id=self._project_id,
            ref=ref,
            production=self._plan.scope.production,
            custom_environment_id=self._custom(self._plan.scope),
            delete_on_destroy=False,  # old builds stay as rollback targets
            meta={"paintshareVariables": self._plan.fingerprint, "paintshareEdgeConfig": token.id},
            # No time-outs: the plugin does not read them (docs/hazards.md, build-hangs).
            opts=pulumi.ResourceOptions(parent=self, depends_on=after),
        )

    def _custom(self, scope: Scope) -> pulumi.Output[str] | None:
        """Id of the custom environment, for what belongs there."""
        return self._environment_id if scope.custom else None


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def exports(web: WebApp) -> Mapping[str, pulumi.Output[str]]:
    """Stack outputs of the web app, by name."""
    served = {"servedDeployment": web.served_deployment} if web.served_deployment is not None else {}
    return {"url": web.url, **served}
