"""The record in git: one commit a verb, pushed before anything is applied, beside whoever else records."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from operations.stack import record
from operations.stack.workspace import OperationError, Workspace

IDENTITY = ("-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false")


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", *IDENTITY, "-C", folder, *words], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """A bare repository with both stack files and a program."""
    folder, first = tmp_path / "remote", tmp_path / "first"
    subprocess.run(["git", "init", "--quiet", "--bare", "-b", "main", folder], check=True)
    subprocess.run(["git", "clone", "--quiet", folder, first], check=True, capture_output=True)
    for name in ("Pulumi.staging.yaml", "Pulumi.production.yaml", "program.py"):
        (first / name).write_text("config: {}\n")
    git(first, "add", ".")
    git(first, "commit", "--quiet", "-m", "A program")
    git(first, "push", "--quiet", "origin", "HEAD:main")
    return folder


def cloned(remote: Path, folder: Path, stack: str, env: Mapping[str, str] | None = None) -> Workspace:
    """A clone in which the verbs of a stack work, as a job of a workflow has it."""
    subprocess.run(["git", "clone", "--quiet", remote, folder], check=True)
    for key, value in (("user.name", "test"), ("user.email", "t@localhost"), ("commit.gpgsign", "false")):
        git(folder, "config", key, value)
    job = {record.RECORD: "origin main"} if env is None else env
    return Workspace(folder=folder, stack=stack, env={**os.environ, **job})


def edit(workspace: Workspace, text: str) -> None:
    workspace.stack_file.write_text(f"config:\n  paintshare:release: {text}\n")


def merge(clone: Workspace, subject: str, files: Mapping[str, str]) -> None:
    """What somebody else pushes meanwhile, on top of what is there."""
    git(clone.folder, "pull", "--quiet", "--rebase", "origin", "main")
    for name, text in files.items():
        (clone.folder / name).write_text(text)
    git(clone.folder, "add", ".")
    git(clone.folder, "commit", "--quiet", "-m", subject)
    git(clone.folder, "push", "--quiet", "origin", "HEAD:main")


def subjects(remote: Path) -> list[str]:
    return git(remote, "log", "--format=%s", "main").splitlines()


def test_a_record_is_pushed_and_said_twice_it_is_one_commit(remote: Path, tmp_path: Path) -> None:
    production = cloned(remote, tmp_path / "a", "production")
    edit(production, "one")
    assert record.commit(production, "Promote one")
    assert record.commit(production, "Promote one") is None
    assert subjects(remote) == ["Promote one", "A program"]


def test_the_record_of_another_stack_that_came_first_is_kept_below_ones_own(
    remote: Path, tmp_path: Path
) -> None:
    production = cloned(remote, tmp_path / "a", "production")
    staging = cloned(remote, tmp_path / "b", "staging")
    edit(staging, "two")
    record.commit(staging, "Stage two")
    edit(production, "one")
    record.commit(production, "Promote one")
    assert subjects(remote) == ["Promote one", "Stage two", "A program"]
    assert "two" in git(remote, "show", "main:Pulumi.staging.yaml")
    assert "one" in git(remote, "show", "main:Pulumi.production.yaml")
    assert git(production.folder, "status", "--porcelain") == ""


@pytest.mark.parametrize("name", ["program.py", "Pulumi.production.yaml"])
def test_a_program_or_record_that_nobody_previewed_refuses_the_record(
    name: str, remote: Path, tmp_path: Path
) -> None:
    production, other = (cloned(remote, tmp_path / folder, "production") for folder in ("a", "b"))
    merge(other, "Something else", {name: "config:\n  paintshare:release: other\n"})
    edit(production, "one")
    with pytest.raises(OperationError, match=rf"nothing is applied.*{name}"):
        record.commit(production, "Promote one")
    assert subjects(remote) == ["Something else", "A program"]


def test_an_urgent_record_goes_on_top_of_a_program_that_nobody_previewed_and_takes_none_of_it(
    remote: Path, tmp_path: Path
) -> None:
    production, other = (cloned(remote, tmp_path / folder, "production") for folder in ("a", "b"))
    merge(other, "Something else", {"program.py": "another program\n", "new.py": "more of it\n"})
    edit(production, "back")
    made = record.commit(production, "Roll back", urgent=True)
    assert made == git(remote, "rev-parse", "--short", "main")
    assert record.commit(production, "Roll back", urgent=True) is None
    assert subjects(remote) == ["Roll back", "Something else", "A program"]
    assert git(remote, "show", "main:program.py") == "another program"
    assert git(remote, "show", "--format=", "--name-only", "main") == "Pulumi.production.yaml"
    assert (production.folder / "program.py").read_text() == "config: {}\n"
    assert not (production.folder / "new.py").exists()


def test_an_urgent_record_goes_on_top_of_a_program_and_then_of_another_stacks_record(
    remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two pushes come first, one after the other; by the second the files here are not those of HEAD."""
    production, other = (cloned(remote, tmp_path / folder, "production") for folder in ("a", "b"))
    pushes = [("Pulumi.staging.yaml", "Stage two"), ("program.py", "Something else")]
    really = record._git

    def overtaken(workspace: Workspace, *arguments: str) -> subprocess.CompletedProcess[str]:
        if arguments[0] == "push" and pushes:
            name, subject = pushes.pop()
            merge(other, subject, {name: f"config: {{}}  # {subject}\n"})
        return really(workspace, *arguments)

    monkeypatch.setattr(record, "_git", overtaken)
    edit(production, "back")
    assert record.commit(production, "Roll back", urgent=True)
    assert record.commit(production, "Roll back", urgent=True) is None
    assert subjects(remote) == ["Roll back", "Stage two", "Something else", "A program"]
    assert "back" in git(remote, "show", "main:Pulumi.production.yaml")
    assert (production.folder / "program.py").read_text() == "config: {}\n"


def test_an_urgent_record_does_not_overrule_another_of_the_same_stack(remote: Path, tmp_path: Path) -> None:
    production, other = (cloned(remote, tmp_path / folder, "production") for folder in ("a", "b"))
    two = {
        "program.py": "another program\n",
        "Pulumi.production.yaml": "config:\n  paintshare:release: two\n",
    }
    merge(other, "Promote two", two)
    edit(production, "back")
    with pytest.raises(OperationError, match=r"nothing is applied.*Pulumi\.production\.yaml"):
        record.commit(production, "Roll back", urgent=True)
    assert subjects(remote) == ["Promote two", "A program"]


def test_what_a_killed_run_committed_and_did_not_push_is_pushed_by_the_next(
    remote: Path, tmp_path: Path
) -> None:
    killed = cloned(remote, tmp_path / "a", "production", env={})
    edit(killed, "one")
    record.commit(killed, "Promote one")
    assert subjects(remote) == ["A program"]
    again = Workspace(
        folder=killed.folder, stack="production", env={**os.environ, record.RECORD: "origin main"}
    )
    assert record.commit(again, "Promote one") is None
    assert subjects(remote) == ["Promote one", "A program"]


def refusing(remote: Path, times: int) -> Path:
    """Let the remote refuse so many pushes; the file that counts them."""
    counter, hook = remote / "refusals", remote / "hooks" / "pre-receive"
    counter.write_text("x" * times)
    hook.write_text(
        f'#!/bin/sh\nread left < {counter} || [ -n "$left" ] || exit 0\n'
        f'printf %s "${{left#x}}" > {counter}\necho come back later >&2\nexit 1\n'
    )
    hook.chmod(0o755)
    return counter


def test_a_push_that_fails_once_is_tried_again(
    remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "_PAUSES", (0.0, 0.0))
    production = cloned(remote, tmp_path / "a", "production")
    counter = refusing(remote, 2)
    edit(production, "one")
    assert record.commit(production, "Promote one")
    assert (subjects(remote), counter.read_text()) == (["Promote one", "A program"], "")


def test_a_push_that_fails_for_good_leaves_no_commit_that_a_later_push_would_carry_along(
    remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "_PAUSES", (0.0, 0.0))
    production = cloned(remote, tmp_path / "a", "production")
    refusing(remote, 3)
    before = production.stack_file.read_text()
    (production.folder / "program.py").write_text("edited\n")
    git(production.folder, "add", "program.py")
    edit(production, "one")
    after = production.stack_file.read_text()
    with pytest.raises(OperationError, match=r"nothing is applied.*come back later"):
        record.commit(production, "Promote one")
    assert git(production.folder, "log", "--format=%s") == "A program"
    assert production.restore(before, instead_of=after)
    assert git(production.folder, "status", "--porcelain") == "M  program.py"

    git(production.folder, "reset", "--quiet", "--hard")
    edit(production, "back")
    record.commit(production, "Roll back")
    assert subjects(remote) == ["Roll back", "A program"]


def test_other_files_stay_as_they_are_staged_ones_too(remote: Path, tmp_path: Path) -> None:
    production = cloned(remote, tmp_path / "a", "production")
    (production.folder / "program.py").write_text("edited\n")
    git(production.folder, "add", "program.py")
    edit(production, "one")
    record.commit(production, "Promote one")
    assert git(production.folder, "show", "--format=", "--name-only") == "Pulumi.production.yaml"
    assert git(production.folder, "status", "--porcelain") == "M  program.py"


def test_without_a_work_tree_nothing_is_recorded_and_nothing_is_wrong(tmp_path: Path) -> None:
    workspace = Workspace(folder=tmp_path, stack="production", env=dict(os.environ))
    edit(workspace, "one")
    assert record.commit(workspace, "Promote one") is None
