"""The sample battle server as an image: what docs/app-contract.md asks of it, and its bad releases.

Each test runs a container of its own, with the restrictions that the service has: read-only, no capabilities.
"""

import contextlib
import http.client
import http.server
import json
import os
import re
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from plan.socket import HealthGate, render_caddyfile, service_name
from rehearsal import demo, proxy
from rehearsal.docker_engine import Engine, images, processes
from rehearsal.docker_engine.building import ImageRef
from rehearsal.docker_engine.clients import Clients
from rehearsal.docker_engine.registry import Registry
from tests.builders import production

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a Docker engine"),
]

RELEASE = demo.RELEASES[0]
ORIGIN = "https://share-paint.app"
PREVIEWS = r"^https://share-paint-(git-[a-z0-9-]+|[a-z0-9]{9})-demo\.vercel\.app$"
CHECK = HealthGate().command


@pytest.fixture(scope="module")
def host(hub: Registry) -> Engine:
    return hub.engine


@pytest.fixture(scope="module")
def sound(hub: Registry) -> ImageRef:
    return images.socket_server(hub, RELEASE)


class Server:
    """A running container of the battle server, seen from the machine."""

    def __init__(self, host: Engine, container: Any) -> None:
        self.container = container
        self.address = host.address
        container.reload()
        ports = container.ports.get("3001/tcp") or [{"HostPort": 0}]
        self.port = int(ports[0]["HostPort"])
        self.url = f"http://{self.address}:{self.port}"

    def connect(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(self.address, self.port, timeout=5)
        connection.connect()
        return connection

    def get(self, path: str, **headers: str) -> tuple[int, str]:
        with contextlib.closing(self.connect()) as connection:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode() if answer.status != 101 else ""

    def healthz(self) -> tuple[int, dict[str, Any]]:
        status, body = self.get("/healthz")
        return status, json.loads(body)

    def metric(self, name: str) -> float:
        """The value of a metric, with its labels as it is printed."""
        found = re.search(rf"^{re.escape(name)} (\S+)$", self.get("/metrics")[1], re.MULTILINE)
        assert found, name
        return float(found[1])

    def answers(self) -> bool:
        try:
            return bool(self.get("/metrics")[0] == 200)
        except OSError:
            return False

    def ended(self) -> bool:
        self.container.reload()
        return bool(self.container.status == "exited")

    def exit_code(self) -> int:
        return int(self.container.wait(timeout=60)["StatusCode"])

    def log(self) -> str:
        return str(self.container.logs().decode())


class Run(Protocol):
    def __call__(
        self, image: ImageRef, *, up: bool = True, volumes: list[str] | None = None, **variables: str
    ) -> Server: ...


@pytest.fixture
def run(host: Engine) -> Iterator[Run]:
    """Starts a container with environment variables; `up` waits until it answers."""
    with contextlib.closing(host.client()) as client:
        containers = []

        def start(
            image: ImageRef, *, up: bool = True, volumes: list[str] | None = None, **variables: str
        ) -> Server:
            container = client.containers.run(
                image.reference,
                detach=True,
                environment={"CLIENT_URL": f"{ORIGIN},{PREVIEWS}", "DRAIN_SECONDS": "4", **variables},
                ports={"3001/tcp": None},
                volumes=volumes or [],
                read_only=True,
                cap_drop=["ALL"],
            )
            containers.append(container)
            server = Server(host, container)
            if up:
                assert processes.wait_until(lambda: server.answers() or server.ended(), 60)
                assert not server.ended(), server.log()
            return server

        yield start
        for container in containers:
            container.remove(force=True)


def test_healthz_says_that_it_is_ready_and_which_release_it_is(run: Run, sound: ImageRef) -> None:
    assert run(sound).healthz() == (200, {"status": "ok", "release": RELEASE, "battle": "on"})


def test_metrics_have_the_names_of_the_contract_from_the_start(run: Run, sound: ImageRef) -> None:
    server = run(sound)
    for name in (
        "socket_connections",
        "battle_rooms",
        "socket_disconnects_total",
        'battle_connects_total{result="ok"}',
        'battle_connects_total{result="refused"}',
    ):
        assert server.metric(name) == 0
    assert server.metric("process_resident_memory_bytes") > 0


HANDSHAKES = {
    "polling": ("/socket.io/?EIO=4&transport=polling", {}, 200),
    "websocket": (
        "/socket.io/?EIO=4&transport=websocket",
        {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        },
        101,
    ),
}


def test_only_the_origins_of_client_url_may_connect(run: Run, sound: ImageRef) -> None:
    server = run(sound)
    admitted = [
        ORIGIN,
        "https://share-paint-git-feature-x-demo.vercel.app",
        "https://share-paint-a1b2c3d4e-demo.vercel.app",
    ]
    foreign = [
        "https://evil.example",
        "http://share-paint.app",
        "https://share-paint.app.evil.example",
        "https://share-paint.app:444",
        "https://share-paint-git-x-demo.vercel.app.evil.example",
        "https://share-paint-git-x-other.vercel.app",
        "null",
    ]
    for path, headers, welcome in HANDSHAKES.values():
        for origin in admitted:
            assert server.get(path, Origin=origin, **headers)[0] == welcome, (path, origin)
        for origin in foreign:
            assert server.get(path, Origin=origin, **headers)[0] in (400, 403), (path, origin)
        assert server.get(path, **headers)[0] in (400, 403), (path, "no origin")
    assert server.metric('battle_connects_total{result="refused"}') == 2 * (len(foreign) + 1)


def test_health_checks_and_scrapes_need_no_origin(run: Run, sound: ImageRef) -> None:
    server = run(sound)
    assert server.get("/healthz")[0] == server.get("/metrics")[0] == 200


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("https://share-paint.app/", "https://share-paint.app/ is no origin"),
        ("https://a.example, https://b.example", " https://b.example is no origin"),
        (r"^https://x\.example", r"the pattern ^https://x\.example does not end with $"),
        ("", "CLIENT_URL is not set"),
    ],
)
def test_a_client_url_that_breaks_the_grammar_stops_the_server_at_once(
    run: Run, sound: ImageRef, text: str, words: str
) -> None:
    server = run(sound, up=False, CLIENT_URL=text)
    assert server.exit_code() == 1
    assert words in server.log()


def test_secrets_may_come_from_files_and_are_not_logged(run: Run, sound: ImageRef, tmp_path: Path) -> None:
    (tmp_path / "pepper").write_text("canary-pepper\n")
    (tmp_path / "pepper").chmod(0o644)
    tmp_path.chmod(0o755)
    server = run(
        sound,
        volumes=[f"{tmp_path}:/run/secrets:ro"],
        BATTLE_PASSWORD_PEPPER_FILE="/run/secrets/pepper",
        SUPABASE_SERVICE_ROLE_KEY="canary-key",
        SUPABASE_URL="https://x.supabase.co",
    )
    assert "set: SUPABASE_URL, SUPABASE_SERVICE_ROLE_KEY, BATTLE_PASSWORD_PEPPER\n" in server.log()
    assert "canary" not in server.log() + server.get("/healthz")[1] + server.get("/metrics")[1]


def test_a_secrets_file_that_is_missing_stops_the_server_at_once(run: Run, sound: ImageRef) -> None:
    server = run(sound, up=False, BATTLE_PASSWORD_PEPPER_FILE="/run/secrets/pepper")
    assert server.exit_code() == 1
    assert "/run/secrets/pepper" in server.log()


def test_players_in_rooms_are_counted_and_forgotten(run: Run, sound: ImageRef) -> None:
    server = run(sound)
    with Clients(server.url, ORIGIN, players=12, rooms=3) as clients:
        assert clients.wait(lambda c: c.count("connect") == 12)
        assert server.metric("socket_connections") == 12
        assert server.metric("battle_rooms") == 3
        assert clients.finish()["connects"] == 12
    assert processes.wait_until(lambda: server.metric("socket_disconnects_total") == 12, 30)
    assert server.metric("socket_connections") == server.metric("battle_rooms") == 0
    assert server.metric('battle_connects_total{result="ok"}') == 12


def test_a_player_from_a_foreign_origin_is_refused(run: Run, sound: ImageRef) -> None:
    server = run(sound)
    with Clients(server.url, "https://evil.example", players=1, rooms=1) as clients:
        assert clients.wait(lambda c: c.count("refused") >= 1)
        assert clients.finish()["connects"] == 0


def test_a_stopping_server_answers_503_takes_nobody_and_lets_its_players_go(
    run: Run, sound: ImageRef
) -> None:
    server = run(sound, DRAIN_SECONDS="20")
    path, headers, welcome = HANDSHAKES["websocket"]
    with (
        Clients(server.url, ORIGIN, players=5, rooms=1) as clients,
        contextlib.closing(server.connect()) as held,
        contextlib.closing(server.connect()) as lingering,
    ):
        assert clients.wait(lambda c: c.count("connect") == 5)
        # No player, so it is not asked to leave: the server is still there when it is asked below.
        lingering.request("GET", path, headers={"Origin": ORIGIN, **headers})
        assert lingering.getresponse().status == welcome
        server.container.kill("SIGTERM")
        assert processes.wait_until(lambda: not server.answers(), 10)
        assert clients.wait(lambda c: c.count("leaving") == 5, 10)
        assert processes.wait_until(lambda: "draining" in server.log(), 10)
        threading.Event().wait(0.5)
        held.request("GET", "/healthz")
        answer = held.getresponse()
        assert answer.status == 503
        assert json.loads(answer.read())["status"] == "draining"
        lingering.close()
        assert server.exit_code() == 0
        assert clients.wait(lambda c: c.count("disconnect") == 5, 30)
        assert "stopped: 0 connections left" in server.log()


def test_a_drain_ends_although_somebody_holds_on(run: Run, sound: ImageRef) -> None:
    server = run(sound, DRAIN_SECONDS="2")
    path, headers, welcome = HANDSHAKES["websocket"]
    with contextlib.closing(server.connect()) as held:
        held.request("GET", path, headers={"Origin": ORIGIN, **headers})
        assert held.getresponse().status == welcome
        server.container.kill("SIGTERM")
        assert server.exit_code() == 0
        assert "stopped: 1 connections left" in server.log()


class Switch(http.server.BaseHTTPRequestHandler):
    """Edge Config: one item, `battle`; missing where `value` is None."""

    value: str | None = "on"
    asked: list[str]

    def do_GET(self) -> None:
        type(self).asked.append(self.path)
        self.send_response(404 if self.value is None else 200)
        self.end_headers()
        self.wfile.write(json.dumps(self.value).encode())

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def switch(host: Engine) -> Iterator[tuple[type[Switch], str]]:
    """A kill switch on the machine, and its connection string for containers."""
    handler = type("OneSwitch", (Switch,), {"asked": []})
    with http.server.ThreadingHTTPServer((host.machine, 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield handler, f"http://{host.machine}:{server.server_port}/ecfg_x?token=t"
        server.shutdown()


def test_battle_off_refuses_new_rooms_until_it_is_on_again_and_a_missing_item_changes_nothing(
    run: Run, sound: ImageRef, switch: tuple[type[Switch], str]
) -> None:
    edge, connection = switch
    edge.value = "off"
    server = run(sound, EDGE_CONFIG=connection, EDGE_CONFIG_SECONDS="0.2")

    def read_again() -> None:
        seen = len(edge.asked)
        assert processes.wait_until(lambda: len(edge.asked) > seen + 1, 30)

    def battle() -> str:
        read_again()
        return str(server.healthz()[1]["battle"])

    assert battle() == "off"
    assert edge.asked[0] == "/ecfg_x/item/battle?token=t"
    with Clients(server.url, ORIGIN, players=1, rooms=1) as clients:
        assert clients.wait(lambda c: c.count("join-failed") == 1)
        assert server.metric("battle_rooms") == 0
    edge.value = None
    assert battle() == "off"
    edge.value = "on"
    assert battle() == "on"
    edge.value = None
    assert battle() == "on"


def test_battle_off_lets_running_rooms_go_on(
    run: Run, sound: ImageRef, switch: tuple[type[Switch], str]
) -> None:
    edge, connection = switch
    server = run(sound, EDGE_CONFIG=connection, EDGE_CONFIG_SECONDS="0.2")
    with Clients(server.url, ORIGIN, players=2, rooms=1) as clients:
        assert clients.wait(lambda c: c.count("connect") == 2)
        edge.value = "off"
        assert processes.wait_until(lambda: server.healthz()[1]["battle"] == "off", 30)
        assert server.metric("socket_connections") == 2
        assert clients.count("disconnect") == 0
        with Clients(server.url, ORIGIN, players=1, rooms=1) as late:
            assert late.wait(lambda c: c.count("connect") == 1)


def test_battle_is_on_while_the_switch_cannot_be_reached(run: Run, sound: ImageRef) -> None:
    server = run(sound, EDGE_CONFIG="http://127.0.0.1:9/ecfg_x?token=t", EDGE_CONFIG_SECONDS="0.1")
    assert server.healthz()[1]["battle"] == "on"


def test_the_health_check_of_the_service_needs_nothing_but_node(run: Run, sound: ImageRef) -> None:
    assert run(sound).container.exec_run(CHECK).exit_code == 0
    assert run(sound, FAULT="healthz-500").container.exec_run(CHECK).exit_code == 1


def test_bad_releases_fail_as_they_are_named(run: Run, sound: ImageRef) -> None:
    assert run(sound, up=False, FAULT="crash").exit_code() == 1
    dying = run(sound, FAULT="dies", FAULT_AFTER_SECONDS="2")
    assert dying.healthz()[0] == 200
    assert dying.exit_code() == 1
    with pytest.raises(TimeoutError):
        run(sound, FAULT="hang").healthz()
    assert run(sound, FAULT="healthz-500").healthz()[0] == 500


def test_a_bad_release_is_an_image_of_its_own(run: Run, hub: Registry, sound: ImageRef) -> None:
    bad = images.socket_server(hub, demo.RELEASES[1], fault="healthz-500")
    assert bad.digest != sound.digest
    assert run(bad).healthz() == (500, {"status": "broken", "release": demo.RELEASES[1], "battle": "on"})
    with pytest.raises(ValueError, match="fault is one of"):
        images.socket_server(hub, demo.RELEASES[1], fault="unknown")


def test_every_probe_is_counted_as_good_or_failed(run: Run, sound: ImageRef) -> None:
    def probes(server: Server) -> dict[str, int]:
        with Clients(server.url, ORIGIN, players=0, rooms=1, rate=100, seconds=2) as clients:
            assert clients.wait(lambda c: c.count("summary") == 1)
            return dict(clients.finish()["probes"])

    good = probes(run(sound))
    assert good["sent"] == good["ok"] > 0
    assert good["failed"] == 0
    bad = probes(run(sound, FAULT="healthz-500"))
    assert bad["sent"] == bad["failed"] > 0
    assert bad["ok"] == 0


DOMAIN = "socket.test"


@pytest.fixture
def proxied(host: Engine, hub: Registry, sound: ImageRef, tmp_path: Path) -> Iterator[Callable[[], Any]]:
    """The default proxy with TLS of its own before all servers that the given function starts.

    Docker's DNS knows them by one name, as it does the tasks of a service; release 1 is the first.
    """
    text = render_caddyfile(production(socketTls="internal", socketDomain=DOMAIN).settings())
    (tmp_path / "Caddyfile").write_text(text.replace(f"tasks.{service_name('production')}", "battle"))
    caddy = images.caddy(hub, other=proxy.ensure(print))
    with contextlib.closing(host.client()) as client:
        network = client.networks.create("proxied")
        containers = [
            client.containers.run(
                caddy.reference,
                detach=True,
                network="proxied",
                ports={"8443/tcp": 8443},
                volumes=[f"{tmp_path}/Caddyfile:/etc/caddy/Caddyfile:ro"],
                tmpfs={"/data": "", "/config": ""},
                read_only=True,
                cap_drop=["ALL"],
                cap_add=["NET_BIND_SERVICE"],
            )
        ]

        def start() -> Any:
            container = client.containers.create(
                sound.reference,
                environment={
                    "CLIENT_URL": ORIGIN,
                    "DRAIN_SECONDS": "4",
                    "GIT_SHA": str(len(containers)),
                },
                networking_config={"proxied": client.api.create_endpoint_config(aliases=["battle"])},
                network="proxied",
            )
            containers.append(container)
            container.start()
            assert processes.wait_until(lambda: container.exec_run(CHECK).exit_code == 0, 60)
            return container

        yield start
        for container in containers:
            container.remove(force=True)
        network.remove()


def test_behind_caddy_a_stopped_server_costs_no_probe_and_its_players_take_their_rooms_along(
    host: Engine, proxied: Callable[[], Any]
) -> None:
    first = proxied()
    with Clients(
        f"https://{DOMAIN}:8443",
        ORIGIN,
        players=12,
        rooms=3,
        rate=100,
        connect=host.address,
        insecure=True,
    ) as clients:
        assert clients.wait(lambda c: c.count("connect") == 12)
        proxied()
        first.stop(timeout=30)
        assert clients.wait(lambda c: c.count("reconnect") >= 12)
        summary = clients.finish()
    assert summary["connected"] == 12
    assert summary["kept"] == summary["reconnects"] == 12
    assert summary["probes"]["failed"] == 0
    assert summary["probes"]["sent"] == summary["probes"]["ok"] > 0


def test_behind_caddy_a_server_that_hangs_costs_its_sticky_visitor_no_answer(
    host: Engine, proxied: Callable[[], Any]
) -> None:
    """No player, no other request: nothing but the proxy's own memory knows that it failed."""
    hung, _ = proxied(), proxied()
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    def ask(cookie: str = "") -> tuple[int, str, str]:
        connection = http.client.HTTPConnection(DOMAIN)
        with (
            socket.create_connection((host.address, 8443), 60) as link,
            context.wrap_socket(link, server_hostname=DOMAIN) as connection.sock,
        ):
            connection.request("GET", "/healthz", headers={"Cookie": cookie} if cookie else {})
            answer = connection.getresponse()
            release = json.loads(answer.read())["release"] if answer.status == http.HTTPStatus.OK else ""
        return answer.status, release, (answer.headers["Set-Cookie"] or "").partition(";")[0]

    cookies: dict[str, str] = {}

    def both() -> bool:
        with contextlib.suppress(OSError):
            _, release, cookie = ask()
            cookies[release] = cookie
        return cookies.keys() >= {"1", "2"}

    assert processes.wait_until(both, 60)
    hung.reload()
    node = int(hung.attrs["State"]["Pid"])
    os.kill(node, signal.SIGSTOP)
    try:
        answers = [ask(cookie)[:2] for cookie in [*[cookies["1"]] * 10, *[""] * 10]]
    finally:
        os.kill(node, signal.SIGCONT)
    assert answers == [(200, "2")] * 20
