"""What a promotion decides without an engine: whose checks count, which marks of a rollback stay."""

from typing import Any, cast

import pytest

from operations.accounts import GitHubAccount
from operations.promote import Judge, Release, promoting, rolling_back, to_take_back
from plan.promotion import Line
from plan.protection import APP_CHECKS
from plan.settings import PROJECT, Settings
from tests.builders import production

A, B, C = ("a" * 40, "b" * 40, "c" * 40)
FIRST, *REST = APP_CHECKS


class Runs:
    """Check runs by commit; every commit came with pull requests #1, #2 and so on, one for each head."""

    def __init__(self, own: dict[str, str], *pulls: dict[str, str]) -> None:
        self.of = {A: own} | {str(number): pull for number, pull in enumerate(pulls, 1)}

    def check_runs(self, _: str, sha: str) -> list[dict[str, Any]]:
        return [{"name": n, "status": "completed", "conclusion": c} for n, c in self.of[sha].items()]

    def pulls_of(self, _: str, sha: str) -> list[dict[str, Any]]:
        assert sha == A
        return [{"number": int(head), "head": {"sha": head}} for head in self.of if head != A]


def checks(own: dict[str, str], *pulls: dict[str, str]) -> Line:
    judge = Judge(
        target=production().settings(),
        source=cast("Any", None),
        vercel=cast("Any", None),
        github=cast("GitHubAccount", Runs(own, *pulls)),
        watch=None,
        served="",
    )
    return next(iter(judge._app(Release(web=A))))


def all_of(conclusion: str) -> dict[str, str]:
    return dict.fromkeys(APP_CHECKS, conclusion)


def test_a_red_check_of_the_commit_itself_is_not_covered_by_a_green_pull_request() -> None:
    line = checks({FIRST: "failure"}, all_of("success"))
    assert line.ok is False
    assert f"{FIRST} failure" in line.evidence


def test_a_check_that_the_commit_lacks_is_taken_from_its_pull_request() -> None:
    line = checks({FIRST: "success"}, all_of("success"))
    assert line.ok
    assert "pull request #1" in line.evidence
    red = checks({FIRST: "success"}, all_of("success") | {REST[0]: "failure"})
    assert red.ok is False


def test_what_the_commit_has_itself_needs_no_pull_request() -> None:
    line = checks(all_of("success"), all_of("failure"))
    assert line.ok
    assert line.evidence.endswith(f"(at {A[:7]})")


def edited(settings: Settings, change: Any) -> Settings:
    """The settings with an edit of the releases made."""
    config = {f"{PROJECT}:rolledBack": dict(settings.rolled_back)} if settings.rolled_back else {}
    change(config)
    names = {"release": "release", "previousRelease": "previous_release"}
    names |= {"socketRelease": "socket_release", "previousSocketRelease": "previous_socket_release"}
    update = {name: config.get(f"{PROJECT}:{key}", getattr(settings, name)) for key, name in names.items()}
    marks = config.get(f"{PROJECT}:rolledBack", {})
    return settings.model_copy(update={**update, "rolled_back": marks})


def on(web: str, socket: str = "") -> Settings:
    file = production(release=web)
    if socket:
        file.config.update(socketRelease=socket, socketDigest="sha256:" + socket[0] * 8 * 8)
    return file.settings()


def socket_of(sha: str, web: str) -> Release:
    return Release(web=web, socket=sha, digest="sha256:" + sha[0] * 8 * 8)


def test_what_was_taken_back_stays_marked_while_another_release_is_promoted() -> None:
    settings = edited(on(A), promoting(on(A), Release(web=B), ""))
    settings = edited(settings, rolling_back(settings, ("web",)))
    assert settings.rolled_back == {"web": B}
    settings = edited(settings, promoting(settings, Release(web=C), ""))
    assert (settings.release, settings.rolled_back) == (C, {"web": B})
    settings = edited(settings, rolling_back(settings, to_take_back(settings, "web")))
    assert (settings.release, settings.rolled_back) == (A, {"web": C})


def test_a_promotion_of_one_part_leaves_the_mark_of_the_other() -> None:
    settings = edited(on(A, A), promoting(on(A, A), socket_of(B, B), ""))
    settings = edited(settings, rolling_back(settings, ("socket",)))
    settings = edited(settings, promoting(settings, socket_of(A, C), ""))
    assert settings.rolled_back == {"socket": B}
    assert to_take_back(settings, "socket") == ()  # else the bad one would come again


@pytest.mark.parametrize("later", [B, C])
def test_the_mark_goes_with_the_release_that_is_current_again_on_purpose(later: str) -> None:
    """By a promotion, or by hand: a mark of what becomes N-1 would keep a rollback from it."""
    marked = on(B if later == C else A).model_copy(update={"rolled_back": {"web": B}})
    settings = edited(marked, promoting(marked, Release(web=later), ""))
    assert settings.rolled_back == {}
    assert to_take_back(settings, "web") == ("web",)
