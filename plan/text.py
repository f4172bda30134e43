"""Text as people paste it: what came along from a file, a terminal or a line of .env, and is no part of it.

Pure. A line end around a value is cut, which is certain. Whatever else came along is named, never repeated,
and the caller refuses it; `bare` is then what the value seems to be, for comparisons.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

# Keys whose text has lines of its own. PEM keeps the line end at its end, as a block of YAML has one.
LINES: Final = frozenset(
    {
        *("socketHostCa", "socketHostCertificate", "SOCKET_HOST_KEY"),
        *("monitorHostCa", "monitorHostCertificate", "MONITOR_HOST_KEY", "monitorCa"),
        "DOCKER_KNOWN_HOSTS",
    }
)
_QUOTED: Final = re.compile(
    r"""(?:"(?P<a>.*)"|'(?P<b>.*)'|`(?P<c>.*)`|<(?P<d>.*)>
    |[“”„‟«»](?P<e>.*)[“”‟«»]|[‘’‚‛‹›](?P<f>.*)[‘’‛‹›])
    \s*[,;]?(?P<comment>\s*\#.*)?""",
    re.DOTALL | re.VERBOSE,
)
# What stands before a key's name where a value is set: of shells, of Docker, of YAML and JSON.
_BEFORE: Final = r"""(?:(?:export|set|setx|declare\s+-x|ENV|ARG|-e|--env|-)\s+|\$env:)?["']?"""
_ESCAPED: Final = re.compile(r"(?:\\r)?(?:\\n)+$")  # a line end that somebody wrote, not typed
_COMMENT: Final = re.compile(r"\s\#.*", re.DOTALL)
# Seen by nobody, although Unicode calls them letters, marks or symbols; the last stands for what was
# unreadable.
_UNSEEN: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufffd")
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


@dataclass(frozen=True, kw_only=True)
class Text:
    """A value without what came along. `fault` continues "KEY …"; "" where all of it was certain."""

    bare: str
    fault: str


def read(name: str, text: str) -> Text:
    """The value that `text` holds. `name`: of its key, or the last one of its path."""
    if name in LINES:
        return _lines(text)
    rest = text.strip("\r\n")
    if not rest:
        return Text(bare="", fault="")
    found: dict[str, None] = {}
    bare = _seen(rest, "\n\r", found)
    before = None
    while bare != before:
        before = bare
        if bare != (bare := bare.strip()):
            found["spaces around it"] = None
        if name in bare and bare != (bare := re.sub(rf"^{_BEFORE}{re.escape(name)}[\"']?\s*[=:]", "", bare)):
            found["its own name before it"] = None
        if quoted := _QUOTED.fullmatch(bare):
            found["quotes around it"] = None
            if quoted["comment"]:
                found["a comment behind it"] = None
            bare = _inside(quoted)
        elif bare != (bare := _COMMENT.sub("", bare)):
            found["a comment behind it"] = None
        if bare != (bare := _ESCAPED.sub("", bare)):
            found["a line end in letters behind it"] = None
    if re.search(r"[\r\n]", bare):
        found["more than one line"] = None
    return Text(bare=bare, fault=_fault(bare, found))


def _inside(quoted: re.Match[str]) -> str:
    return next(quoted[name] for name in "abcdef" if quoted[name] is not None)


def _lines(text: str) -> Text:
    found: dict[str, None] = {}
    bare = _seen(text.replace("\r\n", "\n"), "\n\t", found)
    if quoted := _QUOTED.fullmatch(bare.strip()):
        found["quotes around it"] = None
        bare = _inside(quoted)
    return Text(bare=bare, fault=_fault(bare.strip(), found) if text else "")


def _seen(text: str, kept: str, found: dict[str, None]) -> str:
    """The text without characters that nobody sees, but for `kept`; what there was goes into `found`."""
    hidden = {each for each in set(text) - set(kept) if _hidden(each)}
    for each in sorted(hidden):
        found[f"an invisible character (U+{ord(each):04X})"] = None
    return "".join(each for each in text if each not in hidden)


def _hidden(character: str) -> bool:
    category = unicodedata.category(character)
    return category in _HIDDEN or character in _UNSEEN or (category == "Zs" and character != " ")


def _fault(bare: str, found: dict[str, None]) -> str:
    if not bare:
        return "is blank"
    return f"came with {' and '.join(found)}" if found else ""
