"""Deployment branch policies of an environment."""

from typing import Any, Final

from rehearsal.standin.account import Account, Document
from rehearsal.standin.github.environment import environments_at
from rehearsal.standin.github.rest import REPOSITORY, wrapped
from rehearsal.standin.github.service import (
    environment_of,
    find_environment,
    id_of,
    new_number,
    not_found,
    parts_of,
    repository_id,
)
from rehearsal.standin.kinds import Failure, Kind, Properties, Read, ServiceError
from rehearsal.standin.rest import Answer, Query, Route


class RepositoryEnvironmentDeploymentPolicy(Kind):
    type = "github:index/repositoryEnvironmentDeploymentPolicy:RepositoryEnvironmentDeploymentPolicy"
    replace_on = frozenset({"environment", "repository"})
    computed = frozenset({"policyId", "repositoryId"})

    def check(self, inputs: Properties) -> list[Failure]:
        if ("branchPattern" in inputs) == ("tagPattern" in inputs):
            return [Failure("branchPattern", "one of branchPattern, tagPattern must be specified")]
        return []

    def replaces(self, changed: frozenset[str]) -> frozenset[str]:
        patterns = frozenset({"branchPattern", "tagPattern"})
        return super().replaces(changed) | (patterns if patterns <= changed else frozenset())

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        repository, name = inputs["repository"], inputs["environment"]
        _, environment = environment_of(account, repository, name)
        if not (environment.get("deploymentBranchPolicy") or {}).get("customBranchPolicies"):
            raise not_found(f"custom_branch_policies of the environment {name} is not set to true")
        type, pattern = _pattern(inputs)
        document = {"repository": repository, "environment": environment["name"], "type": type}
        self._is_free(account, document, pattern)
        number = new_number()
        account.put("policy", str(number), {**document, "name": pattern})
        outputs = {**inputs, "policyId": number, "repositoryId": repository_id(account, repository)}
        return id_of(repository, name, str(number)), outputs

    def _is_free(self, account: Account, document: Document, pattern: str) -> None:
        if account.find("policy", **{**document, "name": pattern}):
            raise ServiceError(303, "See Other", f"the {document['type']} policy {pattern} already exists")

    def read(self, account: Account, id: str, state: Properties) -> Read | None:
        del state
        repository, name, number = parts_of(id, 3)
        found = self._live(account, repository, name, number)
        if found is None:
            return None
        inputs = {"repository": repository, "environment": name, f"{found['type']}Pattern": found["name"]}
        computed = {"policyId": int(number), "repositoryId": repository_id(account, repository)}
        return id, inputs, inputs | computed

    def _live(self, account: Account, repository: str, environment: str, number: str) -> Document | None:
        parent = find_environment(account, repository, environment)
        found = account.get("policy", number)
        if parent is None or found is None or found["environment"] != parent[1]["name"]:
            return None
        return found if found["repository"] == repository else None

    def update(self, account: Account, id: str, state: Properties, inputs: Properties) -> Properties:
        repository, name, number = parts_of(id, 3)
        found = self._live(account, repository, name, number)
        if found is None:
            raise not_found(f"deployment policy {number}")
        _, pattern = _pattern(inputs)
        self._is_free(account, {key: found[key] for key in ("repository", "environment", "type")}, pattern)
        account.put("policy", number, {**found, "name": pattern})
        return {**inputs, "policyId": state["policyId"], "repositoryId": state["repositoryId"]}

    def delete(self, account: Account, id: str, state: Properties) -> None:
        del state
        repository, name, number = parts_of(id, 3)
        if self._live(account, repository, name, number) is None:
            raise not_found(f"deployment policy {number}")
        account.delete("policy", number)


def _pattern(inputs: Properties) -> tuple[str, str]:
    type = "branch" if "branchPattern" in inputs else "tag"
    return type, inputs[f"{type}Pattern"]


def _get_policies(account: Account, query: Query, _: Any, owner: str, name: str, environment: str) -> Answer:
    stored = environments_at(account, owner, name, environment)[0]["name"]
    found = [
        {"id": int(id), "node_id": f"BP_{id}", "name": policy["name"], "type": policy["type"]}
        for id, policy in account.find("policy", repository=name, environment=stored)
    ]
    return wrapped("branch_policies", found, query)


def _delete_policy(
    account: Account, _: Query, __: Any, owner: str, name: str, environment: str, id: str
) -> Answer:
    stored = environments_at(account, owner, name, environment)[0]["name"]
    policy = account.get("policy", id)
    if policy is None or (policy["repository"], policy["environment"]) != (name, stored):
        raise ServiceError(404, "not_found", "Not Found")
    account.delete("policy", id)
    return 204, None


ROUTES: Final[tuple[Route, ...]] = (
    ("GET", REPOSITORY + "/environments/([^/]+)/deployment-branch-policies", _get_policies),
    ("DELETE", REPOSITORY + "/environments/([^/]+)/deployment-branch-policies/([^/]+)", _delete_policy),
)
