"""The `run:` lines of the workflows, run in the rehearsal with no more than its job would be given.

A checkout with the stack files committed, as a team has it, and a remote for the record. A step sees the
machine (engine, stand-ins), its own `env:` and nothing else: secrets and variables are those of the job's
GitHub environment alone.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from plan.delivery import Kind, environments, names
from plan.protection import RECORD_BRANCH
from rehearsal import demo
from rehearsal.cache import cache
from tests.builders import production, staging
from tests.harness import TIMEOUT, RehearsalHome
from tests.workflows import ACTIONS, ROOT, Job, Json, evaluate, jobs, resolve

REPOSITORY: Final = f"{demo.GITHUB_OWNER}/{demo.INFRA_REPOSITORY}"
PULL_REQUEST: Final = 7
JOBS: Final = {".".join(filter(None, (j.workflow, j.name, j.matrix.get("stack")))): j for j in jobs()}
ROLES: Final = {k: v for f in (staging(), production()) for k, v in environments(f.settings()).items()}
# What the home says of accounts and keys; a step has to get it from its job.
_ACCESS: Final = {
    *("VERCEL_API_TOKEN", "GITHUB_TOKEN", "PULUMI_CONFIG_PASSPHRASE_FILE", "PULUMI_BACKEND_URL"),
    *("PULUMI_OPTION_CWD", "PAINTSHARE_LANGUAGE_HOST"),
}


@dataclass
class Done:
    """What the steps of a job said and how each ended."""

    codes: dict[str, int] = field(default_factory=dict)
    text: str = ""
    summary: str = ""


@dataclass
class Runner:
    """A runner with a checkout of this repository in a folder of its own."""

    home: RehearsalHome
    folder: Path

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.com")
        done = subprocess.run(
            ["git", "-C", str(self.folder), *identity, *arguments], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def edit(self, stack: str, **values: Any) -> None:
        file = self.folder / f"Pulumi.{stack}.yaml"
        content = yaml.safe_load(file.read_text())
        content["config"] |= {f"paintshare:{key}": value for key, value in values.items()}
        file.write_text(yaml.safe_dump(content))
        self.git("commit", "-qam", f"edit {stack}")

    def run(self, job: Job, event: Json, needs: Json | None = None) -> Done:
        """Run the job's steps in order, as a runner does: after a failure only those that ask for it."""
        done, scratch = Done(), self.folder.parent
        contexts = self._contexts(job, event, needs or {})
        machine = {k: v for k, v in self.home.home.variables().items() if k not in _ACCESS}
        machine |= {
            "HOME": str(scratch), "XDG_CACHE_HOME": str(cache("engine").parent.parent), "NO_COLOR": "1",
            "GITHUB_REPOSITORY": REPOSITORY, "GITHUB_STEP_SUMMARY": str(scratch / "summary"),
            "PAINTSHARE_LANGUAGE_HOST": str(self.folder / "rehearsal" / "engine" / "language_host.py"),
        }  # fmt: skip
        for step in self._expanded(job):
            condition = str(step.get("if", ""))
            asks = "failure()" in condition
            if (contexts["status"] == "failure") != asks or (condition and not evaluate(condition, contexts)):
                continue
            output = scratch / "output"
            output.write_text("")
            given = {**(job.body.get("env") or {}), **(step.get("env") or {})}
            env = {k: str(resolve(v, contexts)) for k, v in given.items()}
            ran = subprocess.run(
                ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
                cwd=self.folder, env={**machine, **env, "GITHUB_OUTPUT": str(output)}, timeout=2 * TIMEOUT,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                check=False,
            )  # fmt: skip
            done.codes[step["run"]] = ran.returncode
            done.text += f"$ {step['run']}\n{ran.stdout}"
            if ran.returncode:
                contexts["status"] = "failure"
            if "id" in step:
                said = dict(line.split("=", 1) for line in output.read_text().splitlines())
                contexts["steps"][step["id"]] = {"outputs": said}
        summary = scratch / "summary"
        done.summary = summary.read_text() if summary.exists() else ""
        summary.unlink(missing_ok=True)
        return done

    def _contexts(self, job: Job, event: Json, needs: Json) -> Json:
        role = ROLES.get(job.environment)
        held = {
            "PULUMI_BACKEND_URL": self.home.home.variables()["PULUMI_BACKEND_URL"],
            "PULUMI_CONFIG_PASSPHRASE": (self.home.folder / "passphrase").read_text(),
            "VERCEL_API_TOKEN": demo.VERCEL_TOKEN,
            "APP_PRIVATE_KEY": "not a key",
            "APP_CLIENT_ID": "Iv1.rehearsal",
        }
        return {
            "status": "success",
            "secrets": {n: held.get(n, "") for n in (names(role, Kind.SECRET) if role else ())},
            "vars": {n: held.get(n, "") for n in (names(role, Kind.VARIABLE) if role else ())},
            "github": {"repository": REPOSITORY, "token": demo.GITHUB_TOKEN, "event": event,
                       "ref": f"refs/heads/{RECORD_BRANCH}"},
            "steps": {"app": {"outputs": {"token": demo.GITHUB_TOKEN}}},
            "needs": needs, "matrix": job.matrix, "inputs": {},
        }  # fmt: skip

    @staticmethod
    def _expanded(job: Job) -> Iterator[Json]:
        """The steps with a script, those of this repository's own actions in their place."""
        for step in job.steps:
            if str(step.get("uses", "")).startswith("./"):
                [action] = [a for a in ACTIONS if a.parent == ROOT / step["uses"]]
                yield from (s for s in yaml.safe_load(action.read_text())["runs"]["steps"] if "run" in s)
            elif "run" in step:
                yield step


@pytest.fixture
def runner(applied_home: RehearsalHome, tmp_path: Path) -> Runner:
    """Both stacks applied, their files committed on `main`, and a remote that has it."""
    folder = tmp_path / "work" / "checkout"
    listed = ["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard"]
    for name in subprocess.run(listed, capture_output=True, text=True, check=True).stdout.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    for file in applied_home.folder.glob("Pulumi.*.yaml"):
        shutil.copy(file, folder / file.name)
    made = Runner(applied_home, folder)
    subprocess.run(["git", "init", "-q", "-b", RECORD_BRANCH, str(folder)], check=True)
    subprocess.run(["git", "init", "-q", "--bare", str(tmp_path / "origin")], check=True)
    made.git("add", "-A")
    made.git("commit", "-qm", "as a team has it")
    made.git("remote", "add", "origin", str(tmp_path / "origin"))
    made.git("push", "-q", "origin", RECORD_BRANCH)
    issue = {
        "repository": demo.INFRA_REPOSITORY, "number": PULL_REQUEST, "title": "t", "body": "",
        "state": "open", "labels": [], "user": {"login": "mina", "type": "User"}, "pullRequest": True,
    }  # fmt: skip
    applied_home.account("github").put("issue", f"{demo.INFRA_REPOSITORY}#{PULL_REQUEST}", issue)
    return made


def comments(runner: Runner) -> list[str]:
    return [str(c["body"]) for _, c in runner.home.account("github").find("comment")]


def pull_request(repository: str = REPOSITORY) -> Json:
    return {"pull_request": {"number": PULL_REQUEST, "head": {"repo": {"full_name": repository}}}}


def dispatch(action: str, sha: str, digest: str = "") -> Json:
    return {"action": action, "client_payload": {"sha": sha, "digest": digest}}


def test_the_weekly_run_reminds_without_any_secret(runner: Runner) -> None:
    done = runner.run(JOBS["rotation.remind"], {})
    assert set(done.codes.values()) == {0}, done.text
    assert "0 due; issues: 0 made" in done.text


def test_a_pull_request_of_this_repository_previews_staging_live_in_one_comment(runner: Runner) -> None:
    runner.edit("staging", approvals=2)
    for _ in range(2):
        done = runner.run(JOBS["preview.live"], pull_request())
        assert set(done.codes.values()) == {0}, done.text
    [body] = comments(runner)
    assert "preview live" in body
    assert "rules.pullRequest.requiredApprovingReviewCount: 1 -> 2" in body
    assert body in done.summary


def test_staging_takes_what_develop_built_and_is_asked_for_its_pages(runner: Runner) -> None:
    done = runner.run(JOBS["promote.staging"], dispatch("release-staging", demo.RELEASES[1]))
    assert set(done.codes.values()) == {0}, done.text
    assert "ok    /feed: 200" in done.text
    assert "make ci-rollback" not in done.codes


def test_a_hostile_payload_reaches_no_shell_and_rolls_nothing_back(runner: Runner) -> None:
    event = dispatch("release-staging", "$(touch pwned); `touch pwned`")
    done = runner.run(JOBS["promote.staging"], event)
    assert done.codes["make ci-stage"] != 0
    assert "RELEASE does not have the shape" in done.text
    assert "make ci-rollback" not in done.codes
    assert not list(runner.folder.parent.rglob("pwned"))


def test_a_refused_promotion_shows_its_reasons_to_the_approver_and_changes_nothing(runner: Runner) -> None:
    before = runner.git("rev-parse", "HEAD")
    event = dispatch("release-production", demo.RELEASES[3])
    plan = runner.run(JOBS["promote.plan"], event)
    assert plan.codes["make ci-plan"] != 0
    assert "No-Go" in plan.summary
    done = runner.run(JOBS["promote.production"], event, {"plan": {"outputs": {"commit": before}}})
    assert done.codes["make ci-promote"] != 0
    assert "make ci-rollback" not in done.codes, done.text
    assert runner.git("rev-parse", "HEAD") == before


def test_no_step_can_do_anything_without_what_its_environment_holds(runner: Runner) -> None:
    """The same job in no environment at all, as it would be where nobody has set anything."""
    job = JOBS["promote.staging"]
    bare = Job(job.workflow, job.name, {k: v for k, v in job.body.items() if k != "environment"}, {})
    done = runner.run(bare, dispatch("release-staging", demo.RELEASES[1]))
    assert done.codes["make ci-stage"] != 0
    assert "PULUMI_BACKEND_URL is not set in this job's GitHub environment" in done.text


def test_the_variables_of_the_machine_hold_no_key(runner: Runner) -> None:
    """Else the steps would find in it what their environment has to give them."""
    given = {k: v for k, v in runner.home.home.variables().items() if k not in _ACCESS}
    text = "".join(given.values())
    for secret in (demo.VERCEL_TOKEN, demo.GITHUB_TOKEN, (runner.home.folder / "passphrase").read_text()):
        assert secret not in text
    assert "PATH" in os.environ
