"""Paths in the engine's syntax are written and read back, whatever a name holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plan import paths

NAMES = st.text(st.sampled_from('ab-_ .[]"0\u00e9'), max_size=6)
PARTS = st.lists(NAMES | st.integers(0, 99), max_size=5)


# As the real engine 3.259 printed them in `detailedDiff`, and took them from `config set --path`.
@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("conditions.refName.includes[0]", ("conditions", "refName", "includes", 0)),
        ('env["A.B"]', ("env", "A.B")),
        ('adopt["www.share-paint.app"]', ("adopt", "www.share-paint.app")),
        ('adopt["a\\"b"].c', ("adopt", 'a"b', "c")),
        ("labels[10].value", ("labels", 10, "value")),
        ("web-project", ("web-project",)),
    ],
)
def test_the_engines_paths_are_read_and_written_as_it_does(path: str, parts: tuple[str | int, ...]) -> None:
    assert paths.split(path) == parts
    assert paths.join("", *parts) == path


@given(PARTS)
def test_what_is_joined_is_split_again(parts: list[str | int]) -> None:
    assert paths.split(paths.join("top", *parts)) == ("top", *parts)


@pytest.mark.parametrize("text", ["a[", "a[x]", 'a["b]', "a..b", ".a", "a.", "[0]b", 'a["b"]c'])
def test_what_is_no_path_is_none(text: str) -> None:
    assert paths.split(text) is None
