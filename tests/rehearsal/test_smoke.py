"""`operations smoke` and `watch` before the rehearsal's site and its real socket servers."""

import contextlib

import pytest

from rehearsal import demo, docker_hosts
from rehearsal.site import break_release
from tests.harness import DockerHome

PAGES = ("/", "/feed", "/draw", "/battle", "/login")
STACKS = ("staging", "production")


@pytest.mark.parametrize("stack", STACKS)
def test_a_sound_release_passes_page_by_page_and_by_both_transports(served: DockerHome, stack: str) -> None:
    said = served.operations("smoke", "--stack", stack).ok().stdout
    for what in (*PAGES, "socket by polling", "socket by websocket"):
        assert f"ok    {what}: " in said
    assert "/draw: 200, at /login" in said


def test_a_bad_release_fails_and_every_page_that_it_breaks_is_named(served: DockerHome) -> None:
    served_now = served.config("production", "release")
    break_release(served.home.account, served_now)
    try:
        smoke = served.operations("smoke", "--stack", "production").failed()
        watch = served.operations("watch", "--stack", "production", "--minutes", "5").failed()
    finally:
        break_release(served.home.account, served_now, broken=False)
    assert "FAIL  /feed: answered 500" in smoke.stdout
    assert "ok    socket by websocket" in smoke.stdout
    assert f"the smoke test of production failed: {', '.join(PAGES)}" in smoke.stderr
    assert "production is not healthy:" in watch.stderr


def test_a_page_that_is_missing_fails(served: DockerHome) -> None:
    served.edit("production", smokePaths=["/", "/gone"])
    said = served.operations("smoke", "--stack", "production").failed()
    served.edit("production", smokePaths=None)
    assert "FAIL  /gone: answered 404" in said.stdout


def test_an_origin_that_the_socket_server_does_not_admit_fails(served: DockerHome) -> None:
    """The app's own URL is the origin of the question: a wrong CLIENT_URL would lock every player out."""
    served.edit("staging", webDomain="other.share-paint.app")
    said = served.operations("smoke", "--stack", "staging").failed()
    served.edit("staging", webDomain=demo.STAGING_DOMAIN)
    assert "FAIL  socket by polling: answered 403" in said.stdout
    assert "FAIL  socket by websocket: " in said.stdout


def test_a_stopped_socket_server_fails(served: DockerHome) -> None:
    with contextlib.closing(served.hosts.socket.engine.client()) as client:
        client.services.get("paintshare-staging-socket").scale(0)
        said = served.operations("smoke", "--stack", "staging").failed()
        client.services.get("paintshare-staging-socket").scale(2)
    assert served.comes_to_serve("staging", docker_hosts.SERVED["staging"])
    assert "FAIL  socket by polling" in said.stdout
