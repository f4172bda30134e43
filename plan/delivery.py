"""What this repository's workflows need: their GitHub environments, secrets and variables (plan §2.2).

Three roles an environment can have: *review* previews a pull request, *plan* reads the live stack on `main`
without anybody's approval, *apply* changes it. Variables are declared by this program from the key `delivery`
of the stack file; secrets open doors and are set by hand, once an environment, where the table says.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from plan.protection import plan_environment
from plan.settings import Settings


class Role(StrEnum):
    """What jobs in an environment may do to a stack."""

    REVIEW = "review"
    PLAN = "plan"
    APPLY = "apply"


class Kind(StrEnum):
    """As the workflows read it: `secrets.NAME` or `vars.NAME`."""

    SECRET = "secret"  # noqa: S105  the name of a kind
    VARIABLE = "variable"


@dataclass(frozen=True, kw_only=True)
class Input:
    """One name that workflows read in the environments of `roles`. `needed` says when it must be set."""

    name: str
    kind: Kind
    roles: tuple[Role, ...]
    needed: str
    meaning: str

    @property
    def declared(self) -> bool:
        """Whether this program declares it; a person sets the others by hand."""
        return self.kind is Kind.VARIABLE


_ALL: Final = (Role.REVIEW, Role.PLAN, Role.APPLY)
_MAIN: Final = (Role.PLAN, Role.APPLY)
_ALWAYS: Final = "always"

INPUTS: Final[tuple[Input, ...]] = (
    Input(
        name="PULUMI_BACKEND_URL", kind=Kind.VARIABLE, roles=_ALL, needed=_ALWAYS,
        meaning="Where the state lives, as `pulumi login` takes it",
    ),
    Input(
        name="PULUMI_ORGANIZATION", kind=Kind.VARIABLE, roles=_ALL, needed="Pulumi Cloud",
        meaning="Organization that trusts this repository's OIDC tokens",
    ),
    Input(
        name="AWS_ROLE_TO_ASSUME", kind=Kind.VARIABLE, roles=_ALL, needed="state or key at AWS",
        meaning="Role that trusts the environment's OIDC token: review and plan read, apply writes",
    ),
    Input(
        name="AWS_REGION", kind=Kind.VARIABLE, roles=_ALL, needed="state or key at AWS",
        meaning="Region of the bucket and the key",
    ),
    Input(
        name="GCP_WORKLOAD_IDENTITY_PROVIDER", kind=Kind.VARIABLE, roles=_ALL,
        needed="state or key at Google Cloud", meaning="Provider that trusts the environment's OIDC token",
    ),
    Input(
        name="GCP_SERVICE_ACCOUNT", kind=Kind.VARIABLE, roles=_ALL, needed="state or key at Google Cloud",
        meaning="Account that the token stands for",
    ),
    Input(
        name="AZURE_CLIENT_ID", kind=Kind.VARIABLE, roles=_ALL, needed="state or key at Azure",
        meaning="Application with a federated credential for the environment",
    ),
    Input(
        name="AZURE_TENANT_ID", kind=Kind.VARIABLE, roles=_ALL, needed="state or key at Azure",
        meaning="Its tenant",
    ),
    Input(
        name="AZURE_SUBSCRIPTION_ID", kind=Kind.VARIABLE, roles=_ALL, needed="state or key at Azure",
        meaning="Its subscription",
    ),
    Input(
        name="AZURE_STORAGE_ACCOUNT", kind=Kind.VARIABLE, roles=_ALL, needed="state at Azure",
        meaning="Storage account of the container",
    ),
    Input(
        name="APP_CLIENT_ID", kind=Kind.VARIABLE, roles=_MAIN, needed=_ALWAYS,
        meaning="GitHub App: in plan one that only reads, in apply the release app (`releaseAppId`)",
    ),
    Input(
        name="DOCKER_KNOWN_HOSTS", kind=Kind.VARIABLE, roles=_MAIN, needed="a Docker host by ssh://",
        meaning="Its lines of known_hosts (`ssh-keyscan HOST`, compared by hand)",
    ),
    Input(
        name="PULUMI_CONFIG_PASSPHRASE", kind=Kind.SECRET, roles=_ALL,
        needed="secrets provider `passphrase`",
        meaning="Passphrase of this stack. Promotion from a stack with a monitor needs a key service instead",
    ),
    Input(
        name="VERCEL_API_TOKEN", kind=Kind.SECRET, roles=_ALL, needed=_ALWAYS,
        meaning="Token of the team; Vercel knows no OIDC for its API: give it an end and rotate it",
    ),
    Input(
        name="APP_PRIVATE_KEY", kind=Kind.SECRET, roles=_MAIN, needed=_ALWAYS,
        meaning="Key of that app; each job makes a token of an hour from it",
    ),
    Input(
        name="DOCKER_SSH_KEY", kind=Kind.SECRET, roles=_MAIN, needed="a Docker host by ssh://",
        meaning="Private key of the Docker hosts' user",
    ),
)  # fmt: skip


# Repository permissions of the two GitHub Apps, on both repositories; a job's token asks for what it needs of
# them and is refused where the app lacks one. Source: REST, permissions required for GitHub Apps.
_READS: Final = {Role.PLAN: "read", Role.APPLY: "read"}
_WRITES: Final = {Role.PLAN: "read", Role.APPLY: "write"}
APP_PERMISSIONS: Final[Mapping[str, Mapping[Role, str]]] = {
    "administration": _WRITES,  # environments, deployment policies, rulesets
    "environments": _WRITES,  # their secrets and variables
    "contents": _WRITES,  # the record of a release
    "actions": _READS,
    "checks": _READS,
    "issues": _READS,
    "pull-requests": _READS,
}


def environments(settings: Settings) -> dict[str, Role]:
    """The environments of this repository that the stack's workflows run in."""
    own = {settings.environment: Role.APPLY, plan_environment(settings.environment): Role.PLAN}
    return {**own, "preview": Role.REVIEW} if settings.preview else own


def names(role: Role, kind: Kind) -> frozenset[str]:
    """What a job of that role may read."""
    return frozenset(row.name for row in INPUTS if row.kind is kind and role in row.roles)


def variables(settings: Settings, environment: str) -> Mapping[str, str]:
    """The variables that the stack file states for an environment of this repository, by name."""
    return settings.delivery.get(environment, {})
