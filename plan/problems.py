"""Problems of a stack file: what is wrong, and the command that mends it.

Pure. A part of a key, such as `reviewers[0].user`, is set and removed by its path.
"""

import shlex
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Problem:
    """One fault of a stack file: the key it is about, the rule it breaks, the command that mends it."""

    key: str
    text: str
    fix: str


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
