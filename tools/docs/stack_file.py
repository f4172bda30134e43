"""docs/stack-file.md: every key of Pulumi.yaml."""

import re
from typing import Any, Final

import yaml

from plan.settings import PLACEHOLDER
from plan.variables import secret_keys
from tools.docs.page import HEAD, table

_SECTION: Final = re.compile(r"  # --- (.+?) -*")
_KEY: Final = re.compile(r"  (\w+):\s*")

_STACK_FILE: Final = """\
# Keys of the stack files

`Pulumi.yaml` declares them; `Pulumi.STACK.yaml` states what differs from the default, each key with the
prefix `paintshare:`. A secret is set with `python -m operations set KEY --stack STACK`, everything else with
`pulumi config set KEY VALUE --stack STACK`. A part of a list or a map takes `--path` and its type, or the
engine makes a number of a text of digits: `pulumi config set --path 'tags[0]' 2026 --type string`. A name
with a dot is quoted: `'adopt["www.share-paint.app"]'`. A key whose default is `–` is unset; what a stack
lacks is reported before anything is touched, all keys at once. A *placeholder* is in no document and must
be replaced before a live run.
"""


def text(declaration: str) -> str:
    """Every key of Pulumi.yaml, under the headings of its comments."""
    declared = yaml.safe_load(declaration)["config"]
    sections: dict[str, list[str]] = {}
    section = ""
    for line in declaration.partition("\nconfig:\n")[2].splitlines():
        if found := _SECTION.fullmatch(line):
            section = found[1]
        elif (found := _KEY.fullmatch(line)) and found[1] in declared:
            sections.setdefault(section, []).append(found[1])
    lines = [HEAD, _STACK_FILE]
    for title, keys in sections.items():
        rows = [
            (f"`{key}`", _type(key, declared[key]), _default(declared[key]), declared[key]["description"])
            for key in keys
        ]
        lines += [f"## {title[:1].upper()}{title[1:]}", ""] if title else []
        lines += [*table(("Key", "Type", "Default", "Meaning"), rows), ""]
    return "\n".join(lines)


def _type(key: str, spec: dict[str, Any]) -> str:
    kind = str(spec["type"])
    if kind == "array":
        kind = {"string": "list of strings", "object": "list of maps"}[spec["items"]["type"]]
    elif kind == "object":
        kind = "map"
    return f"{kind}, secret" if key in secret_keys() | {"fingerprintKey"} else kind


def _default(spec: dict[str, Any]) -> str:
    value = spec.get("default", "")
    if PLACEHOLDER in str(value):
        return "*placeholder*"
    if value in ("", [], {}) and not isinstance(value, bool):
        return "–"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"
