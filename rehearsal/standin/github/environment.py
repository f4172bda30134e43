"""Environments and their protection."""

import zlib
from typing import Any, Final

from rehearsal import demo
from rehearsal.standin.account import Account, Document
from rehearsal.standin.github.repository import team_json, user_json
from rehearsal.standin.github.rest import REPOSITORY, missing, repository_at, time_of, wrapped
from rehearsal.standin.github.service import (
    between,
    configure,
    find_environment,
    id_of,
    invalid,
    may_read,
    not_found,
    parts_of,
    pays,
    protects,
    repository_id,
    repository_of,
    stated,
)
from rehearsal.standin.kinds import UNKNOWN, Failure, Kind, Properties, Read, is_known
from rehearsal.standin.rest import Answer, Query, Route

_UNPROTECTED: Final[Properties] = {
    "waitTimer": 0,
    "preventSelfReview": False,
    "canAdminsBypass": True,
    "reviewers": None,
}


def put_environment(account: Account, inputs: Properties) -> None:
    """Write an environment whole, by the names of the provider's inputs. What is left out is wiped."""
    repository, name = inputs["repository"], inputs["environment"]
    owner = repository_of(account, repository)
    if not pays(owner):
        raise not_found(f"{repository} is private and its plan has no environments")
    declared: Document = {key: inputs.get(key, default) for key, default in _UNPROTECTED.items()}
    reviewers = (declared["reviewers"] or [{}])[0]
    declared["reviewers"] = {kind: reviewers.get(kind, []) for kind in ("users", "teams")}
    if not any(declared["reviewers"].values()):
        declared["reviewers"] = None
    if not protects(owner):
        if declared["reviewers"] or declared["waitTimer"]:
            raise invalid("Failed to create the environment protection rule: check the billing plan")
        declared = dict(_UNPROTECTED)
    _check_reviewers(account, declared["reviewers"] or {})
    kept = {
        kind: [id for id in ids if may_read(owner, kind, id)]
        for kind, ids in (declared["reviewers"] or {}).items()
    }
    declared["reviewers"] = kept if any(kept.values()) else None
    policy = inputs.get("deploymentBranchPolicy")
    if policy and policy["protectedBranches"] == policy["customBranchPolicies"]:
        raise invalid("protected_branches and custom_branch_policies cannot have the same value")
    found = find_environment(account, repository, name)
    id, old = found or (f"{repository}:{name}", {"repository": repository, "name": name})
    account.put("environment", id, {**old, **declared, "deploymentBranchPolicy": policy})
    if not (policy and policy["customBranchPolicies"]):
        delete_below(account, "policy", repository, old["name"])


def _check_reviewers(account: Account, reviewers: dict[str, list[int]]) -> None:
    if sum(map(len, reviewers.values())) > 6:
        raise invalid("a maximum of 6 reviewers (users and teams combined)")
    for kind, ids in reviewers.items():
        for id in ids:
            if account.get(kind.removesuffix("s"), str(id)) is None:
                raise invalid(f"reviewers: no {kind.removesuffix('s')} with the id {id}")


class RepositoryEnvironment(Kind):
    type = "github:index/repositoryEnvironment:RepositoryEnvironment"
    replace_on = frozenset({"environment", "repository"})
    computed = frozenset({"repositoryId"})

    def defaults(self, inputs: Properties) -> Properties:
        filled = {"canAdminsBypass": True, "preventSelfReview": False, **inputs}
        if "reviewers" in inputs and is_known(inputs["reviewers"]):
            # Sets to the plugin: their order means nothing.
            filled["reviewers"] = [
                {kind: sorted(set(ids)) for kind, ids in each.items()} for each in inputs["reviewers"]
            ]
        return filled

    def check(self, inputs: Properties) -> list[Failure]:
        failures = between(inputs, "waitTimer", 0, 43200)
        reviewers = inputs.get("reviewers")
        if isinstance(reviewers, list):
            if len(reviewers) > 1:
                failures.append(Failure("reviewers", "too many list items: put all into one"))
            for kind in ("users", "teams"):
                for each in reviewers:
                    if each is not UNKNOWN and isinstance(each.get(kind), list) and len(each[kind]) > 6:
                        failures.append(Failure(f"reviewers[0].{kind}", "no more than 6 items allowed"))
        return failures

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        put_environment(account, inputs)
        # The plugin does not read back: its state says what was declared, not what the plan let through.
        outputs = {**inputs, "repositoryId": repository_id(account, inputs["repository"])}
        return id_of(inputs["repository"], inputs["environment"]), outputs

    def read(self, account: Account, id: str, state: Properties) -> Read | None:
        repository, name = (state["repository"], state["environment"]) if state else parts_of(id, 2)
        found = find_environment(account, repository, name)
        if found is None:
            return None
        live = found[1]
        inputs = {
            "repository": repository,
            "environment": name,
            "canAdminsBypass": live.get("canAdminsBypass", True),
            "waitTimer": live.get("waitTimer") or None,
            "deploymentBranchPolicy": live.get("deploymentBranchPolicy"),
        }
        # GitHub answers with the rule `required_reviewers` only while there are any, and the plugin then
        # leaves reviewers and self review as its state has them.
        if live.get("reviewers"):
            named = {kind: ids for kind, ids in live["reviewers"].items() if ids}
            inputs |= {"reviewers": [named], "preventSelfReview": live.get("preventSelfReview", False)}
        else:
            inputs |= {key: state.get(key) for key in ("reviewers", "preventSelfReview")}
        inputs = self.defaults(stated(inputs))
        return id, inputs, {**inputs, "repositoryId": repository_id(account, repository)}

    def update(self, account: Account, id: str, state: Properties, inputs: Properties) -> Properties:
        del id
        put_environment(account, inputs)
        return {**inputs, "repositoryId": state.get("repositoryId")}

    def delete(self, account: Account, id: str, state: Properties) -> None:
        del id
        found = find_environment(account, state["repository"], state["environment"])
        if found is None:
            return
        account.delete("environment", found[0])
        for kind in ("policy", "secret", "variable"):
            delete_below(account, kind, state["repository"], found[1]["name"])


def delete_below(account: Account, kind: str, repository: str, environment: str) -> None:
    """Delete what belongs to an environment."""
    for id, _ in account.find(kind, repository=repository, environment=environment):
        account.delete(kind, id)


def environments_at(account: Account, owner: str, repository: str, name: str | None = None) -> list[Document]:
    """The environments of a repository, or the one of that name in any case, else 404."""
    repository_at(account, owner, repository)
    found = [document for _, document in account.find("environment", repository=repository)]
    if name is None:
        return found
    named = [document for document in found if document["name"].casefold() == name.casefold()]
    if not named:
        raise missing()
    return named


def _environment_json(account: Account, environment: Document) -> Document:
    """Rules are listed only where they exist, as GitHub does."""
    number = zlib.crc32(f"{environment['repository']}:{environment['name']}".encode())
    policy, rules = environment.get("deploymentBranchPolicy"), []
    if environment.get("waitTimer"):
        rules.append({"type": "wait_timer", "wait_timer": environment["waitTimer"]})
    if environment.get("reviewers"):
        reviewers = [
            {"type": "User", "reviewer": user_json(str(id), account.get("user", str(id)) or {})}
            for id in environment["reviewers"].get("users", [])
        ] + [
            {"type": "Team", "reviewer": team_json(str(id), account.get("team", str(id)) or {})}
            for id in environment["reviewers"].get("teams", [])
        ]
        review = {"prevent_self_review": environment["preventSelfReview"], "reviewers": reviewers}
        rules.append({"type": "required_reviewers", **review})
    if policy:
        rules.append({"type": "branch_policy"})
        names = {"protected_branches": "protectedBranches", "custom_branch_policies": "customBranchPolicies"}
        policy = {name: policy[own] for name, own in names.items()}
    return {
        "id": number,
        "node_id": f"EN_{number}",
        "name": environment["name"],
        "protection_rules": [
            {"id": number + i, "node_id": f"GA_{i}", **rule} for i, rule in enumerate(rules)
        ],
        "deployment_branch_policy": policy,
        "can_admins_bypass": environment.get("canAdminsBypass", True),
        "created_at": time_of(environment, "created_at"),
        "updated_at": time_of(environment, "updated_at"),
    }


def _get_environments(account: Account, query: Query, _: Any, owner: str, name: str) -> Answer:
    found = [_environment_json(account, each) for each in environments_at(account, owner, name)]
    return wrapped("environments", found, query)


def _get_environment(account: Account, _: Query, __: Any, owner: str, name: str, environment: str) -> Answer:
    return 200, _environment_json(account, environments_at(account, owner, name, environment)[0])


def _put_environment(
    account: Account, _: Query, body: Any, owner: str, name: str, environment: str
) -> Answer:
    """The whole protection (REST, create-or-update-an-environment): the stand-in's own rules of it."""
    repository_at(account, owner, name)
    kinds = {"users": "User", "teams": "Team"}
    asked = {
        kind: [each["id"] for each in body.get("reviewers") or [] if each["type"] == type]
        for kind, type in kinds.items()
    }
    policy = body.get("deployment_branch_policy")
    configure({"token": demo.GITHUB_TOKEN, "owner": owner})  # whose repositories its rules look up
    put_environment(
        account,
        {
            "repository": name,
            "environment": environment,
            "waitTimer": body.get("wait_timer", 0),
            "preventSelfReview": body.get("prevent_self_review", False),
            "canAdminsBypass": body.get("can_admins_bypass", True),
            "reviewers": [asked] if any(asked.values()) else None,
            "deploymentBranchPolicy": policy
            and {
                "protectedBranches": policy["protected_branches"],
                "customBranchPolicies": policy["custom_branch_policies"],
            },
        },
    )
    return 200, _environment_json(account, environments_at(account, owner, name, environment)[0])


ROUTES: Final[tuple[Route, ...]] = (
    ("GET", REPOSITORY + "/environments", _get_environments),
    ("GET", REPOSITORY + "/environments/([^/]+)", _get_environment),
    ("PUT", REPOSITORY + "/environments/([^/]+)", _put_environment),
)
