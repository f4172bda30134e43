"""Go/No-Go checks of a stack file before anything is touched (deployment plan §2.3, §3).

One error lists every problem with the command that mends it; what only deserves attention is a warning.
Checks are pure: settings and today's date in, problems out. Types are checked by `plan.config`, and a
wrong top-level type by the engine before the program starts.
"""

import re
import shlex
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType
from typing import Any, Final

import pulumi
from pydantic import SecretStr

from plan import paths
from plan.adoption import adoptables
from plan.assignments import assignments
from plan.channels import CHANNELS as ADDRESSES
from plan.channels import PAGERDUTY, fault_of_channel, fault_of_path
from plan.config import Loaded
from plan.delivery import Kind, environments, names
from plan.fingerprints import HMAC_KEY, fingerprint, key_fingerprint
from plan.hosts import OVERRIDING, registry
from plan.images import fault_of_name, fault_of_reference
from plan.problems import Problem, config_rm, config_set
from plan.protection import repositories, rulesets
from plan.rows import PREVIEW_PREFIX, Class, Need, Row, Source, Store
from plan.settings import FIELDS, PLACEHOLDER, Settings, Sibling
from plan.socket import PASSIVE_SINCE, forgets_failures
from plan.supabase_keys import read_key
from plan.text import LINES
from plan.variables import MATRIX, row_of, secret_keys
from plan.web import PROJECT_SETTINGS, VARIABLES_LIMIT, skipped_builds

WARN_DAYS: Final = 75
DUE_DAYS: Final = 90  # plan §3: rotation at least every 90 days
KEY_LENGTH: Final = 32  # characters of the fingerprint key; shorter could be guessed from the HMACs

WIDTH: Final = 96  # columns of the error block; the engine indents it by four

_DOMAIN: Final = re.compile(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}")
_SHA: Final = re.compile(r"[0-9a-f]{40}")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_DOCKER_HOST: Final = re.compile(r"(unix:///|tcp://[^/]+:\d+|ssh://[^/]+).*")


@dataclass(frozen=True)
class Report:
    """What the checks found."""

    stack: str
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]

    def error_text(self) -> str:
        """All problems as one block, wrapped; a command stays on one line, to be copied whole."""
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        lines = [f"stack `{self.stack}` has {count}; nothing was touched.", ""]
        for number, problem in enumerate(self.problems, 1):
            text, *details = problem.text.split("\n")
            lines += _wrapped(f"{number:3}. {problem.key}: {text}", first=0, rest=5)
            for detail in details:
                lines += _wrapped(detail, first=5, rest=7)
            lines.append(f"     -> {problem.fix}")
        return "\n".join(lines)


def _wrapped(text: str, *, first: int, rest: int) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=" " * first,
        subsequent_indent=" " * rest,
        break_long_words=False,
        break_on_hyphens=False,
    )


def check(loaded: Loaded, today: date, environment: Mapping[str, str] = MappingProxyType({})) -> Report:
    """Run every check. Never raises for bad input. `environment`: of the process that runs the engine."""
    settings = loaded.settings
    problems = list(loaded.problems)
    for rule in _RULES:
        if rule is _records and "rotation" in loaded.broken:
            continue  # one unreadable record, and every secret would look as if it had none
        known = loaded.broken | (loaded.wrapped.keys() if rule in (_missing, _records) else frozenset())
        problems += [p for p in rule(settings) if p.key not in known]
    problems += [_alone(settings, path, fault) for path, fault in loaded.wrapped.items()]
    problems += _future(settings, today)
    problems += _overriding(environment)
    warnings = [*_ages(settings, today), *_notes(settings)]
    return Report(stack=settings.stack, problems=tuple(dict.fromkeys(problems)), warnings=tuple(warnings))


# --- what must be there ------------------------------------------------------------------------------

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


def _set(settings: Settings, key: str, value: str = "VALUE") -> str:
    """The command that sets a key; a path such as `reviewers[0].user` is set as one."""
    if key in secret_keys() or key == "fingerprintKey":
        return f"python -m operations set {key} --stack {settings.stack}"
    return config_set(settings.stack, key, value)


def _remove(settings: Settings, key: str) -> str:
    return config_rm(settings.stack, key)


def _missing(settings: Settings) -> Iterator[Problem]:
    for key, name in _REQUIRED.items():
        if not getattr(settings, name):
            yield Problem(key, "is missing", _set(settings, key))
    if not settings.fingerprint_key.get_secret_value():
        yield Problem(
            "fingerprintKey", "is missing (secret, the same in every stack)", _set(settings, "fingerprintKey")
        )
    groups: dict[str, list[Row]] = {}
    for row in MATRIX:
        if row.one_of:
            groups.setdefault(row.one_of, []).append(row)
        if row.source is not Source.STACK_FILE or row.stack is not Need.REQUIRED:
            continue
        if row.key not in settings.values:
            stores = ", ".join(row.stores)
            yield Problem(row.key, f"is missing ({row.kind}; {stores})", _set(settings, row.key))
    for rows in groups.values():
        if not any(row.key in settings.values for row in rows):
            keys = " or ".join(row.key for row in rows)
            yield Problem(
                keys, "one of them must be set: an alert needs somewhere to go", _set(settings, rows[0].key)
            )


def _alone(settings: Settings, path: str, fault: str) -> Problem:
    """A text that did not come alone: what it is meant to be is a guess, which a person has to make."""
    fix = _set_from_file(settings, path) if path in LINES else _set(settings, path)
    return Problem(path, f"{fault}; the value alone belongs there", fix)


def _placeholders(settings: Settings) -> Iterator[Problem]:
    for key, value in _plain(settings):
        if PLACEHOLDER in str(value):
            top = key.split(".")[0].split("[")[0]
            file = (
                "the committed file"
                if top in _STATED_PER_STACK
                else "Pulumi.yaml, where one value serves all stacks"
            )
            yield Problem(key, f"still holds the placeholder of {file}", _set(settings, key))


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


# --- secrets -----------------------------------------------------------------------------------------


def _clear_secrets(settings: Settings) -> Iterator[Problem]:
    clear = [key for key in settings.values if key in secret_keys() and key not in settings.encrypted]
    if settings.fingerprint_key.get_secret_value() and "fingerprintKey" not in settings.encrypted:
        clear.append("fingerprintKey")
    for key in clear:
        yield Problem(
            key,
            "is a secret and stands in the clear; whoever read the file knows it, so set a NEW value",
            _set(settings, key),
        )


def _public_secrets(settings: Settings) -> Iterator[Problem]:
    for key, value in settings.values.items():
        if row_of(key).kind is not Class.PUBLIC:
            continue
        read = read_key(value.get_secret_value())
        if read and read.secret:
            yield Problem(
                key,
                "holds a Supabase key for servers, and everybody could read it in the browser; "
                "revoke that key and set the anon or publishable one",
                _set(settings, key),
            )


def _foreign_keys(settings: Settings) -> Iterator[Problem]:
    for key, value in settings.values.items():
        read = read_key(value.get_secret_value())
        if read and read.ref and settings.supabase_ref and read.ref != settings.supabase_ref:
            yield Problem(
                key,
                f"belongs to Supabase project {read.ref}, but supabaseRef is {settings.supabase_ref}",
                _set(settings, key),
            )
    for row in MATRIX:
        key = row.key
        if not key.endswith("_SERVICE_ROLE_KEY") or key not in settings.values:
            continue
        read = read_key(settings.values[key].get_secret_value())
        if read and not read.secret:
            yield Problem(key, "holds a key for browsers, servers need the secret one", _set(settings, key))


def _preview_least_privilege(settings: Settings) -> Iterator[Problem]:
    """Plan §3: in Preview only where needed, with the least privilege: a key of its own, revocable alone."""
    for row in MATRIX:
        own = PREVIEW_PREFIX + row.key
        if own not in settings.values:
            continue
        if not settings.preview:
            yield Problem(own, "is set, but this stack does not own Preview", _remove(settings, own))
        if row.kind is not Class.SECRET:
            continue
        value = settings.values[own].get_secret_value()
        shared = settings.values.get(row.key)
        if shared and shared.get_secret_value() == value:
            yield Problem(
                own, f"equals {row.key}; Preview needs a key of its own or none", _set(settings, own)
            )
        read = read_key(value)
        if read and read.legacy and read.secret:
            yield Problem(
                own,
                "is a legacy service_role JWT, which cannot be revoked on its own; use an sb_secret_ key",
                _set(settings, own),
            )


def _records(settings: Settings) -> Iterator[Problem]:
    """Each secret's rotation record: there, with a real date, and of the value that is set."""
    hmac_key = settings.fingerprint_key.get_secret_value()
    if hmac_key and len(hmac_key) < KEY_LENGTH:
        yield Problem(
            "fingerprintKey", f"is shorter than {KEY_LENGTH} characters", _set(settings, "fingerprintKey")
        )
    # One in the clear needs a new value, which gets its record with it; a stamp would bless the old one.
    for key in sorted(set(settings.values) & secret_keys() & settings.encrypted):
        record = settings.rotation.get(key)
        stamp = f"python -m operations stamp {key} --stack {settings.stack}"
        if record is None:
            yield Problem(key, "was set without the date of its rotation", stamp)
        elif iso_date(record.date) is None:
            yield Problem(key, f"has the rotation date {record.date!r}, not YYYY-MM-DD", stamp)
        elif hmac_key and record.hmac != fingerprint(hmac_key, settings.values[key].get_secret_value()):
            yield Problem(
                key,
                "was changed without its date (the HMAC beside it is of another value)",
                stamp,
            )
    if len(hmac_key) >= KEY_LENGTH and HMAC_KEY in settings.encrypted:
        record = settings.rotation.get(HMAC_KEY)
        if record is None or record.hmac != key_fingerprint(hmac_key):
            yield Problem(
                HMAC_KEY,
                "was set without the record by which two stacks see that they use the same one",
                f"python -m operations stamp {HMAC_KEY} --stack {settings.stack}",
            )
    for key in sorted(set(settings.rotation) - secret_keys() - {HMAC_KEY}):
        path = paths.join("rotation", key)
        yield Problem(path, "is a record of no secret of the matrix", _remove(settings, path))


def _overlaps(settings: Settings) -> Iterator[Problem]:
    """An old value that is kept valid for a while must be another one than the new."""
    for row in MATRIX:
        old, new = settings.values.get(row.key), settings.values.get(row.previous_of or "")
        if old and new and old.get_secret_value() == new.get_secret_value():
            finish = f"python -m operations rotate {row.previous_of} --finish --stack {settings.stack}"
            yield Problem(row.key, f"equals {row.previous_of}, so no old value is kept", finish)


def _future(settings: Settings, today: date) -> Iterator[Problem]:
    """A date ahead of time would never come due. A day's grace: it is tomorrow somewhere."""
    for key, record in sorted(settings.rotation.items()):
        rotated = iso_date(record.date)
        if rotated and rotated > today + timedelta(days=1) and key in settings.values:
            yield Problem(
                key,
                f"has the rotation date {record.date}, which is still to come, so it would never be due",
                f"python -m operations stamp {key} --stack {settings.stack}",
            )


def _shared_secrets(settings: Settings) -> Iterator[Problem]:
    """Plan §3: a value of its own for each environment. Seen by HMAC, without decrypting the other stack."""
    hmac_key = settings.fingerprint_key.get_secret_value()
    if not hmac_key:
        return
    for sibling in settings.siblings:
        other_key = (sibling.hmacs or {}).get(HMAC_KEY)
        if other_key and other_key != key_fingerprint(hmac_key):
            yield Problem(
                HMAC_KEY,
                f"is not the one of stack `{sibling.stack}`, so a secret that both share would not be seen; "
                "set the same value in both",
                _set(settings, HMAC_KEY),
            )
        theirs = {mac: key for key, mac in (sibling.hmacs or {}).items()}
        for key in sorted(set(settings.values) & secret_keys()):
            other = theirs.get(fingerprint(hmac_key, settings.values[key].get_secret_value()))
            if other:
                yield Problem(
                    key,
                    f"is the same secret as {other} of stack `{sibling.stack}`; each needs its own",
                    _set(settings, key),
                )


def _ages(settings: Settings, today: date) -> Iterator[str]:
    due: dict[bool, list[str]] = {True: [], False: []}
    for key, record in sorted(settings.rotation.items()):
        rotated = iso_date(record.date)
        if rotated is None or key not in settings.values:
            continue
        age = (today - rotated).days
        if age >= WARN_DAYS:
            due[age >= DUE_DAYS].append(f"{key} ({age} days)")
    if due[True]:
        yield (
            f"OVERDUE: rotated {DUE_DAYS} or more days ago: {', '.join(due[True])}. `promote` refuses until "
            f"they are rotated: python -m operations rotate KEY --stack {settings.stack}"
        )
    if due[False]:
        yield (
            f"rotation due soon ({DUE_DAYS} days at most): {', '.join(due[False])}: "
            f"python -m operations rotate KEY --stack {settings.stack}"
        )


def _notes(settings: Settings) -> Iterator[str]:
    legacy = [
        k for k, v in settings.values.items() if (read := read_key(v.get_secret_value())) and read.legacy
    ]
    if legacy:
        yield (
            f"{', '.join(sorted(legacy))}: legacy Supabase JWT, deprecated by the end of 2026; "
            "create publishable and secret keys"
        )
    owners = {s.stack: s.stated.get("vercelProject") or {} for s in settings.siblings}
    for owner, project in {**owners, settings.stack: settings.vercel_project}.items():
        yield from skipped_builds(project, owner)
    for sibling in settings.siblings:
        if HMAC_KEY not in (sibling.hmacs or {}):
            lacks = "no HMACs there" if sibling.hmacs is None else f"no record of its {HMAC_KEY} there"
            yield f"not checked: whether a secret equals one of stack `{sibling.stack}` ({lacks})"
    if settings.vercel_target == "production" and not settings.monitor_host:
        yield (
            "no monitor is declared: nobody is told when the site or the socket server is down (plan §2.3); "
            f"name its host: {_set(settings, 'monitorHost', 'ssh://USER@HOST')}"
        )
    if settings.vercel_target == "production" and not settings.vercel_alerts:
        yield (
            "nobody judges the share of 5xx and the p95 of real traffic (plan §4.2), which Vercel alone "
            f"sees; where the plan has Observability Plus: {_set(settings, 'vercelAlerts', 'true')}"
        )
    if settings.vercel_alerts and not (
        settings.vercel_slack_channel or "VERCEL_ALERTS_WEBHOOK_URL" in settings.values
    ):
        yield (
            "what Vercel judges reaches the team's owners alone: "
            f"{_set(settings, 'vercelSlackChannel')}, or {_set(settings, 'VERCEL_ALERTS_WEBHOOK_URL')}"
        )
    if settings.monitor_host and "WATCHDOG_URL" not in settings.values:
        yield (
            "nobody is told when the monitor itself falls silent; give it a dead-man's switch: "
            f"{_set(settings, 'WATCHDOG_URL')}"
        )
    if settings.socket_release and settings.socket_tls == "off":
        yield (
            "socketTls is off: browsers refuse such a socket server to pages that came over https "
            f"(mixed content); outside a rehearsal: {_set(settings, 'socketTls', 'acme')}"
        )
    if settings.socket_release and forgets_failures(settings.proxy_image):
        newer = Settings.model_fields["proxy_image"].default
        yield (
            f"proxyImage is a Caddy before {'.'.join(map(str, PASSIVE_SINCE))}: it goes on asking a task "
            "that hangs, and players get 504 until Swarm has ended it (35 s): "
            f"{_set(settings, 'proxyImage', newer)}"
        )
    if settings.monitor_host and settings.monitor_tls == "off":
        yield (
            "monitorTls is off: the monitor's password crosses the network in the clear, which only a "
            "network of your own allows"
        )
    if settings.adopt:
        yield (
            f"adopt: {len(settings.adopt)} import ids are in place; after the first good `up` remove them: "
            f"python -m operations adopt --stack {settings.stack}"
        )


def iso_date(text: str) -> date | None:
    """The date, or None where the text is no ISO date."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


# --- what Vercel takes -------------------------------------------------------------------------------


def _variable_sizes(settings: Settings) -> Iterator[Problem]:
    """Names and values together, per deployment. What was made by hand comes on top (`operations adopt`)."""
    sizes: dict[str, dict[str, int]] = {}
    for assignment in assignments(settings, Store.VERCEL):
        key, value = assignment.row.key, assignment.value or ""
        sizes.setdefault(assignment.environment, {})[key] = len(key.encode()) + len(value.encode())
    for environment, of in sizes.items():
        if (total := sum(of.values())) > VARIABLES_LIMIT:
            largest = max(of, key=lambda key: of[key])
            yield Problem(
                largest,
                f"is the largest variable of {environment}, which come to {total:,} bytes together; "
                f"Vercel takes {VARIABLES_LIMIT:,} bytes of names and values",
                _set(settings, largest),
            )


# --- isolation between stacks ------------------------------------------------------------------------


def _isolation(settings: Settings) -> Iterator[Problem]:
    for sibling in settings.siblings:
        if sibling.fault:
            yield sibling.fault
        yield from _owned_twice(settings, sibling)
        ref = sibling.stated.get("supabaseRef")
        if (
            settings.supabase_ref
            and PLACEHOLDER not in settings.supabase_ref
            and ref == settings.supabase_ref
        ):
            where = "Preview and " if settings.preview else ""
            yield Problem(
                "supabaseRef",
                f"is the data of stack `{sibling.stack}` too: {where}{settings.environment} would share it",
                _set(settings, "supabaseRef"),
            )
        yield from _port_clash(settings, sibling)


def _owned_twice(settings: Settings, sibling: Sibling) -> Iterator[Problem]:
    """No resource of the real world belongs to two stacks."""
    for key, name in (
        ("environment", "environment"),
        ("branch", "branch"),
        ("webDomain", "web_domain"),
        ("socketDomain", "socket_domain"),
        ("monitorDomain", "monitor_domain"),
    ):
        value = getattr(settings, name)
        if value and PLACEHOLDER not in value and sibling.stated.get(key) == value:
            yield Problem(key, f"is {value!r} in stack `{sibling.stack}` too", _set(settings, key))
    for key, mine in (
        ("preview", settings.preview),
        ("vercelProject", bool(settings.vercel_project)),
        ("vercelAlerts", settings.vercel_alerts),
    ):
        if mine and sibling.stated.get(key):
            yield Problem(
                key,
                f"is owned by stack `{sibling.stack}` too; one of them must drop it",
                _remove(settings, key),
            )


# Host -> the keys of its ports: two stacks, or socket server and monitor, may share a host, but no port.
_PORTS: Final = {
    "socketHost": ("socketHttpPort", "socketHttpsPort"),
    "monitorHost": ("monitorHttpPort", "monitorHttpsPort"),
}


def _port_clash(settings: Settings, sibling: Sibling) -> Iterator[Problem]:
    taken = {
        (sibling.stated.get(host), str(sibling.stated.get(key))): key
        for host, keys in _PORTS.items()
        for key in keys
    }
    for host, keys in _PORTS.items():
        address = getattr(settings, FIELDS[host])
        if not address or PLACEHOLDER in address:
            continue
        for key in keys:
            port = getattr(settings, FIELDS[key])
            if theirs := taken.get((address, str(port))):
                yield Problem(
                    key,
                    f"host port {port} of {address} is taken by stack `{sibling.stack}` ({theirs})",
                    _set(settings, key, "PORT"),
                )


# --- shapes ------------------------------------------------------------------------------------------


def _shapes(settings: Settings) -> Iterator[Problem]:
    for key, value in _domains(settings):
        if value and PLACEHOLDER not in value and not _DOMAIN.fullmatch(value):
            text = f"{value!r} is no domain (lower case, no scheme, no port, no path)"
            yield Problem(key, text, _set(settings, key, "DOMAIN"))
    for index, domain in enumerate(settings.redirect_domains):
        if domain in (settings.web_domain, *settings.redirect_domains[:index]):
            text = f"names {domain} twice, or webDomain once more"
            yield Problem("redirectDomains", text, _set(settings, f"redirectDomains[{index}]", "DOMAIN"))
    for key, host in (("socketHost", settings.socket_host), ("monitorHost", settings.monitor_host)):
        if host and PLACEHOLDER not in host and not _DOCKER_HOST.fullmatch(host):
            yield Problem(
                key,
                f"{host!r} is no Docker host (unix://, tcp://, ssh://)",
                _set(settings, key, "ssh://USER@HOST"),
            )
    if settings.socket_http_port == settings.socket_https_port:
        yield Problem("socketHttpsPort", "equals socketHttpPort", _set(settings, "socketHttpsPort", "PORT"))


def _project_settings(settings: Settings) -> Iterator[Problem]:
    for key, value in sorted(settings.vercel_project.items()):
        wanted = PROJECT_SETTINGS.get(key)
        path = paths.join("vercelProject", key)
        if wanted is None:
            yield Problem(path, "is no project setting that a stack file may state", _remove(settings, path))
        elif wanted is dict and not isinstance(value, dict):  # which no `config set` writes at once
            yield Problem(path, "must be a map", _remove(settings, path))
        elif not isinstance(value, wanted):
            if wanted is bool:
                fix = config_set(settings.stack, path, "VALUE", "bool")
            else:
                fix = _set(settings, path)
            yield Problem(path, f"must be {'true or false' if wanted is bool else 'a text'}", fix)
        elif key == "nodeVersion" and not re.fullmatch(r"\d+\.x", str(value)):
            yield Problem(path, "must be a version such as 22.x", _set(settings, path, "22.x"))


def _delivery(settings: Settings) -> Iterator[Problem]:
    """What workflows read is known by name, and nothing secret stands there in the clear."""
    known = environments(settings)
    for environment, variables in sorted(settings.delivery.items()):
        if environment not in known:
            path = paths.join("delivery", environment)
            text = f"is no environment of this stack's workflows ({', '.join(known)})"
            yield Problem(path, text, _remove(settings, path))
            continue
        role = known[environment]
        for name, value in sorted(variables.items()):
            path = paths.join("delivery", environment, name)
            if name in names(role, Kind.SECRET):
                text = "is a secret: set it by hand in the environment (docs/delivery.md), and make a new one"
                yield Problem(path, text, _remove(settings, path))
            elif name not in names(role, Kind.VARIABLE):
                read = ", ".join(sorted(names(role, Kind.VARIABLE)))
                text = f"is no variable that workflows read there ({read})"
                yield Problem(path, text, _remove(settings, path))
            elif not value:
                yield Problem(path, "is empty", _set(settings, path))
    if settings.release_app_id or "APP_CLIENT_ID" not in settings.delivery.get(settings.environment, {}):
        return
    for rule in rulesets(settings):
        if rule.repository == settings.infra_repository:
            text = f"is not set: the ruleset of `{rule.pattern}` would refuse what workflows record there"
            yield Problem("releaseAppId", text, _set(settings, "releaseAppId", "NUMBER"))


def _identities(settings: Settings) -> Iterator[Problem]:
    """Ids in the one safe form: under another identifier an adopted project was once deleted (FACTS)."""
    for key, value, prefix in (
        ("vercelTeam", settings.vercel_team, "team_"),
        ("vercelProjectId", settings.vercel_project_id, "prj_"),
    ):
        if value and PLACEHOLDER not in value and not re.fullmatch(prefix + r"[A-Za-z0-9]+", value):
            text = f"{value!r} is not the canonical id, which starts with {prefix}"
            yield Problem(key, text, _set(settings, key, prefix + "…"))
    # Named like Vercel's own, it would be that one; GitHub ignores case, so only lower case is allowed.
    production = settings.vercel_target == "production"
    reserved = {"preview", "development"} | (set() if production else {"production"})
    name = settings.environment
    if name and (name in reserved or not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", name)):
        text = f"{name!r} is reserved or not in lower case letters, digits and hyphens"
        yield Problem("environment", text, _set(settings, "environment", "NAME"))
    owned = settings.vercel_project or any(s.stated.get("vercelProject") for s in settings.siblings)
    if production and not owned:
        yield Problem(
            "vercelProject",
            "is empty: the stack of Vercel's production must own the project's settings",
            f"python -m operations adopt --stack {settings.stack}",
        )


def _domains(settings: Settings) -> Iterator[tuple[str, str]]:
    yield "webDomain", settings.web_domain
    yield "socketDomain", settings.socket_domain
    yield "monitorDomain", settings.monitor_domain
    for index, domain in enumerate(settings.redirect_domains):
        yield f"redirectDomains[{index}]", domain


def _releases(settings: Settings) -> Iterator[Problem]:
    for key, sha in (("release", settings.release), ("previousRelease", settings.previous_release)):
        if sha and not _SHA.fullmatch(sha):
            yield Problem(
                key, f"{sha!r} is no full git SHA (40 lower-case hex digits)", _set(settings, key, "SHA")
            )
    pinned = settings.vercel_target == "production"
    if settings.previous_release and not settings.release:
        fix = _set(settings, "release", "SHA") if pinned else _remove(settings, "previousRelease")
        yield Problem("previousRelease", "is set without release", fix)
    if settings.release and settings.release == settings.previous_release:
        yield Problem(
            "previousRelease",
            "equals release, so there is no N-1 to go back to",
            _set(settings, "previousRelease", "SHA"),
        )
    if not settings.auto_assign_custom_domains and not settings.release:
        yield Problem(
            "autoAssignCustomDomains",
            "is off and no release is set: pushes to the production branch would stop being published",
            _set(settings, "release", "SHA") if pinned else _remove(settings, "autoAssignCustomDomains"),
        )
    if settings.release and not pinned:
        yield Problem(
            "release",
            "pins production only; this environment follows its branch",
            _remove(settings, "release"),
        )
    elif settings.release and settings.auto_assign_custom_domains:
        yield Problem(
            "autoAssignCustomDomains",
            "must be false with a release: a push to the production branch would take the domain past it",
            _set(settings, "autoAssignCustomDomains", "false"),
        )


def _socket_releases(settings: Settings) -> Iterator[Problem]:
    current = (settings.socket_release, settings.socket_digest)
    previous = (settings.previous_socket_release, settings.previous_socket_digest)
    for prefix, (sha, digest) in (("socket", current), ("previousSocket", previous)):
        if sha and not _SHA.fullmatch(sha):
            text = f"{sha!r} is no full git SHA (40 lower-case hex digits)"
            yield Problem(f"{prefix}Release", text, _set(settings, f"{prefix}Release", "SHA"))
        if bool(sha) != bool(_DIGEST.fullmatch(digest)):
            key = f"{prefix}Digest"
            text = f"must be sha256: and 64 hex digits with a {prefix}Release, and empty without one"
            yield Problem(key, text, _set(settings, key, "sha256:DIGEST") if sha else _remove(settings, key))
    if previous[0] and not current[0]:
        fix = _set(settings, "socketRelease", "SHA")
        yield Problem("previousSocketRelease", "is set without socketRelease", fix)
    if current[0] and current[0] == previous[0]:
        text = "equals socketRelease, so there is no N-1 to go back to"
        yield Problem("previousSocketRelease", text, _set(settings, "previousSocketRelease", "SHA"))


# --- monitoring --------------------------------------------------------------------------------------

CHANNELS: Final = ("DISCORD_WEBHOOK_URL", "SLACK_WEBHOOK_URL", "PAGERDUTY_KEY")
_SLACK_CHANNEL: Final = re.compile(r"[CG][A-Z0-9]+")


def _addresses(settings: Settings) -> Iterator[Problem]:
    """Where alerts go: one address that its service refuses, and it refuses all of its configuration."""
    for key in (*ADDRESSES, "PAGERDUTY_KEY"):
        value = settings.pagerduty_url if key == "pagerdutyUrl" else _text(settings.values.get(key))
        if (value or key == "pagerdutyUrl") and (fault := fault_of_channel(key, value)):
            yield Problem(key, fault, _set(settings, key, PAGERDUTY))
    channel = settings.vercel_slack_channel
    if channel and not _SLACK_CHANNEL.fullmatch(channel):
        text = f"{channel!r} is no id of a channel, which begins with C or G (at the end of its details)"
        yield Problem("vercelSlackChannel", text, _set(settings, "vercelSlackChannel", "ID"))


def _channels(settings: Settings) -> Iterator[Problem]:
    """Plan §2.3: no observability gap. One channel that fails must not be the only one."""
    there = [key for key in CHANNELS if key in settings.values]
    if settings.vercel_target == "production" and len(there) < 2:
        missing = [key for key in CHANNELS if key not in there]
        yield Problem(
            missing[0],
            "is missing: alerts of production need two channels (Discord, Slack, PagerDuty), or one that "
            "fails leaves an observability gap (plan §2.3)",
            _set(settings, missing[0]),
        )


def _monitor(settings: Settings) -> Iterator[Problem]:
    if not settings.monitor_host:
        return
    if not settings.monitor_domain:
        yield Problem(
            "monitorDomain", "is missing: the monitor is reached there", _set(settings, "monitorDomain")
        )
    elif settings.monitor_domain in {d for key, d in _domains(settings) if key != "monitorDomain"}:
        yield Problem(
            "monitorDomain", "is another domain of this stack too", _set(settings, "monitorDomain", "DOMAIN")
        )
    if "MONITOR_PASSWORD" not in settings.values:
        yield Problem(
            "MONITOR_PASSWORD",
            "is missing: without it the monitor would be open, or closed to its own agent",
            _set(settings, "MONITOR_PASSWORD") + " --generate",
        )
    if settings.monitor_host == settings.socket_host and PLACEHOLDER not in settings.monitor_host:
        yield Problem(
            "monitorHost",
            "is the socket host: a host does not watch itself, it would go down together with its alarm",
            _set(settings, "monitorHost", "ssh://USER@HOST"),
        )
    if settings.monitor_http_port == settings.monitor_https_port:
        yield Problem(
            "monitorHttpsPort", "equals monitorHttpPort", _set(settings, "monitorHttpsPort", "PORT")
        )
    for key, path in (("webProbePath", settings.web_probe_path), ("apiProbePath", settings.api_probe_path)):
        if (path or key == "webProbePath") and (fault := fault_of_path(path)):
            yield Problem(key, f"{path!r} {fault}", _set(settings, key, "/PATH"))
    internal = settings.monitor_tls == "internal" or (
        settings.socket_release and settings.socket_tls == "internal"
    )
    if internal and not settings.monitor_ca:
        yield Problem(
            "monitorCa",
            "is missing: probes and the agent verify certificates, and would refuse those of an `internal` "
            "authority (its own is root.crt below pki/ in the proxy's volume)",
            _set_from_file(settings, "monitorCa", "root.crt"),
        )
    yield from _pem(settings, "monitorCa", settings.monitor_ca, private=False)


# --- Docker hosts ------------------------------------------------------------------------------------


def _images(settings: Settings) -> Iterator[Problem]:
    """Every image by a name that its engine takes: it is first asked for in the middle of an update."""
    for key, image, fault_of in (
        ("socketImage", settings.socket_image, fault_of_name),
        ("proxyImage", settings.proxy_image, fault_of_reference),
        ("prometheusImage", settings.prometheus_image, fault_of_reference),
        ("alertmanagerImage", settings.alertmanager_image, fault_of_reference),
        ("blackboxImage", settings.blackbox_image, fault_of_reference),
    ):
        if PLACEHOLDER not in image and (fault := fault_of(image)):
            text = f"{image!r} has {fault.text}"
            yield Problem(key, text, _set(settings, key, shlex.quote(fault.form)))


_LOOPBACK: Final = re.compile(r"tcp://(127(\.\d+){3}|localhost|\[::1\])(:\d+)?/?")


def _host_access(settings: Settings) -> Iterator[Problem]:
    """TLS material where a host is tcp://, and only there: elsewhere the plugin would do TLS as well."""
    for prefix, host, ca, certificate in (
        ("socketHost", settings.socket_host, settings.socket_host_ca, settings.socket_host_certificate),
        ("monitorHost", settings.monitor_host, settings.monitor_host_ca, settings.monitor_host_certificate),
    ):
        key = f"{prefix.removesuffix('Host').upper()}_HOST_KEY"
        secret = settings.values.get(key)
        parts = {f"{prefix}Ca": ca, f"{prefix}Certificate": certificate, key: _text(secret)}
        missing = [name for name, value in parts.items() if not value]
        if PLACEHOLDER in host:
            continue
        if not host.startswith("tcp://"):
            for name in sorted(parts.keys() - set(missing)):
                yield Problem(name, f"is set, but {prefix} is no tcp:// host", _remove(settings, name))
            continue
        if len(missing) < len(parts) or not _LOOPBACK.fullmatch(host):
            for name in missing:
                text = f"is missing: a Docker port without TLS is root for everybody who reaches {host}"
                yield Problem(name, text, _set_from_file(settings, name))
        for name, value in parts.items():
            yield from _pem(settings, name, value, private=name == key)


def _pem(settings: Settings, name: str, value: str, *, private: bool) -> Iterator[Problem]:
    kind = "PRIVATE KEY" if private else "CERTIFICATE"
    fix = _set_from_file(settings, name)
    if "PRIVATE KEY-----" in value and not private:
        yield Problem(name, "holds a private key, and stands in the clear; make a new key", fix)
    elif value and not re.search(rf"-----BEGIN [A-Z ]*{kind}-----\n.+\n-----END", value, re.DOTALL):
        yield Problem(name, f"is no PEM text with a {kind.lower()}", fix)
    elif "ENCRYPTED" in value:
        yield Problem(name, "is a key with a passphrase, which nobody could type here", fix)


def _registry_login(settings: Settings) -> Iterator[Problem]:
    password = "REGISTRY_PASSWORD"  # noqa: S105  a key's name
    given = bool(settings.registry_user), password in settings.values
    if given == (True, False):
        yield Problem(password, "is missing for the registryUser", _set(settings, password))
    if given == (False, True):
        yield Problem("registryUser", f"is missing for {password}", _set(settings, "registryUser", "USER"))
    image = settings.socket_image
    if all(given) and PLACEHOLDER not in image and not fault_of_name(image) and not registry(image):
        text = f"{image!r} names no registry, so registryUser belongs to none"
        hub = f"docker.io/{image}" if "/" in image else f"docker.io/library/{image}"
        yield Problem("socketImage", text, _set(settings, "socketImage", hub))


def _overriding(environment: Mapping[str, str]) -> Iterator[Problem]:
    for name in OVERRIDING:
        if environment.get(name):
            text = "is set in the environment; the Docker plugin would take it in place of the stack file"
            yield Problem(name, text, f"unset {name}")


def _text(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""


def _set_from_file(settings: Settings, key: str, file: str = "FILE.pem") -> str:
    """Through standard input: PEM as an argument begins with dashes, and is taken for an option."""
    return f"{_set(settings, key).replace(' VALUE', '')} < {file}"


# --- GitHub ------------------------------------------------------------------------------------------


def _reviewers(settings: Settings) -> Iterator[Problem]:
    adopt = f"python -m operations adopt --stack {settings.stack}"
    if len(settings.reviewers) > 2:
        yield Problem(
            "reviewers",
            f"names {len(settings.reviewers)}; the plan asks for one or two",
            " && ".join(
                _remove(settings, f"reviewers[{index}]")  # the last first: the others keep their places
                for index in reversed(range(2, len(settings.reviewers)))
            ),
        )
    for index, reviewer in enumerate(settings.reviewers):
        if bool(reviewer.user) == bool(reviewer.team):
            yield Problem(
                f"reviewers[{index}]",
                "needs either user or team",
                _remove(settings, f"reviewers[{index}].team")
                if reviewer.team
                else _set(settings, f"reviewers[{index}].user", "LOGIN"),
            )
        elif reviewer.id is None and PLACEHOLDER not in reviewer.name:
            yield Problem(f"reviewers[{index}].id", f"is missing for {reviewer.name}", adopt)
    if settings.vercel_target == "production" and not settings.reviewers:
        able = [r.name for r in repositories(settings) if r.capability.reviewers]
        waived = set(settings.unprotected_repositories)
        if able or not waived.issuperset({r.name for r in repositories(settings)}):
            yield Problem(
                "reviewers",
                "is empty; production needs one or two (plan §2.2)",
                _set(settings, "reviewers[0].user", "LOGIN"),
            )


def _capabilities(settings: Settings) -> Iterator[Problem]:
    """Refused here rather than by GitHub in the middle of an update (422, 403) or silently dropped."""
    place = len(settings.unprotected_repositories)
    for repository in repositories(settings):
        if repository.name in settings.unprotected_repositories:
            continue
        lacking = []
        if not repository.capability.environments:
            lacking.append("environments")
        if not repository.capability.reviewers and (settings.reviewers or settings.wait_minutes):
            lacking.append("required reviewers and wait timers")
        if not repository.capability.rulesets:
            lacking.append("rulesets")
        if lacking:
            yield Problem(
                "githubPlan",
                f"a private repository on GitHub's {settings.github_plan} plan has no "
                f"{' and no '.join(lacking)}, which {repository.name} asks for; change the plan or the "
                "visibility setting where they are wrong, or give the protection up knowingly",
                _set(settings, f"unprotectedRepositories[{place}]", repository.name),
            )
            place += 1  # else the command for the second would overwrite the first


def _adoption(settings: Settings) -> Iterator[Problem]:
    """Before the first `up` the accounts must be compared: a namesake there is adopted, never duplicated."""
    if iso_date(settings.adopted_on):
        return
    kinds: dict[str, list[str]] = {}
    for item in adoptables(settings):
        kinds.setdefault(item.kind, []).append(item.label)
    yield Problem(
        "adoptedOn",
        "the live accounts were not compared yet. Each of these that exists there already would be "
        "refused as a duplicate or overwritten:\n"
        + "\n".join(f"{kind}: {', '.join(found)}" for kind, found in kinds.items()),
        f"python -m operations adopt --stack {settings.stack}",
    )


_RULES: Final[tuple[Callable[[Settings], Iterator[Problem]], ...]] = (
    _missing,
    _placeholders,
    _clear_secrets,
    _public_secrets,
    _foreign_keys,
    _preview_least_privilege,
    _records,
    _overlaps,
    _shared_secrets,
    _variable_sizes,
    _isolation,
    _shapes,
    _project_settings,
    _delivery,
    _identities,
    _releases,
    _socket_releases,
    _addresses,
    _channels,
    _monitor,
    _images,
    _host_access,
    _registry_login,
    _reviewers,
    _capabilities,
    _adoption,
)


def enforce(loaded: Loaded, today: date, environment: Mapping[str, str]) -> Settings:
    """The settings, after warnings were logged. Raises pulumi.RunError, printed without a traceback."""
    report = check(loaded, today, environment)
    for warning in report.warnings:
        pulumi.log.warn(warning)
    if report.problems:
        raise pulumi.RunError(report.error_text())
    return loaded.settings


def blocking_for_adoption(loaded: Loaded) -> list[Problem]:
    """The problems that keep `operations adopt` from reading the accounts: ids and names it looks up."""
    read = {"environment", "branch", "githubOwner", "appRepository", "infraRepository", "vercelTeam",
            "vercelProjectId", "vercelProjectName", "vercelTarget", "webDomain"}  # fmt: skip
    found = [*loaded.problems, *_missing(loaded.settings), *_placeholders(loaded.settings)]
    return [p for p in found if p.key in read or p.key.startswith("reviewers")]
