"""`__pulumi_raw_state_delta`: how a bridged plugin gets Terraform's state back from the engine's.

The plugins of GitHub and Docker keep it beside the outputs of each object, and apply it before they do
anything with that object. Where outputs were edited by hand so that it no longer fits, they end in a
panic, and the run with them. Source: observed on 2026-11-30 (rehearsal/observed/), tfbridge/rawstate.go.
"""

from typing import Any, Final

from rehearsal.standin.kinds import Properties, ServiceError

KEY: Final = "__pulumi_raw_state_delta"


def kept(outputs: Properties) -> Properties:
    """Outputs as the engine's state shall hold them."""
    return {**outputs, KEY: _delta(outputs)}


def recovered(outputs: Properties, where: str) -> Properties:
    """Outputs of the engine's state as the plugin knows them. Raises ServiceError where they do not fit."""
    delta = outputs.get(KEY)
    plain = {name: value for name, value in outputs.items() if name != KEY}
    if delta is not None and (reason := _misfit(plain, delta)):
        raise ServiceError(
            0,
            "panic",
            f"Bridged provider panic ({where}): fatal: error An assertion has failed: Failed to recover raw "
            f'state. source error: Data integrity error: "{KEY}" does not apply cleanly to the resource '
            f'state\n\nIf you are editing the state manually, try removing the "{KEY}" key and run Pulumi '
            f"again.\n\nDetail: {reason}",
        )
    return plain


def _delta(value: Any) -> Properties | None:
    """What has to be told about a value: nothing about a scalar."""
    if isinstance(value, dict):
        below = {name: _nested(each) for name, each in value.items()}
        told = {name: each for name, each in sorted(below.items()) if each is not None}
        return {"obj": {"ps": told} if told else {}}
    if isinstance(value, list):
        elements = {str(index): each for index, each in enumerate(map(_delta, value)) if each is not None}
        return {"arr": {"el": elements} if elements else {}}
    return None


def _nested(value: Any) -> Properties | None:
    """An object inside an object is a list of one to Terraform."""
    delta = _delta(value)
    return {"plu": {"i": delta}} if isinstance(value, dict) else delta


def _misfit(value: Any, delta: Properties) -> str:
    """Why a delta does not apply to a value; empty where it does."""
    if "plu" in delta:
        return "" if value is None else _misfit(value, delta["plu"].get("i", {}))
    if "arr" in delta:
        if not isinstance(value, list):
            return "expected PropertyValue to be an Array"
        pairs = [
            (value[int(index)], each)
            for index, each in delta["arr"].get("el", {}).items()
            if int(index) < len(value)
        ]
    elif "obj" in delta:
        if not isinstance(value, dict):
            return "expected PropertyValue to be an Object"
        pairs = [(value.get(name), each) for name, each in delta["obj"].get("ps", {}).items()]
    else:
        pairs = []
    return next((reason for pair in pairs if (reason := _misfit(*pair))), "")
