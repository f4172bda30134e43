"""Isolation between stacks (deployment plan §1.2): nothing in the real world belongs to two of them."""

from collections.abc import Iterator
from typing import Final

from plan.preflight.fixes import to_remove, to_set
from plan.problems import Problem
from plan.settings import FIELDS, PLACEHOLDER, Settings, Sibling


def between_stacks(settings: Settings) -> Iterator[Problem]:
    """What this stack shares with another, or both own; and a sibling's file that cannot be read."""
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
                to_set(settings, "supabaseRef"),
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
            yield Problem(key, f"is {value!r} in stack `{sibling.stack}` too", to_set(settings, key))
    for key, mine in (
        ("preview", settings.preview),
        ("vercelProject", bool(settings.vercel_project)),
        ("vercelAlerts", settings.vercel_alerts),
    ):
        if mine and sibling.stated.get(key):
            yield Problem(
                key,
                f"is owned by stack `{sibling.stack}` too; one of them must drop it",
                to_remove(settings, key),
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
                    to_set(settings, key, "PORT"),
                )
