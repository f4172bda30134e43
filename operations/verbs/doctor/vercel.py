"""Vercel: token, team, project, domains."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from operations.services.accounts import Api, Json
from operations.verbs.doctor.checks import Check, expiry
from plan.settings import Settings

_ROLES: Final = ("OWNER", "MEMBER")  # of a Vercel team: others may not write variables of production
_GONE: Final = (401, 403, 404)


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
    yield Check(what="Vercel accepts the token", fault=expiry(until, now), fix=renew)
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
