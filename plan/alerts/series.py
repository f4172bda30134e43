"""Series that rules may use: who emits each, and how sure that is."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Exporter(StrEnum):
    """Who emits a series."""

    BLACKBOX = "blackbox exporter"
    SOCKET = "socket server"
    AGENT = "agent beside the socket server"
    SUPABASE = "Supabase"
    BACKUP = "backup job"
    MONITOR = "the monitor itself"


class Proof(StrEnum):
    """How sure it is that the live system emits a series."""

    SEEN = "seen"  # scraped from the real program by a test
    DOCUMENTED = "documented"  # only its documentation vouches for it
    MISSING = "not emitted yet"  # its rules are neither rendered nor judged


@dataclass(frozen=True, kw_only=True)
class Series:
    """One series that a rule may use."""

    name: str
    exporter: Exporter
    proof: Proof = Proof.SEEN
    note: str = ""


def _series(exporter: Exporter, *names: str, proof: Proof = Proof.SEEN, note: str = "") -> list[Series]:
    return [Series(name=name, exporter=exporter, proof=proof, note=note) for name in names]


BAD_MINUTE: Final = "paintshare:bad_minute"

# Vercel answered in the app's place, so that nobody can judge it: 1, else 0. Of the second look at each check
# (`plan.uptime.blackbox`): by a header of its firewall or the way to its login, or with 401.
UNHEARD: Final = "paintshare:unheard"
UNHEARD_JOB: Final = "unheard"

# Of the chain that verifies: a server may send certificates besides that nobody uses or renews.
CHAIN_EXPIRY: Final = "probe_ssl_last_chain_expiry_timestamp_seconds"
_SUPABASE_DOC: Final = "supabase/supabase-grafana, metrics.md (2025-06)"

SERIES: Final[tuple[Series, ...]] = (
    *_series(
        Exporter.BLACKBOX,
        "probe_success",
        "probe_duration_seconds",
        "probe_http_status_code",
        "probe_failed_due_to_regex",
        CHAIN_EXPIRY,
    ),
    *_series(
        Exporter.SOCKET,
        "socket_connections",
        "socket_disconnects_total",
        "battle_rooms",
        "battle_connects_total",
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_start_time_seconds",
    ),
    *_series(
        Exporter.SUPABASE,
        "connection_stats_connection_count",
        "max_connections_connection_count",
        "node_cpu_seconds_total",
        "pg_stat_database_deadlocks_total",
        "pgbouncer_pools_client_maxwait_seconds",
        "http_status_codes_total",
        proof=Proof.DOCUMENTED,
        note=_SUPABASE_DOC,
    ),
    *_series(
        Exporter.SUPABASE,
        "pg_stat_activity_xact_runtime",
        proof=Proof.DOCUMENTED,
        note=f"{_SUPABASE_DOC}; no unit is given, taken as seconds",
    ),
    *_series(
        Exporter.MONITOR,
        "up",
        "ALERTS",
        "alertmanager_notifications_failed_total",
        "prometheus_rule_evaluation_failures_total",
    ),
    *_series(Exporter.MONITOR, BAD_MINUTE, UNHEARD, note="recorded by a rule of docs/alerts.md"),
    *_series(
        Exporter.BACKUP,
        "paintshare_backup_last_success_timestamp_seconds",
        proof=Proof.MISSING,
        note="plan §5.1; no backup job is declared yet",
    ),
)

# Whom a rule needs.
BY_WEB: Final = frozenset({Exporter.BLACKBOX})
BY_PROBED_SOCKET: Final = frozenset({Exporter.BLACKBOX, Exporter.SOCKET})
BY_TASKS: Final = frozenset({Exporter.SOCKET, Exporter.AGENT})
BY_SUPABASE: Final = frozenset({Exporter.SUPABASE})
BY_MONITOR: Final = frozenset({Exporter.MONITOR})
