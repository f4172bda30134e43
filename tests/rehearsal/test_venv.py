"""The clone's virtual environment: shared by clones, made once, never half-made."""

import importlib.util
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from rehearsal import engine, venv

pytestmark = pytest.mark.real


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone with requirements of its own, an empty cache, and no uv."""
    folder = tmp_path / "clone"
    folder.mkdir()
    for name in venv.REQUIREMENTS:
        (folder / name).write_text(f"# {name}\n")
    monkeypatch.setattr(venv, "CLONE", folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", "/nowhere")
    return folder


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What would have been run; every command succeeds, and the first one leaves a Python."""
    seen: list[list[str]] = []

    def run(command: list[str], check: bool, **_: object) -> subprocess.CompletedProcess[str]:
        assert not check
        seen.append(command)
        if "venv" in command:
            python = Path(command[-1]) / "bin" / "python"
            python.parent.mkdir(parents=True)
            python.touch()
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    return seen


def test_packages_are_installed_by_hash_and_the_clone_points_at_them(
    clone: Path, commands: list[list[str]]
) -> None:
    folder = venv.ensure(lambda _: None)
    assert "--require-hashes" in commands[-1]
    assert [str(clone / name) for name in venv.REQUIREMENTS] == [
        p for p in commands[-1] if p.endswith(".txt")
    ]
    assert (clone / ".venv").resolve() == folder


def test_one_of_the_clones_own_takes_the_place_of_the_link_and_leaves_what_is_shared(
    clone: Path, commands: list[list[str]]
) -> None:
    shared = venv.ensure(lambda _: None)
    before = sorted(shared.rglob("*"))
    commands.clear()
    venv.own(clone)
    assert not (clone / ".venv").is_symlink()
    assert (clone / ".venv" / "bin" / "python").exists()
    assert sorted(shared.rglob("*")) == before
    assert all(str(shared) not in part for command in commands for part in command)
    assert [part for part in commands[-1] if part.endswith(".txt")] == [str(clone / "requirements.txt")]


def test_uv_is_used_where_there_is_one(
    clone: Path, commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = clone / "uv"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(clone))
    venv.ensure(lambda _: None)
    assert [command[0] for command in commands] == [str(tool), str(tool)]
    assert "--require-hashes" in commands[-1]


def test_without_uv_pip_installs_the_pinned_one_alone_and_that_all_the_others(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pins = (
        "types-x==1 \\\n    --hash=sha256:1\nuv==1.2 \\\n    --hash=sha256:2 \\\n    --hash=sha256:3\nz==1\n"
    )
    (clone / "requirements-dev.txt").write_text(pins)
    seen: list[tuple[list[str], str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        named = Path(command[-1])
        seen.append((command, named.read_text() if named.is_file() else ""))
        if "venv" in command:
            named.mkdir(parents=True)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    folder = venv.ensure(lambda _: None)
    (_, _), (pip, alone), (uv, _) = seen
    assert pip[1:4] == ["-m", "pip", "install"]
    assert "--require-hashes" in pip
    assert alone == "uv==1.2 \\\n    --hash=sha256:2 \\\n    --hash=sha256:3"
    assert uv[:3] == [str(folder / "bin" / "uv"), "pip", "install"]
    assert "--require-hashes" in uv


def test_where_uv_has_no_wheel_pip_installs_all_of_them(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (clone / "requirements-dev.txt").write_text("uv==1.2 --hash=sha256:2\n")
    seen: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        seen.append(command)
        if "venv" in command:
            Path(command[-1]).mkdir(parents=True)
        return subprocess.CompletedProcess(command, int("--only-binary" in command))

    monkeypatch.setattr(subprocess, "run", run)
    venv.ensure(lambda _: None)
    assert seen[-1][1:4] == ["-m", "pip", "install"]
    assert str(clone / "requirements.txt") in seen[-1]


def test_a_second_clone_with_the_same_requirements_installs_nothing(
    clone: Path, commands: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = venv.ensure(lambda _: None)
    commands.clear()
    other = tmp_path / "other"
    clone.rename(other)
    (other / ".venv").unlink()
    monkeypatch.setattr(venv, "CLONE", other)
    said: list[str] = []
    assert venv.ensure(said.append) == first
    assert (commands, said) == ([], [])
    assert (other / ".venv").resolve() == first


def test_changed_requirements_get_an_environment_of_their_own(clone: Path, commands: list[list[str]]) -> None:
    first = venv.ensure(lambda _: None)
    (clone / "requirements.txt").write_text("# other\n")
    second = venv.ensure(lambda _: None)
    assert first != second
    assert (clone / ".venv").resolve() == second
    assert commands


@pytest.mark.usefixtures("clone")
def test_an_interrupted_installation_is_done_again(commands: list[list[str]]) -> None:
    folder = venv.ensure(lambda _: None)
    (folder / "complete").unlink()
    (folder / "half").touch()
    commands.clear()
    venv.ensure(lambda _: None)
    assert commands
    assert not (folder / "half").exists()


def test_a_failed_installation_is_no_environment(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str], check: bool, **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, int(not check))

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(venv.VenvError, match="failed: "):
        venv.ensure(lambda _: None)
    assert not (clone / ".venv").is_symlink()


def test_a_python_without_venv_says_what_to_install(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(venv.VenvError, match="apt-get install python3-venv"):
        venv.ensure(lambda _: None)
    assert not (clone / ".venv").exists()


def test_a_folder_that_somebody_else_made_at_venv_is_left_alone(
    clone: Path, commands: list[list[str]]
) -> None:
    (clone / ".venv").mkdir()
    with pytest.raises(venv.VenvError, match="move it away"):
        venv.ensure(lambda _: None)
    assert (clone / ".venv").is_dir()
    assert commands


# --- the pinned requirements --------------------------------------------------------------------------------

ROOT = Path(__file__).resolve().parent.parent.parent


def pins(name: str) -> dict[str, str]:
    """Package -> version of a compiled file, each followed by at least one hash."""
    text = (ROOT / name).read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    found = {}
    for line in lines:
        match = re.match(r"([\w.-]+)==(\S+)", line)
        assert match, line
        assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", line), line
        found[match[1].lower().replace("_", "-")] = match[2]
    return found


@pytest.mark.parametrize("name", venv.REQUIREMENTS)
def test_every_requirement_is_pinned_and_hashed_and_no_registry_is_named(name: str) -> None:
    assert pins(name)
    text = (ROOT / name).read_text()
    assert not re.findall(r"https?:|--(?:extra-)?index-url|--find-links|--trusted-host", text)


def test_both_files_agree_on_the_packages_they_share() -> None:
    runtime, dev = (pins(name) for name in venv.REQUIREMENTS)
    assert {name: dev[name] for name in dev.keys() & runtime.keys()} == {
        name: runtime[name] for name in dev.keys() & runtime.keys()
    }


def test_every_package_asked_for_is_pinned_and_the_sdk_fits_the_engine() -> None:
    for name in venv.REQUIREMENTS:
        asked = (ROOT / name).with_suffix(".in").read_text().splitlines()
        wanted = {re.split(r"[=<>\s#]", line)[0] for line in asked if line and line[0].isalpha()}
        assert {package.lower().replace(".", "-") for package in wanted} <= pins(name).keys()
    assert pins("requirements.txt")["pulumi"] == engine.VERSION == version("pulumi")


# --- what CI=true means -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "skipping",
    [
        "def test_one():\n    pytest.skip('no docker')\n",
        "pytest.skip('no docker', allow_module_level=True)\n",
        "@pytest.mark.skip('no docker')\ndef test_one():\n    pass\n",
    ],
    ids=["in a test", "of a module", "by a mark"],
)
@pytest.mark.parametrize("ci", ["true", ""])
def test_a_skip_is_a_failure_in_ci_only(tmp_path: Path, skipping: str, ci: str) -> None:
    (tmp_path / "test_skipping.py").write_text(f"import pytest\n{skipping}")
    (tmp_path / "test_other.py").write_text("def test_other():\n    pass\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "tests.conftest", "-p", "no:cacheprovider",
         "-c", os.devnull, "--rootdir", tmp_path, tmp_path],
        cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, "CI": ci},
    )  # fmt: skip
    assert (done.returncode != 0) == bool(ci), done.stdout
    assert ("CI does not allow" in done.stdout) == bool(ci)
    assert "no docker" in done.stdout
