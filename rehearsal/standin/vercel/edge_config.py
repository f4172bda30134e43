"""Edge Configs with their items and tokens."""

import re
import uuid
from typing import Any, Final

from rehearsal.standin.account import Account, Document, new_id
from rehearsal.standin.kinds import Failure, Properties, Read, ServiceError
from rehearsal.standin.rest import Answer, Query, Route
from rehearsal.standin.vercel.service import (
    VercelKind,
    asked_team,
    matches,
    now,
    parts_of,
    stated,
    team_of,
)


class EdgeConfig(VercelKind):
    type = "vercel:index/edgeConfig:EdgeConfig"
    document = "edgeConfig"
    replace_on = frozenset({"teamId"})

    def check(self, inputs: Properties) -> list[Failure]:
        return matches(
            inputs, "name", r"[a-z0-9_\-]{1,32}", "state it: 1-32 lower case letters, digits, - and _"
        )

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        team = team_of(account, inputs)
        plan = (account.get("team", team or "") or {}).get("plan", "hobby")
        limit = {"hobby": 1, "pro": 3, "enterprise": 10}[plan]
        if len(account.find("edgeConfig", teamId=team)) >= limit:
            raise ServiceError(402, "edge_config_limit", f"The plan {plan} allows {limit} Edge Configs")
        id = new_id("ecfg_")
        document = {"name": inputs["name"], "teamId": team, "createdAt": now(), "updatedAt": now()}
        account.put("edgeConfig", id, document)
        return id, stated({"name": inputs["name"], "teamId": team})

    def read(self, account: Account, id: str, state: Properties) -> Read | None:
        id = id if state else parts_of(id, 1)[0]
        document = account.get("edgeConfig", id)
        if document is None:
            return None
        return self.answer(id, stated({"name": document["name"], "teamId": document["teamId"]}))

    def update(self, account: Account, id: str, state: Properties, inputs: Properties) -> Properties:
        del state
        document = _edge_config(account, id) | {"name": inputs["name"], "updatedAt": now()}
        account.put("edgeConfig", id, document)
        return stated({"name": document["name"], "teamId": document["teamId"]})

    def delete(self, account: Account, id: str, state: Properties) -> None:
        del state
        for kind in ("edgeConfigItem", "edgeConfigToken"):
            for below, _ in account.find(kind, edgeConfigId=id):
                account.delete(kind, below)
        account.delete("edgeConfig", id)


def _edge_config(account: Account, id: str) -> Document:
    document = account.get("edgeConfig", id)
    if document is None:
        raise ServiceError(404, "edge_config_not_found", f"Edge Config {id} not found")
    return document


_KEY: Final = r"[A-Za-z0-9_\-]{1,256}"


def _put_item(account: Account, config_id: str, key: str, value: Any) -> Document:
    item = {"edgeConfigId": config_id, "key": key, "value": value, "updatedAt": now()}
    account.put("edgeConfigItem", f"{config_id}/{key}", item)
    return item


class EdgeConfigItem(VercelKind):
    type = "vercel:index/edgeConfigItem:EdgeConfigItem"
    document = "edgeConfigItem"
    replace_on = frozenset({"edgeConfigId", "key", "value", "valueJson"})
    recomputed = frozenset({"id", "teamId", "value", "valueJson"})

    def check(self, inputs: Properties) -> list[Failure]:
        failures = matches(inputs, "key", _KEY, "must be 1-256 letters, digits, '_' or '-'")
        if (inputs.get("value") is None) == (inputs.get("valueJson") is None):
            failures.append(Failure("value", "exactly one of value or valueJson is required"))
        return failures

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        config = _edge_config(account, inputs["edgeConfigId"])
        value = inputs["value"] if inputs.get("value") is not None else inputs["valueJson"]
        id = f"{inputs['edgeConfigId']}/{inputs['key']}"
        return id, self._outputs(_put_item(account, inputs["edgeConfigId"], inputs["key"], value), config)

    def read(self, account: Account, id: str, state: Properties) -> Read | None:
        id = id if state else "/".join(parts_of(id, 2))
        item = account.get("edgeConfigItem", id)
        if item is None:
            return None
        outputs = self._outputs(item, _edge_config(account, item["edgeConfigId"]))
        return self.answer(id, outputs)

    def delete(self, account: Account, id: str, state: Properties) -> None:
        """By key: after a create-before-delete this takes the new value away, and succeeds."""
        del state
        account.delete("edgeConfigItem", id)

    def _outputs(self, item: Document, config: Document) -> Properties:
        value = item["value"]
        outputs = {"edgeConfigId": item["edgeConfigId"], "key": item["key"], "teamId": config["teamId"]}
        return stated({**outputs, "value" if isinstance(value, str) else "valueJson": value})


class EdgeConfigToken(VercelKind):
    type = "vercel:index/edgeConfigToken:EdgeConfigToken"
    document = "edgeConfigToken"
    replace_on = frozenset({"edgeConfigId", "label", "teamId"})
    computed = frozenset({"connectionString", "token"})

    def check(self, inputs: Properties) -> list[Failure]:
        return matches(inputs, "label", r"(?s).{1,52}", "length must be between 1 and 52")

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        config = _edge_config(account, inputs["edgeConfigId"])
        document = {
            "edgeConfigId": inputs["edgeConfigId"],
            "label": inputs["label"],
            "token": str(uuid.uuid4()),
        }
        id = str(uuid.uuid4())
        account.put("edgeConfigToken", id, {**document, "createdAt": now()})
        return id, self._outputs(document, config)

    def read(self, account: Account, id: str, state: Properties) -> Read | None:
        if not state:  # team/ecfg/token: the API finds a token by its value
            config_id, token = parts_of(id, 2)
            found = account.find("edgeConfigToken", edgeConfigId=config_id, token=token)
            id = found[0][0] if found else ""
        document = account.get("edgeConfigToken", id)
        if document is None:
            return None
        config = _edge_config(account, document["edgeConfigId"])
        return self.answer(id, self._outputs(document, config))

    def _outputs(self, document: Document, config: Document) -> Properties:
        outputs = {name: document[name] for name in ("edgeConfigId", "label", "token")}
        outputs["connectionString"] = (
            f"https://edge-config.vercel.com/{document['edgeConfigId']}?token={document['token']}"
        )
        return stated({**outputs, "teamId": config["teamId"]})


def _asked_config(account: Account, query: Query, id: str) -> Document:
    found = account.get("edgeConfig", id)
    if found is None or found["teamId"] != asked_team(account, query):
        raise ServiceError(404, "not_found", f"Edge Config {id} not found")
    return found


def _get_edge_configs(account: Account, query: Query, _: Any) -> Answer:
    """Every one of the team, not paged. What the provider calls a name is the slug."""
    return 200, [
        {
            "id": id,
            "slug": config["name"],
            "ownerId": config["teamId"],
            "itemCount": len(account.find("edgeConfigItem", edgeConfigId=id)),
            "createdAt": config["createdAt"],
            "updatedAt": config["updatedAt"],
        }
        for id, config in account.find("edgeConfig", teamId=asked_team(account, query))
    ]


def _get_edge_items(account: Account, query: Query, _: Any, id: str) -> Answer:
    _asked_config(account, query, id)
    items = [
        {"key": item["key"], "value": item["value"], "edgeConfigId": id, "updatedAt": item["updatedAt"]}
        for _, item in account.find("edgeConfigItem", edgeConfigId=id)
    ]
    return 200, items


def _patch_edge_items(account: Account, query: Query, body: Any, id: str) -> Answer:
    """All operations of one request or none (REST, update-edge-config-items-in-batch)."""
    _asked_config(account, query, id)
    for change in body["items"]:
        operation, key = change["operation"], change["key"]
        if not re.fullmatch(_KEY, key):
            raise ServiceError(400, "bad_request", f"{key!r} is no key of an item")
        place = f"{id}/{key}"
        exists = account.get("edgeConfigItem", place) is not None
        if operation not in ("create", "update", "upsert", "delete"):
            raise ServiceError(400, "bad_request", f"{operation!r} is no operation")
        if (operation == "create") == exists and operation != "upsert":
            raise ServiceError(*((409, "conflict") if exists else (404, "not_found")), f"item {key}")
        if operation == "delete":
            account.delete("edgeConfigItem", place)
            continue
        _put_item(account, id, key, change["value"])
    return 200, {"status": "ok"}


def _read_edge_item(account: Account, query: Query, _: Any, id: str, key: str) -> Answer:
    """What a running reader asks (`edge-config.vercel.com`): by the token of a connection string."""
    if not account.find("edgeConfigToken", edgeConfigId=id, token=query.get("token")):
        raise ServiceError(401, "unauthorized", "the token does not fit the Edge Config")
    item = account.get("edgeConfigItem", f"{id}/{key}")
    if item is None:
        raise ServiceError(404, "edge_config_item_not_found", f"item {key} not found")
    return 200, item["value"]


ROUTES: Final[tuple[Route, ...]] = (
    ("GET", r"/v\d+/edge-config", _get_edge_configs),
    ("GET", r"/v\d+/edge-config/([^/]+)/items", _get_edge_items),
    ("PATCH", r"/v\d+/edge-config/([^/]+)/items", _patch_edge_items),
)

READER_ROUTES: Final[tuple[Route, ...]] = (("GET", r"/([^/]+)/item/([^/]+)", _read_edge_item),)
