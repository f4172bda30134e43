"""The GitHub kinds of the stand-in: what the service enforces and the real plugin does, hazards included.

`server` checks types, required inputs and names from the SDK; here are the rules beyond them. `RULES` names
each with its source: FACTS (seen with the real plugin 6.15.0), a file of its provider's source (v6.13.0), or
`page:` for what a page alone vouches for. Diffs are held against rehearsal/observed/. Documents of the
account, by kind and id: repository NAME (visibility, plan, owner?), environment REPO:NAME, policy ID, secret
and variable REPO:ENV:NAME (REPO:NAME without environment), ruleset ID, user ID, team ID (with `name`). They
hold real values. A repository with `access` ({"users": [ids], "teams": [ids]}) is read by these alone;
without, by everybody. Of the app's history: commit REPO:SHA (parent, files), checkRun ID, pull NUMBER, issue
REPO#NUMBER, workflow ID (path, state), workflowRun ID.
"""

import os
import re
import secrets
import zlib
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from rehearsal.standin.account import Account, Document
from rehearsal.standin.kinds import UNKNOWN, Failure, Kind, Properties, ServiceError

RULES: Final[dict[str, str]] = {
    # provider
    "token_is_needed": "FACTS GitHub: every write; provider.go: GITHUB_TOKEN when not in the configuration",
    "owner_holds_the_repository": "FACTS GitHub: `owner` unset means the token's own user",
    "repository_must_exist": "util_repo.go, every Create: Repositories.Get answers 404",
    # environment
    "environment_put_is_whole": "FACTS RepositoryEnvironment: what is undeclared is wiped",
    "environment_put_is_an_upsert": "FACTS Plans: Vercel's integration makes Preview and Production itself",
    "environment_name_ignores_case": "FACTS Plans: environment names are not case-sensitive",
    "environment_rename_replaces": "FACTS RepositoryEnvironment: all but `environment` in place",
    "environment_rename_loses_all_below": "FACTS RepositoryEnvironment: and everything below",
    "environment_delete_takes_all_below": "FACTS RepositoryEnvironment; GitHub docs, Deleting an environment",
    "environment_wait_is_limited": "FACTS Plans: wait 0-43,200 min",
    "environment_reviewers_are_limited": "FACTS Plans: at most 6 reviewers",
    "environment_reviewer_must_exist": "FACTS reviewers: refused at `up`, not in the preview",
    "environment_reviewer_without_access_is_dropped": "page: integrations/terraform-provider-github#1166",
    "environment_reviewers_drift_unseen": "FACTS Not seen by refresh: reviewers removed by hand",
    "environment_drift_is_seen": "FACTS Seen: wait timer, admin bypass, self review, branch policy, deleted",
    "environment_branch_policy_is_one_of_two": "page: GitHub REST environments: both cannot be the same",
    "environment_protection_dropped_by_plan": "FACTS Plans: canAdminsBypass differs for ever",
    "environment_reviewers_need_the_plan": "go-github repos_environments.go: 422 with them",
    "environment_needs_the_plan": "FACTS Plans: free and private, the environment answers 404",
    "environment_equal_import_shows_nothing": "FACTS Adopting; SDK Import: repository:environment",
    # deployment policy
    "policy_needs_custom_branch_policies": "FACTS A deployment policy needs customBranchPolicies: true",
    "policy_needs_the_environment": "FACTS A deployment policy: on an existing environment",
    "policy_is_branch_or_tag": "resource_..._deployment_policy.go: ExactlyOneOf",
    "policy_branch_to_tag_replaces": "FACTS branch <-> tag replaces; a new pattern updates in place",
    "policy_is_unique": "page: GitHub REST branch-policies: 303, the same name pattern already exists",
    "policy_dropped_with_the_branch_policy": "FACTS Removing the branch policy with its policies fails once",
    "policy_deleted_by_hand_is_seen": "FACTS Seen",
    "policy_import": "page: SDK Import: repository:environment:policyId",
    # secrets and variables
    "secret_put_is_an_upsert": "page: GitHub REST secrets: create or update",
    "secret_changed_by_hand_is_unseen": "FACTS Not seen by refresh: a secret set again by hand",
    "secret_deleted_by_hand_is_seen": "FACTS Seen: deleted secrets",
    "secret_import_writes": "FACTS Secrets: never readable; SDK Import: the value is not populated",
    "secret_value_updates_in_place": "FACTS Secrets: use `value` (in place)",
    "secret_has_one_value": "resource_github_actions_environment_secret.go: ExactlyOneOf",
    "secret_size_is_limited": "FACTS Plans: 48 KB each",
    "secret_count_is_limited": "FACTS Plans: 100 secrets per environment",
    "entry_name": "util.go validateSecretNameFunc; GitHub docs: letters, digits, _; stored in upper case",
    "entry_needs_the_environment": "page: GitHub REST secrets, variables: 404 without the environment",
    "entry_name_replaces": "resource_github_actions_environment_*.go: ForceNew",
    "variable_is_unique": "page: GitHub REST variables: 409 already exists",
    "variable_drift_is_seen": "FACTS Seen: variables, changed and deleted",
    "variable_equal_import_shows_nothing": "page: SDK Import: repository:environment:NAME",
    "entry_deleted_twice_fails": "resource_github_actions_environment_*.go Delete: returns the 404",
    # rulesets
    "ruleset_ref_is_full": "FACTS Rulesets: a bare branch name passes the preview and fails at `up`",
    "ruleset_name_is_unique": "page: GitHub REST rules: 422 Name must be unique",
    "ruleset_has_allowed_values": "resource_github_repository_ruleset.go: validators",
    "ruleset_rules_fit_the_target": "util_ruleset_validation.go",
    "ruleset_needs_the_plan": "FACTS Plans: free and private, rulesets 403",
    "ruleset_drift_is_seen": "FACTS Seen: rulesets",
    "ruleset_equal_import_shows_nothing": "page: SDK Import: repository:rulesetId",
    "ruleset_updates_in_place": "resource_github_repository_ruleset.go: nothing is ForceNew",
}

RAW_STATE: Final = True  # beside the outputs of each object (`raw_state`)
# What the real plugin tries again by itself. Source: FACTS GitHub, Faults.
RETRIES: Final = {500: 3, 502: 3}

Read = tuple[str, Properties, Properties]

_session: dict[str, str] = {}  # the owner of this plugin process; the engine starts one process per provider


def configure(config: Properties) -> list[Failure]:
    """Check and keep the provider's settings: `token` (else GITHUB_TOKEN) and `owner`."""
    _session.clear()
    if not (config.get("token") or os.environ.get("GITHUB_TOKEN")):
        return [Failure("token", "no token: set github:token or GITHUB_TOKEN")]
    owner = config.get("owner") or os.environ.get("GITHUB_OWNER")
    if isinstance(owner, str):
        _session["owner"] = owner
    return []


# --- shared ---------------------------------------------------------------------------------------


def _not_found(what: str) -> ServiceError:
    return ServiceError(404, "Not Found", what)


def _invalid(reason: str) -> ServiceError:
    return ServiceError(422, "Validation Failed", reason)


def _number() -> int:
    return 10_000_000 + secrets.randbelow(90_000_000)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f +0000 UTC")


def _stated(properties: Properties) -> Properties:
    return {name: value for name, value in properties.items() if value is not None}


def _is_known(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_known, value.values()))
    if isinstance(value, list):
        return all(map(_is_known, value))
    return value is not UNKNOWN


def _parts(id: str, count: int) -> list[str]:
    """Parts of an import id; a colon inside an environment's name is written `??`."""
    parts = [part.replace("??", ":") for part in id.split(":")]
    if len(parts) != count:
        raise ServiceError(400, "invalid_id", f"{id}: expected {count} parts separated by ':'")
    return parts


def _id(*parts: str) -> str:
    return ":".join(part.replace(":", "??") for part in parts)


def _one_of(inputs: Properties, name: str, allowed: Iterable[str], path: str = "") -> list[Failure]:
    allowed, value = tuple(allowed), inputs.get(name)
    if value is None or value is UNKNOWN or value in allowed:
        return []
    return [Failure(path + name, f"expected to be one of {', '.join(allowed)}")]


def _between(inputs: Properties, name: str, low: int, high: int, path: str = "") -> list[Failure]:
    value = inputs.get(name)
    if value is None or value is UNKNOWN or low <= value <= high:
        return []
    return [Failure(path + name, f"expected to be in the range ({low} - {high})")]


def _repository(account: Account, name: str) -> Document:
    found = account.get("repository", name)
    if found is None or found.get("owner", _session.get("owner")) != _session.get("owner"):
        raise _not_found(f"repository {name}")
    return found


def _repository_id(account: Account, name: str) -> int:
    return int(_repository(account, name).get("id", zlib.crc32(name.encode())))


def pays(repository: Document) -> bool:
    """Public, or on a plan that has environments and rulesets for private repositories."""
    return _protects(repository) or repository.get("plan") in ("pro", "team")


def _protects(repository: Document) -> bool:
    """Whether reviewers, wait timers, self-review and admin-bypass rules exist there."""
    return repository.get("visibility", "public") == "public" or repository.get("plan") == "enterprise"


def may_read(repository: Document, kind: str, id: int) -> bool:
    """Whether a user or a team (`users`, `teams`) has access, by whatever way."""
    access = repository.get("access")
    return access is None or id in access.get(kind, [])


def _find_environment(account: Account, repository: str, name: str) -> tuple[str, Document] | None:
    if not pays(_repository(account, repository)):
        return None
    for id, document in account.find("environment", repository=repository):
        if document["name"].casefold() == name.casefold():
            return id, document
    return None


def _environment(account: Account, repository: str, name: str) -> tuple[str, Document]:
    found = _find_environment(account, repository, name)
    if found is None:
        raise _not_found(f"environment {name} of {repository}")
    return found


# --- environments ---------------------------------------------------------------------------------

_UNPROTECTED: Final[Properties] = {
    "waitTimer": 0,
    "preventSelfReview": False,
    "canAdminsBypass": True,
    "reviewers": None,
}


def put_environment(account: Account, inputs: Properties) -> None:
    """Write an environment whole, by the names of the provider's inputs. What is left out is wiped."""
    repository, name = inputs["repository"], inputs["environment"]
    owner = _repository(account, repository)
    if not pays(owner):
        raise _not_found(f"{repository} is private and its plan has no environments")
    declared: Document = {key: inputs.get(key, default) for key, default in _UNPROTECTED.items()}
    reviewers = (declared["reviewers"] or [{}])[0]
    declared["reviewers"] = {kind: reviewers.get(kind, []) for kind in ("users", "teams")}
    if not any(declared["reviewers"].values()):
        declared["reviewers"] = None
    if not _protects(owner):
        if declared["reviewers"] or declared["waitTimer"]:
            raise _invalid("Failed to create the environment protection rule: check the billing plan")
        declared = dict(_UNPROTECTED)
    _check_reviewers(account, declared["reviewers"] or {})
    kept = {
        kind: [id for id in ids if may_read(owner, kind, id)]
        for kind, ids in (declared["reviewers"] or {}).items()
    }
    declared["reviewers"] = kept if any(kept.values()) else None
    policy = inputs.get("deploymentBranchPolicy")
    if policy and policy["protectedBranches"] == policy["customBranchPolicies"]:
        raise _invalid("protected_branches and custom_branch_policies cannot have the same value")
    found = _find_environment(account, repository, name)
    id, old = found or (f"{repository}:{name}", {"repository": repository, "name": name})
    account.put("environment", id, {**old, **declared, "deploymentBranchPolicy": policy})
    if not (policy and policy["customBranchPolicies"]):
        _delete_below(account, "policy", repository, old["name"])


def _check_reviewers(account: Account, reviewers: dict[str, list[int]]) -> None:
    if sum(map(len, reviewers.values())) > 6:
        raise _invalid("a maximum of 6 reviewers (users and teams combined)")
    for kind, ids in reviewers.items():
        for id in ids:
            if account.get(kind.removesuffix("s"), str(id)) is None:
                raise _invalid(f"reviewers: no {kind.removesuffix('s')} with the id {id}")


class RepositoryEnvironment(Kind):
    type = "github:index/repositoryEnvironment:RepositoryEnvironment"
    replace_on = frozenset({"environment", "repository"})
    computed = frozenset({"repositoryId"})

    def defaults(self, inputs: Properties) -> Properties:
        filled = {"canAdminsBypass": True, "preventSelfReview": False, **inputs}
        if "reviewers" in inputs and _is_known(inputs["reviewers"]):
            # Sets to the plugin: their order means nothing.
            filled["reviewers"] = [
                {kind: sorted(set(ids)) for kind, ids in each.items()} for each in inputs["reviewers"]
            ]
        return filled

    def check(self, inputs: Properties) -> list[Failure]:
        failures = _between(inputs, "waitTimer", 0, 43200)
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
        outputs = {**inputs, "repositoryId": _repository_id(account, inputs["repository"])}
        return _id(inputs["repository"], inputs["environment"]), outputs

    def read(self, account: Account, id: str, state: Properties) -> Read | None:
        repository, name = (state["repository"], state["environment"]) if state else _parts(id, 2)
        found = _find_environment(account, repository, name)
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
        inputs = self.defaults(_stated(inputs))
        return id, inputs, {**inputs, "repositoryId": _repository_id(account, repository)}

    def update(self, account: Account, id: str, state: Properties, inputs: Properties) -> Properties:
        del id
        put_environment(account, inputs)
        return {**inputs, "repositoryId": state.get("repositoryId")}

    def delete(self, account: Account, id: str, state: Properties) -> None:
        del id
        found = _find_environment(account, state["repository"], state["environment"])
        if found is None:
            return
        account.delete("environment", found[0])
        for kind in ("policy", "secret", "variable"):
            _delete_below(account, kind, state["repository"], found[1]["name"])


def _delete_below(account: Account, kind: str, repository: str, environment: str) -> None:
    for id, _ in account.find(kind, repository=repository, environment=environment):
        account.delete(kind, id)


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
        _, environment = _environment(account, repository, name)
        if not (environment.get("deploymentBranchPolicy") or {}).get("customBranchPolicies"):
            raise _not_found(f"custom_branch_policies of the environment {name} is not set to true")
        type, pattern = _pattern(inputs)
        document = {"repository": repository, "environment": environment["name"], "type": type}
        self._is_free(account, document, pattern)
        number = _number()
        account.put("policy", str(number), {**document, "name": pattern})
        outputs = {**inputs, "policyId": number, "repositoryId": _repository_id(account, repository)}
        return _id(repository, name, str(number)), outputs

    def _is_free(self, account: Account, document: Document, pattern: str) -> None:
        if account.find("policy", **{**document, "name": pattern}):
            raise ServiceError(303, "See Other", f"the {document['type']} policy {pattern} already exists")

    def read(self, account: Account, id: str, state: Properties) -> Read | None:
        del state
        repository, name, number = _parts(id, 3)
        found = self._live(account, repository, name, number)
        if found is None:
            return None
        inputs = {"repository": repository, "environment": name, f"{found['type']}Pattern": found["name"]}
        computed = {"policyId": int(number), "repositoryId": _repository_id(account, repository)}
        return id, inputs, inputs | computed

    def _live(self, account: Account, repository: str, environment: str, number: str) -> Document | None:
        parent = _find_environment(account, repository, environment)
        found = account.get("policy", number)
        if parent is None or found is None or found["environment"] != parent[1]["name"]:
            return None
        return found if found["repository"] == repository else None

    def update(self, account: Account, id: str, state: Properties, inputs: Properties) -> Properties:
        repository, name, number = _parts(id, 3)
        found = self._live(account, repository, name, number)
        if found is None:
            raise _not_found(f"deployment policy {number}")
        _, pattern = _pattern(inputs)
        self._is_free(account, {key: found[key] for key in ("repository", "environment", "type")}, pattern)
        account.put("policy", number, {**found, "name": pattern})
        return {**inputs, "policyId": state["policyId"], "repositoryId": state["repositoryId"]}

    def delete(self, account: Account, id: str, state: Properties) -> None:
        del state
        repository, name, number = _parts(id, 3)
        if self._live(account, repository, name, number) is None:
            raise _not_found(f"deployment policy {number}")
        account.delete("policy", number)


def _pattern(inputs: Properties) -> tuple[str, str]:
    type = "branch" if "branchPattern" in inputs else "tag"
    return type, inputs[f"{type}Pattern"]


# --- secrets and variables ------------------------------------------------------------------------


class _Entry(Kind):
    """A named value of an environment, or of a whole repository."""

    document: ClassVar[str]  # kind of its documents in the account
    name_of: ClassVar[str]  # the input that names it
    scope: ClassVar[tuple[str, ...]] = ("repository", "environment")
    limit: ClassVar[int] = 100  # of one scope

    def check(self, inputs: Properties) -> list[Failure]:
        name, failures = inputs[self.name_of], []
        if name is not UNKNOWN and not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name):
            failures.append(
                Failure(self.name_of, "only letters, digits and underscores, and no digit at the start")
            )
        if name is not UNKNOWN and name.upper().startswith("GITHUB_"):
            failures.append(Failure(self.name_of, "names must not start with the GITHUB_ prefix"))
        return failures

    def place(self, account: Account, properties: Properties) -> tuple[str, Document]:
        """Id in the account and the fields that say where it belongs. 404 without its parents."""
        where: Document = {"repository": properties["repository"]}
        _repository(account, where["repository"])
        if "environment" in self.scope:
            found = _environment(account, where["repository"], properties["environment"])
            where["environment"] = found[1]["name"]
        name = properties[self.name_of].upper()  # as GitHub stores it
        return ":".join([*where.values(), name]), {**where, "name": name}

    def write(self, account: Account, id: str, where: Document, value: str) -> Properties:
        """Store; returns the computed outputs."""
        if len(value.encode()) > 48 * 1024:
            raise _invalid(f"{where['name']} is larger than 48 KB")
        old = account.get(self.document, id)
        siblings = {key: where[key] for key in self.scope}
        if old is None and len(account.find(self.document, **siblings)) >= self.limit:
            raise _invalid(f"no more than {self.limit} of them")
        now = _now()
        created = (old or {}).get("created_at", now)
        document = {**where, "value": value, "created_at": created, "updated_at": now}
        account.put(self.document, id, document)
        return {
            "createdAt": created,
            "updatedAt": now,
            "repositoryId": _repository_id(account, where["repository"]),
        }

    def id(self, inputs: Properties) -> str:
        return _id(*(inputs[key] for key in self.scope), inputs[self.name_of])

    def live(self, account: Account, properties: Properties) -> Document | None:
        try:
            id, _ = self.place(account, properties)
        except ServiceError:
            return None
        return account.get(self.document, id)

    def named(self, id: str) -> Properties:
        """The inputs an id consists of."""
        keys = (*self.scope, self.name_of)
        return dict(zip(keys, _parts(id, len(keys)), strict=True))

    def update(self, account: Account, id: str, state: Properties, inputs: Properties) -> Properties:
        del id, state
        at, where = self.place(account, inputs)
        return inputs | self.write(account, at, where, inputs["value"])

    def delete(self, account: Account, id: str, state: Properties) -> None:
        del id
        at, where = self.place(account, state)
        if not account.delete(self.document, at):
            raise _not_found(f"{self.document} {where['name']}")


class ActionsEnvironmentSecret(_Entry):
    type = "github:index/actionsEnvironmentSecret:ActionsEnvironmentSecret"
    document = "secret"
    name_of = "secretName"
    replace_on = frozenset({"environment", "repository", "secretName"})
    computed = frozenset({"createdAt", "updatedAt", "remoteUpdatedAt", "repositoryId"})
    kept = frozenset({"keyId"})

    def check(self, inputs: Properties) -> list[Failure]:
        values = {"value", "plaintextValue", "valueEncrypted", "encryptedValue"} & inputs.keys()
        failures = super().check(inputs)
        if len(values) != 1:
            failures.append(Failure("value", "exactly one of value, valueEncrypted must be specified"))
        elif values & {"valueEncrypted", "encryptedValue", "plaintextValue"}:
            failures.append(Failure(min(values), "not rehearsed: use value"))
        return failures

    def unseen(self) -> frozenset[str]:
        return frozenset({"value", "keyId"})

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        return self.id(inputs), self.update(account, "", {}, inputs)

    def update(self, account: Account, id: str, state: Properties, inputs: Properties) -> Properties:
        outputs = super().update(account, id, state, inputs)
        return {**outputs, "remoteUpdatedAt": outputs["updatedAt"], "keyId": "568250167242549743"}

    def read(self, account: Account, id: str, state: Properties) -> Read | None:
        inputs = self.named(id)
        live = self.live(account, inputs)
        if live is None:
            return None
        seen = {
            "createdAt": state.get("createdAt", live["created_at"]),
            "updatedAt": state.get("updatedAt", live["updated_at"]),
            "remoteUpdatedAt": live["updated_at"],
            "repositoryId": _repository_id(account, inputs["repository"]),
        }
        return id, inputs, inputs | seen


class ActionsSecret(ActionsEnvironmentSecret):
    type = "github:index/actionsSecret:ActionsSecret"
    scope = ("repository",)
    replace_on = frozenset({"repository", "secretName"})
    kept = frozenset({"keyId", "destroyOnDrift"})


class ActionsEnvironmentVariable(_Entry):
    type = "github:index/actionsEnvironmentVariable:ActionsEnvironmentVariable"
    document = "variable"
    name_of = "variableName"
    replace_on = frozenset({"environment", "repository", "variableName"})
    computed = frozenset({"createdAt", "updatedAt", "repositoryId"})

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        at, where = self.place(account, inputs)
        if account.get("variable", at) is not None:
            raise ServiceError(409, "Conflict", f"Already exists - variable {where['name']}")
        return self.id(inputs), inputs | self.write(account, at, where, inputs["value"])

    def read(self, account: Account, id: str, state: Properties) -> Read | None:
        del state
        inputs = self.named(id)
        live = self.live(account, inputs)
        if live is None:
            return None
        inputs["value"] = live["value"]
        seen = {
            "createdAt": live["created_at"],
            "updatedAt": live["updated_at"],
            "repositoryId": _repository_id(account, inputs["repository"]),
        }
        return id, inputs, inputs | seen

    def update(self, account: Account, id: str, state: Properties, inputs: Properties) -> Properties:
        if self.live(account, inputs) is None:
            raise _not_found(f"variable {inputs[self.name_of]}")
        return super().update(account, id, state, inputs)


class ActionsVariable(ActionsEnvironmentVariable):
    type = "github:index/actionsVariable:ActionsVariable"
    scope = ("repository",)
    limit = 500  # GitHub docs, Store information in variables: limits
    replace_on = frozenset({"repository", "variableName"})


# --- rulesets -------------------------------------------------------------------------------------

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
        if isinstance(actors, list) and _is_known(actors):
            filled["bypassActors"] = sorted(actors, key=lambda a: (a["actorType"], a.get("actorId", 0)))
        rules: Any = inputs.get("rules")
        checks = rules.get("requiredStatusChecks") if isinstance(rules, dict) else None
        if isinstance(checks, dict) and _is_known(checks):
            ordered = sorted(
                checks["requiredChecks"], key=lambda c: (c["context"], c.get("integrationId", 0))
            )
            filled["rules"] = {**rules, "requiredStatusChecks": {**checks, "requiredChecks": ordered}}
        return filled

    def check(self, inputs: Properties) -> list[Failure]:
        failures = _one_of(inputs, "target", ("branch", "push", "tag"))
        failures += _one_of(inputs, "enforcement", ("disabled", "active", "evaluate"))
        name = inputs["name"]
        if name is not UNKNOWN and not 1 <= len(name) <= 100:
            failures.append(Failure("name", "expected length to be in the range (1 - 100)"))
        for index, actor in enumerate(_list(inputs.get("bypassActors"))):
            path = f"bypassActors[{index}]."
            types = ("RepositoryRole", "Team", "Integration", "OrganizationAdmin", "DeployKey")
            failures += _one_of(actor, "actorType", (*types, "EnterpriseOwner", "User"), path)
            failures += _one_of(actor, "bypassMode", ("always", "pull_request", "exempt"), path)
        rules = inputs["rules"] if isinstance(inputs["rules"], dict) else {}
        review = rules.get("pullRequest")
        if isinstance(review, dict):
            path = "rules.pullRequest."
            failures += _between(review, "requiredApprovingReviewCount", 0, 10, path)
            for method in review.get("allowedMergeMethods") or []:
                failures += _one_of(
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
        number = _number()
        document = {"repository": inputs["repository"], "node_id": f"RRS_{number}"}
        account.put("ruleset", str(number), document | self._stored(inputs))
        return str(number), self._outputs(str(number), document | self._stored(inputs), inputs)

    def _check_request(self, account: Account, inputs: Properties, id: str | None) -> None:
        repository = inputs["repository"]
        if not pays(_repository(account, repository)):
            raise ServiceError(403, "Forbidden", "Upgrade to GitHub Pro or make this repository public")
        if [
            found
            for found, _ in account.find("ruleset", repository=repository, name=inputs["name"])
            if found != id
        ]:
            raise _invalid("Name must be unique")
        refs = (inputs.get("conditions") or {}).get("refName") or {}
        prefix = "refs/tags/" if inputs["target"] == "tag" else "refs/heads/"
        special = ("~ALL",) if inputs["target"] == "tag" else ("~ALL", "~DEFAULT_BRANCH")
        for ref in (*refs.get("includes", []), *refs.get("excludes", [])):
            if ref not in special and not ref.startswith(prefix):
                raise _invalid(f"Invalid target patterns: '{ref}'")

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
        repository, number = (state["repository"], id) if state else _parts(id, 2)
        live = account.get("ruleset", number)
        if live is None or live["repository"] != repository:
            return None
        inputs: Properties = {"repository": repository, **{name: live.get(name) for name in self._fields}}
        inputs = self.defaults(_stated(inputs))
        return number, inputs, self._outputs(number, live, inputs)

    def update(self, account: Account, id: str, state: Properties, inputs: Properties) -> Properties:
        del state
        live = account.get("ruleset", id)
        if live is None or live["repository"] != inputs["repository"]:
            raise _not_found(f"ruleset {id} of {inputs['repository']}")
        self._check_request(account, inputs, id)
        account.put("ruleset", id, live | self._stored(inputs))
        return self._outputs(id, live | self._stored(inputs), inputs)

    def delete(self, account: Account, id: str, state: Properties) -> None:
        del state
        if not account.delete("ruleset", id):
            raise _not_found(f"ruleset {id}")


def _list(value: Any) -> list[Properties]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


KINDS: Final[tuple[Kind, ...]] = (
    RepositoryEnvironment(),
    RepositoryEnvironmentDeploymentPolicy(),
    ActionsEnvironmentSecret(),
    ActionsEnvironmentVariable(),
    ActionsSecret(),
    ActionsVariable(),
    RepositoryRuleset(),
)
