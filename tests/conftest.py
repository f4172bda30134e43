"""Fixtures of all tests: the engine, and rehearsal homes in different states of readiness.

A home is prepared once a session (by one worker, for all) and copied, which costs a tenth of a second.
With CI=true a skipped test is a failure, wherever it was skipped.
"""

import os
import shutil
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import hypothesis
import pytest

from rehearsal import engine as engines
from rehearsal import home
from rehearsal.cache import locked
from tests.harness import DockerHome, RehearsalHome

# No test depends on how fast the machine is today.
hypothesis.settings.register_profile(
    "any-speed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any-speed")


@pytest.fixture(scope="session")
def engine() -> engines.EnginePaths:
    """The real engine; built when there is none, which takes minutes."""
    return engines.ensure()


@pytest.fixture(scope="session")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this session see."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base


@pytest.fixture(scope="module", autouse=True)
def _one_engine_at_a_time(request: pytest.FixtureRequest, _shared: Path) -> Iterator[None]:
    """Two rollouts under load at once would starve each other's tasks: a second module waits."""
    if request.node.get_closest_marker("docker") is None:
        yield
        return
    with locked(_shared / "docker.lock", lambda _: None, ""):
        yield


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


@pytest.fixture(scope="module")
def docker_home(_adopted: RehearsalHome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerHome]:
    """One for all tests of a module: Docker hosts that run, both stacks adopted and nothing applied.

    The stack files name `docker_hosts.SERVED`. Tests of a module share what they deploy, in their order.
    """
    if os.geteuid() != 0:
        pytest.skip("only root can start a Docker engine")
    copied = _adopted.copy(tmp_path_factory.mktemp("home") / "rehearsal")
    made = DockerHome(copied.home)
    yield made
    made.close()


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
