"""What an answer says of a release: good, bad, or nothing at all, because Vercel answered in its place."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from operations.parts import Finding
from operations.services.network import Network, Place
from operations.verbs.smoke import smoke
from plan.settings import Settings
from tests.builders import production

WEB, SOCKET = "share-paint.app", "socket.share-paint.app"
CHALLENGE = {"x-vercel-mitigated": "challenge"}
SECRET = "the-bypass-secret-of-automation-1"
Answers = dict[str, tuple[int, dict[str, str]]]


def settings(*paths: str, **changes: Any) -> Settings:
    file = production(webDomain=WEB, socketDomain=SOCKET, smokePaths=list(paths), **changes)
    file.set_secret("VERCEL_PROTECTION_BYPASS", SECRET)
    return file.settings()


@contextmanager
def site(answers: Answers) -> Iterator[tuple[Network, list[tuple[str, str, str | None]]]]:
    """Both hosts on one loopback port, status and headers by path; who was asked what, with which secret."""
    asked: list[tuple[str, str, str | None]] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

        def do_GET(self) -> None:
            asked.append((self.headers["Host"], self.path, self.headers.get("x-vercel-protection-bypass")))
            status, headers = answers.get(self.path, (200, {}))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"a page")

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    place = Place(address="127.0.0.1", port=server.server_port, tls=False)
    try:
        yield Network({WEB: place, SOCKET: place}), asked
    finally:
        server.shutdown()
        server.server_close()


def judged(status: int, headers: dict[str, str]) -> Finding:
    with site({"/": (status, headers)}) as (network, _):
        return next(smoke(settings("/"), network))


@pytest.mark.parametrize(
    ("status", "headers", "named"),
    [
        (403, CHALLENGE, "firewall"),
        (429, CHALLENGE, "firewall"),
        (200, CHALLENGE, "firewall"),  # the page of the challenge is no page of the app
        (307, {"Location": "https://vercel.com/sso-api?url=x"}, "deployment protection"),
        (302, {"Location": "https://vercel.com/login"}, "deployment protection"),
        (401, {}, "deployment protection"),
    ],
)
def test_what_vercel_answers_in_the_apps_place_says_nothing_about_the_release(
    status: int, headers: dict[str, str], named: str
) -> None:
    finding = judged(status, headers)
    assert finding.ok is None
    assert named in finding.text
    assert SECRET not in finding.text


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (403, {}),
        (429, {}),
        (403, {"x-vercel-mitigated": "deny"}),
        (200, {"x-vercel-mitigated": "deny"}),
        (500, {}),
        (500, CHALLENGE),
        (307, {"Location": "https://notvercel.com/login"}),
        (404, {}),
    ],
)
def test_a_broken_page_stays_a_failure(status: int, headers: dict[str, str]) -> None:
    assert judged(status, headers).ok is False


def test_a_page_that_is_broken_beside_a_challenged_one_fails() -> None:
    with site({"/": (429, CHALLENGE), "/feed": (500, {})}) as (network, _):
        pages = [each.ok for each in smoke(settings("/", "/feed", "/draw"), network)][:3]
    assert pages == [None, False, True]


@pytest.mark.parametrize("path", [f"//{SOCKET}/", f"http://{SOCKET}/", "feed"])
def test_a_path_that_names_another_host_is_not_asked_for(path: str) -> None:
    with site({}) as (network, asked):
        finding = next(smoke(settings(path), network))
    assert (finding.ok, asked) == (False, [])


def test_the_bypass_goes_to_the_web_domain_and_nowhere_else() -> None:
    named = {"socketRelease": "a" * 40, "socketDigest": f"sha256:{'a' * 64}", "socketTls": "acme"}
    with site({"/": (307, {"Location": "/login"})}) as (network, asked):
        list(smoke(settings("/", **named), network))
    told = {(host.partition(":")[0], secret) for host, _, secret in asked}
    assert told == {(WEB, SECRET), (SOCKET, None)}
    with site({"/": (307, {"Location": f"https://{SOCKET}/"})}) as (network, asked):
        finding = next(smoke(settings("/"), network))
    assert (finding.ok, SOCKET in finding.text) == (False, True)
    assert [host for host, _, _ in asked] == [WEB]  # not followed
