"""Where the rehearsal's alerts arrive: Discord, Slack, PagerDuty and a dead-man's switch on one small server.

Each channel refuses what the real service refuses, with its status and words, so that an alert that arrives
here would have arrived there. `/` shows, in order, what each channel has received; `/received` is the same as
JSON. A channel can be told to answer otherwise (`PUT /answer/slack` with `500`), as a service that is down.

Sources: Discord, Execute Webhook and Embed Limits; Slack, Incoming webhooks, Handling errors; PagerDuty,
Events API v2; Alertmanager 0.25, notify/*.go; healthchecks.io, Pinging API.
"""

import html
import http.server
import json
import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from types import TracebackType
from typing import Any, Final, Self

CHANNELS: Final = ("discord", "slack", "pagerduty", "watchdog")
_MOST: Final = 1 << 20  # bytes of a body; PagerDuty's own limit is half of it
_SEVERITIES: Final = ("critical", "error", "warning", "info")
_ACTIONS: Final = ("trigger", "acknowledge", "resolve")
# What a channel's address looks like. Ids and tokens may be any: a stack file's secrets are random.
_PATHS: Final = {
    "discord": re.compile(r"/api/webhooks/\d+/[\w-]+"),
    "slack": re.compile(r"/services/T\w+/B\w+/\w+"),
    "pagerduty": re.compile(r"/v2/enqueue"),
    "watchdog": re.compile(r"/ping/[\w-]+"),
}


@dataclass(frozen=True)
class Message:
    """One request of a channel: when, what it said, how it was answered. A refused one has no `resolved`."""

    number: int
    at: float
    channel: str
    answered: int
    resolved: bool | None
    title: str
    text: str
    body: Any


class RefusedError(Exception):
    """What the real service would answer: status, content type, body."""

    def __init__(self, status: int, answer: str, kind: str = "application/json") -> None:
        self.status, self.answer, self.kind = status, answer, kind
        super().__init__(answer)


@dataclass(frozen=True)
class _Read:
    """A request that the service accepts: its answer, and what a person reads of it."""

    status: int
    answer: str
    resolved: bool | None
    title: str
    text: str


@dataclass
class _Store:
    messages: list[Message] = field(default_factory=list)
    answers: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, **values: Any) -> None:
        with self.lock:
            self.messages.append(Message(number=len(self.messages) + 1, at=time.time(), **values))


class Receiver:
    """The server in this process, as a context. `address` is where it listens."""

    def __init__(self, address: str = "127.0.0.1", port: int = 0) -> None:
        self._store = _Store()
        self._server = _Server((address, port), self._store)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Its address; what a person opens in a browser."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def messages(self, channel: str = "") -> list[Message]:
        """What arrived so far, in order; of one channel or of all."""
        with self._store.lock:
            return [one for one in self._store.messages if channel in ("", one.channel)]

    def answer(self, channel: str, status: int | None) -> None:
        """From now on `channel` answers `status`, whatever it is asked; None: as the real service would."""
        _set_answer(self._store, channel, status)

    def wait(self, condition: Callable[[Self], object], seconds: float) -> bool:
        """True as soon as `condition` holds, False when it did not within `seconds`."""
        deadline = time.monotonic() + seconds
        while not condition(self):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True


def addresses(url: str) -> dict[str, str]:
    """New addresses of the channels at a receiver's `url`, as a stack file's secrets would hold them.

    `pagerduty` is the key of an integration; where it is sent to is `pagerduty_url`.
    """
    digits = "".join(secrets.choice("0123456789") for _ in range(18))
    return {
        "discord": f"{url}/api/webhooks/{digits}/{secrets.token_urlsafe(51)}",
        "slack": f"{url}/services/T{secrets.token_hex(5).upper()}/B{secrets.token_hex(5).upper()}/"
        f"{secrets.token_hex(12)}",
        "pagerduty": secrets.token_hex(16),
        "pagerduty_url": f"{url}/v2/enqueue",
        "watchdog": f"{url}/ping/{secrets.token_hex(16)}",
    }


def _discord(body: Any) -> _Read:
    """204 without a body. Errors are JSON with code 50035 (a wrong field) or 50006 (an empty message)."""
    if not isinstance(body, dict):
        raise RefusedError(400, '{"message": "400: Bad Request", "code": 0}')
    content, embeds = body.get("content") or "", body.get("embeds") or []
    if not isinstance(content, str) or len(content) > 2000:
        raise _discord_wrong("content", "Must be 2000 or fewer in length.")
    if not isinstance(embeds, list) or len(embeds) > 10:
        raise _discord_wrong("embeds", "Must be 10 or fewer in length.")
    total = 0
    for embed in embeds:
        for name, most in (("title", 256), ("description", 4096)):
            text = embed.get(name) or ""
            total += len(text)
            if len(text) > most:
                raise _discord_wrong(f"embeds.{name}", f"Must be {most} or fewer in length.")
        if not 0 <= (embed.get("color") or 0) <= 0xFFFFFF:
            raise _discord_wrong("embeds.color", "Must be between 0 and 16777215.")
        if len(embed.get("fields") or []) > 25:
            raise _discord_wrong("embeds.fields", "Must be 25 or fewer in length.")
    if total > 6000:
        raise _discord_wrong("embeds", "Embed size exceeds maximum size of 6000")
    said = [embed for embed in embeds if embed.get("title") or embed.get("description")]
    if not content and not said:
        raise RefusedError(400, '{"message": "Cannot send an empty message", "code": 50006}')
    first = said[0] if said else {}
    # Alertmanager colours by status: discord.go, colorRed and colorGreen.
    return _Read(
        204, "", first.get("color") == 0x2ECC71, first.get("title") or content, first.get("description") or ""
    )


def _discord_wrong(name: str, rule: str) -> RefusedError:
    errors = {name: {"_errors": [{"code": "BASE_TYPE_BAD_LENGTH", "message": rule}]}}
    return RefusedError(400, json.dumps({"message": "Invalid Form Body", "code": 50035, "errors": errors}))


def _slack(body: Any) -> _Read:
    """200 with the text `ok`. Errors are a status and one word."""
    if not isinstance(body, dict):
        raise RefusedError(400, "invalid_payload", "text/plain")
    attachments = body.get("attachments") or []
    if not isinstance(attachments, list):
        raise RefusedError(400, "invalid_payload", "text/plain")
    if len(attachments) > 100:
        raise RefusedError(400, "too_many_attachments", "text/plain")
    if not body.get("text") and not attachments and not body.get("blocks"):
        raise RefusedError(400, "no_text", "text/plain")
    for one in attachments:
        if not (one.get("text") or one.get("fallback") or one.get("title") or one.get("fields")):
            raise RefusedError(400, "no_text", "text/plain")
    first = attachments[0] if attachments else {}
    title = first.get("title") or first.get("fallback") or body.get("text", "")
    return _Read(200, "ok", first.get("color") == "good", title, first.get("text", ""))


def _pagerduty(body: Any) -> _Read:
    """202 with the key of the incident. An invalid event is 400, with each rule that it breaks."""
    wrong = []
    if not isinstance(body, dict):
        raise RefusedError(400, '{"status": "invalid event", "message": "Event object is invalid"}')
    action, payload = body.get("event_action"), body.get("payload") or {}
    if not re.fullmatch(r"[0-9A-Za-z]{32}", str(body.get("routing_key") or "")):
        wrong.append("'routing_key' is missing or is invalid")
    if action not in _ACTIONS:
        wrong.append("'event_action' must be one of: trigger, acknowledge, resolve")
    if action != "trigger" and not body.get("dedup_key"):
        wrong.append("'dedup_key' is missing or blank")
    if len(body.get("dedup_key") or "") > 255:
        wrong.append("'dedup_key' must be at most 255 characters")
    if action == "trigger":
        wrong += [
            f"'payload.{name}' is missing or blank" for name in ("summary", "source") if not payload.get(name)
        ]
        if len(payload.get("summary") or "") > 1024:
            wrong.append("'payload.summary' must be at most 1024 characters")
        if payload.get("severity") not in _SEVERITIES:
            wrong.append(f"'payload.severity' must be one of: {', '.join(_SEVERITIES)}")
    if wrong:
        answer = {"status": "invalid event", "message": "Event object is invalid", "errors": wrong}
        raise RefusedError(400, json.dumps(answer))
    answer = {"status": "success", "message": "Event processed", "dedup_key": body.get("dedup_key", "new")}
    title = payload.get("summary") or f"{action} {body.get('dedup_key')}"
    return _Read(
        202, json.dumps(answer), action == "resolve", title, json.dumps(payload.get("custom_details") or {})
    )


def _watchdog(body: Any) -> _Read:
    """200 with the text `OK`, whatever comes: a dead-man's switch counts requests (healthchecks.io)."""
    status = body.get("status", "") if isinstance(body, dict) else ""
    return _Read(200, "OK", None, f"ping {status}".strip(), "")


_READERS: Final[dict[str, Callable[[Any], _Read]]] = {
    "discord": _discord, "slack": _slack, "pagerduty": _pagerduty, "watchdog": _watchdog,
}  # fmt: skip


def _set_answer(store: _Store, channel: str, status: int | None) -> None:
    if channel not in CHANNELS:
        raise ValueError(f"a channel is one of {', '.join(CHANNELS)}")
    with store.lock:
        if status is None:
            store.answers.pop(channel, None)
        else:
            store.answers[channel] = status


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], store: _Store) -> None:
        self.store = store
        super().__init__(address, _Handler)


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_POST(self) -> None:
        raw = self._body()
        channel = next((name for name, path in _PATHS.items() if path.fullmatch(self.path)), None)
        if raw is None:
            return
        if channel is None:
            self._say(404, "no such channel\n")
            return
        told = self.server.store.answers.get(channel)
        try:
            read = self._read(channel, raw)
            status, answer, kind = read.status, read.answer, "application/json"
        except RefusedError as error:
            read = None
            status, answer, kind = error.status, error.answer, error.kind
        if told is not None:
            status, answer, kind = told, "as it was told\n", "text/plain"
        self.server.store.add(
            channel=channel,
            answered=status,
            resolved=read.resolved if read else None,
            title=read.title if read else answer,
            text=read.text if read else "",
            body=_json(raw),
        )
        self._say(status, answer, kind)

    def do_GET(self) -> None:
        with self.server.store.lock:
            messages = list(self.server.store.messages)
        if self.path == "/received":
            self._say(200, json.dumps([asdict(one) for one in messages]), "application/json")
        elif self.path == "/":
            self._say(200, _page(messages), "text/html; charset=utf-8")
        elif _PATHS["watchdog"].fullmatch(self.path):
            self.do_POST()
        else:
            self._say(404, "not found\n")

    def do_PUT(self) -> None:
        """`/answer/CHANNEL` with a status, or with nothing: as the real service again."""
        raw = self._body()
        if raw is None:
            return
        try:
            _set_answer(
                self.server.store, self.path.removeprefix("/answer/"), int(raw) if raw.strip() else None
            )
        except ValueError as error:
            self._say(400, f"{error}\n")
        else:
            self._say(200, "ok\n")

    def _read(self, channel: str, raw: bytes) -> _Read:
        if channel != "watchdog" and self.headers.get_content_type() != "application/json":
            raise RefusedError(415 if channel == "discord" else 400, "invalid_payload", "text/plain")
        return _READERS[channel](_json(raw))

    def _body(self) -> bytes | None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > _MOST:
            self._say(413, "too large\n")
            return None
        return self.rfile.read(length)

    def _say(self, status: int, text: str, kind: str = "text/plain") -> None:
        data = text.encode()
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if status != 204:
            self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: paths hold the channels' tokens."""


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return None


def _page(messages: list[Message]) -> str:
    rows = "".join(
        f"<tr><td>{time.strftime('%H:%M:%S', time.localtime(one.at))}<td>{one.channel}<td>{one.answered}"
        f"<td>{ {True: 'resolved', False: 'firing', None: ''}[one.resolved] }"
        f"<td><b>{html.escape(one.title)}</b><pre>{html.escape(one.text)}</pre>"
        for one in reversed(messages)
    )
    return (
        "<!doctype html><meta http-equiv=refresh content=5><title>Received</title>"
        "<style>body{font:14px sans-serif;margin:2em}td{padding:.3em 1em;vertical-align:top}"
        "pre{white-space:pre-wrap;margin:.3em 0}</style>"
        f"<h1>What the channels have received</h1><table>{rows}</table>"
    )
