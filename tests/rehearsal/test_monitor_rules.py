"""Every rule in the real promtool: fires past its limit, not at it, not too soon, and is over afterwards.

A case says what a series is when all is well, when it is past the limit, and when it is at the limit and no
further. Times are minutes.
"""

import socket
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
import yaml

from plan.alerts import RULES, rules_of
from plan.alerts.objectives import BURNS
from plan.alerts.policy import WATCHDOG
from plan.alerts.series import CHAIN_EXPIRY, Exporter
from plan.settings import Settings
from plan.uptime.prometheus import agent_yml, prometheus_yml, rules_yml
from rehearsal.docker_engine import packages, processes
from tests.builders import StackFile, monitored, production, staging
from tests.rehearsal.promtool import Check, Promtool, Values, counted

pytestmark = pytest.mark.real

Series = Mapping[str, Values]


@pytest.fixture(scope="module")
def program() -> Path:
    return packages.program("promtool", "prometheus", print)


@pytest.fixture(scope="module")
def watched() -> Settings:
    """A stack whose monitor judges every rule that has a series."""
    file = monitored(production())
    file.set_secret("SUPABASE_METRICS_KEY", "sb_secret_of_the_metrics")
    return file.settings()


@pytest.fixture
def promtool(program: Path, watched: Settings, tmp_path: Path) -> Promtool:
    return Promtool(program, tmp_path, rules_yml(watched))


# --- cases -------------------------------------------------------------------------------------------------

WEB = 'probe_success{job="probe",check="web",service="web",instance="https://share-paint.app/"}'
API = 'probe_success{job="probe",check="api",service="web",instance="https://share-paint.app/api/health"}'
SOCKET = 'probe_success{job="probe",check="socket",service="socket",instance="https://s.app/healthz"}'
AT_API = 'job="unheard",check="api",service="web",instance="https://share-paint.app/api/health"'
TASKS = ('job="socket",instance="10.0.1.5:3001"', 'job="socket",instance="10.0.1.6:3001"')
AUTH = 'http_status_codes_total{job="supabase",service_type="gotrue",http_route="/token",code="%s"}'
START = 'process_start_time_seconds{job="socket",instance="10.0.1.%d:3001"}'


@dataclass(frozen=True, kw_only=True)
class Gauge:
    """Values when all is well, past the limit, and at the limit."""

    good: float | str
    bad: float | str
    limit: float | str

    def values(self, kinds: list[str]) -> Values:
        return [getattr(self, kind) for kind in kinds]


class Counter(Gauge):
    """The same of what is added at each step."""

    def values(self, kinds: list[str]) -> Values:
        return counted(float(getattr(self, kind)) for kind in kinds)


@dataclass(frozen=True, kw_only=True)
class Case:
    """`silent`, `fires`: minutes after the onset at which it does not and does; `over`: after the end."""

    series: dict[str, Gauge]
    silent: float
    fires: float
    over: float
    lead: float = 20
    step: int = 15
    number: int = 1
    with_it: dict[str, int] = field(default_factory=dict)  # other alerts that are right to fire at `fires`


def always(value: float) -> Gauge:
    return Gauge(good=value, bad=value, limit=value)


PROBE = Gauge(good=1, bad=0, limit=1)
UP = Gauge(good=1, bad=0, limit=1)

CASES: dict[str, Case] = {
    "SiteDown": Case(series={WEB: PROBE}, silent=1.75, fires=2.25, over=1.5),
    "ApiDown": Case(series={API: PROBE}, silent=1.75, fires=2.25, over=1.5),
    "SocketDown": Case(series={SOCKET: PROBE}, silent=1.75, fires=2.25, over=1.5),
    "SocketTasksDown": Case(
        series={f"up{{{TASKS[0]}}}": UP, f"up{{{TASKS[1]}}}": Gauge(good=1, bad=0, limit=0),
                'up{job="agent"}': always(1)},
        silent=0.75, fires=1.25, over=2.5,
    ),
    "SiteUnheard": Case(
        series={f'probe_failed_due_to_regex{{{AT_API}}}': Gauge(good=0, bad=1, limit=0),
                f'probe_http_status_code{{{AT_API}}}': Gauge(good=200, bad=403, limit=403)},
        silent=4.75, fires=5.25, over=0.5,
    ),
    "ProbesSlow": Case(
        series={'probe_duration_seconds{job="probe",check="api"}': Gauge(good=0.2, bad=3.1, limit=3),
                'probe_success{job="probe",check="api"}': always(1)},
        silent=5, fires=8, over=16,
    ),
    "CertificateExpiry": Case(
        series={f'{CHAIN_EXPIRY}{{job="probe",check="web",authority="public"}}':
                Gauge(good=30 * 86400, bad=14 * 86400, limit=14 * 86400 + 7200)},
        silent=14.5, fires=15.5, over=0.5,
    ),
    "InternalCertificateExpiry": Case(
        series={f'{CHAIN_EXPIRY}{{job="probe",check="socket",authority="internal"}}':
                Gauge(good=12 * 3600, bad=2 * 3600, limit=3 * 3600)},
        silent=14.5, fires=15.5, over=0.5,
    ),
    "SocketConnections": Case(
        series={f"socket_connections{{{TASKS[0]}}}": Gauge(good=5, bad=2001, limit=2000)},
        silent=9.5, fires=10.5, over=0.5,
    ),
    "SocketRooms": Case(
        series={f"battle_rooms{{{task}}}": Gauge(good=5, bad=251, limit=250) for task in TASKS},
        silent=9.5, fires=10.5, over=0.5,
    ),
    "SocketDisconnects": Case(
        series={f"socket_connections{{{TASKS[0]}}}": always(100),
                f"socket_disconnects_total{{{TASKS[0]}}}": Counter(good=1, bad=13, limit=12.4)},
        silent=10, fires=15.5, over=5.5,
    ),
    "SocketRestarts": Case(
        series={f"up{{{TASKS[0]}}}": always(1), START % 5: always(-3600),
                **{START % task: Gauge(good="_", bad=1200, limit="_" if task == 10 else 1200)
                   for task in (6, 7, 8, 9, 10)}},
        silent=0.75, fires=1.5, over=57.5,
    ),
    "SocketCpu": Case(
        series={f"process_cpu_seconds_total{{{TASKS[0]}}}": Counter(good=1, bad=12.2, limit=11.9)},
        silent=10, fires=15.5, over=5.5,
    ),
    "SocketMemory": Case(
        series={f"process_resident_memory_bytes{{{TASKS[0]}}}":
                Gauge(good=90e6, bad=456340280, limit=456340275)},
        silent=9.5, fires=10.5, over=0.5,
    ),
    "SupabaseConnections": Case(
        series={'connection_stats_connection_count{job="supabase",username="other"}':
                Gauge(good=5, bad=41, limit=40),
                'connection_stats_connection_count{job="supabase",username="authenticator"}': always(40),
                'max_connections_connection_count{job="supabase"}': always(100)},
        silent=9, fires=11, over=1.5, step=60,
    ),
    "SupabaseCpu": Case(
        series={f'node_cpu_seconds_total{{job="supabase",service_type="db",mode="idle",cpu="{cpu}"}}':
                Counter(good=50, bad=5.9, limit=6.1) for cpu in (0, 1)},
        silent=15, fires=22, over=6, step=60,
    ),
    "SupabaseLongQuery": Case(
        series={'pg_stat_activity_xact_runtime{job="supabase"}': Gauge(good=1, bad=301, limit=300)},
        silent=4, fires=6, over=1.5, step=60,
    ),
    "SupabaseDeadlocks": Case(
        series={'pg_stat_database_deadlocks_total{job="supabase"}':
                Counter(good=0, bad=0.25, limit=0.14)},
        silent=5, fires=20, over=16, step=60,
    ),
    "SupabasePoolWait": Case(
        series={'pgbouncer_pools_client_maxwait_seconds{job="supabase"}': Gauge(good=0, bad=5.1, limit=5)},
        silent=4, fires=6, over=1.5, step=60,
    ),
    "SupabaseAuthFailures": Case(
        series={AUTH % 400: Counter(good=1, bad=31, limit=29),
                AUTH % 200: Counter(good=99, bad=69, limit=71)},
        silent=15, fires=22, over=16, step=60,
    ),
    "SupabaseSilent": Case(series={'up{job="supabase"}': UP}, silent=14, fires=16, over=1.5, step=60),
    "ProbesMissing": Case(
        series={WEB: always(1), API: Gauge(good=1, bad="stale", limit=1), SOCKET: always(1)},
        silent=4.75, fires=5.25, over=0.5,
    ),
    # Whoever dies while it writes from afar leaves no mark.
    "AgentSilent": Case(series={'up{job="agent"}': Gauge(good=1, bad="_", limit=1)},
                        silent=5.5, fires=6.25, over=0.5),
    "SocketTasksMissing": Case(
        series={f"up{{{TASKS[0]}}}": always(1), f"up{{{TASKS[1]}}}": Gauge(good=1, bad="stale", limit=1),
                'up{job="agent"}': always(1)},
        silent=9.5, fires=10.5, over=0.5,
    ),
    "ChannelFails": Case(
        series={'alertmanager_notifications_failed_total{job="alertmanager",integration="slack"}':
                Counter(good=0, bad=1, limit=0),
                'alertmanager_notifications_failed_total{job="alertmanager",integration="webhook"}':
                Counter(good=1, bad=1, limit=1)},
        silent=4.75, fires=6, over=16,
    ),
    "RulesFail": Case(
        series={'prometheus_rule_evaluation_failures_total{job="prometheus",rule_group="policy"}':
                Counter(good=0, bad=1, limit=0)},
        silent=4.75, fires=6, over=16,
    ),
}  # fmt: skip
BURNING = {rule.name for rule in BURNS}


def timeline(case: Case, hold: float, kind: str = "bad") -> dict[str, Values]:
    """`lead` minutes of good, `hold` minutes of `kind`, and good until it must be over."""
    per_minute = 60 // case.step
    kinds = [
        *["good"] * round(case.lead * per_minute),
        *[kind] * round(hold * per_minute),
        *["good"] * round((case.over + 2) * per_minute),
    ]
    return {name: gauge.values(kinds) for name, gauge in case.series.items()}


@pytest.mark.parametrize("name", CASES)
def test_a_rule_fires_past_its_limit_in_its_time_and_is_over_afterwards(
    promtool: Promtool, name: str
) -> None:
    case = CASES[name]
    hold = case.fires + 2
    checks = [
        Check(case.lead - 1, {}),
        Check(case.lead + case.silent, {}),
        Check(case.lead + case.fires, {name: case.number, **case.with_it}),
        Check(case.lead + hold + case.over, {}),
    ]
    assert promtool.judge(timeline(case, hold), checks, step=case.step, only=[name]) == ""


@pytest.mark.parametrize("name", CASES)
def test_a_rule_does_not_fire_at_its_limit(promtool: Promtool, name: str) -> None:
    case = CASES[name]
    series = timeline(case, case.fires + 2, "limit")
    checks = [Check(case.lead + minute, {}) for minute in (case.fires, case.fires + 2, case.fires + 3)]
    assert promtool.judge(series, checks, step=case.step, only=[name]) == ""


def test_every_rule_that_has_a_series_has_a_case(watched: Settings) -> None:
    judged = {rule.name for rule in rules_of(watched)}
    assert judged == {*CASES, *BURNING, WATCHDOG}
    assert {rule.name for rule in RULES} - judged == {
        rule.name for rule in RULES if Exporter.BACKUP in rule.needs
    }


def test_each_case_would_be_caught_with_another_threshold(program: Path, tmp_path: Path) -> None:
    """The case of a rule is about that rule's number: with a looser one it fails."""
    rules = {"groups": [{"name": "x", "rules": [
        {"alert": "SocketConnections", "expr": 'socket_connections{job="socket"} > 2001', "for": "10m"}
    ]}]}  # fmt: skip
    case = CASES["SocketConnections"]
    found = Promtool(program, tmp_path, rules).judge(
        timeline(case, case.fires + 2), [Check(case.lead + case.fires, {"SocketConnections": 1})]
    )
    assert "exp:" in found


# --- what the limits are not about -------------------------------------------------------------------------


def test_the_watchdog_fires_from_the_first_evaluation_on(promtool: Promtool) -> None:
    checks = [Check(minute, {WATCHDOG: 1}) for minute in (0, 1, 600)]
    assert promtool.judge({}, checks, only=[WATCHDOG], leave_out=()) == ""


def test_a_quiet_hour_is_no_loss_of_connections(promtool: Promtool) -> None:
    series: Series = {
        f"socket_connections{{{TASKS[0]}}}": [4] * 200,
        f"socket_disconnects_total{{{TASKS[0]}}}": counted([2] * 200),
    }
    assert promtool.judge(series, [Check(45, {})], only=["SocketDisconnects"]) == ""


@pytest.mark.parametrize(("life", "firing"), [(6, {"SocketRestarts": 1}), (15, {})])
def test_one_task_of_two_that_dies_again_and_again_is_seen(
    promtool: Promtool, life: int, firing: dict[str, int]
) -> None:
    """The other one is well, and what died is at work again a minute later."""
    minutes = 120
    lives = {
        START % (6 + number): ["_"] * (4 * start) + [60 * start] * (4 * life - 4) + ["_"] * (4 * minutes)
        for number, start in enumerate(range(0, minutes, life))
    }
    series: Series = {
        **lives,
        START % 5: [0] * 4 * minutes,
        **{f"up{{{t}}}": [1] * 4 * minutes for t in TASKS},
    }
    assert promtool.judge(series, [Check(100, firing)], only=["SocketRestarts"]) == ""


def test_a_certificate_of_an_internal_authority_is_not_late_while_it_has_hours(promtool: Promtool) -> None:
    """It never has fourteen days; one of a public authority that has hours is late."""
    rules = ["CertificateExpiry", "InternalCertificateExpiry"]
    expiry = CHAIN_EXPIRY + '{job="probe",authority="%s"}'
    hours: Series = {expiry % "internal": [5 * 3600] * 200}
    assert promtool.judge(hours, [Check(minute, {}) for minute in (20, 45)], only=rules) == ""
    public: Series = {expiry % "public": [5 * 3600] * 200}
    assert promtool.judge(public, [Check(20, {"CertificateExpiry": 1})], only=rules) == ""


def test_few_requests_to_auth_are_no_failure_rate(promtool: Promtool) -> None:
    series: Series = {AUTH % 400: counted([1] * 60), AUTH % 200: counted([0.2] * 60)}
    assert promtool.judge(series, [Check(50, {})], step=60, only=["SupabaseAuthFailures"]) == ""


def test_tasks_that_are_gone_are_down_and_an_agent_that_is_gone_says_nothing_of_them(
    promtool: Promtool,
) -> None:
    """Scaled to zero there is nothing to scrape; without the agent nobody scrapes."""
    gone: list[float | str] = [1.0] * 40 + ["stale"] * 60
    rules = ["SocketTasksDown", "AgentSilent"]
    scaled: Series = {f"up{{{TASKS[0]}}}": gone, 'up{job="agent"}': [1] * 100}
    assert promtool.judge(scaled, [Check(12, {"SocketTasksDown": 1})], only=rules) == ""
    unsaid: Series = dict.fromkeys((f"up{{{TASKS[0]}}}", 'up{job="agent"}'), [1.0] * 40 + ["_"] * 60)
    assert promtool.judge(unsaid, [Check(12, {}), Check(17, {"AgentSilent": 1})], only=rules) == ""


def test_metrics_that_cannot_be_read_are_no_outage_while_the_server_answers(promtool: Promtool) -> None:
    unread: Series = {
        **{f"up{{{task}}}": [1.0] * 40 + [0.0] * 80 for task in TASKS},
        'up{job="agent"}': [1] * 120, SOCKET: [1] * 120,
    }  # fmt: skip
    rules = ["SocketTasksDown", "SocketTasksMissing", "SocketDown"]
    checks = [Check(12, {}), Check(25, {"SocketTasksMissing": 1})]
    assert promtool.judge(unread, checks, only=rules) == ""
    down: Series = {**unread, SOCKET: [1.0] * 40 + [0.0] * 80}
    checks = [Check(11.5, {"SocketTasksDown": 1}), Check(13, {"SocketTasksDown": 1, "SocketDown": 1})]
    assert promtool.judge(down, checks, only=rules) == ""


@pytest.mark.parametrize(("status", "matched"), [(403, 1), (429, 1), (307, 1), (401, 0)])
def test_what_vercel_answers_in_the_apps_place_is_no_outage_and_a_broken_page_is(
    promtool: Promtool, status: int, matched: int
) -> None:
    """Minute 10 to 60: Vercel's answer. Then the page itself is broken."""
    at_web = AT_API.replace('"api"', '"web"').replace("api/health", "")

    def at(before: float, unheard: float, broken: float) -> Values:
        return [before] * 40 + [unheard] * 200 + [broken] * 120

    failing = at(1, 0, 0)
    series: Series = {
        WEB: failing, API: failing, SOCKET: [1] * 360,
        **{f"probe_failed_due_to_regex{{{labels}}}": at(0, matched, 0) for labels in (at_web, AT_API)},
        **{f"probe_http_status_code{{{labels}}}": at(200, status, 500) for labels in (at_web, AT_API)},
    }  # fmt: skip
    rules = ["SiteDown", "ApiDown", "SiteUnheard", *BURNING]
    checks = [
        Check(12.5, {}), *(Check(minute, {"SiteUnheard": 2}) for minute in (16, 30, 59)),
        Check(61.5, {}), Check(62.5, {"SiteDown": 1, "ApiDown": 1}),
    ]  # fmt: skip
    assert promtool.judge(series, checks, only=rules) == ""


def test_without_its_second_look_a_failed_probe_is_an_outage(promtool: Promtool) -> None:
    assert promtool.judge({WEB: [0] * 80}, [Check(5, {"SiteDown": 1})], only=["SiteDown"]) == ""


# --- noise, and the error budget ---------------------------------------------------------------------------

MINUTES_OF_A_TEST = 7 * 60


def probed(*outages: tuple[float, float], minutes: int = MINUTES_OF_A_TEST) -> Values:
    """Probes each 15 seconds: they fail from the first minute of an outage to its second, both included."""
    return [
        0 if any(start <= number / 4 <= end for start, end in outages) else 1
        for number in range(minutes * 4 + 1)
    ]


def all_probes(values: Values) -> dict[str, Values]:
    """Each probe with its duration, the time-out where it fails, and two tasks that are well."""
    probes = (WEB, API, SOCKET)
    slow: Values = [0.2 if value == 1 else 8.0 for value in values]
    well: Values = [1] * (MINUTES_OF_A_TEST * 4)
    return {
        **dict.fromkeys(probes, values),
        **{each.replace("probe_success", "probe_duration_seconds"): slow for each in probes},
        **{f"up{{{labels}}}": well for labels in ('job="agent"', *TASKS)},
    }


def test_one_failed_probe_a_minute_pages_by_no_rule(promtool: Promtool) -> None:
    values = [0 if number % 4 == 1 else 1 for number in range(MINUTES_OF_A_TEST * 4)]
    checks = [Check(minute + second / 60, {}) for minute in range(1, 400, 7) for second in (0, 15, 30, 45)]
    assert promtool.judge(all_probes(values), checks, every=60) == ""
    # and with the policy judged as often as it really is
    only = [rule.name for rule in RULES if rule.name not in BURNING]
    assert promtool.judge(all_probes(values), checks, only=only) == ""


def test_one_failed_probe_a_minute_burns_no_budget_in_three_days(promtool: Promtool) -> None:
    values = [0 if number % 4 == 1 else 1 for number in range(3 * 24 * 60 * 4)]
    assert promtool.judge({WEB: values}, [Check(4300, {})], every=60, only=BURNING) == ""


def test_three_failed_minutes_in_a_row_page_once_and_burn_no_second_time(promtool: Promtool) -> None:
    """The outage alert tells it; the burning budget adds nothing, neither during it nor afterwards."""
    checks = [
        Check(101, {}),
        Check(103, {"SiteDown": 1}),
        *(Check(minute, {}) for minute in range(106, 400, 5)),
    ]
    assert promtool.judge({**all_probes(probed()), WEB: probed((100, 103))}, checks, every=60) == ""


def test_short_outages_that_come_again_page_through_the_budget(promtool: Promtool) -> None:
    """Each too short for the outage alert. The second within an hour is past 14.4 times the budget."""
    once = [Check(minute, {}) for minute in (102, 104, 110, 160)]
    assert promtool.judge({WEB: probed((100, 101.25))}, once, every=60, only=["SiteDown", *BURNING]) == ""
    again = [Check(128, {}), Check(135.5, {"AvailabilityFast": 1}), Check(150, {})]
    for second in (0, 0.25, 0.5, 0.75):  # of the minute at which it begins
        flapping = probed(*((start + second, start + second + 1.25) for start in (100, 130)))
        judged = promtool.judge({WEB: flapping}, again, every=60, only=["SiteDown", *BURNING])
        assert judged == "", second


def test_the_slow_window_sees_what_the_fast_one_forgets(promtool: Promtool) -> None:
    """Three short outages within six hours, more than an hour apart, are past 6 times the budget."""
    outages = [(start, start + 1.25) for start in (60, 180, 300)]
    checks = [Check(185, {}), Check(304, {"AvailabilitySlow": 1}), Check(340, {})]
    assert promtool.judge({WEB: probed(*outages)}, checks, every=60, only=BURNING) == ""


def test_a_budget_that_is_used_up_in_three_days_is_a_ticket(promtool: Promtool) -> None:
    hours = [7 * hour * 60 for hour in range(1, 9)]
    four = [(start, start + 1.25) for start in hours[:4]]
    five = [(start, start + 1.25) for start in hours[:5]]
    for outages, firing in ((four, {}), (five, {"AvailabilityCreep": 1})):
        series = {WEB: probed(*outages, minutes=3 * 24 * 60)}
        check = Check(hours[4] + 10, firing)
        assert promtool.judge(series, [check], every=60, only=BURNING) == ""


REFUSED = f'battle_connects_total{{{TASKS[0]},result="refused"}}'
OK = f'battle_connects_total{{{TASKS[0]},result="ok"}}'


@pytest.mark.parametrize(
    ("name", "share", "limit", "minutes"),
    [
        ("BattleConnectFast", 0.15, 0.14, 90),
        ("BattleConnectSlow", 0.061, 0.059, 400),
        ("BattleConnectCreep", 0.011, 0.009, 400),
    ],
)
def test_failing_connects_are_noticed_past_their_share_and_forgotten_afterwards(
    promtool: Promtool, name: str, share: float, limit: float, minutes: int
) -> None:
    def connects(failing: float, minutes: int, after: int) -> Series:
        steps = [failing] * minutes + [0.0] * after
        return {REFUSED: counted(s * 100 for s in steps), OK: counted((1 - s) * 100 for s in steps)}

    judge = partial(promtool.judge, step=60, every=60, only=[name])
    assert (
        judge(connects(share, minutes, 400), [Check(minutes - 1, {name: 1}), Check(minutes + 390, {})]) == ""
    )
    assert judge(connects(limit, minutes, 1), [Check(minutes - 1, {})]) == ""


def test_a_few_unlucky_players_are_no_failing_share(promtool: Promtool) -> None:
    few: Series = {REFUSED: counted([0.1] * 60), OK: counted([0.1] * 60)}
    assert promtool.judge(few, [Check(59, {})], step=60, every=60, only=["BattleConnectFast"]) == ""
    more: Series = {REFUSED: counted([0.3] * 60), OK: counted([0.3] * 60)}
    fires = Check(59, {"BattleConnectFast": 1})
    assert promtool.judge(more, [fires], step=60, every=60, only=["BattleConnectFast"]) == ""


def test_a_strangers_handshake_in_a_quiet_night_is_no_failing_share(promtool: Promtool) -> None:
    quiet, minutes = [0.01] * 4000, 4000  # forty connects in three days
    for strangers, firing in ((4, {}), (6, {"BattleConnectCreep": 1})):
        refused = [0.0] * (minutes - 60) + [strangers / 10] * 10 + [0.0] * 50
        series: Series = {REFUSED: counted(refused), OK: counted(quiet)}
        judge = partial(promtool.judge, step=60, every=60, only=["BattleConnectCreep"])
        assert judge(series, [Check(minutes - 5, firing)]) == ""


# --- what each stack renders -------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [staging, production])
def test_promtool_takes_what_each_stack_renders(
    program: Path, tmp_path: Path, make: Callable[[], StackFile]
) -> None:
    file = monitored(make())
    plain = file.settings()
    file.set_secret("SUPABASE_METRICS_KEY", "sb_secret_of_the_metrics")
    for number, settings in enumerate((plain, file.settings())):
        folder = tmp_path / str(number)
        folder.mkdir()
        tool = Promtool(program, folder, {})
        render(settings, folder)
        for arguments in (
            ("check", "config", "--syntax-only", "prometheus.yml"),
            ("check", "config", "--syntax-only", "--agent", "agent.yml"),
            ("check", "rules", "rules.yml"),
        ):
            done = tool.run(*arguments)
            assert done.returncode == 0, done.stdout + done.stderr
        assert "0 rules found" not in done.stdout


def render(settings: Settings, folder: Path) -> None:
    (folder / "prometheus.yml").write_text(
        _dump(prometheus_yml(settings)).replace("/etc/prometheus/rules.yml", str(folder / "rules.yml"))
    )
    (folder / "agent.yml").write_text(_dump(agent_yml(settings)))
    (folder / "rules.yml").write_text(_dump(rules_yml(settings)))


def _dump(content: object) -> str:
    return yaml.safe_dump(content, width=1000)


def test_prometheus_runs_what_is_rendered_and_emits_the_series_of_its_own_rules(
    watched: Settings, tmp_path: Path
) -> None:
    prometheus = packages.program("prometheus", "prometheus", print)
    render(watched, tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = processes.start(
        [prometheus, f"--config.file={tmp_path / 'prometheus.yml'}",
         f"--storage.tsdb.path={tmp_path / 'data'}", "--web.external-url=https://monitor.example/prometheus",
         "--web.enable-remote-write-receiver",
         f"--web.listen-address=127.0.0.1:{port}"],
        tmp_path / "log", {},
    )  # fmt: skip

    def metrics() -> str:
        try:
            url = f"http://127.0.0.1:{port}/prometheus/metrics"
            with urllib.request.urlopen(url, timeout=10) as answer:
                return str(answer.read().decode())
        except OSError:
            return ""

    try:
        for group in ("policy", "objectives"):
            line = f'prometheus_rule_evaluation_failures_total{{rule_group="{tmp_path}/rules.yml;{group}"}} 0'
            processes.wait_until(lambda line=line: line in metrics() or process.poll() is not None, 120)  # type: ignore[misc]
            assert line in metrics(), (tmp_path / "log").read_text()
    finally:
        processes.end([process.pid], 30)
