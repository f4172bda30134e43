"""Values as they cross the wire: unknowns, secrets, and what Python makes of them."""

from typing import Any, Final

from google.protobuf import struct_pb2  # type: ignore[import-untyped,unused-ignore]

from rehearsal.standin.kinds import UNKNOWN, Properties

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
