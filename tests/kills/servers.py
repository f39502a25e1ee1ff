"""A PostgreSQL and a Redis that a test may stop and start; the ones of the test run serve others as well."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from script.children import Child
from tests.stack import free_port

PATIENCE = 30  # seconds for a server to answer


class PostgreSQL:
    """Its data stays where it is while it is stopped. ``url`` is its address."""

    def __init__(self, folder: Path) -> None:
        programs = Path(max(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: float(path.parts[-3])))
        self._user = "postgres" if os.geteuid() == 0 else None
        self._folder, self._program = folder, programs
        self._port = free_port()
        self.url = f"postgres://postgres@127.0.0.1:{self._port}/leadfair"
        data = folder / "data"
        data.mkdir()
        if self._user:
            shutil.chown(data, self._user, self._user)
        subprocess.run(
            [programs.with_name("initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"],
            cwd=folder,
            user=self._user,
            capture_output=True,
            check=True,
        )
        self.start()

    def start(self) -> None:
        """Start it, and wait until it takes questions."""
        options = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
        command = [self._program, "-D", self._folder / "data", "-p", str(self._port), *options]
        log = self._folder / "postgresql.log"
        # SIGINT: every session is ended at once, and what was answered is kept
        self._child = Child("PostgreSQL", command, cwd=self._folder, log=log, user=self._user, stop_with=signal.SIGINT)
        ready = [self._program.with_name("pg_isready"), "-h", "127.0.0.1", "-p", str(self._port)]
        deadline = time.monotonic() + PATIENCE
        while subprocess.run(ready, capture_output=True, check=False).returncode:
            assert time.monotonic() < deadline, log.read_text()[-2000:]
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop it; nobody listens there any more."""
        self._child.end(PATIENCE)


class Redis:
    """Keeps nothing. ``url`` is its address."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.url = f"redis://127.0.0.1:{port}/0"
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(folder)]
        self._child = Child("Redis", ["redis-server", *options], cwd=folder, log=folder / "redis.log")
        deadline = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return
            assert time.monotonic() < deadline, self._child.last_words
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop it."""
        self._child.end(PATIENCE)

    def limit(self, memory: int) -> None:
        """Let it hold so many bytes and refuse every other; 0 is no limit."""
        with redis.Redis.from_url(self.url) as client:
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", memory)


@contextmanager
def running(kind: type[PostgreSQL] | type[Redis]) -> Iterator[PostgreSQL | Redis]:
    """One of them, in a folder of its own; both are gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="leadfair-server-"))
    folder.chmod(0o711)  # PostgreSQL, which is not root, has to reach its own folder inside
    server = kind(folder)
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
