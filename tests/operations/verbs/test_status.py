"""What `status` says of a key: set with its age, missing, derived, made; never its value."""

import io
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from rich.console import Console

from operations.cli.status import show
from operations.stack.workspace import Workspace
from operations.verbs.status import StackStatus, keys
from tests.builders import ROOT, TODAY, StackFile, staging
from tests.schemas import parsed


def cells(file: StackFile) -> dict[tuple[str, str], tuple[str, int | None, str]]:
    found = keys(file.settings(), TODAY)
    return {(key.key, key.environment): (key.state, key.age, key.due) for key in found}


@pytest.mark.parametrize(("age", "due"), [(0, ""), (74, ""), (75, "soon"), (89, "soon"), (90, "overdue")])
def test_a_secret_is_shown_with_its_age_and_from_75_days_as_due(age: int, due: str) -> None:
    file = staging()
    file.set_secret("SENTRY_DSN", file.secrets["SENTRY_DSN"], on=TODAY - timedelta(days=age))
    assert cells(file)["SENTRY_DSN", "staging"] == ("set", age, due)


def test_what_has_no_value_says_why() -> None:
    found = {place: state for place, (state, _, _) in cells(staging()).items()}
    assert found["SUPABASE_URL", "staging"] == "derived"
    assert found["EDGE_CONFIG", "staging"] == "made"
    assert found["NEXT_PUBLIC_APP_URL", "preview"] == "platform"
    assert found["SLACK_WEBHOOK_URL", "preview"] == "refused"
    assert found["SENTRY_DSN", "preview"] == "not set"


def test_no_value_is_shown_and_no_line_is_wider_than_100_columns() -> None:
    file = staging()
    settings = file.settings()
    stack = StackStatus(
        stack="staging", release="follows develop", previous="none", healthy={},
        serves={"web": "w", "socket": "s"},
        alerts=("P1 WebDown since 2026-11-25 10:00 UTC: " + "the site is down " * 10,),
        drift="none", battle="on", good=False,
    )  # fmt: skip
    text = io.StringIO()
    show(Console(file=text, width=200), keys(settings, TODAY), [stack])
    assert max(len(line) for line in text.getvalue().splitlines()) <= 100
    assert "BATTLE_PASSWORD_PEPPER" in text.getvalue()
    for secret in file.secrets.values():
        assert secret not in text.getvalue()


def test_a_stack_that_cannot_be_decrypted_says_so_and_the_others_are_shown(
    workspace: Workspace, tmp_path: Path
) -> None:
    def run(*options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "operations", "status", "--no-drift", *options]
        env = {"PULUMI_OPTION_CWD": str(workspace.folder), "FAKE_LOCKED": "production", "COLUMNS": "100"}
        env |= {"PAINTSHARE_ACCOUNT": str(tmp_path / "account"), "VERCEL_API_TOKEN": "t", "GITHUB_TOKEN": "t"}
        return subprocess.run(
            command, cwd=ROOT, env={**workspace.env, **env}, capture_output=True, text=True, check=False
        )

    done = run("--json")
    assert done.stdout, done.stderr
    shown = parsed("status", done.stdout)
    assert done.returncode == 1
    states = {(key["key"], key["environment"]): key["state"] for key in shown["keys"]}
    assert states["SENTRY_DSN", "production"] == "not known"
    assert states["SENTRY_DSN", "staging"] == "missing"  # it has none in this project
    assert states["SUPABASE_URL", "production"] == "derived"
    staging_, production_ = shown["stacks"]
    assert (staging_["stack"], staging_["secrets"]) == ("staging", "decrypted")
    assert production_["secrets"].startswith("cannot be decrypted: incorrect passphrase")
    assert "PULUMI_CONFIG_PASSPHRASE_FILE" in production_["secrets"]
    assert not production_["good"]
    table = run().stdout
    assert "cannot be decrypted" in table
    assert "follows" in table
    assert run("--stack", "production").returncode == 1
