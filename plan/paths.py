"""Places inside a stack file or a resource, in the engine's path syntax: `adopt["www.share-paint.app"]`.

Source: the engine's sdk/go/common/resource/property_path.go. A name that holds a dot, a bracket or a quote is
quoted; `\\"` is the only escape it knows.
"""

import re
from typing import Final

Part = str | int
_PART: Final = re.compile(r'\.?(?P<name>[^.\[\]"]+)|\[(?P<index>\d+)\]|\["(?P<quoted>(?:\\"|[^"])*)"\]')


def join(path: str, *parts: Part) -> str:
    """The path of what lies at `parts` below `path`; names of maps are texts, places in lists numbers."""
    for part in parts:
        if isinstance(part, int):
            path += f"[{part}]"
        elif not part or set('.[]"') & set(part):
            path += '["' + part.replace('"', '\\"') + '"]'
        else:
            path += f".{part}" if path else part
    return path


def split(path: str) -> tuple[Part, ...] | None:
    """The parts of a path; None for a text that is none."""
    parts: list[Part] = []
    at = 0
    while at < len(path):
        found = _PART.match(path, at)
        if found is None or (found["name"] and (path[at] == ".") != bool(parts)):
            return None
        at = found.end()
        if found["index"]:
            parts.append(int(found["index"]))
        else:
            parts.append(found["name"] or found["quoted"].replace('\\"', '"'))
    return tuple(parts)
