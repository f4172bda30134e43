"""`pulumi install` in a fresh clone: a .venv of its own, and the next preview reaches the program."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from rehearsal import home
from tests.harness import RehearsalHome

pytestmark = pytest.mark.soak  # installs all packages


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What git would clone, its .venv a link to a folder that others share, as `make install` leaves it."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=home.CLONE, capture_output=True, text=True, check=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        target = tmp_path / "clone" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(home.CLONE / name, target)
    shared = tmp_path / "shared"
    shared.mkdir()
    (tmp_path / "clone" / ".venv").symlink_to(shared)
    return tmp_path / "clone"


def test_installed_it_previews_up_to_the_list_of_what_is_missing(
    adopted_home: RehearsalHome, clone: Path
) -> None:
    env = {key: value for key, value in adopted_home.home.env().items() if key != "PULUMI_OPTION_CWD"}

    def pulumi(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["pulumi", *words, "--non-interactive"], cwd=clone, env={**os.environ, **env},
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    installed = subprocess.run(
        ["pulumi", "install"],
        cwd=clone,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert installed.returncode == 0, installed.stderr
    assert (clone / ".venv" / "bin" / "python").exists()
    assert not (clone / ".venv").is_symlink()
    assert not list((clone.parent / "shared").iterdir())
    env["PAINTSHARE_PYTHON"] = str(clone / ".venv" / "bin" / "python")
    previewed = pulumi("preview", "--stack", "staging")
    assert previewed.returncode != 0
    said = previewed.stdout + previewed.stderr
    assert "githubOwner: still holds the placeholder" in said
    assert "Traceback" not in said
    env["PULUMI_OPTION_CWD"] = str(adopted_home.folder)
    planned = pulumi("preview", "--stack", "staging")
    assert planned.returncode == 0, planned.stdout + planned.stderr
    assert "to create" in planned.stdout
