"""The terminal pictures of the README: `python -m tools.pictures`, after `make rehearse`.

Runs `status` and `promote --dry-run` in the rehearsal as a person does, on a terminal of 100 columns, and
writes what they print to docs/*.svg. Nothing in a picture is made up.
"""

import os
import re
import shlex
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI
from rich.text import Text

from rehearsal import docker_hosts, home, scenes
from rehearsal.scenes.happenings import rehearsed_gate
from rehearsal.scenes.playing import play
from rehearsal.scenes.stage import Stage

COLUMNS: Final = 100
PICTURES: Final = {
    "status": ("status",),
    "promote": ("promote", "--stack", "production", "--dry-run"),
}
_DOCS: Final = home.CLONE / "docs"


def main(folder: Path = home.FOLDER) -> int:
    """Exit code 1 where there is no rehearsal, or a command did not end as it must."""
    if not home.existing(folder):
        print("there is no rehearsal to take a picture of: make rehearse", file=sys.stderr)
        return 1
    here = home.ensure(folder)
    registry = docker_hosts.ensure(folder).socket if docker_hosts.existing(folder) else None
    stage = Stage(here, registry)
    play(stage, scenes.SCENES[0])  # so that there is something to promote
    rehearsed_gate(stage)
    for name, words in PICTURES.items():
        code, said = _run(here, words)
        if code:
            print(f"{shlex.join(words)} ended with {code}:\n{said}", file=sys.stderr)
            return 1
        (_DOCS / f"{name}.svg").write_text(draw(f"python -m operations {shlex.join(words)}", said, name))
    return 0


def draw(command: str, said: str, name: str) -> str:
    """What a terminal showed, as SVG; `name` sets its ids apart.

    It carries no address: a reader's browser asks nobody for a font.
    """
    console = Console(
        record=True, width=COLUMNS, file=StringIO(), force_terminal=True, color_system="truecolor"
    )
    console.print(Text.from_ansi(f"$ {command}\n{said.rstrip()}"))
    svg = console.export_svg(title="", theme=DIMMED_MONOKAI, unique_id=name)
    svg = re.sub(r"\s*@font-face \{.*?\}\n", "\n", svg, flags=re.DOTALL)
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


def _run(here: home.Home, words: tuple[str, ...]) -> tuple[int, str]:
    environment = here.env() | {"FORCE_COLOR": "1", "COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    done = subprocess.run(
        [sys.executable, "-m", "operations", *words], cwd=home.CLONE, env=environment,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    return done.returncode, still(done.stdout)


def still(said: str) -> str:
    """What stands on the terminal at the end: a spinner's line is erased again and again."""
    lines = [re.split(r"\x1b\[2K|\r", line)[-1] for line in re.sub(r"\x1b\[\?25[lh]", "", said).split("\n")]
    kept = [line for line in lines if "previewing…" not in line]
    return re.sub(r"\x1b\[\d*A", "", "\n".join(kept))


if __name__ == "__main__":
    sys.exit(
        main(Path(os.environ["PULUMI_OPTION_CWD"]) if "PULUMI_OPTION_CWD" in os.environ else home.FOLDER)
    )
