"""Rotation of secrets: what changes in the stack file, and whether every store has the new values.

No store lets a secret be read: what is compared is when each was written, before and after. A key with an
overlap (`previous_of` of the matrix) keeps its old value valid beside the new one until `--finish`.
"""

import re
import secrets as random
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from pydantic import SecretStr

from operations.parts import PARTS, Access, Finding, State
from operations.services import hosts
from operations.services.accounts import GitHubAccount, VercelAccount
from operations.stack import secrets
from operations.stack.workspace import OperationError
from plan.fingerprints import HMAC_KEY, fingerprint
from plan.gate import gate_plan
from plan.hosts import DockerHost, monitor_host, socket_host
from plan.rotation import iso_date
from plan.rows import PREVIEW_PREFIX, Need, Store
from plan.settings import PROJECT, Settings
from plan.socket import service_name, socket_plan
from plan.uptime import uptime_plan
from plan.variables import MATRIX, overlap_of, row_of, secret_keys
from plan.web import names, skipped_builds, web_plan


@dataclass(frozen=True, kw_only=True)
class Rotation:
    """What a rotation writes: plain records by `change`, encrypted values by key."""

    change: Callable[[dict[str, Any]], None]
    secrets: Mapping[str, str]
    dropped: tuple[str, ...] = ()

    def applied(self, settings: Settings) -> Settings:
        """The settings with the new values, for comparing plans."""
        values = {k: v for k, v in settings.values.items() if k not in self.dropped}
        new = {key: SecretStr(value) for key, value in self.secrets.items()}
        return settings.model_copy(update={"values": values | new})


def made_here(key: str) -> bool:
    """Whether a secret is made by whoever rotates it, and by no issuer."""
    return key in secret_keys() and not row_of(key).issued


def generated(key: str) -> str:
    """A new random value. Raises OperationError for a secret that somebody else issues."""
    if key in secret_keys() and not made_here(key):
        raise OperationError(f"{key} is made by its issuer, not here: make a new one there and enter it")
    return random.token_urlsafe(32)


def all_keys(settings: Settings) -> tuple[list[str], list[str]]:
    """The secrets of the stack that a rotation of everything rotates, and those that it leaves out.

    Left out are keys of several lines (a TLS key): they do not fit into the lines that it reads.
    """
    own = [
        key
        for row in MATRIX
        for key in row.stack_file_keys
        if key in secret_keys() and key in settings.values and not row.previous_of
    ]
    left = [key for key in own if "\n" in settings.values[key].get_secret_value().strip()]
    return [key for key in own if key not in left], left


def parse_lines(text: str, keys: Iterable[str]) -> dict[str, str]:
    """The values of `KEY=VALUE` lines, one for each of `keys`. Raises OperationError; it repeats no value."""
    found: dict[str, str] = {}
    for number, line in enumerate(re.split(r"\r\n|\n|\r", text.removeprefix("\ufeff")), 1):
        if not line.strip() or line.startswith("#"):
            continue
        key, is_one, value = line.partition("=")
        if not is_one or key not in keys or key in found:
            raise OperationError(
                f"line {number} of standard input is no KEY=VALUE of a secret that was asked for; each once"
            )
        found[key] = value
    if missing := [key for key in keys if not found.get(key)]:
        raise OperationError(
            f"standard input has no line KEY=VALUE for {', '.join(missing)}: their issuers make new values"
        )
    return found


def begin_all(settings: Settings, values: Mapping[str, str], today: date) -> Rotation | None:
    """One edit for several new values; None where all were set lately. Raises with all problems."""
    rotations: list[Rotation] = []
    problems: list[str] = []
    for key, value in values.items():
        try:
            one = begin(settings, key, value, today)
        except OperationError as error:
            problems.append(str(error))
        else:
            rotations += [one] if one else []
    if problems:
        raise OperationError("\n".join(problems))
    if not rotations:
        return None

    def change(config: dict[str, Any]) -> None:
        for one in rotations:
            one.change(config)

    merged = {key: value for one in rotations for key, value in one.secrets.items()}
    return Rotation(change=change, secrets=merged)


def under_way(settings: Settings, key: str, today: date) -> bool:
    """Whether a value was made for `key` lately and the one before is kept valid: no other is made then."""
    kept = overlap_of(key)
    return bool(
        kept
        and kept in settings.values
        and all(
            each in settings.rotation and _lately(settings.rotation[each].date, today) for each in (key, kept)
        )
    )


def _lately(recorded: str, today: date) -> bool:
    """Since yesterday: a rotation that was interrupted before midnight is taken up after it."""
    day = iso_date(recorded)
    return day is not None and day >= today - timedelta(days=1)


def begin(settings: Settings, key: str, value: str, today: date) -> Rotation | None:
    """The edit for a new value; None where just this one was set lately (an interrupted rotation).

    Raises OperationError where it is no rotation, where the value did not come alone, or where one would be
    lost that is still kept valid.
    """
    value = secrets.alone(key, value)
    edit = secrets.record(settings, key, value, today)
    if key == HMAC_KEY:
        raise OperationError(f"{key} is in no store: python -m operations set {key} --stack {settings.stack}")
    if other := row_of(key).previous_of:
        raise OperationError(f"{key} holds an old value, it is written by the rotation of {other}")
    known = settings.rotation.get(key)
    mac = fingerprint(settings.fingerprint_key.get_secret_value(), value)
    go_on = f"Was that rotation interrupted, go on with: python -m operations up --stack {settings.stack}"
    if known and known.hmac == mac:
        if _lately(known.date, today):
            return None
        raise OperationError(
            f"{key} has this value already, since {known.date}: a rotation needs a new one. {go_on}"
        )
    old, kept = settings.values.get(key), overlap_of(key)
    if kept is None or old is None:
        return Rotation(change=edit, secrets={key: value})
    if kept in settings.values:
        raise OperationError(
            f"{kept} still keeps the value before alive, and a second rotation would end it. {go_on}. "
            "Once nobody needs that value, end it first: "
            f"python -m operations rotate {key} --finish --stack {settings.stack}"
        )
    keeping = secrets.record(settings, kept, old.get_secret_value(), today)

    def change(config: dict[str, Any]) -> None:
        edit(config)
        keeping(config)

    return Rotation(change=change, secrets={key: value, kept: old.get_secret_value()})


def finish(settings: Settings, key: str) -> Rotation | None:
    """The edit that ends an overlap; None where it is over. Raises OperationError for a key without one."""
    kept = overlap_of(key)
    if kept is None:
        raise OperationError(f"{key} has no overlap: its old value ended with the rotation")
    if kept not in settings.values and kept not in settings.rotation:
        return None

    def change(config: dict[str, Any]) -> None:
        config.pop(f"{PROJECT}:{kept}", None)
        config.get(f"{PROJECT}:rotation", {}).pop(kept, None)

    return Rotation(change=change, secrets={}, dropped=(kept,))


@dataclass(frozen=True, kw_only=True)
class Stores:
    """When each place that carries keys was written last, by name; what could not be asked has a reason."""

    vercel: Mapping[str, tuple[str, int]]  # id and milliseconds of each variable, by logical name
    github: Mapping[str, str]  # ISO time of each secret, by logical name
    services: Mapping[str, datetime | None]  # Swarm services, on whichever host
    troubles: tuple[Finding, ...]


@dataclass(frozen=True, kw_only=True)
class Carriers:
    """Where stack-file keys go: their environments of the plan, and the accounts to ask."""

    keys: tuple[str, ...]
    vercel: VercelAccount
    github: GitHubAccount

    def stores(self, settings: Settings, state: State, services: Mapping[str, DockerHost]) -> Stores:
        """Ask every place. `state`: logical name -> resource; `services`: those that carry a key."""
        troubles: list[Finding] = []
        times: dict[str, datetime | None] = {}
        for name, host in services.items():
            try:
                with hosts.connected(host) as found:
                    running = found.settle(name)
            except OperationError as error:
                troubles.append(Finding(ok=False, what="service", text=f"{name}: {error}"))
                continue
            times[name] = running.since if running else None
            if running is None or not running.settled or running.update.startswith("rollback"):
                text = running.text if running else f"{name} does not exist"
                troubles.append(Finding(ok=False, what="service", text=text))
        return Stores(
            vercel=self._vercel(settings, state),
            github=self._github(settings),
            services=times,
            troubles=tuple(troubles),
        )

    def _vercel(self, settings: Settings, state: State) -> dict[str, tuple[str, int]]:
        wanted = self._places(settings, Store.VERCEL)
        if not wanted:
            return {}
        live = {each["id"]: int(each["updatedAt"]) for each in self.vercel.variables()}
        found = {}
        for variable in web_plan(settings).variables:
            id = str((state.get(variable.name) or {}).get("id", "")).rsplit("/", 1)[-1]
            if (variable.key, variable.environment) in wanted and id in live:
                found[variable.name] = (id, live[id])
        return found

    def _github(self, settings: Settings) -> dict[str, str]:
        wanted = self._places(settings, Store.GITHUB)
        found: dict[str, str] = {}
        for environment in gate_plan(settings).environments if wanted else ():
            name = environment.rule.name
            carried = [entry for entry in environment.secrets if (entry.key, name) in wanted]
            live = self.github.secrets(environment.rule.repository, name) if carried else {}
            found |= {entry.name: live.get(entry.key, "") for entry in carried}
        return found

    def _places(self, settings: Settings, store: Store) -> set[tuple[str, str]]:
        """Key of the matrix and environment of everything that a store carries."""
        return {
            (row_of(key).key, environment)
            for key in self.keys
            if store in row_of(key).stores
            for environment in environments_of(settings, key)
        }


def environments_of(settings: Settings, key: str) -> frozenset[str]:
    """The environments whose value of the key this stack-file key is."""
    if key.startswith(PREVIEW_PREFIX):
        return frozenset({"preview"})
    shared = settings.preview and row_of(key).preview in (Need.REQUIRED, Need.SHARED)
    return frozenset({settings.environment, "preview"} if shared else {settings.environment})


def services_between(old: Settings, new: Settings) -> dict[str, DockerHost]:
    """The Swarm services that two versions of a stack file declare differently, with the host of each."""
    found: dict[str, DockerHost] = {}
    if (plan := socket_plan(new)) and plan != socket_plan(old):
        found[service_name(new.stack)] = socket_host(new)
    before, after, host = uptime_plan(old), uptime_plan(new), monitor_host(new)
    if after is None or host is None:
        return found
    known = before.services if before else ()
    found |= {service.name: host for service in after.services if service not in known}
    agent = after.agent
    if agent and agent != (before.agent if before else None):
        found[agent.service.name] = socket_host(new)
    return found


def verify(before: Stores | None, after: Stores) -> Iterator[Finding]:
    """Whether every place was written again. `before` None: a rotation that is taken up again, of which
    only the present can be judged."""
    for name, written in sorted(after.vercel.items()):
        yield _written("vercel", name, before is None or before.vercel.get(name) != written)
    for name, time in sorted(after.github.items()):
        yield _written("github", name, before is None or before.github.get(name) != time)
    for name, since in sorted(after.services.items()):
        yield _written("service", name, before is None or before.services.get(name) != since)
    yield from after.troubles


def remove(before: Stores, vercel: VercelAccount) -> None:
    """Delete the variables of an overlap: the engine would do so last, after builds that still have them."""
    for id, _ in before.vercel.values():
        vercel.delete_variable(id)


def verify_gone(before: Stores, vercel: VercelAccount) -> Iterator[Finding]:
    """Whether the variables of an overlap that was ended are gone."""
    live = {each["id"] for each in vercel.variables()}
    for name, (id, _) in sorted(before.vercel.items()):
        there = id in live
        yield Finding(ok=not there, what="vercel", text=f"{name} {'is still there' if there else 'is gone'}")


def _written(what: str, name: str, again: bool) -> Finding:
    return Finding(ok=again, what=what, text=f"{name} {'has it' if again else 'was not written again'}")


def unsettled(access: Access, keys: Collection[str], services: Collection[str]) -> list[str]:
    """Why a rotation must not begin, with the commands that settle it; empty where it may.

    What carries a key is written again, and that would bring a release back which was taken back.
    """
    return [text for part in PARTS if (text := part.unsettled(access, keys, services))]


def skipping(settings: Settings, keys: Iterable[str], vercel: VercelAccount) -> list[str]:
    """What the live project's own settings will do to a rotation's builds, whatever the stack file says."""
    if not any(Store.VERCEL in row_of(key).stores for key in keys):
        return []
    owners = [s.stack for s in settings.siblings if s.stated.get("vercelProject")]
    live = vercel.project() or {}
    affected = "enableAffectedProjectsDeployments"
    found = {"ignoreCommand": live.get("commandForIgnoringBuildStep"), affected: live.get(affected)}
    return skipped_builds(found, next(iter(owners), settings.stack))


def verify_builds(access: Access, keys: Iterable[str], after: Stores, state: State) -> Iterator[Finding]:
    """Whether what serves and N-1 are built after the variables were written at Vercel."""
    written = _newest(keys, access.settings.environment, after)
    if written is not None:
        for part in PARTS:
            yield from part.rebuilt(access, written, state)


def landed(settings: Settings, rotation: Rotation | None) -> bool:
    """Whether a stack file holds what a rotation writes (None: it did before)."""
    if rotation is None:
        return True
    held = {key: value.get_secret_value() for key, value in settings.values.items()}
    return rotation.secrets.items() <= held.items() and held.keys().isdisjoint(rotation.dropped)


def not_yet(settings: Settings, keys: Iterable[str]) -> str:
    """What to say of a rotation that did not reach every store and every build."""
    return (
        f"Not everything has the new value yet: do NOT revoke the old value of {', '.join(keys)}. Where "
        f"nothing else is said, go on with: python -m operations up --stack {settings.stack}. Then the same "
        "rotation once more, with the same value, sees whether everything has it"
    )


def _newest(keys: Iterable[str], environment: str, after: Stores) -> int | None:
    """When the last of the keys was written to an environment at Vercel; None where none goes there."""
    found = [after.vercel.get(names("variable", row_of(key).key, environment)) for key in keys]
    return max((one[1] for one in found if one), default=None)


def still_old(settings: Settings, keys: Iterable[str], after: Stores, vercel: VercelAccount) -> list[str]:
    """Branches whose newest preview was built with an old value; their next push brings the new one."""
    written = _newest(keys, "preview", after)
    if written is None:
        return []
    newest: dict[str, int] = {}
    for each in vercel.deployments("preview"):
        branch = (each.get("meta") or {}).get("githubCommitRef") or (each.get("gitSource") or {}).get("ref")
        if branch and branch != settings.branch and not each.get("customEnvironment"):
            newest[branch] = max(newest.get(branch, 0), int(each["createdAt"]))
    return sorted(branch for branch, created in newest.items() if created < written)
