"""Speaks the provider protocol for a stand-in, behind gRPC, until the engine goes."""

import functools
import json
import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import grpc
from google.protobuf import empty_pb2, struct_pb2  # type: ignore[import-untyped,unused-ignore]
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from rehearsal.standin import raw_state, schema
from rehearsal.standin.account import Account
from rehearsal.standin.kinds import Failure, Properties, ServiceError, UnfinishedError
from rehearsal.standin.plugin import StandIn
from rehearsal.standin.wire import to_properties, to_struct

T = TypeVar("T")


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


def _provider_config(properties: Properties, known: dict[str, schema.Type]) -> Properties:
    """The SDK sends every provider setting that is not a string as JSON."""
    return {
        name: json.loads(value) if isinstance(value, str) and known.get(name, "str") != "str" else value
        for name, value in properties.items()
    }


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
