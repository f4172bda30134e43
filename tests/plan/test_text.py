"""Text that came with its wrapping: line ends are cut, all else is named and never repeated."""

import pytest

from plan.text import LINES, Text, read

VALUE = "sb_secret_c4n4ry"
CAME: dict[str, tuple[str, str]] = {
    "a space before it": (" {}", "spaces around it"),
    "a space behind it": ("{} ", "spaces around it"),
    "a tab behind it": ("{}\t", "an invisible character (U+0009)"),
    "a space before its line end": ("{} \r\n", "spaces around it"),
    "double quotes": ('"{}"', "quotes around it"),
    "single quotes": ("'{}'", "quotes around it"),
    "a word processor's quotes": ("“{}”", "quotes around it"),
    "quotes of other languages": ("„{}“", "quotes around it"),
    "quotes of other languages again": ("‚{}‘", "quotes around it"),
    "quotes that point inwards": ("»{}«", "quotes around it"),
    "single ones that point": ("‹{}›", "quotes around it"),
    "one quote for both ends": ("”{}”", "quotes around it"),
    "a line of cmd": ("set KEY={}", "its own name before it"),
    "a line of PowerShell": ("$env:KEY = '{}'", "its own name before it"),
    "a line of fish or of bash": ('declare -x KEY="{}"', "its own name before it"),
    "a line of a Dockerfile": ("ENV KEY={}", "its own name before it"),
    "an option of docker": ("-e KEY={}", "its own name before it"),
    "an item of compose": ("- KEY={}", "its own name before it"),
    "a line of JSON": ('"KEY": "{}",', "its own name before it and spaces around it and quotes around it"),
    "a line end as JSON writes it": (r"{}\n", "a line end in letters behind it"),
    "the same of Windows": (r'"{}\r\n"', "quotes around it and a line end in letters behind it"),
    "brackets of a chat": ("<{}>", "quotes around it"),
    "quotes and a comma": ('"{}",\n', "quotes around it"),
    "quotes and a comment": ('"{}" # of staging', "quotes around it and a comment behind it"),
    "a comment": ("{} # of staging", "a comment behind it"),
    "a line of .env": ("export KEY='{}' #x\r\n", "its own name before it and quotes around it and a comment"),
    "its name": ("KEY={}", "its own name before it"),
    "its name in YAML": ("KEY: {}", "its own name before it"),
    "a byte-order mark": ("\ufeff{}", "an invisible character (U+FEFF)"),
    "a zero-width space": ("{}\u200b", "an invisible character (U+200B)"),
    "a zero-width joiner inside": ("a\u200d{}", "an invisible character (U+200D)"),
    "a no-break space": ("\u00a0{}", "an invisible character (U+00A0)"),
    "a narrow no-break space": ("{}\u202f", "an invisible character (U+202F)"),
    "Hangul's filler": ("\u3164{}", "an invisible character (U+3164)"),
    "a line separator": ("{}\u2028", "an invisible character (U+2028)"),
    "a half of UTF-16": ("{}\x00", "an invisible character (U+0000)"),
    "a byte that was no text": ("{}\udcff", "an invisible character (U+DCFF)"),
    "all of it": (
        '\ufeff "{}\u200b" \n\n',
        "U+200B) and an invisible character (U+FEFF) and spaces around it",
    ),
}


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\r", "\n\n", "\r\r\n"])
def test_line_ends_around_a_value_are_cut_because_that_is_certain(end: str) -> None:
    assert read("KEY", VALUE + end) == read("KEY", end + VALUE) == Text(bare=VALUE, fault="")


@pytest.mark.parametrize("came", CAME)
def test_whatever_else_came_along_is_named_without_the_value_and_the_value_is_known_bare(came: str) -> None:
    form, words = CAME[came]
    found = read("KEY", form.format(VALUE))
    assert words in found.fault
    assert VALUE not in found.fault
    assert found.bare.removeprefix("a") == VALUE


@pytest.mark.parametrize("blank", [" ", " \n", '""', "'' # none", "\ufeff", "KEY=", "\u200b\r\n", "\t"])
def test_a_blank_value_is_no_value(blank: str) -> None:
    assert read("KEY", blank) == Text(bare="", fault="is blank")


@pytest.mark.parametrize("text", ["", "\n", "\r\n\n"])
def test_an_empty_value_is_none_at_all(text: str) -> None:
    assert read("KEY", text) == Text(bare="", fault="")


def test_more_than_one_line_is_refused_where_none_belongs() -> None:
    assert read("KEY", "one\ntwo").fault == read("KEY", "one\rtwo").fault == "came with more than one line"


@pytest.mark.parametrize(
    "value",
    [
        'a"b', "it's", '"open', 'close"', '"a" b', "a b c", "비밀 번호", "a#b", "#channel", "x=y=", "KEYS=1",
        "https://a.example/x?KEY=1#part", "^https://a$", "a,", "<a", "a>", "MY_KEY=1",
        "set of KEY=1", "-KEY=1", "a\\nb", "$env:KEY",
    ],
)  # fmt: skip
def test_what_is_inside_a_value_stays(value: str) -> None:
    assert read("KEY", value) == Text(bare=value, fault="")


PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize("name", sorted(LINES))
def test_a_key_of_several_lines_keeps_them(name: str) -> None:
    twice = f"# first\n{PEM}\n# second\tone\n{PEM}"
    assert read(name, twice) == Text(bare=twice, fault="")
    assert read(name, PEM.replace("\n", "\r\n")) == Text(bare=PEM, fault="")
    assert read(name, "") == Text(bare="", fault="")
    assert read(name, f"\ufeff{PEM}") == Text(bare=PEM, fault="came with an invisible character (U+FEFF)")
    assert read(name, f'"{PEM}"\n') == Text(bare=PEM, fault="came with quotes around it")
    assert read(name, " \n").fault == "is blank"
