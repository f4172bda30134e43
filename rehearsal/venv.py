"""Makes the clone's virtual environment: `python3 -m rehearsal.venv`, run by every target of the Makefile.

The environment lies in the user's cache under a hash of the requirements and the Python, so that a second
clone is ready at once; `.venv` in the clone points to it. Uses nothing outside the standard library.
"""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from rehearsal.cache import Progress, cache, locked, say

CLONE: Final = Path(__file__).resolve().parent.parent
REQUIREMENTS: Final = ("requirements.txt", "requirements-dev.txt")
_COMPLETE: Final = "complete"  # written last: a folder without it is an interrupted attempt


class VenvError(Exception):
    """No virtual environment can be made; the message says what to install."""


def ensure(progress: Progress = say) -> Path:
    """The environment's folder, with exactly the pinned requirements. Points the clone's .venv at it."""
    folder = cache("venv") / _digest()
    if not _usable(folder):
        with locked(folder.parent / "lock", progress, "another clone is preparing Python packages; waiting"):
            if not _usable(folder):
                progress(f"installing Python packages into {folder}")
                shutil.rmtree(folder, ignore_errors=True)
                _install(folder, [CLONE / name for name in REQUIREMENTS])
                (folder / _COMPLETE).touch()
    _link(CLONE / ".venv", folder)
    return folder


def own(clone: Path) -> None:
    """A .venv of the clone's own with what the program needs, as `pulumi install` makes it.

    A link to the folder that clones share is taken away first: what is installed here stays here.
    """
    folder = clone / ".venv"
    if folder.is_symlink():
        folder.unlink()
    _install(folder, [clone / REQUIREMENTS[0]])


def _digest() -> str:
    """The same for every clone that wants the same packages on the same Python."""
    content = hashlib.sha256(f"{sys.version} {sys.base_prefix}".encode())
    for name in REQUIREMENTS:
        content.update((CLONE / name).read_bytes())
    return content.hexdigest()[:16]


def _usable(folder: Path) -> bool:
    return (folder / _COMPLETE).exists() and (folder / "bin" / "python").exists()


def _install(folder: Path, requirements: Iterable[Path]) -> None:
    """With uv, ten times as fast as pip: the one on PATH, else the pinned one, which pip installs first."""
    files = [part for file in requirements for part in ("-r", str(file))]
    python = str(folder / "bin" / "python")
    hashed = ["install", "--quiet", "--require-hashes"]
    pip = [python, "-m", "pip", *hashed, "--disable-pip-version-check"]
    uv = shutil.which("uv")
    if uv:
        _run([uv, "venv", "--quiet", "--no-project", "--python", sys.executable, str(folder)])
    else:
        if importlib.util.find_spec("ensurepip"):
            _run([sys.executable, "-m", "venv", str(folder)])
        elif importlib.util.find_spec("virtualenv"):
            _run([sys.executable, "-m", "virtualenv", "--quiet", str(folder)])
        else:
            raise VenvError(
                f"{sys.executable} cannot make virtual environments. On Debian and Ubuntu: "
                "apt-get install python3-venv; anywhere: install uv (https://docs.astral.sh/uv/)"
            )
        if _uv_alone(pip):
            uv = str(folder / "bin" / "uv")
    if uv:
        _run([uv, "pip", *hashed, "--compile-bytecode", "--python", python, *files])
    else:
        _run([*pip, *files])


def _uv_alone(pip: list[str]) -> bool:
    """Install the pinned uv. False where it has no wheel for this machine: pip can do it all."""
    text = (CLONE / REQUIREMENTS[-1]).read_text()
    pin = re.search(r"^uv==(?:.*\\\n)*.*", text, re.MULTILINE)
    if pin is None:
        return False
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as alone:
        alone.write(pin[0])
        alone.flush()
        command = [*pip, "--only-binary", ":all:", "-r", alone.name]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0


def _run(command: list[str]) -> None:
    # A config of the user could point at another index; the hashes decide what is installed all the same.
    # A group of its own: a Ctrl-C is answered here, once, and not by a traceback of each.
    if subprocess.run(command, check=False, process_group=0).returncode:
        raise VenvError(f"failed: {' '.join(command)}")


def _link(link: Path, target: Path) -> None:
    if link.is_symlink() and link.resolve() == target.resolve():
        return
    if link.exists() and not link.is_symlink():
        raise VenvError(
            f"{link} is not a link made here (`pulumi install` makes such a folder); move it away"
        )
    draft = link.with_name(f".venv.{os.getpid()}")
    draft.symlink_to(target)
    draft.replace(link)


if __name__ == "__main__":
    if sys.version_info < (3, 11):  # noqa: UP036  whatever `python3` is, this is the first file it runs
        sys.exit("error: Python 3.11 or newer is needed, for example: make PYTHON=python3.12 install")
    try:
        if sys.argv[1:2] == ["--own"]:
            own(Path(sys.argv[2]))
        else:
            ensure()
    except VenvError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted")
