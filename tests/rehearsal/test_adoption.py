"""The first live run, practised: what exists is adopted, nothing of it is lost or made twice."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from rehearsal import demo
from tests.harness import RehearsalHome

PROJECT = ("project", demo.VERCEL_PROJECT_ID)
UNRELATED = "NEXT_PUBLIC_ANALYTICS_ID"


def _project(home: RehearsalHome) -> dict[str, Any]:
    found = home.account("vercel").get(*PROJECT)
    assert found is not None
    return {name: value for name, value in found.items() if name != "updatedAt"}


def _variables(home: RehearsalHome) -> list[dict[str, Any]]:
    return [document for _, document in home.account("vercel").find("variable")]


def _changed(home: RehearsalHome, stack: str, name: str) -> set[str]:
    steps = home.preview_json(stack)["steps"]
    return {
        property
        for step in steps
        if step["urn"].endswith(f"::{name}")
        for property in step.get("diffReasons") or ()
        if step["oldState"]["inputs"].get(property) != step["newState"]["inputs"].get(property)
    }


def test_the_project_is_imported_and_only_stated_settings_change(adopted_home: RehearsalHome) -> None:
    planned = adopted_home.preview_json("production")

    assert planned["changeSummary"]["import"] > 0
    assert {"delete", "replace", "create-replacement"}.isdisjoint(planned["changeSummary"])
    ops = [step["op"] for step in planned["steps"] if step["urn"].endswith("::web-project")]
    assert ops[0] == "import"
    assert _changed(adopted_home, "production", "web-project") == {
        "autoAssignCustomDomains",
        "automaticallyExposeSystemEnvironmentVariables",
    }


@dataclass(frozen=True)
class FirstUps:
    """A home whose stacks were applied for the first time, and what there was before and between."""

    home: RehearsalHome
    before: dict[str, Any]
    project: dict[str, Any]
    announced: str
    staging_wrote: dict[str, list[tuple[int, str, str, str]]]
    project_after_staging: dict[str, Any]


@pytest.fixture(scope="module")
def first_ups(_adopted: RehearsalHome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FirstUps]:
    home = _adopted.copy(tmp_path_factory.mktemp("first") / "rehearsal")
    before, project = home.account("vercel").dump(), _project(home)
    announced = home.operations("adopt", "--stack", "production", "--yes").ok().stdout
    last = {service: home.account(service).calls()[-1][0] for service in ("vercel", "github")}
    home.up("staging")
    wrote = {service: home.account(service).calls(last[service]) for service in last}
    untouched = _project(home)
    home.up("production")
    yield FirstUps(home, before, project, announced, wrote, untouched)
    home.close()


def test_after_up_the_project_differs_in_what_adopt_announced_and_nothing_else(first_ups: FirstUps) -> None:
    announced = set(re.findall(r"change  project setting (\w+): ", first_ups.announced))
    before, after = first_ups.project, _project(first_ups.home)
    differs = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert differs == announced
    assert differs == {
        "autoAssignCustomDomains",
        "automaticallyExposeSystemEnvironmentVariables",
        "enableProductionFeedback",
    }


def test_a_project_adopted_without_stated_changes_is_not_written_at_all(adopted_home: RehearsalHome) -> None:
    adopted_home.edit("production", release=None, previousRelease=None, autoAssignCustomDomains=None)
    adopted_home.remove_config(
        "production", "vercelProject.automaticallyExposeSystemEnvironmentVariables", path=True
    )
    before = adopted_home.account("vercel").get(*PROJECT)
    adopted_home.up("production")

    assert adopted_home.account("vercel").get(*PROJECT) == before


def test_staging_leaves_the_project_and_everything_of_production_untouched(first_ups: FirstUps) -> None:
    assert first_ups.project_after_staging == first_ups.project
    vercel, wrote = first_ups.home.account("vercel"), first_ups.staging_wrote
    touched = [id for _, _, kind, id in wrote["vercel"] if kind == "variable"]
    targets = [target for id in touched for target in (vercel.get("variable", id) or {}).get("targets", [])]
    assert touched
    assert "production" not in targets
    assert not [id for _, _, _, id in wrote["github"] if "roduction" in id or "main" in id]


def test_no_variable_exists_twice_and_hand_made_ones_keep_their_ids(first_ups: FirstUps) -> None:
    hand_made = first_ups.before["variable"]
    now = first_ups.home.account("vercel").dump()["variable"]
    places = Counter(
        (v["key"], v.get("gitBranch"), place)
        for v in now.values()
        for place in [*v.get("targets", []), *v.get("customEnvironmentIds", [])]
    )
    assert places
    assert set(places.values()) == {1}
    assert hand_made.keys() <= now.keys()
    unrelated = {id: v for id, v in hand_made.items() if v["key"] == UNRELATED}
    assert unrelated
    assert {id: v for id, v in now.items() if v["key"] == UNRELATED} == unrelated


def test_a_variable_on_several_targets_is_split_before_and_both_parts_are_adopted(
    rehearsal_home: RehearsalHome,
) -> None:
    key = "NEXT_PUBLIC_SUPABASE_URL"
    (id, before), *others = rehearsal_home.account("vercel").find("variable", key=key)
    assert sorted(before["targets"]) == ["preview", "production"]
    assert not others
    said = rehearsal_home.adopt("staging").stdout

    assert f"split   {key}" in said
    parts = {tuple(v["targets"]): i for i, v in rehearsal_home.account("vercel").find("variable", key=key)}
    assert parts[("production",)] == id
    assert set(parts) == {("production",), ("preview",)}
    values = {v["value"] for v in _variables(rehearsal_home) if v["key"] == key}
    assert values == {before["value"]}  # nothing changes for anybody until `up`
    assert rehearsal_home.operations_planned("staging")[f"web-variable-{key}-preview"] == "update"


def test_a_variable_that_must_become_sensitive_is_announced_deleted_and_made_once(
    rehearsal_home: RehearsalHome,
) -> None:
    key = "SUPABASE_SERVICE_ROLE_KEY"
    ((id, before),) = rehearsal_home.account("vercel").find("variable", key=key)
    assert before["type"] == "encrypted"
    declined = rehearsal_home.operations("adopt", "--stack", "production", "--rehearsal").failed()
    assert f"delete  variable {key} (production)" in declined.stdout
    assert rehearsal_home.account("vercel").get("variable", id) == before  # nothing happens before the answer

    rehearsal_home.adopt("production")
    assert rehearsal_home.account("vercel").get("variable", id) is None
    rehearsal_home.up("production")
    (after,) = (v for v in _variables(rehearsal_home) if v["key"] == key and v["targets"] == ["production"])
    assert after["type"] == "sensitive"


def test_without_a_comparison_one_message_names_all_that_exists_and_the_command(
    rehearsal_home: RehearsalHome,
) -> None:
    vercel = rehearsal_home.account("vercel").dump()
    refused = rehearsal_home.pulumi("up", "-s", "production", "--yes", "--skip-preview").failed()

    assert "python -m operations adopt --stack production" in refused.text
    for name in (
        "NEXT_PUBLIC_SUPABASE_URL (production)",
        "NEXT_PUBLIC_APP_URL (production)",
        "NEXT_PUBLIC_SENTRY_DSN (production)",
        "SUPABASE_SERVICE_ROLE_KEY (production)",
        "share-paint.app",
        "share-paint:production",
        "Vercel project: share-paint",
    ):
        assert name in refused.text.replace("\n", " "), name
    assert refused.text.split("Diagnostics:")[1].count("error:") == 1
    assert rehearsal_home.account("vercel").dump() == vercel


def test_adopting_again_changes_nothing_and_after_the_first_up_removes_the_ids(
    adopted_home: RehearsalHome,
) -> None:
    file = adopted_home.home.stack_file("production")
    before, accounts = file.read_text(), adopted_home.account("vercel").dump()
    adopted_home.adopt("production")
    day = re.compile(r"(?<=paintshare:adoptedOn: ).+")
    assert day.sub("", file.read_text()) == day.sub("", before) != before
    assert adopted_home.account("vercel").dump() == accounts

    adopted_home.up("production")
    assert "import ids are in place" in adopted_home.pulumi("preview", "-s", "production").ok().text
    adopted_home.adopt("production")
    assert "paintshare:adopt:" not in file.read_text()
    adopted_home.pulumi("preview", "-s", "production", "--expect-no-changes").ok()


def test_the_environment_that_vercels_integration_made_is_the_one_that_is_protected(
    first_ups: FirstUps,
) -> None:
    github = first_ups.home.account("github")
    [(_, found)] = [
        found
        for found in github.find("environment", repository="share-paint")
        if found[1]["name"].lower() == "production"
    ]
    assert found["reviewers"]


def test_the_production_domain_serves_the_pinned_release(first_ups: FirstUps) -> None:
    vercel = first_ups.home.account("vercel")
    alias = vercel.get("alias", demo.PRODUCTION_DOMAIN)
    assert alias is not None
    deployment = vercel.get("deployment", alias["deploymentId"])
    assert deployment is not None
    assert deployment["sha"] == demo.RELEASES[1]
    assert first_ups.home.outputs("production")["servedDeployment"] == alias["deploymentId"]
