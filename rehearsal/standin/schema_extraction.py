"""Reads names, types and required inputs out of an SDK's classes. Imports the SDK: run once per version.

Only `schema` calls it, in a process of its own. What it relies on: the decorators of `pulumi._types`,
the `XArgs` class beside every resource `X`, and `additional_secret_outputs` in the generated source.
"""

import ast
import collections.abc
import enum
import importlib
import inspect
import json
import os
import sys
import textwrap
import types
import typing
from importlib import metadata
from pathlib import Path
from typing import Any, Union

import pulumi
from pulumi import _types

from rehearsal.standin.schema import Type

_SCALARS: dict[Any, str] = {str: "str", int: "int", float: "float", bool: "bool", Any: "any"}


def extract(sdk: str) -> dict[str, Any]:
    """The document that `schema.load` reads."""
    package = importlib.import_module(sdk)
    objects: dict[str, Any] = {}
    resources = {}
    for value in vars(package).values():
        token = getattr(value, "pulumi_type", None)
        if token and inspect.isclass(value) and issubclass(value, pulumi.CustomResource):
            module = importlib.import_module(value.__module__)
            args = getattr(module, value.__name__ + "Args", None) or module.ProviderArgs
            resources[token] = {
                **_members(args, objects),
                "outputs": sorted(_types.resource_types(value)),
                "secret": _secret(value),
            }
    return {"version": metadata.version(sdk.replace("_", "-")), "resources": resources, "objects": objects}


def _members(cls: type, objects: dict[str, Any]) -> dict[str, Any]:
    names = _types.input_type_py_to_pulumi_names(cls)
    parameters = inspect.signature(cls).parameters
    hints = _types.input_type_types(cls)
    return {
        "inputs": {names[python]: _type(hints[names[python]], objects) for python in names},
        "required": [names[p.name] for p in parameters.values() if p.name in names and p.default is p.empty],
    }


def _type(hint: Any, objects: dict[str, Any]) -> Type:
    hint = _types.unwrap_type(hint)
    if hint in _SCALARS:
        return _SCALARS[hint]
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        return {"union": [_type(each, objects) for each in arguments]}
    if origin in (list, collections.abc.Sequence):
        return {"list": _type(arguments[0], objects)}
    if origin in (dict, collections.abc.Mapping):
        return {"map": _type(arguments[1], objects)}
    if inspect.isclass(hint) and issubclass(hint, enum.Enum):
        return "str"
    if _types.is_input_type(hint):
        name = str(hint.__name__)
        if name not in objects:
            objects[name] = {}  # a type may hold itself
            objects[name] |= _members(hint, objects)
        return {"object": name}
    raise TypeError(f"no rule for the SDK's type {hint}")


def _secret(cls: type) -> list[str]:
    source = textwrap.dedent(inspect.getsource(cls))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.keyword) and node.arg == "additional_secret_outputs":
            names: list[str] = ast.literal_eval(node.value)
            return names
    return []


def _write(sdk: str, file: Path) -> None:
    partial = file.with_suffix(f".{os.getpid()}")  # two plugins may start at once
    partial.write_text(json.dumps(extract(sdk), sort_keys=True))
    partial.replace(file)


if __name__ == "__main__":
    _write(sys.argv[1], Path(sys.argv[2]))
