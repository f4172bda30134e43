"""What is said about a rollout: the sentence for every way in which one can end."""

from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

import pytest

from operations import hosts
from operations.hosts import Host, Image, Running, _running
from operations.rollout import Rollout, Wanted, failure
from operations.workspace import OperationError
from tests.builders import staging

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
    found = _running(service, tasks, nodes)
    assert found.idle == idle
    assert ("docker service update --force s spreads them" in found.text) == bool(idle)
    spec["TaskTemplate"]["Placement"] = {"Constraints": ["node.role==manager"]}
    assert _running(service, tasks, nodes).idle == ()


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


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Rollout]:
    """The rollout of release TWO on a host that says one after the other."""

    def made(*said: Running) -> Rollout:
        monkeypatch.setattr(hosts, "_POLL", 0.001)
        monkeypatch.setattr(hosts, "connected", lambda _: nullcontext(Told(*said)))
        named = {
            "socketRelease": TWO.tag,
            "socketDigest": TWO.digest,
            "socketImage": "registry.example/socket",
        }
        return Rollout(staging(**named).settings())

    return made


def test_a_rollout_that_swarm_had_not_begun_when_it_was_asked_first_is_judged_by_its_end(
    asked: Callable[..., Rollout],
) -> None:
    before = [running(TWO, "", one=2), running(TWO, "updating", one=1, two=1)]
    assert asked(*before, running(TWO, "completed", two=2)).await_server() == ""
    with pytest.raises(OperationError, match=f"release {TWO.tag} failed; {ONE.tag} still serves"):
        asked(*before, running(ONE, "rollback_started", one=1, two=1), running(ONE, one=2)).await_server()
