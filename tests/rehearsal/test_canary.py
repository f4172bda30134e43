"""A planted canary: no secret value leaves the stores, whatever happens."""

import base64
import json
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rehearsal.watching import watching
from tests.harness import RehearsalHome

CANARY = "canary-\"quoted\"-100%-$HOME-'single'-{brace}-한글"
KEY = "BATTLE_PASSWORD_PEPPER"


def forms(value: str) -> set[bytes]:
    """The value raw, as JSON (also inside JSON), URL- and base64-encoded at every offset."""
    raw = value.encode()
    texts = {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], urllib.parse.quote(value)}
    texts |= {json.dumps(text)[1:-1] for text in set(texts)}
    shifted = {base64.b64encode(b"x" * n + raw)[4 * (n > 0) : -4] for n in range(3)}
    urlsafe = {base64.urlsafe_b64encode(b"x" * n + raw)[4 * (n > 0) : -4] for n in range(3)}
    return {raw} | {text.encode() for text in texts} | shifted | urlsafe


FORMS = forms(CANARY)


def _found_in(data: bytes) -> list[bytes]:
    return [form for form in FORMS if form in data]


@contextmanager
def _watched_arguments(marker: str) -> Iterator[list[bytes]]:
    """Collect the arguments of every process that starts meanwhile and names `marker` or pulumi."""
    seen: list[bytes] = []
    known: set[Path] = set()

    def look() -> int:
        for entry in Path("/proc").glob("[0-9]*"):
            if entry not in known:
                try:
                    arguments = (entry / "cmdline").read_bytes()
                except OSError:
                    continue
                if arguments:
                    known.add(entry)
                    seen.append(arguments)
        return len(known)

    with watching(look, pause=0.002):
        yield seen
    assert any(marker.encode() in arguments for arguments in seen), "the watcher saw nothing"


def test_every_encoding_would_be_found() -> None:
    for text in (
        CANARY, json.dumps({"a": CANARY}), json.dumps(json.dumps([CANARY])), urllib.parse.quote(CANARY),
        base64.b64encode(b"some" + CANARY.encode()).decode(), base64.b64encode(CANARY.encode()).decode(),
    ):  # fmt: skip
        assert _found_in(text.encode()), text


@pytest.mark.parametrize("stack", ["staging", "production"])
def test_a_secret_is_nowhere_outside_the_stores(applied_home: RehearsalHome, stack: str) -> None:
    outputs = []
    with _watched_arguments("pulumi") as arguments:
        outputs.append(applied_home.operations("set", KEY, "--stack", stack, stdin=CANARY).ok())
        outputs.append(applied_home.pulumi("preview", "-s", stack, "--diff").ok())
        outputs.append(applied_home.pulumi("up", "-s", stack, "--yes", "--diff").ok())
        # A run that fails half-way, at the very resource that carries the secret, with logs. (From -v=9 the
        # engine itself warns that it writes secrets to its logs.)
        applied_home.operations("set", KEY, "--stack", stack, stdin=CANARY + "2").ok()
        with applied_home.account("vercel").transaction():
            applied_home.account("vercel").put(
                "fault",
                "1",
                {"verb": "update", "kind": "ProjectEnvironmentVariable", "status": 500, "times": 9},
            )
        logs = applied_home.folder / "verbose"
        logs.mkdir()
        outputs.append(
            applied_home.pulumi(
                "up", "-s", stack, "--yes", "--skip-preview", "-v=3", "--logflow", env={"TMPDIR": str(logs)}
            ).failed()
        )
        outputs.append(applied_home.pulumi("stack", "export", "-s", stack).ok())
        outputs.append(applied_home.pulumi("stack", "output", "--json", "-s", stack).ok())

    stored = [v for _, v in applied_home.account("vercel").find("variable", key=KEY) if v["value"] == CANARY]
    assert stored, "the canary reached no store, so this test would prove nothing"
    for result in outputs:
        assert _found_in(result.text.encode()) == [], result.command
    assert [found for each in arguments if (found := _found_in(each))] == []
    files = [path for path in applied_home.folder.rglob("*") if path.is_file()]
    assert any(path.name.startswith("Pulumi.") for path in files)
    leaking = {
        str(path.relative_to(applied_home.folder)): found
        for path in files
        if not path.name.startswith("account.db") and (found := _found_in(path.read_bytes()))
    }
    assert leaking == {}


def test_no_physical_name_contains_a_secret(applied_home: RehearsalHome) -> None:
    applied_home.operations("set", KEY, "--stack", "production", stdin=CANARY).ok()
    applied_home.up("production")
    dumps = [applied_home.account(service).dump() for service in ("vercel", "github")]
    ids = [id for dump in dumps for kind in dump.values() for id in kind]
    assert ids
    assert [id for id in ids if _found_in(id.encode())] == []
