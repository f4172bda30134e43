"""Secrets and variables, of an environment or a repository."""

import re
from typing import Any, ClassVar, Final

from rehearsal.standin.account import Account, Document
from rehearsal.standin.github.environment import environments_at
from rehearsal.standin.github.rest import REPOSITORY, repository_at, time_of, wrapped
from rehearsal.standin.github.service import (
    environment_of,
    id_of,
    invalid,
    not_found,
    parts_of,
    repository_id,
    repository_of,
    time_now,
)
from rehearsal.standin.kinds import UNKNOWN, Failure, Kind, Properties, Read, ServiceError
from rehearsal.standin.rest import Answer, Query, Route


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
        repository_of(account, where["repository"])
        if "environment" in self.scope:
            found = environment_of(account, where["repository"], properties["environment"])
            where["environment"] = found[1]["name"]
        name = properties[self.name_of].upper()  # as GitHub stores it
        return ":".join([*where.values(), name]), {**where, "name": name}

    def write(self, account: Account, id: str, where: Document, value: str) -> Properties:
        """Store; returns the computed outputs."""
        if len(value.encode()) > 48 * 1024:
            raise invalid(f"{where['name']} is larger than 48 KB")
        old = account.get(self.document, id)
        siblings = {key: where[key] for key in self.scope}
        if old is None and len(account.find(self.document, **siblings)) >= self.limit:
            raise invalid(f"no more than {self.limit} of them")
        now = time_now()
        created = (old or {}).get("created_at", now)
        document = {**where, "value": value, "created_at": created, "updated_at": now}
        account.put(self.document, id, document)
        return {
            "createdAt": created,
            "updatedAt": now,
            "repositoryId": repository_id(account, where["repository"]),
        }

    def id(self, inputs: Properties) -> str:
        return id_of(*(inputs[key] for key in self.scope), inputs[self.name_of])

    def live(self, account: Account, properties: Properties) -> Document | None:
        try:
            id, _ = self.place(account, properties)
        except ServiceError:
            return None
        return account.get(self.document, id)

    def named(self, id: str) -> Properties:
        """The inputs an id consists of."""
        keys = (*self.scope, self.name_of)
        return dict(zip(keys, parts_of(id, len(keys)), strict=True))

    def update(self, account: Account, id: str, state: Properties, inputs: Properties) -> Properties:
        del id, state
        at, where = self.place(account, inputs)
        return inputs | self.write(account, at, where, inputs["value"])

    def delete(self, account: Account, id: str, state: Properties) -> None:
        del id
        at, where = self.place(account, state)
        if not account.delete(self.document, at):
            raise not_found(f"{self.document} {where['name']}")


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
            "repositoryId": repository_id(account, inputs["repository"]),
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
            "repositoryId": repository_id(account, inputs["repository"]),
        }
        return id, inputs, inputs | seen

    def update(self, account: Account, id: str, state: Properties, inputs: Properties) -> Properties:
        if self.live(account, inputs) is None:
            raise not_found(f"variable {inputs[self.name_of]}")
        return super().update(account, id, state, inputs)


class ActionsVariable(ActionsEnvironmentVariable):
    type = "github:index/actionsVariable:ActionsVariable"
    scope = ("repository",)
    limit = 500  # GitHub docs, Store information in variables: limits
    replace_on = frozenset({"repository", "variableName"})


def _get_entries(account: Account, query: Query, _: Any, owner: str, name: str, *rest: str) -> Answer:
    """Secrets or variables of an environment or, without one, of the repository. Secrets have no value."""
    *environment, plural = rest
    repository_at(account, owner, name)
    where = environments_at(account, owner, name, environment[0])[0]["name"] if environment else None
    found = [
        {
            "name": entry["name"],
            **({"value": entry["value"]} if plural == "variables" else {}),
            "created_at": time_of(entry, "created_at"),
            "updated_at": time_of(entry, "updated_at"),
        }
        for _, entry in account.find(plural.removesuffix("s"), repository=name, environment=where)
    ]
    return wrapped(plural, found, query)


ROUTES: Final[tuple[Route, ...]] = (
    ("GET", REPOSITORY + "/environments/([^/]+)/(secrets|variables)", _get_entries),
    ("GET", REPOSITORY + "/actions/(secrets|variables)", _get_entries),
)
