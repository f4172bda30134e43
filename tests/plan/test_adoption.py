"""Adoptables: every declared object that an account may hold already, under the name a person knows."""

from typing import Any

import pytest

from plan.adoption import adoptables
from plan.gate import gate_plan
from plan.settings import Settings
from plan.web import web_plan
from tests.builders import StackFile, production, staging


def labels(file: StackFile, kind: str) -> list[str]:
    return [item.label for item in adoptables(file.settings()) if item.kind == kind]


def test_the_project_is_listed_by_the_stack_that_owns_it() -> None:
    assert labels(production(), "Vercel project") == ["share-paint"]
    assert labels(staging(), "Vercel project") == []


def test_a_variable_is_known_by_key_and_environment() -> None:
    assert "BATTLE_PASSWORD_PEPPER (preview)" in labels(staging(), "Vercel variable")
    assert "NEXT_PUBLIC_APP_URL (production)" in labels(production(), "Vercel variable")


def test_domains_and_the_custom_environment_are_known_by_name() -> None:
    assert labels(production(), "Vercel domain") == ["share-paint.app", "www.share-paint.app"]
    assert labels(staging(), "Vercel environment") == ["staging"]


def test_objects_of_github_are_known_by_repository_and_environment() -> None:
    assert labels(production(), "GitHub environment") == [
        "share-paint:production",
        "share-paint-infra:production",
        "share-paint-infra:production-plan",
    ]
    assert "share-paint:production:v*" in labels(production(), "GitHub deployment policy")
    assert "share-paint:production:NEXT_PUBLIC_APP_URL" in labels(production(), "GitHub variable")
    assert "share-paint-infra:paintshare main" in labels(production(), "GitHub ruleset")


def declared(settings: Settings) -> set[str]:
    web, gate = web_plan(settings), gate_plan(settings)
    custom = [web.custom_environment] if web.custom_environment else []
    below = [x for e in gate.environments for x in (*e.policies, *e.variables)]
    objects: list[Any] = [
        *web.variables, *web.domains, *custom, *gate.rulesets, *gate.environments, *below,
    ]  # fmt: skip
    return {"web-edge-config", *(x.name for x in objects), *(["web-project"] if web.project else [])}


@pytest.mark.parametrize("file", [staging(), production()], ids=lambda f: f.stack)
def test_each_declared_object_is_listed_once_under_its_logical_name(file: StackFile) -> None:
    found = [item.name for item in adoptables(file.settings())]
    assert len(found) == len(set(found))
    assert set(found) == declared(file.settings())


@pytest.mark.parametrize("file", [staging(), production()], ids=lambda f: f.stack)
def test_secrets_of_github_are_not_listed(file: StackFile) -> None:
    assert not any("SLACK_WEBHOOK_URL" in item.label for item in adoptables(file.settings()))
