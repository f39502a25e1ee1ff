"""``manage.py doctor``: each thing that can be wrong with a set-up is said, and a sound one has nothing to say."""

import base64
import os
import subprocess
import sys
from collections import namedtuple
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
import redis
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from django.core.management import call_command
from django.db import connection

from accounts.models import User
from marketplace import doctor
from marketplace.core import clock, triggers
from marketplace.demo_data.people import PASSWORD
from marketplace.models import CheckRun
from marketplace.wallet.models import StripeEvent
from tests.guards import without
from tests.mail.conftest import free_port, post_office, smtp_settings  # noqa: F401 - fixtures
from tests.people import make_member
from tests.processor import Processor

pytestmark = pytest.mark.django_db(transaction=True)
Usage = namedtuple("Usage", "total used free")
KEYS = [base64.b64encode(bytes(range(start, start + 32))).decode() for start in (0, 32)]


@pytest.fixture(scope="module")
def stripe():
    with Processor(webhook_url="http://127.0.0.1:9/", webhook_secret="whsec_x", api_key="sk_live_of_the_doctor") as it:
        yield it


@pytest.fixture(autouse=True)
def _sound(settings, tmp_path, stripe, post_office, monkeypatch):  # noqa: F811
    """A set-up with which nothing is wrong, but that it is on SQLite and without Redis on that side."""
    settings.SECRET_KEY = "0123456789" * 6
    settings.SEALING_KEYS, settings.DIGEST_KEYS = f"a:{KEYS[0]}", f"a:{KEYS[1]}"
    settings.SITE_URL, settings.ALLOWED_HOSTS = "https://leads.com", ["leads.com"]
    settings.TRUSTED_PROXY_COUNT = 1
    settings.VAR, settings.STATIC_ROOT = tmp_path, tmp_path / "static"
    settings.STATIC_ROOT.mkdir()
    (settings.STATIC_ROOT / "staticfiles.json").touch()
    tmp_path.chmod(0o750)
    settings.EMAIL_URL, settings.MAIL_FROM = "smtp://127.0.0.1", "Leads <hello@leads.com>"
    settings.STRIPE_SECRET_KEY, settings.STRIPE_API_BASE = "sk_live_of_the_doctor", stripe.url
    settings.STRIPE_WEBHOOK_SECRETS = ["whsec_0123456789abcdef0123456789abcdef"]
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda folder: Usage(10**12, 0, 10**11))
    look("ledger")
    look("watch")
    make_member("Olga", is_superuser=True)


def look(what, findings=0, **time):
    at = clock.now() - timedelta(**time)
    CheckRun.objects.create(what=what, started_at=at, ended_at=at, findings_count=findings, first_findings=[])


def errors(group) -> list[str]:
    return [found.said for found in doctor.GROUPS[group]() if found.is_error]


def warnings(group) -> list[str]:
    return [found.said for found in doctor.GROUPS[group]() if not found.is_error]


def examine() -> tuple[str, int]:
    out = StringIO()
    try:
        call_command("doctor", stdout=out)
    except SystemExit as end:
        return out.getvalue(), int(end.code)
    return out.getvalue(), 0


def says(found: list[str], words: str) -> bool:
    (sentence,) = found
    assert words in sentence
    return True


@pytest.mark.postgresql
def test_it_works():
    assert examine() == ("".join(f"ok       {name}\n" for name in doctor.GROUPS) + "0 errors, 0 warnings\n", 0)


@pytest.mark.sqlite
def test_one_machine_alone_is_worth_a_word():
    said, code = examine()
    assert code == 0
    assert "warning  database: The database is a SQLite file" in said
    assert "warning  queue: REDIS_URL is not set" in said
    assert said.endswith("0 errors, 2 warnings\n")


def test_errors_and_warnings_are_told_apart(settings):
    settings.TRUSTED_PROXY_COUNT = 0
    assert examine()[1] == 0
    settings.ALLOWED_HOSTS = ["*"]
    said, code = examine()
    assert code == 1
    lines = [line for line in said.splitlines() if " site: " in line]
    assert [line.split()[0] for line in lines] == ["ERROR", "warning"]
    assert "1 error, " in said


def test_nothing_secret_is_said(settings):
    settings.SECRET_KEY = "canary1"
    settings.STRIPE_SECRET_KEY, settings.STRIPE_WEBHOOK_SECRETS = "sk_test_canary2", ["canary3"]
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = "canary4"
    said, code = examine()
    assert code == 1
    assert "canary" not in said


# --- one part after the other -----------------------------------------------------------------------------------------


def test_keys(settings):
    assert errors("keys") == []
    settings.SECRET_KEY = "k" * 49
    assert says(errors("keys"), "SECRET_KEY is shorter")


@pytest.mark.parametrize("name", ["SEALING_KEYS", "DIGEST_KEYS"])
def test_a_key_that_is_not_random(settings, name):
    setattr(settings, name, f"a:{base64.b64encode(bytes(32)).decode()}")
    assert says(errors("keys"), f"{name}: the key a is not random")


def test_one_key_for_two_uses(settings):
    settings.DIGEST_KEYS = f"b:{KEYS[1]},c:{KEYS[0]}"
    assert says(errors("keys"), "share a key")


def test_the_keys_of_the_demo(settings):
    settings.SEALING_KEYS = f"demo:{KEYS[0]}"
    assert says(errors("keys"), "SEALING_KEYS is the demo's")
    settings.SEALING_KEYS = f"a:{KEYS[0]}"
    (settings.VAR / "demo.env").write_text(f"A=b\nSECRET_KEY={settings.SECRET_KEY}\n")
    assert says(errors("keys"), "SECRET_KEY is the demo's")
    settings.DEBUG = True
    assert errors("keys") == []


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SITE_URL", "http://leads.com", "https://"),
        ("ALLOWED_HOSTS", ["leads.com", "*"], "ALLOWED_HOSTS holds *"),
        ("ALLOWED_HOSTS", ["www.leads.com"], "lacks the host of SITE_URL"),
        ("STATIC_ROOT", Path("/nowhere"), "collectstatic"),
    ],
)
def test_the_site(settings, name, value, words):
    assert errors("site") == warnings("site") == []
    setattr(settings, name, value)
    assert says(errors("site"), words)
    settings.DEBUG = True
    assert errors("site") == []
    assert says(warnings("site"), "DEBUG is set")


def test_no_proxy_and_no_name_are_worth_a_word(settings):
    settings.TRUSTED_PROXY_COUNT = 0
    assert says(warnings("site"), "TRUSTED_PROXY_COUNT is 0")
    settings.TRUSTED_PROXY_COUNT = 1
    settings.SITE_URL, settings.ALLOWED_HOSTS = "https://leadfair.example", ["leadfair.example"]
    assert says(warnings("site"), "leadfair.example")


def test_a_database_that_is_away(monkeypatch):
    connection.close()
    name, value = ("PORT", 1) if connection.vendor == "postgresql" else ("NAME", "/proc/nowhere/leadfair.sqlite3")
    with monkeypatch.context() as away:
        away.setitem(connection.settings_dict, name, value)
        said, code = examine()
    connection.close()
    assert code == 1
    assert "ERROR    database: The database does not answer" in said
    for group in ("queue", "people", "books"):
        assert f"ERROR    {group}: Not looked at" in said


def test_a_migration_that_was_not_applied(monkeypatch):
    assert errors("database") == []
    monkeypatch.setattr(doctor.MigrationExecutor, "migration_plan", lambda *_: [1, 2])
    assert says(errors("database"), "not applied: 2. Run manage.py migrate")


def test_a_guard_that_is_missing():
    with without("leads_slots_fixed"):
        assert says(errors("database"), "leads_slots_fixed is missing")


def test_every_guard_is_known():
    assert doctor.GUARDS[connection.vendor] == triggers.names()


@pytest.mark.postgresql
def test_clocks_that_differ(monkeypatch):
    monkeypatch.setattr(doctor.clock, "now", lambda now=clock.now: now() + timedelta(seconds=3))
    assert says(errors("database"), "clocks")


@pytest.mark.postgresql
def test_a_postgresql_that_answers_before_it_has_written():
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
        assert says(errors("database"), "answers before it has written")
        cursor.execute("SET synchronous_commit = on")


@pytest.mark.sqlite
def test_sqlite_without_wal_or_on_another_machine(monkeypatch):
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode=DELETE")
        assert says(errors("database"), "WAL")
        cursor.execute("PRAGMA journal_mode=WAL")
    connection.close()
    with monkeypatch.context() as there:
        there.setattr("marketplace.core.sqlite.base.file_system_of", lambda path: "nfs")
        assert says(errors("database"), "network file system")


def test_no_worker(monkeypatch):
    assert errors("queue") == []
    CheckRun.objects.update(ended_at=clock.now() - timedelta(minutes=13))
    assert says(errors("queue"), "No worker has done a job of beat's since")
    CheckRun.objects.all().delete()
    assert says(errors("queue"), "No worker has done a job of beat's ever")


def test_work_that_waits(settings):
    before, moment = warnings("queue"), clock.now() - timedelta(minutes=16)
    StripeEvent.objects.create(
        event_id="x", type="x", object_id="x", happened_at=moment, received_at=moment, available_at=moment
    )
    assert set(warnings("queue")) - set(before) == {"Waiting for a worker for more than 15 minutes: 1 of events."}


@pytest.mark.postgresql
@pytest.mark.parametrize(
    ("policy", "look_at", "words"),
    [
        ("allkeys-lru", errors, "may drop work that waits"),
        ("volatile-lru", warnings, "may drop limits on tries"),
    ],
)
def test_a_redis_that_drops(settings, policy, look_at, words):
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.config_set("maxmemory-policy", policy)
        try:
            assert says(look_at("queue"), words)
        finally:
            client.config_set("maxmemory-policy", "noeviction")


def test_a_redis_that_does_not_answer(settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert says(errors("queue"), "Redis does not answer")


@pytest.mark.parametrize("sender", ["", "Leadfair", "a@example.com", "L <a@leadfair.example>", "root@localhost"])
def test_mail_from_nobody(settings, sender):
    assert errors("mail") == []
    settings.MAIL_FROM = sender
    assert says(errors("mail"), "MAIL_FROM")
    settings.DEBUG = True
    assert errors("mail") == []


def test_mail_to_files(settings):
    settings.EMAIL_URL = ""
    assert says(errors("mail"), "EMAIL_URL is not set")
    settings.DEBUG = True
    assert errors("mail") == []


def test_a_mail_server_that_is_none(settings):
    settings.EMAIL_PORT = free_port()
    assert says(errors("mail"), "does not answer as one (ConnectionRefusedError)")


def test_a_password_in_the_clear_that_is_wrong_as_well(settings):
    refused = AuthResult(success=False, handled=False)
    controller = Controller(
        object(), hostname="127.0.0.1", port=free_port(), auth_require_tls=False, authenticator=lambda *_: refused
    )
    controller.start()
    settings.EMAIL_PORT = controller.port
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = "canary"
    try:
        clear, wrong = errors("mail")
    finally:
        controller.stop()
    assert "in the clear" in clear
    assert "does not take the user and password" in wrong


def test_a_key_the_processor_does_not_take(settings):
    assert errors("processor") == warnings("processor") == []
    settings.STRIPE_SECRET_KEY = "sk_live_of_somebody_else"
    assert says(errors("processor"), "does not accept STRIPE_SECRET_KEY")


def test_a_processor_that_is_away(settings):
    settings.STRIPE_API_BASE = "http://127.0.0.1:1"
    assert says(errors("processor"), "The stand-in processor at http://127.0.0.1:1 does not answer")


@pytest.mark.parametrize("secrets", [[], [""], ["whsec_..."], ["sk_live_0123456789abcdef"]])
def test_notices_that_cannot_be_believed(settings, secrets):
    settings.STRIPE_WEBHOOK_SECRETS = secrets
    assert says(errors("processor"), "STRIPE_WEBHOOK_SECRETS")


def test_a_third_secret_is_not_used(settings):
    settings.STRIPE_WEBHOOK_SECRETS *= 3
    assert says(warnings("processor"), "only the first two")


def test_real_money_and_none(settings, stripe, monkeypatch):
    settings.DEBUG = True
    assert says(errors("processor"), "moves real money")
    settings.DEBUG = False
    monkeypatch.setattr(doctor.gateway, "events_between", lambda *_: [])
    settings.STRIPE_SECRET_KEY = "sk_test_x"
    assert says(warnings("processor"), "test key")


def test_a_disk_that_is_nearly_full(monkeypatch):
    assert errors("disk") == warnings("disk") == []
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda folder: Usage(10**12, 0, 5 * 10**6))
    assert says(errors("disk"), "has 5 MB left")


def test_a_folder_that_is_not_there(settings):
    settings.VAR = Path("/nowhere")
    assert says(errors("disk"), "is not there or cannot be written to")


def test_folders_that_are_open_to_all(settings):
    (settings.VAR / "uploads").mkdir()
    (settings.VAR / "uploads").chmod(0o777)
    assert says(errors("disk"), "may write to uploads in LEADFAIR_VAR")
    (settings.VAR / "uploads").chmod(0o755)
    settings.VAR.chmod(0o755)
    assert errors("disk") == []
    assert says(warnings("disk"), "may look into LEADFAIR_VAR")


def test_backups_that_are_old(settings):
    folder = settings.VAR / "backups"
    folder.mkdir()
    assert says(warnings("disk"), "older than a day")
    (folder / "new").touch()
    assert warnings("disk") == []
    yesterday = clock.now().timestamp() - 27 * 3600
    os.utime(folder / "new", (yesterday, yesterday))
    assert says(warnings("disk"), "older than a day")


def test_the_demos_people(settings):
    assert errors("people") == []
    User.objects.create_user("dana@example.com", "Dana", PASSWORD)
    assert says(errors("people"), "demo's people")
    settings.DEBUG = True
    assert errors("people") == []


def test_nobody_to_tell():
    assert warnings("people") == []
    User.objects.update(is_superuser=False)
    assert says(warnings("people"), "no owner")


def test_the_books():
    look("ledger", hours=25)
    assert errors("books") == warnings("books") == []
    look("ledger", findings=1)
    assert says(errors("books"), "do not add up")
    CheckRun.objects.all().delete()
    assert says(warnings("books"), "not checked within a day")


def test_a_setting_that_is_missing_is_said_without_a_traceback():
    environment = {"PATH": os.environ["PATH"]}
    command = [sys.executable, "manage.py", "doctor"]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[2], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("ERROR    Set SECRET_KEY in the environment")
    assert "Traceback" not in done.stderr
