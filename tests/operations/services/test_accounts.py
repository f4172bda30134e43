"""The tokens of the two services: what cannot be one is said before anything is asked."""

import pytest

from operations.services.accounts import GitHubAccount, VercelAccount
from operations.stack.workspace import OperationError


@pytest.mark.parametrize("token", ["c4n4ry\u20ac", "c4n4r\u00fc"])
def test_a_token_that_no_header_can_hold_is_refused_before_it_is_sent(token: str) -> None:
    with pytest.raises(
        OperationError, match=r"^GITHUB_TOKEN holds a character that no token of GitHub's has"
    ):
        GitHubAccount(token, "owner")


@pytest.mark.parametrize("form", ["{}\n", "{}\r", " {}", '"{}"', "{}\u200b"])
def test_a_token_that_did_not_come_alone_is_refused_by_its_name_because_the_plugin_would_send_it(
    form: str,
) -> None:
    token = form.format("c4n4ry")
    with pytest.raises(OperationError, match=r"^VERCEL_API_TOKEN came with ") as vercel:
        VercelAccount(token, "team_x", "prj_x")
    with pytest.raises(OperationError, match=r"^GITHUB_TOKEN came with ") as github:
        GitHubAccount(token, "owner")
    assert "c4n4ry" not in f"{vercel.value}{github.value}"
