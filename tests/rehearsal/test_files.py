"""Files that several write at once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rehearsal import files


def test_a_file_that_many_write_at_once_is_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "script"
    texts = [f"{letter}\n" * 1000 for letter in "ab"]

    def write(turn: int) -> str:
        files.write(path, texts[turn % 2], 0o755)
        return path.read_text()

    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(write, range(400)))
    assert set(read) == set(texts)
    assert path.stat().st_mode & 0o777 == 0o755
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_says_the_same_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    files.write(path, "same")
    before = path.stat()
    files.write(path, "same")
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
