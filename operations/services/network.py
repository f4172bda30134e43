"""Asking a site from outside, as a user would: one answer, and what it says of who has answered.

Sources: vercel.com/docs/vercel-firewall, /docs/deployment-protection.
"""

import contextlib
import http.client
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urljoin, urlsplit

_TIMEOUT: Final = 20  # seconds for one answer: a cold start counts as an answer
BYPASS: Final = "VERCEL_PROTECTION_BYPASS"
_MITIGATED: Final = "x-vercel-mitigated"
_REDIRECT: Final = (301, 302, 303, 307, 308)


class UnheardError(Exception):
    """Something else than the app has answered; the message says what, and what to do."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer. `headers` by lower-case name."""

    status: int
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def onward(self) -> str:
        """Where it sends a visitor, "" where it does not."""
        return self.headers.get("location", "") if self.status in _REDIRECT else ""

    def judge(self, url: str, stack: str) -> None:
        """Raise UnheardError where Vercel answered in the app's place, ValueError where the firewall denied.

        A denial (`deny`) is meant for whoever asks, and a page that says so is not up.
        """
        mitigated = self.headers.get(_MITIGATED, "").lower()
        if mitigated == "challenge" and self.status in (200, 403, 429):
            raise UnheardError(
                f"Vercel's firewall answered with a challenge ({self.status}), which only a browser passes: "
                "let this address through in the project's firewall (attack mode, bot protection, rules)"
            )
        if mitigated and self.status == 200:
            raise ValueError(f"answered 200 by Vercel's firewall ({mitigated}), not by the app")
        host = urlsplit(urljoin(url, self.onward)).hostname or ""
        login = bool(self.onward) and (host == "vercel.com" or host.endswith(".vercel.com"))
        if login or self.status == 401:
            what = "sent to Vercel's login" if login else "answered 401"
            raise UnheardError(
                f"{what} by the deployment protection: make a bypass secret in the project (Deployment "
                "Protection, Protection Bypass for Automation), then: "
                f"python -m operations set {BYPASS} --stack {stack}"
            )


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a host answers when DNS does not say so: in the rehearsal, on this machine."""

    address: str
    port: int
    authority: Path | None = None  # certificate to trust instead of the public ones
    tls: bool = True


@dataclass(frozen=True)
class Network:
    """Opens connections, to the places of the rehearsal instead of DNS' where it is told to."""

    places: Mapping[str, Place] = field(default_factory=dict)  # by host

    def open(self, url: str) -> socket.socket:
        """A connection to the URL's host, with TLS where the URL has it. Raises OSError."""
        parts = urlsplit(url)
        host, tls = parts.hostname or "", parts.scheme in ("https", "wss")
        place = self.places.get(host) or Place(address=host, port=parts.port or (443 if tls else 80))
        plain = socket.create_connection((place.address, place.port), _TIMEOUT)
        if not tls or not place.tls:
            return plain
        try:
            context = ssl.create_default_context(cafile=place.authority)
            return context.wrap_socket(plain, server_hostname=host)
        except BaseException:
            plain.close()
            raise

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Answer:
        """One answer. Raises OSError or HTTPException."""
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.netloc)
        with contextlib.closing(connection):
            connection.sock = self.open(url)
            target = parts.path + (f"?{parts.query}" if parts.query else "")
            agent = {"User-Agent": "paintshare-smoke", **(headers or {})}
            connection.request("GET", target or "/", headers=agent)
            answer = connection.getresponse()
            body = answer.read(1 << 20).decode(errors="replace")
            named = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(status=answer.status, body=body, headers=named)
