"""The workflows as data: their jobs, what each reads, and the steps that a runner would run.

Shared by the tests of what the files say and the tests that run them; asserts nothing.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).resolve().parent.parent
FILES: Final = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ACTIONS: Final = sorted((ROOT / ".github" / "actions").glob("*/action.yml"))

Json = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """One job, for one value of its matrix."""

    workflow: str
    name: str
    body: Json
    matrix: Json

    @property
    def environment(self) -> str:
        """The GitHub environment it runs in; "" for none."""
        found = self.body.get("environment") or ""
        name = found["name"] if isinstance(found, dict) else found
        return str(resolve(name, {"matrix": self.matrix}))

    @property
    def steps(self) -> list[Json]:
        return list(self.body["steps"])

    def reads(self, context: str) -> set[str]:
        """Names `X` of every `context.X` in the job."""
        return set(re.findall(rf"\b{context}\.([A-Za-z_][A-Za-z0-9_]*)", yaml.safe_dump(self.body)))


def load(file: Path) -> Json:
    """A workflow, its anchors resolved. YAML 1.1 reads the key `on` as true."""
    content: dict[Any, Any] = yaml.safe_load(file.read_text())
    return {("on" if key is True else str(key)): value for key, value in content.items()}


def jobs() -> Iterator[Job]:
    for file in FILES:
        for name, body in load(file)["jobs"].items():
            matrix = (body.get("strategy") or {}).get("matrix") or {}
            for stack in matrix.get("stack", [None]):
                yield Job(file.stem, name, body, {"stack": stack} if stack else {})


_EXPRESSION: Final = re.compile(r"\$\{\{(.*?)\}\}", re.S)


def resolve(text: Any, contexts: Json) -> Any:
    """A value with its `${{ }}` replaced. Knows paths, texts, `==`, `!=`, `&&` and `||`, as GitHub does."""
    if not isinstance(text, str):
        return text
    whole = _EXPRESSION.fullmatch(text.strip())
    if whole:
        return evaluate(whole[1], contexts)
    return _EXPRESSION.sub(lambda found: str(evaluate(found[1], contexts) or ""), text)


def evaluate(expression: str, contexts: Json) -> Any:
    """An expression's value. Raises ValueError for what it does not know, rather than guess."""
    for operator in ("||", "&&"):
        left, found, right = _outside(expression, operator)
        if found:
            value = evaluate(left, contexts)
            if bool(value) == (operator == "||"):
                return value
            return evaluate(right, contexts)
    for operator in ("==", "!="):
        left, found, right = _outside(expression, operator)
        if found:
            same = _folded(evaluate(left, contexts)) == _folded(evaluate(right, contexts))
            return same == (operator == "==")
    return _term(expression.strip(), contexts)


def _term(term: str, contexts: Json) -> Any:
    if term.startswith("(") and term.endswith(")"):
        return evaluate(term[1:-1], contexts)
    if re.fullmatch(r"'[^']*'", term):
        return term[1:-1]
    if re.fullmatch(r"(failure|cancelled|always)\(\)", term):
        return term == "always()" or contexts["status"] == term.removesuffix("()")
    if not re.fullmatch(r"[a-z]+(\.[A-Za-z_][A-Za-z0-9_-]*)+", term):
        raise ValueError(f"unknown expression {term!r}")
    found: Any = contexts
    for part in term.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return "" if found is None else found


def _outside(expression: str, operator: str) -> tuple[str, bool, str]:
    """Split at the first operator that stands in no parentheses."""
    depth = 0
    for at, character in enumerate(expression):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth == 0 and expression.startswith(operator, at):
            return expression[:at], True, expression[at + len(operator) :]
    return expression, False, ""


def _folded(value: Any) -> Any:
    """GitHub compares texts without regard to case."""
    return value.casefold() if isinstance(value, str) else value
