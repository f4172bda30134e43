"""Where alerts go, judged by a running Alertmanager with a stack's configuration: channels, hours, silence.

The configuration is the rendered one; only the addresses of its channels are a receiver's on this machine.
Working hours are judged under clocks that were set (tests/rehearsal/alertmanager).
"""

import contextlib
import json
import re
import socket
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import hypothesis
import pytest
import yaml
from hypothesis import strategies as st

from plan.alerts import RULES
from plan.alerts.policy import WATCHDOG
from plan.alerts.rule import Severity
from plan.settings import Settings
from plan.uptime.alertmanager import TOLD_FIRING, alertmanager_yml
from plan.uptime.prometheus import rules_yml
from rehearsal.docker_engine import packages, processes
from rehearsal.receiver import Message, Receiver, addresses
from tests.builders import StackFile, monitored, production, staging
from tests.rehearsal import alertmanager as clocked

pytestmark = pytest.mark.real

SEOUL = ZoneInfo("Asia/Seoul")


@pytest.fixture(scope="module")
def amtool() -> Path:
    return packages.program("amtool", "prometheus-alertmanager", print)


@pytest.fixture(scope="module")
def program() -> Path:
    return clocked.build()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        yield made


def told(receiver: Receiver, *, stack: str = "production") -> StackFile:
    """A stack whose channels are the receiver's."""
    at = addresses(receiver.url)
    file = monitored(production() if stack == "production" else staging(), pagerdutyUrl=at["pagerduty_url"])
    file.set_secret("DISCORD_WEBHOOK_URL", at["discord"])
    file.set_secret("SLACK_WEBHOOK_URL", at["slack"])
    file.set_secret("PAGERDUTY_KEY", at["pagerduty"])
    file.set_secret("WATCHDOG_URL", at["watchdog"])
    return file


@dataclass(frozen=True)
class Running:
    """An Alertmanager, and where its messages arrive."""

    url: str
    log: Path
    receiver: Receiver
    settings: Settings

    def send(self, *names: str, **labels: str) -> None:
        """These rules fire, with the labels that Prometheus would send."""
        rules = {
            r["alert"]: r for g in rules_yml(self.settings)["groups"] for r in g["rules"] if "alert" in r
        }
        alerts = [
            {
                "labels": {"alertname": name, "stack": "production", **rules[name]["labels"], **labels},
                "annotations": rules[name]["annotations"],
            }
            for name in names
        ]
        self.post(alerts)

    def post(self, alerts: list[dict[str, Any]]) -> None:
        request = urllib.request.Request(  # noqa: S310  our own server
            f"{self.url}/api/v2/alerts", json.dumps(alerts).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30):  # noqa: S310  the same
            pass

    def metrics(self) -> str:
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=30) as answer:  # noqa: S310  our own server
            return str(answer.read().decode())

    def said(self, words: str) -> bool:
        return words in self.log.read_text()


@contextlib.contextmanager
def running(
    program: Path,
    folder: Path,
    file: StackFile,
    receiver: Receiver,
    env: Mapping[str, str] | None = None,
    **faster: str,
) -> Iterator[Running]:
    """A running Alertmanager. `faster`: waits of the P2 route that a test shortens."""
    settings = file.settings()
    config = alertmanager_yml(settings)
    config["route"]["routes"][-1].update(faster)
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(config))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder / "log"
    process = processes.start(
        [program, f"--config.file={folder / 'alertmanager.yml'}", f"--storage.path={folder / 'data'}",
         f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=", "--log.level=debug"],
        log, env or {},
    )  # fmt: skip
    try:
        found = Running(f"http://127.0.0.1:{port}", log, receiver, settings)
        processes.wait_until(lambda: _ready(found.url) or process.poll() is not None, 300)
        assert process.poll() is None, log.read_text()
        yield found
    finally:
        processes.end([process.pid], 30)


def _ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/-/ready", timeout=5) as answer:  # noqa: S310  our own server
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.fixture
def alertmanager(program: Path, tmp_path: Path, receiver: Receiver) -> Iterator[Running]:
    with running(program, tmp_path, told(receiver), receiver) as found:
        yield found


def by_channel(messages: list[Message]) -> dict[str, list[Message]]:
    found: dict[str, list[Message]] = {}
    for message in messages:
        found.setdefault(message.channel, []).append(message)
    return found


# --- the configuration -------------------------------------------------------------------------------------


@pytest.mark.parametrize("stack", ["staging", "production"])
def test_amtool_takes_what_each_stack_renders(
    amtool: Path, tmp_path: Path, receiver: Receiver, stack: str
) -> None:
    file = told(receiver, stack=stack)
    for number, left_out in enumerate([(), ("PAGERDUTY_KEY", "WATCHDOG_URL"), ("SLACK_WEBHOOK_URL",)]):
        for key in left_out:
            file.drop_secret(key)
        config = tmp_path / f"{number}.yml"
        config.write_text(yaml.safe_dump(alertmanager_yml(file.settings())))
        done = subprocess.run([amtool, "check-config", config], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


_PARTS = st.lists(
    st.sampled_from(
        ["", "https://", "HTTP://", "https:", "//", "u:p@", "hooks.slack.com", "a.example", "[::1]", ":443",
         ":x", "/", "/services/T1/B1/x", "/api/webhooks/1/x-_", "/v2/enqueue", "/ping/x", "/../x", "%41", "%",
         "%zz", "?", "?a=b&c=%20", "??/", "#f", " ", "{{ .x }}", "<secret>", "\\", "$X", "*", "한", "\u200b",
         "\n", "'", '"'],
    ) | st.text(max_size=2),
    max_size=5,
).map("".join)  # fmt: skip
_SOUND = {
    "DISCORD_WEBHOOK_URL": "https://discord.com/api/webhooks/1/x",
    "SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/T1/B1/x",
    "PAGERDUTY_KEY": "0" * 32,
    "WATCHDOG_URL": "https://a.example/ping/x",
    "pagerdutyUrl": "https://events.pagerduty.com/v2/enqueue",
}


def _told_at(at: dict[str, str]) -> StackFile:
    file = monitored(production(), pagerdutyUrl=at["pagerdutyUrl"])
    for key in _SOUND.keys() - {"pagerdutyUrl"}:
        file.set_secret(key, at[key])
    return file


_ODD = st.tuples(  # what an address may hold: scheme, user and host, what follows its path
    st.sampled_from(["https://", "HTTP://", "http://u@", "https://u.1:p~@"]),
    st.sampled_from(["a.example", "A", "x-_.9:1", "10.0.0.1:65535", "localhost"]),
    st.sampled_from(["", "?", "?a=b&c=%20", "??'()*"]) | st.text("aZ09._~!$&'()*+,;=:@-", max_size=3),
)


@st.composite
def _near(draw: st.DrawFn) -> dict[str, str]:
    """Where alerts go: each address odd, or with some text in it that it may not hold."""
    found = {}
    for key, sound in _SOUND.items():
        if draw(st.booleans()):
            scheme, host, end = draw(_ODD)
            found[key] = f"{scheme}{host}/{sound.removeprefix('https://').partition('/')[2]}{end}"
        else:
            at = draw(st.integers(0, len(sound)))
            found[key] = sound[:at] + draw(_PARTS) + sound[draw(st.sampled_from([0, at, len(sound)])) :]
    return found


@hypothesis.settings(max_examples=4, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(st.lists(_near(), min_size=12, max_size=12))
@hypothesis.example([{**_SOUND, key: value.removeprefix("https://")} for key, value in _SOUND.items()])
@hypothesis.example(
    [_SOUND | {"pagerdutyUrl": url} for url in ("https://a.example", "x", "", "ftp://a/v2/enqueue")]
)
def test_amtool_takes_every_address_that_preflight_lets_through(
    amtool: Path, tmp_path_factory: pytest.TempPathFactory, tried: list[dict[str, str]]
) -> None:
    folder, files = tmp_path_factory.mktemp("configs"), []
    for number, one in enumerate(tried):
        refused = {problem.key for problem in _told_at(one).check(staging()).problems}
        files.append(folder / f"{number}.yml")
        let_through = _SOUND | {key: value for key, value in one.items() if key not in refused}
        files[-1].write_text(yaml.safe_dump(alertmanager_yml(_told_at(let_through).settings())))
    done = subprocess.run([amtool, "check-config", *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("SUCCESS") == len(files)


@pytest.mark.parametrize(
    ("labels", "to"),
    [
        ({"alertname": "SiteDown", "severity": "p1"}, "page"),
        ({"alertname": "SocketCpu", "severity": "p2"}, "notify"),
        ({"alertname": WATCHDOG, "severity": "p2"}, "watchdog"),
        ({"alertname": "SomethingNew"}, "page"),
        ({"alertname": "SomethingNew", "severity": "p3"}, "page"),
    ],
)
def test_every_alert_has_a_receiver(
    amtool: Path, tmp_path: Path, receiver: Receiver, labels: dict[str, str], to: str
) -> None:
    config = tmp_path / "alertmanager.yml"
    config.write_text(yaml.safe_dump(alertmanager_yml(told(receiver).settings())))
    done = subprocess.run(
        [amtool, "config", "routes", "test", f"--config.file={config}",
         *(f"{key}={value}" for key, value in labels.items())],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == [to]


def test_these_tests_run_the_version_that_the_rehearsal_runs() -> None:
    debian = packages.program("prometheus-alertmanager", "prometheus-alertmanager", print)
    said = subprocess.run([debian, "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"version (\d+\.\d+\.\d+)", said.stdout + said.stderr)
    assert found
    assert found[1] == clocked.VERSION


# --- channels ----------------------------------------------------------------------------------------------


def test_p1_reaches_every_channel_with_what_to_do(alertmanager: Running) -> None:
    alertmanager.send("SiteDown", service="web", check="web")
    receiver = alertmanager.receiver
    everywhere = {"discord", "slack", "pagerduty"}
    assert receiver.wait(lambda r: by_channel(r.messages()).keys() >= everywhere, 120)
    for channel, [message] in by_channel(receiver.messages()).items():
        assert message.answered in (200, 202, 204), (channel, message.text)
        assert message.title == "P1 production: web"
        assert not message.resolved
        assert "docs/runbook.md#the-site-is-down" in message.text
    [discord] = receiver.messages("discord")
    assert "**SiteDown**: " in discord.text


def test_a_channel_that_fails_does_not_keep_the_others_from_hearing(alertmanager: Running) -> None:
    alertmanager.receiver.answer("slack", 500)
    alertmanager.send("SocketDown", service="socket", check="socket")
    good = {"discord", "pagerduty"}
    assert alertmanager.receiver.wait(lambda r: by_channel(r.messages()).keys() >= {*good, "slack"}, 120)
    for channel in good:
        assert [m.answered < 300 for m in alertmanager.receiver.messages(channel)] == [True]
    failed = re.compile(
        r'alertmanager_notifications_failed_total\{integration="slack"\} [1-9]'
    )  # ChannelFails
    assert processes.wait_until(lambda: bool(failed.search(alertmanager.metrics())), 120)
    alertmanager.receiver.answer("slack", None)
    assert alertmanager.receiver.wait(lambda r: r.messages("slack")[-1].answered == 200, 120)


def test_a_huge_group_is_told_within_what_the_channels_take(alertmanager: Running) -> None:
    """Discord refuses 257 characters of a title and 4097 of a text: a page that nobody would get."""
    long = "ü" * 3000
    alerts = [
        {
            "labels": {"alertname": f"A{number}{long}", "severity": "p1", "service": long, "stack": long},
            "annotations": {"summary": long, "runbook": f"https://runbook.example/{long}"},
        }
        for number in range(300)
    ]
    alertmanager.post(alerts)
    receiver, everywhere = alertmanager.receiver, {"discord", "slack", "pagerduty"}
    assert receiver.wait(lambda r: by_channel(r.messages()).keys() >= everywhere, 120)
    for channel, (message, *_) in by_channel(receiver.messages()).items():
        assert message.answered in (200, 202, 204), (channel, message.title)
        assert message.title.startswith("P1 ")
        count = '"num_firing": "300"' if channel == "pagerduty" else "In all 300 alerts fire and 0 are over."
        assert count in message.text
        assert message.text.count("https://runbook.example/") == TOLD_FIRING
    over = {"endsAt": "2026-01-01T00:00:00Z", "startsAt": "2025-12-31T00:00:00Z"}
    alertmanager.post([{**one, **over} for one in alerts])
    assert receiver.wait(lambda r: any(m.resolved for m in r.messages("discord")), 180)
    assert {m.answered for m in receiver.messages("discord")} == {204}


def test_an_outage_silences_the_rest_of_its_service_and_nothing_of_another(alertmanager: Running) -> None:
    alertmanager.send("SiteDown", service="web", check="web")
    alertmanager.send("ApiDown", "ProbesSlow", "AvailabilityFast", service="web", check="api")
    alertmanager.send("SocketTasksDown")
    alertmanager.send("SocketDown", service="socket", check="socket")
    alertmanager.send("ProbesMissing")
    assert alertmanager.receiver.wait(lambda r: len(r.messages("discord")) >= 3, 120)
    assert processes.wait_until(lambda: alertmanager.said("ProbesMissing"), 60)
    with urllib.request.urlopen(f"{alertmanager.url}/api/v2/alerts", timeout=30) as answer:  # noqa: S310
        state = {a["labels"]["alertname"]: a["status"]["state"] for a in json.load(answer)}
    assert {name for name, found in state.items() if found == "active"} == {
        "SiteDown", "SocketTasksDown", "ProbesMissing",
    }  # fmt: skip
    text = "".join(m.title + m.text for m in alertmanager.receiver.messages("discord"))
    assert not re.search("ApiDown|ProbesSlow|Availability|SocketDown", text)


def test_the_watchdog_reaches_its_switch_and_no_person(alertmanager: Running) -> None:
    alertmanager.send(WATCHDOG)
    alertmanager.send("ProbesMissing")  # has a message of its own, a little later
    assert alertmanager.receiver.wait(lambda r: r.messages("watchdog") and r.messages("discord"), 120)
    assert WATCHDOG not in "".join(m.text for m in alertmanager.receiver.messages("discord"))


def test_without_a_switch_the_watchdog_is_silent(program: Path, tmp_path: Path, receiver: Receiver) -> None:
    file = told(receiver)
    file.drop_secret("WATCHDOG_URL")
    with running(program, tmp_path, file, receiver) as found:
        found.send(WATCHDOG)
        found.send("ProbesMissing")
        assert receiver.wait(lambda r: r.messages("discord"), 120)
        assert {m.channel for m in receiver.messages()} <= {"discord", "slack", "pagerduty"}


# --- working hours -----------------------------------------------------------------------------------------

# A P2 alert that is told 30 s after it arises, at these times in Seoul. March 2026 begins on a Sunday.
MOMENTS = {
    "a Monday before nine": ("2026-03-02 08:59:00", False),
    "a Monday after nine": ("2026-03-02 09:00:05", True),
    "a Wednesday at noon": ("2026-03-04 12:00:00", True),
    "a Thursday at three in the night, Wednesday in London": ("2026-03-05 03:00:00", False),
    "a Friday before six": ("2026-03-06 17:59:00", True),
    "a Friday after six": ("2026-03-06 18:00:05", False),
    "a Saturday at noon": ("2026-03-07 12:00:00", False),
    "a Sunday at noon": ("2026-03-08 12:00:00", False),
    "a summer's Monday after nine, when London's clock is another": ("2026-07-06 09:00:05", True),
}  # fmt: skip
OUTSIDE = "Notifications not sent, route is not within active time"


@pytest.fixture(scope="module")
def heard(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Running]]:
    """At each moment: what has come of a P1 and a P2, all at once, because each takes half a minute."""
    with contextlib.ExitStack() as stack:
        found = {}
        for name, (moment, _) in MOMENTS.items():
            receiver = stack.enter_context(Receiver())
            env = clocked.at(datetime.fromisoformat(moment).replace(tzinfo=SEOUL))
            folder = tmp_path_factory.mktemp("clock")
            found[name] = stack.enter_context(running(program, folder, told(receiver), receiver, env))
            found[name].send("ProbesMissing")
            found[name].send("BattleConnectFast")
        yield found


@pytest.mark.parametrize("name", MOMENTS)
def test_p2_is_told_in_working_hours_and_p1_at_any(heard: dict[str, Running], name: str) -> None:
    told, within = heard[name], MOMENTS[name][1]
    assert told.receiver.wait(lambda r: _titles(r, "pagerduty") == ["P1 production: monitor"], 120)
    if within:
        expected = ["P1 production: monitor", "P2 production: socket"]
        for channel in ("discord", "slack"):
            assert told.receiver.wait(lambda r, c=channel: _titles(r, c) == expected, 120)  # type: ignore[misc]
        assert not told.said(OUTSIDE)
    else:
        assert processes.wait_until(lambda: told.said(OUTSIDE), 120)
        assert (
            _titles(told.receiver, "discord") == _titles(told.receiver, "slack") == ["P1 production: monitor"]
        )
    assert _titles(told.receiver, "pagerduty") == ["P1 production: monitor"]


def test_what_arises_at_night_is_told_in_the_morning(
    program: Path, tmp_path: Path, receiver: Receiver
) -> None:
    """The wait between two looks is shortened from five minutes; the hours are the rendered ones."""
    env = clocked.at(datetime(2026, 3, 3, 8, 59, 20, tzinfo=SEOUL))
    faster = {"group_wait": "1s", "group_interval": "10s"}
    with running(program, tmp_path, told(receiver), receiver, env, **faster) as found:
        found.send("BattleConnectFast")
        assert processes.wait_until(lambda: found.said(OUTSIDE), 120)
        assert receiver.messages() == []
        assert receiver.wait(lambda r: r.messages("discord") and r.messages("slack"), 180)
        assert _titles(receiver, "discord") == ["P2 production: socket"]


def _titles(receiver: Receiver, channel: str) -> list[str]:
    return [message.title for message in receiver.messages(channel)]


def test_the_rules_of_these_tests_have_the_severities_they_stand_for() -> None:
    severity = {rule.name: rule.severity for rule in RULES}
    assert severity["ProbesMissing"] is Severity.P1
    assert severity["BattleConnectFast"] is Severity.P2
