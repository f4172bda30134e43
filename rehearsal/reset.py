"""The end of a rehearsal: its Docker hosts, its channels and its folder go."""

import shutil
from pathlib import Path

from rehearsal import docker_hosts, outside
from rehearsal.home import FOLDER, MARK, HomeError


def remove(folder: Path = FOLDER) -> bool:
    """Remove the home with everything in it. False when there is none. Raises HomeError if it is not ours."""
    if not folder.exists():
        return False
    if folder.is_symlink() or not (folder / MARK).is_file():
        raise HomeError(f"{folder} was not made by the rehearsal; look into it and remove it by hand")
    outside.stop(folder)
    docker_hosts.stop(folder)
    shutil.rmtree(folder)
    return True
