"""Issues, pull requests and their comments."""

from typing import Any, Final

from rehearsal.standin.account import Account, Document
from rehearsal.standin.github.rest import REPOSITORY, Page, missing, repository_at
from rehearsal.standin.kinds import ServiceError
from rehearsal.standin.rest import Answer, Query, Route

_LONGEST_BODY: Final = 65_536  # characters; GitHub counts a few bytes each, so four-byte ones fit as well
_LONGEST_TITLE: Final = 256
_BOT: Final = {"login": "github-actions[bot]", "type": "Bot"}  # whom a job's own token acts as


def _text(body: Any, name: str, longest: int, default: str | None = None) -> str:
    value = body.get(name, default)
    if not isinstance(value, str) or (default is None and not value.strip()):
        raise ServiceError(422, "validation_failed", f"Validation Failed: {name} is missing or no text")
    if len(value) > longest:
        text = f"Validation Failed: {name} is too long (maximum is {longest} characters)"
        raise ServiceError(422, "validation_failed", text)
    return value


def _labels(body: Any) -> list[str]:
    labels = body.get("labels", [])
    if not isinstance(labels, list):
        raise ServiceError(422, "validation_failed", "Validation Failed: labels is no list")
    return [str(label) for label in labels]


def _issue(account: Account, owner: str, name: str, number: str) -> Document:
    repository_at(account, owner, name)
    found = account.get("issue", f"{name}#{number}")
    if found is None:
        raise missing()
    return found


def _issue_json(owner: str, issue: Document) -> Document:
    path = f"{owner}/{issue['repository']}/{'pull' if issue['pullRequest'] else 'issues'}/{issue['number']}"
    url = f"https://com/{path}"
    return {
        "number": issue["number"],
        "title": issue["title"],
        "body": issue["body"],
        "state": issue["state"],
        "labels": [{"name": label} for label in issue["labels"]],
        "user": issue["user"],
        "html_url": url,
        **({"pull_request": {"html_url": url}} if issue["pullRequest"] else {}),
    }


def _comment_json(id: str, comment: Document) -> Document:
    return {"id": int(id), "body": comment["body"], "user": comment["user"]}


def _get_issues(account: Account, query: Query, _: Any, owner: str, name: str) -> Answer:
    """Pull requests are issues too, as at GitHub; newest first."""
    repository_at(account, owner, name)
    state, labels = query.get("state", "open"), set(filter(None, query.get("labels", "").split(",")))
    found = [
        _issue_json(owner, issue)
        for _, issue in account.find("issue", repository=name)
        if state in ("all", issue["state"]) and labels <= set(issue["labels"])
    ]
    return 200, Page(sorted(found, key=lambda issue: -int(issue["number"])), query, list)


def _post_issue(account: Account, _: Query, body: Any, owner: str, name: str) -> Answer:
    repository_at(account, owner, name)
    number = 1 + max((issue["number"] for _, issue in account.find("issue", repository=name)), default=0)
    issue = {
        "repository": name,
        "number": number,
        "title": _text(body, "title", _LONGEST_TITLE),
        "body": _text(body, "body", _LONGEST_BODY, ""),
        "state": "open",
        "labels": _labels(body),
        "user": _BOT,
        "pullRequest": False,
    }
    account.put("issue", f"{name}#{number}", issue)
    return 201, _issue_json(owner, issue)


def _patch_issue(account: Account, _: Query, body: Any, owner: str, name: str, number: str) -> Answer:
    old = _issue(account, owner, name, number)
    state = body.get("state", old["state"])
    if state not in ("open", "closed"):
        raise ServiceError(422, "validation_failed", f"Validation Failed: state {state!r}")
    issue = {
        **old,
        "title": _text(body, "title", _LONGEST_TITLE, old["title"]),
        "body": _text(body, "body", _LONGEST_BODY, old["body"]),
        "state": state,
    }
    account.put("issue", f"{name}#{number}", issue)
    return 200, _issue_json(owner, issue)


def _get_comments(account: Account, query: Query, _: Any, owner: str, name: str, number: str) -> Answer:
    """Oldest first."""
    _issue(account, owner, name, number)
    found = account.find("comment", repository=name, issue=int(number))
    return 200, Page([_comment_json(*each) for each in sorted(found, key=lambda c: int(c[0]))], query, list)


def _post_comment(account: Account, _: Query, body: Any, owner: str, name: str, number: str) -> Answer:
    _issue(account, owner, name, number)
    id = str(1 + max((int(id) for id, _ in account.find("comment")), default=1000))
    text = _text(body, "body", _LONGEST_BODY)
    account.put("comment", id, {"repository": name, "issue": int(number), "body": text, "user": _BOT})
    return 201, _comment_json(id, account.get("comment", id) or {})


def _comment(account: Account, owner: str, name: str, id: str) -> Document:
    repository_at(account, owner, name)
    found = account.get("comment", id)
    if found is None or found["repository"] != name:
        raise missing()
    return found


def _patch_comment(account: Account, _: Query, body: Any, owner: str, name: str, id: str) -> Answer:
    comment = {**_comment(account, owner, name, id), "body": _text(body, "body", _LONGEST_BODY)}
    account.put("comment", id, comment)
    return 200, _comment_json(id, comment)


def _delete_comment(account: Account, _: Query, __: Any, owner: str, name: str, id: str) -> Answer:
    _comment(account, owner, name, id)
    account.delete("comment", id)
    return 204, None


ROUTES: Final[tuple[Route, ...]] = (
    ("GET", REPOSITORY + "/issues", _get_issues),
    ("POST", REPOSITORY + "/issues", _post_issue),
    ("PATCH", REPOSITORY + r"/issues/(\d+)", _patch_issue),
    ("GET", REPOSITORY + r"/issues/(\d+)/comments", _get_comments),
    ("POST", REPOSITORY + r"/issues/(\d+)/comments", _post_comment),
    ("PATCH", REPOSITORY + r"/issues/comments/(\d+)", _patch_comment),
    ("DELETE", REPOSITORY + r"/issues/comments/(\d+)", _delete_comment),
)
