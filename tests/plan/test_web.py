"""The web plan: where everything lands on Vercel, under which name, and when a release is built again."""

import re
from typing import Any

import pytest

from plan.rows import Store
from plan.variables import MATRIX
from plan.web import PROJECT_SETTINGS, Scope, WebPlan, web_plan
from rehearsal import demo
from tests.builders import StackFile, production, staging


def plan(file: StackFile) -> WebPlan:
    return web_plan(file.settings())


def scopes(found: WebPlan) -> dict[str, set[Scope]]:
    by_environment: dict[str, set[Scope]] = {}
    for variable in found.variables:
        by_environment.setdefault(variable.environment, set()).add(variable.scope)
    return by_environment


# --- targets -----------------------------------------------------------------------------------------


def test_production_goes_to_the_target_production() -> None:
    assert scopes(plan(production())) == {"production": {Scope(target="production")}}


def test_staging_goes_to_its_custom_environment_and_preview_to_the_target_preview() -> None:
    assert scopes(plan(staging())) == {"staging": {Scope(custom=True)}, "preview": {Scope(target="preview")}}


def test_without_custom_environments_staging_is_preview_narrowed_to_its_branch() -> None:
    found = plan(staging(vercelTarget="branch"))
    branch = Scope(target="preview", git_branch="develop")
    assert scopes(found) == {"staging": {branch}, "preview": {Scope(target="preview")}}
    assert [d.scope for d in found.domains] == [branch]
    assert found.custom_environment is None


def test_the_custom_environment_tracks_the_stacks_branch() -> None:
    custom = plan(staging()).custom_environment
    assert custom is not None
    assert (custom.environment, custom.branch) == ("staging", "develop")
    assert plan(production()).custom_environment is None


def test_production_redirects_www_to_its_domain() -> None:
    assert [(d.domain, d.redirect_to) for d in plan(production()).domains] == [
        ("share-paint.app", None),
        ("www.share-paint.app", "share-paint.app"),
    ]
    assert [(d.domain, d.redirect_to) for d in plan(staging()).domains] == [("staging.share-paint.app", None)]


# --- names -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", [staging(), production()], ids=lambda f: f.stack)
def test_every_logical_name_is_unique_and_starts_with_web(file: StackFile) -> None:
    found = plan(file)
    custom = [found.custom_environment] if found.custom_environment else []
    objects: list[Any] = [*found.variables, *found.domains, *found.releases, *custom]
    names = [x.name for x in objects]
    assert len(set(names)) == len(names)
    assert all(name.startswith("web-") for name in names)


def test_a_variables_name_says_key_and_environment() -> None:
    assert "web-variable-NEXT_PUBLIC_SOCKET_URL-preview" in {v.name for v in plan(staging()).variables}


def test_the_edge_config_carries_the_stack_in_its_name() -> None:
    assert {plan(f).edge_config_name for f in (staging(), production())} == {
        "paintshare-staging", "paintshare-production",
    }  # fmt: skip


def test_import_ids_reach_the_object_they_name_and_no_other() -> None:
    def objects(found: WebPlan) -> list[Any]:
        return [*found.variables, *found.domains, found.custom_environment]

    bare = objects(plan(staging()))
    found = objects(plan(staging(adopt={item.name: f"id-of-{item.name}" for item in bare})))
    assert [item.adopt for item in found] == [f"id-of-{item.name}" for item in bare]
    assert [item.adopt for item in bare] == [None] * len(bare)


# --- variables ---------------------------------------------------------------------------------------


def test_every_value_that_is_not_public_is_sensitive() -> None:
    public = {row.key for row in MATRIX if row.key.startswith("NEXT_PUBLIC_")}
    for variable in (*plan(staging()).variables, *plan(production()).variables):
        assert variable.sensitive == (variable.key not in public)


def test_a_team_that_forces_sensitive_gets_every_variable_sensitive() -> None:
    assert all(v.sensitive for v in plan(staging(vercelSensitiveOnly=True)).variables)


def test_what_the_socket_host_alone_needs_is_not_at_vercel() -> None:
    keys = {v.key for v in plan(staging()).variables}
    assert not keys & {row.key for row in MATRIX if Store.VERCEL not in row.stores}


# --- project -----------------------------------------------------------------------------------------


def test_only_the_stack_that_states_project_settings_owns_the_project() -> None:
    assert plan(staging()).project is None
    project = plan(production()).project
    assert project is not None
    assert project.settings == {"automaticallyExposeSystemEnvironmentVariables": True}
    assert (project.repository, project.production_branch) == (f"{demo.GITHUB_OWNER}/share-paint", "main")
    assert project.auto_assign_custom_domains is False


def test_each_project_setting_is_a_property_of_the_providers_project() -> None:
    # Imported here: the SDK takes half a second, and nothing else in tests/plan needs it.
    import pulumiverse_vercel as vercel  # noqa: PLC0415

    for name in PROJECT_SETTINGS:
        snake = re.sub(r"(?=[A-Z])", "_", name).lower()
        assert isinstance(getattr(vercel.Project, snake, None), property), name


def test_what_other_keys_own_cannot_be_stated_as_a_project_setting() -> None:
    owned = {
        "name",
        "gitRepository",
        "teamId",
        "autoAssignCustomDomains",
        "environments",
        "passwordProtection",
    }
    assert not owned & set(PROJECT_SETTINGS)


# --- releases ----------------------------------------------------------------------------------------


def test_the_release_is_current_and_the_one_before_is_kept_built() -> None:
    found = plan(production()).releases
    assert [(r.sha, r.current) for r in found] == [(demo.RELEASES[1], True), (demo.RELEASES[0], False)]
    assert all(r.sha in r.name for r in found)


def test_a_release_keeps_its_logical_name_when_it_becomes_the_one_before() -> None:
    before = {r.sha: r.name for r in plan(production()).releases}
    after = {
        r.sha: r.name
        for r in plan(production(release=demo.RELEASES[2], previousRelease=demo.RELEASES[1])).releases
    }
    assert after[demo.RELEASES[1]] == before[demo.RELEASES[1]]


def test_without_a_release_nothing_is_pinned() -> None:
    assert plan(production(release="", previousRelease="")).releases == ()


def test_staging_is_built_again_from_its_branch_and_production_never_from_its_head() -> None:
    assert plan(staging()).follows == "develop"
    assert plan(staging(vercelTarget="branch")).follows == "develop"
    assert plan(production()).follows is None


def test_the_kill_switch_and_the_retention_come_from_the_stack_file() -> None:
    assert plan(staging(battle="off")).features == {"battle": "off"}
    assert plan(staging()).features == {"battle": "on"}
    assert plan(production(deploymentRetention="1y")).retention == "1y"
    assert plan(production()).retention is None


# --- fingerprint -------------------------------------------------------------------------------------


def changed(change: dict[str, Any], secret: tuple[str, str] | None = None, stack: str = "staging") -> bool:
    """Whether the change moves the fingerprint of the stack's variables."""
    file = staging() if stack == "staging" else production()
    before = plan(file).fingerprint
    file.config |= change
    if secret:
        file.set_secret(*secret)
    return plan(file).fingerprint != before


@pytest.mark.parametrize("key", ["SUPABASE_SERVICE_ROLE_KEY", "BATTLE_PASSWORD_PEPPER", "SENTRY_DSN"])
def test_a_rotated_secret_of_the_environment_moves_the_fingerprint(key: str) -> None:
    assert changed({}, (key, "new-value"))


@pytest.mark.parametrize(
    "change",
    [
        {"webDomain": "other.share-paint.app"},
        {"supabaseRef": "another"},
        {"socketDomain": "other.example"},
        {"socketHttpPort": 9080},  # TLS is off there
        {"socketTls": "acme"},
        {"NEXT_PUBLIC_SUPABASE_ANON_KEY": "sb_publishable_new"},
        {"NEXT_PUBLIC_SENTRY_DSN": "https://new@sentry.example/1"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_changed_value_of_the_environment_moves_the_fingerprint(change: dict[str, Any]) -> None:
    assert changed(change)


@pytest.mark.parametrize(
    "change",
    [
        {"battle": "off"},
        {"approvals": 3},
        {"adoptedOn": "2030-01-01"},
        {"vercelSensitiveOnly": True},
        {"socketHost": "ssh://other"},
        {"socketHttpsPort": 9443},
        {"PREVIEW_NEXT_PUBLIC_SENTRY_DSN": "https://own.example"},
        {"adopt": {"web-project": "x"}},
        {"deploymentRetention": "1y"},
        {"redirectDomains": ["x.example"]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_change_that_reaches_no_variable_of_the_environment_leaves_the_fingerprint(
    change: dict[str, Any],
) -> None:
    assert not changed(change)


@pytest.mark.parametrize("key", ["SLACK_WEBHOOK_URL", "DISCORD_WEBHOOK_URL", "PREVIEW_SENTRY_DSN"])
def test_a_secret_of_another_store_or_environment_leaves_the_fingerprint(key: str) -> None:
    assert not changed({}, (key, "new-value"))


def test_a_promotion_leaves_the_fingerprint_so_that_no_build_is_made_twice() -> None:
    assert not changed({"release": demo.RELEASES[2], "previousRelease": demo.RELEASES[1]}, stack="production")


def test_the_fingerprint_holds_no_value_and_depends_on_the_key() -> None:
    file = staging()
    before = plan(file).fingerprint
    assert re.fullmatch(r"[0-9a-f]{32}", before)
    file.secrets["fingerprintKey"] = "another key of more than thirty-two characters"
    assert plan(file).fingerprint != before
