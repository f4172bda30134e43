"""A stack file as the engine reads it: `on` is a text, and a key that stands twice is refused.

PyYAML would take `on` for true, and the last of two equal keys without a word.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml as pyyaml
from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

_EDIT: Final = "${EDITOR:-vi}"


@dataclass(frozen=True)
class Fault:
    """Why a stack file cannot be read, by lines and keys, never by values; the command that leads there."""

    text: str
    fix: str


class UnreadableError(Exception):
    """A stack file that cannot be read; `fault` says why."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.text)
        self.fault = fault


def read(path: Path) -> dict[str, Any]:
    """The file's map, empty for an empty file. Raises UnreadableError."""
    try:
        found: dict[str, Any] = parse(path.read_text(), path.name, YAML(typ="safe"))
    except UnicodeDecodeError:
        raise UnreadableError(Fault("is no UTF-8 text", f"git checkout -- {path.name}")) from None
    except OSError as error:
        raise UnreadableError(Fault(f"cannot be read: {error.strerror}", f"ls -l {path.name}")) from None
    return found


def parse(text: str, name: str, yaml: YAML) -> Any:
    """The map that the text of the stack file `name` holds, `config` always in it. Raises as `read`."""
    try:
        content = yaml.load(text)
    except MarkedYAMLError as error:
        raise UnreadableError(_fault(error, name, text)) from None
    # no character of YAML, a date of no calendar, too deep, a YAML that nobody knows
    except (YAMLError, ValueError, RecursionError, AssertionError):
        raise UnreadableError(Fault("is no YAML that can be read", f"{_EDIT} {name}")) from None
    if content is None:
        content = yaml.map()
    if not isinstance(content, dict) or not isinstance(content.get("config") or {}, dict):
        raise UnreadableError(Fault("holds no map of `config:`", f"{_EDIT} {name}"))
    if content.get("config") is None:
        content["config"] = yaml.map()
    return content


def _fault(error: MarkedYAMLError, name: str, text: str) -> Fault:
    mark = error.problem_mark or error.context_mark
    if isinstance(error, DuplicateKeyError):
        found = list(_twice(pyyaml.compose(text)))
        if not found:  # a key by its alias, which stands where its anchor does
            line = mark.line + 1 if mark else 1
            return Fault(
                f"line {line}: a key stands there twice; one of two must go", f"{_EDIT} +{line} {name}"
            )
        told = "; ".join(f"line {again}: {key} stands in line {first} already" for key, first, again in found)
        return Fault(f"{told}; one of two must go", f"{_EDIT} +{found[0][2]} {name}")
    line = mark.line + 1 if mark else 1
    return Fault(f"line {line}: is no YAML", f"{_EDIT} +{line} {name}")


def _twice(node: pyyaml.Node | None) -> Iterator[tuple[str, int, int]]:
    """Keys that stand twice in one map: the key, the line of the first and that of the second."""
    if isinstance(node, pyyaml.SequenceNode):
        for item in node.value:
            yield from _twice(item)
    if isinstance(node, pyyaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if lines.setdefault(str(key.value), line) != line:
                yield str(key.value), lines[str(key.value)], line
            yield from _twice(value)
