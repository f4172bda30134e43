"""What the REST API says of a team, and of the token that asks."""

from typing import Any, Final

from rehearsal.standin.account import Account
from rehearsal.standin.kinds import ServiceError
from rehearsal.standin.rest import Answer, Query, Route
from rehearsal.standin.vercel.service import now


def _get_team(account: Account, _: Query, __: Any, name: str) -> Answer:
    for id, team in account.find("team"):
        if name in (id, team["slug"]):
            policy = team.get("sensitivePolicy", "default")
            names = {"id": id, "slug": team["slug"], "name": team["name"]}
            return 200, {
                **names,
                "membership": {"teamId": id, "role": team.get("role", "OWNER"), "confirmed": True},
                "sensitiveEnvironmentVariablePolicy": policy,
                "billing": {"plan": team["plan"]},
            }
    raise ServiceError(404, "not_found", f"The team {name} could not be found")


def _get_token(account: Account, _: Query, __: Any) -> Answer:
    """Of the token that asks (REST, get-auth-token-metadata): full access, unless a document says less."""
    token = account.get("token", "current") or {}
    scopes = token.get("scopes", [{"type": "user", "createdAt": 1_700_000_000_000}])
    facts = {"id": "rehearsal", "name": "rehearsal", "type": "token", "origin": "manual", "scopes": scopes}
    times = {"activeAt": now(), "createdAt": 1_700_000_000_000}
    return 200, {"token": facts | times | {k: token[k] for k in ("expiresAt",) if k in token}}


ROUTES: Final[tuple[Route, ...]] = (
    ("GET", r"/v\d+/teams/([^/]+)", _get_team),
    ("GET", r"/v\d+/user/tokens/current", _get_token),
)
