"""What deserves attention and stops nothing: warnings."""

from collections.abc import Iterator
from datetime import date
from typing import Final

from plan.fingerprints import HMAC_KEY
from plan.preflight.fixes import to_set
from plan.rotation import DUE_DAYS, WARN_DAYS, iso_date
from plan.settings import Settings
from plan.socket import PASSIVE_SINCE, forgets_failures
from plan.supabase_keys import read_key
from plan.web import skipped_builds


def ages(settings: Settings, today: date) -> Iterator[str]:
    """Secrets that are overdue, and those that soon are."""
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


def _legacy_keys(settings: Settings) -> Iterator[str]:
    """Keys of a kind that Supabase ends."""
    legacy = [
        k for k, v in settings.values.items() if (read := read_key(v.get_secret_value())) and read.legacy
    ]
    if legacy:
        yield (
            f"{', '.join(sorted(legacy))}: legacy Supabase JWT, deprecated by the end of 2026; "
            "create publishable and secret keys"
        )


def _built_commits(settings: Settings) -> Iterator[str]:
    """A setting by which Vercel skips the build that a rotation or a release needs."""
    owners = {s.stack: s.stated.get("vercelProject") or {} for s in settings.siblings}
    for owner, project in {**owners, settings.stack: settings.vercel_project}.items():
        yield from skipped_builds(project, owner)


def _unseen_siblings(settings: Settings) -> Iterator[str]:
    """Sibling stacks whose secrets cannot be compared."""
    for sibling in settings.siblings:
        if HMAC_KEY not in (sibling.hmacs or {}):
            lacks = "no HMACs there" if sibling.hmacs is None else f"no record of its {HMAC_KEY} there"
            yield f"not checked: whether a secret equals one of stack `{sibling.stack}` ({lacks})"


def _monitoring(settings: Settings) -> Iterator[str]:
    """What nobody judges, or is told."""
    if settings.vercel_target == "production" and not settings.monitor_host:
        yield (
            "no monitor is declared: nobody is told when the site or the socket server is down (plan §2.3); "
            f"name its host: {to_set(settings, 'monitorHost', 'ssh://USER@HOST')}"
        )
    if settings.vercel_target == "production" and not settings.vercel_alerts:
        yield (
            "nobody judges the share of 5xx and the p95 of real traffic (plan §4.2), which Vercel alone "
            f"sees; where the plan has Observability Plus: {to_set(settings, 'vercelAlerts', 'true')}"
        )
    if settings.vercel_alerts and not (
        settings.vercel_slack_channel or "VERCEL_ALERTS_WEBHOOK_URL" in settings.values
    ):
        yield (
            "what Vercel judges reaches the team's owners alone: "
            f"{to_set(settings, 'vercelSlackChannel')}, or {to_set(settings, 'VERCEL_ALERTS_WEBHOOK_URL')}"
        )
    if settings.monitor_host and "WATCHDOG_URL" not in settings.values:
        yield (
            "nobody is told when the monitor itself falls silent; give it a dead-man's switch: "
            f"{to_set(settings, 'WATCHDOG_URL')}"
        )


def _proxies(settings: Settings) -> Iterator[str]:
    """What a proxy of the stack does worse than it could."""
    if settings.socket_release and settings.socket_tls == "off":
        yield (
            "socketTls is off: browsers refuse such a socket server to pages that came over https "
            f"(mixed content); outside a rehearsal: {to_set(settings, 'socketTls', 'acme')}"
        )
    if settings.socket_release and forgets_failures(settings.proxy_image):
        newer = Settings.model_fields["proxy_image"].default
        yield (
            f"proxyImage is a Caddy before {'.'.join(map(str, PASSIVE_SINCE))}: it goes on asking a task "
            "that hangs, and players get 504 until Swarm has ended it (35 s): "
            f"{to_set(settings, 'proxyImage', newer)}"
        )
    if settings.monitor_host and settings.monitor_tls == "off":
        yield (
            "monitorTls is off: the monitor's password crosses the network in the clear, which only a "
            "network of your own allows"
        )


def _import_ids(settings: Settings) -> Iterator[str]:
    """Import ids that have done their work."""
    if settings.adopt:
        yield (
            f"adopt: {len(settings.adopt)} import ids are in place; after the first good `up` remove them: "
            f"python -m operations adopt --stack {settings.stack}"
        )


NOTES: Final = (_legacy_keys, _built_commits, _unseen_siblings, _monitoring, _proxies, _import_ids)


def notes(settings: Settings) -> Iterator[str]:
    """All of them, in the order in which they are told."""
    for note in NOTES:
        yield from note(settings)
