"""What a stack's monitor knows: open alerts, how long a service has been healthy, any PromQL. Reads only.

Asks Prometheus and Alertmanager through the monitor's proxy, with the password of the stack file. A monitor
that does not answer is an error that says so, never "healthy".
"""

import json
import os
import ssl
import urllib.parse
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import requests
import requests.adapters

from operations.stack.workspace import OperationError
from plan.alerts.objectives import FAILED_PROBES
from plan.alerts.policy import WATCHDOG
from plan.alerts.rule import Severity
from plan.settings import Settings
from plan.uptime.blackbox import PROBE_INTERVAL
from plan.uptime.names import USER
from plan.urls import monitor_url

ADDRESS_VARIABLE: Final = "PAINTSHARE_MONITOR_ADDRESS"
"""Where monitors are reached, whatever DNS says of their domains: nobody knows those of the rehearsal."""

_TIMEOUT: Final = 20  # seconds for one answer
# A sample older than this says nothing about now: one probe late, one scrape lost.
_FRESH: Final = timedelta(seconds=4 * PROBE_INTERVAL)


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One alert that fires, is not silenced and not told by another one (inhibited)."""

    name: str
    severity: str
    service: str
    since: datetime
    summary: str
    runbook: str

    @property
    def page(self) -> bool:
        return self.severity == Severity.P1

    @property
    def text(self) -> str:
        """One line for people."""
        return f"{self.severity.upper()} {self.name} since {self.since:%Y-%m-%d %H:%M} UTC: {self.summary}"


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One value of an instant query."""

    labels: dict[str, str]
    value: float
    at: datetime


class Monitor:
    """The monitor of one stack. Every method raises OperationError."""

    def __init__(self, url: str, password: str, authority: str = "", address: str = "") -> None:
        """`authority`: PEM, trusted besides the machine's; `address`: of the host of `url`, without DNS."""
        parts = urllib.parse.urlsplit(url)
        self.url = url
        self._base = url
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.auth = (USER, password)
        if address:
            port = f":{parts.port}" if parts.port else ""
            self._base = f"{parts.scheme}://{address}{port}"
            self._session.headers["Host"] = parts.netloc
        if authority:
            self._session.mount("https://", _Trusting(authority))

    def close(self) -> None:
        self._session.close()

    def open_alerts(self) -> tuple[Alert, ...]:
        """What needs somebody now, pages first, then the oldest. The watchdog always fires and is none."""
        found = self._get("/alertmanager/api/v2/alerts?active=true&silenced=false&inhibited=false")
        alerts = [
            Alert(
                name=one["labels"]["alertname"],
                severity=one["labels"].get("severity", ""),
                service=one["labels"].get("service", ""),
                since=_time(one["startsAt"]),
                summary=one["annotations"].get("summary", ""),
                runbook=one["annotations"].get("runbook", ""),
            )
            for one in found
        ]
        return tuple(
            sorted((a for a in alerts if a.name != WATCHDOG), key=lambda a: (not a.page, a.since, a.name))
        )

    def healthy_since(self, service: str, within: timedelta = timedelta(days=1)) -> datetime | None:
        """Since when all checks of a service (`web`, `socket`) have answered; None when one does not now.

        As in the policy, a check fails with the `FAILED_PROBES`-th failed probe in a row, and the last probe
        has to have answered. Where samples are missing, nobody knows: health begins after the gap. The
        answer is never earlier than `within` ago.
        """
        selector = f'probe_success{{job="probe",service="{service}"}}[{int(within.total_seconds())}s]'
        series = self._prometheus("query", query=selector)["result"]
        if not series:
            return None
        starts = [_answering_since(_samples(one["values"])) for one in series]
        return None if None in starts else max(start for start in starts if start)

    def healthy_for(self, service: str) -> timedelta:
        """How long a service has been healthy; zero when it is not."""
        since = self.healthy_since(service)
        return datetime.now(UTC) - since if since else timedelta()

    def query(self, promql: str) -> tuple[Sample, ...]:
        """The instant vector (or scalar) of a PromQL expression."""
        found = self._prometheus("query", query=promql)
        if found["resultType"] == "scalar":
            return (_sample({}, found["result"]),)
        if found["resultType"] != "vector":
            raise OperationError(f"{promql} is no instant vector but a {found['resultType']}")
        return tuple(_sample(one["metric"], one["value"]) for one in found["result"])

    def _prometheus(self, what: str, **parameters: str) -> Any:
        answer = self._get(f"/prometheus/api/v1/{what}?{urllib.parse.urlencode(parameters)}")
        return answer["data"]

    def _get(self, path: str) -> Any:
        try:
            answer = self._session.get(self._base + path, timeout=_TIMEOUT, allow_redirects=False)
        except requests.RequestException as error:
            raise OperationError(
                f"the monitor at {self.url} does not answer ({type(error).__name__}): nobody is watching; "
                "docs/runbook.md says what to do"
            ) from None
        if answer.status_code == 401:
            raise OperationError(
                f"the monitor at {self.url} does not know the stack file's MONITOR_PASSWORD: pulumi up"
            )
        if answer.status_code in (400, 422) and "/api/v1/" in path:
            raise OperationError(f"Prometheus refuses the query: {_reason(answer)}")
        if not answer.ok:
            raise OperationError(f"the monitor at {self.url} answered {answer.status_code}")
        return answer.json()


@contextmanager
def connected(settings: Settings) -> Iterator[Monitor]:
    """The monitor of a stack, by its settings. Raises OperationError where none is declared."""
    password = settings.values.get("MONITOR_PASSWORD")
    if not settings.monitor_host or password is None:
        raise OperationError(
            f"stack {settings.stack} has no monitor: "
            f"pulumi config set monitorHost ssh://USER@HOST --stack {settings.stack}"
        )
    made = Monitor(
        monitor_url(settings),
        password.get_secret_value(),
        settings.monitor_ca,
        os.environ.get(ADDRESS_VARIABLE, ""),
    )
    try:
        yield made
    finally:
        made.close()


class _Trusting(requests.adapters.HTTPAdapter):
    """HTTPS with one authority more than the machine's."""

    def __init__(self, authority: str) -> None:
        self._context = ssl.create_default_context()
        self._context.load_verify_locations(cadata=authority)
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, ssl_context=self._context)

    def cert_verify(self, *_: Any) -> None:
        """Nothing: the context has the authorities already."""


def _answering_since(samples: Iterable[tuple[datetime, bool]]) -> datetime | None:
    """Since when a check has answered up to now, by its samples in order; None if it does not."""
    start: datetime | None = None
    last, failed = datetime.min.replace(tzinfo=UTC), 0
    for at, good in samples:
        if at - last > _FRESH:
            start, failed = None, 0
        last = at
        failed = 0 if good else failed + 1
        if failed >= FAILED_PROBES:
            start = None
        elif good and start is None:
            start = at
    return start if failed == 0 and datetime.now(UTC) - last <= _FRESH else None


def _samples(values: Iterable[list[Any]]) -> Iterator[tuple[datetime, bool]]:
    for at, value in values:
        yield datetime.fromtimestamp(at, UTC), value == "1"


def _sample(labels: dict[str, str], pair: list[Any]) -> Sample:
    return Sample(labels=labels, value=float(pair[1]), at=datetime.fromtimestamp(pair[0], UTC))


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _reason(answer: requests.Response) -> str:
    try:
        return str(answer.json()["error"])
    except (json.JSONDecodeError, KeyError, requests.JSONDecodeError):
        return str(answer.status_code)
