"""The gate's plan: protection rows joined with the secrets and variables of the matrix."""

from typing import Any

import pytest

from plan.gate import Environment, GatePlan, gate_plan
from tests.builders import StackFile, production, staging


def plan(file: StackFile) -> GatePlan:
    return gate_plan(file.settings())


def environment(file: StackFile, place: str) -> Environment:
    [found] = [e for e in plan(file).environments if f"{e.rule.repository}:{e.rule.name}" == place]
    return found


def every_name(found: GatePlan) -> list[str]:
    below: list[Any] = [x for e in found.environments for x in (*e.policies, *e.secrets, *e.variables)]
    return [x.name for x in (*found.environments, *below, *found.rulesets)]


@pytest.mark.parametrize("file", [staging(), production()], ids=lambda f: f.stack)
def test_every_logical_name_is_unique_and_starts_with_gate_and_the_repository(file: StackFile) -> None:
    names = every_name(plan(file))
    assert len(set(names)) == len(names)
    assert all(name.startswith(("gate-share-paint-", "gate-share-paint-infra-")) for name in names)


def test_the_alert_secret_and_the_urls_to_check_reach_every_repository() -> None:
    for repository in ("share-paint", "share-paint-infra"):
        found = environment(production(), f"{repository}:production")
        assert [s.key for s in found.secrets] == ["SLACK_WEBHOOK_URL"]
        assert [v.key for v in found.variables] == ["NEXT_PUBLIC_APP_URL", "NEXT_PUBLIC_SOCKET_URL"]


def test_a_secret_carries_its_value_and_never_stands_among_the_variables() -> None:
    file = production()
    found = environment(file, "share-paint:production")
    assert found.secrets[0].value == file.secrets["SLACK_WEBHOOK_URL"]
    assert not {v.value for v in found.variables} & set(file.secrets.values())


def test_preview_gets_no_secret() -> None:
    assert environment(staging(), "share-paint:preview").secrets == ()


def test_pagerduty_stands_in_for_slack() -> None:
    file = production()
    file.drop_secret("SLACK_WEBHOOK_URL")
    file.set_secret("PAGERDUTY_KEY", "pd")
    assert [s.key for s in environment(file, "share-paint:production").secrets] == ["PAGERDUTY_KEY"]


def test_a_policy_is_a_branch_or_a_tag_and_never_both() -> None:
    found = [(p.branch, p.tag) for p in environment(production(), "share-paint:production").policies]
    assert found == [("main", None), (None, "v*")]
    assert environment(staging(), "share-paint:preview").policies == ()


def test_a_ruleset_is_titled_by_its_pattern() -> None:
    assert {r.title for r in plan(production()).rulesets} == {"paintshare main", "paintshare v*"}


def test_import_ids_reach_the_object_they_name_and_no_other() -> None:
    names = every_name(plan(production()))
    # Secrets are written over; importing one would not tell whether it is the same (plan/adoption.py).
    adopt = {name: f"id-of-{name}" for name in names}
    found = plan(production(adopt=adopt))
    below = [x for e in found.environments for x in (*e.policies, *e.variables)]
    objects: list[Any] = [*found.environments, *below, *found.rulesets]
    assert {x.name: x.adopt for x in objects} == {x.name: f"id-of-{x.name}" for x in objects}
    assert all(e.adopt is None for e in plan(production()).environments)
