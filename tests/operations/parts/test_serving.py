"""What really serves against what the record says: each way in which they differ is told with its command."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from operations.parts import Access, Served
from operations.parts.release import ways_on
from operations.parts.swarm import Swarm, point
from operations.parts.web import Web, judge_web, verify_account, verify_previous
from operations.services.accounts import VercelAccount
from operations.services.running import Image, Running
from operations.verbs.rotate import Rotation, landed, not_yet, unsettled
from plan.promotion import Point
from plan.settings import Settings
from plan.socket import service_name
from plan.web import names
from rehearsal import demo
from tests.builders import production, staging

A, B, X = ("a" * 40, "b" * 40, "f" * 40)
BACK = "python -m operations up --refresh --stack production"
NOW = datetime(2026, 3, 2, tzinfo=UTC)
SERVICE = service_name("production")


def pinned() -> Settings:
    named = {"release": B, "previousRelease": A, "autoAssignCustomDomains": False, "redirectDomains": []}
    return production(**named).settings()


def web(sha: str, deployment: str = "dpl_1") -> Web:
    return Web(deployment=deployment, sha=sha, url="u", ready=True, created=1, since=NOW)


def built(*shas: str) -> dict[str, Any]:
    return {names("release", sha): {"id": f"dpl_{sha[0]}"} for sha in shas}


@pytest.mark.parametrize(
    ("served", "said"),
    [
        (None, ["serves nothing", BACK]),
        (web(A), [f"serves {A[:7]}, not the release {B[:7]}", BACK, "rollback --part web"]),
        (web(X), [f"serves {X[:7]}", BACK, "promote --stack production"]),
        (web(B, "dpl_old"), ["another build of it", BACK]),  # an instant rollback behind a rotation
    ],
)
def test_a_domain_that_serves_something_else_is_told_with_the_commands_that_settle_it(
    served: Web | None, said: list[str]
) -> None:
    finding = judge_web(pinned(), served, built(A, B))
    assert finding.ok is False
    assert [each for each in said if each not in finding.text] == []
    assert judge_web(pinned(), web(B, "dpl_b"), built(A, B)).ok


def test_a_release_that_was_never_built_is_not_sent_to_a_refresh() -> None:
    finding = judge_web(pinned(), web(A), built(A))
    assert (
        f"{B[:7]} was never built; to try again: python -m operations up --stack production" in finding.text
    )
    assert "rollback --part web --stack production" in finding.text


class Account:
    """Vercel, with everything as `live` says."""

    def __init__(self, **live: Any) -> None:
        self.live = live

    def project(self) -> Any:
        return {"autoAssignCustomDomains": False, **self.live.get("project", {})}

    def domains(self) -> Any:
        mine = {"name": demo.PRODUCTION_DOMAIN, "verified": True}
        return [] if self.live.get("gone") else [{**mine, **self.live.get("domain", {})}]

    def custom_environments(self) -> Any:
        matcher = {"type": "equals", "pattern": self.live.get("follows", "develop")}
        return [{"id": "env_1", "slug": "staging", "branchMatcher": matcher}]

    def deployment(self, _: str) -> Any:
        found = {"id": "dpl_a", "url": "u", "createdAt": 1}
        return self.live.get("build") and {**found, "readyState": self.live["build"]}


def told(settings: Settings, **live: Any) -> list[str]:
    account = cast("VercelAccount", Account(**live))
    found = [*verify_account(settings, account), *verify_previous(settings, account, built(A, B))]
    assert all(each.ok is False for each in found)
    return [each.text for each in found]


@pytest.mark.parametrize(
    ("live", "said"),
    [
        ({"project": {"autoAssignCustomDomains": True}}, "the next push to `main` is published"),
        ({"project": {"paused": True}}, "the project is paused"),
        ({"gone": True}, "is no domain of the project"),
        ({"domain": {"redirect": "evil.example"}}, "redirects to evil.example"),
        ({"domain": {"gitBranch": "develop"}}, "follows the branch develop"),
        ({"domain": {"customEnvironmentId": "env_1"}}, "belongs to another environment"),
        ({"domain": {"verified": False}}, "is not verified"),
        ({"build": "ERROR"}, f"{A[:7]} is gone from Vercel, so there is no way back"),
    ],
)
def test_whatever_else_decides_what_a_visitor_gets_is_looked_at(live: dict[str, Any], said: str) -> None:
    assert told(pinned(), build="READY") == []
    [text] = told(pinned(), **{"build": "READY", **live})
    assert said in text
    assert "--stack production" in text or "dashboard" in text


def test_a_custom_environment_that_follows_another_branch_is_told() -> None:
    domain = {"name": demo.STAGING_DOMAIN, "customEnvironmentId": "env_1"}
    assert told(staging().settings(), domain=domain) == []
    [text] = told(staging().settings(), domain=domain, follows="main")
    assert "staging follows main, not develop" in text


def running(image: str, serving: dict[str, int], desired: int = 2) -> Running:
    images = {Image(tag=tag): count for tag, count in serving.items()}
    return Running(
        service="s", image=Image(tag=image), previous=None, desired=desired, message="", since=NOW,
        healthy=serving.get(image, 0), serving=images, update="",
    )  # fmt: skip


def test_what_a_service_runs_is_what_its_tasks_are() -> None:
    assert point(running(B, {B: 2})) == Point(B)
    assert point(running(B, {A: 2})) == Point(A)  # the new one has not come up
    assert point(running(B, {})) == Point()
    assert point(running(B, {}, desired=0)) == Point(B)  # scaled to nothing by hand


def test_a_rotation_does_not_begin_where_it_would_bring_back_what_was_taken_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A new build of what the record names would take the domain; the service would get its image."""
    settings = pinned().model_copy(update={"socket_release": B, "socket_digest": "d"})
    pepper, discord, service = ("BATTLE_PASSWORD_PEPPER",), ("SLACK_WEBHOOK_URL",), (SERVICE,)

    def asked(keys: tuple[str, ...], served: str, runs: Point, services: tuple[str, ...] = ()) -> list[str]:
        live = {
            "id": "dpl_1",
            "gitSource": {"sha": served},
            "url": "u",
            "readyState": "READY",
            "createdAt": 1,
        }
        account = cast("VercelAccount", SimpleNamespace(served=lambda _: live))
        found = Served(point=runs, wanted=runs, settled=True, since=NOW, text="")
        monkeypatch.setattr(Swarm, "served", lambda *_, **__: found)
        return unsettled(Access(settings=settings, vercel=account), keys, services)

    assert asked(pepper, B, Point(B, "d"), service) == []
    [text] = asked(pepper, A, Point(A))  # the service is not written: whatever it runs
    assert "rollback --part web --stack production" in text
    [text] = asked(pepper, B, Point(A), service)
    assert f"{SERVICE} runs {A[:7]}, not the release {B[:7]}" in text
    assert "rollback --part socket --stack production" in text
    assert asked(discord, A, Point(A)) == []  # is in no build


def test_builds_that_failed_are_told_with_what_gets_on_without_them() -> None:
    """`rollback` and `up` do not name each other for ever."""
    [text] = ways_on(pinned(), f"the update failed:\nweb-release-{B}: the build failed")
    assert "rollback --part web --stack production" in text
    assert "promote --stack production" in text
    [text] = ways_on(pinned(), f"web-release-{A}: deployment canceled")
    assert "pulumi config rm previousRelease --stack production" in text
    assert ways_on(pinned(), "socket-service: failed") == []  # it names no socket server
    staged = staging(
        socketRelease=B, socketDigest="d", previousSocketRelease=A, previousSocketDigest="e"
    ).settings()
    for said in ("socket-service: rollback completed", f"release {B} failed (exit 1)"):
        [text] = ways_on(staged, said)
        assert f"back to {A[:7]}: python -m operations rollback --part socket --stack staging" in text
        assert "operations stage --stack staging" in text


def test_a_rotation_that_did_not_get_through_says_not_to_revoke() -> None:
    settings = pinned()
    new = Rotation(change=lambda _: None, secrets={"SENTRY_DSN": "new"})
    assert not landed(settings, new)
    assert landed(new.applied(settings), new)
    assert not landed(settings, Rotation(change=lambda _: None, secrets={}, dropped=("SENTRY_DSN",)))
    assert "do NOT revoke the old value of SENTRY_DSN" in not_yet(settings, ["SENTRY_DSN"])
