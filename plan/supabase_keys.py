"""What a Supabase API key says of itself, without asking Supabase.

Legacy keys are JWTs whose payload carries `role` and `ref` (the project); new ones carry a prefix only.
Source: docs/providers.md#supabase.
"""

import base64
import json
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class SupabaseKey:
    """`ref` is None where the key does not name its project."""

    secret: bool
    legacy: bool
    ref: str | None


def read_key(value: str) -> SupabaseKey | None:
    """None when the value is no Supabase key at all. The signature is not checked."""
    value = value.strip(" \t\r\n'\"")  # pasted with its quotes or a line end, it is the key all the same
    if value.startswith("sb_secret_"):
        return SupabaseKey(secret=True, legacy=False, ref=None)
    if value.startswith("sb_publishable_"):
        return SupabaseKey(secret=False, legacy=False, ref=None)
    parts = value.split(".")
    if len(parts) != 3:
        return None
    try:
        payload = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return None
    if not isinstance(payload, dict) or "role" not in payload:
        return None
    ref = payload.get("ref")
    return SupabaseKey(
        secret=payload["role"] != "anon", legacy=True, ref=ref if isinstance(ref, str) else None
    )
