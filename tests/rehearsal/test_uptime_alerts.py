"""The monitors on real engines: what they declare is stable, and what they see reaches the channels in time.

All durations are those that production renders: nothing is shortened. Both stacks of one home are watched.
Production has an outage in the background (`outage`), while staging goes through its own day in the order of
the tests: most of either is waiting, which the rows bound, with slack for a slow machine.
"""

import contextlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from operations.services.monitor import Monitor
from plan import alerts
from plan.alerts.policy import TASKS_DOWN
from plan.alerts.rule import Rule
from plan.alerts.series import SERIES, Exporter, Proof
from plan.uptime.alertmanager import PAGE_INTERVAL
from plan.uptime.names import USER
from plan.uptime.prometheus import longest_silence
from rehearsal import docker_hosts, home, monitor_host, stack_files
from rehearsal.docker_engine import Engine, processes
from rehearsal.home import engines
from rehearsal.outside import Outside
from rehearsal.receiver import Message
from tests.harness import DockerHome
from tests.rehearsal.test_canary import forms

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a Docker engine"),
]

SLACK = 240  # seconds that a slow machine may take for its own part
LATE = 60  # seconds that it may add to what the rows say
CHATS = ("discord", "slack")
ALSO = ("PAGERDUTY_KEY", "SUPABASE_METRICS_KEY")  # what production alone has
OWN = ("DISCORD_WEBHOOK_URL", "SLACK_WEBHOOK_URL", "WATCHDOG_URL", "MONITOR_PASSWORD")
SECRETS = {"staging": OWN, "production": (*OWN, *ALSO)}
PROGRAM = ("__main__.py", "plan", "components", "operations")


@dataclass
class Watched:
    """A home whose stacks are watched."""

    home: DockerHome
    outside: Outside
    monitors: dict[str, Monitor]
    told: str  # everything that the engine said while the monitors were made

    def scale(self, engine: Engine, service: str, replicas: int) -> None:
        """By hand, as an accident would; and wait until it is so."""
        with contextlib.closing(engine.client()) as client:
            found = client.services.get(service)
            found.scale(replicas)
            assert processes.wait_until(
                lambda: sum(t["Status"]["State"] == "running" for t in found.tasks()) == replicas, SLACK, 0.5
            )

    def messages(self, channel: str, about: str) -> list[Message]:
        """What a channel has accepted about a service, such as `production: web`."""
        return [m for m in self.outside.receiver.messages(channel) if m.answered < 300 and about in m.title]

    def await_message(
        self, channel: str, about: str, *, resolved: bool, seconds: float, since: float
    ) -> float:
        """Seconds from `since` (wall clock) to the first such message after it."""

        def found() -> list[Message]:
            return [m for m in self.messages(channel, about) if m.resolved is resolved and m.at > since]

        assert processes.wait_until(lambda: bool(found()), seconds + SLACK, 0.2), (
            channel, about, self.outside.receiver.messages(channel),
        )  # fmt: skip
        return found()[0].at - since

    def pings(self, stack: str) -> int:
        """How often a stack's dead-man's switch was told that all is well."""
        return sum(
            message.body["commonLabels"]["stack"] == stack
            for message in self.outside.receiver.messages("watchdog")
        )


def both(work: Callable[[str], Any]) -> dict[str, Any]:
    """What comes of it for each stack, side by side."""
    with ThreadPoolExecutor() as pool:
        return dict(zip(home.STACKS, pool.map(work, home.STACKS), strict=True))


@pytest.fixture(scope="module")
def watched(docker_home: DockerHome) -> Iterator[Watched]:
    for key in ALSO:
        value = stack_files.made_up("production", key)
        docker_home.operations("set", key, "--stack", "production", stdin=value).ok()
    monitor_host.name(docker_home.home, docker_home.images)
    with Outside(docker_home.home) as outside:
        said = both(lambda stack: docker_home.pulumi("preview", "-s", stack, "--diff").ok().text)
        said |= {f"{stack} up": up.text for stack, up in both(lambda s: docker_home.up(s, "--diff")).items()}
        monitors = {
            stack: Monitor(
                monitor_host.url(docker_home.home, stack), docker_home.config(stack, "MONITOR_PASSWORD")
            )
            for stack in home.STACKS
        }
        yield Watched(docker_home, outside, monitors, "\n".join(said.values()))
        for monitor in monitors.values():
            monitor.close()


def rule(name: str) -> Rule:
    [found] = [one for one in alerts.RULES if one.name == name]
    return found


def engines_of(watched: Watched) -> tuple[Engine, Engine]:
    return engines(watched.home.folder)


# --- all is well --------------------------------------------------------------------------------------------


def test_a_second_up_a_refresh_and_a_preview_change_nothing(watched: Watched) -> None:
    def again(stack: str) -> None:
        run = watched.home.pulumi
        run("up", "-s", stack, "--yes", "--skip-preview", "--expect-no-changes").ok()
        run("refresh", "-s", stack, "--yes", "--skip-preview", "--expect-no-changes").ok()
        run("preview", "-s", stack, "--expect-no-changes").ok()

    both(again)


def test_no_secret_of_the_monitor_is_told_or_stored_in_the_clear(watched: Watched) -> None:
    assert "uptime-prometheus" in watched.told
    for stack in home.STACKS:
        stored = json.dumps(watched.home.export(stack))
        assert "uptime-prometheus" in stored
        values = {key: watched.home.config(stack, key) for key in SECRETS[stack]}
        assert all(len(value) > 8 for value in values.values())
        for text in (watched.told, stored):
            assert [key for key, value in values.items() if _told(value, text)] == []


def _told(value: str, text: str) -> bool:
    return any(form in text.encode() for form in forms(value))


def test_the_pages_and_the_write_endpoint_ask_for_the_password(watched: Watched) -> None:
    for stack in home.STACKS:
        at = monitor_host.url(watched.home.home, stack)
        for path in ("/prometheus/", "/alertmanager/", "/prometheus/api/v1/write", "/"):
            assert requests.get(at + path, timeout=30).status_code == 401, path
            wrong = requests.get(at + path, timeout=30, auth=(USER, "wrong"))
            assert wrong.status_code == 401, path


@pytest.mark.parametrize("stack", home.STACKS)
def test_every_check_answers_and_every_task_is_scraped(watched: Watched, stack: str) -> None:
    monitor = watched.monitors[stack]
    assert _eventually(lambda: monitor_host.answering(monitor) == {"web": True, "api": True, "socket": True})
    assert _eventually(lambda: len(monitor.query('up{job="socket"} == 1')) == 2)
    assert f"paintshare-uptime-check/1 (stack {stack})" in watched.outside.web.agents
    assert _eventually(lambda: monitor.healthy_for("web") > timedelta())
    assert monitor.healthy_for("socket") > timedelta()
    assert [a for a in monitor.open_alerts() if a.page] == []


def test_every_series_of_the_rules_is_emitted_by_whom_the_rows_name(watched: Watched) -> None:
    seen = [s for s in SERIES if s.proof is Proof.SEEN and s.exporter is not Exporter.MONITOR]
    assert seen
    query = watched.monitors["production"].query
    # Prometheus and Alertmanager have a `process_…` of their own.
    jobs = {Exporter.SOCKET: "socket", Exporter.BLACKBOX: "probe"}
    assert [s.name for s in seen if not query(f'count({s.name}{{job="{jobs[s.exporter]}"}})')] == []


# --- production's outage, in the background -----------------------------------------------------------------


@dataclass
class Outage:
    """What came of it: seconds to the first message and to the resolved one, by channel and service."""

    first: dict[tuple[str, str], float] = field(default_factory=dict)
    over: dict[tuple[str, str], float] = field(default_factory=dict)
    pages: set[str] = field(default_factory=set)
    healthy: list[datetime | None] = field(default_factory=list)


WEB, SOCKET = "production: web", "production: socket"
PAGES = {TASKS_DOWN, "SiteDown"}


def pages(monitor: Monitor) -> set[str]:
    """Names of the P1 alerts that fire and that nothing silences."""
    return {a.name for a in monitor.open_alerts() if a.page}


def suffer(watched: Watched) -> Outage:
    """No task of the socket server, a web app that answers 500, and a channel that fails: all at once."""
    found, receiver, web = Outage(), watched.outside.receiver, watched.outside.web
    monitor, (socket_host, _) = watched.monitors["production"], engines_of(watched)
    domain = docker_hosts.config(watched.home.home, "production")["webDomain"]
    receiver.answer("pagerduty", 500)
    web.status.update({f"{domain}/": 500, f"{domain}/api/health": 500})
    began = {WEB: time.time()}
    watched.scale(socket_host, "paintshare-production-socket", 0)
    began[SOCKET] = time.time()
    for about, name in ((SOCKET, TASKS_DOWN), (WEB, "SiteDown")):
        limit = longest_silence(rule(name))
        for channel in CHATS:
            found.first[channel, about] = watched.await_message(
                channel, about, resolved=False, seconds=limit, since=began[about]
            )
    # The web app's two checks may be noticed an evaluation apart; from then on SiteDown silences ApiDown.
    processes.wait_until(lambda: pages(monitor) == PAGES, SLACK, 1)
    found.pages = pages(monitor)
    found.healthy = [monitor.healthy_since(service) for service in ("web", "socket")]

    receiver.answer("pagerduty", None)
    web.status.clear()
    watched.scale(socket_host, "paintshare-production-socket", 2)
    mended = time.time()
    for about in (SOCKET, WEB):
        for channel in CHATS:
            found.over[channel, about] = watched.await_message(
                channel, about, resolved=True, seconds=300, since=mended
            )
    return found


@pytest.fixture(scope="module")
def outage(watched: Watched) -> Iterator[Future[Outage]]:
    with ThreadPoolExecutor() as pool:
        yield pool.submit(suffer, watched)


# --- staging's day meanwhile --------------------------------------------------------------------------------


@pytest.mark.soak
@pytest.mark.usefixtures("outage")
def test_failing_battle_connects_are_p2_and_page_nobody(watched: Watched) -> None:
    monitor, since = watched.monitors["staging"], time.time()

    def refuse() -> bool:
        for _ in range(10):
            _refused(watched)
        return any(a.name == "BattleConnectFast" for a in monitor.open_alerts())

    assert _eventually(refuse, 400, every=2)
    [found] = [a for a in monitor.open_alerts() if a.name == "BattleConnectFast"]
    assert (found.severity, found.service) == ("p2", "socket")
    assert _receivers(watched, "BattleConnectFast") == ["notify"]
    told = [m for m in watched.outside.receiver.messages() if m.at > since and "P1 staging" in m.title]
    assert told == []
    print(f"\nBattleConnectFast fires {time.time() - since:.0f} s after the first refused connect")


def _refused(watched: Watched) -> None:
    """A handshake from an origin that the socket server does not admit."""
    endpoint = docker_hosts.endpoint(watched.home.home, "staging")
    status, _ = endpoint.get("/socket.io/?EIO=4&transport=polling")
    assert status == 403


def _receivers(watched: Watched, name: str) -> list[str]:
    at = monitor_host.url(watched.home.home, "staging")
    auth = (USER, watched.home.config("staging", "MONITOR_PASSWORD"))
    found: list[dict[str, Any]] = requests.get(
        f"{at}/alertmanager/api/v2/alerts", auth=auth, timeout=30
    ).json()
    return [r["name"] for one in found if one["labels"]["alertname"] == name for r in one["receivers"]]


@pytest.mark.soak
@pytest.mark.usefixtures("outage")
def test_a_silent_alertmanager_is_missed_by_the_dead_mans_switch(watched: Watched) -> None:
    _, host = engines_of(watched)
    before = watched.pings("staging")
    assert _eventually(lambda: watched.pings("staging") > before)
    watched.scale(host, "paintshare-staging-monitor-alertmanager", 0)
    silent = watched.pings("staging")
    time.sleep(PAGE_INTERVAL + 30)
    assert watched.pings("staging") == silent
    watched.scale(host, "paintshare-staging-monitor-alertmanager", 1)
    assert _eventually(lambda: watched.pings("staging") > silent)


def test_an_edited_row_renews_one_config_updates_one_service_and_keeps_the_history(
    watched: Watched, tmp_path: Path
) -> None:
    """A threshold in a copy of the program, previewed and applied as any edit is."""
    rehearsed, monitor = watched.home, watched.monitors["staging"]
    oldest = 'min_over_time(timestamp(probe_success{check="web"})[1h:15s])'
    before, tasks = monitor.query(oldest)[0].value, _tasks(watched)
    _edit_row(rehearsed, tmp_path, "SocketConnections", "threshold=2000", "threshold=1500")
    try:
        planned = rehearsed.operations_planned("staging")
        configs = {name: step for name, step in planned.items() if "-rules-yml-" in name}
        assert sorted(configs.values()) == ["create", "delete"]
        assert {name: step for name, step in planned.items() if name not in configs} == {
            "uptime-prometheus": "update"
        }
        shown = rehearsed.pulumi("preview", "-s", "staging", "--diff").ok().text
        assert shown.count("rules-yml") >= 2
        rehearsed.up("staging")
        rehearsed.pulumi("preview", "-s", "staging", "--expect-no-changes").ok()
    finally:
        _restore_program(rehearsed)
    assert _eventually(lambda: "> 1500" in _rules(watched))
    changed = {name for name, task in _tasks(watched).items() if task != tasks[name]}
    assert changed == {"paintshare-staging-monitor-prometheus"}
    assert abs(monitor.query(oldest)[0].value - before) < 60
    assert _eventually(
        lambda: monitor.query('timestamp(probe_success{check="web"})')[0].value > time.time() - 60
    )


def test_a_service_that_keeps_its_old_configuration_fails_each_up_until_it_takes_the_new_one(
    watched: Watched, tmp_path: Path
) -> None:
    """A configuration that Alertmanager refuses, in a copy of the program: Swarm goes back without a word."""
    rehearsed, name = watched.home, "paintshare-staging-monitor-alertmanager"
    _copy_program(tmp_path)
    rendered = tmp_path / "plan" / "uptime" / "alertmanager.py"
    rendered.write_text(rendered.read_text().replace('"receiver": "notify"', '"receiver": "nowhere"'))
    up = ("up", "-s", "staging", "--yes", "--skip-preview")
    _run_program_of(rehearsed, tmp_path)
    try:
        for _ in range(2):  # the first one notes the new configuration as applied
            failed = rehearsed.pulumi(*up)
            assert failed.code
            assert f"the new settings of {name}" in failed.text
    finally:
        _restore_program(rehearsed)
    rehearsed.up("staging")
    rehearsed.pulumi(*up, "--expect-no-changes").ok()


def _edit_row(rehearsed: DockerHome, folder: Path, name: str, old: str, new: str) -> None:
    """Let the home run a copy of the program in which one row of the policy is another."""
    _copy_program(folder)
    rows = folder / "plan" / "alerts" / "policy.py"
    before, found, after = rows.read_text().partition(f'name="{name}"')
    assert found
    assert old in after
    rows.write_text(before + found + after.replace(old, new, 1))
    _run_program_of(rehearsed, folder)


def _copy_program(folder: Path) -> None:
    for part in PROGRAM:
        source = home.CLONE / part
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / part)


def _restore_program(rehearsed: DockerHome) -> None:
    _run_program_of(rehearsed, home.CLONE)


def _run_program_of(rehearsed: DockerHome, folder: Path) -> None:
    project = rehearsed.folder / "Pulumi.yaml"
    content = yaml.safe_load(project.read_text())
    content["main"] = os.path.relpath(folder, rehearsed.folder)
    project.write_text(yaml.safe_dump(content, sort_keys=False))


def _tasks(watched: Watched) -> dict[str, list[str]]:
    """Service on the monitoring host -> ids of the tasks that run."""
    found: dict[str, list[str]] = {}
    with contextlib.closing(engines_of(watched)[1].client()) as client:
        for service in client.services.list():
            running = [t["ID"] for t in service.tasks() if t["Status"]["State"] == "running"]
            found[service.name] = sorted(running)
    return found


def _rules(watched: Watched) -> str:
    at = monitor_host.url(watched.home.home, "staging")
    auth = (USER, watched.home.config("staging", "MONITOR_PASSWORD"))
    answer = requests.get(f"{at}/prometheus/api/v1/rules", auth=auth, timeout=30)
    return json.dumps(answer.json(), ensure_ascii=False)  # as text, it has > escaped


# --- the end of production's outage -------------------------------------------------------------------------


@pytest.mark.soak
def test_dead_services_page_both_channels_in_time_and_are_resolved_once(
    watched: Watched, outage: Future[Outage]
) -> None:
    found = outage.result()
    limits = {about: longest_silence(rule(name)) for about, name in ((SOCKET, TASKS_DOWN), (WEB, "SiteDown"))}
    print(f"\nfirst messages {_seconds(found.first)}; by the rows {limits}; resolved {_seconds(found.over)}")
    for (channel, about), after in found.first.items():
        assert after <= limits[about] + LATE, (channel, about)
    assert found.pages == PAGES
    assert found.healthy == [None, None]
    time.sleep(PAGE_INTERVAL)  # a second one would come by then
    for about in (SOCKET, WEB):
        for channel in CHATS:
            said = [m.resolved for m in watched.messages(channel, about) if "P1" in m.title or m.resolved]
            # A second check of the web app that was noticed later is told in a message of its own.
            right = [[False, True], [False, False, True]] if about == WEB else [[False, True]]
            assert said in right, (channel, about, said)
    pager = watched.outside.receiver.messages("pagerduty")
    assert any(m.answered == 500 for m in pager)
    assert {m.resolved for m in pager if m.answered < 300} >= {True}


def _seconds(of: dict[tuple[str, str], float]) -> str:
    return ", ".join(f"{about} to {channel} {after:.0f} s" for (channel, about), after in of.items())


def test_a_monitor_without_a_host_goes_from_where_it_is_and_leaves_its_history(watched: Watched) -> None:
    rehearsed, (socket_host, monitor) = watched.home, engines_of(watched)
    before, theirs = _objects(socket_host), _objects(monitor)
    rehearsed.edit("staging", monitorHost=None)
    planned = rehearsed.operations_planned("staging")
    assert set(planned.values()) == {"delete"}
    assert {"uptime-prometheus", "uptime-proxy", "agent-agent"} <= planned.keys()
    assert not [name for name in planned if name.startswith(("socket", "web", "gate"))]
    rehearsed.up("staging")
    left = {name for name in _objects(monitor) if "staging" in name}
    assert {name.partition(" ")[0] for name in left} == {"volume"}
    assert "volume paintshare-staging-monitor-data" in left
    assert {name for name in theirs if "production" in name} <= _objects(monitor)
    gone = before - _objects(socket_host)
    assert gone
    assert all("paintshare-staging-agent" in name for name in gone)
    rehearsed.pulumi("preview", "-s", "staging", "--expect-no-changes").ok()


def _objects(engine: Engine) -> set[str]:
    """Kind and name of everything that stacks have on an engine."""
    with contextlib.closing(engine.client()) as client:
        found = {f"service {each.name}" for each in client.services.list()}
        found |= {f"config {each.name}" for each in client.configs.list()}
        found |= {f"secret {each.name}" for each in client.secrets.list()}
        found |= {f"network {each.name}" for each in client.networks.list()}
        found |= {f"volume {each.name}" for each in client.volumes.list()}
    return {name for name in found if "paintshare-" in name}


def _eventually(condition: Callable[[], object], seconds: float = 180, every: float = 1) -> bool:
    deadline = time.monotonic() + seconds + SLACK
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True
