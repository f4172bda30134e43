"""The course of a verb on the real engine: previewed, asked, recorded in git, applied."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from operations.cli.upstream import PULL
from tests.harness import RehearsalHome


def log(home: RehearsalHome, *options: str) -> list[str]:
    """Subjects of the home's commits, newest first."""
    done = subprocess.run(
        ["git", "-C", home.folder, "log", "--format=%s", *options], capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def dirty(home: RehearsalHome, stack: str) -> str:
    """What git would still commit of a stack file."""
    done = subprocess.run(
        ["git", "-C", home.folder, "status", "--porcelain", f"Pulumi.{stack}.yaml"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


def test_up_applies_an_edit_and_leaves_one_commit_with_who_and_when(applied_home: RehearsalHome) -> None:
    applied_home.operations("up", "--stack", "production", "--yes").ok()
    applied_home.edit("production", waitMinutes=7)
    before = log(applied_home)
    said = applied_home.operations("up", "--stack", "production", "--yes").ok().stdout

    assert "waitTimer" in said
    assert log(applied_home) == ["Apply production", *before]
    assert "By: " in "".join(log(applied_home, "-1", "--format=%b"))
    assert dirty(applied_home, "production") == ""
    assert "nothing to change" in applied_home.operations("up", "--stack", "production", "--yes").ok().stdout


def test_without_a_terminal_and_without_yes_nothing_is_changed(applied_home: RehearsalHome) -> None:
    applied_home.edit("production", waitMinutes=7)
    before, calls = log(applied_home), len(applied_home.account("github").calls())
    refused = applied_home.operations("up", "--stack", "production").failed()

    assert "--yes" in refused.text
    assert log(applied_home) == before
    assert len(applied_home.account("github").calls()) == calls


def test_what_preflight_refuses_is_said_once_and_nothing_is_recorded(applied_home: RehearsalHome) -> None:
    applied_home.edit("production", release="not-a-sha")
    before = log(applied_home)
    refused = applied_home.operations("up", "--stack", "production", "--yes").failed()

    assert refused.text.count("is no full git SHA") == 1
    assert "pulumi config set release" in refused.text
    assert log(applied_home) == before


def test_a_create_whose_answer_was_lost_is_adopted_by_up_itself_and_its_import_id_is_gone_afterwards(
    applied_home: RehearsalHome,
) -> None:
    vercel = applied_home.account("vercel")
    with vercel.transaction():
        vercel.put("fault", "1", {"verb": "create", "kind": "ProjectEnvironmentVariable", "lost": True})
    applied_home.operations(
        "set", "PREVIEW_SENTRY_DSN", "--stack", "staging", stdin="https://p@sentry.example/9"
    ).ok()
    said = applied_home.operations("up", "--stack", "staging", "--yes").ok()

    assert "adopt" in said.stdout
    found = vercel.find("variable", key="SENTRY_DSN", targets=["preview"])
    assert [variable["value"] for _, variable in found] == ["https://p@sentry.example/9"]
    assert "adopt" not in yaml.safe_load(applied_home.home.stack_file("staging").read_text())["config"]
    applied_home.pulumi("preview", "-s", "staging", "--expect-no-changes").ok()


def test_after_a_killed_run_up_frees_the_lock_of_a_process_that_is_gone_and_applies(
    applied_home: RehearsalHome,
) -> None:
    vercel = applied_home.account("vercel")
    applied_home.operations(
        "set", "PREVIEW_SENTRY_DSN", "--stack", "staging", stdin="https://p@sentry.example/9"
    ).ok()
    command = (sys.executable, "-m", "operations", "up", "--stack", "staging", "--yes")
    with applied_home.hanging("create", "ProjectEnvironmentVariable", *command) as running:
        running.kill()

    assert "--yes" in applied_home.operations("up", "--stack", "staging").failed().text
    said = applied_home.operations("up", "--stack", "staging", "--yes").ok()
    assert "the lock of a killed run is left" in said.stderr
    assert "creates that never answered: web-variable-SENTRY_DSN-preview" in said.stderr
    found = vercel.find("variable", key="SENTRY_DSN", targets=["preview"])
    assert [variable["value"] for _, variable in found] == ["https://p@sentry.example/9"]
    assert not applied_home.export("staging")["deployment"].get("pending_operations")
    applied_home.pulumi("preview", "-s", "staging", "--expect-no-changes").ok()


def test_while_somebody_runs_the_other_is_told_who_and_waits_if_told_to(applied_home: RehearsalHome) -> None:
    applied_home.operations(
        "set", "SENTRY_DSN", "--stack", "staging", stdin="https://p@sentry.example/9"
    ).ok()
    command = ("pulumi", "up", "-s", "staging", "--yes", "--skip-preview", "--non-interactive")
    with applied_home.hanging("update", "ProjectEnvironmentVariable", *command) as running:
        before = log(applied_home)
        refused = applied_home.operations("up", "--stack", "staging", "--yes").failed()
        assert log(applied_home) == before
        patient = (sys.executable, "-m", "operations", "up", "--stack", "staging", "--yes", "--wait", "5")
        with applied_home.started(*patient) as waiting:
            told = waiting.line()
            running.finish().ok()
            went_on = waiting.finish().ok()

    assert f"(process {running.pid})" in refused.stderr
    assert f"(process {running.pid})" in told
    assert "nothing to change" in went_on.text


# --- a clone and the branch that others record in -----------------------------------------------------------


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=other", "-c", "user.email=other@localhost", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ["git", *identity, "-C", folder, *words], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def shared(applied_home: RehearsalHome, tmp_path: Path) -> RehearsalHome:
    """The home's branch follows `main` of a remote."""
    subprocess.run(["git", "init", "--quiet", "--bare", "-b", "main", tmp_path / "remote"], check=True)
    git(applied_home.folder, "commit", "--quiet", "-am", "As it is applied")
    git(applied_home.folder, "remote", "add", "origin", str(tmp_path / "remote"))
    git(applied_home.folder, "push", "--quiet", "--set-upstream", "origin", "main")
    return applied_home


def somebody_records(home: RehearsalHome, scratch: Path) -> None:
    """From another clone, as the workflow does."""
    git(home.folder, "clone", "--quiet", git(home.folder, "remote", "get-url", "origin"), str(scratch))
    file = scratch / "Pulumi.production.yaml"
    file.write_text(file.read_text() + "# promoted meanwhile\n")
    git(scratch, "commit", "--quiet", "-am", "Promote something to production")
    git(scratch, "push", "--quiet")


def test_records_of_others_that_are_missing_here_refuse_what_would_take_them_back(
    shared: RehearsalHome, tmp_path: Path
) -> None:
    somebody_records(shared, tmp_path / "other")
    before = log(shared)
    for verb in (
        ("up", "--yes"), ("promote", "--yes"), ("stage", "--yes", "--release", "1" * 40),
        ("set", "SENTRY_DSN"), ("stamp",), ("rotate", "SENTRY_DSN", "--yes"),
    ):  # fmt: skip
        refused = shared.operations(*verb, "--stack", "production", stdin="https://new@sentry.example/7")
        assert refused.code == 1, refused.text
        assert f"missing here: {PULL}" in refused.text
        assert "Promote something to production" in refused.text
    assert (log(shared), dirty(shared, "production")) == (before, "")

    asked = shared.operations("rollback", "--stack", "production")  # it warns and goes on to its question
    assert f"warning: origin/main has records of production that are missing here: {PULL}" in asked.text
    assert "--yes" in asked.text
    switched = shared.operations("features", "battle=off", "--stack", "production", "--yes").ok()
    assert "warning: origin/main has records" in switched.stderr

    git(shared.folder, *PULL.split()[1:])
    assert "missing here" not in shared.operations("up", "--stack", "production", "--yes").ok().text


def test_the_last_line_is_the_command_that_brings_a_record_made_by_hand_to_the_others(
    shared: RehearsalHome,
) -> None:
    said = shared.operations("features", "battle=off", "--stack", "production", "--yes").ok().stdout
    last = said.splitlines()[-1]
    command, _, pull_request = last.partition(": ")[2].partition(", ")
    assert pull_request == "and merge it as a pull request"  # the ruleset of main is declared
    git(shared.folder, *command.split()[1:])
    [branch] = re.findall(r"refs/heads/(record-\w+)", git(shared.folder, "ls-remote", "origin"))
    assert branch.removeprefix("record-") == git(shared.folder, "rev-parse", "--short", "HEAD")

    infra = shared.config("production", "infraRepository")
    shared.edit("production", unprotectedRepositories=[infra])
    said = shared.operations("features", "battle=on", "--stack", "production", "--yes").ok().stdout
    assert said.splitlines()[-1].endswith("takes it back: git push")


def test_a_remote_that_cannot_be_reached_is_a_warning(shared: RehearsalHome, tmp_path: Path) -> None:
    (tmp_path / "remote").rename(tmp_path / "gone")
    said = shared.operations("up", "--stack", "production", "--yes").ok()
    assert "not compared with what others recorded: git fetch failed" in said.stderr
