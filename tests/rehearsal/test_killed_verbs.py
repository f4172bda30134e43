"""Promote, roll back and rotate, killed at every step: the same command again ends the same.

Which steps there are is seen in an undisturbed run (`killing`), which resources the engine changes in what
it says. Compared are the stores, the stack file, git and the state, with those after the undisturbed run.
"""

import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from rehearsal.docker_engine import processes
from rehearsal.home import CLONE
from rehearsal.standin.account import Account
from tests.harness import TIMEOUT, RehearsalHome
from tests.rehearsal.test_course import log
from tests.rehearsal.test_releases import NEXT, push, served

STACK: Final = "production"
VALUE: Final = "https://rotated@sentry.example/7"
_WORDS: Final = {"created": "create", "updated": "update", "replaced": "create", "deleted": "delete"}


@dataclass(frozen=True)
class Case:
    """A verb that changes something in a home made ready for it."""

    words: tuple[str, ...]
    ready: Callable[[RehearsalHome], None] = lambda _: None
    stdin: str = ""


def promotable(home: RehearsalHome) -> None:
    home.set_config(STACK, "promoteUnmonitored", "true")
    home.operations("up", "--stack", STACK, "--yes").ok()
    push(home, NEXT)


CASES: Final = {
    "promote": Case(("promote", "--stack", STACK, "--yes"), promotable),
    "rollback": Case(("rollback", "--stack", STACK, "--yes")),
    "rotate": Case(
        ("rotate", "SENTRY_DSN", "BATTLE_PASSWORD_PEPPER", "--generate", "--stack", STACK, "--yes"),
        stdin=f"SENTRY_DSN={VALUE}\n",
    ),
}


def verb(home: RehearsalHome, case: Case, notes: Path, number: int = 0) -> subprocess.Popen[str]:
    """The verb at work in a session of its own, to be killed before its step `number`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.rehearsal.killing", str(notes), str(number), *case.words],
        env=home.home.env() | {"NO_COLOR": "1"}, cwd=CLONE, stdin=subprocess.PIPE, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    assert process.stdin
    process.stdin.write(case.stdin)
    process.stdin.close()
    process.stdin = None
    return process


ADOPTED = [f"Drop import ids of {STACK}", f"Apply {STACK}, adopting what a killed run made"]
"""Records of a recovery that found something made and unknown to the state, the newest first."""


def end(home: RehearsalHome) -> dict[str, Any]:
    """What must be the same whatever happened on the way."""
    content = yaml.safe_load(home.home.stack_file(STACK).read_text())["config"]
    # Each copy of a home has a socket host of its own.
    plain = {k: v for k, v in content.items() if not isinstance(v, dict) and not k.endswith(":socketHost")}
    build, pepper = served(home), home.config(STACK, "BATTLE_PASSWORD_PEPPER")
    return {
        "keys": sorted(content),
        "plain": plain,
        "taken back": content.get("paintshare:rolledBack"),
        "serves": build["sha"],
        # A pepper is made anew at each run.
        "values": {key: "the pepper" if value == pepper else value for key, value in build["env"].items()},
        "resources": sorted(home.resources(STACK)),
        "pending": home.export(STACK)["deployment"].get("pending_operations") or [],
        "drafts": sorted(path.name for path in home.folder.glob(".Pulumi.*")),
        "git": git(home, "status", "--porcelain"),
    }


def git(home: RehearsalHome, *words: str) -> str:
    return subprocess.run(
        ["git", "-C", home.folder, *words], capture_output=True, text=True, check=True
    ).stdout


def check(home: RehearsalHome, wanted: dict[str, Any], case: Case, commits: list[str], where: str) -> None:
    """The file is whole after the kill, and the same command again brings the wanted end with one commit."""
    assert yaml.safe_load(home.home.stack_file(STACK).read_text())["config"], where
    again = home.run(sys.executable, "-m", "operations", *case.words, stdin=case.stdin)
    assert again.code == 0, f"{where}:\n{again.text}"
    assert end(home) == wanted, where
    records = log(home)
    # The engine works side by side: a create whose answer was lost beside the killed step is adopted first.
    records = records[len(ADOPTED) :] if records[: len(ADOPTED)] == ADOPTED else records
    assert records[1:] == commits, where
    assert git(home, "show", "--format=", "--name-only").split() == [f"Pulumi.{STACK}.yaml"], where
    home.pulumi("preview", "-s", STACK, "--expect-no-changes").ok()


@dataclass(frozen=True)
class Whole:
    """An undisturbed run: its end, its steps, and what the engine did for it."""

    start: RehearsalHome
    commits: list[str]
    end: dict[str, Any]
    steps: list[str]
    deeds: list[tuple[str, str]]


def whole(home: RehearsalHome, case: Case, folder: Path) -> Whole:
    case.ready(home)
    commits = log(home)
    made = home.copy(folder / "whole")
    with verb(made, case, folder / "steps") as process:
        told, _ = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0, told
    kinds = {name: resource["type"].rpartition(":")[2] for name, resource in made.resources(STACK).items()}
    deeds = dict.fromkeys(
        (_WORDS[word], kinds[resource])
        for word, resource in re.findall(r"^  (\w+) +(web-\S+)$", told, re.MULTILINE)
        if word in _WORDS and resource in kinds
    )
    found = Whole(home, commits, end(made), (folder / "steps").read_text().splitlines(), list(deeds))
    made.close()
    assert {
        f"put Pulumi.{STACK}.yaml in place",
        "git add",
        "git commit",
        "pulumi preview",
        "pulumi up",
    } <= set(found.steps), found.steps
    assert found.deeds
    return found


def kill_before(whole: Whole, case: Case, number: int, folder: Path) -> None:
    home = whole.start.copy(folder / f"step-{number}")
    with verb(home, case, folder / f"steps-{number}", number) as process:
        said, _ = process.communicate(timeout=TIMEOUT)
    assert process.returncode == -signal.SIGKILL, said
    where = f"killed before `{whole.steps[number - 1]}` ({number} of {len(whole.steps)})"
    check(home, whole.end, case, whole.commits, where)
    home.close()


def kill_during(whole: Whole, case: Case, deed: str, kind: str, folder: Path) -> None:
    home = whole.start.copy(folder / f"{deed}-{kind}")
    account: Account = home.account("vercel")
    with account.transaction():
        account.put("fault", "1", {"verb": deed, "kind": kind, "hang": str(home.folder)})
    with verb(home, case, folder / f"steps-{deed}-{kind}") as process:
        assert processes.wait_until(lambda: account.find("fault") == [], TIMEOUT)
        processes.kill_tree([process.pid])
    check(home, whole.end, case, whole.commits, f"killed while the engine was about to {deed} a {kind}")
    home.close()


def test_a_rotation_killed_before_it_is_applied_and_in_its_last_deed_ends_the_same_when_it_is_said_again(
    applied_home: RehearsalHome, tmp_path: Path
) -> None:
    case = CASES["rotate"]
    found = whole(applied_home, case, tmp_path)
    kill_before(found, case, found.steps.index("pulumi up") + 1, tmp_path)
    kill_during(found, case, *found.deeds[-1], tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize("name", CASES)
def test_a_verb_killed_at_any_step_ends_the_same_when_it_is_said_again(
    name: str, applied_home: RehearsalHome, tmp_path: Path
) -> None:
    case = CASES[name]
    found = whole(applied_home, case, tmp_path)
    for number in range(1, len(found.steps) + 1):
        kill_before(found, case, number, tmp_path)
    for deed, kind in found.deeds:
        kill_during(found, case, deed, kind, tmp_path)
