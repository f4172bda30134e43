"""Fixtures of all tests: the engine, and rehearsal homes in different states of readiness.

A home is prepared once a session (by one worker, for all) and copied, which costs a tenth of a second.
With CI=true a skipped test is a failure, wherever it was skipped.
"""

import json
import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, Final

import hypothesis
import pytest
from xdist.remote import Producer  # type: ignore[import-untyped]
from xdist.scheduler import LoadGroupScheduling  # type: ignore[import-untyped]

from rehearsal import engine as engines
from rehearsal import home, warm
from rehearsal.cache import locked
from rehearsal.docker_engine.registry import Registry
from tests.harness import DockerHome, RehearsalHome

# No test depends on how fast the machine is today.
hypothesis.settings.register_profile(
    "any-speed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any-speed")


@pytest.fixture(scope="session")
def engine() -> Iterator[engines.EnginePaths]:
    """The real engine; built when there is none, which takes minutes. Its Python processes are warm ones."""
    found = engines.ensure()
    with warm.warm():
        yield found


@pytest.fixture(scope="session")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this session see."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base


def _once(shared: Path, name: str, make: Callable[[Path], object]) -> Path:
    """`shared`/`name`, made by whoever comes first; after a failed attempt the next one tries again."""
    folder, done = shared / name, shared / f"{name}.done"
    with locked(shared / f"{name}.lock", lambda _: None, ""):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            done.touch()
    return folder


@pytest.fixture(scope="session")
def _fresh(_shared: Path, engine: engines.EnginePaths) -> RehearsalHome:
    folder = _once(_shared, "fresh-home", home.ensure)
    return RehearsalHome(home.Home(folder, engine))


@pytest.fixture(scope="session")
def _adopted(_shared: Path, _fresh: RehearsalHome) -> RehearsalHome:
    def make(folder: Path) -> None:
        made = _fresh.copy(folder)
        for stack in home.STACKS:
            made.adopt(stack)
        made.close()

    return RehearsalHome(home.Home(_once(_shared, "adopted-home", make), _fresh.home.engine))


@pytest.fixture(scope="session")
def _applied(_shared: Path, _adopted: RehearsalHome) -> RehearsalHome:
    def make(folder: Path) -> None:
        made = _adopted.copy(folder)
        for stack in home.STACKS:
            made.up(stack)
            made.adopt(stack)  # takes the import ids out again
        made.close()

    return RehearsalHome(home.Home(_once(_shared, "applied-home", make), _adopted.home.engine))


def _copied(source: RehearsalHome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RehearsalHome]:
    made = source.copy(tmp_path_factory.mktemp("home") / "rehearsal")
    yield made
    made.close()


@pytest.fixture
def rehearsal_home(
    _fresh: RehearsalHome, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RehearsalHome]:
    """A new home: stack files and seeded accounts, nothing adopted, nothing applied."""
    yield from _copied(_fresh, tmp_path_factory)


@pytest.fixture
def adopted_home(
    _adopted: RehearsalHome, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RehearsalHome]:
    """A home whose stack files hold the import ids of what exists; nothing applied."""
    yield from _copied(_adopted, tmp_path_factory)


@pytest.fixture
def applied_home(
    _applied: RehearsalHome, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RehearsalHome]:
    """A home with both stacks applied and no import ids left: where a day's work begins."""
    yield from _copied(_applied, tmp_path_factory)


@pytest.fixture(scope="module")
def module_home(_applied: RehearsalHome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RehearsalHome]:
    """`applied_home`, one for all tests of a module: for tests that only look."""
    yield from _copied(_applied, tmp_path_factory)


@pytest.fixture(scope="session")
def _docker(_adopted: RehearsalHome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerHome]:
    """The Docker hosts of a worker: two engines with their images, started once for all its tests."""
    if os.geteuid() != 0:
        pytest.skip("only root can start a Docker engine")
    made = DockerHome(_adopted, tmp_path_factory.mktemp("docker") / "rehearsal")
    yield made
    made.close()


@pytest.fixture(scope="module")
def docker_home(_docker: DockerHome) -> DockerHome:
    """One for all tests of a module: Docker hosts that run, both stacks adopted and nothing applied.

    The stack files name `docker_hosts.SERVED`. Tests of a module share what they deploy, in their order.
    """
    _docker.renew()
    return _docker


@pytest.fixture(scope="module")
def served(_docker: DockerHome) -> DockerHome:
    """`docker_home` with both stacks applied. Whatever a test changes, it puts back: others go on with it."""
    if not _docker.served:
        _docker.renew()
        _docker.up_all()
        _docker.served = True
    return _docker


@pytest.fixture(scope="module")
def hub(_docker: DockerHome) -> Registry:
    """A registry and its engine, the swarm of which is empty: for tests that need no stack."""
    _docker.clear()
    return _docker.hosts.socket


class _Scheduler(LoadGroupScheduling):  # type: ignore[misc]  # untyped
    """Tests go to the workers file by file; those on Docker hosts in as many groups as there are hosts."""

    def _split_scope(self, nodeid: str) -> str:
        """What stays together with a test."""
        group: str = super()._split_scope(nodeid)
        return group.partition("::")[0]


def pytest_xdist_auto_num_workers() -> int:
    """Two more than there are cores: who rolls out releases waits most of the time."""
    return (os.cpu_count() or 1) + _HOSTS


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadGroupScheduling:
    return _Scheduler(config, log)


_DURATIONS: Final = Path(__file__).parent / "durations.json"
_SECONDS: Final[dict[str, float]] = json.loads(_DURATIONS.read_text())
"""How long each file took last (`make durations`)."""
_HOSTS: Final = 2
"""Workers with Docker hosts of their own: each pair is probed by its health checks for a sixth of a core."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="whole files of what is marked soak, and no others")
    parser.addoption("--note-durations", action="store_true", help="write tests/durations.json anew")


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses by the marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what runs the engine or a Docker host; the longest first, Docker hosts before all others."""
    if config.getoption("soak"):  # whole files: their tests are walks, in their order
        chosen = {_file(item) for item in items if item.get_closest_marker("soak")}
        config.hook.pytest_deselected(items=[item for item in items if _file(item) not in chosen])
        items[:] = [item for item in items if _file(item) in chosen]
    hosts: set[str] = set()
    for item in items:
        needs = set(getattr(item, "fixturenames", ()))
        if "engine" in needs:
            item.add_marker(pytest.mark.engine)
        if "_docker" in needs:
            item.add_marker(pytest.mark.docker)
            hosts.add(_file(item))
    groups: dict[str, str] = {}
    loads: dict[str, float] = {f"docker-{number + 1}": 0 for number in range(_HOSTS)}
    for file in sorted(hosts, key=lambda file: (-_seconds(file), file)):
        groups[file] = min(loads, key=lambda group: loads[group])
        loads[groups[file]] += _seconds(file)
    for item in items:
        if group := groups.get(_file(item)):
            item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: (_file(item) not in hosts, -_seconds(_file(item)), _file(item)))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if config.getoption("note_durations"):
        seconds: defaultdict[str, float] = defaultdict(float)
        for reports in terminalreporter.stats.values():
            for report in reports:
                if isinstance(report, pytest.TestReport):
                    seconds[report.nodeid.partition("::")[0]] += report.duration
        noted = {file: round(took) for file, took in sorted(seconds.items()) if took >= 1}
        _DURATIONS.write_text(json.dumps(noted, indent=2) + "\n")


def _file(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]


def _seconds(file: str) -> float:
    return _SECONDS.get(file, 0)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _refuse_skip(report)
    return report


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if os.environ.get("CI") == "true" and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {report.longrepr}"
