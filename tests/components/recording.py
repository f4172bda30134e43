"""A stand-in for the engine that writes down every registration, so that tests can read what was declared.

`record` waits until everything is registered and raises what the program raised. It answers as the
providers would where the program reads an output.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import pulumi
from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped,unused-ignore]
from pulumi.runtime.settings import set_root_resource
from pulumi.runtime.stack import run_in_stack

# A value wrapped in a struct with this key is a secret (Pulumi's wire format).
_SIGNATURE = "4dabf18193072939515e22adb298388d"
CONNECTION = "https://edge-config.vercel.com/ecfg_recorded?token=recorded"


@dataclass(frozen=True)
class Declared:
    """One registered resource. `secrets` names the top-level inputs that are secret."""

    type: str
    name: str
    urn: str
    parent: str
    inputs: dict[str, Any]
    secrets: frozenset[str]
    options: dict[str, Any]

    @property
    def kind(self) -> str:
        return self.type.rsplit(":", 1)[-1]

    @property
    def protected(self) -> bool:
        return bool(self.options.get("protect"))

    @property
    def retained(self) -> bool:
        return bool(self.options.get("retainOnDelete"))

    @property
    def deleted_first(self) -> bool:
        return bool(self.options.get("deleteBeforeReplace"))

    @property
    def import_id(self) -> str | None:
        return self.options.get("importId")

    @property
    def provider(self) -> str | None:
        """Name of the provider that was given, not the default one."""
        reference = self.options.get("provider")
        return reference.split("::")[-2] if reference else None

    @property
    def depends_on(self) -> set[str]:
        return {urn.split("::")[-1] for urn in self.options.get("dependencies", [])}


@dataclass
class Recorded:
    """Everything a program declared, in the order of registration, and each component's outputs."""

    stack: str
    resources: list[Declared] = field(default_factory=list)
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Declared]:
        return iter(self.resources)

    def of(self, kind: str) -> list[Declared]:
        return [r for r in self.resources if r.kind == kind]

    def one(self, kind: str) -> Declared:
        [found] = self.of(kind)
        return found

    def named(self, name: str) -> Declared:
        [found] = [r for r in self.resources if r.name == name]
        return found

    def children(self) -> list[Declared]:
        """Resources that a provider manages: no component, no provider, no stack."""
        return [r for r in self.resources if r.type.startswith(("vercel:", "github:", "docker:"))]


class _Answers(pulumi.runtime.Mocks):
    def call(self, args: pulumi.runtime.MockCallArgs) -> dict[str, Any]:  # type: ignore[override]
        raise AssertionError(f"the program called {args.token}: a preview would pay for it, and could fail")

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        made = {"connectionString": CONNECTION} if args.typ.endswith(":EdgeConfigToken") else {}
        return f"{args.name}-id", {**args.inputs, **made}


class _Hooks:
    """Where the SDK registers hooks. A recording calls none."""

    def register_resource_hook(self, hook: pulumi.ResourceHook) -> None:
        """Nothing."""

    def register_error_hook(self, hook: pulumi.ErrorHook) -> None:
        """Nothing."""


class _Monitor(pulumi.runtime.mocks.MockMonitor):
    def __init__(self, recorded: Recorded) -> None:
        super().__init__(_Answers())
        self.recorded = recorded

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802  fixed by the protocol
        answer = super().RegisterResource(request)  # type: ignore[no-untyped-call]
        options = MessageToDict(request)
        wire = options.pop("object", {})
        self.recorded.resources.append(
            Declared(
                type=request.type,
                name=request.name,
                urn=answer.urn,
                parent=request.parent.split("::")[-1],
                inputs=_plain(wire),
                secrets=frozenset(key for key, value in wire.items() if _holds_secret(value)),
                options=options,
            )
        )
        return answer

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802  fixed by the protocol
        self.recorded.outputs[request.urn.split("::")[-1]] = MessageToDict(request.outputs)
        return super().RegisterResourceOutputs(request)  # type: ignore[no-untyped-call]


def record(program: Callable[[], object], stack: str = "staging", into: Recorded | None = None) -> Recorded:
    """Run `program` as an update of `stack`, the way the language host does, and return what it declared.

    `into` holds what was declared before a failure.
    """
    recorded = into or Recorded(stack)
    monitor = _Monitor(recorded)

    def start() -> None:
        program()  # what it returns is no coroutine to wait for

    async def run() -> None:
        # Without a root `set_mocks` would make one, and with one `run_in_stack` would refuse to.
        set_root_resource(cast(Any, program))
        pulumi.runtime.set_mocks(monitor.mocks, "paintshare", stack, preview=False, monitor=monitor)
        set_root_resource(cast(Any, None))
        pulumi.runtime.settings.SETTINGS.callbacks = cast(Any, _Hooks())
        await run_in_stack(start)

    asyncio.run(run())
    return recorded


def _holds_secret(value: Any) -> bool:
    """Whether a value is secret, or holds one at any depth."""
    if isinstance(value, dict):
        return _is_secret(value) or any(map(_holds_secret, value.values()))
    return isinstance(value, list) and any(map(_holds_secret, value))


def _is_secret(value: Any) -> bool:
    return isinstance(value, dict) and _SIGNATURE in value


def _plain(value: Any) -> Any:
    if _is_secret(value):
        return _plain(value["value"])
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
