"""The rehearsal's accounts: every object of the pretended Vercel and GitHub, in one SQLite file.

Objects are JSON documents keyed by service, kind and id. They survive runs, can be edited by hand and
are the only place, beside Docker's data root, where the rehearsal keeps a secret's plain value.
"""

import json
import secrets
import sqlite3
import string
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Document = dict[str, Any]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    service TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, document TEXT NOT NULL,
    PRIMARY KEY (service, kind, id));
CREATE TABLE IF NOT EXISTS calls (
    number INTEGER PRIMARY KEY AUTOINCREMENT, service TEXT NOT NULL, verb TEXT NOT NULL,
    kind TEXT NOT NULL, id TEXT NOT NULL);
"""


class Account:
    """One service's objects. Every write is one transaction and is noted in the list of calls."""

    def __init__(self, path: Path, service: str) -> None:
        self.service = service
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold the write lock: all or nothing, also between two processes."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def get(self, kind: str, id: str) -> Document | None:
        row = self._db.execute(
            "SELECT document FROM objects WHERE service=? AND kind=? AND id=?", (self.service, kind, id)
        ).fetchone()
        return None if row is None else json.loads(row[0])

    def find(self, kind: str, **fields: Any) -> list[tuple[str, Document]]:
        """Every (id, document) of the kind whose top-level fields equal the given ones, ordered by id."""
        rows = self._db.execute(
            "SELECT id, document FROM objects WHERE service=? AND kind=? ORDER BY id", (self.service, kind)
        )
        found = ((row[0], json.loads(row[1])) for row in rows)
        return [(id, doc) for id, doc in found if all(doc.get(k) == v for k, v in fields.items())]

    def put(self, kind: str, id: str, document: Document) -> None:
        verb = "update" if self.get(kind, id) is not None else "create"
        self._db.execute(
            "INSERT OR REPLACE INTO objects VALUES (?,?,?,?)",
            (self.service, kind, id, json.dumps(document, sort_keys=True)),
        )
        self._note(verb, kind, id)

    def delete(self, kind: str, id: str) -> bool:
        """True when there was such an object."""
        cursor = self._db.execute(
            "DELETE FROM objects WHERE service=? AND kind=? AND id=?", (self.service, kind, id)
        )
        if cursor.rowcount:
            self._note("delete", kind, id)
        return cursor.rowcount > 0

    def take_fault(self, verb: str, kind: str) -> Document | None:
        """The next planned fault that fits a call, used up by one; not noted among the calls.

        A fault is a document of kind "fault": {verb?, kind? (class name), times?} with one of `status`
        (refused so), `lost` (done, but the answer is an error), `hang` (the path of a file: it is done once
        that is gone) and `late` (seconds after that until the answer).
        """
        for id, fault in self.find("fault"):
            if fault.get("verb", verb) == verb and fault.get("kind", kind) == kind:
                left = {**fault, "times": fault.get("times", 1) - 1}
                self._db.execute(
                    "UPDATE objects SET document=? WHERE service=? AND kind='fault' AND id=?",
                    (json.dumps(left), self.service, id),
                )
                if left["times"] <= 0:
                    self._db.execute(
                        "DELETE FROM objects WHERE service=? AND kind='fault' AND id=?", (self.service, id)
                    )
                return fault
        return None

    def calls(self, after: int = 0) -> list[tuple[int, str, str, str]]:
        """The writes since call `after`: (number, verb, kind, id)."""
        return list(
            self._db.execute(
                "SELECT number, verb, kind, id FROM calls WHERE service=? AND number>? ORDER BY number",
                (self.service, after),
            )
        )

    def dump(self) -> dict[str, dict[str, Document]]:
        """Everything, by kind and id: what tests compare before and after."""
        rows = self._db.execute(
            "SELECT kind, id, document FROM objects WHERE service=? ORDER BY kind, id", (self.service,)
        )
        result: dict[str, dict[str, Document]] = {}
        for kind, id, document in rows:
            result.setdefault(kind, {})[id] = json.loads(document)
        return result

    def _note(self, verb: str, kind: str, id: str) -> None:
        self._db.execute(
            "INSERT INTO calls (service, verb, kind, id) VALUES (?,?,?,?)", (self.service, verb, kind, id)
        )


def new_id(prefix: str, length: int = 24) -> str:
    """A fresh id in the shape services use, such as `prj_x7…`."""
    alphabet = string.ascii_letters + string.digits
    return prefix + "".join(secrets.choice(alphabet) for _ in range(length))
