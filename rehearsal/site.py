"""The web app of the rehearsal: answers for the domains of the demo account with what they serve there.

Pages say which release they are of. A release can be broken on purpose (`break_release`): its pages then
answer 500, as a bad build would, until the domain serves another one.
"""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

from rehearsal.standin.account import Account

PAGES: Final = ("/", "/feed", "/battle", "/login")
_GUARDED: Final = {"/draw": "/login"}  # sends a visitor without a session to the login page
_BROKEN: Final = "brokenRelease"


class Site:
    """Every domain of one account file on one loopback port, while the `with` block lasts."""

    def __init__(self, account: Path) -> None:
        self._path = account

    def __enter__(self) -> "Site":
        handler = type("Handler", (_Handler,), {"path_of_account": self._path})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.port = int(self._server.server_port)
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def break_release(account: Path, sha: str, *, broken: bool = True) -> None:
    """Make every page of a release answer 500, or take that back."""
    found = Account(account, "vercel")
    try:
        if broken:
            found.put(_BROKEN, sha, {"status": 500})
        else:
            found.delete(_BROKEN, sha)
    finally:
        found.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    path_of_account: Path

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""

    def do_GET(self) -> None:
        domain = (self.headers.get("Host") or "").partition(":")[0]
        account = Account(self.path_of_account, "vercel")
        try:
            alias = account.get("alias", domain) or {}
            deployment = account.get("deployment", alias.get("deploymentId", ""))
            broken = account.get(_BROKEN, (deployment or {}).get("sha") or "")
        finally:
            account.close()
        path = self.path.partition("?")[0]
        if deployment is None:
            self._say(404, f"no deployment serves {domain}")
        elif broken:
            self._say(int(broken["status"]), "a bad release")
        elif path in _GUARDED:
            self._say(307, "", _GUARDED[path])
        elif path in PAGES:
            self._say(200, f"<!doctype html><title>{path}</title>release {deployment.get('sha')}")
        else:
            self._say(404, "no such page")

    def _say(self, status: int, text: str, location: str = "") -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        if location:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(body)
