"""`stage`: a stack that follows a branch takes the socket server's image of a release.

The web app of such a stack follows its branch by itself (Vercel builds each push); what this program carries
from release to release there is the socket server, by SHA and digest.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated

import typer

from operations.cli.console import Rehearsal, Stack, Yes, accounts_of, github_account, out, vercel_account
from operations.cli.course import Edit, carry_out, conclude
from operations.cli.upstream import ensure_current
from operations.parts import Access, point, verify
from operations.parts.release import Release, keeping, promoting
from operations.parts.socket import SOCKET
from operations.services.accounts import GitHubAccount
from operations.stack.workspace import OperationError
from plan.promotion import Point
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
        found = Point(release, digest)
        if not digest:
            found = _image(settings, release, lambda: github_account(workspace, github_url, settings))
        # The same image under another SHA is no new release: the app's CI builds one only where it changed.
        new = Release({SOCKET.name: found})
        if found.digest in ("", settings.socket_digest):
            new = Release()
            out.print(f"{stack}: the image of the socket server is unchanged")
        elif not digest:
            out.print(f"no --digest is named; the registry has {found.digest} for {found.sha[:7]}")
        access = Access(settings=settings, vercel=vercel_account(workspace, vercel_url, settings))
        runs = {SOCKET.name: point(SOCKET, access)} if new.points else {}
        for kept in keeping(settings, new, runs).values():
            if kept.taken_back:
                out.print(
                    f"[yellow]{kept.taken_back[:7]} does not serve, {kept.point.sha[:7]} does:[/yellow] "
                    "that stays N-1, and the other is marked as taken back"
                )
        edit = Edit(subject=f"Stage {release[:12]} in {stack}", change=promoting(settings, new, runs))
        if not carry_out(workspace, edit, yes=yes):
            out.print("nothing to change")
        conclude(verify(replace(access, settings=workspace.load().settings), state=workspace.state()))


def _image(settings: Settings, release: str, github: Callable[[], GitHubAccount]) -> Point:
    """The newest socket image up to a release; without SHA where it is what the record names."""
    if not SOCKET.declared(settings):
        out.print(f"{settings.stack} declares no socket server yet: its first release needs --digest")
        return Point()
    return SOCKET.newest(settings, release, github)
