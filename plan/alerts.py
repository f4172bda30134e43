"""The alert policy (deployment plan §4) as rows: what is judged, by whom, from which series, at which limit.

Pure data and its rendering as Prometheus rules. A threshold is changed in its row and nowhere else. Where the
alerts go stands in `plan.uptime`; docs/alerts.md is generated from here, and each rule names its part of the
runbook.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from string import Template
from typing import Any, Final

from plan.settings import Settings


class Severity(StrEnum):
    """Plan §4.2. The value is the label `severity` by which Alertmanager routes."""

    P1 = "p1"  # at once, at any hour
    P2 = "p2"  # in working hours


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
# Of the chain that verifies: a server may send certificates besides that nobody uses or renews.
CHAIN_EXPIRY: Final = "probe_ssl_last_chain_expiry_timestamp_seconds"
_SUPABASE_DOC: Final = "supabase/supabase-grafana, metrics.md (2025-06)"

SERIES: Final[tuple[Series, ...]] = (
    *_series(
        Exporter.BLACKBOX,
        "probe_success",
        "probe_duration_seconds",
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
    *_series(Exporter.MONITOR, BAD_MINUTE, note="recorded by a rule of docs/alerts.md"),
    *_series(
        Exporter.BACKUP,
        "paintshare_backup_last_success_timestamp_seconds",
        proof=Proof.MISSING,
        note="plan §5.1; no backup job is declared yet",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One alert judged by Prometheus.

    `expr` is PromQL with `$threshold` and the facts of `facts` in it. `service` is what an outage silences
    together; None where the series carry it (probes do). An `outage` of a service silences its other alerts.
    `keep` is how long it goes on firing after the condition ended, so that a flap is one alert.
    """

    name: str
    severity: Severity
    service: str | None
    summary: str
    runbook: str  # a heading of docs/runbook.md, as its anchor
    needs: frozenset[Exporter]
    expr: str
    threshold: float = 0
    unit: str = ""
    for_: str = "0s"
    keep: str = "0s"
    outage: bool = False
    labels: tuple[tuple[str, str], ...] = ()


WATCHDOG: Final = "Watchdog"
TASKS_DOWN: Final = "SocketTasksDown"

_P1, _P2 = Severity.P1, Severity.P2
_WEB: Final = frozenset({Exporter.BLACKBOX})
_PROBED_SOCKET: Final = frozenset({Exporter.BLACKBOX, Exporter.SOCKET})
_TASKS: Final = frozenset({Exporter.SOCKET, Exporter.AGENT})
_SUPABASE: Final = frozenset({Exporter.SUPABASE})
_MONITOR: Final = frozenset({Exporter.MONITOR})

_ANSWERING: Final = '(count(up{job="socket"} == 1) or vector(0))'  # tasks that answer their scrape
_SCRAPED: Final = 'count(up{job="agent"} == 1) > 0'  # whether anybody scrapes them

# --- downtime and probes (plan §4.1, §4.2) -------------------------------------------------------------

PROBES: Final = (
    Rule(
        name="SiteDown", severity=_P1, service=None, needs=_WEB, outage=True, runbook="the-site-is-down",
        summary="{{ $labels.instance }} has not answered for $for_",
        expr='probe_success{job="probe",check="web"} == $threshold', threshold=0, unit="probe fails",
        for_="2m", keep="1m",
    ),
    Rule(
        name="ApiDown", severity=_P1, service=None, needs=_WEB, outage=True, runbook="the-site-is-down",
        summary="{{ $labels.instance }} has not answered for $for_",
        expr='probe_success{job="probe",check="api"} == $threshold', threshold=0, unit="probe fails",
        for_="2m", keep="1m",
    ),
    Rule(
        name="SocketDown", severity=_P1, service=None, needs=_PROBED_SOCKET, outage=True,
        runbook="the-socket-server-is-down",
        summary="{{ $labels.instance }} has not answered for $for_",
        expr='probe_success{job="probe",check="socket"} == $threshold', threshold=0, unit="probe fails",
        for_="2m", keep="1m",
    ),
    Rule(
        name=TASKS_DOWN, severity=_P1, service="socket", needs=_TASKS | _WEB, outage=True,
        runbook="the-socket-server-is-down", labels=(("check", "socket"),),
        summary="No task of the socket server answers its scrape, nor the probe",
        # A release whose metrics cannot be read is no outage: SocketTasksMissing says it.
        expr=f'{_ANSWERING} == $threshold and on () {_SCRAPED}'
        ' unless on () (max(probe_success{job="probe",check="socket"}) == 1)',
        threshold=0, unit="tasks", for_="1m", keep="2m",
    ),
    Rule(
        name="ProbesSlow", severity=_P2, service=None, needs=_WEB, runbook="answers-are-slow",
        summary="{{ $labels.instance }}: the slowest 5 % of probes take over {{ $value | humanizeDuration }}",
        # Of those that succeed: what runs into its time-out is a failed probe, and judged as such.
        expr='quantile_over_time(0.95, (probe_duration_seconds{job="probe"}'
        ' and probe_success{job="probe"} == 1)[15m:15s]) > $threshold',
        threshold=3, unit="seconds", for_="5m",
    ),
    Rule(
        name="CertificateExpiry", severity=_P2, service="certificate", needs=_WEB,
        runbook="a-certificate-expires",
        summary="The certificate of {{ $labels.instance }} ends in {{ $value | humanize }} days",
        expr=f'({CHAIN_EXPIRY}{{job="probe",authority="public"}} - time()) / 86400 < $threshold',
        threshold=14, unit="days", for_="15m",
    ),
    Rule(
        # An authority of one's own issues for hours: Caddy's for 12, renewed when a third of them is left.
        name="InternalCertificateExpiry", severity=_P2, service="certificate", needs=_WEB,
        runbook="a-certificate-expires",
        summary="The certificate of {{ $labels.instance }} ends in {{ $value | humanize }} hours",
        expr=f'({CHAIN_EXPIRY}{{job="probe",authority="internal"}} - time()) / 3600 < $threshold',
        threshold=2, unit="hours", for_="15m",
    ),
)  # fmt: skip

# --- socket server (plan §4.1) -------------------------------------------------------------------------

SOCKET: Final = (
    Rule(
        # Also a task that never comes to answer, and a release without readable metrics.
        name="SocketTasksMissing", severity=_P2, service="socket", needs=_TASKS, runbook="tasks-are-missing",
        summary="Only {{ $value }} of $replicas tasks of the socket server answer their scrape",
        expr=f"{_ANSWERING} < $replicas and on () {_SCRAPED}", unit="tasks that it shall have", for_="10m",
    ),
    Rule(
        name="SocketConnections", severity=_P2, service="socket", needs=_TASKS,
        runbook="the-socket-server-is-full",
        summary="A task of the socket server holds {{ $value | humanize }} connections",
        expr='socket_connections{job="socket"} > $threshold', threshold=2000, unit="connections a task",
        for_="10m",
    ),
    Rule(
        name="SocketRooms", severity=_P2, service="socket", needs=_TASKS, runbook="the-socket-server-is-full",
        summary="The socket server holds {{ $value | humanize }} rooms",
        expr='sum(battle_rooms{job="socket"}) > $threshold', threshold=500, unit="rooms", for_="10m",
    ),
    Rule(
        # In a quiet hour a few leaving players are half of all: below 20 connections nothing is said.
        name="SocketDisconnects", severity=_P2, service="socket", needs=_TASKS,
        runbook="connections-are-lost",
        summary="{{ $value | humanizePercentage }} of the connections end each minute",
        expr='60 * sum(rate(socket_disconnects_total{job="socket"}[5m]))'
        ' / clamp_min(sum(avg_over_time(socket_connections{job="socket"}[5m])), 20) > $threshold',
        threshold=0.5, unit="of the connections a minute", for_="10m",
    ),
    Rule(
        # A rollout starts each task once, and so does a rollback. An hour: one task of two that dies every
        # few minutes is seen too, though it is at work again before anything else notices.
        name="SocketRestarts", severity=_P2, service="socket", needs=_TASKS, runbook="tasks-restart",
        summary="{{ $value | humanize }} starts for each running task within an hour",
        expr='count(last_over_time(process_start_time_seconds{job="socket"}[1h]) > time() - 3600)'
        ' / clamp_min(count(up{job="socket"} == 1) or vector(0), 1) > $threshold',
        threshold=4, unit="starts a task in 1 h", for_="1m",
    ),
    Rule(
        name="SocketCpu", severity=_P2, service="socket", needs=_TASKS, runbook="the-socket-server-is-full",
        # JavaScript runs on one core, whatever the limit.
        summary="{{ $labels.instance }} uses {{ $value | humanizePercentage }} of the CPU that it can use",
        expr='rate(process_cpu_seconds_total{job="socket"}[5m]) / $socket_cores > $threshold',
        threshold=0.8, unit="of the limit, or of one core", for_="10m",
    ),
    Rule(
        name="SocketMemory", severity=_P2, service="socket", needs=_TASKS,
        runbook="the-socket-server-is-full",
        summary="{{ $labels.instance }} uses {{ $value | humanizePercentage }} of its memory limit",
        expr='process_resident_memory_bytes{job="socket"} / $socket_memory_bytes > $threshold',
        threshold=0.85, unit="of the limit", for_="10m",
    ),
)  # fmt: skip

# --- Supabase (plan §4.1); scraped once a minute -------------------------------------------------------

_AUTH: Final = 'job="supabase",service_type="gotrue",http_route!="/health"'

SUPABASE: Final = (
    Rule(
        name="SupabaseConnections", severity=_P2, service="supabase", needs=_SUPABASE, runbook="supabase",
        summary="{{ $value | humanizePercentage }} of the database's connections are in use",
        expr='sum(connection_stats_connection_count{job="supabase"})'
        ' / max(max_connections_connection_count{job="supabase"}) > $threshold',
        threshold=0.8, unit="of the maximum", for_="10m",
    ),
    Rule(
        name="SupabaseCpu", severity=_P2, service="supabase", needs=_SUPABASE, runbook="supabase",
        summary="The database's machine uses {{ $value | humanizePercentage }} of its CPU",
        expr='1 - avg(rate(node_cpu_seconds_total{job="supabase",service_type="db",mode="idle"}[5m]))'
        ' > $threshold',
        threshold=0.9, unit="busy", for_="15m",
    ),
    Rule(
        name="SupabaseLongQuery", severity=_P2, service="supabase", needs=_SUPABASE, runbook="supabase",
        summary="A transaction has been open for {{ $value | humanizeDuration }}",
        expr='max(pg_stat_activity_xact_runtime{job="supabase"}) > $threshold', threshold=300, unit="seconds",
        for_="5m",
    ),
    Rule(
        # The endpoint counts no waits for locks: deadlocks are the waits that Postgres had to break.
        name="SupabaseDeadlocks", severity=_P2, service="supabase", needs=_SUPABASE, runbook="supabase",
        summary="{{ $value | humanize }} deadlocks within 15 minutes",
        expr='sum(increase(pg_stat_database_deadlocks_total{job="supabase"}[15m])) >= $threshold',
        threshold=3, unit="deadlocks in 15 min",
    ),
    Rule(
        name="SupabasePoolWait", severity=_P2, service="supabase", needs=_SUPABASE, runbook="supabase",
        summary="Clients wait {{ $value | humanizeDuration }} for a connection, which locks or queries hold",
        expr='max(pgbouncer_pools_client_maxwait_seconds{job="supabase"}) > $threshold', threshold=5,
        unit="seconds", for_="5m",
    ),
    Rule(
        name="SupabaseAuthFailures", severity=_P2, service="supabase", needs=_SUPABASE, runbook="supabase",
        summary="{{ $value | humanizePercentage }} of the requests to Auth fail",
        expr=f'sum(rate(http_status_codes_total{{{_AUTH},code=~"[45].."}}[15m]))'
        f" / sum(rate(http_status_codes_total{{{_AUTH}}}[15m])) > $threshold"
        f" and sum(increase(http_status_codes_total{{{_AUTH}}}[15m])) >= 20",
        threshold=0.3, unit="of 20 requests or more", for_="5m",
    ),
    Rule(
        name="SupabaseSilent", severity=_P2, service="supabase", needs=_SUPABASE, runbook="supabase",
        summary="Supabase's metrics cannot be read",
        expr='up{job="supabase"} == $threshold', threshold=0, unit="scrape fails", for_="15m",
    ),
)  # fmt: skip

# --- the monitor itself, and what others report to it --------------------------------------------------

MONITOR: Final = (
    Rule(
        name=WATCHDOG, severity=_P2, service="monitor", needs=_MONITOR, runbook="the-monitor-is-silent",
        summary="Always fires: whoever waits for it pages when it stays out", expr="vector(1)",
    ),
    Rule(
        name="ProbesMissing", severity=_P1, service="monitor", needs=_MONITOR | _WEB,
        runbook="the-monitor-is-blind",
        summary="Only {{ $value }} of $probes checks report: downtime would go unseen",
        expr='(count(probe_success{job="probe"}) or vector(0)) < $probes', for_="5m", unit="checks report",
    ),
    Rule(
        name="AgentSilent", severity=_P2, service="monitor", needs=_TASKS, runbook="the-monitor-is-blind",
        summary="Nothing arrives from the socket host: its tasks are judged by the probe alone",
        # Nothing marks the end of what is written from afar: without a window of its own it lasts 5 minutes.
        expr='absent_over_time(up{job="agent"}[1m])', for_="5m", unit="no sample in 1m",
    ),
    Rule(
        name="ChannelFails", severity=_P2, service="monitor", needs=_MONITOR, runbook="a-channel-fails",
        summary="Messages to {{ $labels.integration }} fail; the other channels still get them",
        expr='sum by (integration) (increase(alertmanager_notifications_failed_total{job="alertmanager",'
        'integration!="webhook"}[15m])) > $threshold',
        threshold=0, unit="messages in 15 min", for_="5m",
    ),
    Rule(
        name="RulesFail", severity=_P2, service="monitor", needs=_MONITOR, runbook="the-monitor-is-blind",
        summary="Rules of {{ $labels.rule_group }} cannot be judged",
        expr='increase(prometheus_rule_evaluation_failures_total{job="prometheus"}[15m]) > $threshold',
        threshold=0, unit="failures in 15 min", for_="5m",
    ),
    Rule(
        name="BackupStale", severity=_P2, service="backup", needs=frozenset({Exporter.BACKUP}),
        runbook="a-backup-is-old", summary="The last good backup is {{ $value | humanize }} hours old",
        expr="(time() - max(paintshare_backup_last_success_timestamp_seconds)) / 3600 > $threshold",
        threshold=26, unit="hours", for_="15m",
    ),
)  # fmt: skip

# --- service level objectives (plan §4.3) --------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Burn:
    """A pair of windows and how many times too fast the budget may burn in both (SRE workbook, chapter 5).

    Two percent of a month's budget in an hour, five in six hours, ten in three days.
    """

    part: str  # of the rule's name
    factor: float
    long: str
    short: str


@dataclass(frozen=True, kw_only=True)
class Objective:
    """One SLO: what share of good minutes, requests or connects is promised, and where it is judged."""

    name: str
    promise: str
    judged: str
    objective: float = 0
    burns: tuple[tuple[Burn, Severity], ...] = ()

    @property
    def budget(self) -> float:
        """The share that may be bad."""
        return 1 - self.objective


FAST: Final = Burn(part="Fast", factor=14.4, long="1h", short="5m")
SLOW: Final = Burn(part="Slow", factor=6, long="6h", short="30m")
CREEP: Final = Burn(part="Creep", factor=1, long="3d", short="6h")

# Minutes are bad from this many failed probes in a row on. One failed probe a minute makes none.
FAILED_PROBES: Final = 3
# At 99.9 % one bad minute in an hour is already 16.7 times the budget; the policy (§4.2) tolerates two.
LEAST_BAD_MINUTES: Final = 2
LEAST_CONNECTS: Final = 20  # below it, one unlucky player would be a tenth of all
LEAST_REFUSED: Final = 5  # a handshake of a stranger counts as refused: one in a quiet night is no burn

AVAILABILITY: Final = Objective(
    name="Availability", promise="99.9 % of the minutes of a month", judged="Prometheus, probes",
    objective=0.999, burns=((FAST, _P1), (SLOW, _P1), (CREEP, _P2)),
)  # fmt: skip
CONNECTS: Final = Objective(
    name="BattleConnect", promise="99 % of the attempts to connect to a battle", objective=0.99,
    judged="Prometheus, the socket server's own counter", burns=((FAST, _P2), (SLOW, _P2), (CREEP, _P2)),
)  # fmt: skip
API_P95: Final = Objective(
    name="API latency", promise="p95 of the API under 500 ms", judged="Vercel, real traffic"
)
CORE_PAGES: Final = Objective(
    name="Core pages", promise="under 1 % of the requests to core pages fail", judged="Vercel, real traffic"
)
OBJECTIVES: Final = (AVAILABILITY, API_P95, CORE_PAGES, CONNECTS)

_MINUTES: Final = {"5m": 5, "30m": 30, "1h": 60, "6h": 360, "3d": 4320}


def _allowed(objective: Objective, burn: Burn, window: str) -> float:
    """How many bad minutes in `window` are just as many as the burn allows."""
    return burn.factor * objective.budget * _MINUTES[window]


def bad_minutes(objective: Objective, burn: Burn, window: str) -> int:
    """How many bad minutes in `window` are too many: the first whole number past the allowed burn."""
    return math.floor(_allowed(objective, burn, window) + 1e-9) + 1


def _availability(burn: Burn, severity: Severity) -> Rule:
    """Burn that no outage alert has told: one that paged within the short window is not told again."""
    least = max(LEAST_BAD_MINUTES, bad_minutes(AVAILABILITY, burn, burn.long))
    return Rule(
        name=f"Availability{burn.part}", severity=severity, service=None, needs=_WEB,
        runbook="the-error-budget-burns",
        summary=f"{{{{ $labels.instance }}}}: {{{{ $value }}}} bad minutes within {burn.long}",
        expr=f"sum_over_time({BAD_MINUTE}[{burn.long}]) >= $threshold"
        f" and sum_over_time({BAD_MINUTE}[{burn.short}])"
        f" > {_allowed(AVAILABILITY, burn, burn.short):.3f}"
        f' unless on (check) max_over_time(ALERTS{{outage="yes",alertstate="firing"}}[{burn.short}])',
        threshold=least, unit=f"bad minutes in {burn.long}", for_="2m",
    )  # fmt: skip


def _connects(burn: Burn, severity: Severity) -> Rule:
    attempts, refused = (f'battle_connects_total{{job="socket"{x}}}' for x in ("", ',result="refused"'))

    def share(window: str) -> str:
        return f"sum(rate({refused}[{window}])) / sum(rate({attempts}[{window}]))"

    return Rule(
        name=f"BattleConnect{burn.part}", severity=severity, service="socket", needs=_TASKS,
        runbook="battles-cannot-be-joined",
        summary=f"{{{{ $value | humanizePercentage }}}} of the attempts to connect failed within {burn.long}",
        expr=f"{share(burn.long)} > $threshold and {share(burn.short)} > $threshold"
        f" and sum(increase({attempts}[{burn.long}])) >= {LEAST_CONNECTS}"
        f" and sum(increase({refused}[{burn.long}])) >= {LEAST_REFUSED}",
        threshold=round(burn.factor * CONNECTS.budget, 6), unit=f"of the attempts in {burn.long}",
    )  # fmt: skip


BURNS: Final = (
    *(_availability(burn, severity) for burn, severity in AVAILABILITY.burns),
    *(_connects(burn, severity) for burn, severity in CONNECTS.burns),
)

RULES: Final[tuple[Rule, ...]] = (*PROBES, *SOCKET, *SUPABASE, *MONITOR, *BURNS)


def bad_minute(probe_interval: int) -> dict[str, Any]:
    """The recording rule of bad minutes, judged once a minute. `probe_interval` in seconds.

    Its value is the share of the minute, in steps of a probe, at which the last FAILED_PROBES had failed: an
    outage counts the same whatever the second of its beginning. The ranges are a millisecond short, so that
    neither one probe more nor the end of the minute before falls into them.
    """
    last = f'probe_success{{job="probe"}}[{FAILED_PROBES * probe_interval - 1}s999ms]'
    failed = f"(max_over_time({last}) == bool 0) * (count_over_time({last}) >= bool {FAILED_PROBES})"
    return {"record": BAD_MINUTE, "expr": f"avg_over_time(({failed})[59s999ms:{probe_interval}s])"}


# --- rendering -----------------------------------------------------------------------------------------


def emitters(settings: Settings) -> frozenset[Exporter]:
    """Who emits series in this stack: a rule that needs anybody else is not rendered."""
    found = {Exporter.BLACKBOX, Exporter.MONITOR}
    if settings.socket_release:
        found |= {Exporter.SOCKET, Exporter.AGENT}
    if "SUPABASE_METRICS_KEY" in settings.values:
        found.add(Exporter.SUPABASE)
    return frozenset(found)


def rules_of(settings: Settings) -> tuple[Rule, ...]:
    """The rules that this stack's monitor judges."""
    able = emitters(settings)
    return tuple(rule for rule in RULES if rule.needs <= able)


def facts(settings: Settings, probes: int) -> dict[str, str]:
    """What expressions take from the stack file: number and limits of tasks, number of checks."""
    return {
        "replicas": str(settings.socket_replicas),
        "socket_cores": f"{min(1, settings.socket_milli_cpus / 1000):g}",
        "socket_memory_bytes": str(settings.socket_memory_mib * 1024 * 1024),
        "probes": str(probes),
    }


def rendered(rules: Iterable[Rule], known: Mapping[str, str], runbook: str) -> list[dict[str, Any]]:
    """Alerting rules as Prometheus reads them. `runbook` is the address that the anchors belong to."""
    return [_rendered(rule, known, runbook) for rule in rules]


def expression(rule: Rule, known: Mapping[str, str]) -> str:
    """The rule's PromQL with its numbers in it."""
    return Template(rule.expr).substitute(known, threshold=f"{rule.threshold:g}")


def _rendered(rule: Rule, known: Mapping[str, str], runbook: str) -> dict[str, Any]:
    labels = {"severity": str(rule.severity), **dict(rule.labels)}
    if rule.service:
        labels["service"] = rule.service
    if rule.outage:
        labels["outage"] = "yes"
    return {
        "alert": rule.name,
        "expr": expression(rule, known),
        **({"for": rule.for_} if rule.for_ != "0s" else {}),
        **({"keep_firing_for": rule.keep} if rule.keep != "0s" else {}),
        "labels": labels,
        "annotations": {
            "summary": Template(rule.summary).safe_substitute(known, for_=rule.for_),
            "runbook": f"{runbook}#{rule.runbook}",
        },
    }


# --- judged by Vercel, which alone sees the real traffic -----------------------------------------------


@dataclass(frozen=True, kw_only=True)
class VercelRule:
    """One `CustomAlertRule`: a metric, or with `of` the share of `filter` in all, over `window`.

    `least` is how many matching requests there must be before a share is judged. Metric names and the filter
    language are documented only (Vercel's provider and command line); Vercel refuses unknown ones at `up`.
    """

    name: str
    severity: Severity
    summary: str
    runbook: str
    metric: str
    aggregation: str
    window: str  # 5m, 15m, 1h or 1d
    threshold: float
    unit: str
    filter: str = ""
    share: bool = False  # True: the share of requests that also match `errors`
    errors: str = ""
    least: int = 0

    @property
    def limit(self) -> str:
        """The condition in words, such as `over 5 % of the requests in 5m`."""
        amount = (
            f"{self.threshold * 100:g} % {self.unit}" if self.share else f"{self.threshold:g} {self.unit}"
        )
        return f"over {amount} in {self.window}"


_REQUESTS: Final = "vercel.request.count"
_FAILED: Final = "httpStatus >= 500"
_DURATION: Final = "vercel.function_invocation.function_duration_ms"
_LIVE: Final = 'environment:"production"'
_API: Final = f"{_LIVE} and route:/api/*"
# Plan §7.2.
_CORE: Final = f'{_LIVE} and (route:"/" or route:"/feed" or route:"/draw" or route:"/battle")'

VERCEL_RULES: Final[tuple[VercelRule, ...]] = (
    VercelRule(
        name="WebErrorsHigh", severity=_P1, summary="Requests that are answered with 5xx",
        runbook="the-site-answers-errors", metric=_REQUESTS, aggregation="count", window="5m", threshold=0.05,
        unit="of the requests", filter=_LIVE, share=True, errors=_FAILED, least=5,
    ),
    VercelRule(
        name="WebErrors", severity=_P2, summary="Requests that are answered with 5xx",
        runbook="the-site-answers-errors", metric=_REQUESTS, aggregation="count", window="15m",
        threshold=0.01, unit="of the requests", filter=_LIVE, share=True, errors=_FAILED, least=5,
    ),
    VercelRule(
        name="ApiLatency", severity=_P2, summary="p95 of the API",
        runbook="answers-are-slow", metric=_DURATION, aggregation="p95", window="15m", threshold=500,
        unit="ms", filter=_API,
    ),
    VercelRule(
        name="ApiLatencyDay", severity=_P2, summary="p95 of the API, the objective itself",
        runbook="the-error-budget-burns", metric=_DURATION, aggregation="p95", window="1d", threshold=500,
        unit="ms", filter=_API,
    ),
    VercelRule(
        name="CorePages", severity=_P2, summary="Requests to core pages that fail",
        runbook="the-site-answers-errors", metric=_REQUESTS, aggregation="count", window="1h", threshold=0.01,
        unit="of the requests", filter=_CORE, share=True, errors=_FAILED, least=5,
    ),
    VercelRule(
        name="CorePagesDay", severity=_P2, summary="Requests to core pages that fail, the objective itself",
        runbook="the-error-budget-burns", metric=_REQUESTS, aggregation="count", window="1d", threshold=0.01,
        unit="of the requests", filter=_CORE, share=True, errors=_FAILED, least=5,
    ),
)  # fmt: skip


def vercel_rules(settings: Settings) -> tuple[VercelRule, ...]:
    """The rules declared at Vercel: none where the stack file says so, for plans without them."""
    return VERCEL_RULES if settings.vercel_alerts else ()
