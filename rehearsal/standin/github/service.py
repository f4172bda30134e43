"""What all kinds of GitHub share: the provider's session, repositories and what their plan can do."""

import os
import secrets
import zlib
from collections.abc import Iterable
from datetime import UTC, datetime

from rehearsal.standin.account import Account, Document
from rehearsal.standin.kinds import UNKNOWN, Failure, Properties, ServiceError

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


def not_found(what: str) -> ServiceError:
    """404: there is none."""
    return ServiceError(404, "Not Found", what)


def invalid(reason: str) -> ServiceError:
    """422: the request is understood, and refused."""
    return ServiceError(422, "Validation Failed", reason)


def new_number() -> int:
    """A number as GitHub gives them to what is made."""
    return 10_000_000 + secrets.randbelow(90_000_000)


def time_now() -> str:
    """Now, as the provider prints times."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f +0000 UTC")


def stated(properties: Properties) -> Properties:
    """Without null ones: to the plugin they are absent."""
    return {name: value for name, value in properties.items() if value is not None}


def parts_of(id: str, count: int) -> list[str]:
    """Parts of an import id; a colon inside an environment's name is written `??`."""
    parts = [part.replace("??", ":") for part in id.split(":")]
    if len(parts) != count:
        raise ServiceError(400, "invalid_id", f"{id}: expected {count} parts separated by ':'")
    return parts


def id_of(*parts: str) -> str:
    """An import id of its parts; see `parts_of`."""
    return ":".join(part.replace(":", "??") for part in parts)


def one_of(inputs: Properties, name: str, allowed: Iterable[str], path: str = "") -> list[Failure]:
    """A check: the value is one of these, where it is stated and known."""
    allowed, value = tuple(allowed), inputs.get(name)
    if value is None or value is UNKNOWN or value in allowed:
        return []
    return [Failure(path + name, f"expected to be one of {', '.join(allowed)}")]


def between(inputs: Properties, name: str, low: int, high: int, path: str = "") -> list[Failure]:
    """A check: the number is in this range, where it is stated and known."""
    value = inputs.get(name)
    if value is None or value is UNKNOWN or low <= value <= high:
        return []
    return [Failure(path + name, f"expected to be in the range ({low} - {high})")]


def repository_of(account: Account, name: str) -> Document:
    """The repository by name, of this process's owner; else 404."""
    found = account.get("repository", name)
    if found is None or found.get("owner", _session.get("owner")) != _session.get("owner"):
        raise not_found(f"repository {name}")
    return found


def repository_id(account: Account, name: str) -> int:
    """Its number."""
    return int(repository_of(account, name).get("id", zlib.crc32(name.encode())))


def pays(repository: Document) -> bool:
    """Public, or on a plan that has environments and rulesets for private repositories."""
    return protects(repository) or repository.get("plan") in ("pro", "team")


def protects(repository: Document) -> bool:
    """Whether reviewers, wait timers, self-review and admin-bypass rules exist there."""
    return repository.get("visibility", "public") == "public" or repository.get("plan") == "enterprise"


def may_read(repository: Document, kind: str, id: int) -> bool:
    """Whether a user or a team (`users`, `teams`) has access, by whatever way."""
    access = repository.get("access")
    return access is None or id in access.get(kind, [])


def find_environment(account: Account, repository: str, name: str) -> tuple[str, Document] | None:
    """Id and document of an environment, by its name in any case; None where there is none."""
    if not pays(repository_of(account, repository)):
        return None
    for id, document in account.find("environment", repository=repository):
        if document["name"].casefold() == name.casefold():
            return id, document
    return None


def environment_of(account: Account, repository: str, name: str) -> tuple[str, Document]:
    """The same, else 404."""
    found = find_environment(account, repository, name)
    if found is None:
        raise not_found(f"environment {name} of {repository}")
    return found
