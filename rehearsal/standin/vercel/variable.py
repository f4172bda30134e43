"""Environment variables: scopes, conflicts, sizes, and what a build sees of them."""

from typing import Any, Final

from rehearsal.standin.account import Account, Document, new_id
from rehearsal.standin.kinds import Failure, Properties, Read, ServiceError
from rehearsal.standin.rest import Answer, Query, Route
from rehearsal.standin.vercel.service import (
    PROJECT,
    TARGETS,
    VercelKind,
    asked_project,
    find_environment,
    now,
    one_of,
    page_of,
    parts_of,
    project_of,
    repository_of,
    stated,
)


class ProjectEnvironmentVariable(VercelKind):
    type = "vercel:index/projectEnvironmentVariable:ProjectEnvironmentVariable"
    document = "variable"
    replace_on = frozenset({"sensitive", "customEnvironmentIds", "key", "projectId", "teamId"})
    kept = VercelKind.kept | {"targets", "customEnvironmentIds"}
    recomputed = frozenset({"comment"})
    sets = ("targets", "customEnvironmentIds")

    def check(self, inputs: Properties) -> list[Failure]:
        failures = []
        targets = inputs.get("targets")
        if not targets and not inputs.get("customEnvironmentIds"):
            failures.append(Failure("targets", "at least one of targets or customEnvironmentIds must be set"))
        for target in targets if isinstance(targets, list) else []:
            failures += one_of({"targets": target}, "targets", TARGETS)
        if inputs.get("sensitive") is True and isinstance(targets, list) and "development" in targets:
            failures.append(
                Failure(
                    "sensitive", "variables targeting `development` must explicitly set sensitive = false"
                )
            )
        if inputs.get("value") is None:
            failures.append(
                Failure("value", "exactly one of value or valueWo is required (rehearsed: value)")
            )
        if inputs.get("valueWo") is not None:
            failures.append(Failure("valueWo", "write-only values are not rehearsed: use value"))
        comment = inputs.get("comment")
        if isinstance(comment, str) and len(comment) > 1000:
            failures.append(Failure("comment", "length must be between 0 and 1000"))
        return failures + one_of(inputs, "visibility", ("config", "secret"))

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        project_id, project = project_of(account, inputs)
        variable = {
            "key": inputs["key"],
            "value": inputs["value"],
            "targets": inputs.get("targets") or [],
            "customEnvironmentIds": inputs.get("customEnvironmentIds") or [],
            "gitBranch": inputs.get("gitBranch"),
            "type": "sensitive" if inputs["sensitive"] else "encrypted",
            "comment": inputs.get("comment") or "",
            "visibility": inputs.get("visibility"),
            "projectId": project_id,
        }
        id = create_variable(account, project_id, project, variable)
        return id, _variable_outputs(account, variable, inputs)

    def read(self, account: Account, id: str, state: Properties) -> Read | None:
        if not state:
            project_id, id = parts_of(id, 2)
            variable = account.get("variable", id)
            if variable is None or variable["projectId"] != project_id:
                raise ServiceError(404, "not_found", f"Environment variable {id} not found in {project_id}")
        else:
            variable = account.get("variable", id)
            if variable is None:
                return None
        return self.answer(id, _variable_outputs(account, variable, state))

    def update(self, account: Account, id: str, state: Properties, inputs: Properties) -> Properties:
        project_id, project = project_of(account, inputs)
        old = self.existing(account, id)
        variable = {
            **old,
            "value": inputs["value"],
            "targets": inputs.get("targets") or state.get("targets") or [],
            "gitBranch": inputs.get("gitBranch") or old.get("gitBranch"),  # omitted when null: it stays
            "type": "sensitive" if inputs["sensitive"] else "encrypted",
            "comment": inputs.get("comment") or "",
            "visibility": inputs.get("visibility"),
        }
        put_variable(account, project_id, project, id, variable)
        return _variable_outputs(account, variable, inputs)


def _variable_outputs(account: Account, variable: Document, stated_before: Properties) -> Properties:
    outputs = {name: variable.get(name) for name in ("key", "targets", "customEnvironmentIds", "gitBranch")}
    sensitive = variable["type"] == "sensitive"
    outputs |= {
        "sensitive": sensitive,
        "value": stated_before.get("value") if sensitive else variable["value"],
        "comment": variable.get("comment") or None,
        "visibility": variable.get("visibility"),
        "projectId": stated_before.get("projectId", variable["projectId"]),
        "teamId": (account.get("project", variable["projectId"]) or {}).get("teamId"),
    }
    return stated(outputs)


def create_variable(account: Account, project_id: str, project: Document, variable: Document) -> str:
    """Store a new variable under a fresh id, which is returned. Refusals as `put_variable`."""
    id = new_id("", 16)
    put_variable(account, project_id, project, id, {**variable, "createdAt": now()})
    return id


def put_variable(account: Account, project_id: str, project: Document, id: str, variable: Document) -> None:
    """Store a variable, or refuse it as the service does: scope, branch, policy, conflict, size."""
    if not variable["targets"] and not variable["customEnvironmentIds"]:
        raise ServiceError(400, "bad_request", "At least one of target or customEnvironmentIds is required")
    if variable["type"] == "sensitive" and "development" in variable["targets"]:
        raise ServiceError(400, "bad_request", "A sensitive variable cannot target development")
    for environment in variable["customEnvironmentIds"]:
        find_environment(account, project_id, environment)
    if branch := variable.get("gitBranch"):
        _check_branch(account, project, branch, variable)
    policy = (account.get("team", project.get("teamId") or "") or {}).get("sensitivePolicy")
    scoped = variable["customEnvironmentIds"] or set(variable["targets"]) - {"development"}
    if policy == "on" and scoped and variable["type"] != "sensitive":
        raise ServiceError(
            403,
            "forbidden",
            f"{variable['key']}: this team has a policy that forces variables to be sensitive",
        )
    for other_id, other in account.find(
        "variable", projectId=project_id, key=variable["key"], gitBranch=variable.get("gitBranch")
    ):
        shared = sorted(
            set(other["targets"]) & set(variable["targets"])
            | set(other["customEnvironmentIds"]) & set(variable["customEnvironmentIds"])
        )
        if other_id != id and shared:
            raise ServiceError(
                400,
                "ENV_CONFLICT",
                f"A variable with the name `{variable['key']}` already exists for the target "
                f"{', '.join(shared)} on branch {variable.get('gitBranch')}, "
                f"the conflicting environment variable ID is {project_id}/{other_id}",
            )
    for scope in (*variable["targets"], *variable["customEnvironmentIds"]):
        values = variables_of(account, project_id, scope, variable.get("gitBranch"))
        values[variable["key"]] = variable["value"]
        if sum(len(key.encode()) + len(value.encode()) for key, value in values.items()) > 64 * 1024:
            raise ServiceError(
                400, "env_too_large", f"{variable['key']}: the variables of {scope} exceed 64 KB in total"
            )
    account.put("variable", id, {**variable, "updatedAt": now()})


def _check_branch(account: Account, project: Document, branch: str, variable: Document) -> None:
    if variable["targets"] != ["preview"] or variable["customEnvironmentIds"]:
        raise ServiceError(
            400,
            "bad_request",
            "Environment Variables with `gitBranch` can only be used with `target=preview`",
        )
    link = project.get("gitRepository") or {}
    if branch == link.get("productionBranch"):
        raise ServiceError(
            400, "bad_request", f'Cannot set Production Branch "{branch}" for a Preview Environment Variable'
        )
    if branch not in repository_of(account, link.get("repo", ""))["branches"]:
        raise ServiceError(
            400, "bad_request", f"Branch '{branch}' not found in the connected Git repository."
        )


def variables_of(account: Account, project_id: str, scope: str, branch: str | None = None) -> dict[str, str]:
    """What a build sees: the values of a target or custom environment id; those of its branch win."""
    found = [
        variable
        for _, variable in account.find("variable", projectId=project_id)
        if scope in (*variable["targets"], *variable["customEnvironmentIds"])
        and variable.get("gitBranch") in (None, branch)
    ]
    found.sort(key=lambda variable: variable.get("gitBranch") is not None)
    return {variable["key"]: variable["value"] for variable in found}


_CIPHERTEXT: Final = "eyJ2IjoidjIifQ=="  # what an undecrypted value looks like; holds nothing


def _variable_json(id: str, variable: Document, *, decrypt: bool) -> Document:
    """A sensitive value is empty, an encrypted one readable only where decryption is asked for."""
    clear = variable["type"] == "plain" or (variable["type"] == "encrypted" and decrypt)
    hidden = "" if variable["type"] == "sensitive" else _CIPHERTEXT
    return {
        "id": id,
        "key": variable["key"],
        "value": variable["value"] if clear else hidden,
        "decrypted": clear,
        "type": variable["type"],
        "target": variable["targets"],
        "customEnvironmentIds": variable["customEnvironmentIds"],
        **({"gitBranch": variable["gitBranch"]} if variable.get("gitBranch") else {}),
        "comment": variable.get("comment") or "",
        "createdAt": variable["createdAt"],
        "updatedAt": variable["updatedAt"],
    }


def _get_variables(account: Account, query: Query, _: Any, name: str) -> Answer:
    id, _project_document = asked_project(account, query, name)
    decrypt = query.get("decrypt") == "true"
    found = [_variable_json(*each, decrypt=decrypt) for each in account.find("variable", projectId=id)]
    return 200, page_of("envs", found, query, 100)


def _variable(account: Account, project_id: str, id: str) -> Document:
    variable = account.get("variable", id)
    if variable is None or variable["projectId"] != project_id:
        raise ServiceError(404, "not_found", f"Environment Variable {id} not found")
    return variable


def _get_variable(account: Account, query: Query, _: Any, name: str, id: str) -> Answer:
    project_id, _project_document = asked_project(account, query, name)
    return 200, _variable_json(id, _variable(account, project_id, id), decrypt=True)


def _from_body(body: Document) -> Document:
    """A variable's fields as the account names them; only those that the request carries."""
    fields = {"target": "targets", "key": "key", "value": "value", "type": "type", "comment": "comment"}
    fields |= {"customEnvironmentIds": "customEnvironmentIds", "gitBranch": "gitBranch"}
    found = {own: body[name] for name, own in fields.items() if name in body}
    if "targets" in found:
        targets = found["targets"]
        found["targets"] = sorted([targets] if isinstance(targets, str) else targets)
    return found


def _post_variables(account: Account, query: Query, body: Any, name: str) -> Answer:
    project_id, project = asked_project(account, query, name)
    created, failed = [], []
    for entry in body if isinstance(body, list) else [body]:
        fields = {"type": "encrypted", "comment": "", "targets": [], "customEnvironmentIds": []}
        variable = {**fields, **_from_body(entry), "projectId": project_id, "createdAt": now()}
        id = new_id("", 16)
        if query.get("upsert") == "true":
            id, variable = _same_scope(account, variable) or (id, variable)
        try:
            put_variable(account, project_id, project, id, variable)
            created.append(_variable_json(id, _variable(account, project_id, id), decrypt=False))
        except ServiceError as error:
            if not isinstance(body, list):
                raise
            failed.append({"error": {"code": error.code, "message": error.message, "key": variable["key"]}})
    answer = {"created": created if isinstance(body, list) else created[0], "failed": failed}
    return (201 if created else 400), answer


def _same_scope(account: Account, variable: Document) -> tuple[str, Document] | None:
    """What an upsert overwrites: the variable of the same key, branch and targets."""
    scope = ("projectId", "key", "targets", "customEnvironmentIds")
    for id, other in account.find("variable", **{name: variable[name] for name in scope}):
        if other.get("gitBranch") == variable.get("gitBranch"):
            return id, {**other, **variable, "createdAt": other["createdAt"]}
    return None


def _patch_variable(account: Account, query: Query, body: Any, name: str, id: str) -> Answer:
    project_id, project = asked_project(account, query, name)
    old = _variable(account, project_id, id)
    variable = {**old, **_from_body(body)}
    if old["type"] == "sensitive" != variable["type"]:
        raise ServiceError(
            400, "bad_request", "You cannot change the type of a Sensitive Environment Variable"
        )
    put_variable(account, project_id, project, id, variable)
    return 200, _variable_json(id, _variable(account, project_id, id), decrypt=False)


def _delete_variable(account: Account, query: Query, _: Any, name: str, id: str) -> Answer:
    project_id, _project_document = asked_project(account, query, name)
    variable = _variable(account, project_id, id)
    account.delete("variable", id)
    return 200, [_variable_json(id, variable, decrypt=False)]


ROUTES: Final[tuple[Route, ...]] = (
    ("GET", PROJECT + "/env", _get_variables),
    ("POST", PROJECT + "/env", _post_variables),
    ("GET", PROJECT + "/env/([^/]+)", _get_variable),
    ("PATCH", PROJECT + "/env/([^/]+)", _patch_variable),
    ("DELETE", PROJECT + "/env/([^/]+)", _delete_variable),
)
