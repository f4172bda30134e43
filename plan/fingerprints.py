"""Fingerprints of secrets: by them values are compared, and named, that nobody may read."""

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from typing import Final

KEY_LENGTH: Final = 32  # characters of the fingerprint key; shorter could be guessed from the HMACs


def fingerprint(key: str, value: str) -> str:
    """Keyed HMAC-SHA256 of a value, 32 hex digits: equal for equal values, and tells nothing else.

    Never a bare hash: it stands in committed files and in Vercel's `meta`, where a guess of a weak value
    could be tried against it.
    """
    return hmac.new(key.encode(), value.encode(), hashlib.sha256).hexdigest()[:32]


# Key of the stack file that holds the HMACs' own key, and of its record among those of the secrets.
HMAC_KEY: Final = "fingerprintKey"


def key_fingerprint(key: str) -> str:
    """HMAC of a constant: equal in two stacks exactly if both use the same key."""
    return fingerprint(key, HMAC_KEY)


def fingerprint_all(key: str, values: Mapping[str, str] | Iterable[tuple[str, str]]) -> str:
    """One fingerprint of many named values, whatever their order: changes when any of them does."""
    pairs = sorted(values.items() if isinstance(values, Mapping) else values)
    return fingerprint(key, json.dumps(pairs))
