"""Reading a monitor: what counts as open and as healthy, and that silence is never health."""

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from operations.services.monitor import Monitor, connected
from operations.stack.workspace import OperationError
from plan.alerts.objectives import FAILED_PROBES
from plan.uptime.blackbox import PROBE_INTERVAL
from tests.builders import production

Answers = dict[str, tuple[int, Any]]


@pytest.fixture
def answers() -> Answers:
    """Start of a path → status and JSON of the answer."""
    return {}


@pytest.fixture
def monitor(answers: Answers) -> Iterator[Monitor]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = next((a for path, a in answers.items() if self.path.startswith(path)), (404, {}))
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        made = Monitor(f"http://127.0.0.1:{server.server_port}", "password")
        yield made
        made.close()
        server.shutdown()


@pytest.fixture
def probed(answers: Answers) -> Callable[..., None]:
    """Let the checks of a service have answered like this, the last probe a second ago: `1` good, `0` failed,
    space none."""

    def set_history(*checks: str) -> None:
        now = datetime.now(UTC).timestamp() - 1
        series = [
            {
                "metric": {"check": str(number)},
                "values": [
                    [now - PROBE_INTERVAL * (len(history) - 1 - index), value]
                    for index, value in enumerate(history)
                    if value != " "
                ],
            }
            for number, history in enumerate(checks)
        ]
        answers["/prometheus/api/v1/query"] = (200, {"data": {"resultType": "matrix", "result": series}})

    return set_history


def ago(since: datetime | None) -> int:
    """Probes ago."""
    assert since is not None
    return round((datetime.now(UTC) - since).total_seconds() / PROBE_INTERVAL)


def alert(name: str, severity: str, at: str) -> dict[str, Any]:
    return {
        "labels": {"alertname": name, "severity": severity, "service": "web"},
        "annotations": {"summary": "down", "runbook": "https://x#y"}, "startsAt": at,
    }  # fmt: skip


def test_open_alerts_are_pages_first_and_the_watchdog_is_none(monitor: Monitor, answers: Answers) -> None:
    answers["/alertmanager/api/v2/alerts"] = (
        200,
        [
            alert("Watchdog", "p2", "2026-03-01T00:00:00.000Z"),
            alert("Slow", "p2", "2026-03-01T00:00:00.000Z"),
            alert("SiteDown", "p1", "2026-03-02T03:04:05.678Z"),
        ],
    )
    found = monitor.open_alerts()
    assert [one.name for one in found] == ["SiteDown", "Slow"]
    assert found[0].page
    assert found[0].text == "P1 SiteDown since 2026-03-02 03:04 UTC: down"


def test_a_service_is_healthy_since_the_first_answer_after_it_failed(
    monitor: Monitor, probed: Callable[..., None]
) -> None:
    probed("111" + "0" * FAILED_PROBES + "11111")
    assert ago(monitor.healthy_since("web")) == 4
    assert monitor.healthy_for("web") >= timedelta(seconds=4 * PROBE_INTERVAL)


def test_fewer_failed_probes_in_a_row_than_the_policy_counts_change_nothing(
    monitor: Monitor, probed: Callable[..., None]
) -> None:
    probed("111" + "0" * (FAILED_PROBES - 1) + "101")
    assert ago(monitor.healthy_since("web")) == 3 + FAILED_PROBES - 1 + 2


def test_the_last_of_several_checks_decides(monitor: Monitor, probed: Callable[..., None]) -> None:
    probed("1111111", "1000111")
    assert ago(monitor.healthy_since("web")) == 2
    probed("1111111", "1111110")
    assert monitor.healthy_since("web") is None
    assert monitor.healthy_for("web") == timedelta()


@pytest.mark.parametrize("history", ["", "11111     ", "0"])
def test_without_a_fresh_good_sample_nothing_is_healthy(
    monitor: Monitor, probed: Callable[..., None], history: str
) -> None:
    probed(history)
    assert monitor.healthy_since("web") is None


def test_health_begins_after_a_gap_in_which_nobody_looked(
    monitor: Monitor, probed: Callable[..., None]
) -> None:
    probed("111111" + " " * 8 + "111")
    assert ago(monitor.healthy_since("web")) == 2


def test_a_service_without_checks_is_not_healthy(monitor: Monitor, answers: Answers) -> None:
    answers["/prometheus/api/v1/query"] = (200, {"data": {"resultType": "matrix", "result": []}})
    assert monitor.healthy_since("socket") is None


def test_a_query_gives_labels_and_numbers(monitor: Monitor, answers: Answers) -> None:
    result = [{"metric": {"job": "socket"}, "value": [1, "2.5"]}]
    answers["/prometheus/api/v1/query"] = (200, {"data": {"resultType": "vector", "result": result}})
    [sample] = monitor.query("up")
    assert (sample.labels, sample.value) == ({"job": "socket"}, 2.5)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, {}, "MONITOR_PASSWORD"),
        (500, {}, "answered 500"),
        (400, {"error": "parse error"}, "parse error"),
    ],
)
def test_a_monitor_that_refuses_is_an_error_that_says_why(
    monitor: Monitor, answers: Answers, status: int, body: Any, said: str
) -> None:
    answers["/prometheus/api/v1/query"] = (status, body)
    with pytest.raises(OperationError, match=said):
        monitor.query("up")


def test_a_monitor_that_does_not_answer_is_never_healthy() -> None:
    silent = Monitor("http://127.0.0.1:9", "password")
    with pytest.raises(OperationError, match="nobody is watching"):
        silent.healthy_since("web")


def test_a_stack_without_a_monitor_says_how_to_get_one() -> None:
    with (
        pytest.raises(OperationError, match="config set monitorHost"),
        connected(production().settings()),
    ):
        pass
