"""docs/rehearse.svg: `make rehearse` on a terminal, played in time. `make recording` writes it anew.

Runs the command, notes when each line came, and plays them a good deal faster. Nothing in it is made up; a
reader that plays no animation sees the end.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from rich.console import Console
from rich.text import Text

from rehearsal import home
from tools import pictures

COMMAND: Final = ("make", "rehearse")
PICTURE: Final = home.CLONE / "docs" / "rehearse.svg"
FASTER: Final = 8  # than it was


def main() -> int:
    """Exit code of the command; the picture is written where that is 0."""
    environment = os.environ | {"FORCE_COLOR": "1", "COLUMNS": str(pictures.COLUMNS), "PYTHONUNBUFFERED": "1"}
    environment.pop("NO_COLOR", None)
    with subprocess.Popen(
        COMMAND, cwd=home.CLONE, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as process:
        lines = list(_timed(process.stdout or ()))
    if process.returncode == 0:
        PICTURE.write_text(play(" ".join(COMMAND), lines))
    return process.returncode


def play(command: str, lines: Sequence[tuple[float, str]]) -> str:
    """Lines with the second each came at, as an SVG in which they appear one after the other."""
    svg = pictures.draw(command, "\n".join(line for _, line in lines), "rehearse")
    console = Console(width=pictures.COLUMNS)
    row, rules = 1, ["text{animation:appear 1ms both}", "@keyframes appear{from{opacity:0}to{opacity:1}}"]
    for second, line in lines:
        for _ in console.render_lines(Text.from_ansi(line)):
            clip = f"text[clip-path='url(#rehearse-line-{row})']"
            rules.append(f"{clip}{{animation-delay:{second / FASTER:.2f}s}}")
            row += 1
    return svg.replace("</style>", "\n".join(["", *rules, "</style>"]), 1)


def _timed(output: Iterable[str]) -> Iterator[tuple[float, str]]:
    began = time.monotonic()
    for line in output:
        print(line, end="", flush=True)
        yield time.monotonic() - began, pictures.still(line.rstrip("\n"))


if __name__ == "__main__":
    sys.exit(main())
