"""Promote, roll back and rotate on the real engine, each verified in the account of the services."""

import json
import sys
from typing import Any

from rehearsal import demo
from rehearsal.docker_engine import processes
from rehearsal.standin import seeds
from rehearsal.standin.drift import DRIFTS
from rehearsal.standin.vercel import deployment
from rehearsal.standin.vercel.alias import promote
from tests.harness import TIMEOUT, RehearsalHome
from tests.rehearsal.test_course import dirty, log

OLD, NOW, NEXT, _ = demo.RELEASES


def push(home: RehearsalHome, sha: str) -> None:
    """A push to develop: staging follows it."""
    account = home.account("vercel")
    with account.transaction():
        deployment.push(account, seeds.REPOSITORY, "develop", sha)


def served(home: RehearsalHome, domain: str = demo.PRODUCTION_DOMAIN) -> dict[str, Any]:
    account = home.account("vercel")
    alias = account.get("alias", domain)
    assert alias is not None
    return account.get("deployment", alias["deploymentId"]) or {}


def unmonitored(home: RehearsalHome) -> None:
    home.edit("production", promoteUnmonitored=True)
    home.operations("up", "--stack", "production", "--yes").ok()


def test_a_release_goes_from_staging_to_production_and_back_and_every_command_may_be_repeated(
    applied_home: RehearsalHome,
) -> None:
    unmonitored(applied_home)
    push(applied_home, NEXT)
    before = log(applied_home)
    for _ in range(2):
        applied_home.operations("promote", "--stack", "production", "--yes").ok()
        assert served(applied_home)["sha"] == NEXT
        assert applied_home.config("production", "previousRelease") == NOW
    builds = set(applied_home.account("vercel").dump()["deployment"])
    for _ in range(2):
        applied_home.operations("rollback", "--stack", "production", "--yes").ok()
        assert served(applied_home)["sha"] == NOW
        assert applied_home.config("production", "previousRelease") == NEXT
    assert set(applied_home.account("vercel").dump()["deployment"]) == builds  # nothing was built

    refused = applied_home.operations("promote", "--stack", "production", "--yes").failed()
    assert f"{NEXT[:7]} of web was rolled back" in refused.text
    assert len(log(applied_home)) == len(before) + 2
    assert dirty(applied_home, "production") == ""
    applied_home.pulumi("preview", "-s", "production", "--expect-no-changes").ok()


def test_a_promotion_is_refused_with_all_its_reasons_and_nothing_is_touched(
    applied_home: RehearsalHome,
) -> None:
    push(applied_home, NEXT)
    github = applied_home.account("github")
    with github.transaction():
        [(id, run)] = [found for found in github.find("checkRun", sha=NEXT) if found[1]["name"] == "build"]
        github.put("checkRun", id, {**run, "conclusion": "failure"})
        commit = github.get("commit", f"{demo.APP_REPOSITORY}:{NEXT}") or {}
        migration = {"filename": "supabase/migrations/9.sql", "status": "added", "patch": "+drop table a;"}
        github.put("commit", f"{demo.APP_REPOSITORY}:{NEXT}", {**commit, "files": [migration]})
    applied_home.edit("production", NEXT_PUBLIC_SENTRY_DSN=None, SENTRY_DSN=None)
    before, calls = log(applied_home), len(applied_home.account("vercel").calls())
    refused = applied_home.operations(
        "promote", "--stack", "production", "--release", demo.RELEASES[3], "--yes"
    ).failed()

    for reason in (
        f"{demo.RELEASES[3][:7]} was asked for",  # staging never ran it
        "build failure",
        "drops: drop table",
        "stack staging has no monitor",
        "SENTRY_DSN is missing",
    ):
        assert reason in refused.text
    assert log(applied_home) == before
    assert len(applied_home.account("vercel").calls()) == calls
    assert served(applied_home)["sha"] == NOW


def test_of_two_promotions_at_once_one_wins_and_the_other_says_who_holds_the_lock(
    applied_home: RehearsalHome,
) -> None:
    unmonitored(applied_home)
    push(applied_home, NEXT)
    command = (sys.executable, "-m", "operations", "promote", "--stack", "production", "--yes")
    with applied_home.hanging("create", "Deployment", *command) as winner:
        loser = applied_home.operations("promote", "--stack", "production", "--yes").failed()
        winner.finish().ok()

    assert "is locked by" in loser.stderr
    assert served(applied_home)["sha"] == NEXT
    assert dirty(applied_home, "production") == ""


def test_the_old_pepper_stays_valid_beside_the_new_one_until_the_overlap_is_ended(
    applied_home: RehearsalHome,
) -> None:
    key, kept = "BATTLE_PASSWORD_PEPPER", "BATTLE_PASSWORD_PEPPER_PREVIOUS"
    old = applied_home.config("production", key)
    applied_home.operations("rotate", key, "--generate", "--stack", "production", "--yes").ok()
    built = served(applied_home)["env"]
    assert built[key] == applied_home.config("production", key) != old
    assert built[kept] == old

    again = applied_home.operations("rotate", key, "--generate", "--stack", "production", "--yes").ok()
    assert "set so already" in again.stdout  # the same command once more makes no second value
    another = applied_home.operations(
        "rotate", key, "--stack", "production", "--yes", stdin="x" * 32
    ).failed()
    assert "--finish" in another.text
    applied_home.operations("rotate", key, "--finish", "--stack", "production", "--yes").ok()
    assert kept not in served(applied_home)["env"]
    assert served(applied_home)["env"][key] == built[key]
    applied_home.pulumi("preview", "-s", "production", "--expect-no-changes").ok()


def test_a_rollback_needs_neither_github_nor_the_monitoring_host_nor_the_other_stacks_host(
    applied_home: RehearsalHome,
) -> None:
    dead = "ssh://nobody@192.0.2.1"  # for documentation (RFC 5737): nothing answers there
    github = applied_home.account("github")
    with github.transaction():
        github.put("fault", "1", {"status": 502, "times": 1000})
    watched = {"monitorHost": dead, "monitorDomain": demo.monitor_domain("production"), "monitorTls": "acme"}
    applied_home.edit("production", **watched)
    applied_home.edit("staging", socketHost=dead, socketTls="acme")
    calls = len(github.calls())

    words = ("rollback", "--stack", "production", "--yes")
    command = (sys.executable, "-m", "operations", *words)
    applied_home.run(*command, env={"GITHUB_TOKEN": "refused"}).ok()
    assert served(applied_home)["sha"] == OLD
    assert len(github.calls()) == calls
    assert [fault["times"] for _, fault in github.find("fault")] == [1000]  # nobody has even asked


def follow_main(home: RehearsalHome) -> None:
    """Production as it is before its first promotion."""
    home.edit(
        "production",
        release=None,
        previousRelease=None,
        autoAssignCustomDomains=None,
        promoteUnmonitored=True,
    )
    for stack in ("staging", "production"):
        home.up(stack)
        home.adopt(stack)


def test_a_first_promotion_that_cannot_be_built_is_taken_back_to_what_was_served(
    adopted_home: RehearsalHome,
) -> None:
    follow_main(adopted_home)
    before = served(adopted_home)["sha"]
    push(adopted_home, NEXT)
    builds_fail(adopted_home, NEXT)
    adopted_home.operations("promote", "--stack", "production", "--yes").failed()
    assert served(adopted_home)["sha"] == before
    for _ in range(2):
        adopted_home.operations("rollback", "--stack", "production", "--yes").ok()
        assert served(adopted_home)["sha"] == before == adopted_home.config("production", "release")
    adopted_home.operations("up", "--stack", "production", "--yes").ok()
    adopted_home.pulumi("preview", "-s", "production", "--expect-no-changes").ok()


def test_the_first_promotion_stops_following_main_and_keeps_what_was_served_as_n_minus_1(
    adopted_home: RehearsalHome,
) -> None:
    follow_main(adopted_home)
    before = served(adopted_home)["sha"]
    rotate = ("rotate", "BATTLE_PASSWORD_PEPPER", "--generate", "--stack", "production", "--yes")
    told = " ".join(adopted_home.operations(*rotate).failed().text.split())
    assert "only a push to `main` or a redeployment in Vercel's dashboard brings it" in told

    push(adopted_home, NEXT)
    adopted_home.operations("promote", "--stack", "production", "--yes").ok()

    assert served(adopted_home)["sha"] == NEXT
    assert adopted_home.config("production", "previousRelease") == before != NEXT
    assert adopted_home.config("production", "autoAssignCustomDomains") == "false"
    account = adopted_home.account("vercel")
    with account.transaction():
        deployment.push(account, seeds.REPOSITORY, "main", demo.RELEASES[3])
    assert served(adopted_home)["sha"] == NEXT  # built, and not published
    adopted_home.operations("rollback", "--stack", "production", "--yes").ok()
    assert served(adopted_home)["sha"] == before


def test_a_promotion_killed_when_the_domain_had_moved_is_taken_back(applied_home: RehearsalHome) -> None:
    """The state knows of the move only once the engine has heard of it."""
    unmonitored(applied_home)
    push(applied_home, NEXT)
    account = applied_home.account("vercel")
    with account.transaction():
        account.put("fault", "1", {"verb": "update", "kind": "Alias", "late": 600})
    command = (sys.executable, "-m", "operations", "promote", "--stack", "production", "--yes")
    with applied_home.started(*command) as promotion:
        assert processes.wait_until(lambda: served(applied_home)["sha"] == NEXT, TIMEOUT)
        promotion.kill()
    applied_home.operations("rollback", "--stack", "production", "--yes").ok()
    assert served(applied_home)["sha"] == NOW
    planned = applied_home.operations_planned("production")
    assert planned == {f"web-release-{OLD}": "delete"}  # which the promotion did not come to


def test_an_instant_rollback_in_the_dashboard_is_seen_by_every_verb_and_its_release_is_n_minus_1(
    applied_home: RehearsalHome,
) -> None:
    unmonitored(applied_home)
    account, old = applied_home.account("vercel"), applied_home.resources("production")[f"web-release-{OLD}"]
    with account.transaction():
        promote(account, demo.VERCEL_PROJECT_ID, old["id"])
    rotate = ("rotate", "BATTLE_PASSWORD_PEPPER", "--generate", "--stack", "production", "--yes")
    for command in (rotate, ("up", "--stack", "production", "--yes")):
        told = applied_home.operations(*command).failed().text
        assert f"serves {OLD[:7]}, not the release {NOW[:7]}" in told
        assert "operations up --refresh" in told
        assert "operations rollback --part web" in told
        assert served(applied_home)["sha"] == OLD

    push(applied_home, NEXT)
    said = applied_home.operations("promote", "--stack", "production", "--yes").ok().stdout
    assert f"{OLD[:7]} (web) becomes N-1" in said
    assert applied_home.config("production", "previousRelease") == OLD
    assert json.loads(applied_home.config("production", "rolledBack")) == {"web": NOW}
    said = applied_home.operations("rollback", "--stack", "production", "--yes").ok().stdout
    assert f"web of production: {NEXT[:7]} (web) -> {OLD[:7]} (web)" in said
    assert served(applied_home)["sha"] == OLD


def builds_fail(home: RehearsalHome, sha: str) -> None:
    account = home.account("vercel")
    with account.transaction():
        deployment.fail_builds(account, seeds.REPOSITORY, sha)


def test_a_release_that_cannot_be_built_is_taken_back_and_is_no_n_minus_1(
    applied_home: RehearsalHome,
) -> None:
    unmonitored(applied_home)
    push(applied_home, NEXT)  # staging has it: what is missing is production's
    builds_fail(applied_home, NEXT)
    failed = applied_home.operations("promote", "--stack", "production", "--yes").failed()
    assert f"the build of {NEXT} failed" in failed.text
    for _ in range(2):
        applied_home.operations("rollback", "--stack", "production", "--yes").ok()
        assert served(applied_home)["sha"] == NOW
    assert "previousRelease" not in (applied_home.folder / "Pulumi.production.yaml").read_text()
    applied_home.operations("up", "--stack", "production", "--yes").ok()
    refused = applied_home.operations("promote", "--stack", "production", "--yes").failed()
    assert f"{NEXT[:7]} of web was rolled back" in refused.text

    key = "BATTLE_PASSWORD_PEPPER"  # what cannot be built must not keep a leaked value live
    applied_home.operations("rotate", key, "--generate", "--stack", "production", "--yes").ok()
    assert served(applied_home)["env"][key] == applied_home.config("production", key)


def test_a_rotation_whose_builds_fail_says_what_still_has_the_old_value_and_that_it_must_not_be_revoked(
    applied_home: RehearsalHome,
) -> None:
    """N-1's failure does not keep the new build of the current release from going live."""
    key, account = "BATTLE_PASSWORD_PEPPER", applied_home.account("vercel")
    builds_fail(applied_home, OLD)
    rotate = ("rotate", "--generate", "--stack", "production", "--yes")
    told = " ".join(applied_home.operations(*rotate, key).failed().text.split())
    assert served(applied_home)["env"][key] == applied_home.config("production", key)
    assert f"ok web: {demo.PRODUCTION_DOMAIN} serves a build with it" in told
    assert f"FAIL web: N-1 ({OLD[:7]}) still has the old value" in told
    assert f"do NOT revoke the old value of {key}." in told
    assert "pulumi config rm previousRelease --stack production" in told

    applied_home.remove_config("production", "previousRelease")
    applied_home.operations("rotate", key, "--finish", "--stack", "production", "--yes").ok()
    project = account.get("project", demo.VERCEL_PROJECT_ID) or {}
    with account.transaction():  # by hand, after the last `up`
        account.put("project", demo.VERCEL_PROJECT_ID, {**project, "ignoreCommand": "git diff --quiet"})
    before = served(applied_home)["env"][key]
    told = " ".join(applied_home.operations(*rotate, key).failed().text.split())
    assert "vercelProject.ignoreCommand: Vercel runs 'git diff --quiet' before each build" in told
    assert "serves a build made before it was written" in told
    assert f"do NOT revoke the old value of {key}." in told
    assert served(applied_home)["env"][key] == before


def test_status_looks_for_drift_unless_told_not_to(applied_home: RehearsalHome) -> None:
    DRIFTS["skew-protection"].apply(applied_home.home.account)
    said = applied_home.operations("status", "--stack", "production")
    assert "1 changed by hand" in said.stdout
    quick = applied_home.operations("status", "--stack", "production", "--no-drift").ok()
    assert "not asked" in quick.stdout
