"""References of images, as a Docker engine reads them: host, path, tag and digest.

Pure, and without knowledge of any key. Source of the grammar: distribution/reference, `regexp.go` and
`normalize.go`. The engine refuses what breaks it with 400, in the middle of an update.
"""

import re
from dataclasses import dataclass
from typing import Final

from plan.hosts import registry

_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST: Final = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:]+\])(?::[0-9]+)?")
_PART: Final = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_PATH: Final = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_ID: Final = re.compile(r"(?:sha256:)?[0-9a-f]{64}")  # read as the id of an image
_HIGHEST_PORT: Final = 65_535
_SCHEME: Final = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://")
_LONGEST: Final = 255  # characters of a whole name
_HUB: Final = "docker.io/library/"  # with which a name without a host is whole


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What is wrong with a reference, and the form it should have: the same one mended where that is sure."""

    text: str
    form: str


def fault_of_name(text: str) -> Fault | None:
    """What keeps `text` from being a name alone, to which tag and digest are added."""
    name, tag, digest = _split(text)
    fault = _fault(name, text)
    if not fault and (tag is not None or digest is not None):
        fault = "a tag or digest, which the release states" if name else "no name"
    return Fault(text=fault, form=_mended(name) or "HOST/PATH") if fault else None


def fault_of_reference(text: str) -> Fault | None:
    """What keeps `text` from being `NAME:TAG`, `NAME@DIGEST` or `NAME:TAG@DIGEST`."""
    name, tag, digest = _split(text)
    bad_tag = tag is not None and not _TAG.fullmatch(tag)
    bad_digest = digest is not None and not _DIGEST.fullmatch(digest)
    fault = _fault(name, text)
    if not fault:
        fault = (
            "a malformed tag" if bad_tag
            else "a digest that is not sha256: and 64 hex digits" if bad_digest
            else "neither tag nor digest, so another image could come at any time" if tag == digest
            else ""
        )  # fmt: skip
    if not fault:
        return None
    form = _mended(name) or "NAME"
    if tag is not None or digest is None:
        form += ":TAG" if bad_tag or tag is None else f":{tag}"
    if digest is not None:
        form += "@sha256:DIGEST" if bad_digest else f"@{digest}"
    return Fault(text=fault, form=form)


def familiar(name: str) -> str:
    """A name as a Docker engine lists it: of Docker Hub's, without what every one of them begins with."""
    for hub in ("docker.io/", "index.docker.io/"):
        if name.startswith(hub):
            path = name.removeprefix(hub)
            return path.removeprefix("library/") if path.count("/") == 1 else path
    return name


def _split(text: str) -> tuple[str, str | None, str | None]:
    """Name, tag and digest; None for a part that is not stated, "" for one that is stated empty."""
    rest, at, digest = _SCHEME.sub("", text, count=1).partition("@")
    head, slash, last = rest.rpartition("/")
    last, colon, tag = last.partition(":")
    return head + slash + last, tag if colon else None, digest if at else None


def _fault(name: str, text: str) -> str:
    """What is wrong with a name; "" where nothing is."""
    host = registry(name)
    path = name.removeprefix(f"{host}/") if host else name
    longest = _LONGEST if host else _LONGEST - len(_HUB)
    if _SCHEME.match(text):
        return "a scheme; an image is named without one"
    if not path:
        return "no name"
    if path != path.lower():
        return "capitals in its path, which only its host may have"
    if not _PATH.fullmatch(path) or (host and not _is_host(host)):
        return "a malformed name"
    if len(name) > longest:
        return f"a name of more than {longest} characters"
    return "64 hex digits for a name, which Docker takes for an id" if _ID.fullmatch(text) else ""


def _is_host(host: str) -> bool:
    port = re.search(r":([0-9]+)$", host)
    return bool(_HOST.fullmatch(host)) and (port is None or 0 < int(port[1]) <= _HIGHEST_PORT)


def _mended(name: str) -> str:
    """The name in small letters, but for its host; "" where that mends nothing."""
    host = registry(name)
    path = (name.removeprefix(f"{host}/") if host else name).lower()
    mended = f"{host}/{path}" if host else path
    return "" if _fault(mended, mended) else mended
