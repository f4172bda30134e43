"""Where the engine comes from, and that the small language host behaves as the official one does."""

import hashlib
import http.server
import os
import platform
import re
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

from rehearsal import engine as engines
from rehearsal import home
from rehearsal.engine import download
from tests.harness import RehearsalHome, Result


def script(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def unreachable(*_: object) -> bool:
    return False


class Machine:
    """A machine with an empty cache and only the tools a test puts on its PATH."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tools = folder / "tools"
        self.cache = folder / "cache"
        self.said: list[str] = []
        self.tools.mkdir()
        monkeypatch.setenv("PATH", f"{self.tools}{os.pathsep}/usr/bin{os.pathsep}/bin")
        monkeypatch.setenv("XDG_CACHE_HOME", str(self.cache))

    def ensure(self) -> engines.EnginePaths:
        return engines.ensure(self.said.append, fetch=unreachable)

    def go(self, build: str, version: str = "go1.99.1", toolchain: str = "auto") -> None:
        """A Go whose `build` runs a line of shell; $target is where the binary belongs."""
        script(
            self.tools / "go",
            f'if [ "$1" = env ]; then echo {version}; echo {toolchain}; exit; fi\n'
            f'while [ "$1" != -o ]; do shift; done; target=$2\necho run >> {self.tools}/builds\n{build}',
        )

    @property
    def builds(self) -> int:
        file = self.tools / "builds"
        return len(file.read_text().splitlines()) if file.exists() else 0


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def installed(machine: Machine, version: str, *, host: bool = True) -> None:
    """A pulumi as the official installer leaves it."""
    script(machine.tools / "pulumi", f"echo {version}")
    if host:
        script(machine.tools / "pulumi-language-python", "exit 0")


@pytest.mark.parametrize("version", [f"v{engines.VERSION}", "v3.300.1"])
def test_an_installed_pulumi_that_is_new_enough_is_used(machine: Machine, version: str) -> None:
    installed(machine, version)
    found = machine.ensure()
    assert (found.bin, found.version, found.origin) == (machine.tools, version[1:], "PATH")


@pytest.mark.parametrize("version", ["v3.258.9", "v2.300.0", "v4.0.0", "nonsense"])
def test_an_installed_pulumi_of_another_age_is_passed_over(machine: Machine, version: str) -> None:
    installed(machine, version)
    machine.go('echo >"$target"')
    assert machine.ensure().origin == "build"


def test_an_installed_pulumi_without_its_language_host_is_passed_over(machine: Machine) -> None:
    installed(machine, "v3.300.0", host=False)
    machine.go('echo >"$target"')
    assert machine.ensure().origin == "build"


def test_a_built_engine_on_path_is_not_taken_for_an_installed_one(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.go('printf "#!/bin/sh\\necho v3.300.0" >"$target"; chmod +x "$target"')
    built = machine.ensure()
    monkeypatch.setenv("PATH", f"{built.bin}{os.pathsep}{os.environ['PATH']}")
    assert machine.ensure() == built


def test_without_go_the_error_says_what_to_install(machine: Machine) -> None:
    with pytest.raises(engines.EngineError) as error:
        machine.ensure()
    assert "Go is not on PATH" in str(error.value)
    assert "https://go.dev/dl" in str(error.value)
    assert "https://www.pulumi.com/docs/install/" in str(error.value)


@pytest.mark.parametrize(("version", "toolchain"), [("go1.19.8", "auto"), ("go1.25.10", "local")])
def test_a_go_that_cannot_build_the_engine_is_named_before_it_tries(
    machine: Machine, version: str, toolchain: str
) -> None:
    machine.go("exit 1", version, toolchain)
    with pytest.raises(engines.EngineError, match=f"{version} is too old.*go.dev/dl"):
        machine.ensure()
    assert machine.builds == 0


@pytest.mark.parametrize(("version", "toolchain"), [("go1.21.0", "auto"), ("go1.25.11", "local")])
def test_a_go_that_can_build_the_engine_is_used(machine: Machine, version: str, toolchain: str) -> None:
    machine.go('echo >"$target"', version, toolchain)
    assert machine.ensure().origin == "build"


def test_a_failed_build_shows_the_compilers_words_and_leaves_nothing(machine: Machine) -> None:
    machine.go('echo half >"$target"; echo "no space left on device" >&2; exit 1')
    with pytest.raises(engines.EngineError, match="no space left on device"):
        machine.ensure()
    assert [path.name for path in (machine.cache / "paintshare/engine").iterdir()] == ["lock"]


def test_two_clones_that_need_the_engine_at_once_build_it_once(machine: Machine) -> None:
    waits = machine.tools / "waits"
    machine.go(f'for i in $(seq 600); do [ -e {waits} ] && break; sleep 0.1; done; echo >"$target"')

    def ensure() -> engines.EnginePaths:
        return engines.ensure(say, fetch=unreachable)

    def say(line: str) -> None:
        machine.said.append(line)
        if "another command is preparing" in line:
            waits.touch()

    with ThreadPoolExecutor() as pool:
        first, second = (pool.submit(ensure) for _ in range(2))
    assert first.result() == second.result()
    assert machine.builds == 1
    assert any("another command is preparing" in line for line in machine.said)


def test_a_ready_engine_is_found_without_a_word(machine: Machine) -> None:
    machine.go('echo >"$target"')
    machine.ensure()
    machine.said.clear()
    machine.ensure()
    assert machine.said == []
    assert machine.builds == 1


def test_a_build_is_told_to_keep_to_the_pinned_modules_and_the_version(machine: Machine) -> None:
    script(
        machine.tools / "go",
        'if [ "$1" = env ]; then echo go1.99; echo auto; exit; fi\n'
        f'echo "$*" > {machine.tools}/said; env > {machine.tools}/env\n'
        'while [ "$1" != -o ]; do shift; done; echo >"$2"',
    )
    machine.ensure()
    said = (machine.tools / "said").read_text()
    assert "-mod=readonly" in said
    assert f"version.Version={engines.VERSION} " in said
    assert {"CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off", "GOGC=off", "GOMEMLIMIT=1GiB"} <= set(
        (machine.tools / "env").read_text().splitlines()
    )


def test_the_engine_and_the_sdk_are_the_same_version(engine: engines.EnginePaths) -> None:
    assert version("pulumi") == engines.VERSION
    said = subprocess.run(
        [engine.pulumi, "version"], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert said.removeprefix("v") == engine.version


# --- the official release -----------------------------------------------------------------------------------

NAME = f"pulumi-v1.2.3-{platform.system().lower()}-{download._MACHINES[platform.machine().lower()]}.tar.gz"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder with a release in it, and the address that serves it."""
    folder = tmp_path / "site"
    script(tmp_path / "made" / "pulumi" / "pulumi", "echo v1.2.3")
    script(tmp_path / "made" / "pulumi" / "pulumi-language-python", "exit 0")
    (folder / "v1.2.3").mkdir(parents=True)
    with tarfile.open(folder / NAME, "w:gz") as archive:
        archive.add(tmp_path / "made" / "pulumi", "pulumi")
    digest = hashlib.sha256((folder / NAME).read_bytes()).hexdigest()
    (folder / "v1.2.3" / "pulumi-1.2.3-checksums.txt").write_text(f"{digest}  {NAME}\n")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def fetched(address: str, folder: Path) -> bool:
    return download.fetch("1.2.3", folder, lambda _: None, archives=address, sums=address)


def test_a_release_with_the_published_sum_is_installed_whole(site: tuple[Path, str], tmp_path: Path) -> None:
    assert fetched(site[1], tmp_path / "engine")
    assert sorted(path.name for path in (tmp_path / "engine/bin").iterdir()) == [
        "pulumi",
        "pulumi-language-python",
    ]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".release")] == []


def test_a_release_with_another_sum_is_not_used(site: tuple[Path, str], tmp_path: Path) -> None:
    with tarfile.open(site[0] / NAME, "w:gz") as archive:
        archive.add(script(tmp_path / "other", "echo v1.2.3"), "pulumi/pulumi")
    assert not fetched(site[1], tmp_path / "engine")
    assert not (tmp_path / "engine").exists()


@pytest.mark.parametrize("missing", [NAME, "v1.2.3/pulumi-1.2.3-checksums.txt"])
def test_a_release_that_is_not_there_is_no_error(
    site: tuple[Path, str], tmp_path: Path, missing: str
) -> None:
    (site[0] / missing).unlink()
    assert not fetched(site[1], tmp_path / "engine")


def test_a_closed_network_is_no_error(tmp_path: Path) -> None:
    assert not fetched("http://127.0.0.1:9", tmp_path / "engine")


# --- the language host --------------------------------------------------------------------------------------


class Project:
    """A throwaway project with a stack `dev`, run by the built engine in the rehearsal's environment."""

    def __init__(self, made: RehearsalHome, folder: Path) -> None:
        self.home, self.folder = made, folder
        (folder / "program").mkdir(parents=True)
        (folder / "Pulumi.yaml").write_text("name: throwaway\nruntime: python\nmain: program\n")
        self.pulumi("stack", "init", "dev").ok()

    def pulumi(self, *arguments: str, stdin: str = "") -> Result:
        return self.home.pulumi(*arguments, stdin=stdin, env={"PULUMI_OPTION_CWD": str(self.folder)})

    def preview(self, program: str, *options: str) -> Result:
        (self.folder / "program" / "__main__.py").write_text(program)
        return self.pulumi("preview", "-s", "dev", *options)


@pytest.fixture
def project(rehearsal_home: RehearsalHome, tmp_path: Path) -> Project:
    return Project(rehearsal_home, tmp_path / "project")


def test_a_program_sees_its_folder_its_project_and_its_config_as_under_the_official_host(
    project: Project,
) -> None:
    (project.folder / "program" / "beside.py").write_text("word = 'found beside'")
    project.pulumi("config", "set", "plain", "simple", "-s", "dev").ok()
    project.pulumi("config", "set", "--secret", "hidden", "-s", "dev", stdin="the-canary").ok()
    shown = project.preview(
        "import os, sys, pulumi, beside\n"
        "config = pulumi.Config()\n"
        "pulumi.export('cwd', os.getcwd())\n"
        "pulumi.export('root', pulumi.get_root_directory())\n"
        "pulumi.export('argv', sys.argv)\n"
        "pulumi.export('first', sys.path[0])\n"
        "pulumi.export('name', f'{__name__} {pulumi.get_project()} {pulumi.get_stack()}')\n"
        "pulumi.export('beside', beside.word)\n"
        "pulumi.export('plain', config.require('plain'))\n"
        "pulumi.export('hidden', config.require_secret('hidden'))\n"
        "pulumi.export('known', pulumi.runtime.is_config_secret('throwaway:hidden'))\n"
        "pulumi.export('in_env', 'the-canary' in str(os.environ))\n"
    ).ok()
    program = project.folder / "program"
    for line in (
        f'cwd   : "{program}"',
        f'root  : "{project.folder}"',
        f'first : "{program}"',
        'name  : "__main__ throwaway dev"',
        'beside: "found beside"',
        'plain : "simple"',
        "hidden: [secret]",
        "known : true",
        "in_env: false",
    ):
        assert line in shown.text
    assert "the-canary" not in shown.text


def test_what_a_program_prints_is_shown(project: Project) -> None:
    shown = project.preview("import sys\nprint('printed')\nprint('complained', file=sys.stderr)\n").ok()
    assert "printed" in shown.text
    assert "complained" in shown.text


def test_a_run_error_is_shown_once_without_a_traceback(project: Project) -> None:
    shown = project.preview("import pulumi\nraise pulumi.RunError('SUPABASE_KEY is missing')\n").failed()
    _, diagnostics = shown.text.split("Diagnostics:")
    assert diagnostics.count("SUPABASE_KEY is missing") == 1
    assert diagnostics.count("error:") == 1


def test_a_missing_config_key_is_shown_as_the_sdk_words_it(project: Project) -> None:
    shown = project.preview("import pulumi\npulumi.Config().require('absent')\n").failed()
    assert "Missing required configuration variable 'throwaway:absent'" in shown.text


def test_an_unhandled_exception_is_shown_from_the_programs_first_line_on(project: Project) -> None:
    shown = project.preview("def broken():\n    raise ValueError('wrong turn')\nbroken()\n")
    assert shown.code != 0
    assert "Program failed with an unhandled exception" in shown.text
    assert re.search(r'__main__\.py", line 3, in <module>', shown.text)
    assert "ValueError: wrong turn" in shown.text
    assert "language_host.py" not in shown.text
    assert "runpy" not in shown.text


def test_an_exit_code_of_the_program_fails_the_command(project: Project) -> None:
    shown = project.preview("raise SystemExit(3)\n")
    assert shown.code != 0
    assert "Program exited with non-zero exit code: 3" in shown.text


def test_an_exception_in_an_apply_fails_the_command(project: Project) -> None:
    shown = project.preview(
        "import pulumi\n"
        "def broken(_):\n    raise ValueError('in the apply')\n"
        "pulumi.export('x', pulumi.Output.from_input(1).apply(broken))\n"
    )
    assert shown.code != 0
    assert "in the apply" in shown.text


def test_about_names_the_python_and_the_programs_packages(project: Project) -> None:
    (project.folder / "program" / "__main__.py").write_text("")
    shown = project.pulumi("about").ok()
    assert f"version='{platform.python_version()}'" in shown.text
    assert re.search(r"^pulumi[_-]github +6\.15\.0$", shown.text, re.MULTILINE)


def test_the_host_ends_quietly_when_it_is_interrupted() -> None:
    process = subprocess.Popen(
        [sys.executable, "-P", home.CLONE / "rehearsal/engine/language_host.py", "127.0.0.1:1"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout
    assert int(process.stdout.readline()) > 0
    process.send_signal(signal.SIGINT)
    rest, complaints = process.communicate(timeout=30)
    assert (process.returncode, rest, complaints) == (0, "", "")


def test_an_interrupted_command_leaves_no_process_behind(project: Project) -> None:
    started = project.folder / "started"
    (project.folder / "program" / "__main__.py").write_text(
        "import os, pathlib, time\n"
        f"pathlib.Path({str(started)!r}).write_text(str(os.getpid()))\n"
        "time.sleep(600)\n"
    )
    command = subprocess.Popen(
        ["pulumi", "preview", "-s", "dev", "--non-interactive"],
        env=project.home.home.env() | {"PULUMI_OPTION_CWD": str(project.folder)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    while not started.exists() or not started.read_text():
        assert command.poll() is None, command.communicate()
        time.sleep(0.05)
    command.send_signal(signal.SIGINT)
    command.send_signal(signal.SIGINT)  # the first one asks the program to finish, the second one does not
    said, _ = command.communicate(timeout=60)
    assert command.returncode != 0
    assert "Traceback" not in said
    for _ in range(200):
        if not Path(f"/proc/{started.read_text()}").exists():
            break
        time.sleep(0.05)
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)


def test_a_built_engine_used_without_the_rehearsals_environment_says_how_to_get_it(
    engine: engines.EnginePaths, rehearsal_home: RehearsalHome
) -> None:
    if engine.origin != "build":
        pytest.fail("this machine has an official engine on PATH; its language host needs no environment")
    env = {k: v for k, v in rehearsal_home.home.env().items() if not k.startswith("PAINTSHARE_")}
    done = subprocess.run(
        ["pulumi", "preview", "-s", "staging", "--non-interactive"],
        env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "python -m rehearsal env" in done.stdout + done.stderr


def test_the_project_asks_for_engines_from_the_pinned_minor_on() -> None:
    """The engine refuses to work on it otherwise; `pulumi` on PATH is judged by the same rule."""
    asked = yaml.safe_load((home.CLONE / "Pulumi.yaml").read_text())["requiredPulumiVersion"]
    major, minor, _ = engines.VERSION.split(".")
    assert asked == f">={major}.{minor}.0 <{int(major) + 1}.0.0"
