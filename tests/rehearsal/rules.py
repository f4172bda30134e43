"""What the tests of the stand-ins share: every rule has a test, every test a rule, and how a refusal looks.

A test that breaks a rule is named `test_<rule>__what_is_seen`; tests without `__` are about something else.
"""

from collections.abc import Iterable, Mapping

from rehearsal.standin.kinds import ServiceError


def without_a_test(rules: Mapping[str, str], names: Iterable[str]) -> set[str]:
    """Rules that no test of these names breaks."""
    return set(rules) - _tested(names)


def without_a_rule(rules: Mapping[str, str], names: Iterable[str]) -> set[str]:
    """Rules that tests name, but the stand-in does not list."""
    return _tested(names) - set(rules)


def _tested(names: Iterable[str]) -> set[str]:
    tests = (name.removeprefix("test_") for name in names if name.startswith("test_") and "__" in name)
    return {test.partition("__")[0] for test in tests}


class refused:  # noqa: N801  reads as a verb: `with refused(409, "conflict")`
    """The service must refuse with this status and this in its message."""

    def __init__(self, status: int, text: str = "") -> None:
        self.status, self.text = status, text

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        assert isinstance(error, ServiceError), f"not refused, {error!r} instead"
        assert (error.status, self.text in str(error)) == (self.status, True), str(error)
        return True
