"""Every kind but the service: networks, volumes, configs, secrets, pulled images and tags.

All but the image's two removal settings are immutable in the engine: a change replaces the object.
"""

import base64
import binascii
import time
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Final

from rehearsal.standin.account import Account
from rehearsal.standin.docker import session
from rehearsal.standin.docker.fields import Field, Labels, Object, Objects, Strings, plain_path
from rehearsal.standin.kinds import UNKNOWN, Failure, Kind, Properties, ServiceError

Read = tuple[str, Properties, Properties]

PATIENCE: Final = 30  # seconds for what is still in use to be given up, as the plugin waits


class DockerKind(Kind):
    """What all kinds share: a table of fields that checks, fills in, and says what replaces."""

    direct = True
    fields: ClassVar[Object]

    def __init_subclass__(cls) -> None:
        if "fields" in vars(cls):
            cls.kept = frozenset(field.name for field in cls.fields.fields if field.kept)

    def defaults(self, inputs: Properties) -> Properties:
        filled: Properties = self.fields.fill(inputs)
        return filled

    def check(self, inputs: Properties) -> list[Failure]:
        failures = list(self.fields.problems(inputs, ""))
        if "name" in {field.name for field in self.fields.fields} and "name" not in inputs:
            # The plugin would make one up from the logical name.
            failures.append(Failure("name", "state the name: physical names carry the stack"))
        return failures

    def replaced(self, paths: Iterable[str]) -> frozenset[str]:
        above = [path for path, field in self.fields.leaves("") if field.replaces]
        return frozenset(
            path for path in paths if any(f"{plain_path(path)}.".startswith(f"{name}.") for name in above)
        )

    def keeps(self, path: str) -> bool:
        return any(field.kept and name == plain_path(path) for name, field in self.fields.leaves(""))

    def update(self, account: Account, id: str, state: Properties, inputs: Properties) -> Properties:
        del account, id
        return {**{name: state[name] for name in self.computed & state.keys()}, **inputs}

    def answer(self, id: str, live: Properties, state: Properties, **computed: Any) -> Read:
        """What a read returns: the program's business as it is now, or everything during an import."""
        live = self.fields.fill(live)
        inputs = self.fields.follow(live, state) if state else live
        return id, inputs, {**{name: live[name] for name in self.kept & live.keys()}, **inputs, **computed}


def patiently(action: Callable[[], None], *passing: str) -> None:
    """Do it, again and again for a while if the engine's message holds one of these."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return action()
        except ServiceError as error:
            busy = any(text in error.message for text in passing)
            if not busy or time.monotonic() > deadline or session.cancelled.wait(0.5):
                raise


class Network(DockerKind):
    type = "docker:index/network:Network"
    computed = frozenset({"scope"})
    fields = Object(
        (
            Field("name", "Name", replaces=True),
            Field("labels", "Labels", Labels(), replaces=True),
            Field("driver", "Driver", kept=True, replaces=True),
            Field("options", "Options", kept=True, replaces=True),
            Field("internal", "Internal", kept=True, replaces=True),
            Field("attachable", "Attachable", replaces=True),
            Field("ingress", "Ingress", replaces=True),
            Field("ipv6", "EnableIPv6", replaces=True),
            Field("ipamDriver", "IPAM.Driver", default="default", replaces=True),
            Field("ipamOptions", "IPAM.Options", replaces=True),
            Field(
                "ipamConfigs",
                "IPAM.Config",
                Objects(
                    Object(
                        (
                            Field("subnet", "Subnet"),
                            Field("ipRange", "IPRange"),
                            Field("gateway", "Gateway"),
                            Field("auxAddress", "AuxiliaryAddresses"),
                        )
                    ),
                    ("subnet",),
                ),
                kept=True,
                replaces=True,
            ),
        )
    )

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        del account
        with session.asking() as engine:
            body = {**self.fields.to_engine(inputs), "CheckDuplicate": True}
            made = engine.write("/networks/create", body)["Id"]
        found = self._read(made, inputs)
        if found is None:
            raise ServiceError(404, "not_found", f"network {made} was gone at once")
        return found[0], found[2]

    def read(self, account: Account, id: str, state: Properties) -> Read | None:
        del account
        return self._read(id, state)

    def _read(self, id: str, state: Properties) -> Read | None:
        found = _find(lambda engine: engine.inspect_network(id))
        # Swarm answers without driver and options until it has allocated the network.
        deadline = time.monotonic() + PATIENCE
        while found and not found["Driver"] and time.monotonic() < deadline:
            session.cancelled.wait(0.1)
            found = _find(lambda engine: engine.inspect_network(id))
        if found is None:
            return None
        live = self.fields.from_engine(found)
        # Swarm numbers the overlay; no program can.
        options = live.get("options", {})
        live["options"] = {name: options[name] for name in options if not name.endswith(".vxlanid_list")}
        return self.answer(found["Id"], live, state, scope=found["Scope"])

    def delete(self, account: Account, id: str, state: Properties) -> None:
        del account, state
        if _find(lambda engine: engine.inspect_network(id)) is None:
            return

        def remove() -> None:
            with session.asking() as engine:
                engine.remove_network(id)

        patiently(remove, "has active endpoints", "in use by task")


class Volume(DockerKind):
    type = "docker:index/volume:Volume"
    computed = frozenset({"mountpoint"})
    fields = Object(
        (
            Field("name", "Name", replaces=True),
            Field("labels", "Labels", Labels(), replaces=True),
            Field("driver", "Driver", kept=True, replaces=True),
            Field("driverOpts", "Options", replaces=True),
        )
    )

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        with session.asking() as engine:
            body = self.fields.to_engine(inputs)
            engine.create_volume(body["Name"], body.get("Driver"), body.get("Options"), body.get("Labels"))
        found = self.read(account, inputs["name"], inputs)
        if found is None:
            raise ServiceError(404, "not_found", f"volume {inputs['name']} was gone at once")
        return found[0], found[2]

    def read(self, account: Account, id: str, state: Properties) -> Read | None:
        del account
        found = _find(lambda engine: engine.inspect_volume(id))
        if found is None:
            return None
        live = self.fields.from_engine(found)
        return self.answer(found["Name"], live, state, mountpoint=found["Mountpoint"])

    def delete(self, account: Account, id: str, state: Properties) -> None:
        del account, state

        def remove() -> None:
            with session.asking() as engine:
                engine.remove_volume(id, force=True)

        patiently(remove, "volume is in use")


_LABELS: Final = Field("labels", "Labels", Labels(), replaces=True)
_NAME: Final = Field("name", "Name", replaces=True)


class Blob(DockerKind):
    """A config or a secret: some bytes under a name."""

    def check(self, inputs: Properties) -> list[Failure]:
        failures = super().check(inputs)
        data = inputs.get("data", "")
        if data is not UNKNOWN and _decoded(data) is None:
            failures.append(Failure("data", "is not base64 decodeable"))
        return failures


class ServiceConfig(Blob):
    type = "docker:index/serviceConfig:ServiceConfig"
    fields = Object((_NAME, _LABELS, Field("data", "", replaces=True), Field("dataRaw", "", replaces=True)))

    def check(self, inputs: Properties) -> list[Failure]:
        if ("data" in inputs) == ("dataRaw" in inputs):
            return [Failure("data", "exactly one of data, dataRaw must be specified")]
        return super().check(inputs)

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        del account
        raw = inputs.get("dataRaw")
        data = (_decoded(inputs["data"]) or b"") if raw is None else raw.encode()
        with session.asking(*_secrets(inputs)) as engine:
            made = engine.create_config(inputs["name"], data, Labels().to_engine(inputs.get("labels", [])))
        return made["ID"], inputs

    def read(self, account: Account, id: str, state: Properties) -> Read | None:
        del account
        found = _find(lambda engine: engine.inspect_config(id))
        if found is None:
            return None
        spec = found["Spec"]
        data = spec.get("Data", "")
        live = {"name": spec["Name"], "labels": Labels().from_engine(spec.get("Labels") or {})}
        if "dataRaw" in state:
            live["dataRaw"] = (_decoded(data) or b"").decode(errors="replace")
        else:
            live["data"] = data
        return self.answer(found["ID"], live, state)

    def delete(self, account: Account, id: str, state: Properties) -> None:
        del account, state
        with session.asking() as engine:
            engine.remove_config(id)


class Secret(Blob):
    type = "docker:index/secret:Secret"
    fields = Object((_NAME, _LABELS, Field("data", "", replaces=True)))

    def unseen(self) -> frozenset[str]:
        return frozenset({"data", "labels"})

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        del account
        data = _decoded(inputs["data"]) or b""
        with session.asking(*_secrets(inputs)) as engine:
            made = engine.create_secret(inputs["name"], data, Labels().to_engine(inputs.get("labels", [])))
        return made["ID"], inputs

    def read(self, account: Account, id: str, state: Properties) -> Read | None:
        del account
        if not state:
            raise ServiceError(501, "not_importable", "the plugin cannot import a secret: no one can read it")
        found = _find(lambda engine: engine.inspect_secret(id))
        if found is None:
            return None
        inputs = {"name": found["Spec"]["Name"]}
        return found["ID"], inputs, inputs

    def delete(self, account: Account, id: str, state: Properties) -> None:
        del account, state
        with session.asking() as engine:
            engine.remove_secret(id)


class RemoteImage(DockerKind):
    type = "docker:index/remoteImage:RemoteImage"
    computed = frozenset({"imageId", "repoDigest"})
    fields = Object(
        (
            Field("name", "", replaces=True),
            Field("keepLocally", ""),
            Field("forceRemove", ""),
            Field("pullTriggers", "", Strings(), replaces=True),
            Field("triggers", "", replaces=True),
            Field("platform", "", replaces=True),
        )
    )

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        name = inputs["name"]
        if self._image(name) is None:
            auth = session.credentials(name)
            with session.asking(auth.get("password", "")) as engine:
                # A tag beside a digest is not the SDK's to split.
                engine.pull(_repository(name), _tag(name), auth_config=auth, platform=inputs.get("platform"))
        found = self.read(account, "", inputs)
        if found is None:
            raise ServiceError(404, "not_found", f"unable to find or pull image {name}")
        return found[0], found[2]

    def read(self, account: Account, id: str, state: Properties) -> Read | None:
        del account, id
        if not state:
            raise ServiceError(501, "not_importable", "the plugin cannot import an image: state its name")
        name = state["name"]
        image = self._image(name)
        if image is None:
            return None
        inputs = {each: value for each, value in state.items() if each not in self.computed}
        digests = image.get("RepoDigests") or []
        same = [digest for digest in digests if digest.partition("@")[0] == _repository(name)]
        digest = (same or digests or [""])[0]
        return image["Id"] + name, inputs, {**inputs, "imageId": image["Id"], "repoDigest": digest}

    def _image(self, name: str) -> Properties | None:
        return _find(lambda engine: engine.inspect_image(name))

    def delete(self, account: Account, id: str, state: Properties) -> None:
        del account, id
        name = state["name"]
        if not state.get("keepLocally") and self._image(name) is not None:
            with session.asking() as engine:
                engine.remove_image(name, force=bool(state.get("forceRemove")))


class Tag(DockerKind):
    type = "docker:index/tag:Tag"
    computed = frozenset({"sourceImageId"})
    fields = Object(
        (
            Field("sourceImage", "", replaces=True),
            Field("targetImage", "", replaces=True),
            Field("tagTriggers", "", Strings(), replaces=True),
        )
    )

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        del account
        source, target = inputs["sourceImage"], inputs["targetImage"]
        with session.asking() as engine:
            engine.tag(source, _repository(target), _tag(target))
            image = engine.inspect_image(source)
        return f"{source}.{target}", {**inputs, "sourceImageId": image["Id"]}

    def read(self, account: Account, id: str, state: Properties) -> Read | None:
        """What the state says: the plugin asks nothing."""
        del account
        return id, {name: value for name, value in state.items() if name not in self.computed}, state

    def delete(self, account: Account, id: str, state: Properties) -> None:
        """The plugin deletes neither image."""
        del account, id, state


def _find(ask: Callable[[Any], Properties]) -> Properties | None:
    """What the engine answers, or None where it knows no such object."""
    try:
        with session.asking() as engine:
            return ask(engine)
    except ServiceError as error:
        if error.status == 404:
            return None
        raise


def _decoded(data: str) -> bytes | None:
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return None


def _secrets(inputs: Properties) -> list[str]:
    """What of an object's content no message may hold: as it is stated, and decoded."""
    data = inputs.get("data", "")
    return [data, (_decoded(data) or b"").decode(errors="replace"), inputs.get("dataRaw", "")]


def _repository(name: str) -> str:
    name = name.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return head + slash + last.partition(":")[0]


def _tag(name: str) -> str:
    """The digest if there is one, else the tag, else latest."""
    if "@" in name:
        return name.partition("@")[2]
    return name.rpartition("/")[2].partition(":")[2] or "latest"
