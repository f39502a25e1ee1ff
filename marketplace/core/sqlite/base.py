"""SQLite with a queue in front of its single writer.

SQLite lets one connection write at a time and makes the others poll, so that under contention a few of them starve
for many seconds. Here every transaction takes a file lock before ``BEGIN IMMEDIATE``, and so does every single
statement that writes outside of one; the kernel hands the lock on as soon as it is free, and a killed process gives it
back by dying.
"""

import fcntl
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError
from django.db.backends.sqlite3 import base

from .schema import DatabaseSchemaEditor

# Network file systems break SQLite's locks; the magic numbers are those of statfs(2).
NETWORK_FILE_SYSTEMS = {"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "ceph", "glusterfs"}


def file_system_of(path: str) -> str:
    """The type of the file system that holds ``path`` as /proc/mounts names it, or "" where that cannot be read."""
    real = os.path.realpath(path)
    best, kind = "", ""
    try:
        with open("/proc/mounts", encoding="utf-8") as mounts:
            for line in mounts:
                _, mount, fstype, *_ = line.split()
                if (real == mount or real.startswith(mount.rstrip("/") + "/")) and len(mount) > len(best):
                    best, kind = mount, fstype
    except OSError:
        return ""
    return kind


_WRITES = re.compile(r"\s*(INSERT|UPDATE|DELETE|REPLACE)\b", re.IGNORECASE)


class Cursor(base.SQLiteCursorWrapper):
    """Waits in the queue for a statement that is its own transaction."""

    wrapper: "DatabaseWrapper"

    def execute(self, query: str, params: Any = None) -> Any:
        with self.wrapper.in_turn(query):
            return super().execute(query, params)

    def executemany(self, query: str, param_list: Any) -> Any:
        with self.wrapper.in_turn(query):
            return super().executemany(query, param_list)


class DatabaseWrapper(base.DatabaseWrapper):
    SchemaEditorClass = DatabaseSchemaEditor
    _turnstile: int | None = None
    _inside = False

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        name = str(self.settings_dict["NAME"])
        if not self.is_in_memory_db() and not name.startswith("file:"):
            folder = os.path.dirname(os.path.abspath(name))
            if file_system_of(folder) in NETWORK_FILE_SYSTEMS:
                raise ImproperlyConfigured(f"{folder} is on a network file system, on which SQLite loses data.")
            try:
                os.makedirs(folder, exist_ok=True)
                self._open_turnstile()
            except OSError as error:
                raise OperationalError("unable to open database file") from error
        return super().get_new_connection(conn_params)

    def create_cursor(self, name: Any = None) -> Any:
        cursor = self.connection.cursor(factory=Cursor)
        cursor.wrapper = self
        return cursor

    @contextmanager
    def in_turn(self, query: str) -> Iterator[None]:
        """Run the statement ``query`` inside: one that writes waits for its turn, unless its transaction has done so.

        Raises:
            OperationalError: its turn did not come within the connection's ``timeout``.
        """
        if self._inside or not _WRITES.match(query):
            yield
            return
        self._enter()
        try:
            yield
        finally:
            if not self.connection.in_transaction:
                self._leave()

    def _start_transaction_under_autocommit(self) -> None:
        self._enter()
        try:
            super()._start_transaction_under_autocommit()  # type: ignore[misc]
        except BaseException:
            self._leave()
            raise

    def _commit(self) -> Any:
        try:
            return super()._commit()  # type: ignore[misc]
        finally:
            # A failed COMMIT leaves the transaction open; Django rolls it back next, and that gives the lock back.
            if self.connection is None or not self.connection.in_transaction:
                self._leave()

    def _rollback(self) -> Any:
        try:
            return super()._rollback()  # type: ignore[misc]
        finally:
            self._leave()

    def _close(self) -> Any:
        try:
            return super()._close()  # type: ignore[misc]
        finally:
            self._leave()
            self._close_turnstile()

    def _enter(self) -> None:
        if self._turnstile is None or self._inside:
            return
        try:
            self._inside = _locked(self._turnstile, self.settings_dict["OPTIONS"].get("timeout", 5))
        finally:
            if not self._inside:  # the wait goes on without us and ends with the old file
                self._open_turnstile()
        if not self._inside:
            raise OperationalError("database is locked")

    def _leave(self) -> None:
        if self._turnstile is not None and self._inside:
            self._inside = False
            fcntl.flock(self._turnstile, fcntl.LOCK_UN)

    def _open_turnstile(self) -> None:
        self._close_turnstile()
        path = f"{self.settings_dict['NAME']}.turnstile"
        self._turnstile = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _close_turnstile(self) -> None:
        if self._turnstile is not None:
            os.close(self._turnstile)
            self._turnstile = None
            self._inside = False


def _locked(file: int, seconds: float) -> bool:
    """Lock the open ``file``, waiting at most so long. The kernel keeps the queue and knows no time limit, and asking
    again and again would be no queue; so a thread waits, with a copy of the file that is its own."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        waiter = threading.Thread(target=_lock_and_close, args=[os.dup(file)], daemon=True)
        waiter.start()
        waiter.join(seconds)
        return not waiter.is_alive()
    return True


def _lock_and_close(file: int) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
    finally:
        os.close(file)
