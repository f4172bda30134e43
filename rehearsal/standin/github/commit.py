"""Commits: their checks, their pull requests, and what lies between two of them."""

from typing import Any, Final

from rehearsal.standin.account import Account, Document
from rehearsal.standin.github.rest import REPOSITORY, Page, missing, repository_at, wrapped
from rehearsal.standin.kinds import ServiceError
from rehearsal.standin.rest import Answer, Query, Route


def _commit(account: Account, owner: str, name: str, sha: str) -> Document:
    """A commit of the repository; its document names its parent and the files it changed."""
    repository_at(account, owner, name)
    found = account.get("commit", f"{name}:{sha}")
    if found is None:
        raise ServiceError(422, "unprocessable", f"No commit found for SHA: {sha}")
    return found


def _get_check_runs(account: Account, query: Query, _: Any, owner: str, name: str, sha: str) -> Answer:
    """The latest run of each name."""
    _commit(account, owner, name, sha)
    found = [
        {
            "id": int(id),
            "head_sha": sha,
            "name": run["name"],
            "status": run["status"],
            "conclusion": run["conclusion"],
            "app": run["app"],
            "html_url": f"https://com/{owner}/{name}/runs/{id}",
        }
        for id, run in account.find("checkRun", repository=name, sha=sha)
    ]
    return wrapped("check_runs", found, query)


def _get_pulls_of_commit(account: Account, query: Query, _: Any, owner: str, name: str, sha: str) -> Answer:
    _commit(account, owner, name, sha)
    found = [
        {
            "number": int(id),
            "state": "closed",
            "merged_at": pull["merged_at"],
            "merge_commit_sha": pull["merge_commit_sha"],
            "head": {"sha": pull["head_sha"]},
        }
        for id, pull in account.find("pull", repository=name, merge_commit_sha=sha)
    ]
    return 200, Page(found, query, list)


def _get_comparison(
    account: Account, _: Query, __: Any, owner: str, name: str, base: str, head: str
) -> Answer:
    """Files that the commits after `base` changed. Histories are straight lines here."""
    for sha in (base, head):
        if account.get("commit", f"{name}:{sha}") is None:
            raise missing()

    def line(sha: str | None) -> list[str]:
        found = []
        while sha:
            found.append(sha)
            sha = _commit(account, owner, name, sha).get("parent")
        return found

    ahead = [sha for sha in line(head) if sha not in line(base)]
    behind = [sha for sha in line(base) if sha not in line(head)]
    status = {(0, 0): "identical", (1, 0): "ahead", (0, 1): "behind", (1, 1): "diverged"}
    files: dict[str, Document] = {}
    for sha in reversed(ahead):
        for file in _commit(account, owner, name, sha).get("files", []):
            files[file["filename"]] = file
    return 200, {
        "status": status[bool(ahead), bool(behind)],
        "ahead_by": len(ahead),
        "behind_by": len(behind),
        "commits": [{"sha": sha} for sha in reversed(ahead)],
        "total_commits": len(ahead),
        "files": list(files.values())[:300],
    }


ROUTES: Final[tuple[Route, ...]] = (
    ("GET", REPOSITORY + "/commits/([^/]+)/check-runs", _get_check_runs),
    ("GET", REPOSITORY + "/commits/([^/]+)/pulls", _get_pulls_of_commit),
    ("GET", REPOSITORY + "/compare/([^/.]+)\\.\\.\\.([^/.]+)", _get_comparison),
)
