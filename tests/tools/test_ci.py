"""The glue between workflows and verbs: inputs are checked before anything sees them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from rehearsal import demo
from rehearsal.docker_engine import processes
from rehearsal.standin import seeds
from rehearsal.standin.account import Account
from tests.workflows import ROOT
from tools import ci
from tools.ci import Inputs, Step

SHA, DIGEST = "a" * 40, f"sha256:{'b' * 64}"
GOOD = {"STACK": "staging", "RELEASE": SHA, "DIGEST": DIGEST, "PULL_REQUEST": "7", "PLANNED": SHA}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a stack file, where the steps look for the record."""
    config = {"paintshare:release": SHA, "paintshare:rolledBack": {"socket": "c" * 40}}
    (tmp_path / "Pulumi.staging.yaml").write_text(yaml.safe_dump({"config": config}))
    monkeypatch.setenv("PULUMI_OPTION_CWD", str(tmp_path))
    return tmp_path


# --- inputs ------------------------------------------------------------------------------------------------

HOSTILE = [
    "$(touch x)",
    "`touch x`",
    "--stack=production",
    "x; touch x",
    "a\nb",
    "$(shell touch x)",
    "A" * 40,
]


@pytest.mark.parametrize("name", ["STACK", "RELEASE", "DIGEST", "PULL_REQUEST", "PLANNED"])
@pytest.mark.parametrize("value", HOSTILE)
def test_an_input_of_another_shape_is_refused_and_not_repeated(name: str, value: str) -> None:
    with pytest.raises(ci.InputError) as refused:
        Inputs({name: value}).get(name)
    assert name in str(refused.value)
    assert value not in str(refused.value)


@pytest.mark.parametrize("value", HOSTILE)
def test_make_passes_an_input_on_without_reading_it(value: str, tmp_path: Path) -> None:
    """`make` expands its own variables, and imports the environment as such: no recipe may name one."""
    env = {**os.environ, "RELEASE": value, "STACK": "staging", "PULUMI_BACKEND_URL": "file:///nowhere"}
    done = subprocess.run(
        ["make", "-s", "ci-stage"], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "RELEASE does not have the shape" in done.stderr
    assert not list(tmp_path.glob("x")) + list(ROOT.glob("x"))


def test_a_missing_input_is_named() -> None:
    with pytest.raises(ci.InputError, match="STACK is not set"):
        ci.smoke(Inputs({}))


@pytest.mark.parametrize(
    ("step", "command"),
    [
        ("stage", f"stage --stack staging --yes --release {SHA} --digest {DIGEST} --wait 15"),
        ("plan", f"promote --stack staging --release {SHA} --dry-run --wait 15"),
        ("rollback", "rollback --stack staging --yes --wait 15"),
        ("watch", "watch --stack staging --minutes 15"),
        ("review", "review --stack staging --base HEAD^1 --pull-request 7"),
        ("rotation", "remind"),
    ],
)
def test_a_step_is_one_verb(step: str, command: str) -> None:
    assert ci.STEPS[step](Inputs(GOOD)).command == tuple(command.split())


# --- what may not happen -----------------------------------------------------------------------------------


def test_a_rollback_of_what_the_record_does_not_name_does_nothing() -> None:
    """A promotion that was refused has recorded nothing: N-1 is then the release before the good one."""
    with pytest.raises(ci.DoneError, match="does not name bbbbbbbbbbbb"):
        ci.rollback(Inputs({**GOOD, "RELEASE": "b" * 40}))


def test_a_rollback_that_was_cut_off_may_go_on() -> None:
    assert ci.rollback(Inputs({**GOOD, "RELEASE": "c" * 40})).command[0] == "rollback"


def test_a_rollback_waits_for_what_a_cut_off_step_left_at_work(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ci, "CLONE", folder)  # other tests work in the real one
    waits = "import time; time.sleep(600)"
    left = subprocess.Popen([sys.executable, "-c", waits, "promote", "--stack", "staging"], cwd=folder)
    pauses: list[int] = []

    def ends(_: float) -> None:
        pauses.append(left.pid)
        left.kill()
        left.wait()

    monkeypatch.setattr("time.sleep", ends)
    try:
        ci.rollback(Inputs(GOOD))
        ci.rollback(Inputs(GOOD))
        assert pauses == [left.pid]
    finally:
        left.kill()


def test_a_rollback_does_not_wait_for_ever_nor_for_other_stacks_folders_and_verbs(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ci, "CLONE", folder)  # other tests work in the real one
    monkeypatch.setattr(ci, "PATIENCE", (0.0,))
    here, elsewhere = folder, folder / "elsewhere"
    elsewhere.mkdir()
    cases = (
        (here, "up", "staging"),
        (here, "up", "production"),
        (elsewhere, "up", "staging"),
        (here, "watch", "staging"),
    )
    started = [
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", *words], cwd=cwd)
        for cwd, *words in cases
    ]
    try:
        assert ci._at_work("staging") == [started[0].pid]
        assert ci.rollback(Inputs(GOOD)).command[0] == "rollback"
        assert started[0].wait(60) == -signal.SIGINT  # what it has at work may have no end
        assert [process.poll() for process in started[1:]] == [None, None, None]
    finally:
        for process in started:
            process.kill()
            process.wait()


def commit(repository: Path, name: str, text: str) -> str:
    (repository / name).write_text(text)
    for command in (["add", name], ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", name]):
        subprocess.run(["git", "-C", repository, *command], check=True)
    head = subprocess.run(["git", "-C", repository, "rev-parse", "HEAD"], check=True, capture_output=True)
    return head.stdout.decode().strip()


def test_what_was_approved_is_what_is_applied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ci, "CLONE", tmp_path)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    planned = commit(tmp_path, "__main__.py", "one")
    commit(tmp_path, "Pulumi.staging.yaml", "a record of the other stack")
    inputs = Inputs({"STACK": "production", "RELEASE": SHA, "PLANNED": planned})
    assert ci.promote(inputs).command[0] == "promote"
    commit(tmp_path, "Pulumi.production.yaml", "another record of this stack")
    with pytest.raises(ci.InputError, match=r"has changed since the plan was approved \(Pulumi.production"):
        ci.promote(inputs)


def test_a_job_without_a_backend_reviews_nothing_and_changes_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PULUMI_BACKEND_URL", raising=False)
        for name, value in GOOD.items():
            patch.setenv(name, value)
        assert ci.main(["review"]) == 0
        assert ci.main(["stage"]) == 1
    said = capsys.readouterr()
    assert "::notice::no live preview: PULUMI_BACKEND_URL is not set" in said.out
    assert "error: PULUMI_BACKEND_URL is not set" in said.err


# --- what a job learns -------------------------------------------------------------------------------------


def test_a_refused_verb_has_recorded_nothing_and_one_that_failed_half_way_has(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, file = folder / "output", folder / "Pulumi.staging.yaml"
    step, env = Step(("x",), records="staging"), {"GITHUB_OUTPUT": str(output)}

    def outcome(code: int, text: str) -> tuple[int, str]:
        file.write_text(text)
        return code, ""

    before = file.read_text()
    for code, text in ((1, before), (1, "new"), (0, "new")):
        monkeypatch.setattr(ci, "_shown", lambda *_, code=code, text=text: outcome(code, text))
        assert ci.run(step, env) == code
    assert output.read_text().split() == ["recorded=false", "recorded=true", "recorded=true"]


_VERB = """
import pathlib, sys, time
record = pathlib.Path(sys.argv[1])
record.write_text("new")
print("recorded", flush=True)
try:
    time.sleep(60)
except KeyboardInterrupt:
    time.sleep(1)  # what the engine has at work
    pathlib.Path(sys.argv[2]).write_text("orderly")
    sys.exit(130)
"""
_GLUE = """
import os, sys
from tools import ci
command = [sys.executable, *sys.argv[1:]]
shown = ci._shown
ci._shown = lambda _, env, note: shown(command, env, note)
sys.exit(ci.run(ci.Step(("x",), records="staging"), os.environ))
"""


def test_a_step_that_github_ends_has_told_of_its_record_and_its_verb_ends_in_order(folder: Path) -> None:
    output, trace = folder / "output", folder / "trace"
    (folder / "verb.py").write_text(_VERB)
    (folder / "glue.py").write_text(_GLUE)
    (folder / "step.sh").write_text("exec make step\n")
    command = ("glue.py", folder / "verb.py", folder / "Pulumi.staging.yaml", trace)
    (folder / "Makefile").write_text(f"step:\n\t@{sys.executable} {' '.join(map(str, command))}\n")
    env = {**os.environ, "GITHUB_OUTPUT": str(output), "PYTHONPATH": str(ROOT)}
    step = subprocess.Popen(["bash", "-e", "step.sh"], cwd=folder, env=env)
    assert processes.wait_until(lambda: output.exists() and output.read_text() == "recorded=true\n", 120)
    step.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert step.poll() is None
    step.send_signal(signal.SIGTERM)
    step.wait(120)
    assert trace.read_text() == "orderly"
    assert set(output.read_text().split()) == {"recorded=true"}


def test_what_a_verb_says_is_no_command_to_the_runner(capfd: pytest.CaptureFixture[str]) -> None:
    ci.run(Step(("set", "--help")), {**os.environ, "GITHUB_ACTIONS": "true"})
    lines = capfd.readouterr().out.splitlines()
    token = lines[0].removeprefix("::stop-commands::")
    assert len(token) == 32
    assert lines[-1] == f"::{token}::"


def test_drift_keeps_one_issue_a_stack_and_an_error_leaves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = tmp_path / "account.db"
    seeds.seed(account)
    monkeypatch.setenv("PAINTSHARE_ACCOUNT", str(account))
    env = {
        "ISSUES_TOKEN": demo.GITHUB_TOKEN,
        "GITHUB_REPOSITORY": f"{demo.GITHUB_OWNER}/{demo.INFRA_REPOSITORY}",
    }

    def states() -> list[str]:
        held = Account(account, "github")
        found = [str(issue["state"]) for _, issue in held.find("issue")]
        held.close()
        return found

    seen = []
    for code in (3, 3, 1, 0):
        monkeypatch.setattr(ci, "_shown", lambda *_, code=code: (code, "@everyone ``` reviewers gone"))
        assert ci.run(ci.drift(Inputs(GOOD)), env) == code
        seen.append(states())
    assert seen == [["open"], ["open"], ["open"], ["closed"]]


# --- access ------------------------------------------------------------------------------------------------


def test_the_token_of_the_record_reaches_git_through_the_environment_alone(
    tmp_path: Path,
) -> None:
    env = ci.environment({"RECORD_TOKEN": "t0ken", "HOME": str(tmp_path)} | {"PATH": os.environ["PATH"]})
    assert "t0ken" not in "".join(env.values())
    assert env["PAINTSHARE_RECORD"] == "origin main"
    told = subprocess.run(
        ["git", "config", "--get", "http.https://github.com/.extraheader"],
        env=env, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert told.stdout.startswith("AUTHORIZATION: basic ")


def test_the_key_of_the_docker_hosts_is_written_for_its_owner_alone_and_once(tmp_path: Path) -> None:
    given = {
        "HOME": str(tmp_path),
        "PATH": os.environ["PATH"],
        "DOCKER_SSH_KEY": "KEY",
        "DOCKER_KNOWN_HOSTS": "h k",
    }
    for _ in range(2):
        env = ci.environment(given)
    assert "DOCKER_SSH_KEY" not in env
    assert (tmp_path / ".ssh" / "paintshare").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / ".ssh" / "config").read_text().count("IdentityFile") == 1


@pytest.mark.parametrize(
    ("code", "told"), [(4, "unjudged=true"), (1, "unjudged=false"), (0, "unjudged=false")]
)
def test_a_watch_that_nobody_could_judge_is_red_and_told_apart_from_one_that_found_trouble(
    code: int, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "output"
    monkeypatch.setattr(ci, "_shown", lambda *_: (code, ""))
    assert ci.run(ci.watch(Inputs({"STACK": "staging"})), {"GITHUB_OUTPUT": str(output)}) == code
    assert output.read_text().splitlines() == [told]
