"""Fixtures of all tests: the engine, and rehearsal homes in different states of readiness.

A home is prepared once a session (by one worker, for all) and copied, which costs a tenth of a second.
With CI=true a skipped test is a failure, wherever it was skipped.
"""

import os
import shutil
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Final

import hypothesis
import pytest
from xdist.remote import Producer  # type: ignore[import-untyped]
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from rehearsal import engine as engines
from rehearsal import home, warm
from rehearsal.cache import locked
from tests.harness import DockerHome, RehearsalHome

# No test depends on how fast the machine is today.
hypothesis.settings.register_profile(
    "any-speed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any-speed")

ONE_BY_ONE: Final = (
    "test_rollouts_under_load.py",
    "test_settings_under_load.py",
    "test_two_nodes.py",
    "test_two_stacks_on_one_host.py",
    "test_interrupted_rollouts.py",
    "test_host_access.py",
    "test_uptime_alerts.py",
)
"""Files with long tests on Docker engines: two rollouts under load would starve each other's tasks."""
EARLY: Final = ("test_scenes.py", "test_killed_verbs.py")
"""Other files that would be waited for at the end."""


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


class _Scheduler(LoadScopeScheduling):  # type: ignore[misc]  # untyped
    """Tests go to the workers file by file; those of `ONE_BY_ONE` to one worker, from the first minute."""

    def _split_scope(self, nodeid: str) -> str:
        """What stays together with a test."""
        file = nodeid.partition("::")[0]
        return "one by one" if Path(file).name in ONE_BY_ONE else file


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: the worker that rolls out releases waits most of the time."""
    return (os.cpu_count() or 1) + 1


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    return _Scheduler(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those of `ONE_BY_ONE` first, in its order, then those of `EARLY`: they take longest."""
    order = {name: place for place, name in enumerate((*ONE_BY_ONE, *EARLY))}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))


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
