"""Secrets (deployment plan §3): encrypted, of this stack alone, and each with the record of its rotation."""

from collections.abc import Iterator
from datetime import date, timedelta

from plan import paths
from plan.fingerprints import HMAC_KEY, KEY_LENGTH, fingerprint, key_fingerprint
from plan.preflight.fixes import to_remove, to_set
from plan.problems import Problem
from plan.rotation import iso_date
from plan.rows import PREVIEW_PREFIX, Class
from plan.settings import Settings
from plan.supabase_keys import read_key
from plan.variables import MATRIX, row_of, secret_keys


def in_the_clear(settings: Settings) -> Iterator[Problem]:
    """A secret that was set without `--secret`: it stands in the file, and in git's history."""
    clear = [key for key in settings.values if key in secret_keys() and key not in settings.encrypted]
    if settings.fingerprint_key.get_secret_value() and "fingerprintKey" not in settings.encrypted:
        clear.append("fingerprintKey")
    for key in clear:
        yield Problem(
            key,
            "is a secret and stands in the clear; whoever read the file knows it, so set a NEW value",
            to_set(settings, key),
        )


def in_public_keys(settings: Settings) -> Iterator[Problem]:
    """A secret under a key that is compiled into the browser bundle."""
    for key, value in settings.values.items():
        if row_of(key).kind is not Class.PUBLIC:
            continue
        read = read_key(value.get_secret_value())
        if read and read.secret:
            yield Problem(
                key,
                "holds a Supabase key for servers, and everybody could read it in the browser; "
                "revoke that key and set the anon or publishable one",
                to_set(settings, key),
            )


def of_another_project(settings: Settings) -> Iterator[Problem]:
    """A Supabase key of another project, or of the other kind."""
    for key, value in settings.values.items():
        read = read_key(value.get_secret_value())
        if read and read.ref and settings.supabase_ref and read.ref != settings.supabase_ref:
            yield Problem(
                key,
                f"belongs to Supabase project {read.ref}, but supabaseRef is {settings.supabase_ref}",
                to_set(settings, key),
            )
    for row in MATRIX:
        key = row.key
        if not key.endswith("_SERVICE_ROLE_KEY") or key not in settings.values:
            continue
        read = read_key(settings.values[key].get_secret_value())
        if read and not read.secret:
            yield Problem(key, "holds a key for browsers, servers need the secret one", to_set(settings, key))


def preview_least_privilege(settings: Settings) -> Iterator[Problem]:
    """Plan §3: in Preview only where needed, with the least privilege: a key of its own, revocable alone."""
    for row in MATRIX:
        own = PREVIEW_PREFIX + row.key
        if own not in settings.values:
            continue
        if not settings.preview:
            yield Problem(own, "is set, but this stack does not own Preview", to_remove(settings, own))
        if row.kind is not Class.SECRET:
            continue
        value = settings.values[own].get_secret_value()
        shared = settings.values.get(row.key)
        if shared and shared.get_secret_value() == value:
            yield Problem(
                own, f"equals {row.key}; Preview needs a key of its own or none", to_set(settings, own)
            )
        read = read_key(value)
        if read and read.legacy and read.secret:
            yield Problem(
                own,
                "is a legacy service_role JWT, which cannot be revoked on its own; use an sb_secret_ key",
                to_set(settings, own),
            )


def records(settings: Settings) -> Iterator[Problem]:
    """Each secret's rotation record: there, with a real date, and of the value that is set."""
    hmac_key = settings.fingerprint_key.get_secret_value()
    if hmac_key and len(hmac_key) < KEY_LENGTH:
        yield Problem(
            "fingerprintKey", f"is shorter than {KEY_LENGTH} characters", to_set(settings, "fingerprintKey")
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
        yield Problem(path, "is a record of no secret of the matrix", to_remove(settings, path))


def overlaps(settings: Settings) -> Iterator[Problem]:
    """An old value that is kept valid for a while must be another one than the new."""
    for row in MATRIX:
        old, new = settings.values.get(row.key), settings.values.get(row.previous_of or "")
        if old and new and old.get_secret_value() == new.get_secret_value():
            finish = f"python -m operations rotate {row.previous_of} --finish --stack {settings.stack}"
            yield Problem(row.key, f"equals {row.previous_of}, so no old value is kept", finish)


def shared(settings: Settings) -> Iterator[Problem]:
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
                to_set(settings, HMAC_KEY),
            )
        theirs = {mac: key for key, mac in (sibling.hmacs or {}).items()}
        for key in sorted(set(settings.values) & secret_keys()):
            other = theirs.get(fingerprint(hmac_key, settings.values[key].get_secret_value()))
            if other:
                yield Problem(
                    key,
                    f"is the same secret as {other} of stack `{sibling.stack}`; each needs its own",
                    to_set(settings, key),
                )


def future(settings: Settings, today: date) -> Iterator[Problem]:
    """A date ahead of time would never come due. A day's grace: it is tomorrow somewhere."""
    for key, record in sorted(settings.rotation.items()):
        rotated = iso_date(record.date)
        if rotated and rotated > today + timedelta(days=1) and key in settings.values:
            yield Problem(
                key,
                f"has the rotation date {record.date}, which is still to come, so it would never be due",
                f"python -m operations stamp {key} --stack {settings.stack}",
            )
