"""Aliases: which deployment a domain serves."""

from typing import Any, Final

from rehearsal.standin.account import Account
from rehearsal.standin.kinds import Properties, Read, ServiceError
from rehearsal.standin.rest import Answer, Query, Route
from rehearsal.standin.vercel.deployment import asked_deployment
from rehearsal.standin.vercel.domain import domains_of
from rehearsal.standin.vercel.service import PROJECT, VercelKind, asked_project, now, stated, team_of


class Alias(VercelKind):
    type = "vercel:index/alias:Alias"
    document = "alias"
    replace_on = frozenset({"teamId"})
    recomputed = frozenset({"id"})

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        set_alias(account, team_of(account, inputs), inputs["alias"], inputs["deploymentId"])
        return inputs["alias"], self._outputs(account, inputs["alias"])

    def read(self, account: Account, id: str, state: Properties) -> Read | None:
        if not state:
            raise ServiceError(501, "import_not_implemented", "vercel_alias does not support import")
        if account.get("alias", state["alias"]) is None:
            return None
        return self.answer(id, self._outputs(account, state["alias"]))

    def update(self, account: Account, id: str, state: Properties, inputs: Properties) -> Properties:
        del id, state
        set_alias(account, team_of(account, inputs), inputs["alias"], inputs["deploymentId"])
        return self._outputs(account, inputs["alias"])

    def delete(self, account: Account, id: str, state: Properties) -> None:
        account.delete("alias", state.get("alias", id))

    def _outputs(self, account: Account, domain: str) -> Properties:
        alias = account.get("alias", domain) or {}
        project = account.get("project", alias.get("projectId", "")) or {}
        return stated(
            {"alias": domain, "deploymentId": alias.get("deploymentId"), "teamId": project.get("teamId")}
        )


def set_alias(account: Account, team: str | None, domain: str, deployment_id: str) -> None:
    """Point a domain at a deployment, whatever it served before."""
    deployment = account.get("deployment", deployment_id)
    project = account.get("project", (deployment or {}).get("projectId", "")) or {}
    if deployment is None or project.get("teamId") != team:
        raise ServiceError(404, "not_found", f"The deployment {deployment_id} could not be found")
    if deployment["readyState"] != "READY":
        raise ServiceError(400, "deployment_not_ready", f"The deployment {deployment_id} is not ready")
    owner = account.get("project", (account.get("domain", domain) or {}).get("projectId", "")) or {}
    if not domain.endswith(".vercel.app") and owner.get("teamId") != team:
        raise ServiceError(403, "forbidden", f"You don't have access to the domain {domain}")
    account.put(
        "alias",
        domain,
        {"deploymentId": deployment_id, "projectId": deployment["projectId"], "updatedAt": now()},
    )


def promote(account: Account, project_id: str, deployment_id: str) -> None:
    """Point every production domain at a deployment, as the dashboard's promote and instant rollback do."""
    for domain in domains_of(account, project_id, "production", None, None):
        account.put(
            "alias", domain, {"deploymentId": deployment_id, "projectId": project_id, "updatedAt": now()}
        )
    deployment = account.get("deployment", deployment_id)
    if deployment is not None:
        account.put("deployment", deployment_id, {**deployment, "readySubstate": "PROMOTED"})


def _get_alias(account: Account, query: Query, _: Any, domain: str) -> Answer:
    alias = account.get("alias", domain)
    if alias is None:
        raise ServiceError(404, "not_found", f"The alias {domain} could not be found")
    deployment = asked_deployment(account, query, alias["deploymentId"])
    return 200, {
        "uid": domain,
        "alias": domain,
        "deploymentId": alias["deploymentId"],
        "deployment": {"id": alias["deploymentId"], "url": deployment["url"]},
        "projectId": alias["projectId"],
        "updatedAt": alias["updatedAt"],
    }


def _promote(account: Account, query: Query, _: Any, name: str, id: str) -> Answer:
    """Point every production domain at a deployment that exists, without a build."""
    project_id, _project_document = asked_project(account, query, name)
    if asked_deployment(account, query, id)["projectId"] != project_id:
        raise ServiceError(404, "not_found", f"The deployment {id} could not be found")
    promote(account, project_id, id)
    return 201, {}


ROUTES: Final[tuple[Route, ...]] = (
    ("POST", PROJECT + "/promote/([^/]+)", _promote),
    ("GET", r"/v\d+/aliases/([^/]+)", _get_alias),
)
