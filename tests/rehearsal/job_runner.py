"""A runner of workflow jobs for the rehearsal: what GitHub does with a job, and no more than GitHub gives it.

A checkout with the stack files committed, as a team has it, and a remote for the record. A step sees the
machine (engine, stand-ins), its own `env:` and nothing else: secrets and variables are those of the job's
GitHub environment alone, tokens may write where the job's permissions say so. Asserts nothing.
"""

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from plan.delivery import Kind, environments, names
from plan.protection import RECORD_BRANCH
from rehearsal import demo, warm
from rehearsal.cache import cache
from rehearsal.standin.github.permissions import PERMISSIONS
from tests.builders import production, staging
from tests.harness import TIMEOUT, RehearsalHome
from tests.workflows import ACTIONS, ROOT, Job, Json, evaluate, jobs, resolve

DEPENDABOT: Final = "dependabot[bot]"
REPOSITORY: Final = f"{demo.GITHUB_OWNER}/{demo.INFRA_REPOSITORY}"
JOBS: Final = {".".join(filter(None, (j.workflow, j.name, j.matrix.get("stack")))): j for j in jobs()}
_ROLES: Final = {k: v for f in (staging(), production()) for k, v in environments(f.settings()).items()}
# What the home says of accounts and keys; a step has to get it from its job.
ACCESS: Final = {
    *("VERCEL_API_TOKEN", "GITHUB_TOKEN", "PULUMI_CONFIG_PASSPHRASE_FILE", "PULUMI_BACKEND_URL"),
    *("PULUMI_OPTION_CWD", "PAINTSHARE_LANGUAGE_HOST"),
}
# What GitHub's runner sends to the process of a step that is to end, and how long it waits; then it kills.
_ENDING: Final = ((signal.SIGINT, 7.5), (signal.SIGTERM, 2.5))
# Told at every push to the remote: the subject, and which commit the production domain serves by then.
_WITNESS: Final = """#!{python}
import sys
sys.path.insert(0, {root!r})
import subprocess
from pathlib import Path
from rehearsal.standin.account import Account
account = Account(Path({account!r}), "vercel")
served = account.get("deployment", account.get("alias", {domain!r})["deploymentId"])["sha"]
log = subprocess.run(["git", "log", "-1", "--format=%s", {branch!r}], capture_output=True, text=True)
open({file!r}, "a").write(f"{{served}} {{log.stdout}}")
"""


@dataclass
class Done:
    """What the steps of a job said and how each ended, by script. A job that was left out has none."""

    codes: dict[str, int] = field(default_factory=dict)
    text: str = ""
    summary: str = ""

    @property
    def ok(self) -> bool:
        return bool(self.codes) and not any(self.codes.values())


@dataclass
class Runner:
    """A runner with a checkout of this repository in a folder of its own."""

    home: RehearsalHome
    folder: Path

    @classmethod
    def prepare(cls, home: RehearsalHome, scratch: Path) -> "Runner":
        """A checkout in `scratch` whose stack files are those of the home, and a remote that has it."""
        folder, remote = scratch / "work" / "checkout", scratch / "origin"
        listed = ["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard"]
        for name in subprocess.run(listed, capture_output=True, text=True, check=True).stdout.splitlines():
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, folder / name)
        for file in home.folder.glob("Pulumi.*.yaml"):
            shutil.copy(file, folder / file.name)
        subprocess.run(["git", "init", "-q", "-b", RECORD_BRANCH, str(folder)], check=True)
        subprocess.run(["git", "init", "-q", "--bare", str(remote)], check=True)
        made = cls(home, folder)
        made.git("add", "-A")
        made.git("commit", "-qm", "as a team has it")
        made.git("remote", "add", "origin", str(remote))
        made.git("push", "-q", "origin", RECORD_BRANCH)
        hook = remote / "hooks" / "post-receive"
        hook.write_text(
            _WITNESS.format(
                python=sys.executable, root=str(ROOT), account=str(home.home.account), branch=RECORD_BRANCH,
                domain=demo.PRODUCTION_DOMAIN, file=str(scratch / "pushed"),
            )
        )  # fmt: skip
        hook.chmod(0o755)
        return made

    @property
    def pushed(self) -> list[str]:
        """Each push so far: what production served at that moment, and the subject of the commit."""
        file = self.folder.parents[1] / "pushed"
        return file.read_text().splitlines() if file.exists() else []

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.com")
        done = subprocess.run(
            ["git", "-C", str(self.folder), *identity, *arguments], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def edit(self, stack: str, **values: Any) -> None:
        """Commit an edit of a stack file, as a merged pull request would."""
        file = self.folder / f"Pulumi.{stack}.yaml"
        content = yaml.safe_load(file.read_text())
        content["config"] |= {f"paintshare:{key}": value for key, value in values.items()}
        file.write_text(yaml.safe_dump(content))
        self.git("commit", "-qam", f"edit {stack}")

    def run(
        self, name: str, event: Json, *, needs: Json | None = None, environment: bool = True,
        beside: Mapping[str, Callable[[], bool]] | None = None, actor: str = "mina", **variables: str,
    ) -> Done:  # fmt: skip
        """Run a job's steps in order, as a runner does: after a failure only those that ask for it.

        Without `environment` the job is given none, as where nobody has set anything. `beside`: what happens
        while a script runs; true when somebody cancels the job then. `actor`: who caused the run.
        `variables` are the machine's.
        """
        job, done, scratch = JOBS[name], Done(), self.folder.parent
        contexts = self._contexts(job, event, needs or {}, environment, actor)
        if "if" in job.body and not evaluate(job.body["if"], contexts):
            return done
        self._limit_tokens(job)
        machine = {k: v for k, v in self.home.home.variables().items() if k not in ACCESS}
        machine |= {
            "HOME": str(scratch), "XDG_CACHE_HOME": str(cache("engine").parent.parent), "NO_COLOR": "1",
            "GITHUB_REPOSITORY": REPOSITORY, "GITHUB_STEP_SUMMARY": str(scratch / "summary"),
            "PAINTSHARE_LANGUAGE_HOST": str(self.folder / "rehearsal" / "engine" / "language_host.py"),
            "WATCH_MINUTES": "0.01", **warm.variables(), **variables,
        }  # fmt: skip
        for step in self._scripts(job):
            condition = str(step.get("if", ""))
            asks = f"{contexts['status']}()" in condition
            if contexts["status"] == "success":
                asks = "failure()" not in condition
            if not asks or (condition and not evaluate(condition, contexts)):
                continue
            output = scratch / "output"
            output.write_text("")
            given = {**(job.body.get("env") or {}), **(step.get("env") or {})}
            env = {k: _text(resolve(v, contexts)) for k, v in given.items()}
            script = step["run"].strip().removeprefix("exec ")
            (scratch / "step.sh").write_text(step["run"])  # of a script in an argument bash executes the last
            with (scratch / "log").open("w") as log:
                process = subprocess.Popen(
                    ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(scratch / "step.sh")],
                    cwd=self.folder, env={**machine, **env, "GITHUB_OUTPUT": str(output)},
                    stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                )  # fmt: skip
            cancelled = (beside or {}).get(script, lambda: False)()
            if cancelled:
                _end(process)
            done.codes[script] = process.wait(2 * TIMEOUT)
            done.text += f"$ {script}\n{(scratch / 'log').read_text()}"
            if process.returncode or cancelled:
                contexts["status"] = "cancelled" if cancelled else "failure"
            if "id" in step:
                said = dict(line.split("=", 1) for line in output.read_text().splitlines())
                contexts["steps"][step["id"]] = {"outputs": said}
        summary = scratch / "summary"
        done.summary = summary.read_text() if summary.exists() else ""
        summary.unlink(missing_ok=True)
        return done

    def _limit_tokens(self, job: Job) -> None:
        """GitHub refuses what neither the job's own token nor the app's was given."""
        own = {name.replace("-", "_") for name in job.body["permissions"]}
        lacks = sorted(PERMISSIONS - own - set(_app(job)))
        account = self.home.account("github")
        account.put("token", "current", {**(account.get("token", "current") or {}), "lacks": lacks})

    def _contexts(self, job: Job, event: Json, needs: Json, environment: bool, actor: str) -> Json:
        role = _ROLES.get(job.environment) if environment else None
        held = {
            "PULUMI_BACKEND_URL": self.home.home.variables()["PULUMI_BACKEND_URL"],
            "PULUMI_CONFIG_PASSPHRASE": (self.home.folder / "passphrase").read_text(),
            "VERCEL_API_TOKEN": demo.VERCEL_TOKEN,
            "APP_PRIVATE_KEY": "not a key",
            "APP_CLIENT_ID": "Iv1.rehearsal",
        }
        # GitHub withholds the secrets of Actions from what Dependabot causes.
        role = None if actor == DEPENDABOT else role
        secrets = {n: held.get(n, "") for n in (names(role, Kind.SECRET) if role else ())}
        ours = (event.get("pull_request") or {}).get("head", {}).get("repo", {}).get("full_name", REPOSITORY)
        own = [level for name, level in job.body["permissions"].items() if name != "id-token"]
        contexts = {
            "status": "success",
            "secrets": secrets,
            "vars": {n: held.get(n, "") for n in (names(role, Kind.VARIABLE) if role else ())},
            "github": {
                "repository": REPOSITORY,
                "ref": f"refs/heads/{RECORD_BRANCH}",
                "event": event,
                "actor": actor,
                "token": _token(own if ours == REPOSITORY and actor != DEPENDABOT else ["read"]),
            },
            "steps": {
                "app": {
                    "outputs": {"token": _token(_app(job).values()) if secrets.get("APP_PRIVATE_KEY") else ""}
                }
            },
            "needs": needs,
            "matrix": job.matrix,
            "inputs": {},
        }
        stated = {k: v for k, v in (job.body.get("env") or {}).items() if "steps." not in str(v)}
        return contexts | {"env": {k: _text(resolve(v, contexts)) for k, v in stated.items()}}

    @staticmethod
    def _scripts(job: Job) -> Iterator[Json]:
        """The steps with a script, those of this repository's own actions in their place."""
        for step in job.steps:
            if str(step.get("uses", "")).startswith("./"):
                [action] = [a for a in ACTIONS if a.parent == ROOT / step["uses"]]
                yield from (s for s in yaml.safe_load(action.read_text())["runs"]["steps"] if "run" in s)
            elif "run" in step:
                yield step


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process of a step and no other, as GitHub's runner does (ProcessInvoker.cs)."""
    for number, seconds in _ENDING:
        process.send_signal(number)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
        return
    process.kill()


def _app(job: Job) -> dict[str, str]:
    """What the job's own token of the release app is asked for: permission and level."""
    given = [step.get("with") or {} for step in job.steps if step.get("id") == "app"]
    return {
        name.removeprefix("permission-").replace("-", "_"): str(level)
        for each in given
        for name, level in each.items()
        if name.startswith("permission-")
    }


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _token(levels: Iterable[str]) -> str:
    return demo.GITHUB_TOKEN if "write" in levels else demo.GITHUB_READ_TOKEN
