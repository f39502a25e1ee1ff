"""Whether the site can serve: one word, no internals."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, InterfaceError, connection
from django.urls import reverse

from marketplace import views
from marketplace.core import clock, heartbeat
from marketplace.core.models import Heartbeat
from marketplace.mail.models import Category, OutgoingEmail
from marketplace.mail.services import send
from marketplace.wallet.models import EventCursor

pytestmark = pytest.mark.django_db
READY = reverse("readyz")


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


def test_redis_away_means_degraded_and_still_ready(client, settings):
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    assert answer(client) == (200, "degraded")


def test_mail_that_does_not_leave_means_degraded(client, alice):
    send(alice, category=Category.SECURITY, template="accounts/email/email_changed", context={}, key="1")
    assert answer(client) == (200, "ready")
    OutgoingEmail.objects.update(created_at=clock.now() - views.MAIL_IS_LATE - timedelta(seconds=1))
    assert answer(client) == (200, "degraded")
    OutgoingEmail.objects.update(state="failed")
    assert answer(client) == (200, "ready")


def test_a_card_processor_that_does_not_answer_means_degraded(client):
    cursor = EventCursor.objects.create(read_until=clock.now())
    assert answer(client) == (200, "ready")
    EventCursor.objects.filter(pk=cursor.pk).update(read_until=clock.now() - views.SWEEP_IS_LATE - timedelta(seconds=1))
    assert answer(client) == (200, "degraded")


def test_no_cookie_and_no_post(client):
    assert not client.get(READY).cookies
    assert client.post(READY).status_code == 405
    assert client.head(READY).status_code == 200
