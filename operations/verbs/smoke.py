"""The smoke test of a release (plan §2.1, §7.2): its pages answer, and a browser could open a battle.

Asks from outside, as a user would: each page over HTTP, and the socket server by both transports of
Socket.IO (Engine.IO protocol 4). Needs no token and changes nothing.

Vercel may answer in the app's place: its firewall with a challenge that no script can pass, its deployment
protection with a login. That says nothing about the release, so it is neither good nor bad (`ok` None). With
`VERCEL_PROTECTION_BYPASS` (the project's *Protection Bypass for Automation*) the pages answer. Sources:
vercel.com/docs/vercel-firewall, /docs/deployment-protection.
"""

import contextlib
import http.client
import json
from collections.abc import Iterator
from typing import Final
from urllib.parse import urljoin, urlsplit

import websocket

from operations.parts.serving import Finding
from operations.services.network import BYPASS, Network, UnheardError
from plan.settings import Settings
from plan.urls import app_url, socket_url

_TIMEOUT: Final = 20  # seconds for one answer: a cold start counts as an answer
_REDIRECTS: Final = 5
_HANDSHAKE: Final = "/socket.io/?EIO=4&transport="
_BYPASS_HEADER: Final = "x-vercel-protection-bypass"
_REDIRECT: Final = (301, 302, 303, 307, 308)


def smoke(settings: Settings, network: Network | None = None) -> Iterator[Finding]:
    """Ask everything, one finding each. Never raises for what the other side does.

    The secret that passes Vercel's protection is sent to the web domain and nowhere else.
    """
    network = network or Network()
    for path in settings.smoke_paths:
        with _told(path) as told:
            told.text = _follow(network, settings, path)
        yield told.finding
    if not settings.socket_release:
        yield Finding(what="socket", ok=None, text="no socket server is declared yet")
        return
    address, origin = socket_url(settings), app_url(settings)
    for transport, ask in (("polling", _polling), ("websocket", _websocket)):
        with _told(f"socket by {transport}") as told:
            told.text = ask(network, address, origin)
        yield told.finding


class _Told:
    """Turns what one question raised or returned into a finding."""

    def __init__(self, what: str) -> None:
        self._what, self.text = what, ""

    @property
    def finding(self) -> Finding:
        return self._finding

    def __enter__(self) -> "_Told":
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        self._finding = Finding(what=self._what, ok=True, text=self.text)
        if isinstance(error, UnheardError):
            self._finding = Finding(what=self._what, ok=None, text=str(error))
            return True
        expected = (OSError, http.client.HTTPException, websocket.WebSocketException, ValueError)
        if isinstance(error, expected):
            text = str(error) or type(error).__name__
            self._finding = Finding(what=self._what, ok=False, text=text.splitlines()[0][:200])
            return True
        return False


def _told(what: str) -> _Told:
    return _Told(what)


def _follow(network: Network, settings: Settings, path: str) -> str:
    """Ask for a page and go where it sends a visitor, as long as that is this site."""
    base, bypass = app_url(settings), settings.values.get(BYPASS)
    headers = {_BYPASS_HEADER: bypass.get_secret_value().strip()} if bypass else {}
    if not path.startswith("/") or path.startswith("//"):
        raise ValueError("is no path of the web domain: smokePaths")
    url = urljoin(base, path)
    for _ in range(_REDIRECTS + 1):
        answer = network.get(url, headers)
        answer.judge(url, settings.stack)
        if answer.onward:
            onward = urljoin(url, answer.onward)
            there, here = urlsplit(onward), urlsplit(base)
            if (there.scheme, there.netloc) != (here.scheme, here.netloc):
                raise ValueError(
                    f"sends visitors to {there.netloc if there.netloc != here.netloc else onward}"
                )
            url = onward
            continue
        if answer.status != 200:
            raise ValueError(f"answered {answer.status}")
        if not answer.body.strip():
            raise ValueError("answered 200 with nothing in it")
        at = urlsplit(url).path
        return "200" if at == path else f"200, at {at}"
    raise ValueError("redirects without end")


def _polling(network: Network, base: str, origin: str) -> str:
    """The handshake by HTTP long polling: an open packet (0) with a session."""
    answer = network.get(f"{base}{_HANDSHAKE}polling", {"Origin": origin})
    if answer.status != 200:
        raise ValueError(f"answered {answer.status} to the handshake")
    _session(answer.body)
    return "session opened"


def _websocket(network: Network, base: str, origin: str) -> str:
    """The handshake by WebSocket, then a connect packet (40) to the main namespace."""
    url = base.replace("http", "ws", 1) + f"{_HANDSHAKE}websocket"
    made = network.open(url)
    try:
        connection = websocket.create_connection(url, timeout=_TIMEOUT, origin=origin, socket=made)
    except BaseException:
        made.close()
        raise
    with contextlib.closing(connection):
        _session(_packet(connection))
        connection.send("40")
        answer = _packet(connection)
        while answer == "2":  # a ping; the protocol wants a pong
            connection.send("3")
            answer = _packet(connection)
    if answer.startswith("40"):
        return "connected"
    if answer.startswith("44"):  # the server speaks, and refuses who has no session: as it should
        return "reached; refuses a visitor without a session"
    raise ValueError(f"answered {answer[:40]!r} to a connect")


def _packet(connection: websocket.WebSocket) -> str:
    received = connection.recv()
    return received if isinstance(received, str) else received.decode(errors="replace")


def _session(packet: str) -> None:
    if not packet.startswith("0") or not json.loads(packet[1:]).get("sid"):
        raise ValueError(f"opened no session: {packet[:40]!r}")
