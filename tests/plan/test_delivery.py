"""What workflows need: rows that fit together, and stack files that may state only those."""

import pytest

from plan.delivery import INPUTS, Kind, Role, environments, names
from tests.builders import StackFile, production, staging


def test_every_name_stands_once_and_is_one_that_github_admits() -> None:
    found = [row.name for row in INPUTS]
    assert len(found) == len(set(found))
    # https://docs.github.com/actions/reference/security/secrets: the prefix is reserved
    assert not any(name.startswith("GITHUB_") for name in found)


def test_variables_are_declared_and_secrets_are_set_by_hand() -> None:
    assert {row.kind for row in INPUTS if row.declared} == {Kind.VARIABLE}


def test_only_the_stack_that_owns_preview_is_reviewed_live() -> None:
    assert environments(staging().settings()) == {
        "staging": Role.APPLY, "staging-plan": Role.PLAN, "preview": Role.REVIEW,
    }  # fmt: skip
    assert environments(production().settings()) == {
        "production": Role.APPLY, "production-plan": Role.PLAN,
    }  # fmt: skip


def test_a_pull_request_never_sees_a_key_that_writes_to_github_or_to_a_docker_host() -> None:
    assert {"APP_PRIVATE_KEY", "DOCKER_SSH_KEY"}.isdisjoint(names(Role.REVIEW, Kind.SECRET))


@pytest.mark.parametrize(
    ("delivery", "key", "text"),
    [
        ({"production": {}}, "delivery.production", "is no environment of this stack's workflows"),
        (
            {"preview": {"VERCEL_API_TOKEN": "x"}},
            "delivery.preview.VERCEL_API_TOKEN",
            "is a secret: set it by hand",
        ),
        (
            {"preview": {"APP_CLIENT_ID": "x"}},
            "delivery.preview.APP_CLIENT_ID",
            "is no variable that workflows read there (AWS_REGION,",
        ),
        ({"staging": {"AWS_REGION": ""}}, "delivery.staging.AWS_REGION", "is empty"),
    ],
)
def test_what_no_workflow_reads_is_refused_by_its_path(
    delivery: dict[str, dict[str, str]], key: str, text: str
) -> None:
    [problem] = staging(delivery=delivery).check(production()).problems
    assert problem.key == key
    assert problem.text.startswith(text)
    assert f"--path {key}" in problem.fix


@pytest.mark.parametrize("file", [staging(), production()], ids=lambda f: f.stack)
def test_a_stack_may_state_every_variable_of_its_roles(file: StackFile) -> None:
    roles = environments(file.settings())
    file.config["delivery"] = {
        environment: dict.fromkeys(names(role, Kind.VARIABLE), "value") for environment, role in roles.items()
    }
    file.config["releaseAppId"] = 77
    assert file.check().problems == ()


@pytest.mark.parametrize(
    ("file", "problems"),
    [
        (production(), ["releaseAppId"]),
        (production(releaseAppId=77), []),
        (
            production(githubPlan="free", infraRepositoryVisibility="private"),
            [],
        ),  # no ruleset, nothing to get past
        (staging(), []),  # the ruleset is production's
    ],
    ids=["no app", "app", "no ruleset", "another stack's ruleset"],
)
def test_an_app_that_the_ruleset_of_the_record_would_refuse_is_asked_for(
    file: StackFile, problems: list[str]
) -> None:
    file.config["delivery"] = {file.stack: {"APP_CLIENT_ID": "Iv1.value"}}
    found = [problem.key for problem in file.check().problems]
    assert [key for key in found if key == "releaseAppId"] == problems


def test_an_app_named_for_a_check_that_nobody_requires_is_refused_by_its_path() -> None:
    file = production()
    file.config["checkApps"] = {"pai16-ci-gate": 77, "pai16-gate": 77}
    [found] = [problem for problem in file.check().problems if problem.key.startswith("checkApps")]
    assert found.key == "checkApps.pai16-gate"
    assert "pai16-ci-gate" in found.text
    assert "pulumi config rm --path" in found.fix
