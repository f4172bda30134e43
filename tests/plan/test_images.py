"""Names of images: what a Docker engine would refuse is seen before, with the form that it takes."""

import pytest

from plan.images import Fault, familiar, fault_of_name, fault_of_reference

HEX = "0123456789abcdef" * 4
DIGEST = f"sha256:{HEX}"

# The table is the grammar's own (distribution/reference, reference_test.go and normalize_test.go).
NAMES = [
    "socket", "team/socket", "a/b/c/d", "x/a.b_c__d-e---f/g", "ghcr.io/paintshare/socket",
    "GHCR.io/paintshare/socket", "registry.example:5000/socket", "localhost/socket", "localhost:5000/a/b",
    "[2001:db8::1]:5000/socket", "127.0.0.1:5000/socket", "a" * 237, "ghcr.io/" + "a" * 247,
]  # fmt: skip
MALFORMED = [
    "", "/socket", "socket/", "a//b", "a..b", "a___b", "-a", "a-", ".a/b", "a/_b", "ghcr.io/", "a b", "a\tb",
    "ghcr..io/a", "-ghcr.io/a", "ghcr.io:port/a", "ghcr.io:/a", "a/b?c", "ä/b", "a/https://b", "$IMAGE",
    "ghcr.io:0/a", "ghcr.io:65536/a", "a" * 238, "ghcr.io/" + "a" * 248, HEX, "a/b\n",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_every_name_of_the_grammar_is_taken_alone_and_with_a_tag_or_digest(name: str) -> None:
    assert fault_of_name(name) is None
    for end in (":v1", ":V_1.2-x", f":{'t' * 128}", f"@{DIGEST}", f":v1@{DIGEST}"):
        assert fault_of_reference(name + end) is None
        assert fault_of_name(name + end) == Fault(text="a tag or digest, which the release states", form=name)


def test_the_id_of_an_image_is_no_reference() -> None:
    assert fault_of_reference(DIGEST)


@pytest.mark.parametrize("name", MALFORMED)
def test_what_breaks_the_grammar_is_refused(name: str) -> None:
    assert fault_of_name(name)
    if name != HEX:  # with a tag it is no id
        assert fault_of_reference(f"{name}:v1")
        assert fault_of_reference(f"{name}@{DIGEST}")


@pytest.mark.parametrize(
    ("text", "words", "form"),
    [
        ("ghcr.io/PaintShare/socket", "capitals in its path", "ghcr.io/paintshare/socket"),
        ("GHCR.io/PaintShare/socket", "capitals in its path", "GHCR.io/paintshare/socket"),
        ("PaintShare/socket", "capitals in its path", "paintshare/socket"),
        ("https://ghcr.io/paintshare/socket", "a scheme", "ghcr.io/paintshare/socket"),
        ("docker://ghcr.io/PaintShare/socket:v1", "a scheme", "ghcr.io/paintshare/socket"),
        ("ghcr.io/PaintShare/socket:v1", "capitals in its path", "ghcr.io/paintshare/socket"),
        ("localhost:5000/socket:latest", "a tag or digest", "localhost:5000/socket"),
        (f"ghcr.io/a/socket@{DIGEST}", "a tag or digest", "ghcr.io/a/socket"),
        ("ghcr.io/a/socket:", "a tag or digest", "ghcr.io/a/socket"),
        ("ghcr.io/a/socket@sha256:12", "a tag or digest", "ghcr.io/a/socket"),
        ("", "no name", "HOST/PATH"),
        (":v1", "no name", "HOST/PATH"),
        ("ghcr.io/a b", "a malformed name", "HOST/PATH"),
    ],
)
def test_a_name_that_is_refused_comes_with_the_form_that_is_taken(text: str, words: str, form: str) -> None:
    fault = fault_of_name(text)
    assert fault
    assert (words in fault.text, fault.form) == (True, form)
    assert form == "HOST/PATH" or fault_of_name(form) is None


@pytest.mark.parametrize(
    ("text", "words", "form"),
    [
        ("ghcr.io/PaintShare/caddy:v1", "capitals in its path", "ghcr.io/paintshare/caddy:v1"),
        ("oci://caddy:2.10.2", "a scheme", "caddy:2.10.2"),
        ("caddy", "neither tag nor digest", "caddy:TAG"),
        ("localhost:5000/caddy", "neither tag nor digest", "localhost:5000/caddy:TAG"),
        ("caddy:", "a malformed tag", "caddy:TAG"),
        ("caddy:-2", "a malformed tag", "caddy:TAG"),
        ("caddy:2:10", "a malformed tag", "caddy:TAG"),
        (f"caddy:{'t' * 129}", "a malformed tag", "caddy:TAG"),
        ("caddy:2@sha256:12", "a digest that is not", "caddy:2@sha256:DIGEST"),
        (f"caddy@{HEX}", "a digest that is not", "caddy@sha256:DIGEST"),
        (f"caddy@{DIGEST.upper()}", "a digest that is not", "caddy@sha256:DIGEST"),
        ("caddy:2@", "a digest that is not", "caddy:2@sha256:DIGEST"),
        ("", "no name", "NAME:TAG"),
    ],
)
def test_a_reference_that_is_refused_comes_with_the_form_that_is_taken(
    text: str, words: str, form: str
) -> None:
    fault = fault_of_reference(text)
    assert fault
    assert (words in fault.text, fault.form) == (True, form)
    assert "DIGEST" in form or "NAME" in form or fault_of_reference(form) is None


@pytest.mark.parametrize(
    ("name", "listed"),
    [
        ("docker.io/library/caddy", "caddy"), ("docker.io/paintshare/socket", "paintshare/socket"),
        ("index.docker.io/paintshare/socket", "paintshare/socket"), ("docker.io/library/a/b", "library/a/b"),
        ("ghcr.io/library/caddy", "ghcr.io/library/caddy"), ("caddy", "caddy"),
    ],
)  # fmt: skip
def test_docker_hubs_names_are_known_as_an_engine_lists_them(name: str, listed: str) -> None:
    assert familiar(name) == listed
