"""Fetches the official release of the engine, where the network lets it through.

One quick attempt: on a closed network the engine is built instead. The archive is checked against the
SHA-256 sums published with the release on the other host, so neither host alone can replace it.
"""

import hashlib
import platform
import shutil
import subprocess
import tempfile
import urllib.request
from pathlib import Path
from typing import IO, Final

from rehearsal.cache import Progress

# Source: https://get.pulumi.com (the install script) and the assets of the release on GitHub.
ARCHIVES: Final = "https://get.pulumi.com/releases/sdk"
SUMS: Final = "https://github.com/pulumi/pulumi/releases/download"
_TIMEOUT: Final = 5  # seconds without an answer
_MACHINES: Final = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}


def fetch(
    version: str, folder: Path, progress: Progress, *, archives: str = ARCHIVES, sums: str = SUMS
) -> bool:
    """Put the release's programs into `folder`/bin. False, with one line said, when it cannot be had."""
    machine = _MACHINES.get(platform.machine().lower())
    if machine is None:
        return False
    name = f"pulumi-v{version}-{platform.system().lower()}-{machine}.tar.gz"
    progress(f"looking for the official release of Pulumi {version}")
    try:
        with _open(f"{sums}/v{version}/pulumi-{version}-checksums.txt") as answer:
            lines = answer.read().decode().splitlines()
        wanted = {line.split()[1]: line.split()[0] for line in lines if len(line.split()) == 2}.get(name)
        if wanted is None:
            progress(f"  the release has no {name}")
            return False
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".release-", dir=folder.parent) as draft:
            archive = Path(draft) / name
            with _open(f"{archives}/{name}") as answer, archive.open("wb") as file:
                shutil.copyfileobj(answer, file)
            with archive.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != wanted:
                    progress(f"  {name} does not have the published SHA-256 sum: not used")
                    return False
            subprocess.run(["tar", "-xzf", archive, "-C", draft], capture_output=True, check=True)
            programs = Path(draft) / "pulumi"
            subprocess.run([programs / "pulumi", "version"], capture_output=True, check=True, timeout=60)
            folder.mkdir()
            programs.rename(folder / "bin")
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        progress(f"  it cannot be had here ({type(error).__name__})")
        return False
    return True


def _open(url: str) -> IO[bytes]:
    answer: IO[bytes] = urllib.request.urlopen(url, timeout=_TIMEOUT)  # noqa: S310  the addresses above, or a test's
    return answer
