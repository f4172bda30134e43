"""Issues and comments of this program's repository, kept up to date instead of piling up.

A hidden marker in each text says which issue or comment it is; only what this program's own account wrote is
ever changed, whatever marker somebody else puts into a text of his.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from operations.services.accounts import GITHUB_URL, Api
from operations.stack.workspace import OperationError

AUTHOR: Final = "github-actions[bot]"  # whom a job's own token acts as
_PAGE: Final = 100  # the most that one page of the REST API holds

Json = dict[str, Any]


class Issues:
    """Issues and comments of one repository (`owner/name`)."""

    def __init__(
        self, token: str | None, repository: str, url: str = GITHUB_URL, author: str = AUTHOR
    ) -> None:
        self._api = Api("GitHub", url, token, "GITHUB_TOKEN")
        self._api.session.headers["X-GitHub-Api-Version"] = "2022-11-28"
        self._path, self._author = f"/repos/{repository}", author

    def keep_comments(self, number: int, marker: str, bodies: Sequence[str]) -> tuple[int, int, int]:
        """Make the comments of pull request `number` that carry `marker` say `bodies`, in order.

        Each body must contain the marker. Returns how many were created, changed and deleted.
        """
        path = f"{self._path}/issues/{number}/comments"
        mine = [c for c in self._pages(path) if self._own(c) and marker in (c.get("body") or "")]
        created = changed = 0
        for index, body in enumerate(bodies):
            if index < len(mine):
                if mine[index]["body"] == body:
                    continue
                if self._api.call("PATCH", self._comment(mine[index]), body={"body": body}) is not None:
                    changed += 1
                    continue  # else somebody has deleted it meanwhile
            if self._api.call("POST", path, body={"body": body}) is None:
                raise OperationError(f"pull request {number} does not exist, or the token may not see it")
            created += 1
        surplus = mine[len(bodies) :]
        for comment in surplus:
            self._api.call("DELETE", self._comment(comment))
        return created, changed, len(surplus)

    def keep_issues(
        self, label: str, wanted: Mapping[str, tuple[str, str]]
    ) -> tuple[list[int], list[int], list[int]]:
        """Make the open issues with `label` those of `wanted`: marker -> (title, body that contains it).

        An issue whose marker is not wanted any more is closed. Returns the numbers of the created, the
        changed and the closed ones.
        """
        query = {"state": "open", "labels": label}
        mine: dict[str, Json] = {}
        created, changed, closed = [], [], []
        for issue in list(self._pages(f"{self._path}/issues", query)):
            if not self._own(issue) or "pull_request" in issue:
                continue
            marker = next((m for m in wanted if m in (issue.get("body") or "") and m not in mine), None)
            if marker is None:
                self._api.call("PATCH", self._issue(issue), body={"state": "closed"})
                closed.append(int(issue["number"]))
            else:
                mine[marker] = issue
        for marker, (title, body) in wanted.items():
            old = mine.get(marker)
            if old is None:
                made = self._api.call(
                    "POST", f"{self._path}/issues", body={"title": title, "body": body, "labels": [label]}
                )
                created.append(int((made or {}).get("number", 0)))
            elif (old["title"], old["body"]) != (title, body):
                self._api.call("PATCH", self._issue(old), body={"title": title, "body": body})
                changed.append(int(old["number"]))
        return created, changed, closed

    def _own(self, document: Json) -> bool:
        return bool((document.get("user") or {}).get("login") == self._author)

    def _comment(self, comment: Json) -> str:
        return f"{self._path}/issues/comments/{comment['id']}"

    def _issue(self, issue: Json) -> str:
        return f"{self._path}/issues/{issue['number']}"

    def _pages(self, path: str, query: Json | None = None) -> Iterator[Json]:
        page = 1
        while True:
            found: Any = self._api.call("GET", path, {**(query or {}), "per_page": _PAGE, "page": page})
            if found is None:
                raise OperationError(f"GitHub knows no {path}, or the token may not see it")
            yield from found
            if len(found) < _PAGE:
                return
            page += 1
