"""`python -m rehearsal.docker_engine stop FOLDER ...`: end engines, with all that they run."""

import sys
from pathlib import Path

from rehearsal.docker_engine import DockerUnavailableError, stop

if __name__ == "__main__":
    verb, *folders = sys.argv[1:] or [""]
    if verb != "stop" or not folders:
        sys.exit(f"usage: {(__doc__ or '').splitlines()[0]}")
    try:
        for folder in folders:
            stop(Path(folder))
    except DockerUnavailableError as error:
        sys.exit(f"error: {error}")
