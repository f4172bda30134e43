"""The comment of a preview: nothing in it can act, every part fits, and no secret is shown."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.verbs.comment import LIMIT, marker, render, render_failure
from operations.verbs.review import SECRET, Change, Difference, Review, compare, steps

URN = "urn:pulumi:production::paintshare::paintshare:index:WebApp$vercel:index/projectDomain:ProjectDomain::"
STACK = "urn:pulumi:production::paintshare::pulumi:pulumi:Stack::paintshare-production"


Inputs = dict[str, Any]


def step(
    name: str, op: str, new: Inputs | None = None, old: Inputs | None = None, **more: Any
) -> dict[str, Any]:
    """As the engine prints it: the state before where there was one, the state after where there is one."""
    found = {"urn": URN + name, "op": op, **more}
    if op != "create":
        found["oldState"] = {"urn": URN + name, "inputs": {"__defaults": [], **(old or new or {})}}
    if op != "delete":
        found["newState"] = {"urn": URN + name, "inputs": {"__defaults": [], **(new or {})}}
    return found


def plan(*found: dict[str, Any]) -> str:
    return json.dumps({"steps": [{"urn": STACK, "op": "same", "newState": {}}, *found]})


def reviewed(base: str, head: str) -> Review:
    return compare(steps(base), steps(head))


def bodies(review: Review) -> list[str]:
    return render(review, stack="production", where="live", head="a" * 40, base="b" * 40)


# --- what the pull request changes -------------------------------------------------------------------------


def test_what_the_base_would_change_anyway_is_counted_and_not_shown() -> None:
    pending = step("old", "update", {"value": "new"})
    review = reviewed(plan(pending), plan(pending, step("mine", "create")))
    assert [(c.op, c.name) for c in review.changes] == [("create", "mine")]
    assert review.pending == 1
    assert "1 change is pending on the base already" in bodies(review)[-1]


def test_a_change_shows_each_property_with_its_old_and_new_value() -> None:
    old = {"redirect": "a", "codes": [1, 2], "gone": True}
    head = plan(step("d", "update", {"redirect": "b", "codes": [1, 3], "added": {"x": 1}}, old))
    [change] = reviewed(plan(), head).changes
    assert (change.op, change.type) == ("update", "vercel:index/projectDomain:ProjectDomain")
    assert change.differences == (
        Difference(path="added", old=None, new='{"x": 1}'),
        Difference(path="codes[1]", old="2", new="3"),
        Difference(path="gone", old="true", new=None),
        Difference(path="redirect", old="a", new="b"),
    )


def test_a_replacement_is_told_from_an_update_however_many_steps_it_takes() -> None:
    ops = ("delete-replaced", "replace", "create-replacement")
    head = plan(*(step("d", op, {"domain": "b"}, {"domain": "a"}) for op in ops))
    [change] = reviewed(plan(), head).changes
    assert (change.op, change.differences) == ("replace", (Difference(path="domain", old="a", new="b"),))


def test_a_changed_secret_shows_as_changed_and_without_a_value() -> None:
    head = plan(step("d", "update", {"value": SECRET}, detailedDiff={"value": {"kind": "update"}}))
    review = reviewed(plan(), head)
    assert "value: [secret]  (changed)" in bodies(review)[0]


def test_a_changed_secret_of_a_plugin_that_only_names_it_shows_without_what_is_computed_anew() -> None:
    head = plan(step("d", "update", {"value": SECRET}, diffReasons=["comment", "value", "id"]))
    [change] = reviewed(plan(), head).changes
    assert [difference.path for difference in change.differences] == ["value"]


def test_what_neither_would_create_is_compared_as_it_would_be() -> None:
    """Before a first `up` everything is to be created: a changed property is what the pull request brings."""
    review = reviewed(plan(step("d", "create", {"a": "1"})), plan(step("d", "create", {"a": "2"})))
    assert [(c.op, c.differences) for c in review.changes] == [
        ("update", (Difference(path="a", old="1", new="2"),))
    ]


def test_what_the_pull_request_leaves_undone_is_shown_as_the_way_back() -> None:
    """The base would change it with the next `up`, the head would not."""
    [change] = reviewed(plan(step("d", "update", {"a": "new"}, {"a": "old"})), plan()).changes
    assert (change.op, change.differences) == ("update", (Difference(path="a", old="new", new="old"),))


def test_a_deletion_and_one_that_the_pull_request_averts_are_shown() -> None:
    base, head = plan(step("kept", "delete")), plan(step("gone", "delete"))
    assert {(c.op, c.name) for c in reviewed(base, head).changes} == {("delete", "gone"), ("keep", "kept")}


@pytest.mark.parametrize(
    ("removed", "op"),
    [
        ({"oldState": {"inputs": {}, "retainOnDelete": True}}, "forget"),
        ({"oldState": {"inputs": {}, "retainOnDelete": False}}, "delete"),
        ({"urn": URN.replace("projectDomain:ProjectDomain", "deployment:Deployment") + "gone"}, "forget"),
    ],
)
def test_the_removal_of_what_stays_is_told_as_forgetting_it(removed: Inputs, op: str) -> None:
    """A volume, a domain's alias and the project are retained; builds are never deleted by the provider."""
    review = reviewed(plan(), plan({**step("gone", "delete"), **removed}))
    assert [(c.op, c.name) for c in review.changes] == [(op, "gone")]
    [body] = bodies(review)
    assert f"would {op} 1." in body
    assert ("stays where it is" in body) == (op == "forget")


@pytest.mark.parametrize(("retained", "op"), [(True, "renew"), (False, "replace")])
def test_the_replacement_of_what_stays_is_told_as_a_new_one_beside_it(retained: bool, op: str) -> None:
    ops = ("create-replacement", "replace", "delete-replaced")
    head = plan(*(step("d", op, {"domain": "b"}, {"domain": "a"}) for op in ops))
    found = json.loads(head)
    for each in found["steps"]:
        each.get("oldState", {})["retainOnDelete"] = retained
    review = reviewed(plan(), json.dumps(found))
    assert [(change.op, len(change.differences)) for change in review.changes] == [(op, 1)]
    [body] = bodies(review)
    assert f"would {op} 1." in body
    assert ("the old one stays where it is" in body) == retained


def test_a_property_whose_name_holds_a_dot_is_told_in_the_engines_syntax() -> None:
    head = plan(step("d", "update", {"env": {"A.B": "2"}}, {"env": {"A.B": "1"}}))
    [change] = reviewed(plan(), head).changes
    assert change.differences == (Difference(path='env["A.B"]', old="1", new="2"),)


def test_nothing_changed_is_said() -> None:
    assert "changes no resource" in bodies(reviewed(plan(step("d", "same")), plan(step("d", "same"))))[0]


# --- 400 resources -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def large() -> list[str]:
    """400 resources, 20 properties each, long values with everything that means something to GitHub."""
    nasty = (
        "````\n@everyone #1 ![x](https://evil.example/x) <img src=x> <!-- paintshare-preview:production -->"
    )
    old = {f"p{n}": nasty + str(n) * 100 for n in range(20)}
    new = {key: value.upper() for key, value in old.items()}
    head = plan(*(step(f"r{n}", "update", new, old) for n in range(400)))
    return bodies(reviewed(plan(), head))


def test_a_preview_of_400_resources_is_split_into_parts_that_fit_and_lose_nothing(large: list[str]) -> None:
    assert len(large) > 1
    assert all(len(body) <= LIMIT and len(body.encode()) <= LIMIT for body in large)
    shown = re.findall(r"^! update  (r\d+) ", "\n".join(large), re.MULTILINE)
    assert sorted(shown) == sorted(f"r{n}" for n in range(400))
    assert "would update 400." in large[0]
    assert [f"(part {n} of {len(large)})" in body for n, body in enumerate(large, 1)] == [True] * len(large)


def test_every_part_carries_the_marker_once_in_its_first_line(large: list[str]) -> None:
    for body in large:
        assert body.splitlines()[0] == marker("production")


def outside(body: str) -> str:
    """The text outside its fenced block, as CommonMark reads fences."""
    kept, fence = [], ""
    for line in body.splitlines():
        opened = re.match(r"(`{3,})", line)
        if not fence and opened:
            fence = opened[1]
        elif fence and re.fullmatch(rf"{fence}`*\s*", line):
            fence = ""
        elif not fence:
            kept.append(line)
    assert not fence, "a fence is left open"
    return "\n".join(kept)


def test_nothing_of_a_resource_stands_outside_the_block(large: list[str]) -> None:
    for body in large:
        assert not re.search(r"@|#1|!\[|<img|https?:", outside(body))


ANY = st.text(st.characters(codec="utf-8"), max_size=80)


@given(name=ANY, path=ANY, old=ANY, new=ANY)
def test_no_text_whatsoever_leaves_its_line_or_its_block(name: str, path: str, old: str, new: str) -> None:
    change = Change(
        op="update", name=name, type="a:b:C", differences=(Difference(path=path, old=old, new=new),)
    )
    [body] = bodies(Review(changes=(change,), pending=0))
    assert len(re.split(r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]", body)) == 11
    assert outside(body) == outside(
        bodies(Review(changes=(Change(op="update", name="x", type="a:b:C"),), pending=0))[0]
    )


def test_what_would_reorder_or_hide_text_is_shown_as_an_escape() -> None:
    change = Change(op="create", name="a\u202eb\u200bc\x1b[31m\nd", type="t")
    [body] = bodies(Review(changes=(change,), pending=0))
    assert r"a\u{202e}b\u{200b}c\u{1b}[31m\nd" in body


# --- a failed preview --------------------------------------------------------------------------------------


def test_a_failure_shows_the_end_of_what_the_engine_said_and_fits() -> None:
    [body] = render_failure(
        "\n".join(f"```line {n} " + "x" * 5000 for n in range(1000)), stack="s", where="live"
    )
    assert len(body.encode()) <= LIMIT
    assert "line 999" in body
    assert "```line" not in outside(body)
