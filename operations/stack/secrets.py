"""Set a secret together with its date and HMAC, or write date and HMAC for one that was set by hand.

Owns the records under `rotation:`. Applying the new value to the stores is `pulumi up`'s business.
"""

from collections.abc import Callable, Iterable
from datetime import date, timedelta
from typing import Any

from operations.stack.workspace import OperationError, Workspace, submap
from plan.fingerprints import HMAC_KEY, KEY_LENGTH, fingerprint, key_fingerprint
from plan.rotation import iso_date
from plan.settings import Settings
from plan.text import read
from plan.variables import secret_keys


def set_secret(workspace: Workspace, key: str, value: str, today: date) -> None:
    """Write the value, today's date and the HMAC in one step. Raises OperationError for an unknown key, and
    for a value that did not come alone.
    """
    value = alone(key, value)
    workspace.rewrite(record(workspace.load().settings, key, value, today), secrets={key: value})


def alone(key: str, value: str) -> str:
    """A value as it was entered, without the line ends around it.

    Raises OperationError where more came along, as quotes from a line of .env do; it repeats no value.
    """
    text = read(key, value)
    if text.fault:
        raise OperationError(f"{key} {text.fault}; nothing was changed: enter the value alone")
    return text.bare.strip("\n")


def record(settings: Settings, key: str, value: str, today: date) -> Callable[[dict[str, Any]], None]:
    """The edit that writes date and HMAC of a new value. Raises OperationError where it cannot be set."""
    if key not in secret_keys() | {HMAC_KEY}:
        known = ", ".join(sorted(secret_keys()))
        raise OperationError(f"{key} is no secret of the matrix. Secrets: {known}, {HMAC_KEY}")
    if not value:
        raise OperationError("the value is empty; nothing was changed")
    if key == HMAC_KEY:
        if len(value) < KEY_LENGTH:
            raise OperationError(f"{HMAC_KEY} needs {KEY_LENGTH} characters or more; nothing was changed")
        records = {k: (r.date, settings.text(k)) for k, r in settings.rotation.items()}
        hmac_key = value
    else:
        hmac_key = _hmac_key(settings)
        records = {key: (today.isoformat(), value)}
    macs = {
        k: {"date": day, "hmac": fingerprint(hmac_key, text)} for k, (day, text) in records.items() if text
    }
    if key == HMAC_KEY:
        macs[key] = {"date": today.isoformat(), "hmac": key_fingerprint(value)}
    return lambda config: _record(config, macs)


def stamp(workspace: Workspace, keys: Iterable[str], today: date) -> tuple[str, ...]:
    """Write today's date and the HMAC for `keys`, or for every secret whose record does not fit its value.

    Returns the keys that were stamped.
    """
    settings = workspace.load().settings
    hmac_key = _hmac_key(settings)
    wanted = tuple(keys) or tuple(sorted(set(settings.values) & secret_keys() | {HMAC_KEY}))
    macs: dict[str, dict[str, str]] = {}
    for key in wanted:
        if key not in secret_keys() | {HMAC_KEY}:
            raise OperationError(f"{key} is no secret of the matrix")
        value = hmac_key if key == HMAC_KEY else settings.text(key)
        if not value:
            raise OperationError(
                f"{key} is not set: python -m operations set {key} --stack {workspace.stack}"
            )
        mac = key_fingerprint(value) if key == HMAC_KEY else fingerprint(hmac_key, value)
        record = settings.rotation.get(key)
        dated = iso_date(record.date) if record else None
        if record is None or record.hmac != mac or dated is None or dated > today + timedelta(days=1):
            macs[key] = {"date": today.isoformat(), "hmac": mac}
    if macs:
        workspace.rewrite(lambda config: _record(config, macs))
    return tuple(macs)


def _hmac_key(settings: Settings) -> str:
    key = settings.fingerprint_key.get_secret_value()
    if not key:
        raise OperationError(
            f"{HMAC_KEY} is missing, the same in every stack: "
            f"python -m operations set {HMAC_KEY} --stack {settings.stack}"
        )
    return key


def _record(config: dict[str, Any], macs: dict[str, dict[str, str]]) -> None:
    submap(config, "rotation").update(macs)
