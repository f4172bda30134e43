"""What a stack really serves: the deployment behind its domain, the release that its socket service runs.

Asked of Vercel and of the Docker host, never of the state: a state says what was meant.
"""

from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from typing import Any

from operations.services import hosts
from operations.services.accounts import Json, VercelAccount
from operations.services.hosts import Host, Image, Running
from operations.stack.workspace import OperationError
from plan.hosts import socket_host
from plan.promotion import Point
from plan.settings import Settings
from plan.socket import service_name, socket_plan
from plan.web import Domain, names, web_plan

State = Mapping[str, Mapping[str, Any]]  # logical name -> resource


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


def verify_web(settings: Settings, vercel: VercelAccount, state: State | None = None) -> Finding:
    """Whether the domain serves what the stack file says: its release, or any ready build of its branch.

    `state`: where it is given, the release has to be the very build that the stack made last: an older one
    carries older variables. A finding that is not well names the commands that settle it.
    """
    return judge_web(settings, web(settings, vercel), state)


def judge_web(settings: Settings, served: Web | None, state: State | None = None) -> Finding:
    """The same, given what the domain serves."""
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
        keep = f"python -m operations rollback --part web --stack {stack}"
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


def socket(settings: Settings, *, settled: bool = False) -> Running | None:
    """What the stack's socket service runs; None where none is declared. Raises OperationError.

    `settled`: wait for the end of an update that is under way.
    """
    if not settings.socket_release:
        return None
    with hosts.connected(socket_host(settings)) as host:
        running = host.service(service_name(settings.stack))
        if settled and running and running.under_way:
            running = host.settle(service_name(settings.stack))
        return running


def point(running: Running | None) -> Point:
    """The release that a service really runs; one without SHA where nothing serves.

    A service that somebody scaled to nothing counts as what it would run.
    """
    if running is None:
        return Point()
    serving = running.serving
    image = running.image
    if running.desired and image not in serving:
        if not serving:
            return Point()
        image = max(serving, key=lambda each: serving[each])
    return Point(image.tag, image.digest)


def verify_socket(settings: Settings) -> Finding:
    """Whether the socket service runs the release that the stack file names, as declared, every task healthy.

    `docker service rollback` after a rotation keeps the image and brings the old values back: so the values
    are compared too.
    """
    stack, name, release = settings.stack, service_name(settings.stack), settings.socket_release
    mend = f"python -m operations up --refresh --stack {stack}"
    try:
        with hosts.connected(socket_host(settings)) as host:
            running = host.await_release(name, release, settings.socket_digest)
            differs = _unlike(host, settings)
    except OperationError as error:
        text = f"{error}. To roll {release[:7]} out again: {mend}"
        if settings.previous_socket_release:
            text += f". To go back, and mark it: python -m operations rollback --part socket --stack {stack}"
        return Finding(ok=False, what="socket", text=text)
    if differs:
        return Finding(ok=False, what="socket", text=f"{running.text}, but {differs}: {mend}")
    return Finding(ok=True, what="socket", text=running.text)


def _unlike(host: Host, settings: Settings) -> str:
    """How the services of the socket server differ from what is declared, values never shown; "" if not."""
    plan = socket_plan(settings)
    if plan is None:
        return ""
    values = {**plan.environment, **plan.secrets}
    if other := host.unlike(plan.service, values, [file.name for file in plan.file_secrets]):
        return f"with other values of {', '.join(other)} than the stack file has"
    proxy, declared = host.service(plan.proxy), Image.parse(plan.proxy_image)
    if proxy is None or not proxy.healthy:
        return f"its proxy {plan.proxy} does not run"
    pairs = zip(astuple(declared), astuple(proxy.image), strict=True)
    other_image = any(each and each != there for each, there in pairs)  # what is not stated is filled in
    if other_image or host.unlike(plan.proxy, {}, [plan.caddyfile_name]):
        return f"its proxy {plan.proxy} is not as declared"
    return ""


def verify(
    settings: Settings,
    vercel: VercelAccount,
    parts: tuple[str, ...] = ("web", "socket"),
    state: State | None = None,
) -> list[Finding]:
    """Everything that the stack file says is served, asked where it is served; with `state` N-1 too."""
    found = []
    if "web" in parts:
        found.append(verify_web(settings, vercel, state))
        found += verify_account(settings, vercel)
        found += verify_previous(settings, vercel, state) if state is not None else ()
    if "socket" in parts and settings.socket_release:
        found.append(verify_socket(settings))
    return found


def refusal(settings: Settings, image: str) -> str:
    """Why the socket host cannot run an image, "" where it can. Raises OperationError."""
    with hosts.connected(socket_host(settings)) as host:
        return host.refusal(service_name(settings.stack), Image.parse(image))
