"""Both stacks on one Docker host: whom each admits, and that removing one leaves the other alone.

Through each stack's proxy, as a browser comes: production over TLS, staging over plain HTTP.
"""

import contextlib
import http.client
import socket
import ssl
from typing import Any

import pytest

from rehearsal import docker_hosts, home
from rehearsal.demo import VERCEL_PROJECT_NAME, VERCEL_TEAM_SLUG
from rehearsal.docker_engine.clients import Clients
from tests.harness import DockerHome
from tests.rehearsal.rollouts import ORIGINS, PATIENCE, RATE

PREVIEWS = (
    f"https://{VERCEL_PROJECT_NAME}-git-feature-x-{VERCEL_TEAM_SLUG}.vercel.app",
    f"https://{VERCEL_PROJECT_NAME}-a1b2c3d4e-{VERCEL_TEAM_SLUG}.vercel.app",
)
FOREIGN = (
    "https://evil.example",
    "https://share-paint.app.evil.example",
    "http://share-paint.app",
    "https://share-paint.app:444",
    f"https://{VERCEL_PROJECT_NAME}-git-x-somebody-else.vercel.app",
    f"{PREVIEWS[0]}.evil.example",
    "null",
    None,
)
# Transport → path, headers, status of a welcome.
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


def handshake(served: DockerHome, stack: str, transport: str, origin: str | None) -> tuple[int, str | None]:
    """Status of the answer, and the origin that it allows."""
    path, headers, _ = HANDSHAKES[transport]
    at = docker_hosts.endpoint(served.home, stack)
    connection = http.client.HTTPConnection(at.address, at.port, timeout=30)
    with contextlib.closing(connection):
        if at.authority:
            context = ssl.create_default_context(cafile=at.authority)
            plain = socket.create_connection((at.address, at.port), 30)
            connection.sock = context.wrap_socket(plain, server_hostname=at.domain)
        said = {"Host": at.domain} | headers | ({"Origin": origin} if origin else {})
        connection.request("GET", path, headers=said)
        answer = connection.getresponse()
        return answer.status, answer.headers["Access-Control-Allow-Origin"]


def players(served: DockerHome, stack: str, origin: str, number: int, **options: Any) -> Clients:
    at = docker_hosts.endpoint(served.home, stack)
    return Clients(
        at.url, origin, players=number, seconds=1500,
        connect=at.address, insecure=at.authority is not None, **options,
    )  # fmt: skip


@pytest.mark.parametrize("transport", HANDSHAKES)
@pytest.mark.parametrize("stack", home.STACKS)
def test_each_stack_admits_its_own_site_and_only_staging_previews(
    served: DockerHome, stack: str, transport: str
) -> None:
    welcome = HANDSHAKES[transport][2]
    (other,) = set(ORIGINS.values()) - {ORIGINS[stack]}
    admitted = (ORIGINS[stack], *(PREVIEWS if stack == "staging" else ()))
    foreign = (other, *FOREIGN, *(() if stack == "staging" else PREVIEWS))
    for origin in admitted:
        status, allowed = handshake(served, stack, transport, origin)
        assert status == welcome, origin
        assert transport == "websocket" or allowed == origin
    for origin in foreign:
        status, allowed = handshake(served, stack, transport, origin)
        assert status in (400, 403), origin
        assert allowed in (None, ORIGINS[stack]), origin


@pytest.mark.parametrize("transports", ["polling", "websocket", "websocket,polling"])
def test_a_player_from_a_foreign_page_never_gets_in(served: DockerHome, transports: str) -> None:
    for stack in home.STACKS:
        with players(served, stack, "https://evil.example", 3, transports=transports) as clients:
            assert clients.wait(lambda now: now.count("refused") >= 6, PATIENCE)
            summary = clients.finish()
        assert summary["connects"] == 0
        assert summary["connected"] == 0


@pytest.mark.parametrize("stack", home.STACKS)
def test_the_metrics_of_the_server_are_not_public(served: DockerHome, stack: str) -> None:
    for path in ("/metrics", "/metrics/", "/metrics/x"):
        assert served.ask(stack, path)[0] == 404


def test_a_proxy_that_cannot_be_pulled_is_refused_while_the_old_one_serves(served: DockerHome) -> None:
    """The old one ends first: an image that is missing would be found out with nobody at the door."""
    before = served.config("staging", "proxyImage")
    served.edit("staging", proxyImage=f"{served.hosts.socket.address}/caddy:none@sha256:{'9' * 64}")
    failed = served.pulumi("up", "-s", "staging", "--yes", "--skip-preview").failed()
    assert docker_hosts.endpoint(served.home, "staging").release() == docker_hosts.SERVED["staging"]
    served.edit("staging", proxyImage=before)
    assert "cannot be pulled" in failed.text
    assert "The old proxy was not touched" in failed.text
    served.pulumi("preview", "-s", "staging", "--expect-no-changes").ok()


@pytest.mark.parametrize("way", ["the stack file names no release", "destroy of its socket server"])
def test_removing_one_stack_leaves_the_other_serving(served: DockerHome, way: str) -> None:
    kept = stated(served)
    with players(served, "production", ORIGINS["production"], 20, rate=RATE) as clients:
        assert clients.wait(lambda now: now.count("connect") == 20, PATIENCE)
        if way.startswith("destroy"):
            served.pulumi(
                "destroy", "-s", "staging", "--yes", "--skip-preview", "--target", "**SocketServer$docker:**"
            ).ok()
        else:
            served.edit("staging", **dict.fromkeys(kept))
            served.up("staging")
        assert served.serves("staging") == ""
        assert left(served) == {"paintshare-production"}
        served.edit("staging", **kept)
        served.up("staging")  # and it comes back by the same file
        assert served.comes_to_serve("staging", kept["socketRelease"])
        summary = clients.finish()
    print(f"{way}: {summary['probes']}")
    assert summary["probes"]["failed"] == 0
    assert summary["lost"] == 0
    for stack in home.STACKS:
        served.pulumi("preview", "-s", stack, "--expect-no-changes").ok()


def stated(served: DockerHome) -> dict[str, str]:
    """What staging's stack file says of the socket server's releases, N-1 included."""
    keys = ("socketRelease", "socketDigest", "previousSocketRelease", "previousSocketDigest")
    text = served.home.stack_file("staging").read_text()
    return {key: served.config("staging", key) for key in keys if f":{key}:" in text}


def left(served: DockerHome) -> set[str]:
    """First words of the names of all services, networks, configs and secrets on the host."""
    with contextlib.closing(served.hosts.socket.engine.client()) as client:
        names = [
            each.name for kind in (client.services, client.configs, client.secrets) for each in kind.list()
        ]
        names += [each.name for each in client.networks.list() if each.name.startswith("paintshare")]
    return {"-".join(name.split("-")[:2]) for name in names}
