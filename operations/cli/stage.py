"""`stage`: a stack that follows a branch takes the socket server's image of a release.

The web app of such a stack follows its branch by itself (Vercel builds each push); what this program carries
from release to release there is the socket server, by SHA and digest.
"""

import re
from typing import Annotated

import typer

from operations import serving
from operations.cli.console import Rehearsal, Stack, Yes, accounts_of, out, vercel_account
from operations.cli.course import Edit, carry_out, conclude
from operations.cli.upstream import ensure_current
from operations.promote import Release, promoting
from operations.workspace import OperationError

_SHA = re.compile(r"[0-9a-f]{40}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def stage(
    stack: Stack,
    release: Annotated[str, typer.Option("--release", help="Git SHA of the app, 40 hex digits.")],
    digest: Annotated[
        str, typer.Option("--digest", help="Digest (sha256:…) of its socket image; left out: unchanged.")
    ] = "",
    rehearsal: Rehearsal = False,
    yes: Yes = False,
) -> None:
    """Give a stack that follows a branch a release of the socket server, and keep the old one as N-1."""
    if not _SHA.fullmatch(release) or (digest and not _DIGEST.fullmatch(digest)):
        raise OperationError("--release wants 40 hex digits, --digest sha256: and 64 hex digits")
    with accounts_of(stack, rehearsal) as (workspace, vercel_url, _):
        ensure_current(workspace)
        settings = workspace.load().settings
        if settings.release:
            text = f"{stack} serves a fixed release: python -m operations promote --stack {stack}"
            raise OperationError(text)
        # The same image under another SHA is no new release: the app's CI builds one only where it changed.
        new = Release(web="", socket=release, digest=digest)
        if digest in ("", settings.socket_digest):
            new = Release(web="")
            out.print(f"{stack}: the image of the socket server is unchanged")
        edit = Edit(subject=f"Stage {release[:12]} in {stack}", change=promoting(settings, new, ""))
        if not carry_out(workspace, edit, yes=yes):
            out.print("nothing to change")
        vercel = vercel_account(workspace, vercel_url, settings)
        conclude(serving.verify(workspace.load().settings, vercel))
