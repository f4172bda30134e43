"""What a stack really serves: the deployment behind its domain, the release that its socket service runs.

Asked of Vercel and of the Docker host, never of the state: a state says what was meant.
"""

from dataclasses import dataclass

from operations.accounts import Json, VercelAccount
from plan.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Web:
    """The deployment that a domain points at. `sha` is "" where it was not built from git."""

    deployment: str
    sha: str
    url: str
    ready: bool
    created: int  # milliseconds since 1970

    @classmethod
    def of(cls, deployment: Json) -> "Web":
        source, meta = deployment.get("gitSource") or {}, deployment.get("meta") or {}
        return cls(
            deployment=deployment["id"],
            sha=source.get("sha") or meta.get("githubCommitSha") or "",
            url=deployment["url"],
            ready=deployment["readyState"] == "READY",
            created=deployment["createdAt"],
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
