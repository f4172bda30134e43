"""Programs out of Debian's packages, unpacked into the user's cache instead of installed.

Nothing of the system changes: no service is set up, no user or group made, and what the system has installed
is used where it is. apt fetches and verifies, so its configured mirrors and keys hold.
"""

import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from rehearsal.cache import Progress, cache, locked
from rehearsal.docker_engine.errors import DockerUnavailableError

_SYSTEM_FOLDERS: Final = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_FOLDERS: Final = ("usr/bin", "usr/sbin", "bin", "sbin")  # of a package; busybox's is /bin


def installed(program: str) -> Path | None:
    """The program on PATH or in the system's folders (PATH of a user often lacks `sbin`)."""
    found = shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", ""), *_SYSTEM_FOLDERS]))
    return Path(found) if found else None


def program(name: str, package: str, progress: Progress) -> Path:
    """The program as installed, else out of the unpacked Debian package. Raises DockerUnavailableError."""
    found = installed(name)
    if found is None:
        root = unpacked(package, progress)
        found = next((root / part / name for part in _FOLDERS if (root / part / name).exists()), None)
    if found is None:
        raise DockerUnavailableError(f"the package {package} holds no program {name}")
    return found


def environment(root: Path | None = None) -> dict[str, str]:
    """For programs to find each other and their libraries: in an unpacked package, then in the system.

    Nothing else of the caller's environment: a service has no use for the secrets in it.
    """
    path = [os.environ.get("PATH", ""), *_SYSTEM_FOLDERS]
    if root is None:
        return {"PATH": os.pathsep.join(path)}
    libraries = root / "usr" / "lib" / triplet()
    return {
        "PATH": os.pathsep.join([str(root / "usr" / "sbin"), str(root / "usr" / "bin"), *path]),
        "LD_LIBRARY_PATH": str(libraries),
        "XTABLES_LIBDIR": str(libraries / "xtables"),
    }


def unpacked(package: str, progress: Progress) -> Path:
    """The root of a package and of those it needs that are not installed: a download at the first call.

    Raises DockerUnavailableError where there is no apt, no permission to use it, or no such package.
    """
    if installed("apt-get") is None:
        raise DockerUnavailableError(
            f"{package} comes from Debian or Ubuntu packages, and there is no apt-get here"
        )
    if os.geteuid() != 0:
        raise DockerUnavailableError(
            f"only root can fetch the package {package}; or install it: apt-get install {package}"
        )
    store = cache("packages")
    root = store / f"{package}-{_release()}"
    with locked(store / "lock", progress, "another command is fetching packages; waiting for it"):
        if not root.exists():
            _fetch(package, root, progress)
    return root


def _fetch(package: str, root: Path, progress: Progress) -> None:
    log = root.parent / f"{package}.log"
    progress(f"fetching the package {package} (log: {log})")
    log.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=root.parent) as draft:
        archives, tree = Path(draft) / "archives", Path(draft) / "root"
        (archives / "partial").mkdir(parents=True)
        tree.mkdir()
        download = [
            "apt-get", "install", "--yes", "--download-only", "--no-install-recommends", "--no-upgrade",
            "-o", f"Dir::Cache::archives={archives}", "-o", "APT::Sandbox::User=root",
            "-o", "DPkg::Lock::Timeout=120", package,
        ]  # fmt: skip
        # Lists as old as the machine name versions that the mirror no longer has.
        if not _run(download, log) and not (_run(["apt-get", "update"], log) and _run(download, log)):
            last = log.read_text(errors="replace").strip().splitlines()[-1:]
            raise DockerUnavailableError(f"apt-get cannot fetch {package}: {' '.join(last)} (log: {log})")
        for archive in sorted(archives.glob("*.deb")):
            subprocess.run(["dpkg-deb", "--extract", archive, tree], check=True, capture_output=True)
        _link_iptables(tree)
        tree.rename(root)


def _link_iptables(tree: Path) -> None:
    """The names that the package's installation would make."""
    for name in ("iptables", "ip6tables"):
        if (tree / "usr/sbin/xtables-nft-multi").exists():
            (tree / "usr/sbin" / name).symlink_to("xtables-nft-multi")


def _run(command: list[str], log: Path) -> bool:
    with log.open("ab") as output:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
    return done.returncode == 0


def _release() -> str:
    """Such as `debian12-x86_64`: packages of one release do not run on another."""
    try:
        system = platform.freedesktop_os_release()
    except OSError:
        system = {}
    return f"{system.get('ID', 'linux')}{system.get('VERSION_ID', '')}-{platform.machine()}"


def triplet() -> str:
    """The folder of libraries in Debian's packages, such as `x86_64-linux-gnu` (Debian: multiarch)."""
    return f"{platform.machine()}-linux-gnu"
