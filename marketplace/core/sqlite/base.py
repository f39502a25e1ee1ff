"""SQLite with a queue in front of its single writer.

SQLite lets one connection write at a time and makes the others poll, so that under contention a few of them starve
for many seconds. Here every transaction takes a file lock before ``BEGIN IMMEDIATE``; the kernel hands the lock on
as soon as it is free, and a killed process gives it back by dying.
"""

import fcntl
import os
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db.backends.sqlite3 import base

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


class DatabaseWrapper(base.DatabaseWrapper):
    _turnstile: int | None = None
    _inside = False

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        name = str(self.settings_dict["NAME"])
        if not self.is_in_memory_db() and not name.startswith("file:"):
            folder = os.path.dirname(os.path.abspath(name))
            if file_system_of(folder) in NETWORK_FILE_SYSTEMS:
                raise ImproperlyConfigured(f"{folder} is on a network file system, on which SQLite loses data.")
            os.makedirs(folder, exist_ok=True)
            self._close_turnstile()
            self._turnstile = os.open(f"{name}.turnstile", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return super().get_new_connection(conn_params)

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
        if self._turnstile is not None and not self._inside:
            fcntl.flock(self._turnstile, fcntl.LOCK_EX)
            self._inside = True

    def _leave(self) -> None:
        if self._turnstile is not None and self._inside:
            self._inside = False
            fcntl.flock(self._turnstile, fcntl.LOCK_UN)

    def _close_turnstile(self) -> None:
        if self._turnstile is not None:
            os.close(self._turnstile)
            self._turnstile = None
            self._inside = False
