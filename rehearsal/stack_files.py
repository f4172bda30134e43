"""The rehearsal's stack files: the committed ones with the demo account in place of placeholders.

Owns which value stands in for which placeholder. Everything else is read from the committed files, so that
the rehearsal practises what is committed.
"""

import base64
import json
import secrets
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import yaml

from plan.fingerprints import HMAC_KEY, fingerprint, key_fingerprint
from plan.rows import Class, Need
from plan.settings import PROJECT
from plan.variables import MATRIX, secret_keys
from rehearsal import demo
from rehearsal.receiver import addresses

# What a team's live run has recorded: it names objects that the demo account does not have.
_RECORDS: Final = frozenset(
    {
        *("rotation", "adopt", "adoptedOn", "release", "previousRelease", "socketRelease", "socketDigest"),
        *("previousSocketRelease", "previousSocketDigest"),
    }
)
STACKS: Final = ("staging", "production")
# Keys of the alert channels, and what each is to the receiver.
_CHANNELS: Final = {
    "DISCORD_WEBHOOK_URL": "discord",
    "SLACK_WEBHOOK_URL": "slack",
    "PAGERDUTY_KEY": "pagerduty",
    "WATCHDOG_URL": "watchdog",
}
_ALWAYS: Final = {"DISCORD_WEBHOOK_URL", "SLACK_WEBHOOK_URL", "WATCHDOG_URL", "MONITOR_PASSWORD"}
_ALSO: Final = {"production": {"VERCEL_ALERTS_WEBHOOK_URL"}}
ROOT: Final = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class StackValues:
    """One stack file: plain values by key without the project's prefix, and secrets, values in the clear."""

    config: dict[str, Any]
    secrets: dict[str, str]


def render(stack: str, today: date, fingerprint_key: str) -> StackValues:
    """The stack file of `stack`. Both stacks get the same `fingerprint_key` (32 characters or more).

    Secret values are new at every call and differ between the stacks.
    """
    committed = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"]
    stated = {key.removeprefix(f"{PROJECT}:"): value for key, value in committed.items()}
    encrypted = {key for key, value in stated.items() if isinstance(value, dict) and "secure" in value}
    config = {key: value for key, value in stated.items() if key not in encrypted | _RECORDS}
    config |= _shared() | _own(stack)
    values = _secrets(stack, encrypted)
    config["rotation"] = {
        key: {"date": today.isoformat(), "hmac": fingerprint(fingerprint_key, value)}
        for key, value in values.items()
    }
    mark = {"date": today.isoformat(), "hmac": key_fingerprint(fingerprint_key)}
    config["rotation"][HMAC_KEY] = mark
    return StackValues(config=config, secrets={**values, HMAC_KEY: fingerprint_key})


def _shared() -> dict[str, Any]:
    return {
        "githubOwner": demo.GITHUB_OWNER,
        "appRepositoryVisibility": "public",
        "infraRepositoryVisibility": "public",
        "socketImage": demo.SOCKET_IMAGE,
        "vercelTeam": demo.VERCEL_TEAM_ID,
        "vercelTeamSlug": demo.VERCEL_TEAM_SLUG,
        "vercelProjectId": demo.VERCEL_PROJECT_ID,
    }


def _own(stack: str) -> dict[str, Any]:
    production = stack == "production"
    own: dict[str, Any] = {
        "socketDomain": f"socket{'' if production else '-staging'}.{demo.PRODUCTION_DOMAIN}",
        "socketHost": "unix:///run/rehearsal.sock",  # each home names its own
        "socketHttpPort": 8080 if production else 8081,
        "socketHttpsPort": 8443 if production else 8444,
        # Less than the plan's: the bad release of the demo dies five seconds after its first good answer.
        "socketWatchSeconds": 10,
        "socketTls": "internal" if production else "off",
        "supabaseRef": demo.SUPABASE_REF[stack],
        "NEXT_PUBLIC_SUPABASE_ANON_KEY": "sb_publishable_" + secrets.token_urlsafe(24),
        "NEXT_PUBLIC_SENTRY_DSN": f"https://{secrets.token_hex(16)}@sentry.example/{1 if production else 2}",
    }
    if production:
        own |= {
            "reviewers": [demo.REVIEWER_USER, demo.REVIEWER_TEAM],
            "autoAssignCustomDomains": False,
            "vercelAlerts": True,
            "vercelSlackChannel": demo.SLACK_CHANNEL,
            "release": demo.RELEASES[1],
            "previousRelease": demo.RELEASES[0],
        }
    return own


def _secrets(stack: str, stated: set[str]) -> dict[str, str]:
    needed = {row.key for row in MATRIX if row.kind is Class.SECRET and row.stack is Need.REQUIRED}
    keys = ((needed | stated) & secret_keys()) | _ALWAYS | _ALSO.get(stack, set())
    return {key: made_up(stack, key) for key in sorted(keys)}


def made_up(stack: str, key: str) -> str:
    """A value for a secret of the stack in the right shape, new at every call."""
    if key.endswith("_SERVICE_ROLE_KEY"):
        return "sb_secret_" + secrets.token_urlsafe(24)
    if key.endswith("_DSN"):
        return f"https://{secrets.token_hex(16)}@sentry.example/{stack}"
    if key in _CHANNELS:
        return addresses("http://{}:{}".format(*demo.CHANNELS))[_CHANNELS[key]]
    if key.endswith("_URL"):
        return f"https://hooks.example/{stack}/{secrets.token_urlsafe(24)}"
    return secrets.token_urlsafe(32)


def supabase_jwt(role: str, ref: str) -> str:
    """A legacy Supabase key of the demo account: right in shape, signed by nobody."""

    def part(value: dict[str, str]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return (
        f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part({'iss': 'supabase', 'ref': ref, 'role': role})}.c2ln"
    )
