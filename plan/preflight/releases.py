"""The releases that a stack file names: N and N-1, of the web app and of the socket server."""

import re
from collections.abc import Iterator
from typing import Final

from plan.preflight.fixes import to_remove, to_set
from plan.problems import Problem
from plan.settings import Settings

_SHA: Final = re.compile(r"[0-9a-f]{40}")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")


def web(settings: Settings) -> Iterator[Problem]:
    """N and N-1 of the web app: full SHAs, in production alone, and no push that goes past them."""
    for key, sha in (("release", settings.release), ("previousRelease", settings.previous_release)):
        if sha and not _SHA.fullmatch(sha):
            yield Problem(
                key, f"{sha!r} is no full git SHA (40 lower-case hex digits)", to_set(settings, key, "SHA")
            )
    pinned = settings.vercel_target == "production"
    if settings.previous_release and not settings.release:
        fix = to_set(settings, "release", "SHA") if pinned else to_remove(settings, "previousRelease")
        yield Problem("previousRelease", "is set without release", fix)
    if settings.release and settings.release == settings.previous_release:
        yield Problem(
            "previousRelease",
            "equals release, so there is no N-1 to go back to",
            to_set(settings, "previousRelease", "SHA"),
        )
    if not settings.auto_assign_custom_domains and not settings.release:
        yield Problem(
            "autoAssignCustomDomains",
            "is off and no release is set: pushes to the production branch would stop being published",
            to_set(settings, "release", "SHA") if pinned else to_remove(settings, "autoAssignCustomDomains"),
        )
    if settings.release and not pinned:
        yield Problem(
            "release",
            "pins production only; this environment follows its branch",
            to_remove(settings, "release"),
        )
    elif settings.release and settings.auto_assign_custom_domains:
        yield Problem(
            "autoAssignCustomDomains",
            "must be false with a release: a push to the production branch would take the domain past it",
            to_set(settings, "autoAssignCustomDomains", "false"),
        )


def socket(settings: Settings) -> Iterator[Problem]:
    """N and N-1 of the socket server: each a full SHA together with a digest."""
    current = (settings.socket_release, settings.socket_digest)
    previous = (settings.previous_socket_release, settings.previous_socket_digest)
    for prefix, (sha, digest) in (("socket", current), ("previousSocket", previous)):
        if sha and not _SHA.fullmatch(sha):
            text = f"{sha!r} is no full git SHA (40 lower-case hex digits)"
            yield Problem(f"{prefix}Release", text, to_set(settings, f"{prefix}Release", "SHA"))
        if bool(sha) != bool(_DIGEST.fullmatch(digest)):
            key = f"{prefix}Digest"
            text = f"must be sha256: and 64 hex digits with a {prefix}Release, and empty without one"
            yield Problem(
                key, text, to_set(settings, key, "sha256:DIGEST") if sha else to_remove(settings, key)
            )
    if previous[0] and not current[0]:
        fix = to_set(settings, "socketRelease", "SHA")
        yield Problem("previousSocketRelease", "is set without socketRelease", fix)
    if current[0] and current[0] == previous[0]:
        text = "equals socketRelease, so there is no N-1 to go back to"
        yield Problem("previousSocketRelease", text, to_set(settings, "previousSocketRelease", "SHA"))
