"""Everything the stand-in remembers, in one SQLite file (or in memory): objects, stored answers, jobs for later."""

from __future__ import annotations

import json
import secrets
import sqlite3
import string
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from .errors import ProcessorError, missing

ANSWER_LIFE = 24 * 3600
"""Seconds for which the answer to an idempotency key is replayed."""

EVENT_LIFE = 30 * 24 * 3600
"""Seconds for which the API still shows an event."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, object TEXT NOT NULL,
    created INTEGER NOT NULL, data TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS objects_by_kind ON objects (object, seq);
CREATE INDEX IF NOT EXISTS objects_by_intent ON objects (object, json_extract(data, '$.payment_intent'));
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, path TEXT NOT NULL, digest TEXT NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL,
    request_id TEXT NOT NULL, created REAL NOT NULL);
CREATE TABLE IF NOT EXISTS jobs (id INTEGER PRIMARY KEY, due REAL NOT NULL, verb TEXT NOT NULL, argument TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS jobs_by_due ON jobs (due);
"""

PARAM_OF = {"payment_intent": "intent", "checkout.session": "session"}

Object = dict[str, Any]


class Answer(NamedTuple):
    """The stored first answer to an idempotency key."""

    path: str
    digest: str
    status: int
    body: str
    request_id: str


def new_id(prefix: str, length: int = 24) -> str:
    """A random id as Stripe's look: `pi_` and 24 letters and digits."""
    alphabet = string.ascii_letters + string.digits
    return prefix + "".join(secrets.choice(alphabet) for _ in range(length))


class Store:
    """One lock around one connection: slow for a bank, quick enough for a stand-in, and never half done."""

    def __init__(self, path: str | Path | None = None) -> None:
        if path:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._depth = 0
        self._after: list[Callable[[], None]] = []
        self._offset = 0.0
        self._database = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None)
        if path:
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.executescript(SCHEMA)

    def close(self) -> None:
        with self._lock:
            self._database.close()

    def now(self) -> float:
        """Seconds since 1970 (UTC) on the stand-in's own clock."""
        return time.time() + self._offset

    def advance_clock(self, seconds: float) -> None:
        """Moves the stand-in's clock forward. Signatures keep the real time, since the receiver checks it."""
        self._offset += seconds

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, nested ones too. Actions given to `after_commit` run once the outermost is over."""
        with self._lock:
            depth, actions_before = self._depth, len(self._after)
            self._database.execute(f"SAVEPOINT step{depth}" if depth else "BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                self._database.execute(f"ROLLBACK TO step{depth}" if depth else "ROLLBACK")
                del self._after[actions_before:]
                raise
            else:
                self._database.execute(f"RELEASE step{depth}" if depth else "COMMIT")
            finally:
                self._depth = depth
            actions = []
            if depth == 0:
                actions, self._after = self._after, []
        for action in actions:
            action()

    def after_commit(self, action: Callable[[], None]) -> None:
        self._after.append(action)

    # Objects

    def add(self, obj: Object) -> Object:
        self._execute(
            "INSERT INTO objects (id, object, created, data) VALUES (?, ?, ?, ?)",
            obj["id"],
            obj["object"],
            obj["created"],
            json.dumps(obj),
        )
        return obj

    def save(self, obj: Object) -> Object:
        self._execute("UPDATE objects SET data = ? WHERE id = ?", json.dumps(obj), obj["id"])
        return obj

    def get(self, kind: str, id: str, param: str | None = None) -> Object:
        """The object, or `ProcessorError` 404 as Stripe words it."""
        rows = self._execute("SELECT data FROM objects WHERE id = ? AND object = ?", id, kind)
        if not rows:
            raise missing(kind, id, param or PARAM_OF.get(kind, "id"))
        obj: Object = json.loads(rows[0][0])
        return obj

    def find(self, kind: str, **fields: str) -> list[Object]:
        """All objects of a kind whose fields have these values, oldest first."""
        tests, values = self._tests(kind, fields)
        rows = self._execute(f"SELECT data FROM objects WHERE {tests} ORDER BY seq", *values)
        return [json.loads(data) for (data,) in rows]

    def page(
        self,
        kind: str,
        *,
        fields: dict[str, str | list[str]],
        created: dict[str, int] | int | None = None,
        limit: int = 10,
        starting_after: str | None = None,
        ending_before: str | None = None,
    ) -> tuple[list[Object], bool]:
        """One page, newest first, and whether there are more in the direction of travel.

        `created` is a second (UTC) or any of gt, gte, lt, lte; a cursor that does not exist is a 400.
        """
        tests, values = self._tests(kind, fields)
        signs = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
        bounds = {"=": created} if isinstance(created, int) else {signs[k]: v for k, v in (created or {}).items()}
        for sign, second in bounds.items():
            tests += f" AND created {sign} ?"
            values.append(second)
        for name, cursor, sign in (("starting_after", starting_after, "<"), ("ending_before", ending_before, ">")):
            if cursor:
                row = self._execute("SELECT seq FROM objects WHERE id = ? AND object = ?", cursor, kind)
                if not row:
                    raise ProcessorError(f"No such {kind}: '{cursor}'", code="resource_missing", param=name)
                tests += f" AND seq {sign} ?"
                values.append(row[0][0])
        order = "ASC" if ending_before else "DESC"
        rows = self._execute(f"SELECT data FROM objects WHERE {tests} ORDER BY seq {order} LIMIT ?", *values, limit + 1)
        found = [json.loads(data) for (data,) in rows[:limit]]
        return (found[::-1] if ending_before else found), len(rows) > limit

    def _tests(self, kind: str, fields: dict[str, Any]) -> tuple[str, list[Any]]:
        """A WHERE clause. Field names come from this package's code, values from outside."""
        tests = "object = ?"
        values: list[Any] = [kind]
        if kind == "event":
            tests += " AND created >= ?"
            values.append(int(self.now()) - EVENT_LIFE)
        for name, value in fields.items():
            if isinstance(value, list):
                tests += f" AND json_extract(data, '$.{name}') IN ({', '.join('?' * len(value))})"
                values += value
            else:
                tests += f" AND json_extract(data, '$.{name}') {'GLOB' if '*' in value else '='} ?"
                values.append(value)
        return tests, values

    # Answers to idempotency keys

    def answer(self, key: str) -> Answer | None:
        rows = self._execute(
            "SELECT path, digest, status, body, request_id FROM answers WHERE key = ? AND created > ?",
            key,
            self.now() - ANSWER_LIFE,
        )
        return Answer(*rows[0]) if rows else None

    def keep_answer(self, key: str, answer: Answer) -> None:
        self._execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?)", key, *answer, self.now())

    # Jobs for later

    def add_job(self, due: float, verb: str, argument: str) -> None:
        self._execute("INSERT INTO jobs (due, verb, argument) VALUES (?, ?, ?)", due, verb, argument)

    def take_due_job(self) -> tuple[str, str] | None:
        """Removes and returns the next job (verb, argument) whose time has come."""
        with self.transaction():
            rows = self._execute("SELECT id, verb, argument FROM jobs WHERE due <= ? ORDER BY due LIMIT 1", self.now())
            if not rows:
                return None
            self._execute("DELETE FROM jobs WHERE id = ?", rows[0][0])
            return rows[0][1], rows[0][2]

    def _execute(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._database.execute(statement, values).fetchall()
