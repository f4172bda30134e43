"""Whether every rule of a stand-in has a test that breaks it, and every such test a rule.

A test that breaks a rule is named `test_<rule>__what_is_seen`; tests without `__` are about something else.
"""

from collections.abc import Iterable, Mapping


def without_a_test(rules: Mapping[str, str], names: Iterable[str]) -> set[str]:
    """Rules that no test of these names breaks."""
    return set(rules) - _tested(names)


def without_a_rule(rules: Mapping[str, str], names: Iterable[str]) -> set[str]:
    """Rules that tests name, but the stand-in does not list."""
    return _tested(names) - set(rules)


def _tested(names: Iterable[str]) -> set[str]:
    tests = (name.removeprefix("test_") for name in names if name.startswith("test_") and "__" in name)
    return {test.partition("__")[0] for test in tests}
