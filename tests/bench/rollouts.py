"""What a release costs beside Docker's own command, and a preview of the stack with sockets and monitors.

Takes about ten minutes, and a Docker engine: `make bench BENCH=rollouts`. Prints, and writes nothing.
"""

import contextlib
import itertools
import resource
import statistics
import subprocess
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
from rehearsal.docker_engine import packages
from rehearsal.docker_engine.building import ImageRef
from rehearsal.home import STACKS, Home
from tests.bench import homes
from tests.bench.measure import interleaved, ratio

ROLLOUTS: Final = 3
PREVIEWS: Final = 5


def timed(ours: Home, empty: Home, out: Console) -> None:
    """Print both tables. Raises DockerUnavailableError where there is no engine and none can be started."""
    try:
        hosts = docker_hosts.ensure(ours.folder, out.print)
        images = docker_hosts.stock(hosts, out.print)
        docker_hosts.name(ours, images)
        for stack in STACKS:
            homes.pulumi(ours, "up", "--yes", "--skip-preview", stack=stack)
        _previews(ours, empty, out)
        _rollouts(ours, hosts, images, out)
    finally:
        docker_hosts.stop(ours.folder)


def _previews(ours: Home, empty: Home, out: Console) -> None:
    costs = interleaved(
        {
            "empty": lambda: homes.pulumi(empty, "preview"),
            "ours": lambda: homes.pulumi(ours, "preview", "--expect-no-changes"),
        },
        PREVIEWS,
    )
    walls = {name: [cost.wall for cost in each] for name, each in costs.items()}
    spread = ratio(walls["ours"], walls["empty"])
    out.print(
        f"preview with sockets and monitors: {statistics.median(walls['ours']):.2f} s, "
        f"{spread.median:.2f} of an empty program ({spread.low:.2f} to {spread.high:.2f})"
    )


def _rollouts(ours: Home, hosts: docker_hosts.Hosts, images: Mapping[str, ImageRef], out: Console) -> None:
    """From the command to the last task of the new release, and to its end: `pulumi up`, Docker's command.

    `pulumi up` ends later, because it waits until the last task has outlived its monitor window as well.
    """
    docker = packages.program("docker", "docker.io", out.print)
    releases = itertools.cycle(demo.RELEASES)
    client = {**packages.environment(), "DOCKER_HOST": hosts.socket.engine.host}

    def by_program(image: ImageRef) -> None:
        ours.edit("staging", socketRelease=image.tag, socketDigest=image.digest)
        homes.pulumi(ours, "up", "--yes", "--skip-preview", stack="staging")

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
    table = Table(title=f"a new release of two tasks, median of {ROLLOUTS}", title_justify="left")
    table.add_column("command")
    for column in ("seconds until it serves", "ratio", "until its end"):
        table.add_column(column, justify="right")
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
