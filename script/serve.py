"""Serves the whole site from one machine: web server, worker, beat and stand-in card processor under one supervisor.

They start together and end together: in order on Ctrl-C or SIGTERM, at once when one of them dies, and with the
supervisor even where that is killed. Everything kept is in LEADFAIR_VAR.
"""

from __future__ import annotations

import base64
import errno
import fcntl
import http.client
import os
import secrets
import shlex
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import children
import machine
from children import Child, Refusal, complain, say
from machine import PYTHON, ROOT

START_SECONDS = 60
STOP_SECONDS = 7  # for the requests and jobs in hand
PREPARED = "prepared"  # a file that says: the database was ready once
LARGEST_LOG = 5_000_000  # bytes; a longer one is begun anew at the next start
# What the demo's people paid, in cents, so that the stand-in's balance agrees with the demo's books.
DEMO_PAYMENTS = ["pi_demo_alice=100000", "pi_demo_alice_2=50000", "pi_demo_bob=75000"]

WELCOME = """\
Leadfair is ready at {site}
  Sign in as alice@example.com or bob@example.com (buyers with money), charlie@example.com (support),
  dana@example.com (finance) or admin@example.com (owner); the password is leadfair-demo.
  Ctrl-C stops everything."""


def serve() -> int:
    """From whatever is there to the ready line, then until somebody stops it (0) or a child dies (1)."""
    if len(sys.argv) > 1:
        raise Refusal("script/server takes no arguments; PORT=9000 and LEADFAIR_VAR=/some/folder choose another place.")
    port, var = _port(), _var()
    stand_in = not os.environ.get("STRIPE_SECRET_KEY")
    with _only_one_in(var) as patience:
        _require_free_port(port, "", port, patience)
        if stand_in:
            _require_free_port(port + 1, " (of the stand-in card processor)", port, patience)
        machine.install_python_packages("requirements.txt")
        env = _environment(port, var)
        _write_for_shells(var, env)
        faces = {"web": _web(port)} | ({"processor": _processor(port, var, env)} if stand_in else {})
        return _supervise(faces, {"worker": _worker(), "beat": _beat()}, port, var, env)


def _port() -> int:
    given = os.environ.get("PORT") or "8000"
    if not given.isdecimal() or not 0 < int(given) < 65535:
        raise Refusal("PORT must be a number from 1 to 65534; the card processor takes the one after it.")
    return int(given)


def _var() -> Path:
    var = Path(os.environ.get("LEADFAIR_VAR") or ROOT / "var").absolute()
    (var / "logs").mkdir(parents=True, exist_ok=True)
    return var


@contextmanager
def _only_one_in(var: Path) -> Iterator[float]:
    """Keeps a second server out of this folder. Yields the seconds that a killed one's children may take to end."""
    with (var / "server.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            message = f"Leadfair runs from {var} already; stop it, or set LEADFAIR_VAR to another folder."
            raise Refusal(message) from error
        was_killed = file.tell() > 0  # the kernel gives a killed one's lock back, its mark stays
        file.write("running\n")
        file.flush()
        try:
            yield 5 if was_killed else 0
        finally:
            file.truncate(0)


def _require_free_port(port: int, purpose: str, first: int, patience: float) -> None:
    deadline = time.monotonic() + patience
    while problem := _problem_with(port):
        if problem != errno.EADDRINUSE or time.monotonic() > deadline:
            what = "is taken" if problem == errno.EADDRINUSE else f"cannot be used ({os.strerror(problem)})"
            other = first + 1000 if first < 60_000 else 8000
            raise Refusal(f"Port {port}{purpose} {what}; choose another, as in: PORT={other} script/server")
        time.sleep(0.1)


def _problem_with(port: int) -> int | None:
    """Why nobody can listen on this port (an errno), or None."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return error.errno
    return None


def _environment(port: int, var: Path) -> dict[str, str]:
    """What the site is told: the caller's environment first, then the demo's keys and addresses."""
    env = machine.environment()
    keys = _demo_keys(var)
    site = f"http://127.0.0.1:{port}"
    for name, value in {**keys, "SITE_URL": site}.items():
        env[name] = env.get(name) or value
    if not env.get("STRIPE_SECRET_KEY"):
        env["STRIPE_SECRET_KEY"] = env["DEMO_PROCESSOR_KEY"]
        env["STRIPE_WEBHOOK_SECRETS"] = env["DEMO_WEBHOOK_SECRET"]
        env["STRIPE_API_BASE"] = f"http://127.0.0.1:{port + 1}"
    if env.get("ALLOWED_HOSTS"):
        env["ALLOWED_HOSTS"] += ",127.0.0.1,localhost"
    # A proxy of the machine's must not see what the processes say to each other here.
    env["no_proxy"] = env["NO_PROXY"] = ",".join(filter(None, [env.get("NO_PROXY"), "127.0.0.1", "localhost"]))
    return env | {
        "DEBUG": "true",
        "LEADFAIR_VAR": str(var),
        "DJANGO_SETTINGS_MODULE": "marketplace.settings",
        "PYTHONUNBUFFERED": "1",
        "PYTHONUTF8": "1",
    }


def _write_for_shells(var: Path, env: Mapping[str, str]) -> None:
    """What manage.py needs beside this server (set -a; . var/shell.env; set +a), without what the caller set."""
    names = ["DEBUG", "LEADFAIR_VAR", "SITE_URL", "SECRET_KEY", "SEALING_KEYS", "DIGEST_KEYS"]
    names += ["STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRETS", "STRIPE_API_BASE"]
    ours = {name: env[name] for name in names if name in env and env[name] != os.environ.get(name)}
    _write_secretly(var / "shell.env", [f"{name}={shlex.quote(value)}\n" for name, value in ours.items()])


def _write_secretly(file: Path, lines: list[str]) -> None:
    """All of it or nothing, and for us alone."""
    unfinished = file.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.writelines(lines)
        out.flush()
        os.fsync(out.fileno())
    unfinished.rename(file)


def _demo_keys(var: Path) -> dict[str, str]:
    """The secrets made for this folder, once."""
    file = var / "demo.env"
    keys: dict[str, str] = {}
    if file.exists():
        keys = dict(line.split("=", 1) for line in file.read_text().splitlines() if "=" in line)
    elif _was_used(var) and not os.environ.get("SEALING_KEYS"):
        raise Refusal(f"{file} is gone, and without its keys nobody can open the leads; remove {var} to begin anew.")
    made = {
        "SECRET_KEY": secrets.token_urlsafe(50),
        "SEALING_KEYS": f"demo:{base64.b64encode(secrets.token_bytes(32)).decode()}",
        "DIGEST_KEYS": f"demo:{base64.b64encode(secrets.token_bytes(32)).decode()}",
        "DEMO_PROCESSOR_KEY": f"sk_test_{secrets.token_hex(16)}",
        "DEMO_WEBHOOK_SECRET": f"whsec_{secrets.token_hex(16)}",
    }
    if made.keys() - keys.keys():
        keys = {**made, **keys}
        _write_secretly(file, [f"{name}={value}\n" for name, value in keys.items()])
    return keys


def _was_used(var: Path) -> bool:
    """Whether the site ran from this folder before, on SQLite or on a database elsewhere."""
    return (var / "leadfair.sqlite3").exists() or (var / PREPARED).exists()


def _prepare_database(var: Path, env: Mapping[str, str]) -> None:
    """Migrations, and the demo where nobody lives yet; says what it does on the first start."""
    log = _log(var, "prepare")
    child = Child("prepare", [PYTHON, "-m", "script.prepare"], cwd=ROOT, env=env, log=log, talks=True)
    try:
        status = child.process.wait()
    finally:
        child.end(patience=5)
    if status:
        raise Refusal(f"The database could not be prepared: {child.last_words or child.ending} (more in {log})")


def _log(var: Path, name: str) -> Path:
    log = var / "logs" / f"{name}.log"
    if log.exists() and log.stat().st_size > LARGEST_LOG:
        log.unlink()
    return log


def _web(port: int) -> list[str]:
    places = ["--bind", f"127.0.0.1:{port}", "--no-control-socket", "--limit-request-line", "8190"]
    workers = ["--preload", "--worker-class", "gthread", "--workers", "2", "--threads", "8", "--graceful-timeout", "5"]
    return ["-m", "gunicorn", "marketplace.wsgi", *places, *workers]


def _worker() -> list[str]:
    alone = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    return ["-m", "celery", "-A", "marketplace", "worker", "--pool", "threads", "--concurrency", "4", *alone]


def _beat() -> list[str]:
    return ["-m", "celery", "-A", "marketplace", "beat"]


def _processor(port: int, var: Path, env: Mapping[str, str]) -> list[str]:
    state = ["--port", str(port + 1), "--state", str(var / "processor.sqlite3")]
    notices = ["--webhook-url", f"http://127.0.0.1:{port}/webhooks/stripe/"]
    keys = ["--webhook-secret", env["STRIPE_WEBHOOK_SECRETS"], "--api-key", env["STRIPE_SECRET_KEY"]]
    return ["-m", "tests.processor", *state, *notices, *keys, "--earlier", *DEMO_PAYMENTS, "--with-parent"]


def _supervise(
    faces: Mapping[str, Sequence[str]],
    helpers: Mapping[str, Sequence[str]],
    port: int,
    var: Path,
    env: Mapping[str, str],
) -> int:
    """Start what people see, then its helpers, say when the site answers, and end them all as soon as one ends."""
    running: dict[str, Child] = {}

    def start(commands: Mapping[str, Sequence[str]]) -> None:
        for name in commands.keys() - running.keys():
            running[name] = Child(name, [PYTHON, *commands[name]], cwd=ROOT, env=env, log=_log(var, name))

    prepared = var / PREPARED
    try:
        if prepared.exists():  # there is little to do, most often nothing, and the site can load meanwhile
            start(faces)
        _prepare_database(var, env)
        prepared.touch()
        start(faces)
        deadline = time.monotonic() + START_SECONDS
        is_ready = False
        while not (dead := [child for child in running.values() if child.ended]):
            if not is_ready and _answers(port, "/readyz") and ("processor" not in running or _answers(port + 1, "/")):
                is_ready = True
                start(helpers)  # not before: they would slow the start of the others down
                say(WELCOME.format(site=f"http://127.0.0.1:{port}"))
            if not is_ready and time.monotonic() > deadline:
                complain(f"The site does not answer after {START_SECONDS} seconds. Its log: {running['web'].log}")
                return 1
            time.sleep(0.1 if is_ready else 0.03)
        child = dead[0]
        complain(f"The {child.name} {child.ending}; everything stops. Its log: {child.log}\n  {child.last_words}")
        return 1
    finally:
        children.ignore_signals()
        _end(running)


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _end(running: Mapping[str, Child]) -> None:
    """Let requests and jobs in hand finish, and only then end the processor they may be speaking to."""
    speakers = [child for name, child in running.items() if name != "processor"]
    for child in speakers:
        child.ask_to_stop()
    deadline = time.monotonic() + STOP_SECONDS
    for child in speakers:
        child.end(deadline - time.monotonic())
    if "processor" in running:
        running["processor"].end(1)


if __name__ == "__main__":
    children.main(serve, stopped=0)
