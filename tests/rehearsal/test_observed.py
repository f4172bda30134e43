"""The stand-ins against what the real plugins were seen to do: rehearsal/observed/."""

import re
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NoReturn

import grpc
import pytest
import yaml
from pulumi.runtime.proto import provider_pb2

from rehearsal import demo
from rehearsal.standin import docker, drift, github, raw_state, seeds, vercel
from rehearsal.standin.docker.service import Service
from rehearsal.standin.kinds import Properties, ServiceError
from rehearsal.standin.plugin import StandIn
from rehearsal.standin.server import Servicer
from rehearsal.standin.wire import to_struct
from tests.rehearsal.seeded import Seeded

SEEN: Final = yaml.safe_load((Path(seeds.__file__).parents[1] / "observed" / "2026-11-30.yaml").read_text())
TYPES: Final = {
    kind.type.rpartition(":")[2]: kind.type for module in (vercel, github, docker) for kind in module.KINDS
}
# Of a reason that was seen and that no stand-in gives: why not.
NOT_REPRODUCED: Final = {
    ("Project", "imported"): {
        "gitComments"
    },  # its value was as stated; what made the plugin name it is unknown
}


class Aborting:
    """Of a call on the wire: what ends it."""

    def abort(self, code: grpc.StatusCode, message: str) -> NoReturn:
        del code
        raise InterruptedError(message)


@dataclass
class State:
    """What the engine knows of an object, and what the program states now."""

    inputs: Properties
    outputs: Properties
    stated: Properties


def diff(plugin: StandIn, kind: str, state: State) -> provider_pb2.DiffResponse:
    """The plugin's answer on the wire."""
    stated, failures = plugin.check(TYPES[kind], state.stated)
    assert failures == []
    request = provider_pb2.DiffRequest(
        urn=f"urn:pulumi:production::paintshare::{TYPES[kind]}::it",
        olds=to_struct(state.outputs),
        old_inputs=to_struct(state.inputs),
        news=to_struct(stated),
    )
    answer: provider_pb2.DiffResponse = Servicer(plugin).Diff(request, None)
    return answer


PROJECT: Final[Properties] = {
    **{name: value for name, value in seeds.PROJECT_SETTINGS.items() if value is not None},
    "name": demo.VERCEL_PROJECT_NAME,
    "gitRepository": {"type": "github", "repo": seeds.REPOSITORY, "productionBranch": "main"},
}
PLACE: Final = {"repository": demo.APP_REPOSITORY, "environment": "production"}
ENVIRONMENT: Final[Properties] = {
    **PLACE,
    "reviewers": [{"users": [demo.REVIEWER_USER["id"]], "teams": [demo.REVIEWER_TEAM["id"]]}],
    "canAdminsBypass": False,
    "preventSelfReview": True,
    "deploymentBranchPolicy": {"protectedBranches": False, "customBranchPolicies": True},
}
VARIABLE: Final[Properties] = {
    "projectId": demo.VERCEL_PROJECT_ID,
    "key": "NEXT_PUBLIC_APP_URL",
    "value": f"https://{demo.PRODUCTION_DOMAIN}",
    "targets": ["production"],
    "sensitive": False,
}
PEPPER: Final = {**VARIABLE, "key": "BATTLE_PASSWORD_PEPPER", "value": "ours", "sensitive": True}

DEPLOYMENT: Final = {"projectId": demo.VERCEL_PROJECT_ID, "ref": demo.RELEASES[0], "production": True}
STATED: Final[dict[str, Properties]] = {
    "CustomEnvironment": {
        "projectId": demo.VERCEL_PROJECT_ID,
        "name": "staging",
        "branchTracking": {"type": "equals", "pattern": "develop"},
    },
    "ProjectEnvironmentVariable": PEPPER,
    "RepositoryEnvironment": ENVIRONMENT,
    "ActionsEnvironmentVariable": {**PLACE, "variableName": "NEXT_PUBLIC_APP_URL", "value": "https://a"},
    "RepositoryRuleset": {
        "repository": demo.APP_REPOSITORY,
        "name": "paintshare main",
        "target": "branch",
        "enforcement": "active",
        "conditions": {"refName": {"includes": ["refs/heads/main"], "excludes": []}},
        "rules": {"deletion": True},
    },
}


class Scenes:
    """Objects as this program has them, made in the seeded account."""

    def __init__(self, seeded: Seeded) -> None:
        self.seeded = seeded

    def read(
        self, kind: str, id: str, state: Properties, inputs: Properties
    ) -> tuple[Properties, Properties]:
        found = self.plugin(kind).read(TYPES[kind], id, state, inputs)
        assert found is not None
        return found[1], found[2]

    def plugin(self, kind: str) -> StandIn:
        return self.seeded.plugins[TYPES[kind].partition(":")[0]]

    def made(self, kind: str, stated: Properties) -> tuple[str, State]:
        plugin = self.plugin(kind)
        inputs, failures = plugin.check(TYPES[kind], stated)
        assert failures == []
        id, outputs = plugin.create(TYPES[kind], inputs)
        return id, State(inputs, outputs, stated)

    def by_hand(self, kind: str, edit: str) -> State:
        """Applied, edited by hand, read again."""
        id, state = self._applied(kind, edit)
        drift.DRIFTS[edit].apply(self.seeded.path)
        inputs, outputs = self.read(kind, id, state.outputs, state.inputs)
        return State(inputs, outputs, state.stated)

    def _applied(self, kind: str, edit: str) -> tuple[str, State]:
        id = {"Project": demo.VERCEL_PROJECT_ID, "app-url": seeds.VARIABLES["NEXT_PUBLIC_APP_URL"]}
        if kind == "Project":  # adopted, and updated once
            stated = {**PROJECT, "enableProductionFeedback": False}
            _, outputs = self.read(kind, id[kind], {}, {})
            outputs = self.plugin(kind).update(TYPES[kind], id[kind], outputs, stated)
            return id[kind], State(stated, outputs, stated)
        if edit == "app-url":  # adopted
            _, outputs = self.read(kind, f"{demo.VERCEL_PROJECT_ID}/{id[edit]}", {}, {})
            return id[edit], State(VARIABLE, outputs, VARIABLE)
        if kind == "ActionsEnvironmentVariable":
            self.made("RepositoryEnvironment", ENVIRONMENT)
        return self.made(kind, self._stated(kind))

    def _stated(self, kind: str) -> Properties:
        match kind:
            case "Alias":
                builds = [self.made("Deployment", DEPLOYMENT | {"ref": sha})[0] for sha in demo.RELEASES[:2]]
                return {"alias": demo.PRODUCTION_DOMAIN, "deploymentId": builds[0]}
            case "EdgeConfigItem":
                config, _ = self.made("EdgeConfig", {"name": "paintshare-production"})
                return {"edgeConfigId": config, "key": "battle", "value": "on"}
        return STATED[kind]

    def imported(self, kind: str) -> State:
        stated, id = {
            "Project": (
                PROJECT
                | {"autoAssignCustomDomains": False, "automaticallyExposeSystemEnvironmentVariables": True},
                demo.VERCEL_PROJECT_ID,
            ),
            "ProjectEnvironmentVariable": (
                VARIABLE | {"value": "https://other.example"},
                f"{demo.VERCEL_PROJECT_ID}/{seeds.VARIABLES['NEXT_PUBLIC_APP_URL']}",
            ),
            "RepositoryEnvironment": (ENVIRONMENT, f"{demo.APP_REPOSITORY}:production"),
        }[kind]
        inputs, outputs = self.read(kind, id, {}, {})
        return State(inputs, outputs, stated)

    def restated(self, kind: str, edit: str) -> State:
        """Applied, then edited in the stack file."""
        before, after = {
            ("ProjectEnvironmentVariable", "rotated"): (PEPPER, PEPPER | {"value": "new"}),
            ("ProjectEnvironmentVariable", "made sensitive"): (
                VARIABLE | {"key": "NEXT_PUBLIC_SOCKET_URL"},
                VARIABLE | {"key": "NEXT_PUBLIC_SOCKET_URL", "sensitive": True},
            ),
            ("Deployment", "rotated"): (
                DEPLOYMENT | {"meta": {"fingerprint": "a"}},
                DEPLOYMENT | {"meta": {"fingerprint": "b"}},
            ),
        }[kind, edit]
        _, state = self.made(kind, before)
        return State(state.inputs, state.outputs, after)


def _window_left_out() -> State:
    policy = {"condition": "any", "delay": "2s"}
    stated = {
        "name": "web",
        "taskSpec": {"containerSpec": {"image": "release:1"}, "restartPolicy": policy},
    }
    inputs = Service().defaults(stated)
    task = inputs["taskSpec"] | {"restartPolicy": policy | {"window": "0s"}}
    return State(inputs, inputs | {"taskSpec": task}, stated)


def test_every_change_by_hand_that_a_refresh_tells_of_was_seen_with_the_real_plugins() -> None:
    seen = {each["edit"] for each in SEEN["changes"]}
    # Three by themselves, and what a removed object is: a creation, which no diff is asked about.
    assert drift.DRIFTS.keys() - seen == {"ruleset-off", "secret-by-hand", "domain-removed", "policy-removed"}


@pytest.mark.parametrize("seen", SEEN["changes"], ids=lambda seen: f"{seen['kind']} {seen['edit']}")
def test_a_diff_says_what_the_real_plugins_does(seeded: Seeded, seen: dict[str, Any]) -> None:
    kind, edit = seen["kind"], seen["edit"]
    scenes = Scenes(seeded)
    if kind == "Service":
        plugin, state = StandIn("docker", seeded.accounts["github"]), _window_left_out()
    else:
        plugin = scenes.plugin(kind)
        if edit in drift.DRIFTS:
            state = scenes.by_hand(kind, edit)
        else:
            state = scenes.imported(kind) if edit == "imported" else scenes.restated(kind, edit)
    answer = diff(plugin, kind, state)
    assert bool(answer.diffs) is (seen["operation"] is not None)
    assert bool(answer.replaces) is (seen["operation"] == "replace")
    expected = set(seen.get("reasons", [])) - NOT_REPRODUCED.get((kind, edit), set())
    assert set(answer.diffs) == expected
    assert set(answer.replaces) == set(seen.get("replaces", []))
    assert set(answer.detailedDiff) == set(seen.get("detail", []))
    assert answer.hasDetailedDiff is (TYPES[kind].partition(":")[0] != "vercel")


def test_the_state_of_an_environment_holds_the_delta_and_an_edit_by_hand_is_refused_as_seen(
    seeded: Seeded,
) -> None:
    seen = SEEN["raw_state"]
    _, state = Scenes(seeded).made(seen["kind"], ENVIRONMENT)
    outputs = raw_state.kept(state.outputs)
    assert outputs[raw_state.KEY] == seen["delta"]
    assert raw_state.recovered(outputs, "") == state.outputs
    others = {
        **outputs,
        "reviewers": [{"users": [1], "teams": [2, 3]}],
        "waitTimer": 5,
        "canAdminsBypass": None,
    }
    assert raw_state.recovered(others, "") == {k: v for k, v in others.items() if k != raw_state.KEY}
    edited = {name: value for name, value in outputs.items() if name != "reviewers"}
    with pytest.raises(ServiceError) as refused:
        raw_state.recovered(edited, "")
    assert all(text in str(refused.value) for text in seen["refusal"])
    # And so in whatever the engine asks the plugin about the object.
    urn = f"urn:pulumi:production::paintshare::{TYPES[seen['kind']]}::it"
    olds, servicer = to_struct(edited), Servicer(Scenes(seeded).plugin(seen["kind"]))
    for method, request in {
        "Diff": provider_pb2.DiffRequest(urn=urn, olds=olds, old_inputs=olds, news=olds),
        "Read": provider_pb2.ReadRequest(urn=urn, id="it", properties=olds, inputs=olds),
        "Update": provider_pb2.UpdateRequest(urn=urn, id="it", olds=olds, news=olds),
        "Delete": provider_pb2.DeleteRequest(urn=urn, id="it", properties=olds),
    }.items():
        with pytest.raises(InterruptedError, match="does not apply cleanly"):
            getattr(servicer, method)(request, Aborting())
    assert raw_state.recovered({k: v for k, v in edited.items() if k != raw_state.KEY}, "")


def test_the_first_update_of_the_project_sets_what_nobody_stated(seeded: Seeded) -> None:
    before, after = SEEN["reset"]["enableProductionFeedback"]
    id, account = demo.VERCEL_PROJECT_ID, seeded.accounts["vercel"]

    def live() -> Any:
        return (account.get("project", id) or {}).get("enableProductionFeedback")

    assert live() is before
    scenes = Scenes(seeded)
    _, outputs = scenes.read("Project", id, {}, {})
    inputs, _ = scenes.plugin("Project").check(TYPES["Project"], PROJECT)
    scenes.plugin("Project").update(TYPES["Project"], id, outputs, inputs)
    assert live() is after


@pytest.mark.parametrize(
    "module", [vercel, github, docker], ids=lambda module: module.__name__.split(".")[-1]
)
def test_a_rule_says_whether_it_was_seen_read_in_a_source_or_only_on_a_page(module: ModuleType) -> None:
    known = re.compile(r"page: |seen#\w+|.*\.go\b|the rehearsal's own: |the engine: |the SDK's context ")
    assert [name for name, source in module.RULES.items() if not known.match(source)] == []
