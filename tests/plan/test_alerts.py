"""The rows of the alert policy: complete, of known series only, and what the plan (§4) asks for."""

import dataclasses
import re

import pytest
import yaml

from plan.alerts import RULES, rules_of
from plan.alerts.objectives import AVAILABILITY, BURNS, CONNECTS, FAST, OBJECTIVES, SLOW, bad_minutes, unheard
from plan.alerts.policy import TASKS_DOWN, WATCHDOG
from plan.alerts.rule import Rule, Severity
from plan.alerts.series import BAD_MINUTE, SERIES, UNHEARD, Exporter, Proof
from plan.traffic import VERCEL_RULES, VercelRule, vercel_rules
from plan.uptime.prometheus import rules_yml
from rehearsal.stack_files import ROOT
from tests.builders import monitored, production, staging

BY_NAME = {rule.name: rule for rule in RULES}
KNOWN = {series.name: series for series in SERIES}
FUNCTIONS = {
    "absent_over_time", "avg", "avg_over_time", "bool", "by", "clamp_max", "clamp_min", "count",
    "count_over_time",
    "increase", "last_over_time", "max", "max_over_time", "on", "or", "and", "unless", "quantile_over_time",
    "rate", "sum", "sum_over_time", "time", "vector", "integration", "check",
}  # fmt: skip


def series_in(expression: str) -> set[str]:
    """Names of the series of an expression: what is left without matchers, windows and functions."""
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\$\w+", " ", expression)
    return set(re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]*", bare)) - FUNCTIONS


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_uses_only_series_whose_exporter_it_names(rule: Rule) -> None:
    used = series_in(rule.expr)
    assert used <= KNOWN.keys()
    # `up` and ALERTS are made by Prometheus for whatever it scrapes and judges.
    assert {KNOWN[name].exporter for name in used} <= rule.needs | {Exporter.MONITOR}


def test_no_series_is_listed_that_no_rule_uses() -> None:
    used = set().union(*(series_in(rule.expr) for rule in RULES), series_in(unheard()["expr"]))
    assert set(KNOWN) == used


def test_no_rule_is_rendered_that_nobody_emits_a_series_for() -> None:
    missing = {series.exporter for series in SERIES if series.proof is Proof.MISSING}
    assert missing == {Exporter.BACKUP}
    file = monitored(production())
    file.set_secret("SUPABASE_METRICS_KEY", "sb_secret_x")
    assert {rule.name for rule in RULES} - {rule.name for rule in rules_of(file.settings())} == {
        "BackupStale"
    }


def test_names_that_only_supabases_documents_vouch_for_are_marked() -> None:
    for series in SERIES:
        assert (series.proof is Proof.DOCUMENTED) == (series.exporter is Exporter.SUPABASE)
        assert series.proof is Proof.SEEN or series.note


def test_the_sample_server_emits_the_series_of_its_rules() -> None:
    source = (ROOT / "rehearsal/images/socket-server/server.js").read_text()
    own = {s.name for s in SERIES if s.exporter is Exporter.SOCKET and not s.name.startswith("process_")}
    assert own == set(re.findall(r'name: "(\w+)"', source))
    assert "collectDefaultMetrics()" in source  # process_…


def test_each_name_is_used_once() -> None:
    names = [*(rule.name for rule in RULES), *(rule.name for rule in VERCEL_RULES)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("rule", [*RULES, *VERCEL_RULES], ids=lambda rule: rule.name)
def test_a_rule_leads_into_the_runbook(rule: Rule | VercelRule) -> None:
    headings = re.findall(r"^#+ (.+)$", (ROOT / "docs/runbook.md").read_text(), re.MULTILINE)
    assert rule.runbook in {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}
    assert rule.summary


def test_a_rule_says_of_which_service_it_is_or_its_series_do() -> None:
    """An alert without one would be silenced by the outage of any other without one."""
    for rule in RULES:
        assert rule.service or rule.needs & {Exporter.BLACKBOX}, rule.name


# --- the plan's numbers --------------------------------------------------------------------------------


def test_what_the_plan_calls_p1_is_p1() -> None:
    assert BY_NAME["SiteDown"].for_ == BY_NAME["SocketDown"].for_ == "2m"
    for name in ("SiteDown", "ApiDown", "SocketDown", TASKS_DOWN):
        assert BY_NAME[name].severity is Severity.P1
    [high] = [rule for rule in VERCEL_RULES if rule.severity is Severity.P1]
    assert (high.window, high.threshold, high.share) == ("5m", 0.05, True)


def test_what_the_plan_calls_p2_is_p2() -> None:
    found = {rule.name: rule for rule in VERCEL_RULES if rule.severity is Severity.P2}
    assert (found["WebErrors"].window, found["WebErrors"].threshold) == ("15m", 0.01)
    assert (found["ApiLatency"].threshold, found["ApiLatency"].aggregation) == (500, "p95")
    assert BY_NAME["CertificateExpiry"].threshold == 14


def test_all_four_objectives_of_the_plan_are_there() -> None:
    assert len(OBJECTIVES) == 4
    assert (AVAILABILITY.objective, CONNECTS.objective) == (0.999, 0.99)
    assert {rule.threshold for rule in VERCEL_RULES if rule.window == "1d"} == {500, 0.01}


def test_burn_rates_are_the_workbooks_in_bad_minutes() -> None:
    """14.4 x 0.1 % of an hour are 0.864 minutes, 6 x 0.1 % of six hours 2.16, 0.1 % of three days 4.32."""
    assert bad_minutes(AVAILABILITY, FAST, "1h") == 1
    assert bad_minutes(AVAILABILITY, SLOW, "6h") == 3
    # One bad minute in an hour is less downtime than the policy allows (§4.2): two are asked for.
    thresholds = [rule.threshold for rule in BURNS if rule.name.startswith("Availability")]
    assert thresholds == [2, 3, 5]
    assert [r.threshold for r in BURNS if r.name.startswith("BattleConnect")] == [0.144, 0.06, 0.01]


def test_failing_connects_page_nobody_at_night() -> None:
    assert {r.severity for r in BURNS if r.name.startswith("BattleConnect")} == {Severity.P2}


def test_latency_and_error_rate_are_judged_where_the_traffic_is_seen() -> None:
    for rule in RULES:
        assert "http_request" not in rule.expr
    assert all(rule.metric.startswith("vercel.") for rule in VERCEL_RULES)


def test_vercels_rules_are_declared_only_where_the_stack_file_says_so() -> None:
    assert vercel_rules(production(vercelAlerts=True).settings()) == VERCEL_RULES
    assert vercel_rules(production(vercelAlerts=False).settings()) == ()


def test_vercels_windows_are_among_those_it_offers() -> None:
    assert {rule.window for rule in VERCEL_RULES} <= {"5m", "15m", "1h", "1d"}


# --- rendering -----------------------------------------------------------------------------------------


def test_a_changed_threshold_changes_its_rule_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = monitored(staging()).settings()
    before = rules_yml(settings)["groups"]
    changed = tuple(
        dataclasses.replace(rule, threshold=1234) if rule.name == "SocketConnections" else rule
        for rule in RULES
    )
    monkeypatch.setattr("plan.alerts.RULES", changed)
    after = rules_yml(settings)["groups"]
    pairs = [(a, b) for old, new in zip(before, after, strict=True)
             for a, b in zip(old["rules"], new["rules"], strict=True) if a != b]  # fmt: skip
    [(_, rule)] = pairs
    assert rule["expr"] == 'socket_connections{job="socket"} > 1234'


def test_a_stack_without_a_socket_server_is_asked_nothing_about_one() -> None:
    file = monitored(staging())
    file.config.update(socketRelease="", socketDigest="")
    names = {rule.name for rule in rules_of(file.settings())}
    assert not {name for name in names if "Socket" in name or "Agent" in name or "Battle" in name}
    assert {"SiteDown", "ApiDown", WATCHDOG} <= names


def test_the_limits_of_a_task_come_from_the_stack_file() -> None:
    text = yaml.safe_dump(
        rules_yml(monitored(staging(), socketMemoryMib=100, socketMilliCpus=500).settings())
    )
    assert "/ 104857600 > 0.85" in text
    assert "/ 0.5 > 0.8" in text


def test_every_rendered_alert_has_severity_summary_and_runbook() -> None:
    for group in rules_yml(monitored(production()).settings())["groups"]:
        for rule in group["rules"]:
            if rule.get("record") in (BAD_MINUTE, UNHEARD):
                continue
            assert rule["labels"]["severity"] in {"p1", "p2"}
            assert "$for_" not in rule["annotations"]["summary"]
            link = "https://github.com/paintshare-demo/share-paint-infra/blob/main/docs/runbook.md#"
            assert rule["annotations"]["runbook"].startswith(link)
