"""What a promotion decides without an engine: whose checks count, which marks of a rollback stay."""

import contextlib
from types import SimpleNamespace
from typing import Any, cast

import pytest

from operations.cli.console import out
from operations.cli.releases import _judge
from operations.parts import Part
from operations.parts.release import Edit, Release, promoting, rolling_back, to_take_back
from operations.parts.socket import SOCKET, newest_image
from operations.parts.web import WEB
from operations.services.accounts import GitHubAccount
from operations.stack.workspace import OperationError
from operations.verbs.promote import Judge
from plan.config import Loaded
from plan.promotion import Line, Point
from plan.protection import APP_CHECKS
from plan.settings import PROJECT, Settings
from tests.builders import production

A, B, C, X = ("a" * 40, "b" * 40, "c" * 40, "f" * 40)
FIRST, *REST = APP_CHECKS


class Runs:
    """Check runs by commit; every commit came with pull requests #1, #2 and so on, one for each head."""

    def __init__(self, own: dict[str, str], *pulls: dict[str, str]) -> None:
        self.of = {A: own} | {str(number): pull for number, pull in enumerate(pulls, 1)}

    def check_runs(self, _: str, sha: str) -> list[dict[str, Any]]:
        return [
            {"name": n, "status": "completed", "conclusion": c, "app": {"id": 15368}}
            for n, c in self.of[sha].items()
        ]

    def pulls_of(self, _: str, sha: str) -> list[dict[str, Any]]:
        assert sha == A
        return [{"number": int(head), "head": {"sha": head}} for head in self.of if head != A]


def checks(own: dict[str, str], *pulls: dict[str, str]) -> Line:
    judge = Judge(
        target=production().settings(),
        source=cast("Any", None),
        github=cast("GitHubAccount", Runs(own, *pulls)),
        watch=None,
        served={},
    )
    return next(iter(judge._app(A)))


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


def release(web: str = "", socket: str = "", digest: str = "") -> Release:
    return Release({"web": Point(web), "socket": Point(socket, digest)})


def socket_of(sha: str, web: str) -> Release:
    return release(web=web, socket=sha, digest="sha256:" + sha[0] * 8 * 8)


def promoted(
    settings: Settings, new: Release, served: str, runs: Point | None = None, *, built: bool = True
) -> Edit:
    return promoting(settings, new, {"web": Point(served), "socket": runs}, {"web": built})


def test_what_was_taken_back_stays_marked_while_another_release_is_promoted() -> None:
    settings = edited(on(A), promoted(on(A), release(web=B), ""))
    settings = edited(settings, rolling_back(settings, (WEB,)))
    assert settings.rolled_back == {"web": B}
    settings = edited(settings, promoted(settings, release(web=C), ""))
    assert (settings.release, settings.rolled_back) == (C, {"web": B})
    settings = edited(settings, rolling_back(settings, to_take_back(settings, WEB)))
    assert (settings.release, settings.rolled_back) == (A, {"web": C})


def test_a_promotion_of_one_part_leaves_the_mark_of_the_other() -> None:
    settings = edited(on(A, A), promoted(on(A, A), socket_of(B, B), ""))
    settings = edited(settings, rolling_back(settings, (SOCKET,)))
    settings = edited(settings, promoted(settings, socket_of(A, C), ""))
    assert settings.rolled_back == {"socket": B}
    assert to_take_back(settings, SOCKET) == ()  # else the bad one would come again


@pytest.mark.parametrize("later", [B, C])
def test_the_mark_goes_with_the_release_that_is_current_again_on_purpose(later: str) -> None:
    """By a promotion, or by hand: a mark of what becomes N-1 would keep a rollback from it."""
    marked = on(B if later == C else A).model_copy(update={"rolled_back": {"web": B}})
    settings = edited(marked, promoted(marked, release(web=later), ""))
    assert settings.rolled_back == {}
    assert to_take_back(settings, WEB) == (WEB,)


def record(**changes: Any) -> Settings:
    """Production's record: B current, A as N-1, of both parts."""
    named = {
        "release": B, "previousRelease": A, "autoAssignCustomDomains": False,
        "socketRelease": B, "socketDigest": f"sha256:{'b' * 64}",
        "previousSocketRelease": A, "previousSocketDigest": f"sha256:{'a' * 64}",
    }  # fmt: skip
    return production(**(named | changes)).settings()


def image(sha: str) -> Point:
    return Point(sha, f"sha256:{sha[0] * 64}")


@pytest.mark.parametrize(
    ("served", "built", "kept", "mark", "back"),
    [
        (B, True, B, None, B),  # as recorded
        (A, True, A, B, A),  # an instant rollback, or a build that failed: what serves is N-1
        (A, False, A, B, A),
        (X, True, X, B, X),  # moved to something that no record names
        (C, True, B, None, B),  # the new one was put there by hand before
        (C, False, A, None, A),  # ... and B was never built
        ("", False, A, None, A),  # nothing that has a name serves, and B was never built
    ],
)
def test_what_serves_becomes_n_minus_1_and_what_does_not_is_marked(
    served: str, built: bool, kept: str, mark: str | None, back: str
) -> None:
    """The edit, the line of the list and the next rollback name the same release."""
    settings = record()
    after = edited(settings, promoted(settings, release(web=C), served, built=built))
    assert (after.release, after.previous_release) == (C, kept)
    assert after.rolled_back == ({"web": mark} if mark else {})
    assert f"{kept[:7]} (web) becomes N-1" in judged(settings, C, served, built=built)[-1].evidence
    assert to_take_back(after, WEB) == (WEB,)
    assert edited(after, rolling_back(after, (WEB,))).release == back


def test_what_was_taken_back_and_is_the_only_other_one_is_no_way_back() -> None:
    """The domain was moved to A by hand, and A is promoted: the record then says what happened."""
    settings = record()
    after = edited(settings, promoted(settings, release(web=A), A))
    assert (after.release, after.previous_release, after.rolled_back) == (A, B, {"web": B})
    assert to_take_back(after, WEB) == ()
    assert judged(settings, A, A)[-1].ok is None


@pytest.mark.parametrize(
    ("runs", "kept", "mark"),
    [
        (image(B), B, None),
        (image(A), A, B),  # Swarm, or a person, took B back
        (Point(A), A, B),  # ... and somebody took the digest off
        (image(X), X, B),
        (Point(B, f"sha256:{'9' * 64}"), B, None),  # another image under the same tag
        (Point(), B, None),  # nothing runs
        (None, B, None),  # not asked
    ],
)
def test_what_the_host_runs_becomes_n_minus_1_of_the_socket_server(
    runs: Point | None, kept: str, mark: str | None
) -> None:
    settings = record()
    new = release(web="", socket=C, digest=image(C).digest)
    after = edited(settings, promoted(settings, new, B, runs))
    assert (after.socket_release, after.previous_socket_release) == (C, kept)
    assert after.rolled_back == ({"socket": mark} if mark else {})


def judged(
    settings: Settings, new: str, served: str, runs: Point | None = None, *, built: bool = True
) -> list[Line]:
    """The lines about the record, and last the way back."""
    source = cast("Any", SimpleNamespace(release=release(web=new)))
    judge = Judge(
        target=settings, source=source, github=cast("Any", None), watch=None,
        served={"web": Point(served), "socket": runs}, built={"web": built},
    )  # fmt: skip
    return [*judge._record(release(web=new)), judge._way_back(release(web=new))]


def test_a_record_that_does_not_serve_is_a_line_and_where_nothing_is_kept_of_it_a_no_go() -> None:
    settings = record()
    assert len(judged(settings, C, B, runs=image(B))) == 1
    told = judged(settings, C, A, runs=image(B))[0]
    assert (told.ok, f"serves {A[:7]}, not {B[:7]}, which is marked" in told.evidence) == (None, True)
    refused = judged(settings, C, "", runs=image(B))[0]
    assert (refused.ok, refused.fix) == (False, "python -m operations up --refresh --stack production")
    other_part = judged(settings, C, B, runs=image(A))[0]  # this promotion leaves the socket server alone
    assert other_part.ok is False
    assert "rollback --part socket --stack production" in other_part.fix


def test_a_domain_that_cannot_be_asked_stops_a_first_promotion_and_hides_no_migration() -> None:
    """The record names nothing yet, and what serves would become N-1: nobody knows what that is."""
    asked = "Vercel does not answer"
    judge = Judge(
        target=production().settings().model_copy(update={"release": ""}),
        source=cast("Any", SimpleNamespace(release=release(web=A))), watch=None, served={"web": None},
        troubles={"web": asked}, github=cast("GitHubAccount", Runs(all_of("success"))),
    )  # fmt: skip
    [line] = judge._record(release(web=A))
    assert (line.ok, line.evidence) == (False, asked)
    checked, migrations = judge._app(A)
    assert checked.ok
    assert (migrations.ok, asked in migrations.evidence) == (None, True)


def shown(judge: Judge, after: Loaded, parts: tuple[Part, ...] = ()) -> str:
    with out.capture() as said, contextlib.suppress(OperationError):
        _judge(judge, after, parts, None)
    return said.get()


def test_a_source_that_cannot_be_asked_is_not_nothing_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = Line.no_go("staging runs it now", "its host does not answer", "look")
    monkeypatch.setattr(Judge, "lines", lambda *_: [refused])
    for troubles, told in (({"socket": "its host does not answer"}, True), ({}, False)):
        source = cast("Any", SimpleNamespace(release=Release(), troubles=troubles))
        judge = Judge(target=record(), source=source, github=cast("Any", None), watch=None, served={})
        assert ("No-Go" in shown(judge, cast("Any", None))) is told


def test_what_moves_begins_with_what_serves_and_not_with_the_record() -> None:
    source = cast("Any", SimpleNamespace(release=release(socket=C), troubles={}))
    served = {"web": Point(B), "socket": Point()}  # its service has no task
    judge = Judge(target=record(), source=source, github=cast("Any", None), watch=None, served=served)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Judge, "lines", lambda *_: [Line.go("what", "evidence")])
        assert f"- (socket) -> {C[:7]} (socket)" in shown(judge, cast("Any", None), (SOCKET,))


def test_a_rollback_tells_of_the_parts_that_move_and_of_no_other() -> None:
    both = release(web=A, socket=B)
    assert both.told((WEB,)) == f"{A[:7]} (web)"
    assert str(both) == f"{A[:7]} (web), {B[:7]} (socket)"
    assert str(release(web=A, socket=A)) == f"{A[:7]} (web and socket)"


def test_the_image_of_a_dropped_run_is_found_and_one_that_was_taken_back_is_not() -> None:
    """The newest commit that has an image; behind what was taken back nobody looks."""
    images = {A: "sha256:a", C: "sha256:c"}
    found = newest_image(record(), [A, C, X], lambda sha: images.get(sha, ""))
    assert found == Point(C, "sha256:c")
    marked = record(rolledBack={"socket": C})
    assert newest_image(marked, [A, C, X], lambda sha: images.get(sha, "")) == Point()
    assert newest_image(record(), [X], lambda sha: images.get(sha, "")) == Point()
