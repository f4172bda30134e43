"""The accounts' REST APIs on loopback: the lists that `operations adopt` reads, and the few writes it makes.

Answers have the shape of the real ones (Vercel REST API, GitHub REST API 2022-11-28), paged as they are;
a bearer token is required. A sensitive variable's value and a GitHub secret are never returned. What is
answered stands with the kinds: `vercel` and `github` list their routes.
"""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

from rehearsal import demo
from rehearsal.standin import github, vercel
from rehearsal.standin.account import Account, Document
from rehearsal.standin.github import permissions
from rehearsal.standin.github.rest import Page
from rehearsal.standin.kinds import ServiceError
from rehearsal.standin.rest import Answer, Query, Route, lacking


class AccountApi:
    """Both APIs of one account file, while the `with` block lasts.

    `vercel_url`, `github_url` and `edge_config_url` stand for https://api.vercel.com,
    https://api.github.com and https://edge-config.vercel.com. Tokens default to the demo account's.
    """

    def __init__(
        self, path: Path, *, vercel_token: str = demo.VERCEL_TOKEN, github_token: str = demo.GITHUB_TOKEN
    ) -> None:
        self._path = path
        self._tokens = {"vercel": vercel_token, "github": github_token}

    def __enter__(self) -> "AccountApi":
        handler = type("Handler", (_Handler,), {"path_of_account": self._path, "tokens": self._tokens})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        base = f"http://127.0.0.1:{self._server.server_port}"
        self.vercel_url, self.github_url = f"{base}/vercel", f"{base}/github"
        self.edge_config_url = f"{base}/edge-config"
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    path_of_account: Path
    tokens: dict[str, str]

    def log_message(self, format: str, *args: object) -> None:
        """Silent: a request's path may name what a test greps for."""

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def do_PATCH(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        service, _, path = url.path.lstrip("/").partition("/")
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        links: dict[str, str] = {}
        headers: dict[str, str] = {}
        try:
            status, payload = self._answer(service, "/" + path, query, json.loads(body or b"null"))
        except ServiceError as error:
            status, payload = error.status, _error(service, error)
        except (ValueError, KeyError, TypeError) as error:  # the request's fault: a body of another shape
            status, payload = 400, _error(service, ServiceError(400, "bad_request", repr(error)))
        if service == "github":
            headers = self._about_the_token("/" + path, status)
        if isinstance(payload, Page):
            links, payload = payload.links(f"http://{self.headers['Host']}{url.path}", query), payload.body
        text = b"" if status == 204 else json.dumps(payload).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        for name, value in {**headers, **links}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def _about_the_token(self, path: str, status: int) -> dict[str, str]:
        """What GitHub says of a token with every answer: classic scopes, expiry, what a refusal lacks."""
        account = Account(self.path_of_account, "github")
        try:
            token = account.get("token", "current") or {}
        finally:
            account.close()
        needed = "; ".join(f"{permission}=read" for permission in _needed("github", path))
        named = {
            "X-OAuth-Scopes": token.get("scopes"),
            "github-authentication-token-expiration": token.get("expires"),
            "X-Accepted-GitHub-Permissions": needed if status == 403 else None,
        }
        return {name: value for name, value in named.items() if value}

    def _answer(self, service: str, path: str, query: Query, body: Any) -> Answer:
        if service not in _ROUTES:
            raise ServiceError(404, "not_found", f"no service {service}")
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        reader = service == "github" and token == demo.GITHUB_READ_TOKEN
        # A reader of an Edge Config has a token of its own, in the query.
        if service in self.tokens and token != self.tokens[service] and not reader:
            raise ServiceError(401, "unauthorized", "Bad credentials")
        if reader and self.command != "GET":  # as a job's token in a pull request from a fork
            raise ServiceError(403, "forbidden", "Resource not accessible by integration")
        for method, pattern, handler in _ROUTES[service]:
            match = re.fullmatch(pattern, path)
            if method == self.command and match:
                account = Account(self.path_of_account, "vercel" if service == "edge-config" else service)
                try:
                    needed = _needed(service, path)
                    if needed and set(needed) <= set(lacking(account)):
                        raise ServiceError(403, "forbidden", _REFUSALS[service])
                    with account.transaction():
                        status, payload = handler(account, query, body, *map(unquote, match.groups()))
                    if reader and isinstance(payload, dict):
                        payload.pop("bypass_actors", None)  # told to who may write rulesets
                    return status, payload
                finally:
                    account.close()
        raise ServiceError(404, "not_found", f"{self.command} {path}: no such resource")


def _error(service: str, error: ServiceError) -> Document:
    if service == "github":
        return {"message": error.message, "documentation_url": "", "status": str(error.status)}
    return {"error": {"code": error.code, "message": error.message}}


def _needed(service: str, path: str) -> tuple[str, ...]:
    """Of which permissions the token must have one; none where every token may."""
    if service == "vercel":  # a token of one project does not reach what belongs to the team
        return ("edge-config",) if re.match(r"/v\d+/edge-config\b", path) else ()
    return permissions.needed(path)


_REFUSALS: Final = {
    "github": "Resource not accessible by personal access token",
    "vercel": "Not authorized",
}
_ROUTES: Final[dict[str, tuple[Route, ...]]] = {
    "vercel": vercel.ROUTES,
    "edge-config": vercel.READER_ROUTES,
    "github": github.ROUTES,
}
