"""What `drift` concludes from the state, the engine's plans and the APIs' answers."""

import copy
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from operations.services.accounts import GitHubAccount, Json, VercelAccount
from operations.stack.workspace import OperationError, Workspace
from operations.verbs import drift
from operations.verbs.drift import unseen
from operations.verbs.drift.unseen import BY_HAND, CLOCK_SKEW
from tests.builders import production, staging

URN: Final = "urn:pulumi:production::paintshare::"
WRITTEN: Final = "2026-11-25 10:00:00 +0000 UTC"
MODIFIED: Final = "2026-11-25T10:00:00.123456789Z"
MODIFIED_MS: Final = 1_795_600_800_123


def resource(type: str, name: str, inputs: Json, outputs: Json | None = None, **more: Any) -> Json:
    outputs = inputs if outputs is None else {**inputs, **outputs}
    return {
        "urn": f"{URN}{type}::{name}",
        "type": type,
        "id": name,
        "inputs": inputs,
        "outputs": outputs,
    } | more


PLACE: Final = {"repository": "app", "environment": "production"}
ENVIRONMENT: Final = resource(
    unseen.ENVIRONMENT, "gate-env",
    {
        **PLACE,
        "reviewers": [{"users": [1], "teams": [2]}],
        "deploymentBranchPolicy": {"customBranchPolicies": True},
    },
)  # fmt: skip
MAIN: Final = resource(unseen.POLICY, "gate-main", {**PLACE, "branchPattern": "main"})
TAGS: Final = resource(unseen.POLICY, "gate-tags", {**PLACE, "tagPattern": "v*"})
SECRET: Final = resource(
    unseen.SECRET, "gate-secret", {**PLACE, "secretName": "HOOK"}, {"updatedAt": WRITTEN}
)
RULESET: Final = resource(unseen.RULESET, "77", {"repository": "app", "name": "main"})
VARIABLE: Final = resource(
    unseen.VARIABLE, "web-variable-PEPPER-production", {"key": "PEPPER", "sensitive": True}, modified=MODIFIED
)  # fmt: skip
REVIEWERS: Final = {
    "type": "required_reviewers",
    "reviewers": [{"type": "User", "reviewer": {"id": 1}}, {"type": "Team", "reviewer": {"id": 2}}],
}


class GitHub(GitHubAccount):
    def __init__(self) -> None:
        self.rules: list[Json] = [REVIEWERS]
        self.live_policies = [
            {"id": 1, "name": "main", "type": "branch"},
            {"id": 2, "name": "v*", "type": "tag"},
        ]
        self.times = {"HOOK": "2026-11-25T10:00:00Z"}
        self.bypass: Json = {"bypass_actors": []}
        self.deleted: list[tuple[str, str, int]] = []
        self.written: list[tuple[str, str, Json]] = []

    def environment(self, repository: str, name: str) -> Json | None:
        assert (repository, name) == ("app", "production")
        return {"protection_rules": self.rules}

    def put_environment(self, repository: str, name: str, body: Json) -> Json:
        self.written.append((repository, name, body))
        self.rules = [{**REVIEWERS, "prevent_self_review": body["prevent_self_review"]}]
        policy = body["deployment_branch_policy"]
        return {
            "protection_rules": self.rules,
            "can_admins_bypass": False,
            "deployment_branch_policy": policy,
        }

    def policies(self, repository: str, environment: str) -> list[Json]:
        assert (repository, environment) == ("app", "production")
        return self.live_policies

    def secrets(self, repository: str, environment: str) -> dict[str, str]:
        assert (repository, environment) == ("app", "production")
        return self.times

    def ruleset(self, repository: str, id: str) -> Json | None:
        assert repository == "app"
        return {"id": id, **self.bypass}

    def delete_policy(self, repository: str, environment: str, id: int) -> None:
        self.deleted.append((repository, environment, id))


class Vercel(VercelAccount):
    def __init__(self, updated: int = MODIFIED_MS) -> None:
        self.live = [{"id": "web-variable-PEPPER-production", "key": "PEPPER", "updatedAt": updated}]

    def variables(self) -> list[Json]:
        return self.live


class Stack(Workspace):
    """A stack whose state and plans are given: `plans` by whether the preview refreshes."""

    calls: list[tuple[str, ...]]

    def __init__(self, state: list[Json], refreshed: Any = (), plain: Any = ()) -> None:
        super().__init__(folder=Path("/nowhere"), stack="production", env={})
        object.__setattr__(self, "given", {"deployment": {"resources": copy.deepcopy(state)}})
        object.__setattr__(self, "plans", {True: refreshed, False: plain})
        object.__setattr__(self, "calls", [])

    def pulumi(self, *args: str, stdin: str = "") -> str:
        self.calls.append(args)
        if args[:2] == ("stack", "export"):
            return json.dumps(self.given)  # type: ignore[attr-defined]
        if args[:2] == ("stack", "import"):
            object.__setattr__(self, "given", json.loads(stdin))
            return ""
        plan = self.plans["--refresh" in args]  # type: ignore[attr-defined]
        if callable(plan):
            plan = plan(args)
        return json.dumps({"steps": list(plan)})


STATE: Final = [ENVIRONMENT, MAIN, TAGS, SECRET, RULESET, VARIABLE]


def update(of: Json, **paths: tuple[Any, Any]) -> Json:
    """A step that would change `of`: property -> (value there, value declared)."""
    return {
        "op": "update", "urn": of["urn"], "detailedDiff": {path: {"kind": "update"} for path in paths},
        "oldState": {"inputs": {path: old for path, (old, _) in paths.items()}},
        "newState": {"inputs": {path: new for path, (_, new) in paths.items()}},
    }  # fmt: skip


def found(
    github: GitHub | None = None, vercel: Vercel | None = None, stack: Stack | None = None
) -> drift.Drift:
    return drift.inspect(stack or Stack(STATE), vercel or Vercel(), github or GitHub(), {})


def told(drifted: drift.Drift) -> Mapping[str, str]:
    return {finding.name: finding.what for finding in drifted.findings}


def test_what_is_as_it_was_applied_is_no_finding() -> None:
    assert found() == drift.Drift(stack="production", findings=(), unchecked=(), pending=0)


def test_reviewers_are_compared_with_the_applied_ones_whatever_their_order() -> None:
    github = GitHub()
    github.rules = [{**REVIEWERS, "reviewers": list(reversed(REVIEWERS["reviewers"]))}]
    assert found(github).findings == ()
    github.rules = [{"type": "wait_timer", "wait_timer": 5}]
    assert told(found(github)) == {
        "gate-env": "nobody has to approve a deployment any more; applied: reviewers user 1, team 2"
    }


def test_a_branch_that_nobody_declared_opens_the_environment_and_one_of_a_tags_name_does_too() -> None:
    github = GitHub()
    github.live_policies += [{"id": 3, "name": "hotfix/*"}, {"id": 4, "name": "v*", "type": "branch"}]
    assert set(told(found(github))) == {"app:production:branch:hotfix/*", "app:production:branch:v*"}


@pytest.mark.parametrize(
    ("live", "drifted"), [("2026-11-25T10:00:00Z", False), ("2026-11-25T10:00:01Z", True), (None, False)]
)
def test_a_secret_is_drift_when_github_wrote_it_after_the_provider_did(
    live: str | None, drifted: bool
) -> None:
    github = GitHub()
    github.times = {"HOOK": live} if live else {}  # a deleted one is seen by a refresh
    assert bool(found(github).findings) is drifted


def test_a_secret_whose_time_the_provider_did_not_record_is_said_to_be_unchecked() -> None:
    secret = resource(unseen.SECRET, "gate-secret", {**PLACE, "secretName": "HOOK"})
    [text] = found(stack=Stack([ENVIRONMENT, MAIN, TAGS, secret])).unchecked
    assert text.startswith("GitHub secret app:production:HOOK:")


@pytest.mark.parametrize("later", [0.0, 1.0])
def test_a_sensitive_variable_is_drift_when_it_was_written_later_than_clocks_may_differ(later: float) -> None:
    tolerated = MODIFIED_MS + int(CLOCK_SKEW.total_seconds() * 1000)
    assert bool(found(vercel=Vercel(tolerated + int(later * 1000))).findings) is bool(later)


def test_a_readable_variable_is_left_to_the_refresh() -> None:
    readable = {**VARIABLE, "outputs": {"key": "PEPPER", "sensitive": False}}
    assert found(vercel=Vercel(MODIFIED_MS * 2), stack=Stack([readable])).findings == ()


def test_who_may_bypass_is_said_to_be_untold_where_the_token_is_not_told() -> None:
    github = GitHub()
    github.bypass = {}
    stack = Stack(STATE, refreshed=[update(RULESET, bypassActors=(None, [{"actorId": 5}]))])
    drifted = found(github, stack=stack)
    assert (drifted.findings, drifted.unchecked) == ((), ())
    assert [text.split(":")[0] for text in drifted.untold] == ["GitHub ruleset app"]
    assert found(stack=stack).findings[0].what == "bypassActors differs from what was applied"


def test_one_object_is_one_finding_also_when_a_refresh_sees_half_of_it() -> None:
    github = GitHub()
    github.rules = []
    stack = Stack(STATE, refreshed=[update(ENVIRONMENT, waitTimer=(0, 5))])
    [finding] = found(github, stack=stack).findings
    assert finding.what.startswith("waitTimer is 0; applied: 5; nobody has to approve")
    assert (finding.environment, finding.note) == (("app", "production"), None)


def test_what_a_plain_preview_would_change_too_is_an_edit_and_no_drift() -> None:
    edit = update(ENVIRONMENT, waitTimer=(0, 5))
    both = update(ENVIRONMENT, waitTimer=(0, 5), canAdminsBypass=(True, False))
    new = {"op": "create", "urn": URN + "x::new"}
    drifted = found(stack=Stack(STATE, refreshed=[both, new], plain=[edit, new]))
    assert told(drifted) == {"gate-env": "canAdminsBypass is true; applied: false"}
    assert drifted.pending == 2


ALIAS: Final = resource("vercel:index/alias:Alias", "web-live", {"alias": "a.example", "deploymentId": "new"})
SWITCH: Final = resource(
    "vercel:index/edgeConfigItem:EdgeConfigItem", "web-feature-battle", {"key": "battle", "value": "on"}
)
PROJECT: Final = resource(
    "vercel:index/project:Project", "web-project",
    {"name": "p", "skewProtection": "12 hours", "resourceConfig": {"fluid": True}},
)  # fmt: skip
STAGING: Final = resource(
    "vercel:index/customEnvironment:CustomEnvironment", "web-environment-staging",
    {"name": "staging", "branchTracking": {"type": "equals", "pattern": "develop"}},
)  # fmt: skip
PUBLIC: Final = resource(unseen.VARIABLE, "web-variable-URL-production", {"key": "URL", "value": "https://a"})
PROJECTS_NOISE: Final = (
    *("buildMachineType", "enablePreviewFeedback", "enableProductionFeedback", "gitProviderOptions"),
    *("previewComments", "resourceConfig", "serverlessFunctionRegion"),
)


def named(of: Json, live: Json, *reasons: str, op: str = "update") -> Json:
    """A step of Vercel's plugin: names of properties alone, `live` being what the service answers."""
    return {
        "op": op, "urn": of["urn"], "detailedDiff": None, "diffReasons": [*live, *reasons],
        "oldState": {"inputs": of["inputs"], "outputs": {**of["outputs"], "id": "x", "teamId": "t", **live}},
        "newState": {"inputs": of["inputs"]},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("step", "what"),
    [
        (
            named(ALIAS, {"deploymentId": "old"}, "id"),
            "serves old, which this stack did not deploy; applied: ",
        ),
        (
            named(SWITCH, {"value": "off"}, "id", "teamId", "valueJson", op="replace"),
            "is off; applied: on",
        ),
        (
            named(PROJECT, {"skewProtection": None}, *PROJECTS_NOISE),
            "skewProtection is not set; applied: 12 hours",
        ),
        (
            named(STAGING, {"branchTracking": {"type": "equals", "pattern": "feature/"}}),
            "branchTracking.pattern is feature/; applied: develop",
        ),
        (
            named(PUBLIC, {"value": "https://b"}, "comment"),
            "value is https://b; applied: https://a; builds made",
        ),
        (named(PUBLIC, {"value": "[secret]"}, "comment"), "value differs from what was applied; builds made"),
    ],
)
def test_an_edit_that_the_plugin_only_names_is_told_and_nothing_beside_it(step: Json, what: str) -> None:
    state = [*STATE, ALIAS, SWITCH, PROJECT, STAGING, PUBLIC]
    [finding] = found(stack=Stack(state, refreshed=[step])).findings
    assert finding.urn == step["urn"]
    assert finding.what.startswith(what)
    assert finding.what.count("applied") == 1
    # With the same change pending, as a plain preview names it, none is left.
    assert found(stack=Stack(state, refreshed=[step], plain=[step])).findings == ()


def test_what_nobody_stated_or_is_as_stated_is_no_change_by_hand() -> None:
    """Computed anew beside another change, which is pending here."""
    state = [*STATE, PROJECT, PUBLIC]
    grown = {
        "resourceConfig": {"fluid": True, "functionDefaultTimeout": 300},
        "serverlessFunctionRegion": "iad1",
    }
    steps = [named(PROJECT, grown, *PROJECTS_NOISE), named(PUBLIC, {"comment": None})]
    assert found(stack=Stack(state, refreshed=steps)).findings == ()


def test_what_is_gone_was_removed_and_an_edit_of_it_does_not_hide_that() -> None:
    gone = {"op": "create", "urn": ENVIRONMENT["urn"]}
    edit = update(ENVIRONMENT, waitTimer=(0, 5))
    assert told(found(stack=Stack(STATE, refreshed=[gone], plain=[edit]))) == {"gate-env": "was removed"}


@pytest.mark.parametrize(
    ("path", "live", "declared", "said"),
    [
        ("conditions.refName.includes[0]", {"conditions": {"refName": {"includes": ["a"]}}},
         {"conditions": {"refName": {"includes": ["b"]}}}, "is a; applied: b"),
        ("labels[1].value", {"labels": [{"value": 1}]}, {"labels": [{"value": 1}, {"value": 2}]},
         "is not set; applied: 2"),
        ('env["A.B"]', {"env": {"A.B": "x"}}, {"env": {"A.B": "y"}}, "is x; applied: y"),
        ('env["A.B"]', {"env": "[secret]"}, {"env": "[secret]"}, "differs from what was applied"),
        ("computed", {}, {}, "differs from what was applied"),
        ("rules[0]", {"rules": [{"a": 1}]}, {"rules": []}, "differs from what was applied"),
        ("id", {"id": "x"}, {"id": "04da6b54-80e4-46f7-96ec-b56ff0331ba9"}, "differs from what was applied"),
        ("not [a path", {}, {"not [a path": 1}, "differs from what was applied"),
    ],
)  # fmt: skip
def test_a_difference_is_told_at_its_place_or_without_a_value(
    path: str, live: Json, declared: Json, said: str
) -> None:
    step = {
        "op": "update", "urn": RULESET["urn"], "detailedDiff": {path: {"kind": "update"}},
        "oldState": {"inputs": live}, "newState": {"inputs": declared},
    }  # fmt: skip
    [finding] = found(stack=Stack(STATE, refreshed=[step])).findings
    assert finding.what == f"{path} {said}"


def test_a_secret_value_is_never_printed() -> None:
    stack = Stack(STATE, refreshed=[update(VARIABLE, value=("[secret]", "[secret]"))])
    assert "value differs from what was applied" in told(found(stack=stack))[VARIABLE["id"]]


def test_a_docker_host_that_is_down_is_unchecked_and_everything_else_is_looked_at() -> None:
    service = resource("docker:index/service:Service", "socket-service", {"name": "s"})

    def plan(args: tuple[str, ...]) -> list[Json]:
        if service["urn"] not in args:
            raise OperationError("cannot connect to the Docker daemon")
        return [update(ENVIRONMENT, waitTimer=(0, 5))]

    drifted = found(stack=Stack([*STATE, service], refreshed=plan))
    assert [text for text in drifted.unchecked if "Docker daemon" in text]
    assert set(told(drifted)) == {"gate-env"}


def test_mending_deletes_the_policy_that_nobody_declared_and_runs_no_engine() -> None:
    github, stack = GitHub(), Stack(STATE)
    github.live_policies.append({"id": 3, "name": "hotfix/*"})
    drift.mend(stack, github, found(github, stack=stack).findings)
    assert github.deleted == [("app", "production", 3)]
    assert not any(call[0] == "up" or call[:2] == ("stack", "import") for call in stack.calls)


class Ran:
    """The engine, as `mend` calls it; `up` may fail."""

    def __init__(self, failing: bool = False) -> None:
        self.calls: list[tuple[str, list[str]]] = []
        self._failing = failing

    def __call__(self, workspace: Workspace) -> "Ran":
        self.workspace = workspace
        return self

    def refresh(self, targets: list[str]) -> None:
        self.calls.append(("refresh", targets))

    def up(self, _: str, targets: list[str], listener: object) -> None:
        del listener
        self.calls.append(("up", targets))
        if self._failing:
            raise OperationError("the update failed: no answer")


def imports(stack: Stack) -> int:
    return len([call for call in stack.calls if call[:2] == ("stack", "import")])


def test_reviewers_are_put_back_through_githubs_own_api_and_the_state_is_not_edited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A state that says less than the plugin wrote makes it panic for ever after."""
    github, stack, engine = GitHub(), Stack(STATE), Ran()
    monkeypatch.setattr(drift, "Engine", engine)
    file = production(appRepository="app", reviewers=[{"user": "mina", "id": 1}, {"team": "owners", "id": 2}])
    monkeypatch.setattr(Stack, "in_the_clear", lambda _: file.loaded(staging()))
    github.rules = []
    drift.mend(stack, github, found(github, stack=stack).findings)
    [(repository, name, body)] = github.written
    assert (repository, name) == ("app", "production")
    assert body["reviewers"] == [{"type": "User", "id": 1}, {"type": "Team", "id": 2}]
    assert engine.calls == [("refresh", [ENVIRONMENT["urn"]]), ("up", [ENVIRONMENT["urn"]])]
    assert imports(stack) == 0
    assert found(github, stack=stack).findings == ()


NOTES: Final = {SECRET["urn"]: {"value": BY_HAND}, VARIABLE["urn"]: {"value": BY_HAND}}
OLD: Final = {"ciphertext": "v1:old"}


def with_values(tmp_path: Path) -> Stack:
    stack = Stack(
        [{**r, **{side: {**r[side], "value": OLD} for side in ("inputs", "outputs")}} for r in STATE]
    )
    object.__setattr__(stack, "folder", tmp_path)
    return stack


def values(stack: Stack) -> dict[str, Any]:
    now = stack.state()
    assert all(now[name]["inputs"]["value"] == now[name]["outputs"]["value"] for name in now)
    return {name: resource["inputs"]["value"] for name, resource in now.items()}


def test_while_a_value_that_nobody_can_read_is_written_the_state_says_another_and_a_copy_lies_beside_it(
    tmp_path: Path,
) -> None:
    stack = with_values(tmp_path)
    before, noted = stack.export(), {unseen.name_of(SECRET), unseen.name_of(VARIABLE)}
    with stack.noted(NOTES):
        assert {name for name, value in values(stack).items() if value == BY_HAND} == noted
        [copy] = tmp_path.iterdir()
        assert json.loads(copy.read_text()) == before
        assert copy.stat().st_mode & 0o077 == 0
    assert list(tmp_path.iterdir()) == []
    with stack.noted({}):
        pass
    assert imports(stack) == 1


def test_a_text_below_a_property_is_told_and_put_back_and_what_stands_beside_it_stays(tmp_path: Path) -> None:
    """The image of a service, whose digest the plugin does not see missing."""
    task = {"containerSpec": {"image": "r.example/socket:one", "env": {"A": "b"}}}
    service = resource("docker:index/service:Service", "socket-service", {"name": "s", "taskSpec": task})
    stack = Stack([service])
    object.__setattr__(stack, "folder", tmp_path)

    def told() -> None:
        for side in ("inputs", "outputs"):
            there = stack.state()["socket-service"][side]["taskSpec"]["containerSpec"]
            assert there == {"image": "r.example/socket:by-hand", "env": {"A": "b"}}

    with pytest.raises(OperationError, match="no answer"):
        update_in(stack, told, {service["urn"]: {"taskSpec.containerSpec.image": "r.example/socket:by-hand"}})
    assert stack.state()["socket-service"] == service


def update_in(stack: Stack, then: Callable[[], None], notes: Any = NOTES) -> None:
    """An update that fails, after it did `then`, while the state is told otherwise."""
    with stack.noted(notes):
        then()
        raise OperationError("no answer")


def test_what_an_update_that_failed_has_not_written_is_as_it_was(tmp_path: Path) -> None:
    """What it has written stays: the state says so truly."""
    stack, new = with_values(tmp_path), {"ciphertext": "v1:new"}

    def write_one() -> None:
        for resource in stack.given["deployment"]["resources"]:  # type: ignore[attr-defined]
            if resource["urn"] == SECRET["urn"]:
                resource["inputs"]["value"] = resource["outputs"]["value"] = new

    with pytest.raises(OperationError, match=r"^no answer$"):
        update_in(stack, write_one)
    assert values(stack) == {unseen.name_of(r): OLD for r in STATE} | {unseen.name_of(SECRET): new}
    assert list(tmp_path.iterdir()) == []


def test_a_state_that_cannot_be_put_back_is_told_with_the_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = with_values(tmp_path)

    def locked(*_: object) -> None:
        raise OperationError("locked")

    with pytest.raises(OperationError) as error:
        update_in(stack, lambda: monkeypatch.setattr(Stack, "export", locked))
    [copy] = tmp_path.iterdir()
    for text in ("no answer", "locked", f"pulumi stack import --file {copy} --stack production"):
        assert text in str(error.value)


def test_a_mend_that_fails_leaves_the_state_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack, github = with_values(tmp_path), GitHub()
    monkeypatch.setattr(drift, "Engine", Ran(failing=True))
    before = stack.export()
    github.times = {"HOOK": "2026-11-26T00:00:00Z"}
    with pytest.raises(OperationError, match="no answer"):
        drift.mend(stack, github, found(github, stack=stack).findings)
    assert stack.export() == before


def test_a_command_quotes_what_a_shell_would_read() -> None:
    github = GitHub()
    github.live_policies.append({"id": 3, "name": "hotfix/*"})
    drifted = found(github)
    command = drifted.mend_command(drifted.findings[0])
    assert command == "python -m operations drift --mend 'app:production:branch:hotfix/*' --stack production"
