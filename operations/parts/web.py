"""The web app as a part of a release: the deployment that a domain at Vercel points at.

Asked of Vercel, never of the state: a state says what was meant.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from operations.parts.part import Access, Finding, Keys, Served, State, rollback
from operations.parts.probe import question
from operations.services.accounts import Json, VercelAccount
from operations.services.network import BYPASS, Network
from plan.promotion import Line, Point
from plan.rows import Store
from plan.settings import Settings
from plan.urls import app_url
from plan.variables import row_of
from plan.web import Domain, names, web_plan

_REDIRECTS: Final = 5
_BYPASS_HEADER: Final = "x-vercel-protection-bypass"


class WebApp:
    """`operations.parts.part.Part` of the web app."""

    name: Final = "web"
    keys: Final = Keys(sha="release", previous="previousRelease", follows="autoAssignCustomDomains")
    targets: Final = (names("live"),)

    def place(self, settings: Settings) -> str:
        return settings.web_domain

    def declared(self, settings: Settings) -> bool:
        return True

    def built(self, settings: Settings, state: State) -> bool:
        return names("release", settings.release) in state

    def served(self, access: Access, *, settled: bool = False) -> Served | None:
        """Vercel moves a domain at once: there is nothing to wait for."""
        found = web(access.settings, access.vercel)
        if found is None:
            return None
        point, text = Point(found.sha), f"{access.settings.web_domain} serves {found.sha[:7]}"
        return Served(point=point, wanted=point, settled=found.ready, since=found.since, text=text)

    def unfit(self, settings: Settings, served: Served | None, trouble: str) -> Line | None:
        if served and served.point.sha and served.settled:
            return None
        text = trouble or f"{settings.web_domain} serves no ready build of a commit"
        look = f"python -m operations status --stack {settings.stack}"
        return Line.no_go(f"{settings.stack} runs it now", text, look)

    def verify(self, access: Access, state: State | None = None) -> Iterator[Finding]:
        settings, vercel = access.settings, access.vercel
        yield judge_web(settings, web(settings, vercel), state)
        yield from verify_account(settings, vercel)
        if state is not None:
            yield from verify_previous(settings, vercel, state)

    def status(self, access: Access) -> tuple[str, str]:
        found = judge_web(access.settings, web(access.settings, access.vercel))
        return found.text, "" if found.ok else found.text

    def told(self, access: Access) -> str:
        found = web(access.settings, access.vercel)
        return f"{access.settings.web_domain} serves {found.sha[:7] if found else 'nothing'}"

    def obstacle(self, access: Access, state: State) -> str:
        settings, sha = access.settings, access.settings.previous_release
        onward = f"python -m operations promote --stack {settings.stack}"
        known = state.get(names("release", sha))
        if known is None:
            again = f"python -m operations up --stack {settings.stack}"
            return (
                f"{sha[:7]} was never built by this stack: {again}. If that fails, promote a mended "
                f"release: {onward}"
            )
        live = access.vercel.deployment(str(known["id"]))
        if live is None or not Web.of(live).ready:
            return (
                f"the deployment of {sha[:7]} is gone from Vercel. To build it again: "
                f"python -m operations up --refresh --stack {settings.stack}; or promote another release: "
                f"{onward}"
            )
        return ""

    def failed(self, settings: Settings, failure: str) -> str:
        return "was not built" if f"{names('release', settings.release)}:" in failure else ""

    def previous_failed(self, settings: Settings, failure: str) -> bool:
        old = settings.previous_release
        return bool(old) and f"{names('release', old)}:" in failure

    def unsettled(self, access: Access, keys: Collection[str], services: Collection[str]) -> str:
        """A build that is made again moves the domain to what the record names, also where that was taken
        back."""
        settings = access.settings
        if not settings.release or not any(Store.VERCEL in row_of(key).stores for key in keys):
            return ""
        found = judge_web(settings, web(settings, access.vercel))
        return "" if found.ok else found.text

    def written(self, settings: Settings, services: Collection[str]) -> bool:
        return True

    def rebuilt(self, access: Access, written: int, state: State) -> Iterator[Finding]:
        """Variables reach new deployments only."""
        settings, vercel = access.settings, access.vercel
        served = web(settings, vercel)
        fresh = served is not None and served.ready and served.created >= written
        text = "serves a build with it" if fresh else "serves a build made before it was written"
        if not fresh and settings.vercel_target == "production" and not settings.release:
            text += (
                f". Until the first promotion only a push to `{settings.branch}` or a redeployment in "
                "Vercel's dashboard brings it: do not revoke the old value before"
            )
        yield Finding(ok=fresh, what=self.name, text=f"{settings.web_domain} {text}")
        if not settings.previous_release:
            return
        known = state.get(names("release", settings.previous_release))
        built = vercel.deployment(str(known["id"])) if known else None
        fresh = built is not None and int(built["createdAt"]) >= written
        text = "is built with it" if fresh else "still has the old value"
        yield Finding(ok=fresh, what=self.name, text=f"N-1 ({settings.previous_release[:7]}) {text}")

    def moved(self, access: Access, changes: Collection[str], state: State) -> str:
        """By an instant rollback in the dashboard, which the state does not know and an `up` may undo."""
        [live] = self.targets
        known = state.get(live)
        if live not in changes or not known:
            return ""
        served = web(access.settings, access.vercel)
        if served is None or served.sha == access.settings.release:
            return ""
        if served.deployment == (known.get("outputs") or {}).get("deploymentId"):
            return ""
        text = judge_web(access.settings, served).text
        return f"{text}\nSomebody moved the domain, and this would move it back"

    def probe(self, settings: Settings, network: Network) -> Iterator[Finding]:
        """Its pages, over HTTP. The secret that passes Vercel's protection is sent to the web domain and
        nowhere else."""
        for path in settings.smoke_paths:
            with question(path) as told:
                told.text = _follow(network, settings, path)
            yield told.finding


WEB: Final = WebApp()


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


def web(settings: Settings, vercel: VercelAccount) -> Web | None:
    """What the stack's domain serves; None where it serves nothing."""
    found = vercel.served(settings.web_domain)
    return Web.of(found) if found else None


def judge_web(settings: Settings, served: Web | None, state: State | None = None) -> Finding:
    """Whether the domain serves what the stack file says: its release, or any ready build of its branch.

    `state`: where it is given, the release has to be the very build that the stack made last: an older one
    carries older variables. A finding that is not well names the commands that settle it.
    """
    domain, stack, release = settings.web_domain, settings.stack, settings.release
    back = f"python -m operations up --refresh --stack {stack}"
    if served is None:
        mend = f". Point it at {release[:7]} again: {back}" if release else ""
        return Finding(ok=False, what="web", text=f"{domain} serves nothing{mend}")
    runs = f"{domain} serves {served.sha[:7] or served.deployment}"
    if release and served.sha != release:
        text = f"{runs}, not the release {release[:7]}. {_ways(settings, served, state)}"
        return Finding(ok=False, what="web", text=text)
    if not served.ready:
        return Finding(ok=False, what="web", text=f"{runs}, whose deployment is not ready")
    known = (state or {}).get(names("release", release)) if release else None
    if known and str(known["id"]) != served.deployment:
        text = f"{runs}, but another build of it than this stack's, with the variables of its time: {back}"
        return Finding(ok=False, what="web", text=text)
    return Finding(ok=True, what="web", text=runs)


def _ways(settings: Settings, served: Web, state: State | None) -> str:
    """The commands that settle a domain which does not serve the release of the record."""
    stack, release = settings.stack, settings.release
    up = f"python -m operations up --refresh --stack {stack}"
    if state is not None and names("release", release) not in state:
        first = f"{release[:7]} was never built; to try again: python -m operations up --stack {stack}"
    else:
        first = f"To serve {release[:7]}: {up}"
    if served.sha and served.sha == settings.previous_release:
        keep = rollback(WebApp.name, stack)
    elif settings.vercel_target == "production":
        keep = f"python -m operations promote --stack {stack} replaces it, and keeps it as N-1"
    else:
        keep = f"pulumi config set release {served.sha} --stack {stack}"
    return f"{first}. To keep what serves: {keep}"


def verify_account(settings: Settings, vercel: VercelAccount) -> Iterator[Finding]:
    """What else at Vercel decides what a visitor gets, where it is not as declared; nothing where it is.

    A person, or a command of Vercel's own, can change each without touching the deployment that is served.
    """
    mend = f": python -m operations up --refresh --stack {settings.stack}"
    project = vercel.project() or {}
    if project.get("paused"):
        text = "the project is paused, no page answers: resume it in Vercel's dashboard"
        yield Finding(ok=False, what="project", text=text)
    automatic = project.get("autoAssignCustomDomains")
    if settings.vercel_project and settings.release and automatic:
        text = f"the next push to `{settings.branch}` is published, past the release{mend}"
        yield Finding(ok=False, what="project", text=text)
    plan = web_plan(settings)
    environments = {each["slug"]: each for each in vercel.custom_environments()} if plan.scope.custom else {}
    own = environments.get(plan.environment) or {}
    if plan.custom_environment:
        tracked = (own.get("branchMatcher") or {}).get("pattern")
        if tracked != plan.custom_environment.branch:
            text = f"{plan.environment} follows {tracked or 'no branch'}, not {settings.branch}{mend}"
            yield Finding(ok=False, what="environment", text=text)
    live = {each["name"]: each for each in vercel.domains()}
    for domain in plan.domains:
        if differs := _differs(domain, live.get(domain.domain), own.get("id")):
            yield Finding(ok=False, what="domain", text=f"{domain.domain} {differs}{mend}")


def _differs(domain: Domain, live: Json | None, environment: Any) -> str:
    """How a domain of the project differs from what is declared; "" where it does not."""
    if live is None:
        return "is no domain of the project any more"
    if not live.get("verified", True):
        return "is not verified any more, and serves nobody; see Vercel's dashboard. Then"
    if (live.get("redirect") or None) != domain.redirect_to:
        return f"redirects to {live['redirect']}" if live.get("redirect") else "does not redirect any more"
    if (live.get("gitBranch") or None) != domain.scope.git_branch:
        return f"follows the branch {live.get('gitBranch') or 'of its target'}"
    wanted = environment if domain.scope.custom else None
    if (live.get("customEnvironmentId") or None) != wanted:
        return "belongs to another environment"
    return ""


def verify_previous(settings: Settings, vercel: VercelAccount, state: State) -> Iterator[Finding]:
    """Whether N-1 of the web app is still there to go back to; nothing where it is."""
    sha = settings.previous_release
    if not sha:
        return
    known = state.get(names("release", sha))
    live = vercel.deployment(str(known["id"])) if known else None
    if live is not None and Web.of(live).ready:
        return
    why = "is gone from Vercel" if known else "was never built by this stack"
    text = (
        f"{sha[:7]} {why}, so there is no way back. To build it: python -m operations up --refresh --stack "
        f"{settings.stack}. To do without: pulumi config rm previousRelease --stack {settings.stack}"
    )
    yield Finding(ok=False, what="N-1", text=text)


def _follow(network: Network, settings: Settings, path: str) -> str:
    """Ask for a page and go where it sends a visitor, as long as that is this site."""
    if not path.startswith("/") or path.startswith("//"):
        raise ValueError("is no path of the web domain: smokePaths")
    base, bypass = app_url(settings), settings.values.get(BYPASS)
    headers = {_BYPASS_HEADER: bypass.get_secret_value().strip()} if bypass else {}
    url = urljoin(base, path)
    for _ in range(_REDIRECTS + 1):
        answer = network.get(url, headers)
        answer.judge(url, settings.stack)
        if answer.onward:
            onward = urljoin(url, answer.onward)
            there, here = urlsplit(onward), urlsplit(base)
            if (there.scheme, there.netloc) != (here.scheme, here.netloc):
                raise ValueError(
                    f"sends visitors to {there.netloc if there.netloc != here.netloc else onward}"
                )
            url = onward
            continue
        if answer.status != 200:
            raise ValueError(f"answered {answer.status}")
        if not answer.body.strip():
            raise ValueError("answered 200 with nothing in it")
        at = urlsplit(url).path
        return "200" if at == path else f"200, at {at}"
    raise ValueError("redirects without end")
