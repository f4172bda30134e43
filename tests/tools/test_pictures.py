"""The terminal pictures: what a terminal shows, and nothing that a reader's browser would fetch."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tools import pictures, recording

DOCS = Path(__file__).resolve().parents[2] / "docs"


def texts(svg: str) -> list[str]:
    """The lines of a picture."""
    found = ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")  # noqa: S314  our own file
    return ["".join(element.itertext()).replace("\xa0", " ") for element in found]


def test_colours_stay_and_a_spinner_leaves_nothing() -> None:
    said = "\x1b[32mGo\x1b[0m   ready\n\x1b[?25l\x1b[32m⠋\x1b[0m previewing…\r\x1b[2K\x1b[1A\x1b[2Kdone\n"
    still = pictures.still(said)
    assert still == "\x1b[32mGo\x1b[0m   ready\ndone\n"
    lines = texts(pictures.draw("python -m operations status", still, "status"))
    assert "$ python -m operations status" in lines[0]
    assert "Go" in lines
    assert "done" in " ".join(lines)


@pytest.mark.parametrize("name", pictures.PICTURES)
def test_a_committed_picture_is_of_the_command_and_asks_nobody(name: str) -> None:
    svg = (DOCS / f"{name}.svg").read_text()
    assert f"python -m operations {' '.join(pictures.PICTURES[name])}" in " ".join(texts(svg))
    addresses = re.findall(r"https?://[^\s\"'<>)]+", svg)
    assert set(addresses) <= {"http://www.w3.org/2000/svg", "https://www.textualize.io"}
    assert f"(docs/{name}.svg)" in (DOCS.parent / "README.md").read_text()


def test_a_recording_shows_each_line_when_it_came() -> None:
    svg = recording.play("make rehearse", [(0.0, "first"), (8.0, "\x1b[32mthen\x1b[0m"), (16.0, "x" * 150)])
    delays = re.findall(r"line-(\d+)\)'\]\{animation-delay:([\d.]+)s", svg)
    assert delays == [("1", "0.00"), ("2", "1.00"), ("3", "2.00"), ("4", "2.00")]  # the last takes two rows
    for row, text in ((1, "first"), (2, "then"), (4, "x" * 50)):
        assert re.search(rf'clip-path="url\(#rehearse-line-{row}\)">{text}<', svg)


def test_the_committed_recording_is_of_a_run_and_asks_nobody() -> None:
    svg = recording.PICTURE.read_text()
    assert texts(svg)[0].startswith("$ make rehearse")
    assert (
        len(re.findall("animation-delay", svg)) == len({*re.findall(r'="url\(#rehearse-(line-\d+)', svg)}) - 1
    )
    assert set(re.findall(r"""(?:=["']|url\(["']?|@import ["']?)(\w+:[^"')]+)""", svg)) == {
        "http://www.w3.org/2000/svg"
    }
    assert "(docs/rehearse.svg)" in (DOCS.parent / "README.md").read_text()
