"""`stage`: a stack that follows a branch takes the socket server's image of a release.

The web app of such a stack follows its branch by itself (Vercel builds each push); what this program carries
from release to release there is the socket server, by SHA and digest.
"""

import re
from typing import Annotated, Any

import typer

from operations.cli.console import Rehearsal, Stack, Yes, out, workspace_of
from operations.cli.course import Edit, carry_out
from operations.workspace import OperationError
from plan.settings import PROJECT, Settings

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
    workspace = workspace_of(stack, rehearsal)
    settings = workspace.load().settings
    if settings.release:
        raise OperationError(f"{stack} serves a fixed release: python -m operations promote --stack {stack}")
    if not digest or settings.socket_digest == digest:
        out.print(f"{stack}: the socket server's image is unchanged")
        edit = Edit(subject=f"Apply {stack}")
    else:
        edit = Edit(subject=f"Stage {release[:12]} in {stack}", change=_take(settings, release, digest))
    if not carry_out(workspace, edit, yes=yes):
        out.print("nothing to change")


def _take(settings: Settings, release: str, digest: str) -> Any:
    def change(config: dict[str, Any]) -> None:
        if settings.socket_release:
            config[f"{PROJECT}:previousSocketRelease"] = settings.socket_release
            config[f"{PROJECT}:previousSocketDigest"] = settings.socket_digest
        config[f"{PROJECT}:socketRelease"] = release
        config[f"{PROJECT}:socketDigest"] = digest

    return change
