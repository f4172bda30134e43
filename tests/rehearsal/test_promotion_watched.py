"""Go or No-Go by what a running monitor says: real Prometheus and Alertmanager, behind a real Caddy.

They run on loopback as they do on a monitoring host, fed with the samples that probes would have left.
"""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.request import Request, urlopen

import pytest

from operations.services.monitor import ADDRESS_VARIABLE
from plan.uptime.blackbox import PROBE_INTERVAL
from rehearsal import demo, home
from rehearsal.docker_engine import packages, processes
from tests.harness import RehearsalHome, Result
from tests.rehearsal import alertmanager as alertmanagers
from tests.rehearsal.test_releases import NEXT, push

_AHEAD: Final = 1800  # seconds of samples that are still to come: whoever asks later is answered too
_PATIENCE: Final = 120
_CONFIG: Final = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"


def port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def samples(healthy: Mapping[str, float]) -> str:
    """Probes of two hours as OpenMetrics: service -> minutes that it has answered by now (0: it does not)."""
    now = int(time.time())
    lines = ["# TYPE probe_success gauge"]
    for service, minutes in healthy.items():
        for at in range(now - 7200, now + _AHEAD, PROBE_INTERVAL):
            value = int(bool(minutes) and at >= now - 60 * minutes)
            lines.append(f'probe_success{{job="probe",service="{service}",check="{service}"}} {value} {at}')
    return "\n".join([*lines, "# EOF", ""])


@contextmanager
def monitor(folder: Path, healthy: Mapping[str, float]) -> Iterator[int]:
    """A monitor that has seen this; yields the port of its proxy."""
    folder.mkdir()
    prometheus = packages.program("prometheus", "prometheus", print)
    alertmanager = alertmanagers.build()
    caddy = packages.program("caddy", "caddy", print)
    front, metrics, alerts = port(), port(), port()
    (folder / "samples").write_text(samples(healthy))
    (folder / "empty.yml").write_text("scrape_configs: []\n")
    (folder / "alerts.yml").write_text(_CONFIG)
    (folder / "Caddyfile").write_text(
        f"{{\n\tadmin off\n\tauto_https off\n}}\nhttp://:{front} {{\n"
        f"\treverse_proxy /prometheus/* 127.0.0.1:{metrics}\n"
        f"\treverse_proxy /alertmanager/* 127.0.0.1:{alerts}\n}}\n"
    )
    blocks = ["tsdb", "create-blocks-from", "openmetrics", "samples", "data"]
    subprocess.run([prometheus.with_name("promtool"), *blocks], cwd=folder, check=True, capture_output=True)
    commands: tuple[list[str | Path], ...] = (
        [
            prometheus, "--config.file=empty.yml", "--storage.tsdb.path=data",
            f"--web.listen-address=127.0.0.1:{metrics}", "--web.external-url=http://localhost/prometheus/",
        ],
        [
            alertmanager, "--config.file=alerts.yml", "--storage.path=kept", "--cluster.listen-address=",
            f"--web.listen-address=127.0.0.1:{alerts}", "--web.external-url=http://localhost/alertmanager/",
        ],
        [caddy, "run", "--config", "Caddyfile", "--adapter", "caddyfile"],
    )  # fmt: skip
    with ExitStack() as stack, (folder / "log").open("w") as log:
        for command in commands:
            started = subprocess.Popen(
                command, cwd=folder, stdout=log, stderr=log,
                env=packages.environment() | {"HOME": str(folder)},
            )  # fmt: skip
            stack.callback(started.wait)
            stack.callback(started.kill)
        ready = (
            f"http://127.0.0.1:{front}/prometheus/-/ready",
            f"http://127.0.0.1:{front}/alertmanager/-/ready",
        )
        assert processes.wait_until(lambda: all(map(answers, ready)), _PATIENCE), (folder / "log").read_text()
        yield front


def answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=10) as answer:  # noqa: S310  loopback
            return bool(answer.status == 200)
    except OSError:
        return False


def page(front: int) -> None:
    """A P1 alert fires, as Prometheus sends it."""
    alert = {
        "labels": {"alertname": "SiteDown", "severity": "p1", "service": "web"},
        "annotations": {"summary": "the site is down"},
        "startsAt": datetime.now(UTC).isoformat(),
    }
    url = f"http://127.0.0.1:{front}/alertmanager/api/v2/alerts"
    body = json.dumps([alert]).encode()
    urlopen(Request(url, body, {"Content-Type": "application/json"}), timeout=10).close()


def promote(watched: RehearsalHome, front: int) -> Result:
    """What `promote` says where both stacks' monitors answer at a port of this machine."""
    for stack in home.STACKS:
        watched.edit(
            stack, monitorHost="unix:///nowhere.sock", monitorDomain=demo.monitor_domain(stack),
            monitorTls="off", monitorHttpPort=front,
        )  # fmt: skip
    return watched.run(
        *(sys.executable, "-m", "operations", "promote", "--stack", "production", "--dry-run"),
        env={ADDRESS_VARIABLE: "127.0.0.1"},
    )


@pytest.fixture(scope="module")
def staged(module_home: RehearsalHome) -> RehearsalHome:
    """Staging runs a release that production does not have yet; nobody waits for its first half hour."""
    push(module_home, NEXT)
    module_home.edit("production", promoteAfterMinutes=0)
    return module_home


def line(said: Result, what: str) -> str:
    [found] = [each for each in said.stdout.splitlines() if what in each]
    return " ".join(found.split())


def test_a_healthy_release_is_a_go_until_a_page_is_open(staged: RehearsalHome, tmp_path: Path) -> None:
    with monitor(tmp_path / "monitor", {"web": 60}) as front:
        said = promote(staged, front)
        assert line(said, "web healthy on staging").startswith("Go web healthy on staging for ")
        assert line(said, "no open P1 alert") == "Go no open P1 alert none fires"
        page(front)
        refused = promote(staged, front).failed()
        assert "No-Go no open P1 alert P1 SiteDown since" in line(refused, "no open P1 alert")
        assert "No-Go: production stays as it is" in refused.stderr


@pytest.mark.parametrize(
    ("minutes", "asked", "evidence"),
    [(0, 0, "the monitor says that it is not"), (60, 30, "promoteAfterMinutes asks for 30")],
)
def test_a_release_that_does_not_answer_or_not_long_enough_is_a_no_go(
    minutes: int, asked: int, evidence: str, staged: RehearsalHome, tmp_path: Path
) -> None:
    staged.edit("production", promoteAfterMinutes=asked)
    with monitor(tmp_path / "monitor", {"web": minutes}) as front:
        refused = promote(staged, front).failed()
    staged.edit("production", promoteAfterMinutes=0)
    found = line(refused, "web healthy on staging")
    assert found.startswith("No-Go")
    assert evidence in found
    assert "python -m operations status --stack staging" in refused.stdout


@pytest.mark.parametrize(
    ("host", "keys"),
    [
        ("unix:///nowhere.sock", "MONITOR_PASSWORD"),
        ("tcp://nowhere:2376", "MONITOR_PASSWORD and SOCKET_HOST_KEY"),
    ],
)
def test_secrets_of_the_other_stack_that_cannot_be_decrypted_are_named_with_what_grants_them(
    host: str, keys: str, applied_home: RehearsalHome
) -> None:
    """Each stack has a passphrase of its own, and a run knows one."""
    change = ("stack", "change-secrets-provider", "passphrase", "--stack", "staging")
    applied_home.pulumi(*change, stdin="staging's own").ok()
    applied_home.edit(
        "staging", monitorHost="unix:///nowhere.sock", socketHost=host,
        socketRelease=NEXT, socketDigest=f"sha256:{'a' * 64}",
    )  # fmt: skip
    refused = applied_home.operations("promote", "--stack", "production", "--dry-run").failed()
    assert f"needs {keys} of stack staging, whose secrets cannot be decrypted here" in refused.stderr
    assert "docs/delivery.md" in refused.stderr


def test_a_silent_monitor_is_a_no_go_and_never_health(staged: RehearsalHome) -> None:
    refused = promote(staged, port()).failed()
    assert "does not answer" in line(refused, "web healthy on staging")
    assert "does not answer" in line(refused, "  alerting")
