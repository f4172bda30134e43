"""No hazard of docs/hazards.md bites this program: each has a test, wherever it stands.

Those that an edit of a stack file can trigger are triggered here. Such a test makes the edit, runs `up` and
looks at the stored account, not only at the exit code.
"""

import json
import os
import re
import signal
import time
from pathlib import Path
from typing import Any, Final

import pytest

from rehearsal import demo
from tests.harness import RehearsalHome

DOCUMENT: Final = Path(__file__).resolve().parents[2] / "docs" / "hazards.md"

PROJECT: Final = demo.VERCEL_PROJECT_ID


def _project(home: RehearsalHome) -> dict[str, Any]:
    found = home.account("vercel").get("project", PROJECT)
    assert found is not None
    return found


def _environment(home: RehearsalHome, repository: str, name: str) -> dict[str, Any]:
    rows = home.account("github").find("environment", repository=repository)
    (found,) = (document for _, document in rows if document["name"].lower() == name)
    return found


def _policies(home: RehearsalHome, repository: str, environment: str) -> set[tuple[str, str]]:
    found = home.account("github").find("policy", repository=repository)
    return {(d["name"], d["type"]) for _, d in found if d["environment"].lower() == environment}


def _calls(home: RehearsalHome, service: str) -> int:
    return home.account(service).calls()[-1][0]


# --- Vercel ---------------------------------------------------------------------------------------------


def test_an_edited_project_setting_keeps_the_git_link_and_every_other_setting(
    applied_home: RehearsalHome,
) -> None:
    before = _project(applied_home)
    applied_home.set_config("production", "vercelProject.directoryListing", "true", path=True)
    applied_home.up("production")
    after = _project(applied_home)

    assert after["gitRepository"] == before["gitRepository"]
    assert before["gitRepository"]
    differs = {n for n in before.keys() | after.keys() if before.get(n) != after.get(n)} - {"updatedAt"}
    assert differs == {"directoryListing"}


def test_a_dropped_project_section_is_refused_and_the_project_stays(applied_home: RehearsalHome) -> None:
    before = _project(applied_home)
    applied_home.edit("production", vercelProject=None)
    refused = applied_home.pulumi("up", "-s", "production", "--yes", "--skip-preview").failed()

    assert "vercelProject: is empty" in refused.text
    assert _project(applied_home) == before


def test_a_lost_project_fails_the_update_and_is_not_made_anew(applied_home: RehearsalHome) -> None:
    vercel = applied_home.account("vercel")
    with vercel.transaction():
        vercel.delete("project", PROJECT)
    applied_home.pulumi("up", "-s", "production", "--yes", "--refresh", "--skip-preview").failed()

    assert vercel.find("project") == []


def test_variables_that_must_be_replaced_are_replaced_without_a_collision(
    applied_home: RehearsalHome,
) -> None:
    vercel = applied_home.account("vercel")
    where = {(v["key"], tuple(v["targets"])) for _, v in vercel.find("variable")}
    applied_home.edit("production", vercelSensitiveOnly=True)
    planned = applied_home.operations_planned("production")
    applied_home.up("production")

    assert "delete-replaced" in planned.values() or "replace" in planned.values()
    assert {(v["key"], tuple(v["targets"])) for _, v in vercel.find("variable")} == where
    ours = [
        v
        for _, v in vercel.find("variable", targets=["production"])
        if v["key"] != "NEXT_PUBLIC_ANALYTICS_ID"
    ]
    assert ours
    assert {v["type"] for v in ours} == {"sensitive"}


def test_the_kill_switch_is_off_after_up_and_not_gone(applied_home: RehearsalHome) -> None:
    applied_home.edit("production", battle="off")
    vercel = applied_home.account("vercel")
    deployments = set(vercel.dump()["deployment"])
    applied_home.up("production")

    values = {
        item["value"]
        for id, item in vercel.find("edgeConfigItem", key="battle")
        if (vercel.get("edgeConfig", id.split("/")[0]) or {})["name"] == "paintshare-production"
    }
    assert values == {"off"}
    assert set(vercel.dump()["deployment"]) == deployments  # no deployment


def test_another_branch_moves_the_custom_environment_with_it(applied_home: RehearsalHome) -> None:
    vercel = applied_home.account("vercel")
    (name, repository), *_ = vercel.find("repository")
    with vercel.transaction():
        vercel.put(
            "repository",
            name,
            {**repository, "branches": {**repository["branches"], "next": demo.RELEASES[2]}},
        )
    applied_home.edit("staging", branch="next")
    before = {id for id, _ in vercel.find("environment")}
    applied_home.up("staging")

    ((id, environment),) = vercel.find("environment")
    assert {id} == before
    assert environment["branchTracking"]["pattern"] == "next"
    # The app deploys from its own branch; this program's repository from that of the release record.
    assert _policies(applied_home, "share-paint", "staging") == {("next", "branch")}
    assert _policies(applied_home, "share-paint-infra", "staging") == {("main", "branch")}


def test_another_domain_is_stopped_before_the_old_one_goes(applied_home: RehearsalHome) -> None:
    applied_home.edit("production", webDomain="paint.example")
    vercel = applied_home.account("vercel")
    before = vercel.get("alias", demo.PRODUCTION_DOMAIN)
    stopped = applied_home.pulumi("preview", "-s", "production").failed()
    assert "web-domain-share-paint.app" in stopped.text
    applied_home.pulumi("up", "-s", "production", "--yes", "--skip-preview").failed()

    assert vercel.get("domain", demo.PRODUCTION_DOMAIN) is not None
    assert vercel.get("alias", demo.PRODUCTION_DOMAIN) == before


def test_giving_up_the_pinned_release_leaves_the_domain_up(applied_home: RehearsalHome) -> None:
    vercel = applied_home.account("vercel")
    before = vercel.get("alias", demo.PRODUCTION_DOMAIN)
    builds = set(vercel.dump()["deployment"])
    applied_home.edit("production", release=None, previousRelease=None, autoAssignCustomDomains=True)
    applied_home.up("production")

    assert vercel.get("alias", demo.PRODUCTION_DOMAIN) == before
    assert builds <= set(vercel.dump()["deployment"])


def test_preview_scoped_to_the_branch_needs_an_explicit_unprotect_first(applied_home: RehearsalHome) -> None:
    applied_home.edit("staging", vercelTarget="branch")
    stopped = applied_home.pulumi("up", "-s", "staging", "--yes").failed()

    assert "web-environment-staging" in stopped.text
    assert len(applied_home.account("vercel").find("environment")) == 1


def test_a_plan_without_custom_environments_gets_branch_variables_and_domain(
    rehearsal_home: RehearsalHome,
) -> None:
    rehearsal_home.edit("staging", vercelTarget="branch")
    rehearsal_home.adopt("staging")
    rehearsal_home.up("staging")
    vercel = rehearsal_home.account("vercel")

    assert vercel.find("environment") == []
    scoped = {v["key"] for _, v in vercel.find("variable", gitBranch="develop", targets=["preview"])}
    assert {"NEXT_PUBLIC_APP_URL", "BATTLE_PASSWORD_PEPPER"} <= scoped
    domain = vercel.get("domain", demo.STAGING_DOMAIN)
    assert domain is not None
    assert domain["gitBranch"] == "develop"
    rehearsal_home.pulumi("preview", "-s", "staging", "--refresh", "--expect-no-changes").ok()


def test_a_create_whose_answer_was_lost_is_adopted_and_not_repeated(applied_home: RehearsalHome) -> None:
    vercel = applied_home.account("vercel")
    with vercel.transaction():
        vercel.put("fault", "1", {"verb": "create", "kind": "ProjectEnvironmentVariable", "lost": True})
    applied_home.operations(
        "set", "PREVIEW_SENTRY_DSN", "--stack", "staging", stdin="https://p@sentry.example/9"
    ).ok()
    applied_home.pulumi("up", "-s", "staging", "--yes", "--skip-preview").failed()
    conflict = applied_home.pulumi("up", "-s", "staging", "--yes", "--skip-preview").failed()
    assert "ENV_CONFLICT" in conflict.text

    ((id, _),) = vercel.find("variable", key="SENTRY_DSN", targets=["preview"])
    applied_home.adopt("staging")
    applied_home.up("staging")
    assert [i for i, _ in vercel.find("variable", key="SENTRY_DSN", targets=["preview"])] == [id]


def test_an_import_id_left_in_place_is_warned_of_before_it_bites(adopted_home: RehearsalHome) -> None:
    adopted_home.up("production")
    assert "import ids are in place" in adopted_home.pulumi("preview", "-s", "production").ok().text
    adopted_home.edit("production", vercelSensitiveOnly=True)
    adopted_home.pulumi("up", "-s", "production", "--yes", "--skip-preview").failed()
    adopted_home.adopt("production")
    adopted_home.up("production")

    values = [v for _, v in adopted_home.account("vercel").find("variable", key="NEXT_PUBLIC_APP_URL")]
    assert {v["type"] for v in values if v["targets"] == ["production"]} == {"sensitive"}


def test_retention_is_declared_only_when_the_stack_file_asks(applied_home: RehearsalHome) -> None:
    assert not [n for n in applied_home.resources("production") if "retention" in n]
    applied_home.edit("production", deploymentRetention="1y")
    applied_home.up("production")
    assert "web-retention" in applied_home.resources("production")


# --- GitHub ---------------------------------------------------------------------------------------------


def test_an_edited_wait_timer_keeps_reviewers_policies_and_the_closed_bypass(
    applied_home: RehearsalHome,
) -> None:
    before = _environment(applied_home, "share-paint", "production")
    applied_home.edit("production", waitMinutes=15)
    applied_home.up("production")
    after = _environment(applied_home, "share-paint", "production")

    assert after["waitTimer"] == 15
    assert {**after, "waitTimer": 0} == {**before, "waitTimer": 0}
    assert after["canAdminsBypass"] is False
    assert after["reviewers"]


def test_a_renamed_environment_is_stopped_before_its_history_goes(applied_home: RehearsalHome) -> None:
    github = applied_home.account("github")
    before = github.dump()["environment"]
    applied_home.edit("staging", environment="stage")
    applied_home.pulumi("up", "-s", "staging", "--yes").failed()

    assert github.dump()["environment"] == before


def test_an_update_whose_reviewers_github_drops_fails_and_names_them(applied_home: RehearsalHome) -> None:
    """GitHub answers 200, the plugin takes it for done, and nobody would have to approve."""
    github = applied_home.account("github")
    repository = github.get("repository", demo.APP_REPOSITORY) or {}
    github.put("repository", demo.APP_REPOSITORY, {**repository, "access": {"users": [], "teams": []}})
    applied_home.edit("production", waitMinutes=3)
    failed = applied_home.pulumi("up", "-s", "production", "--yes", "--skip-preview").failed()

    assert _environment(applied_home, demo.APP_REPOSITORY, "production")["reviewers"] is None
    assert "GitHub keeps the protection asked for" in failed.text
    assert "nobody has to approve a deployment, mina-release or infra-owners should" in failed.text
    assert f"{demo.INFRA_REPOSITORY}:production:" not in failed.text  # there all is kept


def test_what_an_ignored_protection_would_cost_for_good_is_kept(applied_home: RehearsalHome) -> None:
    kinds = {
        "github": ("environment",),
        "vercel": ("project", "environment", "edgeConfig", "edgeConfigToken"),
    }

    def there() -> dict[str, set[str]]:
        dumps = {service: applied_home.account(service).dump() for service in kinds}
        return {kind: set(dumps[service][kind]) for service, own in kinds.items() for kind in own}

    before = there()
    applied_home.pulumi("destroy", "-s", "staging", "--yes", "--skip-preview", "--ignore-protect").ok()
    assert there() == before
    assert applied_home.resources("staging") == {}


def test_other_tags_change_the_policies_and_nothing_else_of_the_environment(
    applied_home: RehearsalHome,
) -> None:
    github = applied_home.account("github")
    before = github.dump()["environment"]
    applied_home.edit("production", tags=["release-*"])
    applied_home.up("production")

    assert github.dump()["environment"] == before
    found = _policies(applied_home, "share-paint", "production")
    assert found == {("main", "branch"), ("release-*", "tag")}
    assert _policies(applied_home, "share-paint-infra", "production") == {("main", "branch")}


def test_fewer_reviewers_leave_the_gate_closed(applied_home: RehearsalHome) -> None:
    applied_home.edit("production", reviewers=[demo.REVIEWER_USER])
    applied_home.up("production")
    after = _environment(applied_home, "share-paint", "production")

    assert json.dumps(after["reviewers"]).count(str(demo.REVIEWER_USER["id"])) == 1
    assert str(demo.REVIEWER_TEAM["id"]) not in json.dumps(after["reviewers"])
    assert after["preventSelfReview"] is True
    assert after["canAdminsBypass"] is False


@pytest.mark.parametrize("plan", ["team", "free"])
def test_protection_that_the_plan_lacks_is_refused_before_anything_is_touched(
    rehearsal_home: RehearsalHome, plan: str
) -> None:
    rehearsal_home.adopt("production")
    github = rehearsal_home.account("github")
    last = _calls(rehearsal_home, "github")
    rehearsal_home.edit("production", githubPlan=plan, appRepositoryVisibility="private")
    refused = rehearsal_home.pulumi("up", "-s", "production", "--yes", "--skip-preview").failed()

    assert "unprotectedRepositories" in refused.text
    assert github.calls(last) == []


@pytest.mark.parametrize("plan", ["team", "free"])
def test_protection_given_up_knowingly_is_stable(rehearsal_home: RehearsalHome, plan: str) -> None:
    github = rehearsal_home.account("github")
    with github.transaction():
        for name, repository in github.find("repository"):
            github.put("repository", name, {**repository, "plan": plan, "visibility": "private"})
    rehearsal_home.edit(
        "production", githubPlan=plan, appRepositoryVisibility="private", infraRepositoryVisibility="private",
        unprotectedRepositories=[demo.APP_REPOSITORY, demo.INFRA_REPOSITORY], reviewers=[],
    )  # fmt: skip
    rehearsal_home.adopt("production")
    rehearsal_home.up("production")
    rehearsal_home.pulumi("preview", "-s", "production", "--refresh", "--expect-no-changes").ok()


# --- engine -----------------------------------------------------------------------------------------------


def test_a_killed_update_is_taken_up_again_after_cancel(applied_home: RehearsalHome) -> None:
    vercel = applied_home.account("vercel")
    applied_home.operations(
        "set", "SENTRY_DSN", "--stack", "staging", stdin="https://k@sentry.example/1"
    ).ok()
    command = ("pulumi", "up", "-s", "staging", "--yes", "--skip-preview", "--non-interactive")
    with applied_home.hanging("update", "ProjectEnvironmentVariable", *command) as running:
        assert _children(applied_home)
        os.killpg(running.pid, signal.SIGKILL)
    _until(lambda: _children(applied_home) == [])  # plugins and language host end with the engine

    locked = applied_home.pulumi("up", "-s", "staging", "--yes", "--skip-preview").failed()
    assert "lock" in locked.text
    applied_home.pulumi("cancel", "--yes", "-s", "staging").ok()
    applied_home.up("staging")
    values = {v["value"] for _, v in vercel.find("variable", key="SENTRY_DSN") if v["customEnvironmentIds"]}
    assert values == {"https://k@sentry.example/1"}
    applied_home.pulumi("preview", "-s", "staging", "--expect-no-changes").ok()


def test_a_wrong_passphrase_is_refused_without_touching_anything(applied_home: RehearsalHome) -> None:
    calls = _calls(applied_home, "vercel")
    wrong = applied_home.folder / "wrong"
    wrong.write_text("not the passphrase")
    refused = applied_home.pulumi(
        "up", "-s", "staging", "--yes", env={"PULUMI_CONFIG_PASSPHRASE_FILE": str(wrong)}
    ).failed()
    assert "passphrase" in refused.text
    assert _calls(applied_home, "vercel") == calls


def test_the_tokens_are_nowhere_in_the_state(module_home: RehearsalHome) -> None:
    for stack in ("staging", "production"):
        providers = [
            r for r in module_home.resources(stack).values() if r["type"].startswith("pulumi:providers:")
        ]
        assert {r["type"].split(":")[-1] for r in providers} == {"vercel", "github", "docker"}
        for provider in providers:
            assert {"token", "apiToken"}.isdisjoint(provider["inputs"])


def _children(home: RehearsalHome) -> list[str]:
    """Arguments of the plugins and language hosts that run for this home."""
    folder, found = str(home.folder).encode(), []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            arguments, environment = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
        except OSError:
            continue
        kinds = (b"language_host", b"rehearsal.standin", b"warm_client.py")
        if folder in environment and any(kind in arguments for kind in kinds):
            found.append(arguments.decode())
    return found


def _until(condition: Any, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


# --- the table ----------------------------------------------------------------------------------------------

# hazard of docs/hazards.md -> the test that would see it bite
HAZARDS: Final[dict[str, str]] = {
    "git-link-cut": "test_an_edited_project_setting_keeps_the_git_link_and_every_other_setting",
    "settings-reset": "test_after_up_the_project_differs_in_what_adopt_announced_and_nothing_else",
    "unreadable-settings-lost": "test_a_setting_that_nobody_can_keep_is_refused_before_it_is_lost",
    "project-by-other-id": "test_a_project_found_by_another_identifier_is_refused_with_its_canonical_id",
    "project-made-anew": "test_a_lost_project_fails_the_update_and_is_not_made_anew",
    "project-destroyed": "test_destroy_touches_no_protected_object_and_names_the_others",
    "destroy-past-protection": "test_destroy_touches_no_protected_object_and_names_the_others",
    "ignore-protect": "test_what_an_ignored_protection_would_cost_for_good_is_kept",
    "protect-inherited": "test_protected_is_what_must_outlive_a_mistake_and_nothing_else",
    "variable-replace-collides": "test_variables_that_must_be_replaced_are_replaced_without_a_collision",
    "variable-by-hand": "test_no_variable_exists_twice_and_hand_made_ones_keep_their_ids",
    "variable-many-targets": (
        "test_a_variable_on_several_targets_is_split_before_and_both_parts_are_adopted"
    ),
    "variable-becomes-sensitive": (
        "test_a_variable_that_must_become_sensitive_is_announced_deleted_and_made_once"
    ),
    "inline-variables": "test_no_variable_is_declared_inline_in_the_project",
    "running-deployments-keep-values": (
        "test_rotating_a_secret_changes_its_carriers_and_the_deployments_only"
    ),
    "rollback-revives-secret": (
        "test_a_rotation_rebuilds_n_minus_1_too_so_that_a_rollback_brings_no_old_secret_back"
    ),
    "trigger-is-secret": "test_a_rotated_secret_rebuilds_both_releases",
    "edge-item-gone": "test_the_kill_switch_is_off_after_up_and_not_gone",
    "edge-item-missing-meanwhile": (
        "test_what_collides_with_its_replacement_is_deleted_first_and_nothing_else_is"
    ),
    "environment-keeps-old-value": "test_another_branch_moves_the_custom_environment_with_it",
    "environment-reserved-name": "test_a_mistake_is_named_by_its_key_with_the_command_that_mends_it",
    "names-and-no-paths": "test_an_edit_that_the_plugin_only_names_is_told_and_nothing_beside_it",
    "domain-exists": "test_domains_that_exist_are_adopted_by_name",
    "alias-deleted": "test_giving_up_the_pinned_release_leaves_the_domain_up",
    "build-hangs": "test_a_step_that_waits_for_a_build_ends_before_the_tokens_of_its_rollback_do",
    "build-skipped": (
        "test_a_rotation_whose_builds_fail_says_what_still_has_the_old_value_and_that_it_must_not_be_revoked"
    ),
    "served-by-hand": (
        "test_an_instant_rollback_in_the_dashboard_is_seen_by_every_verb_and_its_release_is_n_minus_1"
    ),
    "answer-not-of-the-app": ("test_what_vercel_answers_in_the_apps_place_says_nothing_about_the_release"),
    "settings-rolled-back": "test_what_a_service_has_otherwise_than_declared_is_named_without_its_value",
    "refresh-with-old-key": "test_whatever_reads_what_is_there_runs_the_program_with_todays_credentials",
    "run-dropped": "test_the_image_of_a_dropped_run_is_found_and_one_that_was_taken_back_is_not",
    "publishing-stops": "test_mistakes_are_told_in_one_error_block_and_touch_nothing",
    "push-overtakes-release": "test_a_mistake_is_named_by_its_key_with_the_command_that_mends_it",
    "release-without-way-back": "test_a_mistake_is_named_by_its_key_with_the_command_that_mends_it",
    "retention-crashes": "test_retention_is_declared_only_when_the_stack_file_asks",
    "create-answer-lost": "test_a_create_whose_answer_was_lost_is_adopted_and_not_repeated",
    "import-left-in-place": "test_an_import_id_left_in_place_is_warned_of_before_it_bites",
    "look-up-fails-preview": "test_a_call_to_a_provider_is_refused",
    "sensitive-only-team": "test_a_team_that_forces_sensitive_gets_every_variable_sensitive",
    "environment-put-is-whole": "test_an_edited_wait_timer_keeps_reviewers_policies_and_the_closed_bypass",
    "environment-renamed": "test_a_renamed_environment_is_stopped_before_its_history_goes",
    "environment-case": "test_the_environment_that_vercels_integration_made_is_the_one_that_is_protected",
    "policy-needs-custom": "test_other_tags_change_the_policies_and_nothing_else_of_the_environment",
    "bare-branch-name": "test_a_ruleset_names_a_full_ref_and_never_a_bare_name",
    "protection-dropped": "test_protection_that_the_plan_lacks_is_refused_before_anything_is_touched",
    "admin-bypass-flaps": "test_protection_given_up_knowingly_is_stable",
    "one-of-several": "test_a_branch_demands_its_repositorys_checks_and_the_stacks_approvals",
    "too-many-reviewers": "test_mistakes_are_told_in_one_error_block_and_touch_nothing",
    "reviewer-dropped": "test_an_update_whose_reviewers_github_drops_fails_and_names_them",
    "schedule-switched-off": "test_a_fault_of_an_account_is_found_with_its_fix",
    "approval-holds-the-stack": "test_a_release_is_planned_recorded_pushed_applied_asked_and_watched",
    "dependabot-without-secrets": (
        "test_a_run_that_github_gives_no_secret_is_previewed_in_the_rehearsal_and_told_in_the_summary"
    ),
    "reviewer-unknown": "test_a_reviewer_that_github_does_not_know_is_named_with_the_command_that_mends_it",
    "repository-wiped": "test_each_stack_declares_what_matrix_and_rows_say_and_nothing_else",
    "owner-unset": "test_the_providers_get_team_and_owner_from_the_stack_file",
    "tag-moved": "test_a_tag_may_not_be_moved_and_demands_no_check",
    "tag-needs-checks": "test_a_tag_demands_no_checks_because_a_merge_commit_has_none",
    "open-docker-port": "test_a_mistake_is_named_by_its_key_with_the_command_that_mends_it",
    "context-wins": "test_an_environment_that_would_win_over_the_stack_file_is_refused",
    "login-change-replaces": "test_credentials_of_the_registry_show_as_a_label_of_the_service_alone",
    "login-kept-by-swarm": "test_a_rotated_password_reaches_the_swarm_as_a_release_does",
    "rollback-makes-another-task": "test_a_release_that_is_never_healthy_meets_no_player",
    "order-of-variables": "test_a_release_that_is_never_healthy_meets_no_player",
    "zero-planned-away": ("test_service_comes_back_as_stated__in_every_field_of_the_programs_own_services"),
    "update-called-completed": "test_a_release_that_dies_once_healthy_loses_no_probe_and_no_room",
    "failed-hook-is-done": "test_a_release_that_dies_once_healthy_loses_no_probe_and_no_room",
    "configuration-refused": (
        "test_a_service_that_keeps_its_old_configuration_fails_each_up_until_it_takes_the_new_one"
    ),
    "file-capability-dropped": ("test_caddys_program_cannot_be_started_without_the_capability_of_its_file"),
    "state-after-rollback": (
        "test_a_service_is_seen_as_it_runs_through_a_good_rollout_and_one_that_is_rolled_back"
    ),
    "rollback-says-nothing": "test_two_bad_releases_in_a_row_do_not_make_the_first_of_them_n_minus_1",
    "release-missing": "test_a_release_that_never_existed_is_refused_before_the_service_is_touched",
    "every-task-replaced": "test_a_release_that_dies_once_healthy_loses_no_probe_and_no_room",
    "hung-task-asked-again": "test_a_task_that_hangs_makes_one_request_wait_and_is_left_out",
    "proxy-missing": "test_a_proxy_that_cannot_be_pulled_is_refused_while_the_old_one_serves",
    "probe-kills": "test_a_slow_health_check_ends_no_task_within_ten_seconds",
    "pruning-takes-the-way-back": (
        "test_after_a_pruning_each_stack_goes_back_to_its_n_1_with_the_registry_stopped"
    ),
    "token-in-state": "test_the_tokens_are_nowhere_in_the_state",
    "secret-in-the-clear": "test_mistakes_are_told_in_one_error_block_and_touch_nothing",
    "empty-passphrase": (
        "test_a_stack_that_the_empty_passphrase_opens_is_found_and_closed_by_the_printed_command"
    ),
    "scalars-rewritten": "test_a_secret_changes_its_own_lines_alone_whatever_else_the_engine_rewrites",
    "key-twice": "test_a_sibling_that_cannot_be_read_is_a_problem_with_its_line",
    "digits-become-number": "test_each_printed_command_run_as_it_stands_mends_its_problem",
    "secret-map": "test_only_optional_keys_of_preview_have_a_stack_file_key_of_their_own",
    "stack-reference-elides": "test_an_unreadable_sibling_is_said_aloud",
    "unknown-key": "test_mistakes_are_told_in_one_error_block_and_touch_nothing",
    "one-error-at-a-time": "test_mistakes_are_told_in_one_error_block_and_touch_nothing",
    "placeholder-live": "test_mistakes_are_told_in_one_error_block_and_touch_nothing",
    "owned-twice": "test_no_object_of_the_real_world_belongs_to_both_stacks",
    "sensitive-drift-unseen": "test_changes_by_hand_are_found_and_their_commands_take_them_back",
    "reviewers-drift-unseen": "test_changes_by_hand_are_found_and_their_commands_take_them_back",
    "policy-drift-unseen": "test_changes_by_hand_are_found_and_their_commands_take_them_back",
    "forged-check": "test_a_green_run_of_another_app_counts_for_nothing_and_is_told",
    "checks-not-offered": "test_a_permission_that_the_token_lacks_is_named_for_each_repository_that_needs_it",
    "digest-dropped-unseen": "test_a_change_by_hand_on_a_host_is_found_and_its_command_takes_it_back",
    "secret-drift-unseen": "test_changes_by_hand_are_found_and_their_commands_take_them_back",
    "bypass-told-to-few": "test_who_may_bypass_is_said_to_be_untold_where_the_token_is_not_told",
    "shared-data": "test_mistakes_are_told_in_one_error_block_and_touch_nothing",
    "killed-run": "test_a_killed_update_is_taken_up_again_after_cancel",
    "names-change": "test_a_release_keeps_its_logical_name_when_it_becomes_the_one_before",
}


def test_every_hazard_has_a_test_and_every_test_named_here_exists() -> None:
    documented = re.findall(r"^\| `([a-z0-9-]+)` \|", DOCUMENT.read_text(), re.MULTILINE)
    tests = Path(__file__).resolve().parents[1].rglob("test_*.py")
    defined = {
        name for path in tests for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)
    }

    assert len(documented) == len(set(documented))
    assert set(documented) == HAZARDS.keys()
    assert set(HAZARDS.values()) <= defined


@pytest.mark.parametrize("drift", ["reviewers-removed", "secret-by-hand"])
def test_what_refresh_cannot_see_is_documented_so_and_stays_so(
    applied_home: RehearsalHome, drift: str
) -> None:
    """Should a later plugin see it, this fails, and the document has to change."""
    from rehearsal.standin.drift import DRIFTS  # noqa: PLC0415  beside its only use

    before = applied_home.account("github").dump()
    DRIFTS[drift].apply(applied_home.home.account)
    assert applied_home.account("github").dump() != before
    assert DRIFTS[drift].seen is False
    planned = applied_home.operations_planned("production", "--refresh")
    assert not [name for name in planned if name.endswith("-environment-production")]
