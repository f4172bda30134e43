"""`stage`: a stack that follows a branch takes the socket server's image of a release.

The web app of such a stack follows its branch by itself (Vercel builds each push); what this program carries
from release to release there is the socket server, by SHA and digest.
"""

import re
from collections.abc import Callable
from typing import Annotated

import typer

from operations.cli.console import Rehearsal, Stack, Yes, accounts_of, github_account, out, vercel_account
from operations.cli.course import Edit, carry_out, conclude
from operations.cli.upstream import ensure_current
from operations.parts import serving
from operations.services import hosts
from operations.services.accounts import GitHubAccount
from operations.services.hosts import Image
from operations.stack.workspace import OperationError
from operations.verbs.promote import Release, keeping, newest_image, promoting
from plan.hosts import socket_host
from plan.settings import Settings

_SHA = re.compile(r"[0-9a-f]{40}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def stage(
    stack: Stack,
    release: Annotated[str, typer.Option("--release", help="Git SHA of the app, 40 hex digits.")],
    digest: Annotated[
        str, typer.Option("--digest", help="Digest (sha256:…) of its socket image; left out: the registry's.")
    ] = "",
    rehearsal: Rehearsal = False,
    yes: Yes = False,
) -> None:
    """Give a stack that follows a branch a release of the socket server, and keep the old one as N-1."""
    if not _SHA.fullmatch(release) or (digest and not _DIGEST.fullmatch(digest)):
        raise OperationError("--release wants 40 hex digits, --digest sha256: and 64 hex digits")
    with accounts_of(stack, rehearsal) as (workspace, vercel_url, github_url):
        ensure_current(workspace)
        settings = workspace.load().settings
        if settings.release:
            text = f"{stack} serves a fixed release: python -m operations promote --stack {stack}"
            raise OperationError(text)
        sha, named = release, digest
        if not digest:
            sha, named = _image(settings, release, lambda: github_account(workspace, github_url, settings))
        # The same image under another SHA is no new release: the app's CI builds one only where it changed.
        new = Release(web="", socket=sha, digest=named)
        if named in ("", settings.socket_digest):
            new = Release(web="")
            out.print(f"{stack}: the image of the socket server is unchanged")
        elif not digest:
            out.print(f"no --digest is named; the registry has {named} for {sha[:7]}")
        running = serving.socket(settings, settled=True) if new.socket else None
        runs = serving.point(running) if new.socket else None
        for kept in keeping(settings, new, "", runs).values():
            if kept.taken_back:
                out.print(
                    f"[yellow]{kept.taken_back[:7]} does not serve, {kept.point.sha[:7]} does:[/yellow] "
                    "that stays N-1, and the other is marked as taken back"
                )
        edit = Edit(subject=f"Stage {release[:12]} in {stack}", change=promoting(settings, new, "", runs))
        if not carry_out(workspace, edit, yes=yes):
            out.print("nothing to change")
        vercel = vercel_account(workspace, vercel_url, settings)
        conclude(serving.verify(workspace.load().settings, vercel, state=workspace.state()))


def _image(settings: Settings, release: str, github: Callable[[], GitHubAccount]) -> tuple[str, str]:
    """SHA and digest of the newest socket image up to a release; two "" where it is what the record names.

    An event that names no digest may have replaced one that did, while that one waited for its turn: GitHub
    drops its run, and with it the digest. So the registry is asked, from the socket host, for the release and
    for the commits between it and what the record names. Raises OperationError where that cannot be done.
    """
    if not settings.socket_release:
        out.print(f"{settings.stack} declares no socket server yet: its first release needs --digest")
        return "", ""
    with hosts.connected(socket_host(settings)) as host:

        def registered(sha: str) -> str:
            return host.registered(Image(settings.socket_image, sha))

        if digest := registered(release):
            return release, digest
        between = github().comparison(settings.app_repository, settings.socket_release, release) or {}
        return newest_image(settings, [each["sha"] for each in between.get("commits") or ()], registered)
