"""What a verb prints as JSON, held against its schema in docs/json."""

import json
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it brings no types

from tests.builders import ROOT


def parsed(verb: str, text: str) -> dict[str, Any]:
    """What `verb --json` printed, which is one document; jsonschema.ValidationError where it differs."""
    document: dict[str, Any] = json.loads(text)
    jsonschema.validate(document, json.loads((ROOT / f"docs/json/{verb}.schema.json").read_text()))
    return document
