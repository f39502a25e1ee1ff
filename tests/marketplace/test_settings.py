"""The settings of a production-like environment: nothing to warn of, and no start without secrets."""

import base64
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
pytestmark = pytest.mark.postgresql  # once: these processes have databases of their own
KEY = base64.b64encode(bytes(range(32))).decode()
PRODUCTION = {
    "SECRET_KEY": "k" * 25 + "0123456789abcdefghijklmnopqrstuvwxyz",
    "SEALING_KEYS": f"a:{KEY}",
    "DIGEST_KEYS": f"a:{KEY}",
    "SITE_URL": "https://leadfair.example",
    "STRIPE_SECRET_KEY": "sk_live_not_a_real_one",
    "STRIPE_WEBHOOK_SECRETS": "whsec_not_a_real_one",
}


def run(tmp_path: Path, *command: str, without: str = "", **changes: str) -> subprocess.CompletedProcess[str]:
    """``manage.py`` with that environment and nothing of ours."""
    environment = {"PATH": os.environ["PATH"], "LEADFAIR_VAR": str(tmp_path)} | PRODUCTION | changes
    environment.pop(without, None)
    command = (sys.executable, "-W", "error::RuntimeWarning", "manage.py", *command)
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120)


def show(tmp_path: Path, expression: str, **changes: str) -> str:
    code = f"from django.conf import settings; print(({expression}))"
    done = run(tmp_path, "shell", "--no-imports", "-c", code, **changes)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_it_works(tmp_path):
    done = run(tmp_path, "check", "--deploy", "--fail-level", "WARNING")
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout
    assert "(0 silenced)" in done.stdout


@pytest.mark.parametrize(
    "secret", ["SECRET_KEY", "SEALING_KEYS", "DIGEST_KEYS", "SITE_URL", "STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRETS"]
)
def test_without_a_secret_it_does_not_start(tmp_path, secret):
    done = run(tmp_path, "check", without=secret)
    assert done.returncode != 0
    assert f"Set {secret}" in done.stderr or ("STRIPE" in secret and "Set STRIPE_SECRET_KEY" in done.stderr)


@pytest.mark.parametrize("secret", ["SECRET_KEY", "SEALING_KEYS"])
def test_not_even_the_demo_has_default_secrets(tmp_path, secret):
    done = run(tmp_path, "check", without=secret, DEBUG="1")
    assert done.returncode != 0
    assert f"Set {secret}" in done.stderr


def test_debug_is_off_unless_asked_for(tmp_path):
    assert show(tmp_path, "settings.DEBUG") == "False"
    assert show(tmp_path, "settings.DEBUG", DEBUG="1") == "True"


def test_the_stand_in_processor_is_for_debug_only(tmp_path):
    done = run(tmp_path, "check", STRIPE_API_BASE="http://127.0.0.1:8001")
    assert done.returncode != 0
    assert "DEBUG only" in done.stderr
    assert run(tmp_path, "check", STRIPE_API_BASE="http://127.0.0.1:8001", DEBUG="1").returncode == 0


@pytest.mark.parametrize("keys", ["nonsense", "a:c2hvcnQ=", f"a:{KEY},a:{KEY}"])
def test_keys_that_are_none_are_refused_at_the_start(tmp_path, keys):
    done = run(tmp_path, "check", SEALING_KEYS=keys)
    assert done.returncode != 0
    assert "SEALING_KEYS must hold" in done.stderr
    assert keys not in done.stderr


def test_cookies_are_bound_to_this_host_and_to_https(tmp_path):
    shown = show(
        tmp_path,
        "settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME,"
        " settings.SESSION_COOKIE_SECURE, settings.CSRF_COOKIE_SECURE,"
        " settings.SESSION_COOKIE_PATH, settings.SESSION_COOKIE_DOMAIN, settings.SESSION_COOKIE_HTTPONLY,"
        " settings.SESSION_COOKIE_SAMESITE, settings.CSRF_COOKIE_AGE",
    )
    assert shown == "('__Host-sessionid', '__Host-csrftoken', True, True, '/', None, True, 'Lax', None)"


def test_the_host_is_that_of_the_site(tmp_path):
    assert show(tmp_path, "settings.ALLOWED_HOSTS") == "['leadfair.example']"
    assert show(tmp_path, "settings.ALLOWED_HOSTS", ALLOWED_HOSTS="a.example,b.example") == "['a.example', 'b.example']"


def test_a_proxy_is_believed_only_when_there_is_one(tmp_path):
    assert show(tmp_path, "settings.SECURE_PROXY_SSL_HEADER") == "None"
    assert "HTTP_X_FORWARDED_PROTO" in show(tmp_path, "settings.SECURE_PROXY_SSL_HEADER", TRUSTED_PROXY_COUNT="1")


def test_the_demo_pages_do_not_exist(tmp_path):
    code = "from django.urls import get_resolver; print('demo_mailbox' in get_resolver().reverse_dict)"
    assert run(tmp_path, "shell", "--no-imports", "-c", code).stdout.strip() == "False"


def test_a_page_of_production(tmp_path):
    """Over HTTPS, with every header and with hashed static files."""
    assert run(tmp_path, "migrate", "-v0").returncode == 0
    code = """
from django.test import Client
client = Client(headers={"Host": "leadfair.example"})
assert client.get("/")["Location"] == "https://leadfair.example/"
assert client.get("/livez").status_code == 200
assert client.get("/readyz").text in {"ready", "degraded"}
login = client.get("/accounts/login/", secure=True)
assert login.status_code == 200
cookie = login.cookies["__Host-csrftoken"]
assert (cookie["secure"], cookie["httponly"], cookie["path"], cookie["domain"]) == (True, True, "/", "")
assert "max-age=31536000; includeSubDomains; preload" in login["Strict-Transport-Security"]
assert "upgrade-insecure-requests" in login["Content-Security-Policy"]
assert client.get("/nowhere/", secure=True).status_code == 404
assert client.get("/", secure=True, headers={"Host": "evil.example"}).status_code == 400
print("all well")
"""
    assert run(tmp_path, "collectstatic", "--noinput", "-v0").returncode == 0
    done = run(tmp_path, "shell", "--no-imports", "-c", code)
    assert "all well" in done.stdout, done.stderr[-3000:]
