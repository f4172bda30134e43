"""Speaks the provider protocol for a stand-in: what the engine asks of a plugin, answered by the kinds.

`StandIn` is a plugin without the wire (tests call it in process), `Servicer` puts it behind gRPC, `serve`
runs it until the engine goes. Owned here, for every service alike: the order of checks, the detailed
diff, previews, what a refresh keeps, secrets and planned faults. The rules of a service are in its module.
"""

import functools
import importlib
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

import grpc
from google.protobuf import empty_pb2, struct_pb2  # type: ignore[import-untyped,unused-ignore]
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from rehearsal.standin import raw_state, schema
from rehearsal.standin.account import Account
from rehearsal.standin.kinds import UNKNOWN, Failure, Kind, Properties, ServiceError, UnfinishedError

# Signatures of the protocol: sdk/go/common/resource/sig/sig.go and plugin/rpc.go of the engine.
_SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
_SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105  a marker of the protocol
_UNKNOWNS: Final = frozenset(
    {
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)
_ENGINES_OWN: Final = frozenset(
    {"version", "pluginDownloadURL", "__internal"}
)  # keys beside a provider's config

_GLANCE: Final = 0.05  # seconds between two looks of a call that hangs

T = TypeVar("T")
# (property path, "add" | "update" | "delete")
Change = tuple[str, str]


@dataclass(frozen=True)
class Difference:
    """What an update would do: changes by path, and the inputs or paths that force a replacement.

    `noise`: properties that the plugin names although nobody changed them.
    """

    changes: tuple[Change, ...]
    replaces: frozenset[str]
    noise: frozenset[str] = frozenset()


class StandIn:
    """One service's plugin. Every call to the service is one transaction; calls are serialized."""

    def __init__(self, service: str, account: Account) -> None:
        module = importlib.import_module(f"rehearsal.standin.{service}")
        self.service, self.account = service, account
        self.schema = schema.load(schema.SDKS[service])
        self._configure: Callable[[Properties], list[Failure]] = module.configure
        # What the real plugin retries by itself, by status: {500: 3}. Source: FACTS, Faults.
        self._retries: dict[int, int] = getattr(module, "RETRIES", {})
        #: Whether its plugin is bridged so that the state of each object holds how to get Terraform's back.
        self.raw_state: bool = getattr(module, "RAW_STATE", False)
        #: Whether its diffs give every path, or only the names of properties (`Difference.reasons`).
        self.detailed: bool = getattr(module, "DETAILED", True)
        self._kinds: dict[str, Kind] = {kind.type: kind for kind in module.KINDS}
        self.cancel: Callable[[], None] = getattr(module, "cancel", lambda: None)
        self._lock = threading.Lock()

    def kind(self, type: str) -> Kind:
        """The kind of a type token; says whether the SDK or only the rehearsal does not know it."""
        if type in self._kinds:
            return self._kinds[type]
        if type in self.schema.resources:
            raise ServiceError(
                501, "not_rehearsed", f"{type} exists, but the rehearsal has no stand-in for it"
            )
        raise ServiceError(404, "unknown_type", f"{type} is not in the {self.service} SDK")

    def secret(self, type: str) -> frozenset[str]:
        return self.schema.resources[type].secret

    def configure(self, config: Properties) -> list[Failure]:
        """Check and keep the provider's settings."""
        config = {name: value for name, value in config.items() if name not in _ENGINES_OWN}
        return self.schema.problems(f"pulumi:providers:{self.service}", config) or self._configure(config)

    def check(self, type: str, inputs: Properties) -> tuple[Properties, list[Failure]]:
        """Inputs with defaults, or what is wrong with them. Asks the service nothing."""
        kind = self.kind(type)
        failures = self.schema.problems(type, inputs)
        if failures:
            return inputs, failures
        filled = kind.defaults(inputs)
        return filled, kind.check(filled)

    def diff(
        self, type: str, old: Properties, new: Properties, outputs: Properties | None = None
    ) -> Difference:
        """Compare inputs with inputs: after a refresh the old ones hold what the service returned."""
        kind = self.kind(type)
        outputs = outputs or {}
        old = kind.compared(old, outputs)
        changes: list[Change] = []
        for name in sorted(old.keys() | new.keys()):
            changes += _changes(old.get(name), new.get(name), name, kind.keeps)
        noise = kind.noise(outputs, new) if changes else frozenset()
        return Difference(tuple(changes), kind.replaced(path for path, _ in changes), noise)

    def preview_create(self, type: str, inputs: Properties) -> Properties:
        """Outputs as far as they are known before the service was asked."""
        kind = self.kind(type)
        unknown = {name for name in kind.computed | kind.kept if "." not in name}
        return dict.fromkeys(unknown, UNKNOWN) | inputs

    def create(self, type: str, inputs: Properties) -> tuple[str, Properties]:
        kind = self.kind(type)
        return self._call("create", type, lambda: kind.create(self.account, inputs))

    def read(
        self, type: str, id: str, state: Properties, inputs: Properties
    ) -> tuple[str, Properties, Properties] | None:
        """(id, inputs, outputs) as they are now, or None. Both arguments are empty during an import."""
        kind = self.kind(type)
        found = self._call("read", type, lambda: kind.read(self.account, id, state))
        if found is None or not state:
            return found
        id, live, outputs = found
        unseen = kind.unseen()
        known = {name: value for name, value in live.items() if name in inputs or name not in kind.kept}
        # What the service leaves out of its answer is either never returned or empty there.
        held = {
            name: value
            for name, value in inputs.items()
            if name in unseen or (name not in live and _is_empty(value))
        }
        return id, known | held, outputs | {name: state[name] for name in unseen & state.keys()}

    def preview_update(self, type: str, state: Properties, inputs: Properties) -> Properties:
        kind = self.kind(type)
        known = kind.computed | kind.kept
        return {name: value for name, value in state.items() if name in known} | inputs

    def update(self, type: str, id: str, state: Properties, inputs: Properties) -> Properties:
        kind = self.kind(type)
        return self._call("update", type, lambda: kind.update(self.account, id, state, inputs))

    def delete(self, type: str, id: str, state: Properties) -> None:
        kind = self.kind(type)
        self._call("delete", type, lambda: kind.delete(self.account, id, state))

    def _call(self, verb: str, type: str, action: Callable[[], T]) -> T:
        """Call the service, with the faults that a test planned and the retries of the real plugin."""
        attempt = 0
        while True:
            with self._lock:
                fault = self.account.take_fault(verb, type.rpartition(":")[2]) or {}
            while "hang" in fault and Path(fault["hang"]).exists():
                time.sleep(_GLANCE)  # not under the lock: a test may kill this process meanwhile
            status = fault.get("status", 0)
            if status:
                attempt += 1
                if attempt > self._retries.get(status, 0):
                    raise ServiceError(status, "planned_fault", f"{verb} {type} failed on purpose")
                continue
            # Docker may take minutes: its kinds are not held up by one another.
            with nullcontext() if self.kind(type).direct else self._transaction():
                answer = action()
            if "late" in fault:
                time.sleep(fault["late"])
            if fault.get("lost"):
                raise ServiceError(0, "connection_lost", f"{verb} {type}: done, but its answer was lost")
            return answer

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock, self.account.transaction():
            yield


def _is_empty(value: Any) -> bool:
    """Absent, null, false, 0, "" and empty collections mean the same to both services."""
    if isinstance(value, dict):
        return all(map(_is_empty, value.values()))
    return value is None or value in (False, 0, "", [])


def _changes(old: Any, new: Any, path: str, keeps: Callable[[str], bool]) -> Iterator[Change]:
    """The paths where two values differ. What is left out at a path that `keeps` is the service's."""
    if new is UNKNOWN:
        yield path, "add" if old is None else "update"
    elif _is_empty(old) and _is_empty(new):
        return
    elif new is None:
        if not keeps(path):
            yield path, "delete"
    elif old is None:
        yield path, "add"
    elif isinstance(old, dict) and isinstance(new, dict):
        for name in sorted(old.keys() | new.keys()):
            yield from _changes(old.get(name), new.get(name), f"{path}.{name}", keeps)
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            before, after = (each[index] if index < len(each) else None for each in (old, new))
            yield from _changes(before, after, f"{path}[{index}]", keeps)
    elif old != new:
        yield path, "update"


# --- the wire -------------------------------------------------------------------------------------


def to_python(value: struct_pb2.Value) -> Any:
    """A value without its secret wrapping; null is None."""
    kind = value.WhichOneof("kind")
    plain: Any = None if kind in (None, "null_value") else getattr(value, kind)
    if kind == "string_value" and plain in _UNKNOWNS:
        return UNKNOWN
    if kind == "number_value" and plain.is_integer():
        return int(plain)
    if kind == "list_value":
        return [to_python(each) for each in plain.values]
    if kind == "struct_value":
        if _SIGNATURE in plain.fields and plain.fields[_SIGNATURE].string_value == _SECRET:
            return to_python(plain.fields["value"])
        return to_properties(plain)
    return plain


def to_properties(struct: struct_pb2.Struct) -> Properties:
    """The members of an object; null ones are left out."""
    properties = {name: to_python(value) for name, value in struct.fields.items()}
    return {name: value for name, value in properties.items() if value is not None}


def to_struct(properties: Properties, secret: frozenset[str] = frozenset()) -> struct_pb2.Struct:
    """For the engine; what the SDK marks as secret is wrapped, so that no state holds it in the clear.

    Other secret inputs need no wrapping: the engine marks every output that carries the name of a secret
    input (annotateSecrets in the engine's provider_plugin.go), because no secrets are accepted.
    """
    struct = struct_pb2.Struct()
    for name, value in properties.items():
        target = struct.fields[name]
        if name in secret:
            target.struct_value.fields[_SIGNATURE].string_value = _SECRET
            target = target.struct_value.fields["value"]
        _fill(target, value)
    return struct


def _fill(target: struct_pb2.Value, value: Any) -> None:
    if value is UNKNOWN:
        target.string_value = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
    elif value is None:
        target.null_value = struct_pb2.NULL_VALUE
    elif isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, int | float):
        target.number_value = value
    elif isinstance(value, str):
        target.string_value = value
    elif isinstance(value, list | tuple):
        target.list_value.SetInParent()
        for each in value:
            _fill(target.list_value.values.add(), each)
    else:
        target.struct_value.SetInParent()
        for name, each in value.items():
            _fill(target.struct_value.fields[name], each)


def _provider_config(properties: Properties, known: dict[str, schema.Type]) -> Properties:
    """The SDK sends every provider setting that is not a string as JSON."""
    return {
        name: json.loads(value) if isinstance(value, str) and known.get(name, "str") != "str" else value
        for name, value in properties.items()
    }


def _answers(method: Callable[..., T]) -> Callable[..., T]:
    """Turn a refusal into the protocol's error. What breaks is named by place, not by value."""

    @functools.wraps(method)
    def wrapped(self: "Servicer", request: Any, context: grpc.ServicerContext) -> T:
        try:
            return method(self, request)
        except ServiceError as error:
            message = str(error)
            if isinstance(error, UnfinishedError):
                kept = raw_state.kept(error.outputs) if self.standin.raw_state else error.outputs
                context.set_trailing_metadata((("grpc-status-details-bin", _details(error, kept)),))
        except Exception as error:
            trace = error.__traceback__
            while trace is not None and trace.tb_next is not None:
                trace = trace.tb_next
            place = trace and f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
            message = f"the {self.standin.service} stand-in broke: {type(error).__name__} at {place}"
        context.abort(grpc.StatusCode.UNKNOWN, message)
        raise AssertionError  # abort raises

    return wrapped


def _details(error: UnfinishedError, outputs: Properties) -> bytes:
    """The protocol's partial failure: the engine keeps the resource and updates it on the next run."""
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(error))
    # Secrets need no wrapping here: see `to_struct`.
    status.details.add().Pack(
        provider_pb2.ErrorResourceInitFailed(
            id=error.id,
            properties=to_struct(outputs),
            inputs=to_struct(error.inputs),
            reasons=[str(error)],
        )
    )
    return bytes(status.SerializeToString())


class Servicer(provider_pb2_grpc.ResourceProviderServicer):
    """The protocol's methods; `standin` answers them."""

    def __init__(self, standin: StandIn) -> None:
        self.standin = standin

    def _state(self, request: Any, struct: struct_pb2.Struct, method: str) -> Properties:
        """Outputs of the state. Raises ServiceError where the plugin cannot read them any more."""
        where = f"provider={self.standin.service} v={self.standin.schema.version} resourceURN={request.urn}"
        return raw_state.recovered(to_properties(struct), f"{where} method={method}")

    def _outputs(self, type: str, outputs: Properties) -> struct_pb2.Struct:
        outputs = raw_state.kept(outputs) if self.standin.raw_state else outputs
        return to_struct(outputs, self.standin.secret(type))

    @_answers
    def Handshake(self, request: Any) -> provider_pb2.ProviderHandshakeResponse:
        del request
        return provider_pb2.ProviderHandshakeResponse()

    @_answers
    def GetPluginInfo(self, request: Any) -> plugin_pb2.PluginInfo:
        del request
        return plugin_pb2.PluginInfo(version=self.standin.schema.version)

    @_answers
    def GetSchema(self, request: Any) -> provider_pb2.GetSchemaResponse:
        del request
        document = {
            "name": self.standin.service,
            "version": self.standin.schema.version,
            "provider": {},
            "resources": {type: {} for type in self.standin.schema.resources},
        }
        return provider_pb2.GetSchemaResponse(schema=json.dumps(document))

    @_answers
    def CheckConfig(self, request: Any) -> provider_pb2.CheckResponse:
        failures = self._configure(request.news)
        return provider_pb2.CheckResponse(inputs=request.news, failures=_failures(failures))

    @_answers
    def DiffConfig(self, request: Any) -> provider_pb2.DiffResponse:
        changed = to_properties(request.old_inputs) != to_properties(request.news)
        changes = provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(changes=changes)

    @_answers
    def Configure(self, request: Any) -> provider_pb2.ConfigureResponse:
        failures = self._configure(request.args)
        if failures:
            raise ServiceError(401, "not_configured", "; ".join(map(_sentence, failures)))
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    def _configure(self, args: struct_pb2.Struct) -> list[Failure]:
        known = dict(self.standin.schema.resources[f"pulumi:providers:{self.standin.service}"].inputs)
        return self.standin.configure(_provider_config(to_properties(args), known))

    @_answers
    def Check(self, request: Any) -> provider_pb2.CheckResponse:
        type = _type(request.urn)
        inputs, failures = self.standin.check(type, to_properties(request.news))
        return provider_pb2.CheckResponse(
            inputs=to_struct(inputs, self.standin.secret(type)), failures=_failures(failures)
        )

    @_answers
    def Diff(self, request: Any) -> provider_pb2.DiffResponse:
        old, new = to_properties(request.old_inputs), to_properties(request.news)
        outputs = self._state(request, request.olds, "Diff")
        difference = self.standin.diff(_type(request.urn), old, new, outputs)
        response = provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME
            if difference.changes
            else provider_pb2.DiffResponse.DIFF_NONE,
            replaces=sorted(difference.replaces),
            diffs=sorted({_top(path) for path, _ in difference.changes} | difference.noise),
            hasDetailedDiff=self.standin.detailed,
        )
        for path, change in difference.changes if self.standin.detailed else ():
            replaced = not difference.replaces.isdisjoint((path, _top(path)))
            name = change.upper() + ("_REPLACE" if replaced else "")
            response.detailedDiff[path].kind = provider_pb2.PropertyDiff.Kind.Value(name)
            response.detailedDiff[path].inputDiff = True
        return response

    @_answers
    def Create(self, request: Any) -> provider_pb2.CreateResponse:
        type, inputs = _type(request.urn), to_properties(request.properties)
        if request.preview:
            known = self.standin.preview_create(type, inputs)
            return provider_pb2.CreateResponse(properties=to_struct(known, self.standin.secret(type)))
        id, outputs = self.standin.create(type, inputs)
        return provider_pb2.CreateResponse(id=id, properties=self._outputs(type, outputs))

    @_answers
    def Read(self, request: Any) -> provider_pb2.ReadResponse:
        type = _type(request.urn)
        state, inputs = self._state(request, request.properties, "Read"), to_properties(request.inputs)
        found = self.standin.read(type, request.id, state, inputs)
        if found is None:
            return provider_pb2.ReadResponse()
        id, inputs, outputs = found
        stated = to_struct(inputs, self.standin.secret(type))
        return provider_pb2.ReadResponse(id=id, inputs=stated, properties=self._outputs(type, outputs))

    @_answers
    def Update(self, request: Any) -> provider_pb2.UpdateResponse:
        type = _type(request.urn)
        state, inputs = self._state(request, request.olds, "Update"), to_properties(request.news)
        if request.preview:
            known = self.standin.preview_update(type, state, inputs)
            return provider_pb2.UpdateResponse(properties=to_struct(known, self.standin.secret(type)))
        outputs = self.standin.update(type, request.id, state, inputs)
        return provider_pb2.UpdateResponse(properties=self._outputs(type, outputs))

    @_answers
    def Delete(self, request: Any) -> empty_pb2.Empty:
        state = self._state(request, request.properties, "Delete")
        self.standin.delete(_type(request.urn), request.id, state)
        return empty_pb2.Empty()

    @_answers
    def Invoke(self, request: Any) -> NoReturn:
        raise ServiceError(
            501, "not_rehearsed", f"{request.tok}: state the value; a look-up costs calls on every preview"
        )

    @_answers
    def Cancel(self, request: Any) -> empty_pb2.Empty:
        del request
        self.standin.cancel()
        return empty_pb2.Empty()


def _type(urn: str) -> str:
    # urn:pulumi:STACK::PROJECT::PARENT$TYPE::NAME
    return urn.split("::")[2].rpartition("$")[2]


def _top(path: str) -> str:
    return path.partition(".")[0].partition("[")[0]


def _sentence(failure: Failure) -> str:
    return f"{failure.reason}. Examine values at '{failure.property}'."


def _failures(failures: list[Failure]) -> list[provider_pb2.CheckFailure]:
    # Without `property`: the engine would print that property's value, be it a secret or not.
    return [provider_pb2.CheckFailure(reason=_sentence(failure)) for failure in failures]


def serve(service: str, path: Path) -> None:
    """Print the port, answer until interrupted or left alone by the engine, end quietly."""
    account = Account(path, service)
    server = grpc.server(
        ThreadPoolExecutor(16),
        options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)],
    )
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Servicer(StandIn(service, account)), server)
    port = server.add_insecure_port("127.0.0.1:0")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: server.stop(None))
    server.start()
    engine = os.getppid()
    print(port, flush=True)
    while server.wait_for_termination(timeout=1) and os.getppid() == engine:
        pass
    os._exit(0)  # a planned hang must not keep the process
