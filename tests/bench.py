"""`make bench`: what previews and rollouts cost, beside the same without this program. Asserts nothing.

Every figure is the median of several runs, and runs of what is compared alternate, so that a machine that
slows down slows both.
"""

import contextlib
import itertools
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from docker import DockerClient  # type: ignore[import-untyped]
from rich.console import Console
from rich.table import Table

from plan.socket import service_name
from rehearsal import demo, docker_hosts
from rehearsal import home as homes
from rehearsal.docker_engine import DockerUnavailableError, packages
from rehearsal.docker_engine.images import ImageRef
from rehearsal.home import Home

RUNS: Final = 7
ROLLOUTS: Final = 3
CLONE: Final = Path(__file__).resolve().parent.parent
STACK: Final = "production"

# Imports the same SDKs and starts the same plugins, which takes a resource of each.
_EMPTY: Final = """
import os
import pulumi_docker as docker
import pulumi_github as github
import pulumiverse_vercel as vercel
os.environ.pop("GITHUB_TOKEN", None)
import pulumi
on_vercel = vercel.Provider("vercel", team="team_rehearsalPaintShare01")
on_github = github.Provider("github", owner="paintshare-demo")
docker.Provider("socket-host", host="unix:///none", disable_docker_daemon_check=True)
vercel.EdgeConfig("edge", name="bench", opts=pulumi.ResourceOptions(provider=on_vercel))
github.ActionsEnvironmentVariable(
    "variable", repository="share-paint", environment="production", variable_name="BENCH", value="1",
    opts=pulumi.ResourceOptions(provider=on_github),
)
"""

# The program itself with more rows in the matrix.
_GROWN: Final = """
import runpy, sys
sys.path.insert(0, {clone!r})
import plan.variables as variables
rows = tuple(
    variables.Row(
        key=f"NEXT_PUBLIC_BENCH_{{n}}", kind=variables.Class.PUBLIC, stores=(variables.Store.VERCEL,),
        stack=variables.Need.REQUIRED, preview=variables.Need.REQUIRED, meaning="bench",
        derive=variables.app_url,
    )
    for n in range({extra})
)
variables.MATRIX = variables.MATRIX + rows
runpy.run_path({clone!r} + "/__main__.py", run_name="__main__")
"""

# The same number of variables, declared one after the other.
_FLAT: Final = """
import pulumi
import pulumiverse_vercel as vercel
import pulumi_github as github
on_vercel = vercel.Provider("vercel", team="team_rehearsalPaintShare01")
on_github = github.Provider("github", owner="paintshare-demo")
for n in range({count}):
    vercel.ProjectEnvironmentVariable(
        f"variable-{{n}}", project_id="prj_rehearsalSharePaint01", key=f"NEXT_PUBLIC_BENCH_{{n}}",
        value="https://share-paint.app", sensitive=False, targets=["production"],
        opts=pulumi.ResourceOptions(provider=on_vercel, delete_before_replace=True),
    )
"""

out = Console(width=100, highlight=False)


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="paintshare-bench-") as name:
        folder = Path(name)
        out.print("preparing a rehearsal home with both stacks applied")
        ours = homes.ensure(folder / "ours")
        for stack in homes.STACKS:
            _run([sys.executable, "-m", "operations", "adopt", "--stack", stack, "--yes"], ours)
            _pulumi(ours, "up", "--yes", "--skip-preview", stack=stack)
            _run([sys.executable, "-m", "operations", "adopt", "--stack", stack, "--yes"], ours)
        empty = _with_program(ours, folder / "empty", _EMPTY)
        _pulumi(empty, "up", "--yes", "--skip-preview")
        _preview_table(ours, empty)
        _import_table(ours)
        _growth_table(ours, folder)
        try:
            _rollout_table(ours)
        except DockerUnavailableError as error:
            out.print(f"no rollout was timed: {error}")
        finally:
            docker_hosts.stop(ours.folder)
    return 0


def _preview_table(ours: Home, empty: Home) -> None:
    times = _alternate(
        {
            "this program, no changes": lambda: _pulumi(ours, "preview", "--expect-no-changes"),
            "empty program": lambda: _pulumi(empty, "preview", "--expect-no-changes"),
        }
    )
    table = _table(f"preview of {STACK}, median of {RUNS}", "program", "seconds", "ratio")
    base = times["empty program"]
    for name, seconds in times.items():
        table.add_row(name, f"{seconds:.2f}", f"{seconds / base:.2f}")
    out.print(table)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    out.print(f"largest single process of all runs so far: {peak:.0f} MiB (aim of the ratio: 1.3 or less)\n")


def _import_table(ours: Home) -> None:
    python = [sys.executable, "-c"]
    sdks = "import pulumi, pulumi_docker, pulumi_github, pulumiverse_vercel"
    rooms = "plan.preflight, components.web_app, components.deployment_gate, components.socket_server"
    times = _alternate(
        {
            "python starts": lambda: _run([*python, "pass"], ours),
            "and imports the SDKs": lambda: _run([*python, sdks], ours),
            "and this program's rooms": lambda: _run([*python, f"{sdks}, {rooms}"], ours),
        }
    )
    table = _table(f"imports, median of {RUNS}", "what", "seconds")
    for name, seconds in times.items():
        table.add_row(name, f"{seconds:.2f}")
    out.print(table)
    own = statistics.median(_own_time() for _ in range(RUNS))
    out.print(f"the program itself on mocks, both stacks: {own:.2f} s (aim: less than 0.3 s)\n")


# A first run imports everything and does not count.
_OWN: Final = """
import tempfile, time
from pathlib import Path
from tests.test_program import FILES, run
def both():
    for file in FILES.values():
        run(file, Path(tempfile.mkdtemp()))
both()
started = time.perf_counter()
both()
print(time.perf_counter() - started)
"""


def _own_time() -> float:
    """Seconds that the program takes for both stacks, imports done, no engine."""
    done = subprocess.run([sys.executable, "-c", _OWN], cwd=CLONE, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def _growth_table(ours: Home, folder: Path) -> None:
    """Previews of creates: what n more variables cost here, and in a flat file."""
    few, many = 20, 200
    ours_few = _with_program(ours, folder / "few", _GROWN.format(clone=str(CLONE), extra=few))
    ours_many = _with_program(ours, folder / "many", _GROWN.format(clone=str(CLONE), extra=many))
    flat_few = _with_program(ours, folder / "flat-few", _FLAT.format(count=few))
    flat_many = _with_program(ours, folder / "flat-many", _FLAT.format(count=many))
    times = _alternate(
        {
            f"this program, {few} more": lambda: _pulumi(ours_few, "preview"),
            f"this program, {many} more": lambda: _pulumi(ours_many, "preview"),
            f"flat file, {few}": lambda: _pulumi(flat_few, "preview"),
            f"flat file, {many}": lambda: _pulumi(flat_many, "preview"),
        },
        runs=5,
    )
    table = _table("growth with the number of variables, median of 5", "program", "seconds")
    for name, seconds in times.items():
        table.add_row(name, f"{seconds:.2f}")
    out.print(table)
    values = list(times.values())
    slope, flat = ((b - a) / (many - few) * 1000 for a, b in (values[:2], values[2:]))
    out.print(
        f"a variable costs {slope:.1f} ms here, {flat:.1f} ms in a flat file: {slope / flat:.2f} (aim: 1.2)"
    )


def _rollout_table(ours: Home) -> None:
    """From the command to the last task of the new release, and to its end: `pulumi up`, Docker's command.

    `pulumi up` ends later, because it waits until the last task has outlived its monitor window as well.
    """
    hosts = docker_hosts.ensure(ours.folder, out.print)
    images = docker_hosts.stock(hosts, out.print)
    docker_hosts.name(ours, images)
    _pulumi(ours, "up", "--yes", "--skip-preview", stack="staging")
    docker = packages.program("docker", "docker.io", out.print)
    releases = itertools.cycle(demo.RELEASES)
    client = {**packages.environment(), "DOCKER_HOST": hosts.socket.engine.host}

    def by_program(image: ImageRef) -> None:
        ours.edit("staging", socketRelease=image.tag, socketDigest=image.digest)
        _pulumi(ours, "up", "--yes", "--skip-preview", stack="staging")

    def by_hand(image: ImageRef) -> None:
        command: list[str | Path] = [
            docker,
            "service",
            "update",
            "--quiet",
            "--image",
            image.reference,
            service_name("staging"),
        ]
        subprocess.run(command, env=client, capture_output=True, check=True)

    ways: dict[str, Callable[[ImageRef], None]] = {"pulumi up": by_program, "docker service update": by_hand}
    serving: dict[str, list[float]] = {name: [] for name in ways}
    ended: dict[str, list[float]] = {name: [] for name in ways}
    with (
        _peak("rehearsal.standin docker") as peak,
        contextlib.closing(hosts.socket.engine.client()) as engine,
        ThreadPoolExecutor(1) as commands,
    ):
        for _, (name, way) in itertools.product(range(ROLLOUTS), ways.items()):
            image, started = images[next(releases)], time.perf_counter()
            command = commands.submit(way, image)
            while not _serves(engine, image):
                if command.done():
                    command.result()
                time.sleep(0.1)
            serving[name].append(time.perf_counter() - started)
            command.result()
            ended[name].append(time.perf_counter() - started)
    table = _table(
        f"a new release of two tasks, median of {ROLLOUTS}",
        "command",
        "seconds until it serves",
        "ratio",
        "until its end",
    )
    base = statistics.median(serving["docker service update"])
    for name, seconds in serving.items():
        median, end = statistics.median(seconds), statistics.median(ended[name])
        table.add_row(name, f"{median:.1f}", f"{median / base:.2f}", f"{end:.1f}")
    out.print(table)
    out.print(
        f"peak memory of the docker stand-in: {max(peak, default=0):.0f} MiB (aim of the ratio: 1.3 or less)"
    )


def _serves(engine: DockerClient, image: ImageRef) -> bool:
    """Whether every task that shall run runs this image and has passed its health check."""
    wanted = {"service": service_name("staging"), "desired-state": "running"}
    tasks = engine.api.tasks(wanted)
    return {(task["Status"]["State"], task["Spec"]["ContainerSpec"]["Image"]) for task in tasks} == {
        ("running", image.reference)
    }


@contextlib.contextmanager
def _peak(words: str) -> Iterator[list[float]]:
    """Collects the resident memory, in MiB, of each process whose command line holds `words`."""
    seen: list[float] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.2):
            for process in Path("/proc").glob("[0-9]*"):
                with contextlib.suppress(OSError):
                    if words in (process / "cmdline").read_bytes().replace(b"\0", b" ").decode():
                        pages = int((process / "statm").read_text().split()[1])
                        seen.append(pages * resource.getpagesize() / 1024 / 1024)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def _alternate(jobs: Mapping[str, Callable[[], None]], runs: int = RUNS) -> dict[str, float]:
    """Median seconds of each job; the first round warms up and does not count."""
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for counted in range(runs + 1):
        for name, job in jobs.items():
            started = time.perf_counter()
            job()
            if counted:
                times[name].append(time.perf_counter() - started)
    return {name: statistics.median(seconds) for name, seconds in times.items()}


def _with_program(source: Home, folder: Path, code: str) -> Home:
    """A copy of the home whose program is `code` and whose stacks hold nothing."""
    made = homes.copy(source, folder)
    shutil.rmtree(folder / "state" / ".pulumi" / "stacks", ignore_errors=True)
    program = folder / "program"
    program.mkdir()
    (program / "__main__.py").write_text(code)
    text = (folder / "Pulumi.yaml").read_text().splitlines()
    text[0] = "main: program"
    (folder / "Pulumi.yaml").write_text("\n".join(text) + "\n")
    _run([str(made.engine.pulumi), "stack", "init", STACK, "--non-interactive"], made)
    return made


def _pulumi(home: Home, *arguments: str, stack: str = STACK) -> None:
    _run([str(home.engine.pulumi), *arguments, "--stack", stack, "--non-interactive"], home)


def _run(command: list[str], home: Home) -> None:
    done = subprocess.run(command, cwd=CLONE, env=home.env(), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left")
    return table


if __name__ == "__main__":
    sys.exit(main())
