"""The whole site as real processes: gunicorn, Celery worker and beat, the stand-in processor and an SMTP receiver.

On the SQLite side with the file-system broker, on the PostgreSQL side with Redis, as the test run itself.
"""

import contextlib
import email
import email.policy
import itertools
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit, urlunsplit

import psycopg
import redis
import requests
from aiosmtpd.controller import Controller

from tests.processor import Processor

ROOT = Path(__file__).resolve().parent.parent
ON_POSTGRESQL = os.environ.get("TESTDB") == "pg"
# Redis has 16, the tests themselves use the first. Two sites that run at once must not take each other's messages.
_redis_databases = itertools.cycle(range(1, 16))


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Postbox:
    """An SMTP server that keeps what it receives."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self._lock = threading.Lock()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        with self._lock:
            self.messages.append(message)  # type: ignore[arg-type]
        return "250 OK"

    def to(self, address: str) -> list[EmailMessage]:
        """What was sent to ``address``, oldest first."""
        with self._lock:
            return [message for message in self.messages if address in str(message["To"])]

    def wait_for(self, address: str, number: int = 1, seconds: float = 30) -> EmailMessage:
        """Message ``number`` (from 1) to ``address``, waiting for it."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = self.to(address)
            if len(found) >= number:
                return found[number - 1]
            time.sleep(0.05)
        raise AssertionError(f"mail {number} did not arrive in {seconds} s; here: {len(self.to(address))}")


class Stack:
    """The running site. ``url`` is its address; use it as a context manager. ``twice`` are two web servers and two
    workers; ``database`` and ``cache`` are servers of the test's own, on the PostgreSQL side."""

    def __init__(self, *, proxies: int = 0, twice: bool = False, database: str = "", cache: str = "") -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="leadfair-stack-"))
        self.names = ["web", "worker", "beat"] + ["web2", "worker2"] * twice
        self.ports = {name: free_port() for name in self.names if name.startswith("web")}
        self.urls = [f"http://127.0.0.1:{port}" for port in self.ports.values()]
        self.url = self.urls[0]
        self.postbox = Postbox()
        self.smtp = Controller(self.postbox, hostname="127.0.0.1", port=free_port())
        secret, key = f"whsec_{secrets.token_hex(12)}", f"sk_test_{secrets.token_hex(12)}"
        self.processor = Processor(
            webhook_url=f"{self.url}/webhooks/stripe/", webhook_secret=secret, api_key=key, moment=0.1
        )
        self.database = f"stack_{secrets.token_hex(4)}"
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.logs = self.folder / "logs"
        self.logs.mkdir()
        sealing = "s:" + "A" * 43 + "="
        self.env = {
            "PATH": os.environ["PATH"],
            "DJANGO_SETTINGS_MODULE": "marketplace.settings",
            "DEBUG": "true",
            "LEADFAIR_VAR": str(self.folder),
            "SECRET_KEY": secrets.token_hex(32),
            "SEALING_KEYS": sealing,
            "DIGEST_KEYS": sealing,
            "SITE_URL": self.url,
            "TRUSTED_PROXY_COUNT": str(proxies),
            "STRIPE_SECRET_KEY": key,
            "STRIPE_WEBHOOK_SECRETS": secret,
            "DATABASE_URL": "",
            "REDIS_URL": "",
        }
        if ON_POSTGRESQL:
            self.server = database or os.environ["TEST_DATABASE_URL"]
            self.env["DATABASE_URL"] = self._at(self.database)
            parts = urlsplit(cache or os.environ["TEST_REDIS_URL"])
            self.env["REDIS_URL"] = urlunsplit(parts._replace(path=f"/{next(_redis_databases)}"))

    def _at(self, database: str) -> str:
        return urlunsplit(urlsplit(self.server)._replace(path=f"/{database}"))

    def __enter__(self) -> "Stack":
        try:
            if ON_POSTGRESQL:
                with psycopg.connect(self._at("postgres"), autocommit=True) as admin:
                    admin.execute(f'CREATE DATABASE "{self.database}"')
                redis.Redis.from_url(self.env["REDIS_URL"]).flushdb()
            self.smtp.start()
            self.processor.start()
            self.env["EMAIL_URL"] = f"smtp://127.0.0.1:{self.smtp.port}"
            self.env["STRIPE_API_BASE"] = self.processor.url
            self.manage("migrate", "--verbosity", "0")
            self.start_all()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        for child in self.children.values():
            self._end(child)
        with contextlib.suppress(Exception):
            self.processor.stop()
        with contextlib.suppress(Exception):
            self.smtp.stop()
        if ON_POSTGRESQL:
            with contextlib.suppress(psycopg.Error), psycopg.connect(self._at("postgres"), autocommit=True) as admin:
                admin.execute(f'DROP DATABASE IF EXISTS "{self.database}" WITH (FORCE)')
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- processes ----------------------------------------------------------------------------------------------------

    COMMANDS = {
        "web": [
            "gunicorn",
            "marketplace.wsgi",
            "--no-control-socket",
            "--limit-request-line=8190",
            "-k",
            "gthread",
            "--workers",
            "2",
            "--threads",
            "4",
        ],
        "worker": ["celery", "-A", "marketplace", "worker", "-P", "threads", "-c", "2", "-l", "WARNING"],
        "beat": ["celery", "-A", "marketplace", "beat", "-l", "WARNING", "--pidfile="],
    }

    def start(self, name: str) -> None:
        """Start web, worker, beat or a second one; each is the head of a process group of its own."""
        command = [sys.executable, "-m", *self.COMMANDS[name.rstrip("2")]]
        if name in self.ports:
            command += ["--bind", f"127.0.0.1:{self.ports[name]}"]
        if name == "worker2":
            command += ["-n", "second@%h"]
        with (self.logs / f"{name}.log").open("ab") as log:
            self.children[name] = subprocess.Popen(
                command, cwd=ROOT, env=self.env, stdout=log, stderr=log, start_new_session=True
            )

    def start_all(self) -> None:
        """Start everything and wait until the site answers."""
        for name in self.names:
            self.start(name)
        self.wait_ready()

    def wait_ready(self, seconds: float = 60) -> None:
        """Wait until /readyz says so everywhere."""
        deadline = time.monotonic() + seconds
        while not all(self._is_ready(url) for url in self.urls):
            assert time.monotonic() < deadline, f"it never answered: {(self.logs / 'web.log').read_text()[-3000:]}"
            time.sleep(0.1)

    def _is_ready(self, url: str) -> bool:
        with contextlib.suppress(requests.RequestException):
            return requests.get(f"{url}/readyz", timeout=2).status_code == 200
        return False

    def kill(self, name: str) -> None:
        """kill -9 the whole of web, worker or beat."""
        child = self.children[name]
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()

    def _end(self, child: subprocess.Popen[bytes]) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()

    def stop(self, name: str) -> None:
        """End web, worker or beat in peace."""
        self._end(self.children[name])

    # --- looking and doing --------------------------------------------------------------------------------------------

    def manage(self, *arguments: str, check: bool = True) -> str:
        """Run a management command on the site's database; returns what it printed."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def python(self, code: str) -> Any:
        """Run ``code`` inside the site's Django; it sets ``answer``, which comes back through JSON."""
        script = f"import django; django.setup()\n{code}\nimport json\nprint('ANSWER' + json.dumps(answer))"
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env=self.env | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return json.loads(done.stdout.rpartition("ANSWER")[2])

    def code_for(self, address: str, number: int = 1) -> str:
        """The single-use code in mail ``number`` to ``address``."""
        message = self.postbox.wait_for(address, number)
        body = message.get_body(("plain",))
        assert body is not None
        found = re.search(r"^\s*([A-Z0-9]{3,4}-?[A-Z0-9]{3,4})\s*$", body.get_content(), re.MULTILINE)
        assert found, body.get_content()
        return found[1]


class Browser:
    """Somebody's browser without a screen: cookies, forms, and their IP as the proxy reports it."""

    def __init__(self, stack: Stack, ip: str = "192.0.2.1") -> None:
        self.stack = stack
        self.http = requests.Session()
        self.http.headers.update({"X-Forwarded-For": ip, "User-Agent": "CanaryBrowser/1.0"})

    def get(self, path: str, status: int = 200) -> requests.Response:
        answer = self.http.get(path if path.startswith("http") else f"{self.stack.url}{path}", timeout=15)
        assert answer.status_code == status, (path, answer.status_code)
        return answer

    def submit(self, page: requests.Response, action: str, status: int = 200, **fields: str) -> requests.Response:
        """Send the form of the page's main part whose address contains ``action``, with its hidden fields and ours;
        the answer, or the page it leads to, has this ``status``."""
        main = page.text.partition("<main")[2].partition("</main>")[0]
        for form in re.findall(r"<form.*?</form>", main, re.DOTALL):
            target = re.search(r'action="([^"]*)"', form[: form.index(">")])
            url = urljoin(page.url, target[1].replace("&amp;", "&") if target else "")
            if action in url:
                hidden = dict(re.findall(r'<input type="hidden" name="([\w-]+)" value="([^"]*)"', form))
                answer = self.http.post(url, data=hidden | fields, timeout=15)
                assert answer.status_code == status, (url, answer.status_code, answer.text[-2000:])
                return answer
        raise AssertionError(f"no form for {action} on {page.url}")
