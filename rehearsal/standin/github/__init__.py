"""The GitHub kinds of the stand-in: what the service enforces and the real plugin does, hazards included.

`server` checks types, required inputs and names from the SDK; here are the rules beyond them (`rules`), a
file a kind: what its plugin checks, what the service does, and how the REST API answers (`ROUTES`). Diffs
are held against rehearsal/observed/. Documents of the account, by kind and id: repository NAME
(visibility, plan, owner?), environment REPO:NAME, policy ID, secret and variable REPO:ENV:NAME (REPO:NAME
without environment), ruleset ID, user ID, team ID (with `name`). They hold real values. A repository with
`access` ({"users": [ids], "teams": [ids]}) is read by these alone; without, by everybody. Of the app's
history: commit REPO:SHA (parent, files), checkRun ID, pull NUMBER, issue REPO#NUMBER, workflow ID (path,
state), workflowRun ID.
"""

from typing import Final

from rehearsal.standin.github import commit, entry, environment, issue, policy, repository, ruleset, workflow
from rehearsal.standin.github.entry import (
    ActionsEnvironmentSecret,
    ActionsEnvironmentVariable,
    ActionsSecret,
    ActionsVariable,
)
from rehearsal.standin.github.environment import RepositoryEnvironment
from rehearsal.standin.github.policy import RepositoryEnvironmentDeploymentPolicy
from rehearsal.standin.github.rules import RULES
from rehearsal.standin.github.ruleset import RepositoryRuleset
from rehearsal.standin.github.service import configure
from rehearsal.standin.kinds import Kind
from rehearsal.standin.rest import Route

__all__ = ["KINDS", "RAW_STATE", "RETRIES", "ROUTES", "RULES", "configure"]

RAW_STATE: Final = True  # beside the outputs of each object (`raw_state`)

# What the real plugin tries again by itself. Source: docs/providers.md#limits.
RETRIES: Final = {500: 3, 502: 3}

KINDS: Final[tuple[Kind, ...]] = (
    RepositoryEnvironment(),
    RepositoryEnvironmentDeploymentPolicy(),
    ActionsEnvironmentSecret(),
    ActionsEnvironmentVariable(),
    ActionsSecret(),
    ActionsVariable(),
    RepositoryRuleset(),
)

ROUTES: Final[tuple[Route, ...]] = (
    *commit.ROUTES,
    *entry.ROUTES,
    *environment.ROUTES,
    *issue.ROUTES,
    *policy.ROUTES,
    *repository.ROUTES,
    *ruleset.ROUTES,
    *workflow.ROUTES,
)
