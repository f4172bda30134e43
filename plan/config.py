"""Reads a stack's settings: the only module that asks `pulumi.Config`.

Owns parsing: names, types and the sibling stack files that cross-stack checks compare with. It never
stops at the first fault; every one becomes a `Problem` for `plan.preflight`, and the field keeps its
default, so that the checks that need other fields still run.
"""

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final

import pulumi
import yaml
from pydantic import SecretStr, ValidationError

from plan import paths, stack_yaml
from plan.fingerprints import HMAC_KEY
from plan.problems import Problem, config_rm, config_set
from plan.settings import FIELDS, PROJECT, Settings, Sibling
from plan.text import read
from plan.variables import STACK_FILE_KEYS, secret_keys

KNOWN_KEYS: Final[frozenset[str]] = frozenset(FIELDS) | STACK_FILE_KEYS


@dataclass(frozen=True)
class Loaded:
    """Settings together with every problem met while reading them.

    `wrapped`: path of each text that did not come alone, and what came with it. The settings have it bare, so
    that every other check judges, and compares, what it is meant to be.
    """

    settings: Settings
    problems: tuple[Problem, ...]
    wrapped: Mapping[str, str] = field(default_factory=dict)

    @property
    def broken(self) -> frozenset[str]:
        """Keys whose value could not be read: later checks leave them alone."""
        return frozenset(problem.key for problem in self.problems)


def load() -> Loaded:
    """Read the running program's stack config and the sibling stack files beside Pulumi.yaml."""
    config: dict[str, Any] = {**pulumi.runtime.config.get_config_env(), **pulumi.runtime.config.CONFIG.get()}
    prefix = f"{PROJECT}:"
    raw = {key.removeprefix(prefix): value for key, value in config.items() if key.startswith(prefix)}
    encrypted = {key for key in raw if pulumi.runtime.config.is_config_secret(prefix + key)}
    root = Path(pulumi.get_root_directory() or Path.cwd())
    return parse(pulumi.get_stack(), raw, encrypted, read_siblings(root, pulumi.get_stack()))


def parse(
    stack: str, raw: Mapping[str, Any], encrypted: Iterable[str], siblings: Iterable[Sibling] = ()
) -> Loaded:
    """Parse keys (without the project's prefix) as the engine hands them over: objects as JSON text."""
    problems = [_unknown_key(stack, key) for key in sorted(set(raw) - KNOWN_KEYS)]
    fields: dict[str, Any] = {}
    wrapped: dict[str, str] = {}
    for key in sorted(set(raw) & set(FIELDS)):
        try:
            fields[FIELDS[key]] = _parse_field(key, raw[key], wrapped)
        except ValidationError as error:
            problems += [_wrong_type(stack, key, d["loc"][1:], d["msg"], d["type"]) for d in error.errors()]
        except (ValueError, RecursionError):  # no JSON, or more digits or levels than Python reads
            problems.append(_wrong_type(stack, key, (), "must be a list or a map"))
    texts = {key: _bare(key, key, str(raw[key]), wrapped) for key in sorted(STACK_FILE_KEYS) if raw.get(key)}
    values = {key: SecretStr(text) for key, text in texts.items() if text}
    return Loaded(
        settings=Settings(
            stack=stack,
            values=values,
            encrypted=frozenset(encrypted),
            siblings=tuple(siblings),
            **fields,
        ),
        problems=tuple(problems),
        wrapped=wrapped,
    )


# As somebody else wrote them: a live setting of Vercel may be anything, ids and records have their own rules.
_AS_THEY_ARE: Final = frozenset({"vercelProject", "adopt", "rotation"})


def _bare(path: str, name: str, value: Any, wrapped: dict[str, str]) -> Any:
    """The value with each of its texts alone; `wrapped` gets what came with those that did not come alone."""
    if isinstance(value, str):
        text = read(name, value)
        if text.fault:
            wrapped[path] = text.fault
        return text.bare
    if isinstance(value, dict):
        return {
            key: _bare(paths.join(path, str(key)), str(key), item, wrapped) for key, item in value.items()
        }
    if isinstance(value, list):
        return [_bare(paths.join(path, index), name, item, wrapped) for index, item in enumerate(value)]
    return value


def read_siblings(root: Path, stack: str) -> tuple[Sibling, ...]:
    """Every other Pulumi.STACK.yaml in `root`, with the defaults of Pulumi.yaml filled in."""
    files = [path for path in sorted(root.glob("Pulumi.*.yaml")) if path.name != f"Pulumi.{stack}.yaml"]
    if not files:
        return ()
    declared = _declared(root / "Pulumi.yaml")
    defaults = {key: spec["default"] for key, spec in declared.items() if "default" in spec}
    return tuple(_read_sibling(path, defaults) for path in files)


def _read_sibling(path: Path, defaults: Mapping[str, Any]) -> Sibling:
    fault, config = None, {}
    try:
        content = stack_yaml.read(path)["config"]
        config = {str(key).removeprefix(f"{PROJECT}:"): value for key, value in content.items()}
    except stack_yaml.UnreadableError as error:
        fault = Problem(path.name, error.fault.text, error.fault.fix)
    plain = {key: v for key, v in config.items() if not (isinstance(v, dict) and "secure" in v)}
    hmacs: dict[str, str] | None = None
    if isinstance(rotation := plain.get("rotation"), dict):
        hmacs = {str(k): str(r["hmac"]) for k, r in rotation.items() if isinstance(r, dict) and "hmac" in r}
    stated = {key: typed(key, v) for key, v in {**defaults, **plain}.items() if key in KNOWN_KEYS}
    return Sibling(stack=path.name.split(".")[1], stated=stated, hmacs=hmacs, fault=fault)


def typed(key: str, value: Any, *, bare: bool = True) -> Any:
    """A value of a stack file as this program would parse it, whichever way it is written there.

    `pulumi config set` writes "false" for false and "7" for 7, into lines as well that nobody asked for. Not
    `bare`: what came along with a text counts.
    """
    value = as_engine_text(value)
    try:
        return _parse_field(key, value, {} if bare else None) if key in FIELDS else value
    except (ValueError, RecursionError):  # its own preflight reports it
        return value


def as_engine_text(value: Any) -> Any:
    """A top-level value as the engine hands it over and writes it back: scalars as text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(float(value))
    if isinstance(value, date):
        return value.isoformat()
    return value


def _declared(path: Path) -> dict[str, Any]:
    """What Pulumi.yaml declares; of one that cannot be read nothing, the engine itself reports it."""
    try:
        content = yaml.load(path.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506  both are safe loaders
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}
    return content.get("config") or {} if isinstance(content, dict) else {}


def _parse_field(key: str, value: Any, wrapped: dict[str, str] | None) -> Any:
    name = FIELDS[key]
    if _is_structured(Settings.model_fields[name].annotation) and isinstance(value, str):
        value = json.loads(value)
    if wrapped is not None and key not in _AS_THEY_ARE:
        value = _bare(key, key, value, wrapped)
    # One validator for all: to build one of its own for each field takes longer than everything else here.
    return getattr(Settings.model_validate({"stack": "", name: value}), name)


def _is_structured(annotation: Any) -> bool:
    return getattr(annotation, "__origin__", None) in (tuple, dict, list)


def _unknown_key(stack: str, key: str) -> Problem:
    name = key if re.fullmatch(r"[^-:][^:]*", key) else f"{PROJECT}:{key}"  # else an option, or a project's
    return Problem(
        key=key,
        text="is no key of this program (Pulumi.yaml lists them all)",
        fix=f"pulumi config rm {shlex.quote(name)} --stack {stack}",
    )


# Kinds of errors that no `config set` can mend, because it writes texts, numbers and switches alone.
_STRUCTURAL: Final = frozenset({"", "extra_forbidden", "dict_type", "list_type", "tuple_type", "model_type"})


def _wrong_type(
    stack: str, key: str, location: tuple[int | str, ...], message: str, kind: str = ""
) -> Problem:
    wrong_key = location[-1:] == ("[key]",)
    path = paths.join(key, *(location[:-1] if wrong_key else location))
    if key == "rotation" and location:
        record = str(location[0])
        known = record in secret_keys() | {HMAC_KEY}
        fix = f"python -m operations stamp {record} --stack {stack}"
        fix = fix if known else config_rm(stack, paths.join(key, record))
    elif kind in _STRUCTURAL or wrong_key:
        fix = config_rm(stack, path)
    else:
        fix = config_set(stack, path, "VALUE", "int" if kind.startswith("int_") else "string")
    return Problem(
        key=key,
        text=f"{'at ' + path + ': ' if location else ''}{message[:1].lower()}{message[1:]}",
        fix=fix,
    )
