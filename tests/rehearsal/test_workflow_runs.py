"""The `run:` lines of the workflows, run in the rehearsal with no more than its job would be given."""

import re
import subprocess
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from plan.protection import RECORD_BRANCH
from rehearsal import demo
from rehearsal.docker_engine import processes
from rehearsal.site import break_release
from rehearsal.standin import seeds
from rehearsal.standin.drift import DRIFTS
from rehearsal.standin.vercel.deployment import push
from tests.harness import TIMEOUT, RehearsalHome
from tests.rehearsal.job_runner import ACCESS, JOBS, REPOSITORY, Runner
from tests.workflows import Json

PULL_REQUEST: Final = 7
_, NOW, NEXT, NEVER = demo.RELEASES


@pytest.fixture
def runner(applied_home: RehearsalHome, tmp_path: Path) -> Runner:
    issue = {
        "repository": demo.INFRA_REPOSITORY, "number": PULL_REQUEST, "title": "t", "body": "",
        "state": "open", "labels": [], "user": {"login": "mina", "type": "User"}, "pullRequest": True,
    }  # fmt: skip
    applied_home.account("github").put("issue", f"{demo.INFRA_REPOSITORY}#{PULL_REQUEST}", issue)
    return Runner.prepare(applied_home, tmp_path)


def comments(runner: Runner) -> list[str]:
    return [str(c["body"]) for _, c in runner.home.account("github").find("comment")]


def issues(runner: Runner) -> list[tuple[str, str]]:
    """Title and state of every issue that is no pull request."""
    found = (issue for _, issue in runner.home.account("github").find("issue", pullRequest=False))
    return [(str(issue["title"]), str(issue["state"])) for issue in found]


def pull_request(repository: str = REPOSITORY) -> Json:
    return {"pull_request": {"number": PULL_REQUEST, "head": {"repo": {"full_name": repository}}}}


def dispatch(action: str, sha: str, digest: str = "") -> Json:
    return {"action": action, "client_payload": {"sha": sha, "digest": digest}}


def served(runner: Runner) -> str:
    account = runner.home.account("vercel")
    alias = account.get("alias", demo.PRODUCTION_DOMAIN) or {}
    return str((account.get("deployment", alias["deploymentId"]) or {})["sha"])


def test_every_job_but_the_tests_own_is_run_here() -> None:
    run = set(re.findall(r'runner\.run\(\s*"([a-z.]+)"', Path(__file__).read_text()))
    alike = {"drift.drift.staging": "drift.drift.production"}  # one job, by its matrix
    assert run | set(alike) | {"ci.test", "soak.soak"} == set(JOBS)


# --- pull requests -----------------------------------------------------------------------------------------


def test_a_pull_request_of_this_repository_previews_staging_live_in_one_comment(runner: Runner) -> None:
    runner.edit("staging", approvals=2)
    for _ in range(2):
        done = runner.run("preview.live", pull_request())
        assert done.ok, done.text
    [body] = comments(runner)
    assert "preview live" in body
    assert "rules.pullRequest.requiredApprovingReviewCount: 1 -> 2" in body
    assert body in done.summary


def test_a_fork_is_previewed_in_the_rehearsal_alone_without_a_secret_and_without_a_comment(
    runner: Runner,
) -> None:
    runner.edit("production", approvals=1)
    fork = pull_request("somebody/share-paint-infra")
    assert runner.run("preview.live", fork).codes == {}
    done = runner.run("preview.rehearsal", fork)
    assert done.ok, done.text
    assert comments(runner) == []
    production, staging = done.summary.split("<!-- paintshare-preview:staging")
    assert "rules.pullRequest.requiredApprovingReviewCount: 2 -> 1" in production
    assert "changes no resource" in staging


# --- releases ----------------------------------------------------------------------------------------------


def test_staging_takes_what_develop_built_and_is_asked_for_its_pages(runner: Runner) -> None:
    done = runner.run("promote.staging", dispatch("release-staging", NOW))
    assert done.ok, done.text
    assert "ok    /feed: 200" in done.text
    assert "make ci-rollback" not in done.codes
    assert runner.run("promote.plan", dispatch("release-staging", NOW)).codes == {}


def test_a_hostile_payload_reaches_no_shell_and_rolls_nothing_back(runner: Runner) -> None:
    event = dispatch("release-staging", "$(touch pwned); `touch pwned`")
    done = runner.run("promote.staging", event)
    assert done.codes["make ci-stage"] != 0
    assert "RELEASE does not have the shape" in done.text
    assert "make ci-rollback" not in done.codes
    assert not list(runner.folder.parent.rglob("pwned"))


@pytest.fixture
def staged(runner: Runner) -> Runner:
    """Staging follows a push to develop; production has no monitor, knowingly."""
    account = runner.home.account("vercel")
    with account.transaction():
        push(account, seeds.REPOSITORY, "develop", NEXT)
    runner.edit("production", promoteUnmonitored=True)
    return runner


def needs(runner: Runner) -> Json:
    """What the job `plan` hands to the next: the commit that its checkout got."""
    return {"plan": {"outputs": {"commit": runner.git("rev-parse", "HEAD")}}}


def test_a_release_is_planned_recorded_pushed_applied_asked_and_watched(staged: Runner) -> None:
    event, planned = dispatch("release-production", NEXT), needs(staged)
    for number, title in ((41, "release-production"), (42, "release-staging")):
        waiting = {
            "repository": demo.INFRA_REPOSITORY, "path": ".github/workflows/promote.yml", "name": "promote",
            "status": "waiting", "conclusion": None, "head_sha": NOW, "display_title": title,
        }  # fmt: skip
        staged.home.account("github").put("workflowRun", str(number), waiting)
    plan = staged.run("promote.plan", event)
    assert plan.ok, plan.text
    assert "required checks" in plan.summary
    assert "web-live" in plan.summary
    # It holds the stack: this run cannot ask for its approval before that one has ended.
    assert f"gh run cancel 41 --repo {REPOSITORY}" in plan.summary
    assert "run 42" not in plan.summary
    assert served(staged) == NOW

    done = staged.run("promote.production", event, needs=planned)
    assert done.ok, done.text
    for page in ("/", "/feed", "/draw", "/battle", "/login"):
        assert f"ok    {page}: 200" in done.text
    assert "was healthy in" in done.text
    assert served(staged) == NEXT
    assert staged.pushed == [f"{NOW} Promote {NEXT[:7]} (web) to production: web"]


def test_a_release_whose_pages_fail_is_taken_back_and_both_are_pushed_before_they_are_applied(
    staged: Runner,
) -> None:
    break_release(staged.home.home.account, NEXT)
    done = staged.run("promote.production", dispatch("release-production", NEXT), needs=needs(staged))
    assert list(done.codes.items())[1:] == [
        ("make ci-promote", 0), ("make ci-smoke", 2), ("make ci-rollback", 0),
    ], done.text  # fmt: skip
    assert served(staged) == NOW
    assert staged.pushed == [
        f"{NOW} Promote {NEXT[:7]} (web) to production: web",
        f"{NEXT} Roll web of production back from {NEXT[:7]} (web)",
    ]
    assert staged.git("rev-parse", "HEAD") == staged.git("ls-remote", "origin", RECORD_BRANCH).split()[0]
    again = staged.run("promote.plan", dispatch("release-production", NEXT))
    assert f"{NEXT[:7]} of web was rolled back" in again.summary


def rolled_back(runner: Runner) -> bool:
    """Whether production serves what it did before, by the records of a promotion and its rollback."""
    subjects = [pushed.partition(" ")[2] for pushed in runner.pushed]
    return served(runner) == NOW and subjects == [
        f"Promote {NEXT[:7]} (web) to production: web",
        f"Roll web of production back from {NEXT[:7]} (web)",
    ]


@pytest.mark.soak
def test_a_release_that_falls_ill_while_it_is_watched_is_taken_back(staged: Runner) -> None:
    def falls_ill() -> bool:
        break_release(staged.home.home.account, NEXT)
        return False

    done = staged.run(
        "promote.production", dispatch("release-production", NEXT), needs=needs(staged),
        beside={"make ci-watch": falls_ill},
        WATCH_MINUTES="0.52",
    )  # fmt: skip
    assert list(done.codes.items())[1:] == [
        ("make ci-promote", 0), ("make ci-smoke", 0), ("make ci-watch", 2), ("make ci-rollback", 0),
    ], done.text  # fmt: skip
    assert "failed 3 times in a row" in done.text
    assert rolled_back(staged)


@pytest.mark.soak
def test_a_promotion_that_is_cancelled_while_it_is_applied_is_taken_back(staged: Runner) -> None:
    account = staged.home.account("vercel")
    with account.transaction():
        account.put("fault", "1", {"verb": "create", "kind": "Deployment", "hang": str(staged.home.folder)})

    def cancelled() -> bool:
        return processes.wait_until(lambda: account.find("fault") == [], TIMEOUT)

    done = staged.run(
        "promote.production", dispatch("release-production", NEXT), needs=needs(staged),
        beside={"make ci-promote": cancelled},
    )  # fmt: skip
    assert [*done.codes][1:] == ["make ci-promote", "make ci-rollback"], done.text
    assert done.codes["make ci-promote"] != 0
    assert done.codes["make ci-rollback"] == 0, done.text
    assert "waiting for a run of production to end" in done.text
    assert rolled_back(staged)


@pytest.mark.soak
def test_what_else_was_merged_while_a_release_is_watched_does_not_stop_its_rollback(staged: Runner) -> None:
    other = staged.folder.parent / "other"
    origin = staged.git("remote", "get-url", "origin")

    def merge() -> bool:
        """Another program, after the promotion was recorded and before it is taken back."""
        subprocess.run(["git", "clone", "-q", "-b", RECORD_BRANCH, origin, str(other)], check=True)
        (other / "README.md").write_text("another program\n")
        (other / "__main__.py").write_text("raise SystemExit('nobody has previewed this')\n")
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.com")
        for words in (
            ("commit", "-qam", "Another program"),
            ("push", "-q", "origin", f"HEAD:{RECORD_BRANCH}"),
        ):
            subprocess.run(["git", "-C", str(other), *identity, *words], check=True)
        return False

    break_release(staged.home.home.account, NEXT)
    done = staged.run(
        "promote.production", dispatch("release-production", NEXT), needs=needs(staged),
        beside={"make ci-smoke": merge},
    )  # fmt: skip
    assert done.codes["make ci-smoke"] != 0
    assert done.codes["make ci-rollback"] == 0, done.text
    assert served(staged) == NOW
    subprocess.run(["git", "-C", str(other), "pull", "-q", "--rebase"], check=True)
    assert "previewed" in (other / "__main__.py").read_text()
    recorded = yaml.safe_load((other / "Pulumi.production.yaml").read_text())["config"]
    assert recorded["paintshare:release"] == NOW


def test_a_refused_promotion_shows_its_reasons_to_the_approver_and_changes_nothing(runner: Runner) -> None:
    event, planned = dispatch("release-production", NEVER), needs(runner)
    plan = runner.run("promote.plan", event)
    assert plan.codes["make ci-plan"] != 0
    assert "No-Go" in plan.summary
    done = runner.run("promote.production", event, needs=planned)
    assert done.codes["make ci-promote"] != 0
    assert "make ci-rollback" not in done.codes, done.text
    assert (runner.pushed, needs(runner)) == ([], planned)


def test_a_promotion_whose_record_cannot_be_pushed_is_no_release_to_take_back(staged: Runner) -> None:
    planned = needs(staged)
    hook = Path(staged.git("remote", "get-url", "origin")) / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    done = staged.run("promote.production", dispatch("release-production", NEXT), needs=planned)
    assert "could not be pushed" in done.text
    assert "make ci-rollback" not in done.codes, done.text
    assert (served(staged), staged.pushed, needs(staged)) == (NOW, [], planned)
    assert staged.git("status", "--porcelain", "Pulumi.production.yaml") == ""


def test_no_step_can_do_anything_without_what_its_environment_holds(runner: Runner) -> None:
    """The same job in no environment at all, as it would be where nobody has set anything."""
    done = runner.run("promote.staging", dispatch("release-staging", NOW), environment=False)
    assert done.codes["make ci-stage"] != 0
    assert "PULUMI_BACKEND_URL is not set in this job's GitHub environment" in done.text


# --- schedules ---------------------------------------------------------------------------------------------


def test_the_daily_run_keeps_an_issue_while_something_was_changed_by_hand(runner: Runner) -> None:
    account = runner.home.account("vercel")
    before = account.dump()["edgeConfigItem"]
    DRIFTS["kill-switch"].apply(runner.home.home.account)
    done = runner.run("drift.drift.production", {})
    assert done.codes["make ci-drift"] != 0
    assert "kill switch battle" in done.text
    assert issues(runner) == [("production was changed by hand", "open")]

    for id, item in before.items():
        account.put("edgeConfigItem", id, item)
    done = runner.run("drift.drift.production", {})
    assert done.ok, done.text
    assert "who may bypass it, which GitHub tells only" in done.text  # its token only reads
    assert issues(runner) == [("production was changed by hand", "closed")]


def test_the_weekly_run_reminds_without_any_secret(runner: Runner) -> None:
    done = runner.run("rotation.remind", {})
    assert done.ok, done.text
    assert "0 due; issues: 0 made" in done.text

    stated = yaml.safe_load((runner.folder / "Pulumi.staging.yaml").read_text())["config"]
    rotation: dict[str, Any] = stated["paintshare:rotation"]
    rotation["SENTRY_DSN"]["date"] = str(date.today() - timedelta(days=80))
    runner.edit("staging", rotation=rotation)
    assert runner.run("rotation.remind", {}).ok
    assert issues(runner) == [("Rotate SENTRY_DSN of staging: 80 days old", "open")]


def test_the_variables_of_the_machine_hold_no_key(runner: Runner) -> None:
    """Else the steps would find in it what their environment has to give them."""
    given = {k: v for k, v in runner.home.home.variables().items() if k not in ACCESS}
    text = "".join(given.values())
    for secret in (demo.VERCEL_TOKEN, demo.GITHUB_TOKEN, (runner.home.folder / "passphrase").read_text()):
        assert secret not in text
