"""Rulesets of a repository."""

import zlib
from typing import Any, ClassVar, Final

from rehearsal.standin.account import Account, Document
from rehearsal.standin.github.rest import REPOSITORY, Page, repository_at
from rehearsal.standin.github.service import (
    between,
    invalid,
    new_number,
    not_found,
    one_of,
    parts_of,
    pays,
    repository_of,
    stated,
)
from rehearsal.standin.kinds import UNKNOWN, Failure, Kind, Properties, Read, ServiceError, is_known
from rehearsal.standin.rest import Answer, Query, Route

_PUSH_RULES: Final = frozenset(
    {"filePathRestriction", "maxFilePathLength", "fileExtensionRestriction", "maxFileSize"}
)

_MERGE_METHODS: Final = ("merge", "squash", "rebase")


class RepositoryRuleset(Kind):
    type = "github:index/repositoryRuleset:RepositoryRuleset"
    computed = frozenset({"etag", "nodeId", "rulesetId"})
    kept = frozenset({"rules.pullRequest.allowedMergeMethods"})
    _fields: ClassVar = ("name", "target", "enforcement", "conditions", "rules", "bypassActors")

    def defaults(self, inputs: Properties) -> Properties:
        filled = dict(inputs)
        actors = inputs.get("bypassActors")
        if isinstance(actors, list) and is_known(actors):
            filled["bypassActors"] = sorted(actors, key=lambda a: (a["actorType"], a.get("actorId", 0)))
        rules: Any = inputs.get("rules")
        checks = rules.get("requiredStatusChecks") if isinstance(rules, dict) else None
        if isinstance(checks, dict) and is_known(checks):
            ordered = sorted(
                checks["requiredChecks"], key=lambda c: (c["context"], c.get("integrationId", 0))
            )
            filled["rules"] = {**rules, "requiredStatusChecks": {**checks, "requiredChecks": ordered}}
        return filled

    def check(self, inputs: Properties) -> list[Failure]:
        failures = one_of(inputs, "target", ("branch", "push", "tag"))
        failures += one_of(inputs, "enforcement", ("disabled", "active", "evaluate"))
        name = inputs["name"]
        if name is not UNKNOWN and not 1 <= len(name) <= 100:
            failures.append(Failure("name", "expected length to be in the range (1 - 100)"))
        for index, actor in enumerate(_list(inputs.get("bypassActors"))):
            path = f"bypassActors[{index}]."
            types = ("RepositoryRole", "Team", "Integration", "OrganizationAdmin", "DeployKey")
            failures += one_of(actor, "actorType", (*types, "EnterpriseOwner", "User"), path)
            failures += one_of(actor, "bypassMode", ("always", "pull_request", "exempt"), path)
        rules = inputs["rules"] if isinstance(inputs["rules"], dict) else {}
        review = rules.get("pullRequest")
        if isinstance(review, dict):
            path = "rules.pullRequest."
            failures += between(review, "requiredApprovingReviewCount", 0, 10, path)
            for method in review.get("allowedMergeMethods") or []:
                failures += one_of(
                    {"allowedMergeMethods": method}, "allowedMergeMethods", _MERGE_METHODS, path
                )
        required = rules.get("requiredStatusChecks")
        if isinstance(required, dict) and required.get("requiredChecks") == []:
            failures.append(Failure("rules.requiredStatusChecks", "requiredChecks needs at least one item"))
        return failures + self._check_target(inputs, rules)

    def _check_target(self, inputs: Properties, rules: Properties) -> list[Failure]:
        if inputs["target"] not in ("branch", "push", "tag"):
            return []
        push = inputs["target"] == "push"
        failures = [
            Failure(f"rules.{rule}", f"not valid for the target {inputs['target']}")
            for rule, value in rules.items()
            if value not in (False, None) and (rule in _PUSH_RULES) is not push
        ]
        if push and inputs.get("conditions"):
            failures.append(Failure("conditions.refName", "must not be set for the target push"))
        return failures

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        self._check_request(account, inputs, None)
        number = new_number()
        document = {"repository": inputs["repository"], "node_id": f"RRS_{number}"}
        account.put("ruleset", str(number), document | self._stored(inputs))
        return str(number), self._outputs(str(number), document | self._stored(inputs), inputs)

    def _check_request(self, account: Account, inputs: Properties, id: str | None) -> None:
        repository = inputs["repository"]
        if not pays(repository_of(account, repository)):
            raise ServiceError(403, "Forbidden", "Upgrade to GitHub Pro or make this repository public")
        if [
            found
            for found, _ in account.find("ruleset", repository=repository, name=inputs["name"])
            if found != id
        ]:
            raise invalid("Name must be unique")
        refs = (inputs.get("conditions") or {}).get("refName") or {}
        prefix = "refs/tags/" if inputs["target"] == "tag" else "refs/heads/"
        special = ("~ALL",) if inputs["target"] == "tag" else ("~ALL", "~DEFAULT_BRANCH")
        for ref in (*refs.get("includes", []), *refs.get("excludes", [])):
            if ref not in special and not ref.startswith(prefix):
                raise invalid(f"Invalid target patterns: '{ref}'")

    def _stored(self, inputs: Properties) -> Document:
        stored: Document = {name: inputs.get(name) for name in self._fields}
        review = stored["rules"].get("pullRequest")
        if review is not None and not review.get("allowedMergeMethods"):
            stored["rules"] = {
                **stored["rules"],
                "pullRequest": {**review, "allowedMergeMethods": [*_MERGE_METHODS]},
            }
        return stored

    def _outputs(self, id: str, document: Document, inputs: Properties) -> Properties:
        etag = f'W/"{zlib.crc32(repr(sorted(document.items())).encode()):08x}"'
        return inputs | {"rulesetId": int(id), "nodeId": document.get("node_id", f"RRS_{id}"), "etag": etag}

    def read(self, account: Account, id: str, state: Properties) -> Read | None:
        repository, number = (state["repository"], id) if state else parts_of(id, 2)
        live = account.get("ruleset", number)
        if live is None or live["repository"] != repository:
            return None
        inputs: Properties = {"repository": repository, **{name: live.get(name) for name in self._fields}}
        inputs = self.defaults(stated(inputs))
        return number, inputs, self._outputs(number, live, inputs)

    def update(self, account: Account, id: str, state: Properties, inputs: Properties) -> Properties:
        del state
        live = account.get("ruleset", id)
        if live is None or live["repository"] != inputs["repository"]:
            raise not_found(f"ruleset {id} of {inputs['repository']}")
        self._check_request(account, inputs, id)
        account.put("ruleset", id, live | self._stored(inputs))
        return self._outputs(id, live | self._stored(inputs), inputs)

    def delete(self, account: Account, id: str, state: Properties) -> None:
        del state
        if not account.delete("ruleset", id):
            raise not_found(f"ruleset {id}")


def _list(value: Any) -> list[Properties]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _get_rulesets(account: Account, query: Query, _: Any, owner: str, name: str) -> Answer:
    if not pays(repository_at(account, owner, name)):
        message = "Upgrade to GitHub Pro or make this repository public to enable this feature."
        raise ServiceError(403, "forbidden", message)
    found = [_ruleset_json(owner, *each) for each in account.find("ruleset", repository=name)]
    return 200, Page(found, query, list)


def _get_ruleset(account: Account, _: Query, __: Any, owner: str, name: str, id: str) -> Answer:
    """Without its rules. A token that only reads is not told the bypass actors (`_answer`)."""
    repository_at(account, owner, name)
    ruleset = account.get("ruleset", id)
    if ruleset is None or ruleset["repository"] != name:
        raise ServiceError(404, "not_found", "Not Found")
    actors = [
        {"actor_id": a.get("actorId"), "actor_type": a["actorType"], "bypass_mode": a["bypassMode"]}
        for a in ruleset.get("bypassActors") or []
    ]
    return 200, _ruleset_json(owner, id, ruleset) | {"bypass_actors": actors}


def _ruleset_json(owner: str, id: str, ruleset: Document) -> Document:
    return {
        "id": int(id),
        "node_id": ruleset.get("node_id", f"RRS_{id}"),
        "name": ruleset["name"],
        "target": ruleset["target"],
        "source_type": "Repository",
        "source": f"{owner}/{ruleset['repository']}",
        "enforcement": ruleset["enforcement"],
    }


ROUTES: Final[tuple[Route, ...]] = (
    ("GET", REPOSITORY + "/rulesets", _get_rulesets),
    ("GET", REPOSITORY + "/rulesets/([^/]+)", _get_ruleset),
)
