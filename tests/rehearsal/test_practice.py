"""The rehearsal as the operations find it, by the name of an entry point."""

import pytest

from operations.services import practice as entry
from operations.services.practice import Practice, practice
from operations.stack.workspace import OperationError
from rehearsal.practice import Rehearsal


def test_the_entry_point_names_the_rehearsal_and_it_keeps_the_protocol() -> None:
    kept: Practice = Rehearsal()  # mypy judges it
    assert type(practice()) is type(kept)


def test_operations_without_a_rehearsal_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry, "ENTRY_POINT", "no_such_room.practice:Rehearsal")
    with pytest.raises(OperationError, match=r"^there is no no_such_room/ beside these operations"):
        practice()
