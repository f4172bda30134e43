"""The Vercel kinds of the stand-in: what the service enforces, what the real plugin does, hazards included.

`server` checks types, required inputs and names from the SDK; here are the rules beyond them (`rules`), a
file a kind: what its plugin checks, what the service does, and how the REST API answers (`ROUTES`). Diffs
are held against rehearsal/observed/. Documents use the provider's property names; their kinds are team,
repository, project, variable, environment, domain, deployment, alias (id: domain), edgeConfig,
edgeConfigItem, edgeConfigToken, retention, webhook, alertRule, alertNotification, slackInstallation. They
hold real values.
"""

from typing import Final

from rehearsal.standin.kinds import Kind
from rehearsal.standin.rest import Route
from rehearsal.standin.vercel import (
    alias,
    deployment,
    domain,
    edge_config,
    environment,
    project,
    team,
    variable,
)
from rehearsal.standin.vercel.alert_rule import (
    AlertRuleSlackNotification,
    AlertRuleWebhookNotification,
    CustomAlertRule,
)
from rehearsal.standin.vercel.alias import Alias
from rehearsal.standin.vercel.deployment import Deployment
from rehearsal.standin.vercel.domain import ProjectDomain
from rehearsal.standin.vercel.edge_config import EdgeConfig, EdgeConfigItem, EdgeConfigToken
from rehearsal.standin.vercel.environment import CustomEnvironment
from rehearsal.standin.vercel.project import Project
from rehearsal.standin.vercel.retention import ProjectDeploymentRetention
from rehearsal.standin.vercel.rules import RULES
from rehearsal.standin.vercel.service import configure
from rehearsal.standin.vercel.variable import ProjectEnvironmentVariable
from rehearsal.standin.vercel.webhook import Webhook

__all__ = ["DETAILED", "KINDS", "READER_ROUTES", "RETRIES", "ROUTES", "RULES", "configure"]

# Its diffs give no path, only the names of properties, and beside them what it computes anew.
DETAILED: Final = False
RETRIES: Final = {429: 3}  # what the plugin retries by itself (docs/providers.md#vercel)

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

ROUTES: Final[tuple[Route, ...]] = (
    *alias.ROUTES,
    *deployment.ROUTES,
    *domain.ROUTES,
    *edge_config.ROUTES,
    *environment.ROUTES,
    *project.ROUTES,
    *team.ROUTES,
    *variable.ROUTES,
)

READER_ROUTES: Final = edge_config.READER_ROUTES
