"""A real Alertmanager whose clock can be set: built from its own module, with Go's `time.Now` moved.

The version is Debian's, the one that the rehearsal runs. `go build -overlay` replaces one function of the
standard library for this build; its source is read from the machine's own Go, and nothing of it is kept here.
Timers run as always, only the time of day is another: `CLOCK_OFFSET_SECONDS` seconds later.
"""

import hashlib
import json
import os
import re
import subprocess
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Final

from rehearsal.cache import cache, locked, say

MODULE: Final = Path(__file__).parent
VERSION: Final = "0.25.0"
_COMMAND: Final = "github.com/prometheus/alertmanager/cmd/alertmanager"
_OFFSET: Final = "CLOCK_OFFSET_SECONDS"
_SHIFT: Final = f"""\
package time

import "syscall"

var clockShift = func() int64 {{
	text, _ := syscall.Getenv("{_OFFSET}")
	seconds, _ := atoi(text)
	return int64(seconds)
}}()
"""


def build() -> Path:
    """The program, built once on this machine. Raises CalledProcessError with the compiler's words."""
    root, go = subprocess.run(
        ["go", "env", "GOROOT", "GOVERSION"], capture_output=True, text=True, check=True
    ).stdout.split()
    time = Path(root) / "src" / "time"
    moved = _moved((time / "time.go").read_text())
    parts = [go, moved, _SHIFT, *((MODULE / name).read_text() for name in ("go.mod", "go.sum"))]
    name = f"{VERSION}-{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:12]}"
    store = cache("alertmanager")
    program = store / name
    with locked(store / "lock", say, "another test is building Alertmanager; waiting for it"):
        if not program.exists():
            say(f"building Alertmanager {VERSION} with a clock to set: once on this machine, 4 minutes")
            _compile(program, {time / "time.go": moved, time / "clock_shift.go": _SHIFT})
    return program


def _moved(source: str) -> str:
    """`time.Now` with the shift added to its seconds; the monotonic reading stays, so timers do too."""
    moved, number = re.subn(
        r"(?<=\nfunc Now\(\) Time \{\n)(\tsec, nsec, mono := \w+\(\)\n)",
        r"\1\tsec += clockShift\n",
        source,
    )
    if number != 1:
        raise ValueError("this Go reads its clock in another way: time.Now cannot be moved")
    return moved


def _compile(program: Path, replaced: dict[Path, str]) -> None:
    with tempfile.TemporaryDirectory(prefix=".build-", dir=program.parent) as draft:
        files = {}
        for number, (path, text) in enumerate(replaced.items()):
            file = Path(draft) / f"{number}.go"
            file.write_text(text)
            files[str(path)] = str(file)
        overlay = Path(draft) / "overlay.json"
        overlay.write_text(json.dumps({"Replace": files}))
        made = Path(draft) / "alertmanager"
        command = ["go", "build", "-C", str(MODULE), "-mod=readonly", "-buildvcs=false", "-trimpath",
                   "-overlay", str(overlay), "-o", str(made), _COMMAND]  # fmt: skip
        env = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"}
        subprocess.run(command, env=env, check=True, capture_output=True, text=True)
        made.rename(program)


def at(moment: datetime) -> dict[str, str]:
    """The environment in which the program believes that it is `moment` now."""
    return {_OFFSET: str(round((moment - datetime.now(moment.tzinfo)).total_seconds()))}
