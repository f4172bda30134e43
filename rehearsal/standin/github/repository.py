"""What the REST API says of organizations, people, teams and repositories."""

import zlib
from typing import Any, Final

from rehearsal.standin.account import Account, Document
from rehearsal.standin.github.rest import REPOSITORY, missing, repository_at
from rehearsal.standin.github.service import may_read
from rehearsal.standin.rest import Answer, Query, Route, lacking


def user_json(id: str, user: Document) -> Document:
    """A user as the REST API words one."""
    return {"id": int(id), "login": user["login"], "type": "User", "site_admin": False}


def team_json(id: str, team: Document) -> Document:
    """A team as the REST API words one."""
    slug = team.get("slug", team["name"])
    return {"id": int(id), "name": team["name"], "slug": slug, "privacy": "closed"}


def _get_user(account: Account, _: Query, __: Any, login: str) -> Answer:
    for id, user in account.find("user"):
        if user["login"].casefold() == login.casefold():
            return 200, user_json(id, user)
    raise missing()


def github_team(account: Account, _: Query, __: Any, owner: str, slug: str) -> Answer:
    """A team by its slug; 404 in an organization that owns no repository here."""
    owners = {repository.get("owner") for _, repository in account.find("repository")}
    for id, team in account.find("team"):
        if owner in owners and team.get("slug", team["name"]) == slug:
            return 200, team_json(id, team)
    raise missing()


def _get_organization(account: Account, _: Query, __: Any, name: str) -> Answer:
    """The plan is shown to whoever administers the organization, and to nobody else."""
    owned = [r for _, r in account.find("repository") if r.get("owner", "").casefold() == name.casefold()]
    if not owned:
        raise missing()
    answer: Document = {"login": owned[0]["owner"], "id": zlib.crc32(name.encode()), "type": "Organization"}
    if "organization_administration" not in lacking(account):
        answer["plan"] = {"name": owned[0].get("plan", "free"), "private_repos": 9999}
    return 200, answer


def _get_actions_permissions(account: Account, _: Query, __: Any, owner: str, name: str) -> Answer:
    repository_at(account, owner, name)
    return 200, {"enabled": True, "allowed_actions": "all"}


def _get_repository(account: Account, _: Query, __: Any, owner: str, name: str) -> Answer:
    repository = repository_at(account, owner, name)
    visibility = repository.get("visibility", "public")
    return 200, {
        "id": repository.get("id", zlib.crc32(name.encode())),
        "name": name,
        "full_name": f"{owner}/{name}",
        "owner": {"login": owner},
        "private": visibility != "public",
        "visibility": visibility,
        "default_branch": repository.get("defaultBranch", "main"),
    }


def _get_collaborator(account: Account, _: Query, __: Any, owner: str, name: str, login: str) -> Answer:
    """204 for whoever has access, by whatever way."""
    repository = repository_at(account, owner, name)
    for id, user in account.find("user"):
        if user["login"].casefold() == login.casefold() and may_read(repository, "users", int(id)):
            return 204, None
    raise missing()


def _get_team_repository(
    account: Account, query: Query, _: Any, owner: str, slug: str, __: str, name: str
) -> Answer:
    """204 for a team with access of its own."""
    _, team = github_team(account, query, None, owner, slug)
    if not may_read(repository_at(account, owner, name), "teams", team["id"]):
        raise missing()
    return 204, None


ROUTES: Final[tuple[Route, ...]] = (
    ("GET", r"/users/([^/]+)", _get_user),
    ("GET", r"/orgs/([^/]+)/teams/([^/]+)", github_team),
    ("GET", r"/orgs/([^/]+)/teams/([^/]+)/repos/([^/]+)/([^/]+)", _get_team_repository),
    ("GET", r"/orgs/([^/]+)", _get_organization),
    ("GET", REPOSITORY, _get_repository),
    ("GET", REPOSITORY + "/actions/permissions", _get_actions_permissions),
    ("GET", REPOSITORY + "/collaborators/([^/]+)", _get_collaborator),
)
