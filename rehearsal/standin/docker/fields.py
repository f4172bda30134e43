"""Translates between the provider's arguments and the engine's objects, both ways, from one table.

A `Field` says under which key of the engine a property lives, what the official plugin fills in, and what a
change of it does. A property that a table does not list is refused: nothing is accepted and ignored.
Which properties there are, and their types, is the SDK's business (`schema`).
"""

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from rehearsal.standin.kinds import UNKNOWN, Failure, Properties

_UNITS: Final = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_PART: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")


def nanoseconds(text: str) -> int | None:
    """A duration of Go, such as `1m30s`, or None when it is none."""
    if text == "0":
        return 0
    parts = _PART.findall(text)
    if not parts or "".join(map("".join, parts)) != text:
        return None
    return round(sum(float(number) * _UNITS[unit] for number, unit in parts))


def go_duration(count: int) -> str:
    """As Go prints it: 3m0s, 1.5s, 500ms."""
    if 0 < count < 10**9:
        unit = next(unit for unit in ("ms", "us", "ns") if count >= _UNITS[unit])
        return f"{count / _UNITS[unit]:.9f}".rstrip("0").rstrip(".") + unit.replace("us", "µs")
    minutes, rest = divmod(count, 60 * 10**9)
    seconds = f"{rest / 10**9:.9f}".rstrip("0").rstrip(".") + "s"
    hours, minutes = divmod(minutes, 60)
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + seconds


def short_duration(count: int) -> str:
    """As the official plugin reads it back: without what is zero at the end (its shortDur)."""
    text = go_duration(count)
    for suffix in ("m0s", "h0m"):
        if text.endswith(suffix):
            text = text[:-2]
    return text


class Value:
    """One value. Everything a property is made of is one of these."""

    def fill(self, value: Any) -> Any:
        """With the plugin's defaults, and in the order in which the engine's answer is put too."""
        return value

    def problems(self, value: Any, path: str) -> Iterator[Failure]:
        """What the plugin refuses. Never with the value: it may be a secret."""
        del value, path
        return iter(())

    def to_engine(self, value: Any) -> Any:
        return value

    def from_engine(self, value: Any) -> Any:
        return value

    def is_zero(self, value: Any) -> bool:
        """Whether it means the same as nothing at all, to the engine."""
        return value in (None, False, 0, "", [], {})

    def follow(self, live: Any, stated: Any) -> Any:
        """What the engine holds, as far as it is the program's business: nothing that is Swarm's alone."""
        del stated
        return live

    def leaves(self, path: str) -> Iterator[tuple[str, "Field"]]:
        """Every field below, with its path; indexes are left out."""
        del path
        return iter(())


@dataclass(frozen=True)
class Plain(Value):
    """A string, number, boolean, map or list as it is."""

    allowed: tuple[str, ...] = ()
    least: int | None = None
    most: int | None = None

    def problems(self, value: Any, path: str) -> Iterator[Failure]:
        if self.allowed and value not in self.allowed:
            yield Failure(path, f"expected to be one of {', '.join(self.allowed)}")
        if self.least is not None and value < self.least:
            yield Failure(path, f"cannot be lower than {self.least}")
        if self.most is not None and value > self.most:
            yield Failure(path, f"cannot be higher than {self.most}")


@dataclass(frozen=True)
class Duration(Value):
    """`1m30s` there, nanoseconds in the engine. `read_back` ones must be written as they are read back."""

    read_back: bool = True

    def problems(self, value: Any, path: str) -> Iterator[Failure]:
        count = nanoseconds(value)
        if count is None:
            yield Failure(path, "is not a valid duration such as 1m30s, or negative")
        elif self.read_back and short_duration(count) != value:
            reason = "the plugin reads it back so, and any other spelling is a change on every run"
            yield Failure(path, f"write {short_duration(count)}: {reason}")

    def to_engine(self, value: Any) -> Any:
        return nanoseconds(value)

    def from_engine(self, value: Any) -> Any:
        return short_duration(value)

    def is_zero(self, value: Any) -> bool:
        return value is None or nanoseconds(value) == 0


class Ratio(Value):
    """A share as a string with one decimal, which is how the plugin reads it back."""

    def problems(self, value: Any, path: str) -> Iterator[Failure]:
        try:
            number = float(value)
        except ValueError:
            yield Failure(path, "is not a float")
            return
        if not 0 <= number <= 1:
            yield Failure(path, "has to be between 0.0 and 1.0")
        elif round(number, 1) != number:
            yield Failure(path, "has more than one decimal: the plugin reads back one, a change on every run")

    def fill(self, value: Any) -> Any:
        try:
            return f"{float(value):.1f}" if round(float(value), 1) == float(value) else value
        except ValueError:
            return value

    def to_engine(self, value: Any) -> Any:
        return float(value)

    def from_engine(self, value: Any) -> Any:
        return f"{value:.1f}"

    def is_zero(self, value: Any) -> bool:
        return value is None or float(value) == 0


@dataclass(frozen=True)
class Strings(Value):
    """A set of strings: their order means nothing. `wrap` and `unwrap` are for one of them."""

    wrap: Callable[[str], Any] = str
    unwrap: Callable[[Any], str] = str

    def fill(self, value: Any) -> Any:
        return sorted(set(value)) if UNKNOWN not in value else value

    def to_engine(self, value: Any) -> Any:
        return [self.wrap(each) for each in value]

    def from_engine(self, value: Any) -> Any:
        return [self.unwrap(each) for each in value]


class Assignments(Value):
    """A map there, `NAME=value` strings in the engine, in no order, as the plugin writes them."""

    def to_engine(self, value: Any) -> Any:
        return [f"{name}={each}" for name, each in random.sample([*value.items()], len(value))]

    def from_engine(self, value: Any) -> Any:
        return {name: rest for name, _, rest in (each.partition("=") for each in value if each)}


class Options(Value):
    """`name=value` strings there, a map in the engine."""

    def fill(self, value: Any) -> Any:
        return sorted(set(value)) if UNKNOWN not in value else value

    def problems(self, value: Any, path: str) -> Iterator[Failure]:
        for index, each in enumerate(value):
            if each is not UNKNOWN and "=" not in each:
                yield Failure(f"{path}[{index}]", "expected name=value")

    def to_engine(self, value: Any) -> Any:
        return {name: rest for name, _, rest in (each.partition("=") for each in value)}

    def from_engine(self, value: Any) -> Any:
        return [f"{name}={rest}" for name, rest in value.items()]


class Labels(Value):
    """A set of {label, value} there, a map in the engine."""

    def fill(self, value: Any) -> Any:
        return _sorted(value, ("label",))

    def to_engine(self, value: Any) -> Any:
        return {each["label"]: each["value"] for each in value}

    def from_engine(self, value: Any) -> Any:
        return [{"label": name, "value": each} for name, each in value.items()]


class Hosts(Value):
    """A set of {ip, host} there, `IP HOST` strings in the engine."""

    def fill(self, value: Any) -> Any:
        return _sorted(value, ("host", "ip"))

    def to_engine(self, value: Any) -> Any:
        return [f"{each['ip']} {each['host']}" for each in value]

    def from_engine(self, value: Any) -> Any:
        return [{"ip": ip, "host": host} for ip, _, host in (each.partition(" ") for each in value)]


class Presence(Value):
    """A boolean there, an empty object or none in the engine."""

    def to_engine(self, value: Any) -> Any:
        return {} if value else None

    def from_engine(self, value: Any) -> Any:
        return value is not None


@dataclass(frozen=True)
class Field:
    """One property: its name there, its key in the engine (dotted when nested), and what it does."""

    name: str
    key: str
    value: Value = Plain()
    default: Any = None  # filled in by the plugin when the object around it is stated
    kept: bool = False  # left out, the engine's value stays ("Optional and Computed")
    replaces: bool = False  # a change of it, or of anything below, replaces the object ("ForceNew")
    written: bool = True  # False: read from another field
    zeroed: bool = False  # left out beside others, the plugin sends zero, reads it back and plans its removal


@dataclass(frozen=True)
class Object(Value):
    """An object with the fields of a table."""

    fields: tuple[Field, ...]

    def fill(self, value: Any) -> Any:
        filled = dict(value)
        for field in self.fields:
            if field.default is not None:
                filled.setdefault(field.name, field.default)
            if field.name in filled and filled[field.name] is not UNKNOWN:
                filled[field.name] = field.value.fill(filled[field.name])
        return filled

    def problems(self, value: Any, path: str) -> Iterator[Failure]:
        fields = {field.name: field for field in self.fields}
        for name, each in value.items():
            if name not in fields:
                yield Failure(path + name, "the Docker stand-in does not apply this argument: leave it out")
            elif each is not UNKNOWN:
                below = f"{path}{name}." if isinstance(fields[name].value, Object) else path + name
                yield from fields[name].value.problems(each, below)

    def to_engine(self, value: Any) -> Any:
        result: Properties = {}
        for field in self.fields:
            each = field.value.to_engine(value[field.name]) if field.name in value else None
            if each is None and field.zeroed:
                each = 0
            if each is not None:
                _put(result, field.key, each)
        return result

    def from_engine(self, value: Any) -> Any:
        found = {field.name: _get(value, field.key) for field in self.fields if field.written}
        fields = {field.name: field.value for field in self.fields}
        return {name: fields[name].from_engine(each) for name, each in found.items() if each is not None}

    def is_zero(self, value: Any) -> bool:
        return value is None or all(field.value.is_zero(value.get(field.name)) for field in self.fields)

    def follow(self, live: Any, stated: Any) -> Any:
        result: Properties = {}
        for field in self.fields:
            now, then = live.get(field.name), stated.get(field.name)
            if then is None:
                # Made by hand, unless it is what the engine or the plugin fill in.
                nothing = now is None if field.zeroed else field.value.is_zero(now)
                shown = not (field.kept or nothing or now == field.default)
            else:
                shown = now is not None
                now = field.value.follow(now, then) if shown else then
                shown = shown or field.value.is_zero(then)
            if shown:
                result[field.name] = now
        return result

    def with_zeros(self, stated: Properties, read: Properties) -> Properties:
        """What is stated, and the zeros that were sent and read back (`Field.zeroed`)."""
        result = dict(stated)
        for field in self.fields:
            then, now = stated.get(field.name), read.get(field.name)
            if field.zeroed and then is None and now is not None:
                result[field.name] = now
            elif isinstance(field.value, Object) and isinstance(then, dict) and isinstance(now, dict):
                result[field.name] = field.value.with_zeros(then, now)
        return result

    def leaves(self, path: str) -> Iterator[tuple[str, Field]]:
        for field in self.fields:
            yield path + field.name, field
            yield from field.value.leaves(f"{path}{field.name}.")


@dataclass(frozen=True)
class Objects(Value):
    """A list of objects; with `identity` a set, whose members are told apart by these fields."""

    member: Object
    identity: tuple[str, ...] = ()

    def fill(self, value: Any) -> Any:
        return _sorted([each if each is UNKNOWN else self.member.fill(each) for each in value], self.identity)

    def problems(self, value: Any, path: str) -> Iterator[Failure]:
        for index, each in enumerate(value):
            if each is not UNKNOWN:
                yield from self.member.problems(each, f"{path}[{index}].")

    def to_engine(self, value: Any) -> Any:
        return [self.member.to_engine(each) for each in value]

    def from_engine(self, value: Any) -> Any:
        return [self.member.from_engine(each) for each in value]

    def follow(self, live: Any, stated: Any) -> Any:
        return [self.member.follow(each, self._partner(each, i, stated)) for i, each in enumerate(live)]

    def _partner(self, live: Any, index: int, stated: Any) -> Any:
        if not self.identity:
            return stated[index] if index < len(stated) else {}
        same = (each for each in stated if all(each.get(name) == live.get(name) for name in self.identity))
        return next(same, {})

    def leaves(self, path: str) -> Iterator[tuple[str, Field]]:
        return self.member.leaves(path)


def plain_path(path: str) -> str:
    """Without indexes: a[0].b is a.b."""
    return re.sub(r"\[\d+\]", "", path)


def _sorted(values: list[Any], names: tuple[str, ...]) -> list[Any]:
    keys = [[each.get(name, "") if isinstance(each, dict) else UNKNOWN for name in names] for each in values]
    if not names or any(UNKNOWN in key for key in keys):
        return values
    return [each for _, each in sorted(zip(keys, values, strict=True), key=lambda pair: pair[0])]


def _put(target: Properties, key: str, value: Any) -> None:
    *path, last = key.split(".")
    for name in path:
        target = target.setdefault(name, {})
    target[last] = value


def _get(source: Any, key: str) -> Any:
    for name in key.split("."):
        source = source.get(name) if isinstance(source, dict) else None
    return source
