"""The rehearsal's command line, and the whole rehearsal that `make rehearse` runs."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from rehearsal import docker_engine, docker_hosts, home, monitor_host, outside, scenario
from rehearsal.docker_engine import DockerUnavailableError
from rehearsal.host_drift import HOST_DRIFTS
from rehearsal.standin.drift import DRIFTS
from tests.harness import RehearsalHome, Result


def cli(folder: Path, *arguments: str) -> Result:
    """`python -m rehearsal`, from the clone's root and without the rehearsal's own environment."""
    command = (sys.executable, "-m", "rehearsal", "--home", str(folder), *arguments)
    done = subprocess.run(
        command, cwd=home.CLONE, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    return Result(command, done.returncode, done.stdout, done.stderr)


def test_env_prints_nothing_but_what_a_shell_can_evaluate_even_while_it_prepares(
    rehearsal_home: RehearsalHome,
) -> None:
    (rehearsal_home.folder / "ready").unlink()
    for progress in ("preparing the rehearsal", ""):
        shown = cli(rehearsal_home.folder, "env").ok()
        assert shown.stderr.startswith(progress)
        assert bool(shown.stderr) == bool(progress)
        assert all(line.startswith(("export ", "unset ")) for line in shown.stdout.splitlines())


def test_plain_pulumi_commands_work_from_the_clones_root_after_eval(applied_home: RehearsalHome) -> None:
    python = shlex.join([sys.executable, "-m", "rehearsal", "--home", str(applied_home.folder), "env"])
    graph = applied_home.folder / "graph.dot"
    lines = [
        "set -e",
        f'eval "$({python})"',
        "pulumi preview -s staging --expect-no-changes",
        "pulumi config set battle off -s staging",
        "pulumi up -s staging --yes --skip-preview",
        f"pulumi stack graph -s staging {graph}",
        "printf secret | pulumi config set --secret --path 'adopt.nested' -s staging",
        "python -m operations --help",
    ]
    done = subprocess.run(
        ["/bin/sh", "-c", "\n".join(lines)], cwd=home.CLONE, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "web-feature-battle" in graph.read_text()
    assert "web-feature-battle" in done.stdout
    assert "secure:" in applied_home.home.stack_file("staging").read_text().split("nested")[1]


def test_status_shows_stacks_accounts_and_engine_within_a_hundred_columns(
    rehearsal_home: RehearsalHome,
) -> None:
    shown = cli(rehearsal_home.folder, "status").ok()
    for word in (
        "staging",
        "production",
        "never applied",
        "project",
        "vercel",
        "github",
        "variable",
        "Pulumi engine",
        "No Docker host",
    ):
        assert word in shown.stdout
    tables = [line for line in shown.stdout.splitlines() if not line.startswith(("Pulumi engine", "Home"))]
    assert max(len(line) for line in tables) <= 100


def test_status_of_no_rehearsal_makes_none(tmp_path: Path) -> None:
    shown = cli(tmp_path / "none", "status").ok()
    assert "make rehearse" in shown.stdout
    assert not (tmp_path / "none").exists()


def test_reset_without_a_terminal_wants_a_clear_yes(rehearsal_home: RehearsalHome) -> None:
    shown = cli(rehearsal_home.folder, "reset").failed()
    assert "--yes" in shown.stderr
    assert rehearsal_home.folder.exists()
    cli(rehearsal_home.folder, "reset", "--yes").ok()
    assert not rehearsal_home.folder.exists()
    assert "nothing to reset" in cli(rehearsal_home.folder, "reset").ok().stdout


def test_reset_leaves_a_folder_alone_that_it_did_not_make(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    shown = cli(tmp_path, "reset", "--yes").failed()
    assert "was not made by the rehearsal" in shown.stderr
    assert (tmp_path / "letter.txt").exists()


def test_drift_without_a_name_lists_them_all_and_changes_nothing(rehearsal_home: RehearsalHome) -> None:
    before = rehearsal_home.account("vercel").dump()
    shown = cli(rehearsal_home.folder, "drift").ok()
    assert [line.split()[0] for line in shown.stdout.splitlines()] == [*DRIFTS, *HOST_DRIFTS]
    assert rehearsal_home.account("vercel").dump() == before


def test_drift_changes_the_account_and_says_how_to_see_it(rehearsal_home: RehearsalHome) -> None:
    before = rehearsal_home.account("vercel").dump()
    shown = cli(rehearsal_home.folder, "drift", "skew-protection").ok()
    assert "pulumi preview --refresh" in shown.stdout
    assert rehearsal_home.account("vercel").dump() != before


def test_a_drift_that_nobody_knows_is_refused_with_the_names(rehearsal_home: RehearsalHome) -> None:
    shown = cli(rehearsal_home.folder, "drift", "no-such").failed()
    assert "app-url" in shown.stderr


def test_a_drift_of_what_is_not_there_yet_says_so(rehearsal_home: RehearsalHome) -> None:
    shown = cli(rehearsal_home.folder, "drift", "domain-removed").failed()
    assert "apply staging first" in shown.stderr
    shown = cli(rehearsal_home.folder, "drift", "service-scaled").failed()
    assert "the socket host has no service paintshare-staging-socket yet: make rehearse" in shown.stderr


def test_a_python_without_the_requirements_starts_again_in_the_clones_venv(tmp_path: Path) -> None:
    shutil.copytree(home.CLONE / "rehearsal", tmp_path / "rehearsal")
    bare = [sys.executable, "-S", "-m", "rehearsal", "drift"]  # -S hides what is installed
    alone = subprocess.run(bare, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert alone.returncode == 1
    assert "make install" in alone.stderr
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "again: $*"\n')
    python.chmod(0o755)
    again = subprocess.run(bare, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert again.stdout == "again: -m rehearsal drift\n"


# --- the whole rehearsal ------------------------------------------------------------------------------------


@pytest.fixture
def rehearsed(rehearsal_home: RehearsalHome) -> Iterator[RehearsalHome]:
    """A new home whose Docker hosts, if it gets any, are stopped after the test."""
    yield rehearsal_home
    outside.stop(rehearsal_home.folder)
    docker_hosts.stop(rehearsal_home.folder)


def rehearse(home: RehearsalHome) -> list[str]:
    """What a rehearsal says; it has to succeed."""
    said: list[str] = []
    assert scenario.run(home.folder, said.append) == 0, "\n".join(said)
    return said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a Docker engine")
def test_the_rehearsal_applies_both_stacks_and_a_second_one_finds_nothing_to_do(
    rehearsed: RehearsalHome,
) -> None:
    said = rehearse(rehearsed)
    text = "\n".join(said)
    steps = [line for line in said if line.startswith("ok  ")]
    commands = [
        *scenario.adoption(),
        *(step for stack in home.STACKS for step in scenario.application(stack)),
    ]
    asked = 2 * len(home.STACKS)  # each stack's socket server and monitor
    assert len(steps) == len(commands) + asked + 1  # and the Docker hosts
    assert "preview production" in text
    assert "to import" in text
    logs = sorted(rehearsed.home.logs.glob("*.log"))
    assert logs.pop(0).name == "00-docker.log"
    assert [log.name[:2] for log in logs] == [f"{1 + number:02}" for number in range(len(commands))]
    assert all(log.read_text().startswith("$ ") for log in logs)
    assert "make week" in text
    for service in home.ACCOUNTS:
        assert any(line.split()[:1] == [service] and "created" in line for line in said)
    for stack in home.STACKS:
        endpoint = docker_hosts.endpoint(rehearsed.home, stack)
        assert endpoint.release() == docker_hosts.SERVED[stack]
        assert any(f"{endpoint.url} serves {docker_hosts.SERVED[stack]}" in line for line in said)
        assert endpoint.curl in text
        monitor = monitor_host.url(rehearsed.home, stack)
        assert f"Prometheus {monitor}/prometheus/" in text
        assert f"Alertmanager {monitor}/alertmanager/" in text
        assert any(f"monitor of {stack}" in line and "api, socket, web answer" in line for line in steps)
        told = rehearsed.operations("status", "--stack", stack).text
        assert "healthy for" in told
        assert "NOT healthy" not in told
        assert "P1 " not in told
    assert requests.get(outside.receiver_url(rehearsed.folder), timeout=10).ok
    shown = cli(rehearsed.folder, "status").ok().stdout
    for stack in home.STACKS:
        assert f" paintshare-{stack}-monitor-alertmanager " in shown  # the longest name is not folded
        assert re.search(rf" paintshare-{stack}-socket .* {docker_hosts.SERVED[stack][:12]} ", shown)

    calls = {service: len(rehearsed.account(service).calls()) for service in home.ACCOUNTS}
    said = rehearse(rehearsed)
    assert any("continuing" in line for line in said)
    assert sum("nothing written" in line for line in said) == len(home.ACCOUNTS)
    assert calls == {service: len(rehearsed.account(service).calls()) for service in home.ACCOUNTS}


def test_where_no_docker_host_can_be_had_the_rehearsal_says_so_and_does_all_the_rest(
    rehearsed: RehearsalHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_root() -> None:
        raise DockerUnavailableError("only root can start a Docker engine")

    monkeypatch.setattr(docker_engine.lifecycle, "_check_machine", no_root)
    said = rehearse(rehearsed)
    (line,) = [line for line in said if "no Docker here" in line]
    assert "only root can start a Docker engine" in line
    assert not any("/healthz" in line or "monitor of" in line for line in said)
    for stack in home.STACKS:
        kinds = {resource["type"] for resource in rehearsed.resources(stack).values()}
        assert "vercel:index/projectDomain:ProjectDomain" in kinds
        assert not [kind for kind in kinds if kind.startswith("docker:")]

    rehearsed.edit("staging", socketRelease="1" * 40, socketDigest=f"sha256:{'1' * 64}")
    with pytest.raises(home.HomeError, match=r"do not start: only root.*\n.*rehearsal reset"):
        scenario.run(rehearsed.folder, said.append)


def test_a_failing_step_stops_the_rehearsal_with_its_last_words_and_the_command_to_repeat(
    adopted_home: RehearsalHome,
) -> None:
    adopted_home.edit("production", webDomain="not a domain")
    said: list[str] = []
    assert scenario.run(adopted_home.folder, said.append) == 1
    text = "\n".join(said)
    assert "webDomain" in text
    assert "FAIL" in text
    assert "Repeat it:" in text
    repeat = next(line for line in said if line.startswith("Repeat it:")).split("; ", 1)[1]
    assert adopted_home.run("/bin/sh", "-c", repeat).code != 0
    assert not any(line.startswith("ok    up ") for line in said)


@pytest.mark.parametrize("stack", home.STACKS)
def test_what_goes_beside_another_stack_works_on_one_stack_alone(stack: str) -> None:
    steps = scenario.application(stack)
    assert {step.command[step.command.index("--stack") + 1] for step in steps} == {stack}
    assert len({step.title for step in steps}) == len(steps)


def test_a_week_without_a_rehearsal_says_what_to_run_and_makes_nothing(tmp_path: Path) -> None:
    said = cli(tmp_path / "none", "week").failed()
    assert "make rehearse" in said.stderr
    assert not (tmp_path / "none").exists()
