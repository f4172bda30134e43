"""`python3 -m rehearsal.first WORDS`: what a run begins with; then it becomes `python -m rehearsal WORDS`.

The Pulumi engine, which takes longest, is begun in the first second, beside the Python packages. Standard
library only. The run goes on in the clone's .venv as the same process, while the engine is still made:
whoever needs it waits for the cache's lock.
"""

import os
import subprocess
import sys
import time
from typing import Final

BEGAN: Final = "PAINTSHARE_BEGAN"
"""In the environment of the run: when it began, in seconds since 1970."""

_CORES: Final = 2  # the figures below were measured on so many, idle otherwise
_WARM: Final = 75  # seconds from a new home to the proof, with everything in the cache
_PREPARED: Final = 15  # seconds by which packages and images, made meanwhile, hold the engine's build up


def expected(building: int) -> str:
    """How long this machine will take, in words; `building` are the seconds of the engine's build, if any."""
    cores = os.cpu_count() or 1
    seconds = _WARM * _CORES / min(cores, 2 * _CORES) + (building and building + _PREPARED)
    took = f"{seconds / 60:.0f} min" if building else f"{seconds:.0f} s"
    why = f", {building / 60:.0f} of them to build the Pulumi engine, once" if building else ""
    return f"This takes about {took} on this machine ({cores} cores){why}."


def main(words: list[str]) -> None:
    """Does not return, unless by SystemExit."""
    if sys.version_info < (3, 11):  # noqa: UP036  whatever `python3` is, this is the first file it runs
        sys.exit("error: Python 3.11 or newer is needed, for example: make PYTHON=python3.12 rehearse")
    from rehearsal import engine, venv  # noqa: PLC0415  an older Python cannot read them

    began = str(time.time())
    ready = engine.at_hand()
    print(expected(0 if ready else engine.seconds_to_build()), flush=True)
    if not ready:
        subprocess.Popen([sys.executable, "-m", "rehearsal.engine", "--ahead"], stdin=subprocess.DEVNULL)
    try:
        python = str(venv.ensure() / "bin" / "python")
    except venv.VenvError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)  # rehearsal.guarded has said so
    os.execve(python, [python, "-m", "rehearsal", *words], {**os.environ, BEGAN: began})  # noqa: S606  no shell


if __name__ == "__main__":
    main(sys.argv[1:])
