"""script/server: one command brings the site up, and nothing of it is left afterwards."""

import base64
import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).resolve().parent.parent.parent
COMMAND = ROOT / "script" / "server"
A_HANG = 60  # seconds
KEPT = ("PATH", "HOME", "LANG", "TMPDIR")
CHILDREN = {"web": "gunicorn", "worker": " worker ", "beat": " beat", "processor": "tests.processor"}  # a word of each

pytestmark = pytest.mark.postgresql  # it brings its own database; once is enough


def free_pair() -> int:
    """A port that is free, and so is the one after it."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            with contextlib.suppress(OSError, OverflowError):
                second.bind(("127.0.0.1", port + 1))
                return port


class Server:
    """One run of script/server, from another folder and through a link, as the head of a process group."""

    def __init__(self, var: Path, port: int | str = 0, command: Path = COMMAND, **env: str) -> None:
        self.var = var
        self.port = port or free_pair()
        self.url = f"http://127.0.0.1:{self.port}"
        self.started = time.monotonic()
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        self.process = subprocess.Popen(
            [command],
            cwd="/",
            env={**kept, "PORT": str(self.port), "LEADFAIR_VAR": str(var), "LEADFAIR_DEMO_LEADS": "60", **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def wait_until_ready(self) -> float:
        """The seconds from the start to the ready line."""
        for line in self.process.stdout:
            if line == f"Leadfair is ready at {self.url}\n":
                return time.monotonic() - self.started
        raise AssertionError(f"not ready: {self.process.stderr.read()}")

    def end(self) -> tuple[int, str]:
        """Its exit status and all it said on standard error."""
        _, errors = self.process.communicate(timeout=A_HANG)
        assert "Traceback" not in errors
        return self.process.returncode, errors

    def destroy(self) -> None:
        """Whatever became of it, it is gone then."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()

    def processes(self, word: str = "") -> dict[int, str]:
        """Whatever runs with this folder, however it was started: process id → command line."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                if f"LEADFAIR_VAR={self.var}\0".encode() in (folder / "environ").read_bytes() and word in command:
                    found[int(folder.name)] = command
        return found

    def wait_for(self, word: str) -> int:
        """The id of the child with this word in its command, the first of them if it has children of its own."""
        deadline = time.monotonic() + A_HANG
        while not (found := self.processes(word)):
            assert time.monotonic() < deadline, f"no process is called {word}"
            time.sleep(0.02)
        return min(found)

    def assert_gone(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert left == {}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a server ran once and ended in peace."""
    folder = tmp_path_factory.mktemp("demo") / "var"
    server = Server(folder)
    try:
        server.wait_until_ready()
        server.process.terminate()
        assert server.end() == (0, "")
    finally:
        server.destroy()
    return folder


@pytest.fixture
def var(demo: Path, tmp_path: Path) -> Path:
    """A folder of the test's own in which a server ran before."""
    return Path(shutil.copytree(demo, tmp_path / "var"))


@pytest.fixture
def start() -> Iterator[Callable[..., Server]]:
    """Starts a server; none is left behind, whatever the test does."""
    servers = []

    def start(var: Path, *args: object, **env: str) -> Server:
        servers.append(Server(var, *args, **env))
        return servers[-1]

    yield start
    for server in servers:
        server.destroy()


def test_it_works(start, tmp_path, show):
    var, link = tmp_path / "var", tmp_path / "leadfair"
    link.symlink_to(COMMAND)
    server = start(var, 0, link)
    show(f"first start, 60 leads: {server.wait_until_ready():.1f} s")

    assert requests.get(f"{server.url}/readyz", timeout=10).text == "ready"
    assert "Leadfair" in requests.get(f"{server.url}/", timeout=10).text
    assert requests.get(f"http://127.0.0.1:{server.port + 1}/", timeout=10).status_code == 200
    assert (var / "demo.env").stat().st_mode & 0o777 == 0o600
    assert (var / "shell.env").stat().st_mode & 0o777 == 0o600
    doctor = ["sh", "-c", f"set -a; . {var}/shell.env; exec {sys.executable} manage.py doctor"]
    said = subprocess.run(
        doctor, cwd=ROOT, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False
    )
    assert "ok       processor" in said.stdout.splitlines(), said
    assert {path.stem for path in (var / "logs").glob("*.log")} >= {"web", "worker", "beat", "processor"}
    for word in CHILDREN.values():
        assert server.wait_for(word)

    server.process.terminate()
    assert server.end() == (0, "")
    server.assert_gone(0)


def test_the_second_start_is_fast_and_keeps_the_keys(start, var, show):
    keys = (var / "demo.env").read_text()
    seconds = start(var).wait_until_ready()
    show(f"second start: {seconds:.1f} s (goal 5 s)")
    assert seconds < 20  # on a machine that has other work
    assert (var / "demo.env").read_text() == keys


def test_no_orphan_is_left_when_the_supervisor_is_killed(start, var):
    server = start(var)
    server.wait_until_ready()
    assert len(server.processes()) >= 7  # ourselves, two workers of gunicorn's, and one each
    server.process.kill()
    server.assert_gone(10)


def test_what_a_killed_one_left_behind_is_no_obstacle(start, var):
    killed = start(var)
    killed.wait_until_ready()
    killed.process.kill()
    killed.process.wait()
    assert (var / "server.lock").read_text()
    (var / "celerybeat-schedule").write_bytes(b"half a write")
    server = start(var, killed.port)  # at once, while the children of the killed one still let go of the ports
    server.wait_until_ready()
    server.process.terminate()
    assert server.end() == (0, "")


def test_two_ctrl_c_are_like_one(start, var):
    server = start(var)
    server.wait_until_ready()
    os.killpg(server.process.pid, signal.SIGINT)
    os.killpg(server.process.pid, signal.SIGINT)
    assert server.end() == (0, "")
    server.assert_gone(0)


@pytest.mark.parametrize("name", CHILDREN)
def test_when_one_child_dies_everything_ends_and_it_is_named(start, var, name):
    server = start(var)
    server.wait_until_ready()
    os.kill(server.wait_for(CHILDREN[name]), signal.SIGKILL)
    status, errors = server.end()
    assert status == 1
    assert f"The {name} was killed by SIGKILL" in errors
    assert f"{var}/logs/{name}.log" in errors
    server.assert_gone(0)


@pytest.mark.parametrize("offset", [0, 1])
def test_a_busy_port_gets_one_sentence_before_anything_starts(start, tmp_path, offset):
    port = free_pair()
    with socket.create_server(("127.0.0.1", port + offset)):
        server = start(tmp_path, port)
        status, errors = server.end()
    assert status == 1
    assert errors.startswith(f"Port {port + offset} ")
    assert "PORT=" in errors
    assert errors.count("\n") == 1
    assert not (tmp_path / "leadfair.sqlite3").exists()


def test_a_second_server_in_the_same_folder_gets_one_sentence(start, tmp_path):
    with (tmp_path / "server.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        status, errors = start(tmp_path).end()
    assert status == 1
    assert "LEADFAIR_VAR" in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize("port", ["http", "0", "65535", "-1"])
def test_a_port_that_is_none_gets_one_sentence(start, tmp_path, port):
    assert start(tmp_path, port).end() == (
        1,
        "PORT must be a number from 1 to 65534; the card processor takes the one after it.\n",
    )


def test_a_folder_that_cannot_be_made_gets_one_sentence(start, tmp_path):
    (tmp_path / "file").touch()
    status, errors = start(tmp_path / "file" / "var").end()
    assert status == 1
    assert str(tmp_path / "file" / "var") in errors
    assert errors.count("\n") == 1


def test_a_database_that_does_not_answer_gets_its_reason(start, tmp_path):
    status, errors = start(tmp_path, DATABASE_URL=f"postgres://nobody@127.0.0.1:{free_pair()}/none").end()
    assert status == 1
    assert "database" in errors


@pytest.mark.parametrize(
    "elsewhere", [{}, {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/none"}], ids=["here", "there"]
)
def test_lost_keys_are_not_replaced_by_new_ones(start, var, elsewhere):
    """Whether the leads are in the folder or in a database elsewhere."""
    (var / "demo.env").unlink()
    if elsewhere:
        (var / "leadfair.sqlite3").unlink()
    status, errors = start(var, **elsewhere).end()
    assert status == 1
    assert f"{var}/demo.env is gone" in errors
    assert not (var / "demo.env").exists()


def test_leads_that_were_sealed_with_other_keys_get_one_sentence(start, var):
    lines = (var / "demo.env").read_text().splitlines()
    other = f"SEALING_KEYS=demo:{base64.b64encode(bytes(32)).decode()}"
    (var / "demo.env").write_text("\n".join(other if line.startswith("SEALING_KEYS") else line for line in lines))
    status, errors = start(var).end()
    assert status == 1
    assert "sealed with other keys" in errors
    assert "demo.env" in errors


def test_a_machine_without_python_gets_one_sentence(start, tmp_path):
    """Neither a fitting Python nor apt: nothing but the basic tools on the path."""
    shutil.copytree(ROOT / "script", tmp_path / "script")
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("sh", "dirname", "readlink"):
        (tools / tool).symlink_to(shutil.which(tool))
    old = tools / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    server = start(tmp_path, 0, tmp_path / "script" / "server", PATH=str(tools))
    assert server.end() == (1, "Leadfair needs Python 3.11 or newer; install it and start again.\n")
