"""The socket server as a part of a release: its image runs where the runtime has it.

Which runtime that is, is chosen here (`RUNTIME`); what it is asked is `operations.parts.runtime.Runtime`.
"""

import contextlib
import json
from collections.abc import Callable, Collection, Iterator
from typing import Any, Final

from operations.parts.part import Access, Finding, Keys, Served, State, rollback
from operations.parts.probe import question
from operations.parts.runtime import Runtime
from operations.parts.swarm import Swarm
from operations.services.accounts import GitHubAccount
from operations.services.network import Network
from operations.stack.workspace import OperationError
from plan.promotion import Line, Point
from plan.settings import Settings
from plan.urls import app_url, socket_url

RUNTIME: Final[Runtime] = Swarm()
_HANDSHAKE: Final = "/socket.io/?EIO=4&transport="
_TIMEOUT: Final = 20  # seconds for one answer


class Socket:
    """`operations.parts.part.Part` of the socket server."""

    name: Final = "socket"
    keys: Final = Keys(
        sha="socketRelease", digest="socketDigest",
        previous="previousSocketRelease", previous_digest="previousSocketDigest",
    )  # fmt: skip
    targets: Final = RUNTIME.targets

    def place(self, settings: Settings) -> str:
        return RUNTIME.place(settings)

    def declared(self, settings: Settings) -> bool:
        return bool(settings.socket_release)

    def built(self, settings: Settings, state: State) -> bool:
        """Its image was, by the app's CI."""
        return True

    def served(self, access: Access, *, settled: bool = False) -> Served | None:
        return RUNTIME.served(access.settings, settled=settled) if self.declared(access.settings) else None

    def unfit(self, settings: Settings, served: Served | None, trouble: str) -> Line | None:
        if not self.declared(settings) or (served and served.settled):
            return None
        text = served.text if served else trouble or "its host has no such service"
        look = f"python -m operations status --stack {settings.stack}"
        return Line.no_go(f"{self.name} on {settings.stack}", text, look)

    def verify(self, access: Access, state: State | None = None) -> Iterator[Finding]:
        settings, release = access.settings, access.settings.socket_release
        if not self.declared(settings):
            return
        mend = f"python -m operations up --refresh --stack {settings.stack}"
        try:
            text, differs = RUNTIME.verify(settings)
        except OperationError as error:
            text = f"{error}. To roll {release[:7]} out again: {mend}"
            if settings.previous_socket_release:
                text += f". To go back, and mark it: {rollback(self.name, settings.stack)}"
            yield Finding(ok=False, what=self.name, text=text)
            return
        if differs:
            yield Finding(ok=False, what=self.name, text=f"{text}, but {differs}: {mend}")
        else:
            yield Finding(ok=True, what=self.name, text=text)

    def status(self, access: Access) -> tuple[str, str]:
        return RUNTIME.status(access.settings) if self.declared(access.settings) else ("not declared", "")

    def told(self, access: Access) -> str:
        served = self.served(access)
        return served.text if served else "no such service"

    def obstacle(self, access: Access, state: State) -> str:
        settings = access.settings
        sha, digest = settings.previous_socket_release, settings.previous_socket_digest
        try:
            words = RUNTIME.refusal(settings, f"{settings.socket_image}:{sha}@{digest}")
        except OperationError as error:
            return str(error)
        return f"the image of {sha[:7]} cannot be had: {words}" if words else ""

    def failed(self, settings: Settings, failure: str) -> str:
        words = (*(f"{name}:" for name in self.targets), f"release {settings.socket_release} failed")
        return "did not come up" if any(each in failure for each in words) else ""

    def previous_failed(self, settings: Settings, failure: str) -> bool:
        """N-1 is no resource of its own: it is made by a rollback alone."""
        return False

    def unsettled(self, access: Access, keys: Collection[str], services: Collection[str]) -> str:
        """A service that is written again runs what the record names, also where that was taken back."""
        settings = access.settings
        if not self.declared(settings) or self.place(settings) not in services:
            return ""
        served = self.served(access, settled=True)
        return self.differs(settings, served.point) if served else ""

    def differs(self, settings: Settings, runs: Point) -> str:
        """The commands that settle it where another release runs than the record names; "" where not."""
        named = Point(settings.socket_release, settings.socket_digest)
        if not runs.sha or runs.same(named):
            return ""
        return (
            f"{self.place(settings)} runs {runs.sha[:7]}, not the release {named.sha[:7]}. To keep what "
            f"runs, and mark the other: {rollback(self.name, settings.stack)}. To roll it out again: "
            f"python -m operations up --refresh --stack {settings.stack}"
        )

    def written(self, settings: Settings, services: Collection[str]) -> bool:
        return self.place(settings) in services

    def rebuilt(self, access: Access, written: int, state: State) -> Iterator[Finding]:
        """Nothing: its service is written, and the stores tell when."""
        yield from ()

    def moved(self, access: Access, changes: Collection[str], state: State) -> str:
        """Nothing: `verify` says what a person did to the service, and an `up` writes it as declared."""
        return ""

    def probe(self, settings: Settings, network: Network) -> Iterator[Finding]:
        """Both transports of Socket.IO (Engine.IO protocol 4)."""
        import websocket  # noqa: PLC0415  slow: few verbs need it

        if not self.declared(settings):
            yield Finding(what=self.name, ok=None, text="no socket server is declared yet")
            return
        address, origin = socket_url(settings), app_url(settings)
        for transport, ask in (("polling", _polling), ("websocket", _websocket)):
            with question(f"{self.name} by {transport}", websocket.WebSocketException) as told:
                told.text = ask(network, address, origin)
            yield told.finding

    def newest(self, settings: Settings, release: str, github: Callable[[], GitHubAccount]) -> Point:
        """The newest image up to a release; without SHA where that is what the record names.

        An event that names no digest may have replaced one that did, while that one waited for its turn:
        GitHub drops its run, and with it the digest. So the registry is asked, from the socket host, for the
        release and for the commits between it and what the record names. Raises OperationError where that
        cannot be done.
        """
        with RUNTIME.registry(settings) as registered:
            if digest := registered(release):
                return Point(release, digest)
            between = github().comparison(settings.app_repository, settings.socket_release, release) or {}
            return newest_image(settings, [each["sha"] for each in between.get("commits") or ()], registered)


SOCKET: Final = Socket()


def newest_image(settings: Settings, commits: Collection[str], registered: Callable[[str], str]) -> Point:
    """The newest of `commits` (oldest first) that has a socket image; one without SHA for none.

    `registered`: digest of a commit's image, "" where there is none. One that was taken back is none: what
    comes after it without an image of its own has the same server.
    """
    for sha in reversed([*commits]):
        if sha == settings.rolled_back.get(Socket.name):
            break
        if digest := registered(sha):
            return Point(sha, digest)
    return Point()


def _polling(network: Network, base: str, origin: str) -> str:
    """The handshake by HTTP long polling: an open packet (0) with a session."""
    answer = network.get(f"{base}{_HANDSHAKE}polling", {"Origin": origin})
    if answer.status != 200:
        raise ValueError(f"answered {answer.status} to the handshake")
    _session(answer.body)
    return "session opened"


def _websocket(network: Network, base: str, origin: str) -> str:
    """The handshake by WebSocket, then a connect packet (40) to the main namespace."""
    import websocket  # noqa: PLC0415  as above

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


def _packet(connection: Any) -> str:
    received = connection.recv()
    return received if isinstance(received, str) else received.decode(errors="replace")


def _session(packet: str) -> None:
    if not packet.startswith("0") or not json.loads(packet[1:]).get("sid"):
        raise ValueError(f"opened no session: {packet[:40]!r}")
