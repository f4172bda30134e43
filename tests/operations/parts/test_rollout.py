"""What is said about a rollout: the sentence for every way in which one can end."""

import re
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

import pulumi
import pytest

from operations.hooks import rollout
from operations.parts.rollout import Rollout, Wanted, failure
from operations.services import hosts
from operations.services.accounts import GitHubAccount, VercelAccount
from operations.services.hosts import Host
from operations.services.running import Image, Running, running_of
from operations.stack.workspace import OperationError
from operations.verbs.rotate import Carriers
from plan.hosts import socket_host
from tests.builders import monitored, production, staging
from tests.components.recording import record

ONE, TWO = (Image("registry.example/socket", digit * 40, f"sha256:{digit * 64}") for digit in "12")
OTHER = Image("another.example/socket", TWO.tag, TWO.digest)  # the same release by another name


def running(image: Image, update: str = "rollback_completed", **serving: int) -> Running:
    by_image = {{"one": ONE, "two": TWO, "other": OTHER}[name]: count for name, count in serving.items()}
    return Running(
        service="paintshare-staging-socket", image=image, previous=None, desired=2,
        healthy=by_image.get(image, 0), serving=by_image, update=update, message="",
        since=datetime(2026, 11, 25, tzinfo=UTC),
    )  # fmt: skip


def task(node: str, state: str = "running") -> dict[str, Any]:
    return {
        "NodeID": node, "Status": {"State": state},
        "Spec": {"ContainerSpec": {"Image": str(ONE)}},
    }  # fmt: skip


def node(id: str, state: str = "ready", availability: str = "active") -> dict[str, Any]:
    return {
        "ID": id, "Status": {"State": state}, "Spec": {"Availability": availability},
        "Description": {"Hostname": f"host-{id}"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("tasks", "nodes", "idle"),
    [
        ([task("a"), task("a")], [node("a"), node("b")], ("host-b",)),
        ([task("a"), task("a")], [node("a"), node("b"), node("c")], ("host-b", "host-c")),
        ([task("a"), task("b")], [node("a"), node("b")], ()),
        ([task("a"), task("a"), task("b")], [node("a"), node("b")], ()),
        ([task("a"), task("a")], [node("a")], ()),
        ([task("a"), task("a")], [node("a"), node("b", "down")], ()),
        ([task("a"), task("a")], [node("a"), node("b", availability="drain")], ()),
        ([task("a"), task("a", "preparing")], [node("a"), node("b")], ()),
    ],
)
def test_a_node_without_a_task_is_named_where_another_has_two(
    tasks: list[dict[str, Any]], nodes: list[dict[str, Any]], idle: tuple[str, ...]
) -> None:
    spec = {"Name": "s", "TaskTemplate": tasks[0]["Spec"], "Mode": {"Replicated": {"Replicas": 2}}}
    service = {"Spec": spec, "UpdatedAt": "2026-11-25T10:00:00.123Z"}
    found = running_of(service, tasks, nodes)
    assert found.idle == idle
    assert ("docker service update --force s spreads them" in found.text) == bool(idle)
    spec["TaskTemplate"]["Placement"] = {"Constraints": ["node.role==manager"]}
    assert running_of(service, tasks, nodes).idle == ()


@pytest.mark.parametrize(
    ("now", "reasons", "said"),
    [
        (
            running(ONE, one=2),
            ["task: non-zero exit (1)"],
            f"release {TWO.tag} failed (task: non-zero exit (1)); {ONE.tag} still serves (2 of 2 tasks).",
        ),
        (running(ONE, one=1), [], f"release {TWO.tag} failed; {ONE.tag} still serves (1 of 2 tasks)."),
        (
            running(TWO, two=2),
            [],
            f"the new settings of release {TWO.tag} failed; {TWO.tag} still serves (2 of 2 tasks).",
        ),
        (
            running(TWO, "updating", one=1, two=1),
            [],
            f"release {TWO.tag} failed; serving now, in tasks: {ONE.tag} with 1, {TWO.tag} with 1.",
        ),
        (
            running(TWO, "rollback_paused"),
            [],
            f"the new settings of release {TWO.tag} failed; nothing serves.",
        ),
        (
            running(TWO, "completed", two=2),  # Swarm refused the change, and nothing of it began
            [],
            f"the new settings of release {TWO.tag} failed; {TWO.tag} still serves (2 of 2 tasks).",
        ),
        (
            running(OTHER, "completed", other=2),
            [],
            f"release {TWO.tag} failed; {OTHER} still serves (2 of 2 tasks).",
        ),
        (running(TWO, "paused"), [], f"release {TWO.tag} failed; nothing serves."),
        (None, ["No such image"], f"release {TWO.tag} failed (No such image); nothing serves."),
    ],
)
def test_the_sentence_names_what_failed_and_what_serves(
    now: Running | None, reasons: list[str], said: str
) -> None:
    wanted = Wanted("paintshare-staging-socket", TWO, f"release {TWO.tag}")
    assert failure(wanted, now, reasons).startswith(said)


class Told(Host):
    """A host that is asked again and again, and says one after the other."""

    def __init__(self, *said: Running | None) -> None:
        self._said = list(said)

    def service(self, name: str) -> Running | None:
        del name
        return self._said.pop(0) if len(self._said) > 1 else self._said[0]

    def reasons(self, name: str, image: Image) -> list[str]:
        del name, image
        return []


@pytest.mark.parametrize(
    ("said", "settled"),
    [
        ([running(ONE, "rollback_started", one=1, two=1)] * 3 + [running(ONE, one=2)], running(ONE, one=2)),
        ([running(ONE, one=1, two=1)], running(ONE, one=1, two=1)),  # a task that will not end
        ([None], None),
    ],
)
def test_what_serves_is_told_after_the_rollback_whose_time_is_not_the_patience_for_its_last_task(
    monkeypatch: pytest.MonkeyPatch, said: list[Running | None], settled: Running | None
) -> None:
    monkeypatch.setattr(hosts, "_POLL", 0.01)
    assert Told(*said).settle("paintshare-staging-socket", patience=0.005) == settled


MONITOR = ("blackbox", "alertmanager", "prometheus", "proxy")


def _of_monitor(role: str, update: str) -> Running:
    image = Image.parse(getattr(monitored(production()).settings(), f"{role}_image"))
    return Running(
        service=f"paintshare-production-monitor-{role}", image=image, previous=None, desired=1, healthy=1,
        serving={image: 1}, update=update, message="", since=datetime(2026, 11, 25, tzinfo=UTC),
    )  # fmt: skip


@pytest.mark.parametrize("role", MONITOR)
def test_a_service_of_the_monitor_that_keeps_its_old_configuration_is_no_success(
    monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    rollout = Rollout(monitored(production()).settings())
    name = f"paintshare-production-monitor-{role}"
    monkeypatch.setattr(hosts, "connected", lambda _: nullcontext(Told(_of_monitor(role, "completed"))))
    assert rollout.await_monitor(f"uptime-{role}") == name
    back = _of_monitor(role, "rollback_completed")
    monkeypatch.setattr(hosts, "connected", lambda _: nullcontext(Told(back)))
    said = f"the new settings of {name} ({back.image}) failed; {back.image.tag} still serves"
    with pytest.raises(OperationError, match=re.escape(said)):
        rollout.await_monitor(f"uptime-{role}")


class Several(Told):
    """A host with several services, of which some were rolled back."""

    def __init__(self, *back: str) -> None:
        super().__init__(None)
        self._back = back

    def service(self, name: str) -> Running | None:
        return running(ONE, "rollback_completed" if name in self._back else "completed", one=2)


def test_an_up_that_leaves_such_a_service_as_it_is_fails_again_until_its_configuration_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = [f"paintshare-production-{part}" for part in ("proxy", "monitor-alertmanager", "agent")]
    monkeypatch.setattr(hosts, "connected", lambda _: nullcontext(Several(*kept)))
    rollout = Rollout(monitored(production()).settings())
    with pytest.raises(OperationError) as refused:
        rollout.refuse_taken_back({"paintshare-production-monitor-prometheus"})
    lines = str(refused.value).splitlines()
    assert len(lines) == len(kept)
    assert all("pulumi up --refresh" in line for line in lines)
    assert [name for name in kept[1:] if any(name in line for line in lines)] == kept[1:]
    assert rollout.refuse_taken_back(kept) == ""


def test_a_rotation_does_not_call_a_service_renewed_that_went_back(monkeypatch: pytest.MonkeyPatch) -> None:
    back = running(ONE, "rollback_completed", one=2)
    monkeypatch.setattr(hosts, "connected", lambda _: nullcontext(Told(back)))
    settings = production().settings()
    vercel = VercelAccount("token", settings.vercel_team, settings.vercel_project_id)
    carriers = Carriers(keys=(), vercel=vercel, github=GitHubAccount("token", settings.github_owner))
    found = carriers.stores(settings, {}, {"s": socket_host(settings)})
    assert [(each.ok, "rollback completed" in each.text) for each in found.troubles] == [(False, True)]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Rollout]:
    """The rollout of release TWO on a host that says one after the other."""

    def made(*said: Running, monitor: bool = False) -> Rollout:
        monkeypatch.setattr(hosts, "_POLL", 0.001)
        monkeypatch.setattr(hosts, "connected", lambda _: nullcontext(Told(*said)))
        named: dict[str, Any] = {
            "socketRelease": TWO.tag,
            "socketDigest": TWO.digest,
            "socketImage": "registry.example/socket",
        }
        file = staging(**named)
        rollout = Rollout((monitored(file) if monitor else file).settings())
        rollout._window = 0.1
        return rollout

    return made


@pytest.mark.parametrize("which", ["server", "proxy", *(f"uptime-{role}" for role in MONITOR), "agent-agent"])
def test_a_service_that_is_made_anew_is_watched_as_an_update_would_be(
    asked: Callable[..., Rollout], which: str
) -> None:
    def awaited(*said: Running) -> str | None:
        rollout = asked(*said, monitor=True)
        if which in ("server", "proxy"):
            return str(getattr(rollout, f"await_new_{which}")() or "")
        return rollout.await_new_monitor(which)

    sound, dying = running(TWO, "", two=2), running(TWO, "", two=1)
    monitor = which.rpartition("-")
    service = f"paintshare-staging-{'monitor-' if monitor[0] == 'uptime' else ''}{monitor[2]}"
    assert awaited(sound) == (service if monitor[0] else "")
    with pytest.raises(OperationError, match=r"failed; .* still serves \(1 of 2 tasks\)"):
        awaited(sound, sound, dying)  # healthy, and then not: the plugin has returned by then


def test_a_service_of_the_monitor_that_was_made_and_runs_no_task_stays_red(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dead = running(TWO, "")
    monkeypatch.setattr(hosts, "connected", lambda _: nullcontext(Told(dead)))
    rollout = Rollout(monitored(production()).settings())
    names = [f"paintshare-production-monitor-{role}" for role in MONITOR]
    with pytest.raises(OperationError) as refused:
        rollout.refuse_taken_back({"paintshare-production-socket"})
    assert [name for name in names if name in str(refused.value)] == names


def test_a_service_that_was_made_and_runs_no_task_stays_red_although_the_state_has_it(
    asked: Callable[..., Rollout],
) -> None:
    with pytest.raises(OperationError, match=f"release {TWO.tag} failed; nothing serves"):
        asked(running(TWO, "")).refuse_taken_back(())
    assert asked(running(TWO, "", two=1)).refuse_taken_back(()) == ""
    assert "settings back" in asked(running(TWO, two=2)).refuse_taken_back(("paintshare-staging-proxy",))


def test_the_engine_calls_what_waits_for_a_service_whether_it_is_made_or_updated() -> None:
    settings = monitored(staging(socketRelease=TWO.tag, socketDigest=TWO.digest)).settings()
    bound: list[pulumi.ResourceHookBinding | None] = []

    def program() -> None:
        of = (rollout.of_server, rollout.of_proxy, rollout.of_monitor)
        bound.extend(each(settings) for each in of)

    record(program, "staging")
    assert len(bound) == 3
    for hooks in bound:
        assert hooks is not None
        assert hooks.after_create
        assert hooks.after_update
        # A hook before or after a deletion would have `destroy` refused (it needs the program to run).
        assert not hooks.before_delete
        assert not hooks.after_delete


def test_a_rollout_that_swarm_had_not_begun_when_it_was_asked_first_is_judged_by_its_end(
    asked: Callable[..., Rollout],
) -> None:
    before = [running(TWO, "", one=2), running(TWO, "updating", one=1, two=1)]
    assert asked(*before, running(TWO, "completed", two=2)).await_server() == ""
    with pytest.raises(OperationError, match=f"release {TWO.tag} failed; {ONE.tag} still serves"):
        asked(*before, running(ONE, "rollback_started", one=1, two=1), running(ONE, one=2)).await_server()
