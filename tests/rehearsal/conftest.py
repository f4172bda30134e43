"""What several tests of the stand-ins start from."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rehearsal.seeded import Seeded


@pytest.fixture
def seeded(tmp_path: Path) -> Iterator[Seeded]:
    seeded = Seeded(tmp_path / "account.db")
    yield seeded
    for account in seeded.accounts.values():
        account.close()
