"""The rules that Prometheus judges (deployment plan §4.1, §4.2), a table a service."""

from typing import Final

from plan.alerts.rule import P1, P2, Rule
from plan.alerts.series import (
    BY_MONITOR,
    BY_PROBED_SOCKET,
    BY_SUPABASE,
    BY_TASKS,
    BY_WEB,
    CHAIN_EXPIRY,
    UNHEARD,
    Exporter,
)

WATCHDOG: Final = "Watchdog"
TASKS_DOWN: Final = "SocketTasksDown"

_ANSWERING: Final = '(count(up{job="socket"} == 1) or vector(0))'  # tasks that answer their scrape
_SCRAPED: Final = 'count(up{job="agent"} == 1) > 0'  # whether anybody scrapes them

_JUDGED: Final = f" unless on (check) {UNHEARD} == 1"  # SiteUnheard says it

# Downtime and probes (plan §4.1, §4.2).
PROBES: Final = (
    Rule(
        name="SiteDown", severity=P1, service=None, needs=BY_WEB, outage=True, runbook="the-site-is-down",
        summary="{{ $labels.instance }} has not answered for $for_",
        expr=f'probe_success{{job="probe",check="web"}} == $threshold{_JUDGED}', threshold=0,
        unit="probe fails",
        for_="2m", keep="1m",
    ),
    Rule(
        name="ApiDown", severity=P1, service=None, needs=BY_WEB, outage=True, runbook="the-site-is-down",
        summary="{{ $labels.instance }} has not answered for $for_",
        expr=f'probe_success{{job="probe",check="api"}} == $threshold{_JUDGED}', threshold=0,
        unit="probe fails",
        for_="2m", keep="1m",
    ),
    Rule(
        name="SocketDown", severity=P1, service=None, needs=BY_PROBED_SOCKET, outage=True,
        runbook="the-socket-server-is-down",
        summary="{{ $labels.instance }} has not answered for $for_",
        expr='probe_success{job="probe",check="socket"} == $threshold', threshold=0, unit="probe fails",
        for_="2m", keep="1m",
    ),
    Rule(
        name=TASKS_DOWN, severity=P1, service="socket", needs=BY_TASKS | BY_WEB, outage=True,
        runbook="the-socket-server-is-down", labels=(("check", "socket"),),
        summary="No task of the socket server answers its scrape, nor the probe",
        # A release whose metrics cannot be read is no outage: SocketTasksMissing says it.
        expr=f'{_ANSWERING} == $threshold and on () {_SCRAPED}'
        ' unless on () (max(probe_success{job="probe",check="socket"}) == 1)',
        threshold=0, unit="tasks", for_="1m", keep="2m",
    ),
    Rule(
        # A challenge or a login is no outage, and none would be seen behind it.
        name="SiteUnheard", severity=P2, service=None, needs=BY_WEB, runbook="the-site-cannot-be-judged",
        summary="Vercel's firewall or deployment protection answers the probe of {{ $labels.instance }}: "
        "whether the app is well cannot be judged",
        expr=f"{UNHEARD} == $threshold", threshold=1, unit="answered in the app's place", for_="5m",
    ),
    Rule(
        name="ProbesSlow", severity=P2, service=None, needs=BY_WEB, runbook="answers-are-slow",
        summary="{{ $labels.instance }}: the slowest 5 % of probes take over {{ $value | humanizeDuration }}",
        # Of those that succeed: what runs into its time-out is a failed probe, and judged as such.
        expr='quantile_over_time(0.95, (probe_duration_seconds{job="probe"}'
        ' and probe_success{job="probe"} == 1)[15m:15s]) > $threshold',
        threshold=3, unit="seconds", for_="5m",
    ),
    Rule(
        name="CertificateExpiry", severity=P2, service="certificate", needs=BY_WEB,
        runbook="a-certificate-expires",
        summary="The certificate of {{ $labels.instance }} ends in {{ $value | humanize }} days",
        expr=f'({CHAIN_EXPIRY}{{job="probe",authority="public"}} - time()) / 86400 < $threshold',
        threshold=14, unit="days", for_="15m",
    ),
    Rule(
        # An authority of one's own issues for hours: Caddy's for 12, renewed when a third of them is left.
        name="InternalCertificateExpiry", severity=P2, service="certificate", needs=BY_WEB,
        runbook="a-certificate-expires",
        summary="The certificate of {{ $labels.instance }} ends in {{ $value | humanize }} hours",
        expr=f'({CHAIN_EXPIRY}{{job="probe",authority="internal"}} - time()) / 3600 < $threshold',
        threshold=2, unit="hours", for_="15m",
    ),
)  # fmt: skip

# The socket server (plan §4.1).
SOCKET: Final = (
    Rule(
        # Also a task that never comes to answer, and a release without readable metrics.
        name="SocketTasksMissing", severity=P2, service="socket", needs=BY_TASKS, runbook="tasks-are-missing",
        summary="Only {{ $value }} of $replicas tasks of the socket server answer their scrape",
        expr=f"{_ANSWERING} < $replicas and on () {_SCRAPED}", unit="tasks that it shall have", for_="10m",
    ),
    Rule(
        name="SocketConnections", severity=P2, service="socket", needs=BY_TASKS,
        runbook="the-socket-server-is-full",
        summary="A task of the socket server holds {{ $value | humanize }} connections",
        expr='socket_connections{job="socket"} > $threshold', threshold=2000, unit="connections a task",
        for_="10m",
    ),
    Rule(
        name="SocketRooms", severity=P2, service="socket", needs=BY_TASKS,
        runbook="the-socket-server-is-full",
        summary="The socket server holds {{ $value | humanize }} rooms",
        expr='sum(battle_rooms{job="socket"}) > $threshold', threshold=500, unit="rooms", for_="10m",
    ),
    Rule(
        # In a quiet hour a few leaving players are half of all: below 20 connections nothing is said.
        name="SocketDisconnects", severity=P2, service="socket", needs=BY_TASKS,
        runbook="connections-are-lost",
        summary="{{ $value | humanizePercentage }} of the connections end each minute",
        expr='60 * sum(rate(socket_disconnects_total{job="socket"}[5m]))'
        ' / clamp_min(sum(avg_over_time(socket_connections{job="socket"}[5m])), 20) > $threshold',
        threshold=0.5, unit="of the connections a minute", for_="10m",
    ),
    Rule(
        # A rollout starts each task once, and so does a rollback. An hour: one task of two that dies every
        # few minutes is seen too, though it is at work again before anything else notices.
        name="SocketRestarts", severity=P2, service="socket", needs=BY_TASKS, runbook="tasks-restart",
        summary="{{ $value | humanize }} starts for each running task within an hour",
        expr='count(last_over_time(process_start_time_seconds{job="socket"}[1h]) > time() - 3600)'
        ' / clamp_min(count(up{job="socket"} == 1) or vector(0), 1) > $threshold',
        threshold=4, unit="starts a task in 1 h", for_="1m",
    ),
    Rule(
        name="SocketCpu", severity=P2, service="socket", needs=BY_TASKS, runbook="the-socket-server-is-full",
        # JavaScript runs on one core, whatever the limit.
        summary="{{ $labels.instance }} uses {{ $value | humanizePercentage }} of the CPU that it can use",
        expr='rate(process_cpu_seconds_total{job="socket"}[5m]) / $socket_cores > $threshold',
        threshold=0.8, unit="of the limit, or of one core", for_="10m",
    ),
    Rule(
        name="SocketMemory", severity=P2, service="socket", needs=BY_TASKS,
        runbook="the-socket-server-is-full",
        summary="{{ $labels.instance }} uses {{ $value | humanizePercentage }} of its memory limit",
        expr='process_resident_memory_bytes{job="socket"} / $socket_memory_bytes > $threshold',
        threshold=0.85, unit="of the limit", for_="10m",
    ),
)  # fmt: skip

# Supabase (plan §4.1); scraped once a minute.
_AUTH: Final = 'job="supabase",service_type="gotrue",http_route!="/health"'

SUPABASE: Final = (
    Rule(
        name="SupabaseConnections", severity=P2, service="supabase", needs=BY_SUPABASE, runbook="supabase",
        summary="{{ $value | humanizePercentage }} of the database's connections are in use",
        expr='sum(connection_stats_connection_count{job="supabase"})'
        ' / max(max_connections_connection_count{job="supabase"}) > $threshold',
        threshold=0.8, unit="of the maximum", for_="10m",
    ),
    Rule(
        name="SupabaseCpu", severity=P2, service="supabase", needs=BY_SUPABASE, runbook="supabase",
        summary="The database's machine uses {{ $value | humanizePercentage }} of its CPU",
        expr='1 - avg(rate(node_cpu_seconds_total{job="supabase",service_type="db",mode="idle"}[5m]))'
        ' > $threshold',
        threshold=0.9, unit="busy", for_="15m",
    ),
    Rule(
        name="SupabaseLongQuery", severity=P2, service="supabase", needs=BY_SUPABASE, runbook="supabase",
        summary="A transaction has been open for {{ $value | humanizeDuration }}",
        expr='max(pg_stat_activity_xact_runtime{job="supabase"}) > $threshold', threshold=300, unit="seconds",
        for_="5m",
    ),
    Rule(
        # The endpoint counts no waits for locks: deadlocks are the waits that Postgres had to break.
        name="SupabaseDeadlocks", severity=P2, service="supabase", needs=BY_SUPABASE, runbook="supabase",
        summary="{{ $value | humanize }} deadlocks within 15 minutes",
        expr='sum(increase(pg_stat_database_deadlocks_total{job="supabase"}[15m])) >= $threshold',
        threshold=3, unit="deadlocks in 15 min",
    ),
    Rule(
        name="SupabasePoolWait", severity=P2, service="supabase", needs=BY_SUPABASE, runbook="supabase",
        summary="Clients wait {{ $value | humanizeDuration }} for a connection, which locks or queries hold",
        expr='max(pgbouncer_pools_client_maxwait_seconds{job="supabase"}) > $threshold', threshold=5,
        unit="seconds", for_="5m",
    ),
    Rule(
        name="SupabaseAuthFailures", severity=P2, service="supabase", needs=BY_SUPABASE, runbook="supabase",
        summary="{{ $value | humanizePercentage }} of the requests to Auth fail",
        expr=f'sum(rate(http_status_codes_total{{{_AUTH},code=~"[45].."}}[15m]))'
        f" / sum(rate(http_status_codes_total{{{_AUTH}}}[15m])) > $threshold"
        f" and sum(increase(http_status_codes_total{{{_AUTH}}}[15m])) >= 20",
        threshold=0.3, unit="of 20 requests or more", for_="5m",
    ),
    Rule(
        name="SupabaseSilent", severity=P2, service="supabase", needs=BY_SUPABASE, runbook="supabase",
        summary="Supabase's metrics cannot be read",
        expr='up{job="supabase"} == $threshold', threshold=0, unit="scrape fails", for_="15m",
    ),
)  # fmt: skip

# The monitor itself, and what others report to it.
MONITOR: Final = (
    Rule(
        name=WATCHDOG, severity=P2, service="monitor", needs=BY_MONITOR, runbook="the-monitor-is-silent",
        summary="Always fires: whoever waits for it pages when it stays out", expr="vector(1)",
    ),
    Rule(
        name="ProbesMissing", severity=P1, service="monitor", needs=BY_MONITOR | BY_WEB,
        runbook="the-monitor-is-blind",
        summary="Only {{ $value }} of $probes checks report: downtime would go unseen",
        expr='(count(probe_success{job="probe"}) or vector(0)) < $probes', for_="5m", unit="checks report",
    ),
    Rule(
        name="AgentSilent", severity=P2, service="monitor", needs=BY_TASKS, runbook="the-monitor-is-blind",
        summary="Nothing arrives from the socket host: its tasks are judged by the probe alone",
        # Nothing marks the end of what is written from afar: without a window of its own it lasts 5 minutes.
        expr='absent_over_time(up{job="agent"}[1m])', for_="5m", unit="no sample in 1m",
    ),
    Rule(
        name="ChannelFails", severity=P2, service="monitor", needs=BY_MONITOR, runbook="a-channel-fails",
        summary="Messages to {{ $labels.integration }} fail; the other channels still get them",
        expr='sum by (integration) (increase(alertmanager_notifications_failed_total{job="alertmanager",'
        'integration!="webhook"}[15m])) > $threshold',
        threshold=0, unit="messages in 15 min", for_="5m",
    ),
    Rule(
        name="RulesFail", severity=P2, service="monitor", needs=BY_MONITOR, runbook="the-monitor-is-blind",
        summary="Rules of {{ $labels.rule_group }} cannot be judged",
        expr='increase(prometheus_rule_evaluation_failures_total{job="prometheus"}[15m]) > $threshold',
        threshold=0, unit="failures in 15 min", for_="5m",
    ),
    Rule(
        name="BackupStale", severity=P2, service="backup", needs=frozenset({Exporter.BACKUP}),
        runbook="a-backup-is-old", summary="The last good backup is {{ $value | humanize }} hours old",
        expr="(time() - max(paintshare_backup_last_success_timestamp_seconds)) / 3600 > $threshold",
        threshold=26, unit="hours", for_="15m",
    ),
)  # fmt: skip
