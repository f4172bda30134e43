"""The recording engine itself: a test that uses it cannot pass on what never ran."""

import pulumi
import pulumi_github as github
import pytest

from tests.components.recording import record


def test_a_failure_inside_an_output_reaches_the_test() -> None:
    def program() -> None:
        def fail(_: str) -> str:
            raise AssertionError("seen")

        variable = github.ActionsVariable("x", repository="r", variable_name="K", value="v")
        pulumi.export("x", variable.variable_name.apply(fail))

    with pytest.raises(Exception, match="seen"):
        record(program)


def test_what_is_registered_late_is_recorded_too() -> None:
    def program() -> None:
        first = github.ActionsVariable("first", repository="r", variable_name="K", value="v")
        github.ActionsVariable("second", repository="r", variable_name="L", value=first.id)

    recorded = record(program)
    assert recorded.named("second").inputs["value"] == "first-id"
    assert recorded.named("second").depends_on == {"first"}


def test_a_secret_input_is_told_from_a_plain_one() -> None:
    def program() -> None:
        github.ActionsVariable("plain", repository="r", variable_name="K", value="v")
        github.ActionsVariable("hidden", repository="r", variable_name="K", value=pulumi.Output.secret("v"))

    recorded = record(program)
    assert recorded.named("plain").secrets == frozenset()
    assert recorded.named("hidden").secrets == {"value"}
    assert recorded.named("hidden").inputs["value"] == "v"


def test_a_call_to_a_provider_is_refused() -> None:
    with pytest.raises(Exception, match="the program called github:index/getUser"):
        record(lambda: pulumi.export("id", github.get_user_output("x").id))
