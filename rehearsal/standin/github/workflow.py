"""Workflows and their runs."""

from typing import Any, Final

from rehearsal.standin.account import Account
from rehearsal.standin.github.rest import REPOSITORY, missing, repository_at, wrapped
from rehearsal.standin.rest import Answer, Query, Route


def _get_workflows(account: Account, query: Query, _: Any, owner: str, name: str) -> Answer:
    """The workflow files that GitHub knows, by what the account says of them."""
    repository_at(account, owner, name)
    found = [
        {"id": int(id), "name": workflow["name"], "path": workflow["path"], "state": workflow["state"]}
        for id, workflow in account.find("workflow", repository=name)
    ]
    return wrapped("workflows", found, query)


def _get_workflow_runs(account: Account, query: Query, _: Any, owner: str, name: str, file: str) -> Answer:
    repository_at(account, owner, name)
    path = f".github/workflows/{file}"
    found = [
        {
            "id": int(id),
            "name": run["name"],
            "display_title": run.get("display_title", run["name"]),
            "created_at": run.get("created_at", "2026-02-22T00:00:00Z"),
            "path": path,
            "head_sha": run["head_sha"],
            "status": run["status"],
            "conclusion": run.get("conclusion"),
        }
        for id, run in account.find("workflowRun", repository=name, path=path)
        if query.get("head_sha", run["head_sha"]) == run["head_sha"]
        and query.get("status") in (None, run["status"], run.get("conclusion"))
    ]
    if not account.find("workflowRun", repository=name, path=path):
        raise missing()
    return wrapped("workflow_runs", found, query)


ROUTES: Final[tuple[Route, ...]] = (
    ("GET", REPOSITORY + "/actions/workflows", _get_workflows),
    ("GET", REPOSITORY + "/actions/workflows/([^/]+)/runs", _get_workflow_runs),
)
