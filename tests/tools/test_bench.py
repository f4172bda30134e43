"""What `make bench` makes of its measurements: ratios, comparison with the last figures, the document."""

from datetime import date
from functools import partial

import pytest

from tests.bench import homes, measure, report
from tests.bench.measure import Others, Spread
from tests.bench.report import Figure

SLOWER = Figure("no-change preview over an empty program", Spread(1.24, 1.2, 1.3), aim=1.15)
FIGURES = (SLOWER, Figure("memory of the engine", Spread(134.4, 130.0, 140.0), "MiB", aim=150))


def document(*before: tuple[str, float]) -> str:
    return report.document(FIGURES, dict(before), ["a note"], date(2026, 11, 30), 2)


def test_a_ratio_is_taken_round_by_round_so_that_a_slow_round_does_not_count() -> None:
    assert measure.ratio([2.0, 20.0, 2.0], [1.0, 10.0, 1.0]) == Spread(2.0, 2.0, 2.0)


def test_the_first_round_warms_up_and_jobs_alternate() -> None:
    ran: list[str] = []
    costs = measure.interleaved({name: partial(ran.append, name) for name in "ab"}, 2)
    assert ran == ["a", "b"] * 3
    assert [len(costs[name]) for name in "ab"] == [2, 2]


@pytest.mark.parametrize(("share", "busy"), [(0.05, False), (0.3, True), (None, False)])
def test_a_machine_is_busy_when_others_take_a_tenth_of_it(share: float | None, busy: bool) -> None:
    assert Others(share).busy is busy


def test_processor_time_of_others_does_not_count_our_own() -> None:
    with measure.watched() as others:
        sum(range(3_000_000))
    assert others.share is not None
    assert 0 <= others.share <= 1


def test_the_document_is_read_back_as_it_was_written() -> None:
    assert report.committed(document()) == {SLOWER.name: 1.24, "memory of the engine": 134}


def test_no_document_means_no_figures() -> None:
    assert report.committed("") == {}


@pytest.mark.parametrize(
    ("before", "words"),
    [(None, "new"), (1.19, "1.19, worse"), (1.25, "1.25, the same"), (1.31, "1.31, better")],
)
def test_a_difference_counts_when_it_is_outside_the_quartiles(before: float | None, words: str) -> None:
    assert report.verdict(SLOWER, before) == words


def test_the_document_says_when_where_and_what_was_missed() -> None:
    text = document((SLOWER.name, 1.1))
    assert "on 2026-11-30: 2 processor cores" in text
    assert f"| {SLOWER.name} | 1.24 × | 1.20 × to 1.30 × | 1.15, missed | 1.10, worse |" in text
    assert "| memory of the engine | 134 MiB | 130 MiB to 140 MiB | 150 | new |" in text


def test_inputs_of_a_state_lose_the_wrapping_of_secrets() -> None:
    wrapped = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "plaintext": '"s"'}
    assert homes.plain({"value": wrapped, "targets": [wrapped, 1]}) == {"value": "s", "targets": ["s", 1]}


def test_what_people_wrote_stays_and_is_no_figure_to_compare_with() -> None:
    written = "\n## Rollouts\n\n| a release serves | 22 s |\n"
    text = document() + written
    assert report.by_hand(text) == written
    assert document() + report.by_hand(text) == text
    assert report.committed(text) == report.committed(document())
    assert report.by_hand(document()) == ""
