"""What a person's machine and accounts lack before a live run: one line a check, a fix for each finding.

Reads only. A check that needs what another one found missing is skipped and says so. Whether a token may
*write* is seen where the service tells (roles, scopes, refusals); GitHub lists no permissions of a
fine-grained token, so for one of those only what it may read is proven.
"""

import json
import re
import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import requests

from operations import approval, hosts
from operations.accounts import Api, GitHubAccount, Json, RefusedError
from operations.hosts import Host, Image
from operations.workspace import TO_DECRYPT, OperationError, Workspace
from plan import preflight
from plan.config import Loaded
from plan.hosts import OVERRIDING, DockerHost, monitor_host, socket_host
from plan.protection import capability, repositories
from plan.settings import PROJECT, Settings
from plan.socket import prefix, socket_plan

REQUIREMENTS: Final = Path(__file__).resolve().parent.parent / "requirements.txt"
EXPIRY: Final = timedelta(days=7)  # a token or certificate that ends sooner is a finding
ANSWER: Final = timedelta(days=1)  # a run that waits longer for its approval is a finding
_GONE: Final = (401, 403, 404)
_ROLES: Final = ("OWNER", "MEMBER")  # of a Vercel team: others may not write variables of production

Resolve = Callable[[str], Sequence[str]]
"""Domain -> its addresses, none where DNS does not know it."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One line. `fault` is what is wrong and `fix` what to do; `skipped` is why nothing was checked."""

    what: str
    fault: str = ""
    fix: str = ""
    skipped: str = ""


def faults(checks: Sequence[Check]) -> list[Check]:
    return [check for check in checks if check.fault]


# --- this machine ----------------------------------------------------------------------------------------


def machine(workspace: Workspace, requirements: Path = REQUIREMENTS) -> Iterator[Check]:
    """Pulumi, packages, variables of the environment, tokens."""
    yield _pulumi(workspace)
    yield _packages(requirements)
    set_ = [name for name in OVERRIDING if workspace.env.get(name)]
    yield Check(
        what="no variable wins over the Docker hosts of the stack file",
        fault=f"{', '.join(set_)} would be taken in their place" if set_ else "",
        fix=f"unset {' '.join(set_)}",
    )
    for name, where in (
        ("VERCEL_API_TOKEN", "vercel.com/account/tokens, scope: the team"),
        ("GITHUB_TOKEN", "github.com/settings/personal-access-tokens, both repositories"),
    ):
        missing = "" if workspace.env.get(name) else "is not set"
        yield Check(what=f"{name} is set", fault=missing, fix=f"make one at {where}; export {name}=…")


def _pulumi(workspace: Workspace) -> Check:
    what, wanted = "pulumi is on PATH, as new as its SDK", version("pulumi")
    fix = f"install Pulumi {wanted} or newer: https://www.pulumi.com/docs/install/"
    try:
        found = workspace.pulumi("version").strip().removeprefix("v")
    except OperationError as error:
        return Check(what=what, fault=str(error).splitlines()[0], fix=fix)
    old = _minor(found) < _minor(wanted)
    return Check(what=what, fault=f"it is {found}, the SDK is {wanted}" if old else "", fix=fix)


def _minor(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])


def _packages(requirements: Path) -> Check:
    pins = re.findall(r"^([A-Za-z0-9_.-]+)==([^\s;\\]+)\s*\\?$", requirements.read_text(), re.MULTILINE)
    wrong = []
    for name, wanted in pins:
        try:
            found = version(name)
        except PackageNotFoundError:
            found = "missing"
        if found != wanted:
            wrong.append(f"{name} {found} (pinned {wanted})")
    return Check(
        what=f"{len(pins)} Python packages are installed as pinned",
        fault=", ".join(wrong[:3]) + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""),
        fix="make install && . .venv/bin/activate",
    )


# --- backend, stack, stack file --------------------------------------------------------------------------


def backend(workspace: Workspace) -> Iterator[Check]:
    """Login, what a kill can do to the state, the stack, its secrets."""
    try:
        url = urlsplit(json.loads(workspace.pulumi("whoami", "--json"))["url"])
    except OperationError as error:
        fix = "pulumi login BACKEND (README, Going live, step 3)"
        yield Check(what="pulumi is logged in to a backend", fault=_last(error), fix=fix)
        return
    yield Check(what="pulumi is logged in to a backend")
    if url.scheme == "file":
        # Beside each file the engine writes one of attributes, not in one step: emptied by a kill, it makes
        # the file unreadable ("failed to load checkpoint: EOF").
        safe = url._replace(query="metadata=skip").geturl()
        skips = parse_qs(url.query).get("metadata") == ["skip"]
        yield Check(
            what="a killed run cannot make the state unreadable",
            fault="" if skips else "each file has one of attributes beside it, which a kill can leave empty",
            fix=f"pulumi login '{safe}', and delete the files *.attrs in it",
        )
    what = f"stack `{workspace.stack}` exists there"
    listed = workspace.pulumi("stack", "ls", "--json")
    if not re.search(rf'"name": "([^"]*/)?{re.escape(workspace.stack)}"', listed):
        fix = f"pulumi stack init {workspace.stack} --secrets-provider PROVIDER (README, Going live, step 3)"
        yield Check(what=what, fault="it does not", fix=fix)
        return
    yield Check(what=what)
    file = workspace.stack_file
    if file.exists() and "encryptionsalt" in file.read_text():  # else a key service encrypts, or nothing does
        empty = _opens_to_everybody(workspace)
        yield Check(
            what="its passphrase is not empty",
            fault="whoever reads the stack file reads its secrets" if empty else "",
            fix="env -u PULUMI_CONFIG_PASSPHRASE_FILE PULUMI_CONFIG_PASSPHRASE= pulumi stack "
            f"change-secrets-provider passphrase --stack {workspace.stack} < NEW_PASSPHRASE_FILE; then point "
            "PULUMI_CONFIG_PASSPHRASE_FILE there, and where the file left this machine: "
            f"python -m operations rotate --all --stack {workspace.stack}",
        )
        if empty:
            return
    what = "its secrets can be decrypted"
    try:
        workspace.load()
    except OperationError as error:
        yield Check(what=what, fault=_last(error), fix=TO_DECRYPT)
        return
    yield Check(what=what)


def _opens_to_everybody(workspace: Workspace) -> bool:
    """Whether the empty passphrase opens the stack file; the engine checks it before it encrypts a value."""
    known = {k: v for k, v in workspace.env.items() if not k.startswith("PULUMI_CONFIG_PASSPHRASE")}
    with TemporaryDirectory() as scratch:
        copy = shutil.copy(workspace.stack_file, scratch)
        try:
            replace(workspace, env=known | {"PULUMI_CONFIG_PASSPHRASE": ""}).pulumi(
                "config", "set", "--secret", f"{PROJECT}:probe", "--stack", workspace.stack,
                "--config-file", copy, stdin="a value",
            )  # fmt: skip
        except OperationError:
            return False
    return True


def stack_file(loaded: Loaded, today: date) -> Iterator[Check]:
    """What preflight will say, in one line. That the accounts were not compared yet is the next step."""
    found = [p for p in preflight.check(loaded, today).problems if p.key != "adoptedOn"]
    keys = list(dict.fromkeys(problem.key for problem in found))
    yield Check(
        what="the stack file passes preflight",
        fault=f"{len(found)} problems: {', '.join(keys)}" if found else "",
        fix=f"pulumi preview --stack {loaded.settings.stack}  # names each with its command",
    )


# --- Vercel ----------------------------------------------------------------------------------------------


def vercel(settings: Settings, token: str | None, url: str, now: datetime) -> Iterator[Check]:
    """The token, the team and its plan, the project, the domains."""
    if not token:
        yield Check(what="Vercel", skipped="VERCEL_API_TOKEN is not set")
        return
    api = Api("Vercel", url, token, "VERCEL_API_TOKEN")
    team = {"teamId": settings.vercel_team}
    renew = "make a new token at vercel.com/account/tokens, scope: the team; export VERCEL_API_TOKEN=…"
    answer = api.ask("/v5/user/tokens/current")
    if answer.status_code in _GONE:
        yield Check(what="Vercel accepts the token", fault=f"it answers {answer.status_code}", fix=renew)
        return
    facts = answer.json()["token"]
    ends = facts.get("expiresAt")
    until = datetime.fromtimestamp(ends / 1000, UTC) if ends else None
    yield Check(what="Vercel accepts the token", fault=_expiry(until, now), fix=renew)
    answer = api.ask(f"/v2/teams/{settings.vercel_team}")
    if answer.status_code in _GONE:
        scopes = [s.get("teamId") for s in facts.get("scopes", []) if s.get("type") == "team"]
        why = "the token is of another team" if scopes else "no such team, or the token may not see it"
        yield Check(what=f"the token sees team {settings.vercel_team}", fault=why, fix=renew)
        return
    found = answer.json()
    yield Check(what=f"the token sees team {settings.vercel_team}")
    yield from _vercel_team(settings, found)
    yield from _vercel_project(settings, api, team, renew)
    for domain in (settings.web_domain, *settings.redirect_domains):
        yield _vercel_domain(api, team, domain)


def _vercel_team(settings: Settings, team: Json) -> Iterator[Check]:
    role = (team.get("membership") or {}).get("role", "")
    yield Check(
        what="its owner may write variables of production",
        fault="" if role in _ROLES else f"the token's role in the team is {role or 'unknown'}",
        fix="use a token of somebody with the role Owner or Member",
    )
    slug = str(team.get("slug"))
    yield Check(
        what="vercelTeamSlug is the team's, so preview URLs are admitted",
        fault="" if slug == settings.vercel_team_slug else f"the team's slug is {slug}",
        fix=f"pulumi config set vercelTeamSlug {slug} --stack {settings.stack}",
    )
    forced = team.get("sensitiveEnvironmentVariablePolicy") == "on" and not settings.vercel_sensitive_only
    yield Check(
        what="the team's policy allows readable variables, or none is declared",
        fault="the policy makes every variable sensitive" if forced else "",
        fix=f"pulumi config set vercelSensitiveOnly true --stack {settings.stack}",
    )


def _vercel_project(settings: Settings, api: Api, team: Json, renew: str) -> Iterator[Check]:
    id = settings.vercel_project_id
    answer = api.ask(f"/v9/projects/{id}", team)
    if answer.status_code in _GONE:
        fix = "vercelProjectId is in the project's settings on Vercel, below its name; else " + renew
        yield Check(
            what=f"the token sees project {id}", fault=f"Vercel answers {answer.status_code}", fix=fix
        )
        return
    name = str(answer.json()["name"])
    yield Check(
        what=f"project {id} is {settings.vercel_project_name}",
        fault="" if name == settings.vercel_project_name else f"it is called {name}",
        fix=f"pulumi config set vercelProjectName {name} --stack {settings.stack}",
    )
    reach = api.ask("/v1/edge-config", team).status_code in _GONE
    yield Check(
        what="the token may use Edge Config, which belongs to the team",
        fault="it may not: a token of one project is too narrow" if reach else "",
        fix=renew,
    )
    if settings.vercel_target == "custom":
        listed = api.ask(f"/v9/projects/{id}/custom-environments", team).json()
        names = {each["slug"] for each in listed["environments"]}
        total = int(listed["accountLimit"]["total"])
        room = settings.environment in names or len(names) < total
        yield Check(
            what=f"the team's plan has room for the custom environment {settings.environment}",
            fault="" if room else f"it allows {total}, and {len(names)} exist",
            fix=f"change the plan, or pulumi config set vercelTarget branch --stack {settings.stack}",
        )


def _vercel_domain(api: Api, team: Json, domain: str) -> Check:
    config = api.ask(f"/v6/domains/{domain}/config", team)
    what = f"{domain} leads to Vercel"
    if config.status_code in _GONE:
        return Check(what=what, skipped=f"Vercel answers {config.status_code}")
    facts = config.json()
    cname = [each["value"] for each in facts.get("recommendedCNAME", [])][:1]
    address = [value for each in facts.get("recommendedIPv4", []) for value in each["value"]][:1]
    records = [f"CNAME {value}" for value in cname] + [f"A {value}" for value in address]
    return Check(
        what=what,
        fault="its DNS records lead elsewhere" if facts["misconfigured"] else "",
        fix=f"at the domain's DNS: {' or '.join(records) or 'the records that the project shows'}",
    )


# --- GitHub ----------------------------------------------------------------------------------------------


def github(
    settings: Settings, token: str | None, url: str, now: datetime, state: approval.Resources | None = None
) -> Iterator[Check]:
    """The token's scopes and permissions, the repositories, what the owner's plan really protects.

    `state`: the stack's resources by logical name; what is in it is compared with what is live.
    """
    if not token:
        yield Check(what="GitHub", skipped="GITHUB_TOKEN is not set")
        return
    api = Api("GitHub", url, token, "GITHUB_TOKEN")
    api.session.headers["X-GitHub-Api-Version"] = "2022-11-28"
    renew = "make a new token (README, Going live, step 2); export GITHUB_TOKEN=…"
    wanted = repositories(settings)
    answers = {each.name: api.ask(f"/repos/{settings.github_owner}/{each.name}") for each in wanted}
    first = next(iter(answers.values()))
    if first.status_code == requests.codes.unauthorized:
        yield Check(what="GitHub accepts the token", fault="it does not", fix=renew)
        return
    yield Check(what="GitHub accepts the token", fault=_expiry(_github_expiry(first), now), fix=renew)
    scopes = {scope.strip() for scope in first.headers.get("X-OAuth-Scopes", "").split(",")} - {""}
    if scopes:  # a classic token; others list none
        lacking = {"repo"} - scopes
        yield Check(
            what="the classic token has the scope repo",
            fault=f"it has {', '.join(sorted(scopes))}" if lacking else "",
            fix=renew,
        )
    plan = _plan_of(api, settings.github_owner)
    for repository in wanted:
        answer = answers[repository.name]
        name = f"{settings.github_owner}/{repository.name}"
        if answer.status_code in _GONE:
            fault = "no such repository, or it is not among the token's"
            yield Check(what=f"the token sees {name}", fault=fault, fix=renew)
            continue
        yield Check(what=f"the token sees {name}")
        visibility = "public" if not answer.json()["private"] else "private"
        yield from _permissions(api, settings, name)
        yield _visibility(settings, repository.name, visibility)
        yield _plan(api, settings, repository.name, visibility, plan)
        yield from _asleep(api, name)
    yield from _reviewers(api, settings, renew)
    account = GitHubAccount(token, settings.github_owner, url)
    yield from _forgotten(account, settings, now)
    for found in approval.examine(account, settings, state or {}):
        yield Check(what=found.what, fault=found.fault, fix=found.fix, skipped=found.unknown)


def _forgotten(account: GitHubAccount, settings: Settings, now: datetime) -> Iterator[Check]:
    """Runs that nobody approves hold their stack: the release that mends theirs cannot ask."""
    try:
        old = [run for run in approval.waiting(account, settings) if now - run.since > ANSWER]
    except RefusedError:
        return  # the permission that it needs is a finding of its own
    yield Check(
        what=f"no release of {settings.stack} has waited for an approval since yesterday",
        fault="; ".join(str(run.run) for run in old),
        fix=" && ".join(run.command for run in old),
    )


def _asleep(api: Api, name: str) -> Iterator[Check]:
    """In a public repository GitHub switches schedules off after 60 days without a commit."""
    answer = api.ask(f"/repos/{name}/actions/workflows", {"per_page": 100})
    if not answer.ok:
        return  # the permission that it needs is a finding of its own
    files = [
        each["path"].rpartition("/")[2]
        for each in answer.json()["workflows"]
        if each["state"] == "disabled_inactivity"
    ]
    yield Check(
        what=f"GitHub runs the scheduled workflows of {name}",
        fault=f"switched off for want of commits: {', '.join(files)}" if files else "",
        fix=" && ".join(f"gh workflow enable {file} --repo {name}" for file in files),
    )


def _github_expiry(answer: requests.Response) -> datetime | None:
    """`2026-12-24 10:00:00 UTC`, or with an offset; None for a token that does not expire."""
    text = answer.headers.get("github-authentication-token-expiration", "")
    for form in ("%Y-%m-%d %H:%M:%S UTC", "%Y-%m-%d %H:%M:%S %z"):
        try:
            found = datetime.strptime(text, form)
        except ValueError:
            continue
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    return None


def _permissions(api: Api, settings: Settings, name: str) -> Iterator[Check]:
    """By reading what needs each of them; a refusal names the permission."""
    paths = {
        "Administration": f"/repos/{name}/actions/permissions",
        "Actions": f"/repos/{name}/environments",
    }
    listed = api.ask(paths["Actions"], {"per_page": 100})
    names = [e["name"] for e in listed.json().get("environments", [])] if listed.ok else []
    if mine := next((n for n in names if n.casefold() == settings.environment), None):
        paths["Environments"] = f"/repos/{name}/environments/{mine}/secrets"
    if name.endswith(f"/{settings.app_repository}"):  # what a promotion judges the release by
        paths["Checks"] = f"/repos/{name}/commits/{settings.branch}/check-runs"
        paths["Issues"] = f"/repos/{name}/issues"
    for permission, path in paths.items():
        answer = listed if permission == "Actions" else api.ask(path)
        refused = answer.status_code == requests.codes.forbidden and not _upgrade(answer)
        asked = answer.headers.get("X-Accepted-GitHub-Permissions", "")
        yield Check(
            what=f"the token may read what {permission} of {name} covers",
            fault=f"GitHub refuses it{f' and asks for {asked}' if asked else ''}" if refused else "",
            fix=_CHECKS if permission == "Checks" else f"give the token {permission} on {name}",
        )


# github.com/orgs/community/discussions/179545
_CHECKS: Final = (
    "GitHub offers Checks to no fine-grained token: on a private repository use the token of a GitHub App, "
    "or a classic one with the scope repo"
)


def _upgrade(answer: requests.Response) -> bool:
    """True for GitHub's words that the owner's plan lacks something: no fault of the token's."""
    return answer.status_code == requests.codes.forbidden and "Upgrade to" in answer.json().get("message", "")


def _plan_of(api: Api, owner: str) -> str | None:
    """The owner's plan in our words; None where the token may not see it."""
    for path in (f"/orgs/{owner}", f"/users/{owner}"):
        answer = api.ask(path)
        if answer.ok and (name := (answer.json().get("plan") or {}).get("name")):
            return "enterprise" if str(name).startswith("business") else str(name)
    return None


def _visibility(settings: Settings, name: str, visibility: str) -> Check:
    app = name == settings.app_repository
    stated = settings.app_repository_visibility if app else settings.infra_repository_visibility
    key = f"{'app' if app else 'infra'}RepositoryVisibility"
    return Check(
        what=f"{key} is what {name} is",
        fault="" if stated == visibility else f"{name} is {visibility}, the stack says {stated}",
        fix=f"pulumi config set {key} {visibility} --stack {settings.stack}",
    )


def _plan(api: Api, settings: Settings, name: str, visibility: str, plan: str | None) -> Check:
    """Whether the stack counts on protections that GitHub does not give this repository."""
    what = f"{name} has the protections that githubPlan {settings.github_plan} stands for"
    fix = f"pulumi config set githubPlan {plan or 'PLAN'} --stack {settings.stack}"
    counted, real = (
        capability(settings.github_plan, visibility),
        capability(plan or settings.github_plan, visibility),
    )
    rulesets = api.ask(f"/repos/{settings.github_owner}/{name}/rulesets")
    if _upgrade(rulesets) and counted.rulesets:
        return Check(what=what, fault="it has no rulesets: GitHub asks to upgrade", fix=fix)
    if plan is None and visibility == "private":
        return Check(what=what, skipped="the token may not see the plan; rulesets exist")
    lacking = [
        word
        for word, wanted, there in (
            ("environments", counted.environments, real.environments),
            ("required reviewers", counted.reviewers, real.reviewers),
            ("rulesets", counted.rulesets, real.rulesets),
        )
        if wanted and not there
    ]
    return Check(
        what=what, fault=f"the plan is {plan}, without {' and '.join(lacking)}" if lacking else "", fix=fix
    )


def _reviewers(api: Api, settings: Settings, renew: str) -> Iterator[Check]:
    for reviewer in settings.reviewers:
        team = f"/orgs/{settings.github_owner}/teams/{reviewer.team}"
        answer = api.ask(team if reviewer.team else f"/users/{reviewer.user}")
        missing = answer.status_code in _GONE
        why = " (a team needs Members of the organization, read)" if reviewer.team else ""
        found = None if missing else int(answer.json()["id"])
        wrong = reviewer.id is not None and found != reviewer.id
        yield Check(
            what=f"GitHub knows the reviewer {reviewer.name}",
            fault=f"it does not{why}" if missing else f"its id is {found}" if wrong else "",
            fix=renew
            if missing and reviewer.team
            else f"python -m operations adopt --stack {settings.stack}",
        )


# --- Docker hosts ----------------------------------------------------------------------------------------


def docker(settings: Settings, now: datetime) -> Iterator[Check]:
    """Each host: certificates, reachable, manager of a swarm, memory and ports left, able to pull images."""
    for key, access in _hosts(settings).items():
        yield from _certificates(settings, key, access, now)
        try:
            with hosts.connected(access, manager=False) as host:
                docker_version, api = host.version()
                yield Check(what=f"{key} {access.address} answers")
                yield Check(what=f"{key} runs Docker {docker_version} (API {api}): {known(docker_version)}")
                yield from _docker_host(settings, key, host)
        except OperationError as error:
            yield Check(what=f"{key} {access.address} answers", fault=_last(error), fix=_way_to(access))


# What is known of Docker's versions, from the first that it holds of. Sources: the tests of this program; the
# engine's release notes (29: the minimum API version is 1.44, moby/moby 2c59be7).
_KNOWN: Final = (
    (
        (29, 0),
        "negotiated, not run here; it refuses clients below API 1.44, so old tools beside this one fail",
    ),
    ((20, 11), "negotiated, not run here"),
    ((20, 10), "what this program is tested on; Docker itself mends it no more, the distributions do"),
    ((0, 0), "older than what this program is tested on, which is 20.10"),
)


def known(version: str) -> str:
    """What is known of a version of Docker's engine."""
    return next(text for first, text in _KNOWN if _minor(version) >= first)


def _hosts(settings: Settings) -> dict[str, DockerHost]:
    """By the key of the stack file that names them."""
    monitor = monitor_host(settings)
    return {"socketHost": socket_host(settings), **({"monitorHost": monitor} if monitor else {})}


def _certificates(settings: Settings, key: str, access: DockerHost, now: datetime) -> Iterator[Check]:
    """How long TLS with a `tcp://` host will work: its engine refuses the client the day after."""
    texts = {"Certificate": access.certificate, "Ca": access.ca} if access.key else {}
    secret = {"socketHost": "SOCKET_HOST_KEY", "monitorHost": "MONITOR_HOST_KEY"}[key]
    for name, text in texts.items():
        what = f"{key}{name} is valid for a while"
        fix = f"issue a new one: pulumi config set {key}{name} --stack {settings.stack} < NEW.pem"
        if name == "Certificate":
            fix += f"; its key: python -m operations set {secret} --stack {settings.stack} < KEY.pem"
        try:
            yield Check(what=what, fault=_expiry(_end(text), now), fix=fix)
        except FileNotFoundError:
            yield Check(what=what, skipped="openssl is not installed here")
        except ValueError:
            yield Check(what=what, fault="it is no certificate in PEM", fix=fix)


def _end(certificate: str) -> datetime:
    """When a certificate ends, by `openssl x509`: Python's own ssl reads none but a peer's."""
    done = subprocess.run(
        ["openssl", "x509", "-noout", "-enddate"],
        input=certificate, capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = done.stdout.strip().removeprefix("notAfter=")
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(said), UTC)


def _way_to(access: DockerHost) -> str:
    scheme, _, rest = access.address.partition("://")
    return {
        "ssh": f"try: ssh {rest} docker version  # the user must be in the group docker there",
        "tcp": "check address, authority and certificate: docker --tlsverify -H HOST version",
    }.get(scheme, "start the engine there: systemctl start docker")


def _docker_host(settings: Settings, key: str, host: Host) -> Iterator[Check]:
    manager = host.manages_a_swarm()
    what = f"{key} manages a swarm"
    yield Check(what=what, fault="" if manager else "it does not", fix="on that host: docker swarm init")
    plan = socket_plan(settings)
    if not manager or plan is None or key != "socketHost":
        return
    mine = f"{prefix(settings.stack)}-"
    # More tasks than the replicas while a rollout starts new ones first; half of the limit is reserved.
    needed = (plan.replicas + plan.rollout.parallelism) * plan.memory_bytes // 2
    left = host.unreserved_memory(but=mine)
    yield Check(
        what=f"{key} has {needed >> 20} MiB left to reserve for a rollout",
        fault="" if left >= needed else f"{max(left, 0) >> 20} MiB are left",
        fix=f"a larger host, or pulumi config set socketMemoryMib NUMBER --stack {settings.stack}",
    )
    taken = host.published_ports(but=mine)
    for name, port in (("socketHttpPort", plan.http_port), ("socketHttpsPort", plan.https_port)):
        yield Check(
            what=f"{name} {port} is free there",
            fault=f"{taken[port]} publishes it" if port in taken else "",
            fix=f"pulumi config set {name} PORT --stack {settings.stack}",
        )
    n_1 = f"{settings.socket_image}@{settings.previous_socket_digest}"
    for role, reference in (
        ("the release", plan.image),
        *((("N-1", n_1),) if settings.previous_socket_digest else ()),
        ("the proxy", plan.proxy_image),
    ):
        yield _image(host, role, reference)


def _image(host: Host, role: str, reference: str) -> Check:
    image = Image.parse(reference)
    name = f"{image.name}@{image.digest}" if image.digest else reference
    what = f"the image of {role} can be pulled there"
    try:
        host.ask_registry(name)
    except OperationError as error:
        fix = "push it, or mend registryUser and REGISTRY_PASSWORD; the host itself asks the registry"
        return Check(what=what, fault=f"{name}: {_last(error)}", fix=fix)
    return Check(what=what)


# --- DNS -------------------------------------------------------------------------------------------------


def dns(settings: Settings, resolve: Resolve) -> Iterator[Check]:
    """Every domain of the stack has an address; that of a Docker host leads there."""
    named = [("webDomain", settings.web_domain), ("socketDomain", settings.socket_domain)]
    named += [(f"redirectDomains[{i}]", domain) for i, domain in enumerate(settings.redirect_domains)]
    if settings.monitor_host:
        named.append(("monitorDomain", settings.monitor_domain))
    where = {"socketDomain": "the socket host", "monitorDomain": "the monitoring host"}
    for key, domain in named:
        yield Check(
            what=f"{key} {domain} has an address",
            fault="" if resolve(domain) else "DNS knows none",
            fix=f"at the domain's DNS: a record for {domain} that leads to {where.get(key, 'Vercel')}",
        )
    for key, access in _hosts(settings).items():
        name = key.replace("Host", "Domain")
        yield from _leads(name, dict(named)[name], key, access, resolve)


def _leads(name: str, domain: str, key: str, access: DockerHost, resolve: Resolve) -> Iterator[Check]:
    """Whether a domain has an address of the host that the stack file names. Nothing is said of a domain
    without one, which is a finding already.
    """
    there, host = set(resolve(domain)), urlsplit(access.address).hostname
    if not there:
        return
    what = f"{name} {domain} leads to {key}"
    if host is None:
        yield Check(what=what, skipped=f"{access.address} is this machine's own")
        return
    addresses = set(_literal(host) or resolve(host))
    inside = all(ip_address(each).is_private for each in addresses)
    if not addresses:
        yield Check(what=what, skipped=f"DNS does not know {host}, which may be a name of ~/.ssh/config")
    elif inside and not any(ip_address(each).is_private for each in there):
        yield Check(what=what, skipped=f"{host} is reached by an address of its own network")
    else:
        fault = f"it leads to {', '.join(sorted(there))}, {host} is {', '.join(sorted(addresses))}"
        yield Check(
            what=what,
            fault="" if there & addresses else fault,
            fix=f"at the domain's DNS: a record for {domain} with {sorted(addresses)[0]}, or mend {key}",
        )


def _literal(host: str) -> list[str]:
    try:
        return [str(ip_address(host))]
    except ValueError:
        return []


def _expiry(until: datetime | None, now: datetime) -> str:
    if until is None or until - now > EXPIRY:
        return ""
    return f"it {'ends' if until > now else 'ended'} on {until:%Y-%m-%d}"


def _last(error: OperationError) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].removeprefix("error: ") if lines else "no word of why"


def examine(
    workspace: Workspace, vercel_url: str, github_url: str, resolve: Resolve, now: datetime
) -> Iterator[Check]:
    """Every check, in an order in which a fix helps the next one."""
    first = list(machine(workspace))
    yield from first
    if first[0].fault:
        yield Check(what="everything else", skipped="it needs pulumi")
        return
    second = list(backend(workspace))
    yield from second
    if faults(second):
        yield Check(what="accounts, hosts and domains", skipped="the stack file cannot be read")
        return
    loaded = workspace.load()
    settings = loaded.settings
    env: Any = workspace.env
    parts: tuple[Callable[[], Iterator[Check]], ...] = (
        lambda: stack_file(loaded, now.date()),
        lambda: vercel(settings, env.get("VERCEL_API_TOKEN"), vercel_url, now),
        lambda: github(settings, env.get("GITHUB_TOKEN"), github_url, now, workspace.state()),
        lambda: docker(settings, now),
        lambda: dns(settings, resolve),
    )
    for part in parts:
        try:
            yield from part()
        except OperationError as error:  # a service that cannot be reached at all
            yield Check(what="it answers", fault=_last(error), fix="check the network, then run doctor again")
