"""The image and what runs of it: nothing floats, nothing runs as root, nothing but the proxy is open, all of it is
looked after."""

import os
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import yaml
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
pytestmark = pytest.mark.postgresql  # once: no database is asked
PINNED = re.compile(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}")
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("leadfair:")}


def test_it_works():
    assert set(SERVICES) == {
        *("web", "worker", "worker-long", "beat", "metrics", "migrate"),
        *("postgresql", "redis", "proxy"),
    }
    assert set(OURS) == {"web", "worker", "worker-long", "beat", "metrics", "migrate"}


def test_every_image_is_pinned():
    base = re.search(r"^ARG BASE=(\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert PINNED.fullmatch(base[1])
    for name in SERVICES.keys() - OURS.keys():
        assert PINNED.fullmatch(SERVICES[name]["image"]), name


def test_the_image_is_nobodys_root():
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    assert lines.index("USER 10001:10001") > max(n for n, line in enumerate(lines) if line.startswith(("RUN", "COPY")))
    assert "VOLUME /var/lib/leadfair" in lines


def test_what_goes_into_it_is_named():
    """A file that nobody named, such as one with keys, does not."""
    first, *others = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert first == "*"
    assert all((ROOT / line[1:]).exists() for line in others if line.startswith("!"))
    copied = re.findall(r"^COPY (?!--from)(\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert {f"!{name}" for name in copied} == {line for line in others if line.startswith("!")}


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_looked_after(name):
    service = SERVICES[name]
    assert service["restart"] == ("no" if name == "migrate" else "unless-stopped")
    assert set(service["logging"]["options"]) == {"max-size", "max-file"}
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert name == "web" or "healthcheck" in service, "the image has one for web"


def test_nothing_but_the_proxy_can_be_reached():
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert ports == {"proxy": ["80:80", "443:443", "443:443/udp"], "metrics": ["127.0.0.1:9100:9100"]}


def test_no_secret_is_written_down():
    text = (ROOT / "compose.yaml").read_text() + (ROOT / "Dockerfile").read_text()
    assert not re.search(r"(sk_live|sk_test|whsec)_|[A-Za-z0-9+/]{43}=", text)
    assert all(service["env_file"] == ".env" for service in OURS.values())


def test_every_job_has_a_worker_and_there_is_one_beat():
    commands = [service.get("command", "") for service in OURS.values()]
    told = {queue for command in commands for queue in re.findall(r"--queues (\w+)", command)}
    assert told == {queue.name for queue in settings.CELERY_TASK_QUEUES}
    assert sum(" beat " in command for command in commands) == 1


def test_redis_drops_nothing():
    assert "--maxmemory-policy noeviction" in SERVICES["redis"]["command"]
    assert "--appendonly yes" in SERVICES["redis"]["command"]


def test_the_image_starts_as_the_readme_says():
    command = re.search(r"^CMD \[(.*?)\]", (ROOT / "Dockerfile").read_text(), re.MULTILINE | re.DOTALL)[1]
    words = re.findall(r'"([^"]+)"', command)
    for option in ("--no-control-socket", "--limit-request-line", "gthread"):
        assert option in words
        assert option in (ROOT / "README.md").read_text()


class Answers(BaseHTTPRequestHandler):
    """Says yes at /livez to whoever asks by the name of the site."""

    def do_GET(self) -> None:
        is_ours = (self.path, self.headers["Host"]) == ("/livez", "leads.test")
        self.send_response(200 if is_ours else 400)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


def test_a_container_knows_whether_it_works(monkeypatch, tmp_path):
    spec = spec_from_file_location("healthy", ROOT / "deploy" / "healthy.py")
    healthy = module_from_spec(spec)
    spec.loader.exec_module(healthy)
    monkeypatch.setenv("SITE_URL", "https://leads.test")
    monkeypatch.setenv("LEADFAIR_VAR", str(tmp_path))
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        assert healthy.answers(server.server_port, "/livez")
        assert not healthy.answers(server.server_port, "/readyz")
        server.shutdown()
    with pytest.raises(OSError, match="refused"):
        healthy.answers(server.server_port, "/livez")

    assert not healthy.beats()
    schedule = tmp_path / "celerybeat-schedule"
    schedule.touch()
    assert healthy.beats()
    os.utime(schedule, (time.time() - 3600,) * 2)
    assert not healthy.beats()
