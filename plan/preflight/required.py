"""What a stack file must say: each key that is missing, or still as it was committed."""

from collections.abc import Iterator
from typing import Any, Final

from plan import paths
from plan.preflight.fixes import to_set, to_set_from_file
from plan.problems import Problem
from plan.rows import Need, Row, Source
from plan.settings import FIELDS, PLACEHOLDER, Settings
from plan.text import LINES
from plan.variables import MATRIX

_REQUIRED: Final[dict[str, str]] = {
    "environment": "environment",
    "branch": "branch",
    "githubOwner": "github_owner",
    "appRepository": "app_repository",
    "infraRepository": "infra_repository",
    "vercelTeam": "vercel_team",
    "vercelTeamSlug": "vercel_team_slug",
    "vercelProjectId": "vercel_project_id",
    "vercelProjectName": "vercel_project_name",
    "vercelTarget": "vercel_target",
    "webDomain": "web_domain",
    "socketDomain": "socket_domain",
    "socketHost": "socket_host",
    "supabaseRef": "supabase_ref",
}


def missing(settings: Settings) -> Iterator[Problem]:
    """Each required key that is not set; of those that say where alerts go, one is enough."""
    for key, name in _REQUIRED.items():
        if not getattr(settings, name):
            yield Problem(key, "is missing", to_set(settings, key))
    if not settings.fingerprint_key.get_secret_value():
        yield Problem(
            "fingerprintKey",
            "is missing (secret, the same in every stack)",
            to_set(settings, "fingerprintKey"),
        )
    groups: dict[str, list[Row]] = {}
    for row in MATRIX:
        if row.one_of:
            groups.setdefault(row.one_of, []).append(row)
        if row.source is not Source.STACK_FILE or row.stack is not Need.REQUIRED:
            continue
        if row.key not in settings.values:
            stores = ", ".join(row.stores)
            yield Problem(row.key, f"is missing ({row.kind}; {stores})", to_set(settings, row.key))
    for rows in groups.values():
        if not any(row.key in settings.values for row in rows):
            keys = " or ".join(row.key for row in rows)
            yield Problem(
                keys, "one of them must be set: an alert needs somewhere to go", to_set(settings, rows[0].key)
            )


def alone(settings: Settings, path: str, fault: str) -> Problem:
    """A text that did not come alone: what it is meant to be is a guess, which a person has to make."""
    fix = to_set_from_file(settings, path) if path in LINES else to_set(settings, path)
    return Problem(path, f"{fault}; the value alone belongs there", fix)


def placeholders(settings: Settings) -> Iterator[Problem]:
    """Each value that still is the one of the committed file."""
    for key, value in _plain(settings):
        if PLACEHOLDER in str(value):
            top = key.split(".")[0].split("[")[0]
            file = (
                "the committed file"
                if top in _STATED_PER_STACK
                else "Pulumi.yaml, where one value serves all stacks"
            )
            yield Problem(key, f"still holds the placeholder of {file}", to_set(settings, key))


_STATED_PER_STACK: Final = frozenset(
    {
        "socketDomain",
        "socketHost",
        "monitorDomain",
        "monitorHost",
        "supabaseRef",
        "reviewers",
        *(k for r in MATRIX for k in r.stack_file_keys),
    }
)


def _plain(settings: Settings) -> Iterator[tuple[str, Any]]:
    """Every leaf of the stack file as (path, value), secrets left out."""
    for key, name in FIELDS.items():
        if name != "fingerprint_key":
            yield from _leaves(key, getattr(settings, name))
    for key, value in settings.values.items():
        if key not in settings.encrypted:
            yield key, value.get_secret_value()


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(paths.join(path, str(key)), item)
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from _leaves(paths.join(path, index), item)
    elif hasattr(value, "model_dump"):
        yield from _leaves(path, value.model_dump(exclude_none=True))
    else:
        yield path, value
