"""The rehearsal as the operations find it, by the name of an entry point."""

from operations.services.practice import Practice, practice
from rehearsal.practice import Rehearsal


def test_the_entry_point_names_the_rehearsal_and_it_keeps_the_protocol() -> None:
    kept: Practice = Rehearsal()  # mypy judges it
    assert type(practice()) is type(kept)
