"""`review`: what a branch changes, on the terminal, in a job's summary, in a pull request's comments."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer

from operations.cli.console import Stack, out, workspace_of
from operations.services.accounts import RefusedError
from operations.services.issues import Issues
from operations.services.practice import github_of, practice
from operations.stack.workspace import OperationError
from operations.verbs import comment
from operations.verbs import review as reviews
from operations.verbs.review import PreviewError, Review

_CLONE: Final = Path(__file__).resolve().parents[2]
_SUMMARY: Final = 1_000_000  # bytes; GitHub refuses a step's summary of more than 1 MiB


def review(
    stack: Stack,
    base: Annotated[
        str, typer.Option("--base", help="Commit to compare with. Without it: all that an `up` would change.")
    ] = "",
    rehearsal: Annotated[
        bool, typer.Option("--rehearsal", help="Apply the base in a rehearsal of its own; needs no account.")
    ] = False,
    pull_request: Annotated[
        int, typer.Option("--pull-request", help="Keep the comments of this pull request up to date.")
    ] = 0,
) -> None:
    """Preview what this clone changes, compared with another commit."""
    where = "in the rehearsal" if rehearsal else "live"
    failure = None
    try:
        found = _practised(stack, base or "HEAD") if rehearsal else _live(stack, base)
        head, below = _commit("HEAD"), _commit(base or "HEAD") if base or rehearsal else None
        bodies = comment.render(found, stack=stack, where=where, head=head, base=below)
    except PreviewError as error:
        failure = error
        bodies = comment.render_failure(str(error), stack=stack, where=where)
    _publish(bodies, stack, pull_request)
    if failure:
        raise OperationError(f"the preview of {stack} failed:\n{failure}")


def _live(stack: str, base: str) -> Review:
    workspace = workspace_of(stack, rehearsal=False)
    head = reviews.preview(workspace.folder, stack, workspace.env)
    if not base:
        return reviews.compare({}, reviews.steps(head))
    with reviews.checkout(_CLONE, base) as folder:
        before = reviews.preview(folder, stack, workspace.env)
    return reviews.compare(reviews.steps(before), reviews.steps(head))


def _practised(stack: str, base: str) -> Review:
    with reviews.checkout(_CLONE, base) as folder, tempfile.TemporaryDirectory() as scratch:
        home, environment, before = practice().applied(folder, Path(scratch) / "home", stack)
        head = reviews.preview(home, stack, environment)
    return reviews.compare(reviews.steps(before), reviews.steps(head))


def _publish(bodies: list[str], stack: str, pull_request: int) -> None:
    text = "\n".join(bodies)
    out.print(text.replace(comment.marker(stack) + "\n", ""), markup=False)
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        cut = text.encode()[:_SUMMARY].decode(errors="ignore")
        with Path(summary).open("a") as file:
            file.write(cut + "\n")
    if not pull_request:
        return
    repository = os.environ.get("GITHUB_REPOSITORY", "")
    if "/" not in repository:
        raise OperationError("--pull-request needs GITHUB_REPOSITORY=OWNER/NAME in the environment")
    with github_of() as url, _or_summary(bool(summary)):
        issues = Issues(os.environ.get("GITHUB_TOKEN"), repository, url)
        made, changed, deleted = issues.keep_comments(pull_request, comment.marker(stack), bodies)
        out.print(f"pull request {pull_request}: {made} comments made, {changed} changed, {deleted} deleted")


@contextmanager
def _or_summary(summarized: bool) -> Iterator[None]:
    """A comment that the token may not write is no failure of the preview: its text stands in the summary."""
    try:
        yield
    except RefusedError as error:
        if not summarized:
            raise
        out.print(f"no comment, the job's summary has it: {error}", markup=False)


def _commit(ref: str) -> str:
    command = ["git", "-C", str(_CLONE), "rev-parse", "--verify", f"{ref}^{{commit}}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OperationError(f"git knows no commit {ref!r}")
    return done.stdout.strip()
