"""docs/benchmarks.md: figures with their spread and date, beside those that were committed last."""

import platform
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from tests.bench.measure import Spread

DOCUMENT: Final = "docs/benchmarks.md"
_BY_HAND: Final = "\n## "  # where the part begins that people write


@dataclass(frozen=True)
class Figure:
    """One line: what was measured, in which unit, and what it should be at most."""

    name: str
    spread: Spread
    unit: str = "×"
    aim: float | None = None

    def words(self, value: float) -> str:
        return f"{value:.0f} {self.unit}" if self.unit == "MiB" else f"{value:.2f} {self.unit}"

    @property
    def missed(self) -> bool:
        return self.aim is not None and self.spread.median > self.aim


def committed(text: str) -> dict[str, float]:
    """The measured figures of a document by name; none of one that holds none."""
    measured = text.partition(_BY_HAND)[0]
    return {
        name: float(value) for name, value in re.findall(r"^\| (.+?) \| ([\d.]+) ", measured, re.MULTILINE)
    }


def by_hand(text: str) -> str:
    """The part of a document that people wrote, from its first section on; empty where there is none."""
    return "".join(text.partition(_BY_HAND)[1:])


def verdict(figure: Figure, before: float | None) -> str:
    """How a figure compares with the committed one: a difference counts when it is outside the quartiles."""
    if before is None:
        return "new"
    change = f"{before:.0f}" if figure.unit == "MiB" else f"{before:.2f}"
    if before < figure.spread.low:
        return f"{change}, worse"
    return f"{change}, better" if before > figure.spread.high else f"{change}, the same"


def document(
    figures: Iterable[Figure], before: Mapping[str, float], notes: Iterable[str], today: date, cores: int
) -> str:
    """The document's text. Ratios, because they hold on another machine; seconds do not."""
    lines = [
        "# Benchmarks",
        "",
        f"Written by `make bench` on {today}: {cores} processor cores, Python {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}.",
        "Medians of runs that alternate with what they are compared with, quartiles beside them; ratios are",
        "taken round by round. The machine did nothing else: on a busy one `make bench` writes nothing.",
        "",
        "| Figure | Median | Quartiles | Aim | Before |",
        "| --- | --- | --- | --- | --- |",
    ]
    for figure in figures:
        aim = "" if figure.aim is None else f"{figure.aim:g}{', missed' if figure.missed else ''}"
        low, high = figure.words(figure.spread.low), figure.words(figure.spread.high)
        lines.append(
            f"| {figure.name} | {figure.words(figure.spread.median)} | {low} to {high} | {aim} | "
            f"{verdict(figure, before.get(figure.name))} |"
        )
    return "\n".join([*lines, "", *(f"- {note}" for note in notes), ""])
