"""Custom environments."""

from typing import Any, Final

from rehearsal.standin.account import Account, Document, new_id
from rehearsal.standin.kinds import Failure, Properties, Read, ServiceError
from rehearsal.standin.rest import Answer, Query, Route
from rehearsal.standin.vercel.domain import domain_json
from rehearsal.standin.vercel.service import (
    PROJECT,
    TARGETS,
    VercelKind,
    asked_project,
    find_environment,
    matches,
    now,
    one_of,
    parts_of,
    project_of,
    stated,
)


def environment_limit(team: Document) -> int:
    """How many custom environments a project of this team may have."""
    return {"pro": 1, "enterprise": 12}.get(team.get("plan", ""), 0) if team.get("customEnvironments") else 0


class CustomEnvironment(VercelKind):
    type = "vercel:index/customEnvironment:CustomEnvironment"
    document = "environment"
    replace_on = frozenset({"projectId", "teamId"})
    kept = VercelKind.kept | {"branchTracking", "description"}

    def check(self, inputs: Properties) -> list[Failure]:
        failures = matches(
            inputs, "name", r"[a-z0-9\-]{1,32}", "state it: 1-32 lower case letters, digits and hyphens"
        )
        tracking = inputs.get("branchTracking")
        if isinstance(tracking, dict):
            failures += one_of(tracking, "type", ("startsWith", "endsWith", "equals"))
            failures += matches(tracking, "pattern", r"(?s).{1,100}", "length must be between 1 and 100")
        return failures

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        project_id, project = project_of(account, inputs)
        team = account.get("team", project.get("teamId") or "") or {}
        limit = environment_limit(team)
        if len(account.find("environment", projectId=project_id)) >= limit:
            raise ServiceError(
                403, "forbidden", f"The plan of this team allows {limit} custom environments per project"
            )
        self._name_is_free(account, project_id, inputs["name"])
        id = new_id("env_")
        environment = {
            "name": inputs["name"],
            "description": inputs.get("description"),
            "branchTracking": inputs.get("branchTracking"),
            "projectId": project_id,
            "createdAt": now(),
            "updatedAt": now(),
        }
        account.put("environment", id, stated(environment))
        return id, self._outputs(account, environment)

    def read(self, account: Account, id: str, state: Properties) -> Read | None:
        if state:
            environment = account.get("environment", id)
            if environment is None:
                return None
        else:
            project_id, name = parts_of(id, 2)
            id, environment = find_environment(account, project_id, name)
        return self.answer(id, self._outputs(account, environment))

    def update(self, account: Account, id: str, state: Properties, inputs: Properties) -> Properties:
        del state
        environment = self.existing(account, id)
        if inputs["name"] != environment["name"]:
            self._name_is_free(account, environment["projectId"], inputs["name"])
        declared = stated({name: inputs.get(name) for name in ("name", "description", "branchTracking")})
        environment |= {**declared, "updatedAt": now()}
        account.put("environment", id, environment)
        return self._outputs(account, environment)

    def delete(self, account: Account, id: str, state: Properties) -> None:
        del state
        for variable_id, variable in account.find("variable"):
            others = [other for other in variable["customEnvironmentIds"] if other != id]
            if others == variable["customEnvironmentIds"]:
                continue
            if others or variable["targets"]:
                account.put("variable", variable_id, {**variable, "customEnvironmentIds": others})
            else:
                account.delete("variable", variable_id)
        account.delete("environment", id)

    def _name_is_free(self, account: Account, project_id: str, name: str) -> None:
        if name in TARGETS or account.find("environment", projectId=project_id, name=name):
            raise ServiceError(409, "conflict", f"An environment named {name} exists in {project_id}")

    def _outputs(self, account: Account, environment: Document) -> Properties:
        outputs = {
            name: environment.get(name) for name in ("name", "description", "branchTracking", "projectId")
        }
        project = account.get("project", environment["projectId"]) or {}
        return stated({**outputs, "teamId": project.get("teamId")})


def _get_environments(account: Account, query: Query, _: Any, name: str) -> Answer:
    project_id, project = asked_project(account, query, name)
    team = account.get("team", project.get("teamId") or "") or {}
    found = [
        {
            "id": id,
            "slug": environment["name"],
            "type": "preview",
            "description": environment.get("description", ""),
            "branchMatcher": environment.get("branchTracking"),
            "domains": [domain_json(*each) for each in account.find("domain", customEnvironmentId=id)],
            "createdAt": environment["createdAt"],
            "updatedAt": environment["updatedAt"],
        }
        for id, environment in account.find("environment", projectId=project_id)
    ]
    return 200, {"accountLimit": {"total": environment_limit(team)}, "environments": found}


ROUTES: Final[tuple[Route, ...]] = (("GET", PROJECT + "/custom-environments", _get_environments),)
