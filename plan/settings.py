"""Typed settings of one stack: what its file says, and what the other stacks' files say in the clear.

Types alone, which know neither the engine nor the matrix of variables; `plan.config` reads them.
"""

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr
from pydantic.alias_generators import to_camel

from plan.problems import Problem

PROJECT: Final = "paintshare"
PLACEHOLDER: Final = "REPLACE_ME"


class _Strict(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        alias_generator=to_camel,
        populate_by_name=True,
    )


class Reviewer(_Strict):
    """A person or a team that may approve a deployment. `id` is GitHub's number; `adopt` fills it."""

    user: str | None = None
    team: str | None = None
    id: int | None = None

    @property
    def name(self) -> str:
        return self.user or self.team or "?"


def _day(value: Any) -> Any:
    """An ISO date as text, also where the engine took an unquoted one for a time and wrote it in its form."""
    if isinstance(value, date):
        value = value.isoformat()
    return _TIME.sub(r"\1", value) if isinstance(value, str) else value


_TIME: Final = re.compile(r"^(\d{4}-\d\d-\d\d)[ T]\d\d:\d\d:\d\d\S*( [+-]\d{4} \S+)?$")
Day = Annotated[str, BeforeValidator(_day)]


class Rotation(_Strict):
    """When a secret was last rotated (ISO date) and the HMAC of the value of that day."""

    date: Day
    hmac: str


class Sibling(_Strict):
    """What another stack's file says in the clear; its secrets cannot be read from here.

    `stated` holds its plain keys, defaults of Pulumi.yaml included; `hmacs` its rotation records, or None
    where they cannot be read. `fault`: why the file itself cannot be read.
    """

    stack: str
    stated: dict[str, Any]
    hmacs: dict[str, str] | None
    fault: Problem | None = None


class Settings(_Strict):
    """What the stack file says, defaults of Pulumi.yaml included. Meaning of each key: Pulumi.yaml."""

    stack: str
    environment: str = ""
    preview: bool = False
    branch: str = ""
    tags: tuple[str, ...] = ()

    github_owner: str = ""
    app_repository: str = ""
    infra_repository: str = ""
    github_plan: Literal["free", "pro", "team", "enterprise"] = "team"
    app_repository_visibility: Literal["public", "private"] = "private"
    infra_repository_visibility: Literal["public", "private"] = "private"
    unprotected_repositories: tuple[str, ...] = ()
    release_app_id: Annotated[int, Field(ge=0)] = 0
    check_apps: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)

    vercel_team: str = ""
    vercel_team_slug: str = ""
    vercel_project_id: str = ""
    vercel_project_name: str = ""
    vercel_sensitive_only: bool = False
    vercel_target: Literal["", "production", "custom", "branch"] = ""
    vercel_project: dict[str, Any] = Field(default_factory=dict)
    auto_assign_custom_domains: bool = True
    web_domain: str = ""
    redirect_domains: tuple[str, ...] = ()
    release: str = ""
    previous_release: str = ""
    deployment_retention: Literal["", "1d", "1w", "1m", "2m", "3m", "6m", "1y"] = ""
    battle: Literal["on", "off"] = "on"
    smoke_paths: tuple[str, ...] = ("/", "/feed", "/draw", "/battle", "/login")  # plan §2.1, §7.2

    promote_after_minutes: Annotated[int, Field(ge=0)] = 30
    promote_unmonitored: bool = False
    migration_workflow: str = ""
    promoted_parts: tuple[Literal["web", "socket"], ...] = ()
    rolled_back: dict[Literal["web", "socket"], str] = Field(default_factory=dict)

    reviewers: tuple[Reviewer, ...] = ()
    wait_minutes: Annotated[int, Field(ge=0, le=43_200)] = 0  # docs/providers.md#limits
    approvals: Annotated[int, Field(ge=1, le=6)] = 1
    delivery: dict[str, dict[str, str]] = Field(default_factory=dict)

    socket_domain: str = ""
    socket_host: str = ""
    socket_host_ca: str = ""
    socket_host_certificate: str = ""
    socket_http_port: Annotated[int, Field(ge=1, le=65_535)] = 80
    socket_https_port: Annotated[int, Field(ge=1, le=65_535)] = 443

    registry_user: str = ""
    socket_image: str = ""
    socket_release: str = ""
    socket_digest: str = ""
    previous_socket_release: str = ""
    previous_socket_digest: str = ""
    socket_replicas: Annotated[int, Field(ge=1, le=100)] = 2
    socket_memory_mib: Annotated[int, Field(ge=64)] = 512
    socket_milli_cpus: Annotated[int, Field(ge=100)] = 1000
    socket_watch_seconds: Annotated[int, Field(ge=1, le=20)] = 15
    socket_tls: Literal["acme", "internal", "off"] = "acme"
    socket_file_secrets: bool = False
    proxy_image: str = "caddy:2.11.9-alpine"

    monitor_host: str = ""
    monitor_host_ca: str = ""
    monitor_host_certificate: str = ""
    monitor_domain: str = ""
    monitor_http_port: Annotated[int, Field(ge=1, le=65_535)] = 80
    monitor_https_port: Annotated[int, Field(ge=1, le=65_535)] = 443
    monitor_tls: Literal["acme", "internal", "off"] = "acme"
    monitor_ca: str = ""
    web_probe_path: str = "/"
    api_probe_path: str = "/api/health"
    pagerduty_url: str = "https://events.pagerduty.com/v2/enqueue"
    vercel_alerts: bool = False
    vercel_slack_channel: str = ""
    monitor_retention: Annotated[str, Field(pattern=r"^([3-9]d|[1-9][0-9]+d|[1-9][0-9]*[wy])$")] = "40d"
    monitor_memory_mib: Annotated[int, Field(ge=128)] = 512
    prometheus_image: str = "prom/prometheus:v2.55.1"
    alertmanager_image: str = "prom/alertmanager:v0.28.1"
    blackbox_image: str = "prom/blackbox-exporter:v0.26.0"

    supabase_ref: str = ""
    fingerprint_key: SecretStr = SecretStr("")
    rotation: dict[str, Rotation] = Field(default_factory=dict)
    adopted_on: Day = ""
    adopt: dict[str, str] = Field(default_factory=dict)

    values: dict[str, SecretStr] = Field(default_factory=dict)  # of the matrix, by stack-file key; never ""
    encrypted: frozenset[str] = frozenset()  # keys that the engine knows as secret
    siblings: tuple[Sibling, ...] = ()

    def text(self, key: str) -> str:
        """The value of a stack-file key of the matrix, in the clear; "" where it is not set."""
        value = self.values.get(key)
        return value.get_secret_value() if value else ""


_INTERNAL: Final = frozenset({"stack", "values", "encrypted", "siblings"})

FIELDS: Final[Mapping[str, str]] = {
    to_camel(name): name for name in Settings.model_fields if name not in _INTERNAL
}
