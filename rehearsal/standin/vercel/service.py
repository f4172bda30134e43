"""What all kinds of Vercel share: the provider's session, teams and projects, and checks of inputs."""

import os
import re
import time
from collections.abc import Iterable
from typing import Any, ClassVar, Final

from rehearsal.standin.account import Account, Document
from rehearsal.standin.kinds import UNKNOWN, Failure, Kind, Properties, Read, ServiceError, is_known
from rehearsal.standin.rest import Query

PROJECT: Final = r"/v\d+/projects/([^/]+)"  # the path of a project
TARGETS: Final = ("production", "preview", "development")

_latest = 0
_session: dict[str, str] = {}  # the team of this plugin process; the engine starts one process per provider


def configure(config: dict[str, Any]) -> list[Failure]:
    """Check and keep the provider's settings: `apiToken` (else VERCEL_API_TOKEN) and `team` (id or slug)."""
    token = config.get("apiToken") or os.environ.get("VERCEL_API_TOKEN", "")
    failures = []
    if token is UNKNOWN:
        failures.append(Failure("apiToken", "cannot use an unknown value as api_token"))
    elif len(token) != 24:
        failures.append(Failure("apiToken", "api_token (VERCEL_API_TOKEN) must be 24 characters"))
    team = config.get("team")
    if team is UNKNOWN:
        failures.append(Failure("team", "cannot use an unknown value as team"))
    _session.clear()
    if isinstance(team, str) and team:
        _session["team"] = team
    return failures


def now() -> int:
    """Milliseconds since 1970, as Vercel's documents carry them; never twice the same: they order pages."""
    global _latest  # noqa: PLW0603  one clock a process
    _latest = max(_latest + 1, time.time_ns() // 1_000_000)
    return _latest


def stated(properties: Properties) -> Properties:
    """Without the empty ones: null, an empty list and an absent property mean the same to the plugin."""
    return {name: value for name, value in properties.items() if value is not None and value != []}


def find_team(account: Account, id_or_slug: str | None) -> str | None:
    """Id of the team by id or slug; None where there is none, which is the token's own user."""
    return next((id for id, team in account.find("team") if id_or_slug in (id, team["slug"])), None)


def team_of(account: Account, inputs: Properties) -> str | None:
    """Id of the team that inputs name, else the provider's."""
    return find_team(account, inputs.get("teamId") or _session.get("team"))


def find_project(account: Account, id_or_name: str, team: str | None) -> tuple[str, Document]:
    """The project by id or name within a team. 404 when it is not there, or is another team's."""
    for id, project in account.find("project"):
        if id_or_name in (id, project["name"]) and project.get("teamId") == team:
            return id, project
    raise ServiceError(
        404, "not_found", "Could not find project, please make sure both project_id and team_id match"
    )


def project_of(account: Account, inputs: Properties) -> tuple[str, Document]:
    """The project that inputs name, else 404."""
    return find_project(account, inputs["projectId"], team_of(account, inputs))


def find_environment(account: Account, project_id: str, name_or_id: str) -> tuple[str, Document]:
    """The custom environment by id or name within a project, else 404."""
    for id, environment in account.find("environment", projectId=project_id):
        if name_or_id in (id, environment["name"]):
            return id, environment
    raise ServiceError(404, "not_found", f"Custom environment {name_or_id} not found in {project_id}")


def repository_of(account: Account, name: str) -> Document:
    """A connected repository (`owner/name`); one without branches and commits where there is none."""
    return account.get("repository", name) or {"branches": {}, "commits": []}


def parts_of(id: str, least: int) -> list[str]:
    """An import id without its optional leading team: `team/prj/x` and `prj/x` give [prj, x]."""
    parts = id.split("/")
    if len(parts) not in (least, least + 1):
        raise ServiceError(400, "invalid_id", f"Invalid id '{id}' specified: a team id is optional in front")
    return parts[-least:]


def one_of(inputs: Properties, name: str, allowed: Iterable[Any]) -> list[Failure]:
    """A check: the value is one of these, where it is stated and known."""
    value = inputs.get(name)
    choices = list(allowed)
    if value is None or value is UNKNOWN or value in choices:
        return []
    return [Failure(name, f"must be one of {', '.join(map(str, choices))}")]


def matches(inputs: Properties, name: str, pattern: str, rule: str) -> list[Failure]:
    """A check: the text fits the pattern, where it is known."""
    value = inputs.get(name)
    if value is UNKNOWN or (isinstance(value, str) and re.fullmatch(pattern, value)):
        return []
    return [Failure(name, rule)]


class VercelKind(Kind):
    """What all kinds of Vercel share: a document of the account, and a computed `teamId`."""

    document: ClassVar[str]  # kind of its documents in the account
    kept = frozenset({"teamId"})
    #: Lists that are sets to the plugin: their order means nothing.
    sets: ClassVar[tuple[str, ...]] = ()

    def defaults(self, inputs: Properties) -> Properties:
        filled = dict(inputs)
        for name in self.sets:
            values = filled.get(name)
            if isinstance(values, list) and is_known(values):
                filled[name] = sorted(set(values))
        return filled

    def update(self, account: Account, id: str, state: Properties, inputs: Properties) -> Properties:
        del account, state, inputs
        raise ServiceError(501, "update_not_supported", f"Updating {self.document} {id} is not supported")

    def delete(self, account: Account, id: str, state: Properties) -> None:
        del state
        account.delete(self.document, id)

    def existing(self, account: Account, id: str) -> Document:
        """Its document, else 404."""
        document = account.get(self.document, id)
        if document is None:
            raise ServiceError(404, "not_found", f"{self.document} {id} not found")
        return document

    def answer(self, id: str, outputs: Properties) -> Read:
        """What a read returns: what the program may state is input too."""
        return id, {name: value for name, value in outputs.items() if name not in self.computed}, outputs


def asked_team(account: Account, query: Query) -> str | None:
    """Id of the team that a request names."""
    return find_team(account, query.get("teamId") or query.get("slug"))


def asked_project(account: Account, query: Query, id_or_name: str) -> tuple[str, Document]:
    """The project of a request's path, within the team that it names."""
    return find_project(account, id_or_name, asked_team(account, query))


def page_of(name: str, items: Iterable[Document], query: Query, default: int) -> Document:
    """Newest first; `until` is the creation time that the last page ended with."""
    ordered = sorted(items, key=lambda item: -int(item["createdAt"]))
    rest = [item for item in ordered if item["createdAt"] < int(query.get("until", 1 << 62))]
    page = rest[: int(query.get("limit", default))]
    more = page[-1]["createdAt"] if len(page) < len(rest) else None
    first = page[0]["createdAt"] if page else None
    return {name: page, "pagination": {"count": len(page), "next": more, "prev": first}}
