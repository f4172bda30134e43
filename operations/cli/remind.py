"""`remind`: issues about secrets that are due."""

import os
from datetime import date
from pathlib import Path

from operations.cli.console import Rehearsal, out, workspace_of
from operations.services.issues import Issues
from operations.services.practice import github_of
from operations.stack.rotation import LABEL, due
from operations.stack.workspace import OperationError


def remind(rehearsal: Rehearsal = False) -> None:
    """Keep one open issue for every secret of any stack that was rotated 75 or more days ago."""
    folder: Path = workspace_of("", rehearsal).folder
    repository = os.environ.get("GITHUB_REPOSITORY", "")
    if "/" not in repository:
        raise OperationError("GITHUB_REPOSITORY=OWNER/NAME is not in the environment")
    found = list(due(folder, date.today()))
    for one in found:
        out.print(f"  {one.stack:12}{one.key}: {one.days} days", markup=False)
    with github_of() as url:
        issues = Issues(os.environ.get("GITHUB_TOKEN"), repository, url)
        made, changed, closed = issues.keep_issues(LABEL, {one.marker: one.issue() for one in found})
    out.print(f"{len(found)} due; issues: {len(made)} made, {len(changed)} changed, {len(closed)} closed")
