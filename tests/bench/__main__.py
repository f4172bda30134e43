"""`python -m tests.bench` measures previews and writes docs/benchmarks.md; `rollouts` measures releases."""

import contextlib
import functools
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from rehearsal import warm
from rehearsal.docker_engine import DockerUnavailableError
from rehearsal.home import CLONE, Home
from tests.bench import homes, programs, report, rollouts
from tests.bench.measure import Cost, Memory, Spread, interleaved, memory, ratio, watched
from tests.bench.report import Figure

RUNS: Final = 7
GROWTH_RUNS: Final = 4
OWN_RUNS: Final = 5

out = Console(width=100, highlight=False)


def main() -> int:
    os.environ.pop(warm.VARIABLE, None)  # a person's commands start cold
    with tempfile.TemporaryDirectory(prefix="paintshare-bench-") as name:
        folder = Path(name)
        out.print("preparing homes: both stacks applied, and the programs to compare with")
        ours = homes.with_our_host(homes.applied(folder / "ours"), folder / "host")
        empty = homes.with_program(ours, folder / "empty", programs.EMPTY)
        homes.pulumi(empty, "up", "--yes", "--skip-preview")
        if sys.argv[1:] == ["rollouts"]:
            try:
                rollouts.timed(ours, empty, out)
            except DockerUnavailableError as error:
                sys.exit(f"no rollout was timed: {error}")
            return 0
        flat = homes.flat(ours, folder / "flat")
        notes: list[str] = []
        with watched() as others:
            figures = [
                *_previews("", ours, flat, empty, notes=notes),
                *_official(ours, flat, empty, folder, notes),
                *_growth(ours, folder, notes),
                *_imports(ours),
                *_memory(ours, empty),
            ]
    _conclude(figures, notes, others.share, busy=others.busy)
    return 0


def _previews(host: str, home: Home, flat: Home, empty: Home, *, notes: list[str]) -> list[Figure]:
    """No-change previews against an empty program and against one without this program's rooms."""
    costs = _costs(
        {
            "empty": lambda: homes.pulumi(empty, "preview", "--expect-no-changes"),
            "flat": lambda: homes.pulumi(flat, "preview", "--expect-no-changes"),
            "ours": lambda: homes.pulumi(home, "preview", "--expect-no-changes"),
            "refresh": lambda: homes.pulumi(home, "preview", "--refresh"),
        },
        RUNS,
    )
    seconds = ", ".join(f"{name} {Spread.of(walls).median:.2f} s" for name, walls in costs.items())
    resources = len(homes.declared(home)) + 1
    notes.append(f"Previews of {homes.STACK}, {resources} resources{host}: {seconds}.")
    same = f"the same resources without our rooms{host}"
    return [
        Figure(
            f"no-change preview{host} over an empty program", ratio(costs["ours"], costs["empty"]), aim=1.15
        ),
        Figure(f"{same} over an empty program", ratio(costs["flat"], costs["empty"])),
        Figure(f"no-change preview{host} over {same}", ratio(costs["ours"], costs["flat"])),
        Figure(
            f"preview with --refresh{host} over an empty program", ratio(costs["refresh"], costs["empty"])
        ),
    ]


def _official(ours: Home, flat: Home, empty: Home, folder: Path, notes: list[str]) -> list[Figure]:
    official = [
        found
        for name, home in (("ours", ours), ("flat", flat), ("empty", empty))
        if (found := homes.with_official_host(home, folder / f"official-{name}"))
    ]
    if not official:
        notes.append("The official language host is not on PATH: previews under it were not measured.")
        return []
    return _previews(" under the official host", *official, notes=notes)


def _growth(ours: Home, folder: Path, notes: list[str]) -> list[Figure]:
    """Previews of creates: what each more variable costs here and in a flat file, up to ten times as many."""
    few = len(homes.declared(ours))
    more = 9 * few
    made = {
        name: homes.with_program(ours, folder / name, code)
        for name, code in {
            "ours-few": programs.GROWN.format(clone=str(CLONE), extra=0),
            "ours-many": programs.GROWN.format(clone=str(CLONE), extra=more),
            "flat-few": programs.VARIABLES.format(count=few),
            "flat-many": programs.VARIABLES.format(count=few + more),
        }.items()
    }
    costs = _costs(
        {name: functools.partial(homes.pulumi, home, "preview") for name, home in made.items()}, GROWTH_RUNS
    )
    slope, flat = (
        [(b - a) / more * 1000 for a, b in zip(costs[f"{name}-few"], costs[f"{name}-many"], strict=True)]
        for name in ("ours", "flat")
    )
    notes.append(
        f"A variable more costs {Spread.of(slope).median:.1f} ms here, {Spread.of(flat).median:.1f} ms in "
        f"a flat file ({few} and {few + more} resources, all of them created)."
    )
    return [Figure("growth to ten times the resources over a flat file's", ratio(slope, flat), aim=1.1)]


def _imports(ours: Home) -> list[Figure]:
    """Processor time: what our rooms add to the SDKs' imports, and the program's own time on mocks."""
    python, sdks = [sys.executable, "-c"], "import pulumi, pulumi_docker, pulumi_github, pulumiverse_vercel"
    rooms = programs.imports((CLONE / "__main__.py").read_text())
    costs = interleaved(
        {
            "sdks": lambda: homes.run([*python, sdks], ours),
            "rooms": lambda: homes.run([*python, f"{sdks}\n{rooms}"], ours),
        },
        RUNS,
    )
    cpu = {name: [cost.cpu for cost in each] for name, each in costs.items()}
    own = Spread.of([_own(rooms) for _ in range(OWN_RUNS)])
    return [
        Figure("imports of our rooms and the SDKs over the SDKs alone", ratio(cpu["rooms"], cpu["sdks"])),
        Figure("the program's own time on mocks, both stacks", own, "s", aim=0.15),
    ]


def _own(imports: str) -> float:
    code = programs.OWN.format(imports=imports)
    done = subprocess.run([sys.executable, "-c", code], cwd=CLONE, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def _memory(ours: Home, empty: Home) -> list[Figure]:
    """Peaks of a no-change preview; none where the machine does not tell."""
    found: dict[str, list[Memory]] = {"this program": [], "an empty program": []}
    for _ in range(3):
        for name, home in zip(found, (ours, empty), strict=True):
            command = [str(home.engine.pulumi), "preview", "--stack", homes.STACK, "--non-interactive"]
            peak = memory(command, home.env(), _process)
            if peak is None:
                return []
            found[name].append(peak)
    figures: list[Figure] = []
    for name, peaks in found.items():
        for process in sorted({each for one in peaks for each in one.resident}):
            resident = Spread.of([one.resident.get(process, 0.0) for one in peaks])
            aim = 110 if name == "this program" else None
            figures.append(Figure(f"memory of the {process}, {name}", resident, "MiB", aim=aim))
        total = Spread.of([one.total for one in peaks])
        figures.append(Figure(f"memory of all processes, shared pages once, {name}", total, "MiB"))
    return figures


def _process(words: str) -> str:
    if "language_host" in words:
        return "language host with the program"
    return "largest plugin" if "rehearsal.standin" in words else "engine"


def _costs(jobs: dict[str, Callable[[], object]], runs: int) -> dict[str, list[float]]:
    costs: dict[str, list[Cost]] = interleaved(jobs, runs)
    return {name: [cost.wall for cost in each] for name, each in costs.items()}


def _conclude(figures: list[Figure], notes: list[str], share: float | None, *, busy: bool) -> None:
    """Print all, and write the document unless others kept the machine busy."""
    shown = subprocess.run(
        ["git", "show", f"HEAD:{report.DOCUMENT}"], cwd=CLONE, capture_output=True, text=True, check=False
    )
    before = report.committed(shown.stdout)
    table = Table(title_justify="left")
    table.add_column("figure")
    for column in ("median", "quartiles", "aim", "committed"):
        table.add_column(column, justify="right")
    for figure in figures:
        spread = f"{figure.words(figure.spread.low)} to {figure.words(figure.spread.high)}"
        aim = "" if figure.aim is None else f"{figure.aim:g}{', missed' if figure.missed else ''}"
        verdict = report.verdict(figure, before.get(figure.name))
        table.add_row(figure.name, figure.words(figure.spread.median), spread, aim, verdict)
    out.print(table)
    for note in notes:
        out.print(note)
    if share is None:
        out.print("How busy others kept this machine could not be seen.")
    else:
        out.print(f"Others took {share:.0%} of the processors meanwhile.")
    if busy:
        out.print(f"The machine was too busy to tell: {report.DOCUMENT} was left as it is.")
        return
    text = report.document(figures, before, notes, date.today(), os.cpu_count() or 1)
    path = CLONE / report.DOCUMENT
    path.write_text(text + report.by_hand(path.read_text()))
    out.print(f"written: {report.DOCUMENT}")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
    sys.exit("interrupted")
