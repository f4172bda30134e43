"""What every component keeps to: names, parents, providers, and what outlives a mistake."""

import ast
from pathlib import Path

import pytest

from tests.builders import ROOT, production, staging
from tests.components import declare
from tests.components.recording import CONNECTION, Declared, Recorded

CASES = {
    "web of staging": declare.web(staging(deploymentRetention="1y")),
    "web of staging without custom environments": declare.web(staging(vercelTarget="branch")),
    "web of production": declare.web(production(deploymentRetention="1y")),
    "gate of staging": declare.gate(staging()),
    "gate of production": declare.gate(production()),
}
SOURCES = sorted((ROOT / "components").glob("*.py"))


def component(recorded: Recorded) -> Declared:
    [found] = [r for r in recorded if r.type.startswith("paintshare:")]
    return found


@pytest.mark.parametrize("case", CASES)
def test_a_component_is_of_the_projects_type_and_a_noun(case: str) -> None:
    expected = "WebApp" if case.startswith("web") else "DeploymentGate"
    assert component(CASES[case]).type == f"paintshare:index:{expected}"


@pytest.mark.parametrize("case", CASES)
def test_every_child_has_its_component_as_parent_and_its_name_begins_with_the_components(case: str) -> None:
    parent = component(CASES[case])
    assert CASES[case].children()
    for child in CASES[case].children():
        assert child.parent == parent.name
        assert child.name.startswith(f"{parent.name}-")


@pytest.mark.parametrize("case", CASES)
def test_every_child_uses_the_provider_that_was_given_to_the_component(case: str) -> None:
    expected = "on-vercel" if case.startswith("web") else "on-github"
    assert {child.provider for child in CASES[case].children()} == {expected}


@pytest.mark.parametrize("case", CASES)
def test_logical_names_are_unique(case: str) -> None:
    names = [r.name for r in CASES[case]]
    assert len(set(names)) == len(names)


def must_outlive_a_mistake(resource: Declared) -> bool:
    if resource.kind == "ProjectDomain":
        return "redirect" not in resource.inputs
    return resource.kind in {
        "Project", "CustomEnvironment", "EdgeConfig", "EdgeConfigToken", "RepositoryEnvironment",
    }  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_protected_is_what_must_outlive_a_mistake_and_nothing_else(case: str) -> None:
    # Inherited from a component, `protect` makes each replacement below fail (hazard `protect-inherited`).
    protected = {r.name for r in CASES[case] if r.protected}
    assert protected == {r.name for r in CASES[case].children() if must_outlive_a_mistake(r)}
    assert protected


@pytest.mark.parametrize("case", CASES)
def test_retained_is_what_no_option_of_the_engine_may_delete_and_nothing_else(case: str) -> None:
    """`--ignore-protect` gets past protection. Deleted, each of these costs history or blinds its readers."""
    kept = {"Project", "Alias", "CustomEnvironment", "EdgeConfig", "EdgeConfigToken", "RepositoryEnvironment"}
    assert {r.kind for r in CASES[case] if r.retained} <= kept
    assert all(r.retained for r in CASES[case] if r.kind in kept)


# Kinds whose new one collides with the old one (hazard `variable-replace-collides`).
COLLIDE = {
    "ProjectEnvironmentVariable", "EdgeConfigItem", "RepositoryEnvironmentDeploymentPolicy",
    "ActionsEnvironmentVariable",
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_collides_with_its_replacement_is_deleted_first_and_nothing_else_is(case: str) -> None:
    assert {r.kind for r in CASES[case] if r.deleted_first} == COLLIDE & {r.kind for r in CASES[case]}
    assert all(r.deleted_first for r in CASES[case] if r.kind in COLLIDE)


@pytest.mark.parametrize("case", CASES)
def test_no_value_that_is_secret_is_registered_in_the_clear(case: str) -> None:
    for child in CASES[case].children():
        if child.kind in {"ProjectEnvironmentVariable", "ActionsEnvironmentSecret"}:
            assert child.secrets == {"value"}
        else:
            assert child.secrets == frozenset()


@pytest.mark.parametrize("stack", ["staging", "production"])
def test_no_secret_stands_in_a_name_or_in_an_input_that_is_not_secret(stack: str) -> None:
    file = staging() if stack == "staging" else production()
    for recorded in (declare.web(file), declare.gate(file)):
        for child in recorded.children():
            open_inputs = {k: v for k, v in child.inputs.items() if k not in child.secrets}
            text = f"{child.name} {open_inputs} {child.options}"
            assert not any(value in text for value in file.secrets.values())


@pytest.mark.parametrize("case", CASES)
def test_a_component_registers_its_outputs_once_and_no_secret_among_them(case: str) -> None:
    assert component(CASES[case]).name in CASES[case].outputs
    assert CONNECTION not in str(CASES[case].outputs)


def literals(source: Path) -> set[str]:
    """Text literals of a module, docstrings left out."""
    tree = ast.parse(source.read_text())
    doc = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    constants = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in doc]
    return {str(node.value) for node in constants}


@pytest.mark.parametrize("source", SOURCES, ids=lambda s: s.name)
def test_a_component_knows_no_stack_by_name(source: Path) -> None:
    words = {word for text in literals(source) for word in text.replace("/", " ").split()}
    assert not {"staging", "production", "preview", "develop", "main", "share-paint"} & words


@pytest.mark.parametrize("source", SOURCES, ids=lambda s: s.name)
def test_a_component_reads_no_config_environment_variable_clock_or_network(source: Path) -> None:
    tree = ast.parse(source.read_text())
    imported = {
        alias.name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in ([ast.alias(node.module or "")] if isinstance(node, ast.ImportFrom) else node.names)
    }
    assert not imported & {"os", "datetime", "time", "requests", "urllib", "subprocess", "random", "socket"}
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not used & {"Config", "environ", "getenv", "get_stack", "is_dry_run", "today", "now"}
