"""What every stand-in does alike: checks by the SDK's types, diffs, previews, refreshes, secrets, faults.

First in process, then as the plugin process that the engine starts, then under the real engine.
"""

import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import grpc
import pulumi
import pulumi_github as github
import pytest
from google.protobuf import empty_pb2, json_format  # type: ignore[import-untyped,unused-ignore]
from hypothesis import given, settings
from hypothesis import strategies as st
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from rehearsal.engine import EnginePaths
from rehearsal.standin import schema, wire
from rehearsal.standin.account import Account
from rehearsal.standin.kinds import UNKNOWN, Kind, Properties, ServiceError
from rehearsal.standin.plugin import StandIn
from tests.rehearsal.standin_engine import ROOT, Rehearsal

ENVIRONMENT = "github:index/repositoryEnvironment:RepositoryEnvironment"
SECRET = "github:index/actionsEnvironmentSecret:ActionsEnvironmentSecret"
VARIABLE = "github:index/actionsVariable:ActionsVariable"
RULESET = "github:index/repositoryRuleset:RepositoryRuleset"
CANARY = 'c4nary"%s$HOME\\'


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    account = Account(tmp_path / "account.db", "github")
    account.put("repository", "app", {"visibility": "public"})
    yield account
    account.close()


@pytest.fixture
def standin(account: Account) -> StandIn:
    standin = StandIn("github", account)
    assert standin.configure({"token": "t"}) == []
    return standin


def variable(**inputs: Any) -> Properties:
    return {"repository": "app", "variableName": "KEY", "value": "v", **inputs}


def refusals(standin: StandIn, type: str, inputs: Properties) -> list[tuple[str, str]]:
    return [(failure.property, failure.reason) for failure in standin.check(type, inputs)[1]]


# --- checks by the SDK's types --------------------------------------------------------------------


def test_an_unknown_input_is_refused_at_the_top_and_inside(standin: StandIn) -> None:
    stated = {"repository": "app", "environment": "e", "waitTimers": 1}
    assert refusals(standin, ENVIRONMENT, stated) == [("waitTimers", "Invalid or unknown key")]
    stated = {"repository": "app", "environment": "e", "reviewers": [{"users": [1], "user": [1]}]}
    assert refusals(standin, ENVIRONMENT, stated) == [("reviewers[0].user", "Invalid or unknown key")]


def test_a_computed_output_is_no_input(standin: StandIn) -> None:
    stated = {"repository": "app", "environment": "e", "repositoryId": 1}
    assert refusals(standin, ENVIRONMENT, stated) == [("repositoryId", "Invalid or unknown key")]


def test_a_missing_required_input_is_refused_at_the_top_and_inside(standin: StandIn) -> None:
    assert refusals(standin, ENVIRONMENT, {"repository": "app"}) == [
        ("environment", "Missing required argument")
    ]
    stated = {"repository": "app", "environment": "e", "deploymentBranchPolicy": {"protectedBranches": True}}
    assert refusals(standin, ENVIRONMENT, stated) == [
        ("deploymentBranchPolicy.customBranchPolicies", "Missing required argument")
    ]


@pytest.mark.parametrize(
    ("name", "value", "path"),
    [
        ("waitTimer", "5", "waitTimer"),
        ("waitTimer", 5.5, "waitTimer"),
        ("waitTimer", True, "waitTimer"),
        ("canAdminsBypass", 1, "canAdminsBypass"),
        ("canAdminsBypass", "true", "canAdminsBypass"),
        ("environment", 1, "environment"),
        ("environment", ["e"], "environment"),
        ("reviewers", {"users": [1]}, "reviewers"),
        ("reviewers", [{"users": ["1"]}], "reviewers[0].users[0]"),
        ("deploymentBranchPolicy", [True], "deploymentBranchPolicy"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_with_its_path(
    standin: StandIn, name: str, value: Any, path: str
) -> None:
    stated = {"repository": "app", "environment": "e", name: value}
    ((where, reason),) = refusals(standin, ENVIRONMENT, stated)
    assert where == path
    assert reason.startswith("expected type '")


def test_an_unknown_value_fits_every_type(standin: StandIn) -> None:
    stated = {"repository": UNKNOWN, "environment": UNKNOWN, "reviewers": [{"users": [UNKNOWN]}]}
    stated |= {"waitTimer": UNKNOWN, "deploymentBranchPolicy": UNKNOWN}
    assert refusals(standin, ENVIRONMENT, stated) == []


def test_maps_and_unions_of_the_sdk_are_checked_member_by_member() -> None:
    made = schema.Schema(
        version="1",
        objects={},
        resources={
            "a:b:C": schema.Resource(
                inputs={"map": {"map": "int"}, "either": {"union": ["bool", {"list": "str"}]}, "any": "any"},
                required=(),
                outputs=(),
                secret=frozenset(),
            )
        },
    )

    def paths(**inputs: Any) -> list[str]:
        return [failure.property for failure in made.problems("a:b:C", inputs)]

    assert paths(map={"k": 1}, either=True, any=[{}]) == []
    assert paths(map={"k": "1"}, either=["x"]) == ["map.k"]
    assert paths(map=[1], either=1) == ["map", "either"]


def test_a_type_that_is_not_rehearsed_is_told_from_one_that_does_not_exist(standin: StandIn) -> None:
    with pytest.raises(ServiceError, match="no stand-in"):
        standin.check("github:index/repository:Repository", {})
    with pytest.raises(ServiceError, match="not in the github SDK"):
        standin.check("github:index/repositry:Repositry", {})


def test_settings_of_the_provider_are_checked_too(standin: StandIn) -> None:
    assert [f.property for f in standin.configure({"token": "t", "ownr": "acme"})] == ["ownr"]
    assert [f.property for f in standin.configure({"token": "t", "writeDelayMs": "10"})] == ["writeDelayMs"]
    assert standin.configure({"token": "t", "writeDelayMs": 10, "version": "6.15.0"}) == []


def test_the_schema_says_what_the_sdk_says() -> None:
    known = schema.load("pulumi_github").resources
    assert known[ENVIRONMENT].inputs["waitTimer"] == "int"
    assert known[ENVIRONMENT].required == ("environment", "repository")
    assert "repositoryId" in known[ENVIRONMENT].outputs
    assert known[SECRET].secret == {"encryptedValue", "plaintextValue", "value", "valueEncrypted"}
    assert known["pulumi:providers:github"].secret == {"token"}
    assert "vercel:index/project:Project" in schema.load("pulumiverse_vercel").resources


# --- diffs, previews, refreshes -------------------------------------------------------------------


class Thing(Kind):
    """A kind with one property of every sort."""

    type = VARIABLE
    replace_on = frozenset({"fixed"})
    computed = frozenset({"made"})
    kept = frozenset({"left", "deep.left"})
    live: ClassVar[Properties] = {}

    def unseen(self) -> frozenset[str]:
        return frozenset({"hidden"})

    def create(self, *_: Any) -> tuple[str, Properties]:
        raise AssertionError

    def read(self, _: Account, id: str, *__: Any) -> tuple[str, Properties, Properties] | None:
        return id, dict(self.live), {**self.live, "made": 1}

    def update(self, *_: Any) -> Properties:
        raise AssertionError

    def delete(self, *_: Any) -> None:
        raise AssertionError


@pytest.fixture
def thing(standin: StandIn, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    monkeypatch.setattr(standin, "_kinds", {VARIABLE: Thing()})
    return standin


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, [("a", "update")]),
        ({}, {"a": 1}, [("a", "add")]),
        ({"a": 1}, {}, [("a", "delete")]),
        ({"a": {"b": [1, {"c": 2}]}}, {"a": {"b": [1, {"c": 3}]}}, [("a.b[1].c", "update")]),
        ({"a": [1, 2]}, {"a": [1]}, [("a[1]", "delete")]),
        ({"a": [1]}, {"a": [1, 2]}, [("a[1]", "add")]),
        ({"a": [1]}, {"a": {"b": 1}}, [("a", "update")]),
        ({"a": 1}, {"a": UNKNOWN}, [("a", "update")]),
        ({}, {"a": UNKNOWN}, [("a", "add")]),
        ({}, {"a": False, "b": "", "c": 0, "d": [], "e": {"f": False}}, []),
        ({"a": False, "b": "", "c": 0, "d": []}, {}, []),
        ({"a": {"b": 0}}, {"a": {"b": 1}}, [("a.b", "update")]),
        ({"a": True}, {"a": False}, [("a", "update")]),
        ({"left": 1}, {}, []),
        ({"left": {"b": 1, "c": 2}}, {"left": {"b": 1}}, []),
        ({"left": {"b": 1}}, {"left": {"b": 2}}, [("left.b", "update")]),
        ({"deep": {"left": 1, "right": 1}}, {"deep": {}}, [("deep.right", "delete")]),
        (
            {"deep": {"left": 1, "right": 1}},
            {"deep": {"more": 1}},
            [("deep.more", "add"), ("deep.right", "delete")],
        ),
    ],
)
def test_a_diff_names_every_path_that_changes(
    thing: StandIn, old: Properties, new: Properties, changes: list[tuple[str, str]]
) -> None:
    assert list(thing.diff(VARIABLE, old, new).changes) == changes


def test_only_a_change_of_a_fixed_property_replaces(thing: StandIn) -> None:
    assert thing.diff(VARIABLE, {"fixed": 1, "a": 1}, {"fixed": 1, "a": 2}).replaces == frozenset()
    assert thing.diff(VARIABLE, {"fixed": 1}, {"fixed": 2}).replaces == {"fixed"}
    assert thing.diff(VARIABLE, {"fixed": 1}, {"fixed": UNKNOWN}).replaces == {"fixed"}


def test_a_previewed_create_knows_its_inputs_and_nothing_that_is_made_by_the_service(thing: StandIn) -> None:
    assert thing.preview_create(VARIABLE, {"a": 1}) == {"a": 1, "made": UNKNOWN, "left": UNKNOWN}
    assert thing.preview_create(VARIABLE, {"left": 1}) == {"left": 1, "made": UNKNOWN}


def test_a_previewed_update_keeps_what_the_service_made(thing: StandIn) -> None:
    state = {"a": 1, "gone": 1, "left": 2, "made": 3}
    assert thing.preview_update(VARIABLE, state, {"a": 5}) == {"a": 5, "left": 2, "made": 3}


@pytest.mark.parametrize(
    ("live", "stated", "seen"),
    [
        ({"a": 2}, {"a": 1}, {"a": 2}),
        ({"a": 2, "b": 3}, {"a": 2}, {"a": 2, "b": 3}),
        ({}, {"a": 1}, {}),
        ({}, {"a": 0, "b": False, "c": [], "d": ""}, {"a": 0, "b": False, "c": [], "d": ""}),
        ({"left": 2}, {}, {}),
        ({"left": 2}, {"left": 1}, {"left": 2}),
        ({}, {"hidden": "s"}, {"hidden": "s"}),
        ({"hidden": "other"}, {"hidden": "s"}, {"hidden": "s"}),
    ],
)
def test_a_refresh_sees_what_the_service_returns(
    thing: StandIn, monkeypatch: pytest.MonkeyPatch, live: Properties, stated: Properties, seen: Properties
) -> None:
    monkeypatch.setattr(Thing, "live", live)
    found = thing.read(VARIABLE, "id", {**stated, "made": 1}, stated)
    assert found is not None
    assert found[1] == seen
    assert {name: found[2].get(name) for name in ("hidden",) if name in stated} == {
        name: stated[name] for name in ("hidden",) if name in stated
    }


def test_an_import_sees_everything_that_could_be_stated(
    thing: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Thing, "live", {"a": 1, "left": 2})
    assert thing.read(VARIABLE, "id", {}, {}) == ("id", {"a": 1, "left": 2}, {"a": 1, "left": 2, "made": 1})


# --- faults and transactions ----------------------------------------------------------------------


def test_a_planned_fault_fails_as_many_calls_as_it_says(standin: StandIn, account: Account) -> None:
    account.put("fault", "1", {"verb": "create", "kind": "ActionsVariable", "times": 2, "status": 403})
    for _ in range(2):
        with pytest.raises(ServiceError, match="403"):
            standin.create(VARIABLE, variable())
    assert account.find("variable") == []
    standin.create(VARIABLE, variable())
    assert account.find("fault") == []


def test_a_planned_fault_spares_other_verbs_and_kinds(standin: StandIn, account: Account) -> None:
    account.put("fault", "1", {"verb": "delete", "status": 403})
    account.put("fault", "2", {"kind": "ActionsSecret", "status": 403})
    standin.create(VARIABLE, variable())
    assert len(account.find("fault")) == 2


@pytest.mark.parametrize(("times", "fails"), [(3, False), (4, True)])
def test_three_server_errors_are_retried_as_the_real_plugin_does(
    standin: StandIn, account: Account, times: int, fails: bool
) -> None:
    account.put("fault", "1", {"times": times, "status": 502})
    if fails:
        with pytest.raises(ServiceError, match="502"):
            standin.create(VARIABLE, variable())
    else:
        standin.create(VARIABLE, variable())
    assert len(account.find("variable")) == (0 if fails else 1)


def test_a_lost_answer_leaves_the_object_and_the_next_create_conflicts(
    standin: StandIn, account: Account
) -> None:
    account.put("fault", "1", {"verb": "create", "lost": True})
    with pytest.raises(ServiceError, match="answer was lost"):
        standin.create(VARIABLE, variable())
    with pytest.raises(ServiceError, match="Already exists"):
        standin.create(VARIABLE, variable())


def test_a_call_hangs_while_a_file_is_there_and_is_done_then(
    standin: StandIn, account: Account, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    held = tmp_path / "held"
    held.touch()
    asleep: list[int] = []

    def sleep(_: float) -> None:
        asleep.append(len(account.find("variable")))
        if len(asleep) == 3:
            held.unlink()

    monkeypatch.setattr("rehearsal.standin.plugin.time.sleep", sleep)
    account.put("fault", "1", {"hang": str(held)})
    standin.create(VARIABLE, variable())
    assert asleep == [0, 0, 0]
    assert len(account.find("variable")) == 1


def test_a_refused_call_writes_nothing(
    standin: StandIn, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(*_: Any) -> None:
        account.put("variable", "half", {})
        raise ServiceError(500, "broke", "half way")

    before = account.dump()
    monkeypatch.setattr(standin.kind(VARIABLE), "create", half)
    monkeypatch.setattr(standin, "_retries", {})
    with pytest.raises(ServiceError):
        standin.create(VARIABLE, variable())
    assert account.dump() == before


def test_faults_are_no_calls_of_the_program(standin: StandIn, account: Account) -> None:
    account.put("fault", "1", {"times": 2, "hang": "/nowhere"})
    after = account.calls()[-1][0]
    standin.create(VARIABLE, variable())
    assert [(verb, kind) for _, verb, kind, _ in account.calls(after)] == [("create", "variable")]


# --- the wire -------------------------------------------------------------------------------------

_json = st.recursive(
    st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@settings(deadline=None)
@given(st.dictionaries(st.text(), _json))
def test_properties_come_back_from_the_wire_as_they_went(properties: Properties) -> None:
    assert wire.to_properties(wire.to_struct(properties)) == properties
    assert wire.to_properties(wire.to_struct(properties, frozenset(properties))) == properties


def test_unknowns_and_secrets_have_their_marks_on_the_wire() -> None:
    struct = wire.to_struct({"a": UNKNOWN, "b": "s", "c": "plain"}, frozenset({"a", "b"}))
    document = json_format.MessageToDict(struct)
    mark = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}
    assert document == {
        "a": {**mark, "value": "04da6b54-80e4-46f7-96ec-b56ff0331ba9"},
        "b": {**mark, "value": "s"},
        "c": "plain",
    }
    assert wire.to_properties(struct) == {"a": UNKNOWN, "b": "s", "c": "plain"}


def test_nulls_are_left_out_of_objects_and_stay_in_lists() -> None:
    struct = wire.to_struct({"a": None, "b": {"c": None, "d": 1}, "e": [None, 1]})
    assert wire.to_properties(struct) == {"b": {"d": 1}, "e": [None, 1]}


# --- the process ----------------------------------------------------------------------------------

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    running: list[subprocess.Popen[str]] = []

    def plugin(*prefix: str, service: str = "github", env: dict[str, str] | None = None) -> Any:
        command = [sys.executable, "-m", "rehearsal.standin", service]
        process = subprocess.Popen(
            [*prefix, *command, "--account", str(tmp_path / "account.db"), "127.0.0.1:1"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "GITHUB_TOKEN": "t", **(env or {})},
            start_new_session=True,
        )
        running.append(process)
        return process

    yield plugin
    for process in running:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # a plugin may outlive its parent
        process.communicate()


def _port(process: "subprocess.Popen[str]") -> int:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.communicate()[1]
    return int(line)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_plugin_prints_its_port_and_ends_quietly_when_interrupted(start: Start, number: int) -> None:
    process = start()
    assert _port(process) > 0
    process.send_signal(number)
    assert process.communicate(timeout=20) == ("", "")
    assert process.returncode == 0


def test_the_plugin_ends_when_the_engine_is_killed(start: Start) -> None:
    script = (
        "import subprocess, sys\np = subprocess.Popen(sys.argv[1:])\nprint(p.pid, flush=True)\np.wait()\n"
    )
    engine = start(sys.executable, "-c", script)
    assert engine.stdout is not None
    plugin = int(engine.stdout.readline())
    _port(engine)
    engine.kill()
    deadline = time.monotonic() + 30
    while Path(f"/proc/{plugin}/cmdline").exists() and Path(f"/proc/{plugin}/cmdline").read_bytes():
        assert time.monotonic() < deadline, "still there"
        time.sleep(0.05)


def test_the_plugin_imports_no_sdk_once_the_schema_is_cached(start: Start, tmp_path: Path) -> None:
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    process = start(env=cache)
    _port(process)
    (file,) = (tmp_path / "cache").rglob("*.json")
    assert ENVIRONMENT in json.loads(file.read_text())["resources"]
    trace = start(env={**cache, "PYTHONPROFILEIMPORTTIME": "1"})
    _port(trace)
    trace.send_signal(signal.SIGINT)
    imported = trace.communicate(timeout=20)[1]
    assert "rehearsal.standin.server" in imported
    assert "pulumi.runtime.proto.provider_pb2" in imported
    for name in ("pulumi_github", "pulumi.resource", "rehearsal.standin.vercel"):
        assert name not in imported


def test_a_failure_names_no_value_and_a_bug_only_its_place(start: Start) -> None:
    stub = provider_pb2_grpc.ResourceProviderStub(grpc.insecure_channel(f"127.0.0.1:{_port(start())}"))
    stub.Configure(provider_pb2.ConfigureRequest(args=wire.to_struct({"token": "t"})))
    urn = f"urn:pulumi:s::p::{SECRET}::x"
    stated = {"repository": "app", "environment": "e", "secretName": CANARY, "value": [CANARY], CANARY[:6]: 1}
    failures = stub.Check(provider_pb2.CheckRequest(urn=urn, news=wire.to_struct(stated))).failures
    assert len(failures) == 2
    assert [failure.property for failure in failures] == ["", ""]
    assert "value" in failures[1].reason
    assert CANARY not in str(failures)
    with pytest.raises(grpc.RpcError) as error:
        stub.Create(provider_pb2.CreateRequest(urn=urn, properties=wire.to_struct({"environment": CANARY})))
    details = str(error.value.details())
    assert "the github stand-in broke: KeyError at entry.py:" in details
    assert CANARY not in details


def test_a_replacement_is_told_by_property_and_leaves_its_order_to_the_program(start: Start) -> None:
    stub = provider_pb2_grpc.ResourceProviderStub(grpc.insecure_channel(f"127.0.0.1:{_port(start())}"))
    request = provider_pb2.DiffRequest(
        urn=f"urn:pulumi:s::p::{VARIABLE}::x",
        old_inputs=wire.to_struct(variable()),
        news=wire.to_struct(variable(variableName="NEW", value="w")),
    )
    answer = stub.Diff(request)
    kinds = {
        path: provider_pb2.PropertyDiff.Kind.Name(change.kind) for path, change in answer.detailedDiff.items()
    }
    assert kinds == {"variableName": "UPDATE_REPLACE", "value": "UPDATE"}
    assert (list(answer.replaces), list(answer.diffs)) == (["variableName"], ["value", "variableName"])
    assert (answer.deleteBeforeReplace, answer.hasDetailedDiff) == (False, True)


def test_settings_that_the_provider_refuses_stop_it_before_any_resource(start: Start) -> None:
    port = _port(start(env={"GITHUB_TOKEN": ""}))
    stub = provider_pb2_grpc.ResourceProviderStub(grpc.insecure_channel(f"127.0.0.1:{port}"))
    settings = wire.to_struct({"owner": "acme"})
    urn = "urn:pulumi:s::p::pulumi:providers:github::x"
    (failure,) = stub.CheckConfig(provider_pb2.CheckRequest(urn=urn, news=settings)).failures
    assert "GITHUB_TOKEN" in failure.reason
    with pytest.raises(grpc.RpcError, match="GITHUB_TOKEN"):
        stub.Configure(provider_pb2.ConfigureRequest(args=settings))


def test_functions_are_refused_with_a_reason(start: Start) -> None:
    stub = provider_pb2_grpc.ResourceProviderStub(grpc.insecure_channel(f"127.0.0.1:{_port(start())}"))
    with pytest.raises(grpc.RpcError, match="github:index/getUser:getUser: state the value"):
        stub.Invoke(provider_pb2.InvokeRequest(tok="github:index/getUser:getUser"))


def test_the_plugin_says_its_version_and_types(start: Start) -> None:
    stub = provider_pb2_grpc.ResourceProviderStub(grpc.insecure_channel(f"127.0.0.1:{_port(start())}"))
    version = stub.GetPluginInfo(empty_pb2.Empty()).version
    document = json.loads(stub.GetSchema(provider_pb2.GetSchemaRequest()).schema)
    assert (document["name"], document["version"]) == ("github", version)
    assert ENVIRONMENT in document["resources"]


# --- the real engine ------------------------------------------------------------------------------


@pytest.fixture
def rehearsal(tmp_path: Path, engine: EnginePaths) -> Iterator[Rehearsal]:
    rehearsal = Rehearsal(tmp_path, engine.pulumi)
    rehearsal.github.put("repository", "app", {"visibility": "public"})
    rehearsal.github.put("user", "7", {"name": "mina"})
    yield rehearsal
    rehearsal.close()


def _gate(**environment: Any) -> None:
    made = github.RepositoryEnvironment(
        "environment", repository="app", environment="production", **environment
    )
    github.ActionsEnvironmentSecret(
        "secret", repository="app", environment=made.environment, secret_name="KEY", value=CANARY
    )
    github.ActionsEnvironmentVariable(
        "variable",
        repository="app",
        environment=made.environment,
        variable_name="KEY",
        value=pulumi.Output.secret(f"{CANARY}-2"),
    )
    pulumi.export("made", made.repository_id)


def _kept_from(text: str, secret: str) -> bool:
    forms = (
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(json.dumps(secret))[1:-1],
        urllib.parse.quote(secret),
        base64.b64encode(secret.encode()).decode(),
    )
    return not any(form in text for form in forms)


def test_a_first_up_creates_and_a_second_shows_nothing_also_after_a_refresh(rehearsal: Rehearsal) -> None:
    created = {"environment": ["create"], "secret": ["create"], "variable": ["create"]}
    assert rehearsal.preview(_gate).steps == created
    assert set(rehearsal.github.dump()) == {"repository", "user"}
    up = rehearsal.up(_gate)
    assert (up.steps, up.error) == (created, "")
    assert rehearsal.preview(_gate).steps == {}
    assert rehearsal.refresh().error == ""
    assert rehearsal.preview(_gate).steps == {}
    destroyed = rehearsal.destroy()
    assert (destroyed.error, list(destroyed.steps)[-1]) == ("", "environment")
    assert set(rehearsal.github.dump()) == {"repository", "user"}


def test_secrets_are_in_no_file_of_the_engine_and_in_no_output(rehearsal: Rehearsal) -> None:
    runs = [rehearsal.up(_gate), rehearsal.refresh(), rehearsal.preview(lambda: _gate(wait_timer=3))]
    assert [run.error for run in runs] == ["", "", ""]
    assert rehearsal.github.get("secret", "app:production:KEY")["value"] == CANARY  # type: ignore[index]
    outputs = rehearsal.resource("variable")["outputs"]
    assert set(outputs["value"]) == {"4dabf18193072939515e22adb298388d", "ciphertext"}
    text = rehearsal.files() + "".join(run.output for run in runs)
    assert "app:production:KEY" in text
    assert _kept_from(text, CANARY)


def test_secrets_stay_out_of_what_a_failing_run_writes(rehearsal: Rehearsal) -> None:
    rehearsal.github.put("fault", "1", {"kind": "ActionsEnvironmentSecret", "status": 422})

    def wrong() -> None:
        _gate()
        github.ActionsVariable(
            "wrong", repository="app", variable_name=CANARY, value=pulumi.Output.secret(CANARY)
        )

    for program in (_gate, wrong):
        run = rehearsal.up(program)
        assert run.error
        assert _kept_from(rehearsal.files() + run.output + run.error, CANARY)


def test_drift_is_seen_after_a_refresh_and_mended_by_up(rehearsal: Rehearsal) -> None:
    rehearsal.up(lambda: _gate(wait_timer=5))
    made = rehearsal.github.get("environment", "app:production")
    assert made is not None
    rehearsal.github.put("environment", "app:production", {**made, "waitTimer": 9, "canAdminsBypass": False})
    assert rehearsal.preview(lambda: _gate(wait_timer=5)).steps == {}
    drift = rehearsal.preview(lambda: _gate(wait_timer=5), refresh=True)
    assert drift.steps == {"environment": ["update"]}
    assert drift.changed == {"environment": ["canAdminsBypass", "waitTimer"]}
    assert rehearsal.github.get("environment", "app:production") != made  # a preview writes nothing
    rehearsal.up(lambda: _gate(wait_timer=5), refresh=True)
    assert rehearsal.github.get("environment", "app:production") == made


def test_an_object_deleted_by_hand_is_made_again_after_a_refresh(rehearsal: Rehearsal) -> None:
    rehearsal.up(_gate)
    rehearsal.github.delete("secret", "app:production:KEY")
    rehearsal.refresh()
    assert rehearsal.preview(_gate).steps == {"secret": ["create"]}


def _adopted(**inputs: Any) -> Callable[[], None]:
    def program() -> None:
        github.RepositoryEnvironment(
            "environment",
            repository="app",
            environment="production",
            **inputs,
            opts=pulumi.ResourceOptions(import_="app:production"),
        )

    return program


def test_an_import_with_equal_values_writes_nothing(rehearsal: Rehearsal) -> None:
    made = {"repository": "app", "name": "Production", "waitTimer": 5, "canAdminsBypass": False}
    made |= {"reviewers": {"users": [7], "teams": []}, "preventSelfReview": True}
    rehearsal.github.put("environment", "app:Production", made)
    after = rehearsal.github.calls()[-1][0]
    equal = _adopted(
        wait_timer=5, can_admins_bypass=False, reviewers=[{"users": [7]}], prevent_self_review=True
    )
    assert rehearsal.preview(equal).steps == {"environment": ["import"]}
    up = rehearsal.up(equal)
    assert (up.steps, up.error) == ({"environment": ["import"]}, "")
    assert rehearsal.github.calls(after) == []
    assert rehearsal.preview(equal).steps == {}


def test_an_import_with_other_values_also_updates_and_the_preview_says_so(rehearsal: Rehearsal) -> None:
    rehearsal.github.put("environment", "app:production", {"repository": "app", "name": "production"})
    other = _adopted(wait_timer=5)
    preview = rehearsal.preview(other)
    assert preview.steps == {"environment": ["import", "update"]}
    assert preview.changed == {"environment": ["waitTimer"]}
    assert rehearsal.up(other).error == ""
    assert rehearsal.github.get("environment", "app:production")["waitTimer"] == 5  # type: ignore[index]


def test_an_import_of_nothing_fails_and_creates_nothing(rehearsal: Rehearsal) -> None:
    run = rehearsal.up(_adopted())
    assert "does not exist" in run.error
    assert rehearsal.github.find("environment") == []


def test_a_replacement_creates_before_it_deletes_unless_the_program_says_otherwise(
    rehearsal: Rehearsal,
) -> None:
    def program(name: str, first: bool) -> Callable[[], None]:
        return lambda: _variable(name, pulumi.ResourceOptions(delete_before_replace=first))

    rehearsal.up(program("A", False))
    preview = rehearsal.preview(program("B", False))
    assert preview.steps == {"variable": ["create-replacement", "replace", "delete-replaced"]}
    assert preview.changed == {"variable": ["variableName"]}
    before = rehearsal.github.calls()[-1][0]
    rehearsal.up(program("B", False))
    assert [call[1] for call in rehearsal.github.calls(before)] == ["create", "delete"]
    before = rehearsal.github.calls()[-1][0]
    rehearsal.up(program("C", True))
    assert [call[1] for call in rehearsal.github.calls(before)] == ["delete", "create"]


def _variable(name: str, opts: pulumi.ResourceOptions | None = None, value: Any = "v") -> None:
    github.ActionsVariable("variable", repository="app", variable_name=name, value=value, opts=opts)


def test_what_the_sdk_does_not_know_is_refused_before_anything_is_written(rehearsal: Rehearsal) -> None:
    def program() -> None:
        _variable("GOOD")
        github.RepositoryEnvironment(
            "environment",
            repository="app",
            environment="e",
            reviewers=[{"user": [7]}],  # type: ignore[list-item]
        )

    preview = rehearsal.preview(program)
    assert "Invalid or unknown key. Examine values at 'reviewers[0].user'." in preview.error
    assert rehearsal.github.find("variable") == []


def test_a_provider_of_the_program_is_checked_and_used(rehearsal: Rehearsal) -> None:
    rehearsal.github.put("repository", "app", {"visibility": "public", "owner": "other"})

    def program(owner: str, **settings: Any) -> Callable[[], None]:
        def declare() -> None:
            provider = github.Provider("provider", owner=owner, token="t", **settings)
            _variable("KEY", pulumi.ResourceOptions(provider=provider))

        return declare

    assert "404" in rehearsal.up(program("acme")).error
    up = rehearsal.up(program("other", write_delay_ms=10, insecure=False))
    assert (up.error, up.steps) == ("", {"variable": ["create"]})
    assert rehearsal.preview(program("other", write_delay_ms=20, insecure=False)).steps == {}


def test_outputs_of_what_is_not_made_yet_are_unknown_in_a_preview(rehearsal: Rehearsal) -> None:
    seen: list[Any] = []

    def program() -> None:
        made = github.RepositoryEnvironment("environment", repository="app", environment="e")
        made.repository_id.apply(seen.append)
        made.environment.apply(seen.append)

    rehearsal.preview(program)
    assert seen == ["e"]
