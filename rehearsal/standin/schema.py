"""Names, types and required inputs of every resource, taken from an installed SDK, never typed by hand.

`load` returns them from a JSON file in the user's cache, so that a plugin starts without importing the
SDK; a missing file is written by `schema_extraction` in a process of its own.
`Schema.problems` judges inputs as the real plugin does, but stricter where that one only warns or
converts: a number for a string is refused here.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from rehearsal.cache import cache
from rehearsal.standin.kinds import UNKNOWN, Failure, Properties

# By service.
SDKS: Final = {"docker": "pulumi_docker", "github": "pulumi_github", "vercel": "pulumiverse_vercel"}

# "str", "int", "float", "bool", "any", or one of {"list": T}, {"map": T}, {"object": NAME}, {"union": [T]}.
Type = str | dict[str, Any]
_FORMAT: Final = 1  # of the cached file


@dataclass(frozen=True)
class Resource:
    """One resource type, or the provider itself."""

    inputs: Mapping[str, Type]
    required: tuple[str, ...]
    outputs: tuple[str, ...]
    secret: frozenset[str]  # outputs that the SDK marks as secret


@dataclass(frozen=True)
class Schema:
    """Everything one SDK says. `objects` are the nested input types by class name."""

    version: str
    resources: Mapping[str, Resource]
    objects: Mapping[str, Mapping[str, Any]]

    def problems(self, type: str, properties: Properties) -> list[Failure]:
        """Unknown names, missing required inputs and wrong types, each with the path of the property."""
        resource = self.resources[type]
        return self._members(resource.inputs, resource.required, properties, "")

    def _members(
        self, known: Mapping[str, Type], required: tuple[str, ...], values: Properties, path: str
    ) -> list[Failure]:
        failures = [Failure(path + name, "Invalid or unknown key") for name in values if name not in known]
        failures += [
            Failure(path + name, "Missing required argument") for name in required if name not in values
        ]
        for name, value in values.items():
            if name in known:
                failures += self._value(known[name], value, path + name)
        return failures

    def _value(self, wanted: Type, value: Any, path: str) -> list[Failure]:
        if value is UNKNOWN or wanted == "any" or (isinstance(wanted, str) and _is_scalar(wanted, value)):
            return []
        # The value itself is never named: it may be a secret.
        shape, of = (wanted, "") if isinstance(wanted, str) else next(iter(wanted.items()))
        failures = [
            Failure(path, f"expected type '{shape}', got unconvertible type '{type(value).__name__}'")
        ]
        if shape == "union":
            tried = [self._value(each, value, path) for each in of]
            failures = [] if [] in tried else tried[0]
        elif shape == "list" and isinstance(value, list):
            failures = [f for i, each in enumerate(value) for f in self._value(of, each, f"{path}[{i}]")]
        elif shape == "map" and isinstance(value, dict):
            failures = [f for key, each in value.items() for f in self._value(of, each, f"{path}.{key}")]
        elif shape == "object" and isinstance(value, dict):
            nested = self.objects[of]
            failures = self._members(nested["inputs"], tuple(nested["required"]), value, path + ".")
        return failures


def _is_scalar(wanted: str, value: Any) -> bool:
    if wanted == "bool" or isinstance(value, bool):
        return wanted == "bool" and isinstance(value, bool)
    if wanted == "float":
        return isinstance(value, int | float)
    return isinstance(value, {"str": str, "int": int}[wanted])


def cache_file(sdk: str) -> Path:
    """Where the extracted schema of the installed version is kept."""
    spec = find_spec(sdk)  # does not run the SDK
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{sdk} is not installed")
    version = json.loads(Path(spec.origin).with_name("pulumi-plugin.json").read_text())["version"]
    return cache("schema") / f"{sdk}-{version}-{_FORMAT}.json"


def load(sdk: str) -> Schema:
    """The schema of an installed SDK such as "pulumi_github"."""
    file = cache_file(sdk)
    if not file.exists():
        subprocess.run(
            [sys.executable, "-m", "rehearsal.standin.schema_extraction", sdk, file],
            check=True,
            cwd=Path(__file__).parents[2],
        )
    document = json.loads(file.read_text())
    return Schema(
        version=document["version"],
        resources={
            token: Resource(
                inputs=each["inputs"],
                required=tuple(each["required"]),
                outputs=tuple(each["outputs"]),
                secret=frozenset(each["secret"]),
            )
            for token, each in document["resources"].items()
        },
        objects=document["objects"],
    )
