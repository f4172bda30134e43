"""The matrix of environment variables and secrets (deployment plan §3): one row per key.

Everything else reads it off here: Vercel variables, the socket server's environment, GitHub secrets and
variables, preflight, docs/variables.md. A new key is one new row (and its line in Pulumi.yaml).
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from plan.settings import Settings


class Class(StrEnum):
    """Who may see a value (plan §3)."""

    PUBLIC = "public"  # compiled into the browser bundle
    SECRET = "secret"  # noqa: S105  servers, CI and the socket runtime only
    CONFIG = "config"  # not secret, but servers only


class Store(StrEnum):
    """Where a variable lives."""

    VERCEL = "vercel"
    SOCKET = "socket host"
    GITHUB = "github"
    MONITOR = "monitoring"
    PROGRAM = "this program"  # used to deploy, given to no service


class Need(StrEnum):
    """What an environment does with a key."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    REFUSED = "refused"
    PLATFORM = "platform"  # left to the platform's own value; the program sets none
    SHARED = "shared"  # Preview: the value of the stack that owns it, where that has one


class Source(StrEnum):
    """Where a value comes from."""

    STACK_FILE = "stack file"
    DERIVED = "derived"  # computed from other settings, so that no fact is typed twice
    RESOURCE = "resource"  # made by a resource of this program


PREVIEW_PREFIX: Final = "PREVIEW_"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One key. `stack` is the need of a stack's own environment, `preview` that of Preview.

    In Preview a required key shares the value of the stack that owns Preview (plan §1.2: same data
    source); an optional one has a value of its own under `PREVIEW_<KEY>`, or none.
    """

    key: str
    kind: Class
    stores: tuple[Store, ...]
    stack: Need
    preview: Need
    meaning: str
    derive: Callable[[Settings], str] | None = None
    from_resource: bool = False
    one_of: str | None = None  # of the rows with the same name here, at least one must be set
    plan: bool = True  # False: not in the plan's table, the program itself needs it
    issued: bool = True  # False: nobody issues this secret, `--generate` makes it
    previous_of: str | None = None  # the key whose old value this row keeps valid for a while

    @property
    def source(self) -> Source:
        if self.derive:
            return Source.DERIVED
        return Source.RESOURCE if self.from_resource else Source.STACK_FILE

    @property
    def stack_file_keys(self) -> tuple[str, ...]:
        """Keys of the stack file that hold this row's values."""
        if self.source is not Source.STACK_FILE:
            return ()
        own = (PREVIEW_PREFIX + self.key,) if self.preview is Need.OPTIONAL else ()
        return (self.key, *own)


def supabase_url(settings: Settings) -> str:
    return f"https://{settings.supabase_ref}.supabase.co"


def app_url(settings: Settings) -> str:
    return f"https://{settings.web_domain}"


def socket_url(settings: Settings) -> str:
    """Where the socket server answers: the proxy's HTTPS port, or its HTTP port where TLS is off."""
    scheme, port, usual = ("https", settings.socket_https_port, 443)
    if settings.socket_tls == "off":
        scheme, port, usual = ("http", settings.socket_http_port, 80)
    return f"{scheme}://{settings.socket_domain}" + ("" if port == usual else f":{port}")


def client_url(settings: Settings) -> str:
    """Origins the socket server admits, comma-separated; the grammar stands in docs/app-contract.md.

    The stack that owns Preview also admits one anchored pattern of this project's preview URLs:
    `PROJECT-git-BRANCH-TEAM.vercel.app` and `PROJECT-HASH-TEAM.vercel.app` (plan §1.2).
    """
    origins = [app_url(settings)]
    if settings.preview:
        project, team = settings.vercel_project_name.replace(".", r"\."), settings.vercel_team_slug
        origins.append(rf"^https://{project}-(git-[a-z0-9-]+|[a-z0-9]{{9}})-{team}\.vercel\.app$")
    return ",".join(origins)


_R, _O, _X = Need.REQUIRED, Need.OPTIONAL, Need.REFUSED

MATRIX: Final[tuple[Row, ...]] = (
    # --- the plan's eleven keys, in its order ---------------------------------------------------------
    Row(
        key="NEXT_PUBLIC_SUPABASE_URL", kind=Class.PUBLIC, stores=(Store.VERCEL,), stack=_R, preview=_R,
        meaning="Supabase API of the environment", derive=supabase_url,
    ),
    Row(
        key="NEXT_PUBLIC_SUPABASE_ANON_KEY", kind=Class.PUBLIC, stores=(Store.VERCEL,), stack=_R, preview=_R,
        meaning="Supabase key for browsers",
    ),
    Row(
        key="SUPABASE_SERVICE_ROLE_KEY", kind=Class.SECRET, stores=(Store.VERCEL, Store.SOCKET),
        stack=_R, preview=_O, meaning="Supabase key for servers; Preview: least privilege, a key of its own",
    ),
    Row(
        key="SUPABASE_URL", kind=Class.CONFIG, stores=(Store.SOCKET,), stack=_R, preview=_R,
        meaning="Supabase API, for the socket server", derive=supabase_url,
    ),
    Row(
        key="NEXT_PUBLIC_APP_URL", kind=Class.PUBLIC, stores=(Store.VERCEL, Store.GITHUB),
        stack=_R, preview=Need.PLATFORM, meaning="URL of the web app; Preview: Vercel's own URL",
        derive=app_url,
    ),
    Row(
        key="NEXT_PUBLIC_SOCKET_URL", kind=Class.PUBLIC, stores=(Store.VERCEL, Store.GITHUB),
        stack=_R, preview=_R, meaning="URL of the socket server", derive=socket_url,
    ),
    Row(
        key="CLIENT_URL", kind=Class.CONFIG, stores=(Store.SOCKET,), stack=_R, preview=_R,
        meaning="Origins the socket server admits (CORS)", derive=client_url,
    ),
    Row(
        key="BATTLE_PASSWORD_PEPPER", kind=Class.SECRET, stores=(Store.VERCEL, Store.SOCKET),
        stack=_R, preview=_R, meaning="Pepper of the battle room passwords", issued=False,
    ),
    Row(
        key="SENTRY_DSN", kind=Class.SECRET, stores=(Store.VERCEL, Store.SOCKET), stack=_R, preview=_O,
        meaning="Error reports of servers",
    ),
    Row(
        key="NEXT_PUBLIC_SENTRY_DSN", kind=Class.PUBLIC, stores=(Store.VERCEL,), stack=_R, preview=_O,
        meaning="Error reports of browsers",
    ),
    Row(
        key="SLACK_WEBHOOK_URL", kind=Class.SECRET, stores=(Store.GITHUB, Store.MONITOR),
        stack=_O, preview=_X, meaning="Alerts to Slack", one_of="paging",
    ),
    # --- the plan's alternative and what the program itself needs ---------------------------------------
    Row(
        key="PAGERDUTY_KEY", kind=Class.SECRET, stores=(Store.GITHUB, Store.MONITOR),
        stack=_O, preview=_X, meaning="Alerts to PagerDuty", one_of="paging",
    ),
    Row(
        key="BATTLE_PASSWORD_PEPPER_PREVIOUS", kind=Class.SECRET, stores=(Store.VERCEL, Store.SOCKET),
        stack=_O, preview=Need.SHARED, meaning="The pepper before it, while rooms of its time are open",
        previous_of="BATTLE_PASSWORD_PEPPER", plan=False,
    ),
    Row(
        key="EDGE_CONFIG", kind=Class.SECRET, stores=(Store.VERCEL, Store.SOCKET), stack=_R, preview=_R,
        meaning="Connection string of the kill switch", from_resource=True, plan=False,
    ),
    Row(
        key="DISCORD_WEBHOOK_URL", kind=Class.SECRET, stores=(Store.MONITOR,), stack=_O, preview=_X,
        meaning="Alerts to Discord #ops-alerts", plan=False,
    ),
    Row(
        key="SUPABASE_METRICS_KEY", kind=Class.SECRET, stores=(Store.MONITOR,), stack=_O, preview=_X,
        meaning="Reads Supabase's metrics endpoint", plan=False,
    ),
    Row(
        key="WATCHDOG_URL", kind=Class.SECRET, stores=(Store.MONITOR,), stack=_O, preview=_X,
        meaning="Dead-man's switch that the monitor calls", plan=False,
    ),
    Row(
        key="MONITOR_PASSWORD", kind=Class.SECRET, stores=(Store.MONITOR,), stack=_O, preview=_X,
        meaning="Password of the monitor's UIs, and of the agent on the socket host that writes to it",
        plan=False, issued=False,
    ),
    Row(
        key="VERCEL_PROTECTION_BYPASS", kind=Class.SECRET, stores=(Store.MONITOR,), stack=_O, preview=_X,
        meaning="Lets probes past Vercel's protection of deployments", plan=False,
    ),
    Row(
        key="VERCEL_ALERTS_WEBHOOK_URL", kind=Class.SECRET, stores=(Store.MONITOR,), stack=_O, preview=_X,
        meaning="Receives the alerts that Vercel judges, in Vercel's own shape", plan=False,
    ),
    Row(
        key="REGISTRY_PASSWORD", kind=Class.SECRET, stores=(Store.PROGRAM,), stack=_O, preview=_X,
        meaning="Pulls the socket server's image from a private registry", plan=False,
    ),
    Row(
        key="SOCKET_HOST_KEY", kind=Class.SECRET, stores=(Store.PROGRAM,), stack=_O, preview=_X,
        meaning="Client key for the socket host over TLS", plan=False,
    ),
    Row(
        key="MONITOR_HOST_KEY", kind=Class.SECRET, stores=(Store.PROGRAM,), stack=_O, preview=_X,
        meaning="Client key for the monitoring host over TLS", plan=False,
    ),
)  # fmt: skip

STACK_FILE_KEYS: Final[frozenset[str]] = frozenset(key for row in MATRIX for key in row.stack_file_keys)


def row_of(stack_file_key: str) -> Row:
    """The row whose value the stack-file key holds. Raises KeyError for any other key."""
    for row in MATRIX:
        if stack_file_key in row.stack_file_keys:
            return row
    raise KeyError(stack_file_key)


def overlap_of(key: str) -> str | None:
    """The key that keeps `key`'s old value valid after a rotation; None where the old one ends at once."""
    return next((row.key for row in MATRIX if row.previous_of == key), None)


def secret_keys() -> frozenset[str]:
    """Stack-file keys whose values are secrets."""
    return frozenset(key for row in MATRIX if row.kind is Class.SECRET for key in row.stack_file_keys)


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """One key in one environment and one store. `value` is None where a resource makes it."""

    row: Row
    environment: str
    store: Store
    value: str | None

    @property
    def secret(self) -> bool:
        return self.row.kind is Class.SECRET


def environments(settings: Settings) -> tuple[str, ...]:
    """The environments this stack owns: its own, and Preview where the stack file says so."""
    return (settings.environment, "preview") if settings.preview else (settings.environment,)


def assignments(settings: Settings, store: Store) -> Iterator[Assignment]:
    """Every variable of this stack in `store`, in the matrix's order, environments in turn.

    Preview has no host of its own: it uses those of the stack that owns it.
    """
    for environment in environments(settings):
        preview = environment == "preview"
        if preview and store not in (Store.VERCEL, Store.GITHUB):
            continue
        for row in MATRIX:
            need = row.preview if preview else row.stack
            if store not in row.stores or need in (Need.REFUSED, Need.PLATFORM):
                continue
            value = value_of(settings, row, preview=preview)
            if value is not None or row.from_resource:
                yield Assignment(row=row, environment=environment, store=store, value=value)


def value_of(settings: Settings, row: Row, *, preview: bool) -> str | None:
    """The value of a row in the stack's own environment or in Preview; None when unset or not yet made."""
    if row.derive:
        return row.derive(settings)
    key = PREVIEW_PREFIX + row.key if preview and row.preview is Need.OPTIONAL else row.key
    secret = settings.values.get(key)
    return secret.get_secret_value() if secret else None


def fingerprint(key: str, value: str) -> str:
    """Keyed HMAC-SHA256 of a value, 32 hex digits: equal for equal values, and tells nothing else.

    Never a bare hash: it stands in committed files and in Vercel's `meta`, where a guess of a weak value
    could be tried against it.
    """
    return hmac.new(key.encode(), value.encode(), hashlib.sha256).hexdigest()[:32]


# Key of the stack file that holds the HMACs' own key, and of its record among those of the secrets.
HMAC_KEY: Final = "fingerprintKey"


def key_fingerprint(key: str) -> str:
    """HMAC of a constant: equal in two stacks exactly if both use the same key."""
    return fingerprint(key, HMAC_KEY)


def fingerprint_all(key: str, values: Mapping[str, str] | Iterable[tuple[str, str]]) -> str:
    """One fingerprint of many named values, whatever their order: changes when any of them does."""
    pairs = sorted(values.items() if isinstance(values, Mapping) else values)
    return fingerprint(key, json.dumps(pairs))
