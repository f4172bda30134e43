"""The matrix of environment variables and secrets (deployment plan §3): one row per key.

Everything else reads it off here: Vercel variables, the socket server's environment, GitHub secrets and
variables, preflight, docs/variables.md. A new key is one new row (and its line in Pulumi.yaml). What a row
says is explained in `plan.rows`, what is derived in `plan.urls`.
"""

from typing import Final

from plan.rows import Class, Need, Row, Store
from plan.urls import app_url, client_url, socket_url, supabase_url

PUBLIC, SECRET, CONFIG = Class
REQUIRED, OPTIONAL, REFUSED, PLATFORM, SHARED = Need
VERCEL, SOCKET, GITHUB, MONITOR, PROGRAM = Store

MATRIX: Final[tuple[Row, ...]] = (
    # --- the plan's eleven keys, in its order ------------------------------------------------------------
    #   key                                 class   Preview   the stack stored in
    Row("NEXT_PUBLIC_SUPABASE_URL",         PUBLIC, REQUIRED, REQUIRED, (VERCEL,),
        meaning="Supabase API of the environment", derive=supabase_url),
    Row("NEXT_PUBLIC_SUPABASE_ANON_KEY",    PUBLIC, REQUIRED, REQUIRED, (VERCEL,),
        meaning="Supabase key for browsers"),
    Row("SUPABASE_SERVICE_ROLE_KEY",        SECRET, OPTIONAL, REQUIRED, (VERCEL, SOCKET),
        meaning="Supabase key for servers; Preview: least privilege, a key of its own"),
    Row("SUPABASE_URL",                     CONFIG, REQUIRED, REQUIRED, (SOCKET,),
        meaning="Supabase API, for the socket server", derive=supabase_url),
    Row("NEXT_PUBLIC_APP_URL",              PUBLIC, PLATFORM, REQUIRED, (VERCEL, GITHUB),
        meaning="URL of the web app; Preview: Vercel's own URL", derive=app_url),
    Row("NEXT_PUBLIC_SOCKET_URL",           PUBLIC, REQUIRED, REQUIRED, (VERCEL, GITHUB),
        meaning="URL of the socket server", derive=socket_url),
    Row("CLIENT_URL",                       CONFIG, REQUIRED, REQUIRED, (SOCKET,),
        meaning="Origins the socket server admits (CORS)", derive=client_url),
    Row("BATTLE_PASSWORD_PEPPER",           SECRET, REQUIRED, REQUIRED, (VERCEL, SOCKET),
        meaning="Pepper of the battle room passwords", issued=False),
    Row("SENTRY_DSN",                       SECRET, OPTIONAL, REQUIRED, (VERCEL, SOCKET),
        meaning="Error reports of servers"),
    Row("NEXT_PUBLIC_SENTRY_DSN",           PUBLIC, OPTIONAL, REQUIRED, (VERCEL,),
        meaning="Error reports of browsers"),
    Row("SLACK_WEBHOOK_URL",                SECRET, REFUSED,  OPTIONAL, (GITHUB, MONITOR),
        meaning="Alerts to Slack", one_of="paging"),
    # --- the plan's alternative, and what the program itself needs ---------------------------------------
    Row("PAGERDUTY_KEY",                    SECRET, REFUSED,  OPTIONAL, (GITHUB, MONITOR),
        meaning="Alerts to PagerDuty", one_of="paging"),
    Row("BATTLE_PASSWORD_PEPPER_PREVIOUS",  SECRET, SHARED,   OPTIONAL, (VERCEL, SOCKET),
        meaning="The pepper before it, while rooms of its time are open",
        previous_of="BATTLE_PASSWORD_PEPPER", plan=False),
    Row("EDGE_CONFIG",                      SECRET, REQUIRED, REQUIRED, (VERCEL, SOCKET),
        meaning="Connection string of the kill switch", from_resource=True, plan=False),
    Row("DISCORD_WEBHOOK_URL",              SECRET, REFUSED,  OPTIONAL, (MONITOR,),
        meaning="Alerts to Discord #ops-alerts", plan=False),
    Row("SUPABASE_METRICS_KEY",             SECRET, REFUSED,  OPTIONAL, (MONITOR,),
        meaning="Reads Supabase's metrics endpoint", plan=False),
    Row("WATCHDOG_URL",                     SECRET, REFUSED,  OPTIONAL, (MONITOR,),
        meaning="Dead-man's switch that the monitor calls", plan=False),
    Row("MONITOR_PASSWORD",                 SECRET, REFUSED,  OPTIONAL, (MONITOR,),
        meaning="Password of the monitor's UIs, and of the agent on the socket host that writes to it",
        plan=False, issued=False),
    Row("VERCEL_PROTECTION_BYPASS",         SECRET, REFUSED,  OPTIONAL, (MONITOR,),
        meaning="Lets probes past Vercel's protection of deployments", plan=False),
    Row("VERCEL_ALERTS_WEBHOOK_URL",        SECRET, REFUSED,  OPTIONAL, (MONITOR,),
        meaning="Receives the alerts that Vercel judges, in Vercel's own shape", plan=False),
    Row("REGISTRY_PASSWORD",                SECRET, REFUSED,  OPTIONAL, (PROGRAM,),
        meaning="Pulls the socket server's image from a private registry", plan=False),
    Row("SOCKET_HOST_KEY",                  SECRET, REFUSED,  OPTIONAL, (PROGRAM,),
        meaning="Client key for the socket host over TLS", plan=False),
    Row("MONITOR_HOST_KEY",                 SECRET, REFUSED,  OPTIONAL, (PROGRAM,),
        meaning="Client key for the monitoring host over TLS", plan=False),
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
