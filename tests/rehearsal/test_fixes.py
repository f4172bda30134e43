"""Every command that preflight prints, run as it stands by the real engine, mends the problem above it."""

import difflib
import shlex
import shutil
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from operations.stack.workspace import Workspace
from plan import preflight
from plan.problems import Problem
from rehearsal import demo, home
from tests.harness import RehearsalHome

_PRODUCTION: Final[dict[str, Any]] = {
    # What `config set --path` makes of a login of digits, and of `true`.
    "reviewers": [{"user": 4711, "id": 1}, {"team": True, "id": "x"}],
    "tags": [2026, ["v*"]],
    "delivery": {
        "production": {"AZURE_STORAGE_ACCOUNT": 123456, "AWS_REGION": True, "GONE.BY": "x"},
        "www.share-paint.app": {"X": "y"},
    },
    "adopt": {"www.share-paint.app": 7, "web-project": {"id": 1}, 'a "name"': 7},
    "rolledBack": {"web": 7, "webb": "x"},
    "vercelProject": {
        "automaticallyExposeSystemEnvironmentVariables": "yes", "nodeVersion": 22, "gitComments": "all",
        "rootDirectory": 7, "pass.word": "x",
    },
    "redirectDomains": {"www": "share-paint.app"},
    "smokePaths": ["/", 404],
    "promotedParts": ["wep"],
    "unprotectedRepositories": "share-paint",
    "waitMinutes": "soon", "githubPlan": "gold", "release": "v1", "web.domain": "x", "-x": "y",
    "monitorHost": "ssh://ops@monitor.example", "monitorTls": "internal",
}  # fmt: skip
_STAGING: Final[dict[str, Any]] = {
    "reviewers": [{"user": "a", "team": "b", "id": 1}, "mina", *({"user": u, "id": 3} for u in "cde")],
    "redirectDomains": ["a.example", "b.example", "b.example", "staging.share-paint.app"],
    "socketDigest": f"sha256:{'1' * 64}",
    "previousRelease": demo.RELEASES[0],
    "autoAssignCustomDomains": False,
    "githubPlan": "free", "appRepositoryVisibility": "private", "infraRepositoryVisibility": "private",
    "BATTLE_PASSWORD_PEPPER": "a pepper in the clear",
}  # fmt: skip
# What a person puts in the place of VALUE, SHA, DOMAIN, …: the wrong value again where its type was wrong.
_ANSWERS: Final[dict[str, str]] = {
    "reviewers[0].user": "4711", "reviewers[1].team": "true", "reviewers[1].id": "2",
    "tags[0]": "2026", "tags[1]": "v*",
    "delivery.production.AZURE_STORAGE_ACCOUNT": "123456", "delivery.production.AWS_REGION": "true",
    'adopt["www.share-paint.app"]': "7", "adopt.web-project": "prj_1", 'adopt["a \\"name\\""]': "007",
    "rolledBack.web": "7", "smokePaths[1]": "/404", "promotedParts[0]": "web",
    "vercelProject.automaticallyExposeSystemEnvironmentVariables": "true",
    "vercelProject.nodeVersion": "22", "vercelProject.rootDirectory": "7",
    "waitMinutes": "5", "githubPlan": "team", "release": demo.RELEASES[1],
    "monitorDomain": "monitor.share-paint.app", "BATTLE_PASSWORD_PEPPER": "a new pepper",
    "redirectDomains[2]": "c.example", "redirectDomains[3]": "d.example",
}  # fmt: skip


def _problems(of: RehearsalHome, stack: str) -> dict[tuple[str, str], Problem]:
    """By key and text: the same key may have a second fault, which shows once the first is mended."""
    loaded = Workspace(folder=of.folder, stack=stack, env=of.home.env()).load()
    found = preflight.check(loaded, date.today()).problems
    return {(p.key, p.text): p for p in found if p.key != "adoptedOn"}


def _answered(fix: str) -> str:
    """The printed command with a value in the place of its placeholder, as a shell's line."""
    if fix.endswith(".crt"):
        return fix
    lines = []
    for command in fix.split(" && "):
        words = shlex.split(command)
        at = next((i for i, word in enumerate(words) if word in _ANSWERS), None)
        if words[:3] == ["pulumi", "config", "set"] and at is not None:
            if words[at + 1].isupper():
                words[at + 1] = _ANSWERS[words[at]]
        elif words[:4] == ["python", "-m", "operations", "set"] and at is not None:
            lines.append(f"printf %s {shlex.quote(_ANSWERS[words[at]])} | {shlex.join(words)}")
            continue
        lines.append(shlex.join(words))
    return "\n".join(lines)


@pytest.mark.parametrize(("stack", "wrong"), [("production", _PRODUCTION), ("staging", _STAGING)])
def test_each_printed_command_run_as_it_stands_mends_its_problem(
    rehearsal_home: RehearsalHome, tmp_path: Path, stack: str, wrong: Mapping[str, Any]
) -> None:
    config = yaml.safe_load(rehearsal_home.home.stack_file(stack).read_text())["config"]
    rotation = config["paintshare:rotation"]
    rotation |= {"SENTRY_DSN": {"date": 7}, "old.key": "x"}
    rehearsal_home.edit(stack, **{**wrong, "rotation": rotation})
    (tmp_path / "root.crt").write_text("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
    env = {"PYTHONPATH": str(home.CLONE)}

    found = _problems(rehearsal_home, stack)
    assert len(found) >= len(wrong) - 1
    seen: set[tuple[str, str]] = set()
    while found:
        assert not seen & set(found), "was told again after its command"
        seen |= set(found)
        script = "\n".join(dict.fromkeys(_answered(problem.fix) for problem in found.values()))
        rehearsal_home.run("sh", "-ec", script, env=env, cwd=tmp_path).ok()
        found = _problems(rehearsal_home, stack)


@pytest.mark.parametrize("stack", home.STACKS)
def test_setting_a_key_of_a_committed_file_changes_its_line_alone(
    rehearsal_home: RehearsalHome, tmp_path: Path, stack: str
) -> None:
    committed = home.CLONE / f"Pulumi.{stack}.yaml"
    copy = shutil.copy(committed, tmp_path / "copy.yaml")
    set_ = ("config", "set", "paintshare:battle", "off", "-s", stack, "--config-file", str(copy))
    rehearsal_home.pulumi(*set_).ok()
    diff = difflib.ndiff(committed.read_text().splitlines(), Path(copy).read_text().splitlines())
    assert [line for line in diff if line[:2] in ("+ ", "- ")] == ['+   paintshare:battle: "off"']
