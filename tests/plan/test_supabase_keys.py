"""What a Supabase key says of itself: kind, generation and project, and nothing for any other text."""

import base64
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from plan.supabase_keys import SupabaseKey, read_key
from rehearsal.stack_files import supabase_jwt


def jwt(payload: str) -> str:
    return f"head.{base64.urlsafe_b64encode(payload.encode()).decode().rstrip('=')}.sign"


def test_a_new_key_tells_its_kind_and_hides_its_project() -> None:
    assert read_key("sb_secret_x") == SupabaseKey(secret=True, legacy=False, ref=None)
    assert read_key("sb_publishable_x") == SupabaseKey(secret=False, legacy=False, ref=None)


@pytest.mark.parametrize(
    ("role", "secret"), [("anon", False), ("service_role", True), ("authenticated", True)]
)
def test_a_legacy_key_tells_its_role_and_project_and_counts_as_secret_unless_anon(
    role: str, secret: bool
) -> None:
    assert read_key(supabase_jwt(role, "abc")) == SupabaseKey(secret=secret, legacy=True, ref="abc")


@pytest.mark.parametrize("around", [" {}", "{}\n", '"{}"', "'{}'"])
def test_a_key_pasted_with_quotes_or_spaces_is_still_recognised(around: str) -> None:
    for key in ("sb_secret_x", supabase_jwt("service_role", "abc")):
        assert read_key(around.format(key)) == read_key(key)


@pytest.mark.parametrize("padding", range(4))
def test_a_payload_of_any_length_is_read(padding: int) -> None:
    assert read_key(supabase_jwt("anon", "x" * padding)) == SupabaseKey(
        secret=False, legacy=True, ref="x" * padding
    )


def test_a_jwt_without_project_has_none() -> None:
    assert read_key(jwt('{"role": "anon"}')) == SupabaseKey(secret=False, legacy=True, ref=None)


@pytest.mark.parametrize(
    "payload", ['{"sub": "x"}', "[1]", '"role"', "not json", "", "7" * 5000, "[" * 100_000]
)
def test_another_token_is_no_supabase_key(payload: str) -> None:
    assert read_key(jwt(payload)) is None


@given(st.text())
@example("a.é.b")
@example("..")
def test_arbitrary_text_never_raises(value: str) -> None:
    read_key(value)
    read_key(f"a.{value}.b")


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["role", "ref", "x"]), inner),
)


@given(JSON)
def test_an_arbitrary_payload_never_raises(payload: object) -> None:
    found = read_key(jwt(json.dumps(payload)))
    assert found is None or isinstance(found, SupabaseKey)
