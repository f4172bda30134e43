"""GitHub: token, repositories and plan, permissions, reviewers, runs that wait, workflows that sleep."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import requests

from operations.services import approval
from operations.services.accounts import Api, GitHubAccount, RefusedError
from operations.verbs.doctor.checks import Check, expiry
from plan.protection import capability, repositories
from plan.settings import Settings

ANSWER: Final = timedelta(days=1)  # a run that waits longer for its approval is a finding
_GONE: Final = (401, 403, 404)
_CHECKS: Final = (
    "GitHub offers Checks to no fine-grained token: on a private repository use the token of a GitHub App, "
    "or a classic one with the scope repo"
)


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
    renew = "make a new token (docs/going-live.md, step 2); export GITHUB_TOKEN=…"
    wanted = repositories(settings)
    answers = {each.name: api.ask(f"/repos/{settings.github_owner}/{each.name}") for each in wanted}
    first = next(iter(answers.values()))
    if first.status_code == requests.codes.unauthorized:
        yield Check(what="GitHub accepts the token", fault="it does not", fix=renew)
        return
    yield Check(what="GitHub accepts the token", fault=expiry(_github_expiry(first), now), fix=renew)
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
