"""Writing of files that others read or write at the same time."""

import tempfile
from pathlib import Path


def write(path: Path, text: str, mode: int = 0o600) -> None:
    """Replace a file in one step, unless it says the same already. Raises OSError.

    The draft's name is nobody else's: threads share a process id, and so do containers that share a cache.
    """
    if path.exists() and path.read_text() == text:
        return
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        file.write(text)
    draft = Path(file.name)
    draft.chmod(mode)
    draft.replace(path)
