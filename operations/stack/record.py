"""The record of a stack in git: one commit a verb, of the stack file alone, before anything is applied.

Where the folder is no git work tree, or git ignores the file, nothing is recorded and the verb goes on. A
workflow names the branch of the record in `PAINTSHARE_RECORD` ("REMOTE BRANCH"); there a commit counts only
once it is pushed.
"""

import getpass
import re
import socket
import subprocess
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from operations.stack.workspace import OperationError, Workspace

RECORD: Final = "PAINTSHARE_RECORD"
_PAUSES: Final = (2.0, 5.0, 15.0)  # seconds before a refused push is tried again
_PATIENCE: Final = 10  # seconds that a fetch may hold up a verb


def commit(workspace: Workspace, subject: str, *, urgent: bool = False) -> str | None:
    """Commit the stack file as it is now; the short hash, or None where there is nothing to commit.

    Other files stay as they are, staged ones too. `urgent`: what else was pushed meanwhile does not refuse
    it, and is not taken here either. Raises OperationError with git's own words; then there is no commit, and
    the stack file is the caller's to put back.
    """
    name = workspace.stack_file.name
    if _git(workspace, "rev-parse", "--is-inside-work-tree").returncode:
        return None
    if _git(workspace, "check-ignore", "--quiet", name).returncode == 0:
        return None
    if not _said(workspace, "status", "--porcelain", "--", name):
        _publish(workspace, urgent)  # what a killed run committed and did not push
        return None
    now = datetime.now(UTC)
    who = f"By: {getpass.getuser()}@{socket.gethostname()}\nAt: {now:%Y-%m-%dT%H:%M:%SZ}"
    with workspace.exclusive():  # git refuses a second commit of the same moment, as of another stack
        _said(workspace, "add", "--", name)
        _said(workspace, "commit", "--quiet", "--only", "-m", subject, "-m", who, "--", name)
        try:
            _publish(workspace, urgent)
        except OperationError:  # else whatever is pushed next would carry it along
            _said(workspace, "reset", "--quiet", "--soft", "HEAD^")
            _said(workspace, "reset", "--quiet", "--", name)
            raise
        return _said(workspace, "rev-parse", "--short", "HEAD")


def socket_digests(workspace: Workspace, stack: str) -> list[str]:
    """Digests of socket images that the stack file of `stack` ever named, newest first, by git's history.

    What a shallow clone lacks, or a folder that is no work tree, is not known: the list is short or empty.
    """
    log = _git(workspace, "log", "--patch", "--unified=0", "--format=", "--", f"Pulumi.{stack}.yaml")
    return re.findall(
        r"^\+\s*paintshare:(?:socketDigest|previousSocketDigest):\s*['\"]?(sha256:[0-9a-f]{64})",
        log.stdout if log.returncode == 0 else "",
        re.MULTILINE,
    )


@dataclass(frozen=True, kw_only=True)
class Upstream:
    """What the branch that a clone's branch follows has of a stack's records, as git knew it last.

    `ahead`: commits of the stack file that are missing here; `behind`: those missing there. Newest first.
    """

    name: str
    ahead: tuple[str, ...]
    behind: tuple[str, ...]


def _followed(workspace: Workspace) -> str:
    """The branch that a clone's branch follows; "" where `upstream` is None."""
    if workspace.env.get(RECORD):
        return ""
    name = _git(workspace, "rev-parse", "--abbrev-ref", "--symbolic-full-name", "@{upstream}")
    return "" if name.returncode else name.stdout.strip()


def upstream(workspace: Workspace) -> Upstream | None:
    """None where the folder is no clone, its branch follows none, or a workflow publishes by itself."""
    name = _followed(workspace)
    if not name:
        return None
    ahead, behind = (
        tuple(_said(workspace, "log", "--format=%h %s", span, "--", workspace.stack_file.name).splitlines())
        for span in ("HEAD..@{upstream}", "@{upstream}..HEAD")
    )
    return Upstream(name=name, ahead=ahead, behind=behind)


def fetched(workspace: Workspace) -> Upstream | None:
    """As `upstream`, asked now. Raises OperationError where it cannot be."""
    if not _followed(workspace):
        return None
    env = {**workspace.env, "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(
            ["git", "-C", str(workspace.folder), "fetch", "--quiet"],
            capture_output=True, text=True, check=False, env=env, timeout=_PATIENCE,
            start_new_session=True,  # no terminal, so that ssh asks nothing
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise OperationError(f"git fetch has not answered in {_PATIENCE} seconds") from None
    if done.returncode:
        raise OperationError(f"git fetch failed: {done.stderr.strip()}")
    return upstream(workspace)


def _publish(workspace: Workspace, urgent: bool) -> None:
    """Push to the branch of the record. Only records of other stacks may have come in between.

    Anything else would apply a program that nobody has previewed: then it raises, and nothing is applied. An
    `urgent` record goes on top of it, while the files here, hence the program, stay as they are.
    """
    remote, _, branch = workspace.env.get(RECORD, "").partition(" ")
    if not branch:
        return
    refused = "the record could not be pushed, so nothing is applied:"
    for pause in (*_PAUSES, None):
        push = _git(workspace, "push", "--quiet", remote, f"HEAD:refs/heads/{branch}")
        if push.returncode == 0:
            return
        if pause is None:
            raise OperationError(f"{refused} {push.stderr.strip()}")
        if _git(workspace, "fetch", "--quiet", remote, f"refs/heads/{branch}").returncode:
            time.sleep(pause)  # the network, or the service itself
            continue
        news = _said(workspace, "diff", "--name-only", "HEAD...FETCH_HEAD").split()
        name = workspace.stack_file.name
        foreign = [each for each in news if each == name or not _RECORDS.fullmatch(each)]
        if foreign and (name in news or not urgent):
            raise OperationError(f"{refused} {branch} has changed meanwhile ({', '.join(foreign[:5])})")
        if urgent and news:
            mine = _said(workspace, "rev-parse", "HEAD")
            _said(workspace, "reset", "--quiet", "FETCH_HEAD")
            if _said(workspace, "status", "--porcelain", "--", name):
                _said(workspace, "commit", "--quiet", "--only", "--reuse-message", mine, "--", name)
        elif news:
            _said(workspace, "rebase", "--quiet", "FETCH_HEAD")
        else:
            time.sleep(pause)


_RECORDS: Final = re.compile(r"Pulumi\.[a-z0-9-]+\.yaml")


def _said(workspace: Workspace, *arguments: str) -> str:
    done = _git(workspace, *arguments)
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise OperationError(
            f"git {arguments[0]} failed, so nothing is recorded and nothing applied:\n{said}"
        )
    return done.stdout.strip()


def _git(workspace: Workspace, *arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["git", "-C", str(workspace.folder), *arguments],
            capture_output=True, text=True, check=False, env=dict(workspace.env),
        )  # fmt: skip
    except FileNotFoundError:  # no git, hence no record
        return subprocess.CompletedProcess(arguments, 1, "", "git is not installed")
