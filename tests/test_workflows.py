"""The workflows: sound by three linters, thin, pinned, and reading exactly what the plan says they may."""

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from plan.assignments import assignments
from plan.delivery import APP_PERMISSIONS, INPUTS, Kind, Role, environments, names
from plan.gate import gate_plan
from plan.protection import APP_CHECKS, INFRA_CHECKS, RECORD_BRANCH, environment_rules
from plan.rows import Store
from tests.builders import DEFAULTS, production, staging
from tests.workflows import ACTIONS, FILES, ROOT, Job, Json, evaluate, jobs, load, resolve
from tools import actionlint, ci

BIN = Path(sys.executable).parent
JOBS = list(jobs())
SETTINGS = [staging().settings(), production().settings()]
# Contexts whose content somebody outside this repository chooses.
UNTRUSTED = r"github\.event\.|github\.head_ref|inputs\."


def run(*command: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


def job_id(job: Job) -> str:
    return ".".join(filter(None, (job.workflow, job.name, job.matrix.get("stack"))))


# --- linters, each of them seen to refuse something --------------------------------------------------------


@pytest.fixture(scope="module")
def linter() -> Path:
    return actionlint.ensure()


def zizmor(*files: Path | str) -> subprocess.CompletedProcess[str]:
    config = ROOT / ".github" / "zizmor.yml"
    return run(
        BIN / "zizmor", "--offline", "--no-progress", "--strict-collection", "--config", config, *files
    )


def schema(kind: str, files: Sequence[Path]) -> subprocess.CompletedProcess[str]:
    return run(BIN / "check-jsonschema", "--builtin-schema", f"vendor.{kind}", *files)


@pytest.fixture
def expanded(tmp_path: Path) -> list[Path]:
    """The workflows with their anchors written out: zizmor looks past them."""

    class Plain(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            del data
            return True

    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    for file in FILES:
        (folder / file.name).write_text(yaml.dump(load(file), Dumper=Plain, sort_keys=False))
    return sorted(folder.glob("*.yml"))


def test_actionlint_finds_nothing(linter: Path) -> None:
    assert run(linter, "-no-color").stdout == ""


def test_zizmor_finds_nothing_with_and_without_anchors() -> None:
    found = zizmor(".github")
    assert found.returncode == 0, found.stdout


def test_zizmor_finds_nothing_behind_the_anchors(expanded: list[Path]) -> None:
    text = "\n".join(file.read_text() for file in expanded)
    assert "&" not in re.sub(r"&&", "", text)
    pins = re.compile(r"uses: (\S+)( # v\S+)")
    versions = {uses: version for file in FILES for uses, version in pins.findall(file.read_text())}
    for file in expanded:  # the version beside a pin is a comment, which YAML forgets
        lines = file.read_text().splitlines()
        lines = [line + versions.get(line.split("uses: ")[-1], "") for line in lines]
        file.write_text("\n".join(lines) + "\n")
    found = zizmor(*expanded)
    assert found.returncode == 0, found.stdout


def test_check_jsonschema_finds_nothing() -> None:
    for kind, files in (("github-workflows", FILES), ("github-actions", ACTIONS)):
        assert schema(kind, files).returncode == 0


BAD = """\
on: pull_request_target
jobs:
  one:
    runs-on: ubuntu-24.04
    timeout-minute: 5
    steps:
      - uses: actions/checkout@v4
      - run: echo ${{ github.event.pull_request.title }}
"""


def test_each_linter_refuses_a_bad_workflow(tmp_path: Path, linter: Path) -> None:
    file = tmp_path / ".github" / "workflows" / "bad.yml"
    file.parent.mkdir(parents=True)
    file.write_text(BAD)
    assert "timeout-minute" in run(linter, "-no-color", file).stdout
    assert schema("github-workflows", [file]).returncode != 0
    file.write_text(BAD.replace("timeout-minute:", "timeout-minutes:"))
    refused = zizmor(file)
    assert refused.returncode != 0
    for audit in ("dangerous-triggers", "template-injection", "unpinned-uses", "artipacked"):
        assert audit in refused.stdout


# --- what every workflow keeps to --------------------------------------------------------------------------


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_workflow_starts_with_no_permission(file: Path) -> None:
    assert load(file)["permissions"] == {}


@pytest.mark.parametrize("job", JOBS, ids=job_id)
def test_a_job_ends_in_time_and_never_cancels_another(job: Job) -> None:
    assert 0 < job.body["timeout-minutes"] <= 120
    workflow = load(ROOT / ".github" / "workflows" / f"{job.workflow}.yml")
    found = [x["concurrency"] for x in (job.body, workflow) if "concurrency" in x]
    assert found or job.environment.endswith("-plan")  # a plan only reads
    assert not any(one["cancel-in-progress"] for one in found)


@pytest.mark.parametrize("name", ["promote.staging", "promote.production"])
def test_a_step_that_waits_for_a_build_ends_before_the_tokens_of_its_rollback_do(name: str) -> None:
    """GitHub's and the clouds' tokens last an hour, and five minutes are for what comes before and after."""
    [job] = [job for job in JOBS if job_id(job) == name]
    steps = [step for step in job.body["steps"] if "make ci-" in step.get("run", "")]
    assert steps[-1]["run"].endswith("ci-rollback")
    assert sum(step["timeout-minutes"] for step in steps[:-1]) <= 50


def test_a_release_that_nobody_could_judge_is_not_rolled_back() -> None:
    [job] = [job for job in JOBS if job_id(job) == "promote.production"]
    [watch] = [step for step in job.body["steps"] if step.get("run", "").endswith("ci-watch")]
    [rollback] = [step for step in job.body["steps"] if step.get("run", "").endswith("ci-rollback")]
    assert f"&& steps.{watch['id']}.outputs.unjudged != 'true'" in rollback["if"]


def test_only_one_job_at_a_time_changes_a_stack() -> None:
    changing = [job for job in JOBS if job.environment in {s.environment for s in SETTINGS}]
    assert {job.environment for job in changing} == {"staging", "production"}
    for job in changing:
        assert job.body["concurrency"]["group"] == f"stack-{job.environment}"


@pytest.mark.parametrize("file", [*FILES, *ACTIONS], ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_every_action_is_pinned_to_a_commit_and_says_its_version(file: Path) -> None:
    pinned = r"\./\.github/actions/[a-z]+|[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+"
    for used in re.findall(r"uses: (.+)", file.read_text()):
        assert re.fullmatch(pinned, used), used


def test_one_action_has_one_pin() -> None:
    text = "\n".join(file.read_text() for file in [*FILES, *ACTIONS])
    pins = set(re.findall(r"uses: ([\w.-]+/[\w./-]+)@(\S+ # \S+)", text))
    assert len({name for name, _ in pins}) == len(pins)


def scripts() -> list[str]:
    """Every `run:` of a workflow or action of this repository."""
    steps = [step for job in JOBS for step in job.steps]
    steps += [step for file in ACTIONS for step in yaml.safe_load(file.read_text())["runs"]["steps"]]
    return [step["run"] for step in steps if "run" in step]


def test_every_script_is_one_command_of_this_repository_and_no_expression_reaches_a_shell() -> None:
    targets = set(re.findall(r"^([a-z -]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    known = {name for names_ in targets for name in names_.split()}
    for script in scripts():
        found = re.fullmatch(r"(?:exec )?make ([a-z-]+)", script.strip())
        assert found is None or found[1] in known, script
        as_root = {f'sudo env "PATH=$PATH" {what}' for what in (".ci/run", "CI=true make soak")}
        assert found or script.strip() in as_root, script


def test_every_step_of_the_glue_is_a_target_and_is_run_by_some_workflow() -> None:
    run_by = {script.strip().rpartition("make ci-")[2] for script in scripts() if "make ci-" in script}
    assert run_by == set(ci.STEPS)


# --- environments, secrets and variables against the plan --------------------------------------------------


def roles() -> dict[str, Role]:
    return {name: role for settings in SETTINGS for name, role in environments(settings).items()}


@pytest.mark.parametrize("job", JOBS, ids=job_id)
def test_a_job_reads_only_what_its_environment_holds(job: Job) -> None:
    secrets, variables = job.reads("secrets"), job.reads("vars")
    if not job.environment:
        assert (secrets, variables) == (set(), set())
        return
    role = roles()[job.environment]
    of_matrix = {
        a.row.key
        for settings in SETTINGS
        for a in assignments(settings, Store.GITHUB)
        if a.environment == job.environment and not a.secret
    }
    assert secrets <= names(role, Kind.SECRET)
    assert variables <= names(role, Kind.VARIABLE) | of_matrix


@pytest.mark.parametrize("job", [job for job in JOBS if job.environment], ids=job_id)
def test_a_job_reads_every_name_of_the_plan_for_its_role(job: Job) -> None:
    """Every job of a role: what one reads does not help another of the same role."""
    role = roles()[job.environment]
    assert names(role, Kind.SECRET) <= job.reads("secrets")
    assert names(role, Kind.VARIABLE) <= job.reads("vars")


@pytest.mark.parametrize(
    "job", [job for job in JOBS if roles().get(job.environment) is Role.APPLY], ids=job_id
)
def test_every_step_of_the_glue_in_a_changing_job_has_the_same_access_and_hears_of_its_end(job: Job) -> None:
    steps = [step for step in job.steps if "make ci-" in step.get("run", "")]
    assert steps
    for step in steps:
        assert step["env"] == steps[0]["env"]
        assert step["run"].startswith("exec make ")


def test_the_environments_of_the_workflows_are_those_that_the_program_declares() -> None:
    infra = SETTINGS[0].infra_repository
    declared = {r.name for s in SETTINGS for r in environment_rules(s) if r.repository == infra}
    assert {job.environment for job in JOBS} - {""} == declared == set(roles())


def test_the_variables_that_a_stack_file_states_are_declared_where_jobs_read_them() -> None:
    file = production(delivery={"production": {row.name: "x" for row in INPUTS if row.declared}})
    [found] = [
        e for e in gate_plan(file.settings()).environments
        if e.rule.name == "production" and e.rule.repository == file.settings().infra_repository
    ]  # fmt: skip
    assert {row.name for row in INPUTS if row.declared} <= {v.key for v in found.variables}


def test_no_secret_is_within_reach_of_a_pull_request_from_a_fork() -> None:
    for job in JOBS:
        if "pull_request" not in load(ROOT / ".github" / "workflows" / f"{job.workflow}.yml")["on"]:
            continue
        if job.reads("secrets") or job.environment:
            assert runs(job, FORK, "mina") is False
            assert runs(job, FORK, DEPENDABOT) is False


OURS, FORK, DEPENDABOT = "o/infra", "somebody/infra", "dependabot[bot]"


def context(head: str, actor: str) -> Json:
    """Of a run of a pull request: whose branch it is, and who caused the run. A re-run keeps the actor."""
    event = {"pull_request": {"number": 7, "head": {"repo": {"full_name": head}}}}
    return {"github": {"repository": OURS, "event": event, "actor": actor}}


def runs(job: Job, head: str, actor: str) -> bool:
    return bool(evaluate(job.body.get("if", "'always'"), context(head, actor)))


@pytest.mark.parametrize(
    ("head", "actor", "live"),
    [(OURS, "mina", True), (OURS, DEPENDABOT, False), (FORK, "mina", False), (FORK, DEPENDABOT, False)],
)
def test_a_run_that_github_gives_no_secret_is_previewed_in_the_rehearsal_and_told_in_the_summary(
    head: str, actor: str, live: bool
) -> None:
    """Required checks can turn green: a job that would lack its secrets is skipped, which satisfies them."""
    found = {job.name: job for job in JOBS if job.workflow == "preview"}
    assert runs(found["live"], head, actor) is live
    assert runs(found["rehearsal"], head, actor)
    given = context(head, actor)
    own = resolve(found["rehearsal"].body["env"]["OWN"], given)
    given["env"] = {"OWN": str(own).lower()}
    production, staging = (step for step in found["rehearsal"].steps if "run" in step)
    assert (production["env"]["STACK"], staging["env"]["STACK"]) == ("production", "staging")
    assert resolve(production["env"]["PULL_REQUEST"], given) == (7 if live else "")
    assert "PULL_REQUEST" not in staging["env"]
    assert evaluate(staging["if"], given) is not live


def test_whatever_holds_a_stacks_secrets_runs_the_code_of_the_record_branch_alone() -> None:
    """A dispatch and a schedule run there anyway; a run by hand could name another branch."""
    for job in JOBS:
        if roles().get(job.environment) in (Role.PLAN, Role.APPLY) and "needs" not in job.body:
            assert str(job.body["if"]).startswith(f"github.ref == 'refs/heads/{RECORD_BRANCH}'")


def test_the_required_checks_of_this_repository_are_jobs_of_its_pull_requests() -> None:
    found = {
        job.body.get("name", job.name)
        for job in JOBS
        if "pull_request" in load(ROOT / ".github" / "workflows" / f"{job.workflow}.yml")["on"]
    }
    assert found == set(INFRA_CHECKS)
    assert not found & (set(APP_CHECKS) - {"test"})


def test_a_token_of_the_app_reaches_the_two_repositories_and_no_other() -> None:
    steps = [s for job in JOBS for s in job.steps if "create-github-app-token" in s.get("uses", "")]
    assert steps
    for step in steps:
        named = step["with"]["repositories"].split(",")
        assert named == [DEFAULTS["appRepository"], DEFAULTS["infraRepository"]]


@pytest.mark.parametrize("role", [Role.PLAN, Role.APPLY])
def test_the_tokens_of_a_role_ask_for_what_its_app_has_to_have_and_no_more(role: Role) -> None:
    asked: dict[str, set[str]] = {}
    for job in (job for job in JOBS if roles().get(job.environment) is role):
        for step in job.steps:
            for name, level in (step.get("with") or {}).items():
                if name.startswith("permission-"):
                    asked.setdefault(name.removeprefix("permission-"), set()).add(level)
    assert asked == {name: {levels[role]} for name, levels in APP_PERMISSIONS.items()}


def test_what_only_reads_gets_a_token_that_cannot_write() -> None:
    for job in JOBS:
        for step in job.steps:
            levels = {v for k, v in (step.get("with") or {}).items() if k.startswith("permission-")}
            if levels and roles()[job.environment] is Role.PLAN:
                assert levels == {"read"}


def test_untrusted_inputs_are_read_in_env_and_with_alone() -> None:
    for job in JOBS:
        for step in job.steps:
            assert not re.search(UNTRUSTED, step.get("run", ""))
