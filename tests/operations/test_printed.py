"""Every command that a message prints is one: verb, options and key exist, and it names its stack."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import typer

from operations.__main__ import app
from plan.config import KNOWN_KEYS

ROOT: Final = Path(__file__).resolve().parents[2]
_COMMAND: Final = re.compile(r"(?:python -m operations|pulumi config|pulumi up) [a-z-][^;,\n`\"()&]*")
_BLANK: Final = "X"  # for what is put in while the program runs
_VERBS: Final = getattr(typer.main.get_command(app), "commands", {})


def printed() -> Iterator[tuple[str, str]]:
    """Each command in a text of the program, and the module that holds it; docstrings left out."""
    for path in sorted(path for part in ("plan", "operations") for path in (ROOT / part).rglob("*.py")):
        for line, text in _texts(ast.parse(path.read_text())):
            for found in _COMMAND.finditer(text):
                command = re.split(r"\.(?:\s|$)|: |\s<\s|, | #", found[0])[0].strip()
                yield command, f"{path.relative_to(ROOT)}:{line}"


def _texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    inside: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            inside |= {id(node.value)}
        elif isinstance(node, ast.JoinedStr):
            parts = (str(p.value) if isinstance(p, ast.Constant) else _BLANK for p in node.values)
            inside |= {id(part) for part in node.values}
            yield node.lineno, "".join(parts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node.lineno, node.value


COMMANDS: Final = sorted({(command, where) for command, where in printed()})


@pytest.mark.parametrize(("command", "where"), COMMANDS)
def test_a_printed_command_names_its_stack(command: str, where: str) -> None:
    assert "--stack" in command.split(), where


@pytest.mark.parametrize(("command", "where"), [each for each in COMMANDS if each[0].startswith("python")])
def test_a_printed_verb_takes_what_is_printed_behind_it(command: str, where: str) -> None:
    verb, *words = shlex.split(command)[3:]
    words = words[: words.index("--stack") + 2]
    given = [{_BLANK: "web" if before == "--part" else "staging"}.get(word, word)
             for before, word in zip(["", *words], words, strict=False)]  # fmt: skip
    assert verb in _VERBS, where
    _VERBS[verb].make_context(verb, given)  # raises for what it does not take


@pytest.mark.parametrize(("command", "where"), [each for each in COMMANDS if "pulumi config" in each[0]])
def test_a_printed_key_is_one_and_a_part_of_one_is_a_path(command: str, where: str) -> None:
    words = [word for word in shlex.split(command)[3:] if word != "--path"]
    key = re.split(r"[.\[]", words[0])[0]
    if set(key) != {_BLANK}:
        assert key in KNOWN_KEYS, where
    assert ("." in words[0] or "[" in words[0]) <= ("--path" in command), where
