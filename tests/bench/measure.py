"""Runs of commands side by side: seconds, processor time, memory, and how busy others kept the machine."""

import os
import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

BUSY: Final = 0.1  # share of the processors that others may take before figures mean nothing
_PROC: Final = Path("/proc")


@dataclass(frozen=True)
class Cost:
    """What one run took: seconds by the clock, and of processor time, its children's included."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Spread:
    """A median and its quartiles."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        if len(values) < 2:
            return cls(*[values[0]] * 3)
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, low, high)


def ratio(over: Sequence[float], under: Sequence[float]) -> Spread:
    """Of values measured in the same rounds: a round's slowness is in both and cancels out."""
    return Spread.of([a / b for a, b in zip(over, under, strict=True)])


def interleaved(jobs: Mapping[str, Callable[[], object]], runs: int) -> dict[str, list[Cost]]:
    """The cost of each job in each round. The first round warms up and does not count."""
    costs: dict[str, list[Cost]] = {name: [] for name in jobs}
    for counted in range(runs + 1):
        for name, job in jobs.items():
            began, cpu = time.perf_counter(), processor_time()
            job()
            if counted:
                costs[name].append(Cost(time.perf_counter() - began, processor_time() - cpu))
    return costs


def processor_time() -> float:
    """Seconds of processor that this process and its ended children have taken."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in both)


@dataclass
class Others:
    """Share of the machine's processors that went to others while it was watched; None where unknown."""

    share: float | None = None

    @property
    def busy(self) -> bool:
        return self.share is not None and self.share > BUSY


@contextmanager
def watched() -> Iterator[Others]:
    """Tells, once the block is over, how busy others kept the machine meanwhile. Linux only."""
    others = Others()
    began, all_before, ours_before = time.perf_counter(), _all_processor_time(), processor_time()
    yield others
    all_after = _all_processor_time()
    if all_before is not None and all_after is not None:
        there_was = (time.perf_counter() - began) * (os.cpu_count() or 1)
        theirs = all_after - all_before - (processor_time() - ours_before)
        others.share = max(0.0, theirs / there_was)


def _all_processor_time() -> float | None:
    """Seconds of processor that anybody has taken since the start, a neighbour of this machine included."""
    try:
        fields = (_PROC / "stat").read_text().splitlines()[0].split()[1:]
    except OSError:
        return None
    user, nice, system, _idle, _waiting, irq, soft, steal = map(int, fields[:8])
    return (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK")


@dataclass
class Memory:
    """Peaks in MiB: of the resident memory of each program of a command, and of all of it with shared pages
    counted once (the sum of PSS)."""

    resident: dict[str, float] = field(default_factory=dict)
    total: float = 0.0

    @property
    def largest(self) -> tuple[str, float]:
        return max(self.resident.items(), key=lambda item: item[1])


def memory(
    command: Sequence[str | Path], env: Mapping[str, str], name: Callable[[str], str]
) -> Memory | None:
    """Sample a command and its children until it ends. `name`: of a process, by its command line."""
    if not (_PROC / "self" / "smaps_rollup").exists():
        return None
    found = Memory()
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            total = 0.0
            for pid in _tree(process.pid):
                try:
                    words = (_PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    lines = (_PROC / str(pid) / "smaps_rollup").read_text().splitlines()[1:]
                except OSError:
                    continue  # it has ended
                size = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines}
                total += size.get("Pss", 0.0)
                found.resident[name(words)] = max(found.resident.get(name(words), 0.0), size.get("Rss", 0.0))
            found.total = max(found.total, total)
            time.sleep(0.02)
    return found


def _tree(pid: int) -> list[int]:
    found = [pid]
    for task in (_PROC / str(pid) / "task").glob("*/children"):
        try:
            children = task.read_text().split()
        except OSError:
            continue
        found += [each for child in children for each in _tree(int(child))]
    return found
