"""Comments and issues are kept up to date on the loopback API: updated in place, never piled up."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from operations.cli import review
from operations.services.accounts import RefusedError
from operations.services.issues import Issues
from operations.stack.workspace import OperationError
from operations.verbs import comment
from operations.verbs.comment import LIMIT
from rehearsal import demo
from rehearsal.standin import seeds
from rehearsal.standin.account import Account
from rehearsal.standin.api import AccountApi

REPOSITORY = f"{demo.GITHUB_OWNER}/{demo.INFRA_REPOSITORY}"
PULL_REQUEST = 7
MARKER = "<!-- mine -->"


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    seeds.seed(tmp_path / "account.db")
    found = Account(tmp_path / "account.db", "github")
    add_issue(found, PULL_REQUEST, pull_request=True)
    yield found
    found.close()


@pytest.fixture
def api(tmp_path: Path, account: Account) -> Iterator[AccountApi]:  # noqa: ARG001  seeded first
    with AccountApi(tmp_path / "account.db") as running:
        yield running


@pytest.fixture
def issues(api: AccountApi) -> Issues:
    return Issues(demo.GITHUB_TOKEN, REPOSITORY, api.github_url)


def add_issue(account: Account, number: int, *, pull_request: bool = False, **fields: object) -> None:
    issue = {
        "repository": demo.INFRA_REPOSITORY, "number": number, "title": "t", "body": "", "state": "open",
        "labels": [], "user": {"login": "mina", "type": "User"}, "pullRequest": pull_request,
    }  # fmt: skip
    account.put("issue", f"{demo.INFRA_REPOSITORY}#{number}", {**issue, **fields})


def add_comment(account: Account, id: int, body: str, login: str) -> None:
    comment = {"repository": demo.INFRA_REPOSITORY, "issue": PULL_REQUEST, "body": body}
    account.put("comment", str(id), {**comment, "user": {"login": login, "type": "User"}})


def texts(account: Account) -> dict[int, str]:
    return {int(id): c["body"] for id, c in account.find("comment", issue=PULL_REQUEST)}


# --- comments ----------------------------------------------------------------------------------------------


def test_a_second_run_updates_the_same_comments_and_a_third_writes_nothing(
    issues: Issues, account: Account
) -> None:
    assert issues.keep_comments(PULL_REQUEST, MARKER, [MARKER + "1", MARKER + "2"]) == (2, 0, 0)
    ids = list(texts(account))
    assert issues.keep_comments(PULL_REQUEST, MARKER, [MARKER + "1", MARKER + "new"]) == (0, 1, 0)
    assert texts(account) == {ids[0]: MARKER + "1", ids[1]: MARKER + "new"}
    before = account.calls()
    assert issues.keep_comments(PULL_REQUEST, MARKER, [MARKER + "1", MARKER + "new"]) == (0, 0, 0)
    assert account.calls() == before


def test_parts_that_are_no_longer_needed_are_deleted_and_missing_ones_are_added(
    issues: Issues, account: Account
) -> None:
    issues.keep_comments(PULL_REQUEST, MARKER, [f"{MARKER}{n}" for n in range(3)])
    assert issues.keep_comments(PULL_REQUEST, MARKER, [MARKER + "only"]) == (0, 1, 2)
    assert list(texts(account).values()) == [MARKER + "only"]
    assert issues.keep_comments(PULL_REQUEST, MARKER, [MARKER + "only", MARKER + "more"]) == (1, 0, 0)


def test_a_comment_beyond_the_first_page_is_found(issues: Issues, account: Account) -> None:
    for number in range(2001, 2151):
        add_comment(account, number, "chatter", "somebody")
    issues.keep_comments(PULL_REQUEST, MARKER, [MARKER + "first"])
    assert issues.keep_comments(PULL_REQUEST, MARKER, [MARKER + "second"]) == (0, 1, 0)
    assert sum(MARKER in body for body in texts(account).values()) == 1


def test_a_comment_of_somebody_else_that_carries_the_marker_is_left_alone(
    issues: Issues, account: Account
) -> None:
    add_comment(account, 500, MARKER + "ha", "mallory")
    assert issues.keep_comments(PULL_REQUEST, MARKER, [MARKER + "1"]) == (1, 0, 0)
    assert texts(account)[500] == MARKER + "ha"


def test_a_comment_of_another_stack_is_left_alone(issues: Issues, account: Account) -> None:
    issues.keep_comments(PULL_REQUEST, "<!-- other -->", ["<!-- other -->x"])
    issues.keep_comments(PULL_REQUEST, MARKER, [])
    assert list(texts(account).values()) == ["<!-- other -->x"]


def test_a_comment_of_the_greatest_length_is_taken_and_a_longer_one_refused(issues: Issues) -> None:
    issues.keep_comments(PULL_REQUEST, MARKER, [MARKER.ljust(LIMIT, "x")])
    with pytest.raises(OperationError, match="422"):
        issues.keep_comments(PULL_REQUEST, MARKER, [MARKER.ljust(LIMIT + 1, "x")])


def test_a_token_that_may_not_write_is_named(api: AccountApi) -> None:
    reader = Issues(demo.GITHUB_READ_TOKEN, REPOSITORY, api.github_url)
    with pytest.raises(OperationError, match=r"403.*GITHUB_TOKEN"):
        reader.keep_comments(PULL_REQUEST, MARKER, [MARKER])


def test_a_pull_request_that_does_not_exist_is_named(issues: Issues) -> None:
    with pytest.raises(OperationError, match="/issues/404/comments"):
        issues.keep_comments(404, MARKER, [MARKER])


# --- issues ------------------------------------------------------------------------------------------------


def state(account: Account) -> dict[int, tuple[str, str]]:
    found = (issue for _, issue in account.find("issue"))
    return {i["number"]: (i["title"], i["state"]) for i in found if i["number"] != PULL_REQUEST}


def test_an_issue_is_made_once_updated_afterwards_and_closed_when_it_is_settled(
    issues: Issues, account: Account
) -> None:
    assert issues.keep_issues("rotation", {MARKER: ("75 days", MARKER)}) == ([8], [], [])
    assert issues.keep_issues("rotation", {MARKER: ("82 days", MARKER)}) == ([], [8], [])
    assert issues.keep_issues("rotation", {MARKER: ("82 days", MARKER)}) == ([], [], [])
    assert state(account) == {8: ("82 days", "open")}
    assert issues.keep_issues("rotation", {}) == ([], [], [8])
    assert state(account) == {8: ("82 days", "closed")}


def test_issues_of_people_and_of_other_labels_are_left_alone(issues: Issues, account: Account) -> None:
    add_issue(account, 20, body=MARKER, labels=["rotation"])
    issues.keep_issues("drift", {MARKER: ("drift", MARKER)})
    issues.keep_issues("rotation", {})
    assert state(account) == {20: ("t", "open"), 21: ("drift", "open")}


def test_a_comment_that_may_not_be_written_goes_to_the_summary_and_without_one_is_an_error(
    account: Account,  # noqa: ARG001  seeded first
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As a job's token in what Dependabot pushed, or in a fork: GitHub answers 403."""
    summary, bodies = tmp_path / "summary", [f"{comment.marker('staging')}\nthe plan"]
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    monkeypatch.setenv("GITHUB_REPOSITORY", REPOSITORY)
    monkeypatch.setenv("GITHUB_TOKEN", demo.GITHUB_READ_TOKEN)
    monkeypatch.setenv("PAINTSHARE_ACCOUNT", str(tmp_path / "account.db"))
    review._publish(bodies, "staging", 7)
    assert "the plan" in summary.read_text()
    monkeypatch.delenv("GITHUB_STEP_SUMMARY")
    with pytest.raises(RefusedError, match="403"):
        review._publish(bodies, "staging", 7)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    monkeypatch.setenv("GITHUB_TOKEN", "wrong")
    with pytest.raises(OperationError, match="401"):
        review._publish(bodies, "staging", 7)
