"""The health watch: one failure is forgiven, the same one again and again is not, and a page never is."""

from collections.abc import Callable, Iterable, Iterator
from types import SimpleNamespace

import pytest

from operations.parts import Finding
from operations.stack.workspace import OperationError
from operations.verbs import watch as watching
from operations.verbs.watch import ROUND, Verdict, watch


def finding(what: str, ok: bool | None = True) -> Finding:
    return Finding(what=what, ok=ok, text="said")


def watched(rounds: list[list[Finding]], pages: Callable[[], Iterable[str]] = tuple) -> Verdict:
    """A watch that lasts as long as there are rounds; the last one repeats."""
    left = iter(rounds)

    def probe() -> Iterator[Finding]:
        yield from next(left, rounds[-1])

    return watch(probe, pages, 60 if len(rounds) > 1 else 0, lambda _: None, pause=0)


def test_a_healthy_release_is_watched_to_the_end() -> None:
    assert watched([[finding("/"), finding("socket", None)]]) == Verdict(trouble=None, rounds=1, unheard=0)


def test_the_same_probe_failing_three_times_in_a_row_ends_the_watch() -> None:
    bad = [finding("/", False), finding("/feed")]
    assert watched([bad, bad, bad, [finding("/")]]) == Verdict(
        trouble="/: failed 3 times in a row", rounds=3, unheard=0
    )


def test_failures_of_different_probes_or_with_a_success_between_do_not_add_up() -> None:
    one, other, fine = [finding("/", False)], [finding("/feed", False)], [finding("/")]
    assert watched([one, one, fine, one, other, one, other, other, other]).rounds == 9


def test_an_open_page_of_the_monitor_ends_the_watch_at_once() -> None:
    verdict = watched([[finding("/")], [finding("/")]], lambda: ["P1 SocketDown since 12:00"])
    assert (verdict.trouble, verdict.rounds) == ("P1 SocketDown since 12:00", 1)


def test_a_silent_monitor_is_counted_and_the_probes_decide() -> None:
    def silent() -> Iterable[str]:
        raise OperationError("the monitor does not answer")

    assert watched([[finding("/")]], silent) == Verdict(trouble=None, rounds=1, unheard=1)


def test_a_page_that_is_not_heard_to_the_end_is_not_judged_and_not_rolled_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A challenge of Vercel's firewall, or its login: nobody knows whether the release is well."""

    def watched_for(rounds: list[list[Finding]]) -> Verdict:
        clock, left = [0.0], iter(rounds)
        sleep = lambda seconds: clock.append(clock[-1] + seconds)  # noqa: E731  of the clock below
        monkeypatch.setattr(watching, "time", SimpleNamespace(monotonic=lambda: clock[-1], sleep=sleep))
        return watch(lambda: next(left), tuple, (len(rounds) - 1) * ROUND / 60, lambda _: None)

    fine, unheard = [finding("/"), finding("socket", None)], [finding("/", None)]
    assert watched([unheard]) == Verdict(trouble=None, rounds=1, unheard=0, unjudged=("/",))
    assert watched_for([fine, unheard, unheard, fine]).unjudged == ()
    assert watched_for([fine, unheard, unheard, unheard]).unjudged == ("/",)


def test_a_round_that_is_not_heard_adds_to_no_failure_and_takes_none_back() -> None:
    bad, unheard = [finding("/", False)], [finding("/", None)]
    verdict = watched([bad, unheard, bad, unheard, bad])
    assert (verdict.trouble, verdict.rounds) == ("/: failed 3 times in a row", 5)
