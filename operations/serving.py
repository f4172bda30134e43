"""What a stack really serves: the deployment behind its domain, the release that its socket service runs.

Asked of Vercel and of the Docker host, never of the state: a state says what was meant.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from operations import hosts
from operations.accounts import Json, VercelAccount
from operations.hosts import Image, Running
from operations.workspace import OperationError
from plan.hosts import socket_host
from plan.settings import Settings
from plan.socket import service_name


@dataclass(frozen=True, kw_only=True)
class Web:
    """The deployment that a domain points at. `sha` is "" where it was not built from git."""

    deployment: str
    sha: str
    url: str
    ready: bool
    created: int  # milliseconds since 1970; the variables of its build are those of that moment
    since: datetime  # when it was ready

    @classmethod
    def of(cls, deployment: Json) -> "Web":
        source, meta = deployment.get("gitSource") or {}, deployment.get("meta") or {}
        return cls(
            deployment=deployment["id"],
            sha=source.get("sha") or meta.get("githubCommitSha") or "",
            url=deployment["url"],
            ready=deployment["readyState"] == "READY",
            created=deployment["createdAt"],
            since=datetime.fromtimestamp((deployment.get("ready") or deployment["createdAt"]) / 1000, UTC),
        )


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One check of what serves: `ok` None where it could not be made, and `text` says why."""

    ok: bool | None
    what: str
    text: str


def web(settings: Settings, vercel: VercelAccount) -> Web | None:
    """What the stack's domain serves; None where it serves nothing."""
    found = vercel.served(settings.web_domain)
    return Web.of(found) if found else None


def verify_web(settings: Settings, vercel: VercelAccount) -> Finding:
    """Whether the domain serves what the stack file says: its release, or any ready build of its branch."""
    domain, served = settings.web_domain, web(settings, vercel)
    if served is None:
        return Finding(ok=False, what="web", text=f"{domain} serves nothing")
    runs = f"{domain} serves {served.sha[:7] or served.deployment}"
    if settings.release and served.sha != settings.release:
        return Finding(ok=False, what="web", text=f"{runs}, not the release {settings.release[:7]}")
    if not served.ready:
        return Finding(ok=False, what="web", text=f"{runs}, whose deployment is not ready")
    return Finding(ok=True, what="web", text=runs)


def socket(settings: Settings) -> Running | None:
    """What the stack's socket service runs; None where none is declared. Raises OperationError."""
    if not settings.socket_release:
        return None
    with hosts.connected(socket_host(settings)) as host:
        return host.service(service_name(settings.stack))


def verify_socket(settings: Settings) -> Finding:
    """Whether the socket service runs the release that the stack file names, every task of it healthy."""
    name, release = service_name(settings.stack), settings.socket_release
    try:
        with hosts.connected(socket_host(settings)) as host:
            running = host.await_release(name, release, settings.socket_digest)
    except OperationError as error:
        return Finding(ok=False, what="socket", text=str(error))
    return Finding(ok=True, what="socket", text=running.text)


def verify(
    settings: Settings, vercel: VercelAccount, parts: tuple[str, ...] = ("web", "socket")
) -> list[Finding]:
    """Everything that the stack file says is served, asked where it is served."""
    found = []
    if "web" in parts:
        found.append(verify_web(settings, vercel))
    if "socket" in parts and settings.socket_release:
        found.append(verify_socket(settings))
    return found


def refusal(settings: Settings, image: str) -> str:
    """Why the socket host cannot run an image, "" where it can. Raises OperationError."""
    with hosts.connected(socket_host(settings)) as host:
        return host.refusal(service_name(settings.stack), Image.parse(image))
