"""Typed settings of one stack: the only module that reads `pulumi.Config`.

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
from typing import Annotated, Any, Final, Literal

import pulumi
import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError
from pydantic.alias_generators import to_camel

from plan import paths, stack_yaml
from plan.text import read
from plan.variables import HMAC_KEY, STACK_FILE_KEYS, secret_keys

PROJECT: Final = "paintshare"
PLACEHOLDER: Final = "REPLACE_ME"


@dataclass(frozen=True)
class Problem:
    """One fault of a stack file: the key it is about, the rule it breaks, the command that mends it."""

    key: str
    text: str
    fix: str


class _Strict(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        alias_generator=to_camel,
        populate_by_name=True,
    )


class Reviewer(_Strict):
    """A person or a team that may approve a deployment. `id` is GitHub's number; `adopt` fills it."""

    user: str | None = None
    team: str | None = None
    id: int | None = None

    @property
    def name(self) -> str:
        return self.user or self.team or "?"


def _day(value: Any) -> Any:
    """An ISO date as text, also where the engine took an unquoted one for a time and wrote it in its form."""
    if isinstance(value, date):
        value = value.isoformat()
    return _TIME.sub(r"\1", value) if isinstance(value, str) else value


_TIME: Final = re.compile(r"^(\d{4}-\d\d-\d\d)[ T]\d\d:\d\d:\d\d\S*( [+-]\d{4} \S+)?$")
Day = Annotated[str, BeforeValidator(_day)]


class Rotation(_Strict):
    """When a secret was last rotated (ISO date) and the HMAC of the value of that day."""

    date: Day
    hmac: str


class Settings(_Strict):
    """What the stack file says, defaults of Pulumi.yaml included. Meaning of each key: Pulumi.yaml."""

    stack: str
    environment: str = ""
    preview: bool = False
    branch: str = ""
    tags: tuple[str, ...] = ()

    github_owner: str = ""
    app_repository: str = ""
    infra_repository: str = ""
    github_plan: Literal["free", "pro", "team", "enterprise"] = "team"
    app_repository_visibility: Literal["public", "private"] = "private"
    infra_repository_visibility: Literal["public", "private"] = "private"
    unprotected_repositories: tuple[str, ...] = ()
    release_app_id: Annotated[int, Field(ge=0)] = 0

    vercel_team: str = ""
    vercel_team_slug: str = ""
    vercel_project_id: str = ""
    vercel_project_name: str = ""
    vercel_sensitive_only: bool = False
    vercel_target: Literal["", "production", "custom", "branch"] = ""
    vercel_project: dict[str, Any] = Field(default_factory=dict)
    auto_assign_custom_domains: bool = True
    web_domain: str = ""
    redirect_domains: tuple[str, ...] = ()
    release: str = ""
    previous_release: str = ""
    deployment_retention: Literal["", "1d", "1w", "1m", "2m", "3m", "6m", "1y"] = ""
    battle: Literal["on", "off"] = "on"
    smoke_paths: tuple[str, ...] = ("/", "/feed", "/draw", "/battle", "/login")  # plan §2.1, §7.2

    promote_after_minutes: Annotated[int, Field(ge=0)] = 30
    promote_unmonitored: bool = False
    migration_workflow: str = ""
    promoted_parts: tuple[Literal["web", "socket"], ...] = ()
    rolled_back: dict[Literal["web", "socket"], str] = Field(default_factory=dict)

    reviewers: tuple[Reviewer, ...] = ()
    wait_minutes: Annotated[int, Field(ge=0, le=43_200)] = 0  # GitHub's limit, FACTS "GitHub provider"
    approvals: Annotated[int, Field(ge=1, le=6)] = 1
    delivery: dict[str, dict[str, str]] = Field(default_factory=dict)

    socket_domain: str = ""
    socket_host: str = ""
    socket_host_ca: str = ""
    socket_host_certificate: str = ""
    socket_http_port: Annotated[int, Field(ge=1, le=65_535)] = 80
    socket_https_port: Annotated[int, Field(ge=1, le=65_535)] = 443

    registry_user: str = ""
    socket_image: str = ""
    socket_release: str = ""
    socket_digest: str = ""
    previous_socket_release: str = ""
    previous_socket_digest: str = ""
    socket_replicas: Annotated[int, Field(ge=1, le=100)] = 2
    socket_memory_mib: Annotated[int, Field(ge=64)] = 512
    socket_milli_cpus: Annotated[int, Field(ge=100)] = 1000
    socket_watch_seconds: Annotated[int, Field(ge=1, le=20)] = 15
    socket_tls: Literal["acme", "internal", "off"] = "acme"
    socket_file_secrets: bool = False
    proxy_image: str = "caddy:2.11.9-alpine"

    monitor_host: str = ""
    monitor_host_ca: str = ""
    monitor_host_certificate: str = ""
    monitor_domain: str = ""
    monitor_http_port: Annotated[int, Field(ge=1, le=65_535)] = 80
    monitor_https_port: Annotated[int, Field(ge=1, le=65_535)] = 443
    monitor_tls: Literal["acme", "internal", "off"] = "acme"
    monitor_ca: str = ""
    web_probe_path: str = "/"
    api_probe_path: str = "/api/health"
    pagerduty_url: str = "https://events.pagerduty.com/v2/enqueue"
    vercel_alerts: bool = False
    vercel_slack_channel: str = ""
    monitor_retention: Annotated[str, Field(pattern=r"^([3-9]d|[1-9][0-9]+d|[1-9][0-9]*[wy])$")] = "40d"
    monitor_memory_mib: Annotated[int, Field(ge=128)] = 512
    prometheus_image: str = "prom/prometheus:v2.55.1"
    alertmanager_image: str = "prom/alertmanager:v0.28.1"
    blackbox_image: str = "prom/blackbox-exporter:v0.26.0"

    supabase_ref: str = ""
    fingerprint_key: SecretStr = SecretStr("")
    rotation: dict[str, Rotation] = Field(default_factory=dict)
    adopted_on: Day = ""
    adopt: dict[str, str] = Field(default_factory=dict)

    values: dict[str, SecretStr] = Field(default_factory=dict)  # of the matrix, by stack-file key; never ""
    encrypted: frozenset[str] = frozenset()  # keys that the engine knows as secret
    siblings: tuple["Sibling", ...] = ()


class Sibling(_Strict):
    """What another stack's file says in the clear; its secrets cannot be read from here.

    `stated` holds its plain keys, defaults of Pulumi.yaml included; `hmacs` its rotation records, or None
    where they cannot be read. `fault`: why the file itself cannot be read.
    """

    stack: str
    stated: dict[str, Any]
    hmacs: dict[str, str] | None
    fault: Problem | None = None


_INTERNAL: Final = frozenset({"stack", "values", "encrypted", "siblings"})
FIELDS: Final[Mapping[str, str]] = {
    to_camel(name): name for name in Settings.model_fields if name not in _INTERNAL
}
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


def config_set(stack: str, path: str, value: str, kind: Literal["string", "bool", "int"] = "string") -> str:
    """The command that sets a key, or a part of one.

    A part has its type said, or the engine makes a number of 4711. What stood there in quotes is removed
    before: the engine keeps the quotes, and `true` within them is a text.
    """
    if not _is_nested(path):
        return f"pulumi config set {shlex.quote(path)} {value} --stack {stack}"
    first = f"{config_rm(stack, path)} && " if kind == "bool" else ""
    return f"{first}pulumi config set --path {shlex.quote(path)} {value} --type {kind} --stack {stack}"


def config_rm(stack: str, path: str) -> str:
    """The command that removes a key or a part of one."""
    return f"pulumi config rm {'--path ' if _is_nested(path) else ''}{shlex.quote(path)} --stack {stack}"


def _is_nested(path: str) -> bool:
    return "." in path or "[" in path


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
