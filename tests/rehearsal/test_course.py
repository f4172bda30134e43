"""The course of a verb on the real engine: previewed, asked, recorded in git, applied."""

import subprocess

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
