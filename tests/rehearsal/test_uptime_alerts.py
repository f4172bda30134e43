"""The monitor on real engines: what it declares is stable, and what it sees reaches the channels in time.

All durations are those that production renders: nothing is shortened. One home is watched by one monitor, and
the tests are stations of one day in their order; what they wait for is bounded by the rows, with slack for a
slow machine.
"""

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import requests

from operations.monitor import Monitor
from plan import alerts, uptime
from rehearsal import docker_hosts, monitor_host, stack_files
from rehearsal.docker_engine import Engine, processes
from rehearsal.outside import Outside
from rehearsal.receiver import Message
from tests.harness import DockerHome
from tests.rehearsal.test_canary import forms

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a Docker engine"),
]

STACK = "production"
PREFIX = f"paintshare-{STACK}"
SLACK = 240  # seconds that a slow machine may add to what the rows say
SECRETS = ("DISCORD_WEBHOOK_URL", "SLACK_WEBHOOK_URL", "PAGERDUTY_KEY", "WATCHDOG_URL", "MONITOR_PASSWORD")


@dataclass
class Watched:
    """A home whose production stack is watched."""

    home: DockerHome
    outside: Outside
    monitor: Monitor
    told: str  # everything that the engine said while the monitor was made

    def scale(self, engine: Engine, service: str, replicas: int) -> None:
        """By hand, as an accident would; and wait until it is so."""
        with contextlib.closing(engine.client()) as client:
            found = client.services.get(service)
            found.scale(replicas)
            assert processes.wait_until(
                lambda: sum(t["Status"]["State"] == "running" for t in found.tasks()) == replicas, SLACK
            )

    def messages(self, channel: str, service: str) -> list[Message]:
        """What a channel has accepted about a service."""
        return [m for m in self.outside.receiver.messages(channel) if m.answered < 300 and service in m.title]

    def await_message(
        self, channel: str, service: str, *, resolved: bool, seconds: float, since: float
    ) -> float:
        """Seconds from `since` (wall clock) to the first such message after it."""

        def found() -> list[Message]:
            return [m for m in self.messages(channel, service) if m.resolved is resolved and m.at > since]

        assert processes.wait_until(lambda: bool(found()), seconds + SLACK), (
            channel, service, self.outside.receiver.messages(channel), self.monitor.open_alerts(),
        )  # fmt: skip
        return found()[0].at - since


@pytest.fixture(scope="module")
def watched(docker_home: DockerHome) -> Iterator[Watched]:
    docker_home.operations(
        "set", "PAGERDUTY_KEY", "--stack", STACK, stdin=stack_files.made_up(STACK, "PAGERDUTY_KEY")
    ).ok()
    docker_home.edit(STACK, **monitor_host.keys(docker_home.home, STACK, docker_home.images))
    with Outside(docker_home.home) as outside:
        preview = docker_home.pulumi("preview", "-s", STACK, "--diff").ok()
        up = docker_home.pulumi("up", "-s", STACK, "--yes", "--skip-preview", "--diff").ok()
        monitor = Monitor(
            monitor_host.url(docker_home.home, STACK), docker_home.config(STACK, "MONITOR_PASSWORD")
        )
        yield Watched(docker_home, outside, monitor, preview.text + up.text)
        monitor.close()


def rule(name: str) -> alerts.Rule:
    [found] = [one for one in alerts.RULES if one.name == name]
    return found


def engine_of(watched: Watched) -> tuple[Engine, Engine]:
    return docker_hosts.engines(watched.home.folder)


def test_a_second_up_a_refresh_and_a_preview_change_nothing(watched: Watched) -> None:
    home = watched.home
    home.pulumi("up", "-s", STACK, "--yes", "--skip-preview", "--expect-no-changes").ok()
    home.pulumi("refresh", "-s", STACK, "--yes", "--skip-preview", "--expect-no-changes").ok()
    home.pulumi("preview", "-s", STACK, "--expect-no-changes").ok()


def test_no_secret_of_the_monitor_is_told_or_stored_in_the_clear(watched: Watched) -> None:
    values = [watched.home.config(STACK, key) for key in SECRETS]
    stored = json.dumps(watched.home.export(STACK))
    assert "uptime-prometheus" in stored
    assert "uptime-prometheus" in watched.told
    for text in (watched.told, stored):
        assert [key for key, value in zip(SECRETS, values, strict=True) if _told(value, text)] == []


def _told(value: str, text: str) -> bool:
    return any(form in text.encode() for form in forms(value))


def test_the_pages_and_the_write_endpoint_ask_for_the_password(watched: Watched) -> None:
    at = monitor_host.url(watched.home.home, STACK)
    for path in ("/prometheus/", "/alertmanager/", "/prometheus/api/v1/write", "/"):
        assert requests.get(at + path, timeout=10).status_code == 401, path
        assert requests.get(at + path, timeout=10, auth=("paintshare", "wrong")).status_code == 401, path


def test_every_check_answers_and_every_task_is_scraped(watched: Watched) -> None:
    def answers() -> dict[str, float]:
        return {s.labels["check"]: s.value for s in watched.monitor.query("probe_success")}

    assert _eventually(lambda: answers() == {"web": 1, "api": 1, "socket": 1})
    assert _eventually(lambda: len(watched.monitor.query('up{job="socket"} == 1')) == 2)
    assert watched.outside.web.agents == {f"paintshare-uptime-check/1 (stack {STACK})"}
    assert _eventually(lambda: watched.monitor.healthy_for("web") > timedelta())
    assert watched.monitor.healthy_for("socket") > timedelta()
    assert [a for a in watched.monitor.open_alerts() if a.page] == []


def test_every_series_of_the_rules_is_emitted_by_whom_the_rows_name(watched: Watched) -> None:
    seen = [
        s for s in alerts.SERIES if s.proof is alerts.Proof.SEEN and s.exporter is not alerts.Exporter.MONITOR
    ]
    assert seen
    missing = [s.name for s in seen if not watched.monitor.query(f"count({s.name})")]
    assert missing == []


def test_dead_services_page_both_channels_in_time_and_are_resolved_once(watched: Watched) -> None:
    """No task of the socket server, a web app that answers 500, and a channel that fails: all at once."""
    receiver = watched.outside.receiver
    receiver.answer("pagerduty", 500)
    socket_host, _ = engine_of(watched)
    watched.outside.web.status.update({"/": 500, "/api/health": 500})
    broken = time.time()
    watched.scale(socket_host, f"{PREFIX}-socket", 0)
    gone = time.time()

    tasks_down, site_down = (uptime.longest_silence(rule(name)) for name in (alerts.TASKS_DOWN, "SiteDown"))
    measured = {}
    for channel in ("discord", "slack"):
        measured[channel, "socket"] = watched.await_message(
            channel, "socket", resolved=False, seconds=tasks_down, since=gone
        )
    for channel in ("discord", "slack"):
        measured[channel, "web"] = watched.await_message(
            channel, "web", resolved=False, seconds=site_down, since=broken
        )
    print(f"\nfirst messages after {measured}; by the rows {tasks_down} s (socket), {site_down} s (web)")
    assert {a.name for a in watched.monitor.open_alerts() if a.page} == {alerts.TASKS_DOWN, "SiteDown"}
    assert watched.monitor.healthy_since("socket") is None
    assert watched.monitor.healthy_since("web") is None
    assert any(m.answered == 500 for m in receiver.messages("pagerduty"))

    receiver.answer("pagerduty", None)
    watched.outside.web.status.clear()
    watched.scale(socket_host, f"{PREFIX}-socket", 2)
    mended = time.time()
    for service in ("socket", "web"):
        for channel in ("discord", "slack"):
            after = watched.await_message(channel, service, resolved=True, seconds=300, since=mended)
            measured[channel, service] = after
    print(f"resolved after {measured}")
    for service in ("socket", "web"):
        for channel in ("discord", "slack"):
            said = [m.resolved for m in watched.messages(channel, service) if "P1" in m.title or m.resolved]
            assert said == [False, True], (channel, service)
    assert {m.resolved for m in receiver.messages("pagerduty") if m.answered < 300} >= {True}


def test_failing_battle_connects_are_p2_and_page_nobody(watched: Watched) -> None:
    since = time.time()

    def refuse() -> bool:
        for _ in range(10):
            _refused(watched)
        return any(a.name == "BattleConnectFast" for a in watched.monitor.open_alerts())

    assert _eventually(refuse, 400, every=2)
    [found] = [a for a in watched.monitor.open_alerts() if a.name == "BattleConnectFast"]
    assert (found.severity, found.service) == ("p2", "socket")
    assert _receivers(watched, "BattleConnectFast") == ["notify"]
    told = [m for m in watched.outside.receiver.messages() if m.at > since and "P1" in m.title]
    assert told == []


def _refused(watched: Watched) -> None:
    """A handshake from an origin that the socket server does not admit."""
    endpoint = docker_hosts.endpoint(watched.home.home, STACK)
    status, _ = endpoint.get("/socket.io/?EIO=4&transport=polling")
    assert status == 403


def _receivers(watched: Watched, name: str) -> list[str]:
    at = monitor_host.url(watched.home.home, STACK)
    auth = (uptime.USER, watched.home.config(STACK, "MONITOR_PASSWORD"))
    found: list[dict[str, Any]] = requests.get(
        f"{at}/alertmanager/api/v2/alerts", auth=auth, timeout=10
    ).json()
    return [r["name"] for one in found if one["labels"]["alertname"] == name for r in one["receivers"]]


def test_a_silent_alertmanager_is_missed_by_the_dead_mans_switch(watched: Watched) -> None:
    receiver = watched.outside.receiver
    _, monitor = engine_of(watched)

    def pings() -> int:
        return len(receiver.messages("watchdog"))

    before = pings()
    assert _eventually(lambda: pings() > before)
    watched.scale(monitor, f"{PREFIX}-monitor-alertmanager", 0)
    silent = pings()
    time.sleep(uptime.PAGE_INTERVAL + 30)
    assert pings() == silent
    watched.scale(monitor, f"{PREFIX}-monitor-alertmanager", 1)
    assert _eventually(lambda: pings() > silent)


def test_a_changed_setting_renews_one_config_updates_one_service_and_keeps_the_history(
    watched: Watched,
) -> None:
    home = watched.home
    before = watched.monitor.query('min_over_time(timestamp(probe_success{check="web"})[1h:15s])')[0].value
    home.edit(STACK, apiProbePath="/api/health?deep=1")
    planned = home.operations_planned(STACK)
    configs = {name: step for name, step in planned.items() if "prometheus-yml" in name}
    assert sorted(configs.values()) == ["create", "delete"]
    assert {name: step for name, step in planned.items() if name not in configs} == {
        "uptime-prometheus": "update"
    }
    home.up(STACK)
    assert _eventually(lambda: watched.monitor.query('probe_success{instance=~".*deep=1"} == 1'))
    again = watched.monitor.query('min_over_time(timestamp(probe_success{check="web"})[1h:15s])')[0].value
    assert abs(again - before) < 60
    home.pulumi("preview", "-s", STACK, "--expect-no-changes").ok()


def _eventually(condition: Callable[[], object], seconds: float = 180, every: float = 1) -> bool:
    deadline = time.monotonic() + seconds + SLACK
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True
