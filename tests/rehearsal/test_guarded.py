"""An interrupted run leaves nothing behind: no process, no Docker engine with its mounts and its network."""

import contextlib
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal import docker_engine, guarded, home
from rehearsal.docker_engine import Engine, processes
from tests.harness import processes_of

pytestmark = pytest.mark.real

# A run as ours are: a child in its group; one in a session of its own, with an environment of its own, that
# hears no signal; a Docker engine. It goes on after a Ctrl-C, and says how often it was told.
RUN = """
import os, subprocess, sys, time
from pathlib import Path
from rehearsal.docker_engine import ensure, processes
folder = Path(sys.argv[1])
subprocess.Popen(["sh", "-c", "sleep 1000; :", str(folder)])
deaf = "trap '' TERM INT HUP; echo deaf; while :; do sleep 1; done"
processes.start(["sh", "-c", deaf, str(folder)], folder / "log", {"PATH": os.environ["PATH"]})
processes.wait_until(lambda: (folder / "log").stat().st_size, 60)
ensure(folder / "docker")
print("at work", flush=True)
while "stay" in sys.argv:
    try:
        time.sleep(1000)
    except KeyboardInterrupt:
        print("told", flush=True)
"""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a Docker engine")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    docker_engine.stop(tmp_path / "docker")
    processes.kill_tree(pid for pid, words in processes.running() if str(tmp_path) in words)


def command(folder: Path, *words: str, always: bool = False) -> list[str]:
    guarded = [sys.executable, "-m", "rehearsal.guarded", *(["--always"] if always else [])]
    return [*guarded, sys.executable, "-c", RUN, str(folder), *words]


class Terminal:
    """A run in a terminal of its own, where people press keys."""

    def __init__(self, command: list[str]) -> None:
        self._keys, inside = pty.openpty()
        self.run = subprocess.Popen(
            ["setsid", "--ctty", *command], cwd=home.CLONE, stdin=inside, stdout=inside, stderr=inside
        )
        os.close(inside)
        self.said = ""

    def until(self, words: str, times: int = 1) -> None:
        while self.said.count(words) < times:
            self.said += os.read(self._keys, 4096).decode()

    def press(self, key: bytes) -> None:
        os.write(self._keys, key)

    def close(self) -> None:
        os.close(self._keys)

    def rest(self) -> int:
        """Everything that is still said, and the exit code."""
        with contextlib.suppress(OSError):  # its other end is closed
            while more := os.read(self._keys, 4096):
                self.said += more.decode()
        return self.run.wait()


def left(folder: Path) -> dict[str, object]:
    """What is there of the run's processes, its engine's processes, mounts and network."""
    engine = Engine(folder / "docker")
    return {
        "processes": [words for _, words in processes.running() if str(folder) in words],
        "engine": processes_of(engine),
        "mounts": re.findall(rf"\S*{engine.id}\S*", Path("/proc/self/mountinfo").read_text()),
        "namespace": engine.namespace.exists(),
        "link": Path("/sys/class/net", engine.link).exists(),
    }


NOTHING = {"processes": [], "engine": [], "mounts": [], "namespace": False, "link": False}


def test_two_ctrl_c_end_everything_and_are_told_once(folder: Path) -> None:
    terminal = Terminal(command(folder, "stay"))
    terminal.until("at work")
    assert all(left(folder).values())
    terminal.press(b"\x03")
    terminal.until("interrupted")
    terminal.press(b"\x03")
    assert terminal.rest() == 128 + signal.SIGINT
    assert left(folder) == NOTHING
    assert terminal.said.count("told") == 1
    assert re.search(r"ended: 1 Docker engines, \d+ processes", terminal.said)
    assert "NOT ended" not in terminal.said


def test_a_closed_terminal_ends_everything(folder: Path) -> None:
    terminal = Terminal(command(folder, "stay"))
    terminal.until("at work")
    terminal.close()
    assert terminal.rest() == 128 + signal.SIGHUP
    assert left(folder) == NOTHING


def test_sigterm_and_a_second_one_end_everything(folder: Path) -> None:
    with subprocess.Popen(
        command(folder, "stay"), cwd=home.CLONE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "at work\n"
        run.send_signal(signal.SIGTERM)
        assert "interrupted" in run.stdout.readline()
        run.send_signal(signal.SIGTERM)
        run.stdout.read()
    assert run.returncode == 128 + signal.SIGTERM
    assert left(folder) == NOTHING


@pytest.mark.parametrize("always", [False, True])
def test_what_a_finished_run_has_started_goes_on_unless_it_is_to_end_always(
    folder: Path, always: bool
) -> None:
    quiet = subprocess.DEVNULL  # a pipe would be held open by what goes on
    done = subprocess.run(
        command(folder, always=always), cwd=home.CLONE, stdout=quiet, stderr=quiet, check=False
    )
    assert done.returncode == 0
    if always:
        assert left(folder) == NOTHING
    else:
        assert all(left(folder).values())


def test_what_cannot_be_ended_is_named_with_the_command_that_ends_it(folder: Path) -> None:
    stopping = folder / "python"
    stopping.write_text("#!/bin/sh\nexit 1\n")
    stopping.chmod(0o755)
    note = (
        "import sys; from pathlib import Path; from rehearsal import guarded; "
        f"sys.executable = {str(stopping)!r}; guarded.note(Path('/somewhere/docker')); sys.exit(7)"
    )
    done = subprocess.run(
        [sys.executable, "-m", "rehearsal.guarded", "--always", sys.executable, "-c", note],
        cwd=home.CLONE, capture_output=True, text=True, check=False,
        env={name: value for name, value in os.environ.items() if name != guarded.VARIABLE},
    )  # fmt: skip
    assert done.returncode == 7
    assert done.stderr == (
        "NOT ended: the Docker engine in /somewhere/docker. "
        f"Try: {stopping} -m rehearsal.docker_engine stop /somewhere/docker\n"
    )
