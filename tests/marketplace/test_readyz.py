"""Whether the site can serve: one word, no internals."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta

import pytest
from django.db import DatabaseError, InterfaceError, connection
from django.urls import reverse

from marketplace import views
from marketplace.core import clock, heartbeat
from marketplace.core.models import Heartbeat
from marketplace.mail.models import SERVER_AWAY, Category, OutgoingEmail
from marketplace.mail.services import send
from marketplace.wallet import gateway
from marketplace.wallet.models import EventCursor

pytestmark = pytest.mark.django_db
READY = reverse("readyz")


@pytest.fixture(autouse=True)
def _nobody_answered_yet(monkeypatch):
    monkeypatch.setattr(heartbeat, "_answered", {})


@pytest.fixture
def listener() -> Iterator[Callable[[], tuple[str, int]]]:
    """Call it for the host and port of a server that takes connections."""
    with ExitStack() as sockets:

        def listen() -> tuple[str, int]:
            return sockets.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()

        yield listen


@pytest.fixture(autouse=True)
def _processor(settings, listener):
    host, port = listener()
    settings.STRIPE_API_BASE = f"http://{host}:{port}"


def answer(client) -> tuple[int, str]:
    response = client.get(READY)
    return response.status_code, response.text


def test_it_works(client):
    assert READY == "/readyz"
    response = client.get(READY)
    assert (response.status_code, response.text, response["Content-Type"]) == (200, "ready", "text/plain")
    assert Heartbeat.objects.get().at <= clock.now()


def test_a_write_at_most_once_a_second(client, monkeypatch, django_assert_num_queries):
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now)
    answer(client)
    for _ in range(5):
        answer(client)
    assert Heartbeat.objects.get().at == now
    with django_assert_num_queries(1):  # a look
        heartbeat.beat()
    later = now + timedelta(seconds=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    with django_assert_num_queries(2):  # a look and a write
        heartbeat.beat()
    assert Heartbeat.objects.get().at == later


def test_a_clock_set_back_does_not_stop_the_writes(monkeypatch):
    Heartbeat.objects.create(at=clock.now() + timedelta(days=1))
    heartbeat.beat()
    assert Heartbeat.objects.get().at <= clock.now()


@pytest.mark.parametrize("error", [DatabaseError, InterfaceError])
def test_a_database_that_takes_no_write_means_unready(client, monkeypatch, error):
    def fail() -> None:
        raise error("password=secret host=db.internal")

    monkeypatch.setattr(heartbeat, "beat", fail)
    assert answer(client) == (503, "unready")


def test_a_missing_migration_means_unready(client, monkeypatch):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'leads'")
    heartbeat._all_applied.cache_clear()
    assert answer(client) == (503, "unready")
    heartbeat._all_applied.cache_clear()


# --- what the site can do without -------------------------------------------------------------------------------------

DEAD = 9  # a port on which nothing listens


def test_redis_away_means_degraded_and_still_ready(client, settings):
    settings.REDIS_URL = f"redis://127.0.0.1:{DEAD}/0"
    assert answer(client) == (200, "degraded")


def test_a_mail_server_away_means_degraded(client, settings, listener):
    settings.EMAIL_URL, settings.EMAIL_HOST, settings.EMAIL_PORT = "smtp://", *listener()
    assert answer(client) == (200, "ready")
    settings.EMAIL_PORT = DEAD
    assert answer(client) == (200, "degraded")


def test_a_card_processor_away_means_degraded(client, settings):
    """At once, and before anybody ever asked it anything."""
    settings.STRIPE_API_BASE = f"http://127.0.0.1:{DEAD}"
    assert not EventCursor.objects.exists()
    assert answer(client) == (200, "degraded")


def test_without_a_stand_in_the_real_processor_is_asked(settings):
    settings.STRIPE_API_BASE = ""
    assert gateway.address() == ("api.stripe.com", 443)


def test_who_answered_is_not_asked_again_at_once(monkeypatch, listener):
    host, port = listener()
    asked = []
    connect = heartbeat._connect
    monkeypatch.setattr(heartbeat, "_connect", lambda *address: asked.append(address) or connect(*address))
    assert [heartbeat.listens(host, port) for _ in range(3)] == [True, True, True]
    assert asked == [(host, port)]
    monkeypatch.setattr(heartbeat, "RECENT", 0.0)
    assert heartbeat.listens(host, port)
    assert len(asked) == 2


def test_who_did_not_is(listener):
    assert not heartbeat.listens("127.0.0.1", DEAD)
    host, port = listener()
    heartbeat._answered[f"{host}:{port}"] = time.monotonic() - 2 * heartbeat.RECENT
    assert heartbeat.listens(host, port)


def test_no_answer_is_waited_for_longer_than_a_second(monkeypatch):
    """Not even the name of the server, for which there is no time limit."""
    never = threading.Event()
    monkeypatch.setattr(heartbeat, "_connect", lambda host, port: never.wait(30))
    started = time.monotonic()
    assert not heartbeat.listens("processor.example", 443)
    assert time.monotonic() - started < 5
    never.set()


def queued(member, number: int, **changes: object) -> OutgoingEmail:
    key = f"mail:{number}"
    send(member, category=Category.SECURITY, template="accounts/email/email_changed", context={}, key=key)
    OutgoingEmail.objects.filter(key=key).update(**changes)
    return OutgoingEmail.objects.get(key=key)


def test_a_mail_server_that_takes_nothing_means_degraded(client, alice):
    queued(alice, 1)
    assert answer(client) == (200, "ready")
    waiting = queued(alice, 2, attempts=1, problem=f"{SERVER_AWAY}SMTPAuthenticationError 535")
    assert answer(client) == (200, "degraded")
    OutgoingEmail.objects.filter(pk=waiting.pk).update(state="failed")
    assert answer(client) == (200, "ready")


def test_a_recipient_whose_server_says_later_does_not(client, alice):
    long_ago = clock.now() - timedelta(hours=22)
    queued(alice, 1, attempts=9, problem="SMTPRecipientsRefused 451", created_at=long_ago)
    assert answer(client) == (200, "ready")


def test_mail_that_nobody_tries_to_send_means_degraded(client, alice):
    late = clock.now() - views.MAIL_IS_LATE - timedelta(seconds=1)
    queued(alice, 1, created_at=late)
    assert answer(client) == (200, "degraded")


def test_a_card_processor_that_answers_no_questions_means_degraded(client):
    cursor = EventCursor.objects.create(read_until=clock.now())
    assert answer(client) == (200, "ready")
    EventCursor.objects.filter(pk=cursor.pk).update(read_until=clock.now() - views.SWEEP_IS_LATE - timedelta(seconds=1))
    assert answer(client) == (200, "degraded")


def test_no_cookie_and_no_post(client):
    assert not client.get(READY).cookies
    assert client.post(READY).status_code == 405
    assert client.head(READY).status_code == 200
