"""Runs pytest on SQLite and on PostgreSQL + Redis side by side, with servers of its own that end with it.

Both run everything and are reported by one pytest, so that its closing line is the last word on both.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import children
import machine
from children import Child, Refusal, Stop
from machine import PYTHON, ROOT

VNU_JAR = "vnu-jar@26.9.27"
PATIENCE = 15  # seconds for pytest to end its tests, and for a server to answer

# The ids show beside every failure: [sqlite], [postgresql].
DATABASES = [
    "--dist=each",
    "--tx=popen//id=sqlite//env:TESTDB=sl",
    "--tx=popen//id=postgresql//env:TESTDB=pg",
]


def run_tests() -> int:
    """Everything from an empty machine to pytest's exit status."""
    postgresql = _install_programs()
    machine.install_python_packages("requirements.txt", "requirements-dev.txt")
    env = {**machine.environment(), "VNU_JAR": str(_install_vnu()), "CHROMIUM": str(shutil.which("chromium"))}
    for name in ("LEADFAIR_VAR", "DJANGO_SETTINGS_MODULE"):
        env.pop(name, None)
    with _temporary_folder() as folder, _postgresql(postgresql, folder) as database, _redis(folder) as redis:
        env |= {"TMPDIR": str(folder), "TEST_DATABASE_URL": database, "TEST_REDIS_URL": redis}
        return _pytest(env)


def _install_programs() -> Path:
    """Debian's programs that the tests need. Returns the folder of PostgreSQL's."""
    needed = {
        "PostgreSQL": ("postgresql", _postgresql_programs()),
        "Redis": ("redis-server", shutil.which("redis-server")),
        "Chromium": ("chromium fonts-liberation", shutil.which("chromium")),
        "Java": ("default-jre-headless", shutil.which("java")),
        "npm": ("npm", shutil.which("npm")),
    }
    missing = {what: package for what, (package, found) in needed.items() if not found}
    machine.install_debian_packages(missing | machine.without_venv())
    postgresql = _postgresql_programs()
    if not postgresql:
        raise Refusal("PostgreSQL was installed, but its programs are not where Debian puts them.")
    return postgresql


def _postgresql_programs() -> Path | None:
    """The folder that holds initdb and postgres; Debian keeps them off the PATH, one folder a version."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    found = versions[-1] if versions else shutil.which("initdb")
    return Path(found).resolve().parent if found else None


def _install_vnu() -> Path:
    """The Nu HTML checker, from npm into .venv."""
    return machine.install_npm_package(VNU_JAR, "vnu-jar/build/dist/vnu.jar", "the Nu HTML checker")


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="leadfair-test-"))
    folder.chmod(0o711)  # PostgreSQL, which is not root, has to reach its own folder inside
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _postgresql(programs: Path, folder: Path) -> Iterator[str]:
    """A PostgreSQL of the run's own, durable like a real one. Yields its address."""
    user = _not_root()
    data, log = folder / "postgresql", folder / "postgresql.log"
    data.mkdir()
    if user:
        shutil.chown(data, user, user)
    log.touch()
    initdb = ["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
    make = Child("initdb", [programs / "initdb", *initdb], cwd=folder, log=log, user=user)
    if make.process.wait():
        raise Refusal(f"PostgreSQL could not be set up: {make.last_words}")
    options = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=400", "shared_buffers=256MB"]
    settings = [word for option in options for word in ("-c", option)]

    def start(port: int) -> Child:
        command = [programs / "postgres", "-D", data, "-p", str(port), *settings]
        # SIGQUIT: at once, the data is thrown away anyhow
        return Child("PostgreSQL", command, cwd=folder, log=log, user=user, stop_with=signal.SIGQUIT)

    with _server(start) as port:
        yield f"postgres://postgres@127.0.0.1:{port}/leadfair"


def _not_root() -> str | None:
    """Who runs PostgreSQL, which refuses to be root: the user of its package, or whoever we are.

    Raises:
        Refusal: we are root, and there is no such user (PostgreSQL did not come from a package of Debian's).
    """
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam("postgres")
    except KeyError as error:
        raise Refusal(
            "PostgreSQL does not run as root, and there is no user postgres here. Make one and start again "
            "(useradd --system postgres), or run script/test as somebody else."
        ) from error
    return "postgres"


@contextmanager
def _redis(folder: Path) -> Iterator[str]:
    """A Redis of the run's own that keeps nothing. Yields its address."""

    def start(port: int) -> Child:
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(folder)]
        return Child("Redis", ["redis-server", *options], cwd=folder, log=folder / "redis.log")

    with _server(start) as port:
        yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def _server(start: Callable[[int], Child]) -> Iterator[int]:
    """Start on a free port, on another one if somebody takes it first. Yields the port once it listens."""
    for _attempt in range(3):
        port = _free_port()
        child = start(port)
        try:
            if _listens(child, port):
                yield port
                return
        finally:
            child.end(5)
    raise Refusal(f"{child.name} does not start: {child.last_words}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(child: Child, port: int) -> bool:
    """Wait until something listens on the port; False when the child has ended instead."""
    deadline = time.monotonic() + PATIENCE
    while not child.ended and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        time.sleep(0.02)
    return False


def _pytest(env: dict[str, str]) -> int:
    """Its exit status. When somebody stops us, pytest is interrupted and closes in its own words."""
    command = [PYTHON, "-m", "pytest", *DATABASES, *sys.argv[1:]]
    child = Child("pytest", command, cwd=ROOT, env=env, stop_with=signal.SIGINT)
    try:
        child.process.wait()
    except Stop:
        child.ask_to_stop(with_its_own=True)  # as a Ctrl-C at the terminal would reach its workers too
    finally:
        child.end(PATIENCE)
    code = child.process.returncode
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    children.main(run_tests, stopped=130)
