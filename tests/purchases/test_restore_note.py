"""`POST /my-leads/<id>/notes/<note>/restore/`: a removed note comes back within an hour."""

from datetime import timedelta

import pytest
import time_machine
from django.urls import reverse

from marketplace.core import clock
from marketplace.purchases.models import Note
from marketplace.purchases.notes import add_note, remove_note
from marketplace.purchases.tasks import forget


@pytest.fixture
def removed(purchase):
    """A note that was removed a moment ago."""
    note = add_note(purchase, "wrong number")
    remove_note(purchase, note.public_id)
    return note


def url(note):
    return reverse("purchases:restore_note", args=[note.purchase.public_id, note.public_id])


def test_it_works(as_alice, removed):
    response = as_alice.post(url(removed), follow=True)

    page = response.content.decode()
    assert "The note is back." in page
    assert "Undone: the note is back." in as_alice.post(url(removed), {"undo": "1"}, follow=True).text
    assert "wrong number" in page
    assert Note.objects.get().removed_at is None


def test_saying_it_twice_is_harmless(as_alice, removed):
    for _ in range(2):
        assert "The note is back." in as_alice.post(url(removed), follow=True).content.decode()
    assert Note.objects.count() == 1


@pytest.mark.parametrize("purged", [False, True])
def test_after_an_hour_it_is_gone_for_good(as_alice, removed, purged):
    with time_machine.travel(clock.now() + timedelta(minutes=61)):
        if purged:
            forget()
        as_alice.force_login(removed.purchase.buyer)
        page = as_alice.post(url(removed), follow=True).content.decode()
    assert "That note was deleted for good." in page
    assert "wrong number" not in page


def test_others_do_not_exist(client, bob, removed):
    client.force_login(bob)
    assert client.post(url(removed)).status_code == 404
    assert Note.objects.get().removed_at is not None


def test_a_visitor_signs_in(client, removed):
    assert client.post(url(removed)).status_code == 403


def test_reading_is_refused(as_alice, removed):
    assert as_alice.get(url(removed)).status_code == 405
