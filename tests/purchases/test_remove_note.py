"""`POST /my-leads/<id>/notes/<note>/remove/`: a note is gone at once, and for good after an hour."""

from datetime import timedelta
from urllib.parse import quote

import time_machine
from django.urls import reverse

from marketplace.core import clock
from marketplace.purchases import exports
from marketplace.purchases.models import Note, Purchase
from marketplace.purchases.notes import add_note, remove_note
from marketplace.purchases.tasks import forget

from .conftest import bought


def url(purchase, note):
    return reverse("purchases:remove_note", args=[purchase.public_id, note.public_id])


def test_it_works(as_alice, purchase):
    note, other = add_note(purchase, "wrong number"), add_note(purchase, "keep this")

    response = as_alice.post(url(purchase, note), follow=True)

    page = response.content.decode()
    assert "Note removed." in page
    assert "wrong number" not in page
    assert list(Note.objects.kept()) == [other]
    restore = reverse("purchases:restore_note", args=[purchase.public_id, note.public_id])
    assert f'action="{restore}"' in page.split('class="flashes"')[1].split("<h1>")[0]


def test_it_is_gone_from_every_page_export_and_search(as_alice, alice, purchase):
    remove_note(purchase, add_note(purchase, "wrong number").public_id)
    for address in ("/my-leads/?q=wrong", "/my-leads/?q=number&stage=new"):
        assert "Nothing found" in as_alice.get(address).content.decode()
    assert "wrong number" not in as_alice.get(reverse("purchases:my_lead", args=[purchase.public_id])).content.decode()
    assert "wrong number" not in str(list(exports.rows(Purchase.objects.for_user(alice))))


def test_the_session_holds_no_text(as_alice, purchase):
    as_alice.post(url(purchase, add_note(purchase, "wrong number")))
    assert "wrong number" not in str(dict(as_alice.session))


def test_after_an_hour_it_is_deleted(alice, purchase):
    note, kept = add_note(purchase, "wrong number"), add_note(purchase, "keep this")
    remove_note(purchase, note.public_id)
    forget()
    assert Note.objects.count() == 2
    with time_machine.travel(clock.now() + timedelta(minutes=61)):
        forget()
    assert list(Note.objects.all()) == [kept]


def test_removing_it_twice_is_harmless(as_alice, purchase):
    note = add_note(purchase, "wrong number")
    assert as_alice.post(url(purchase, note)).status_code == 302
    removed_at = Note.objects.get().removed_at
    assert as_alice.post(url(purchase, note)).status_code == 302
    assert Note.objects.get().removed_at == removed_at, "the hour does not begin anew"


def test_a_note_goes_only_from_its_own_purchase(as_alice, alice, purchase):
    note = add_note(bought(alice), "elsewhere")
    as_alice.post(url(purchase, note))
    assert Note.objects.kept().get() == note


def test_others_do_not_exist(client, bob, purchase):
    note = add_note(purchase, "mine")
    client.force_login(bob)
    assert client.post(url(purchase, note)).status_code == 404
    assert client.post(url(bought(bob), note)).status_code == 302
    assert Note.objects.kept().get() == note


def test_a_visitor_signs_in(client, purchase):
    note = add_note(purchase, "mine")
    response = client.post(url(purchase, note))
    assert response.status_code == 403
    there = reverse("purchases:my_lead", args=[purchase.public_id])
    assert f'href="{reverse("account_login")}?next={quote(there, safe="")}"' in response.text, "not notes/, a mere form"
    assert "<textarea" not in response.text
    assert Note.objects.exists()


def test_reading_is_refused(as_alice, purchase):
    assert as_alice.get(url(purchase, add_note(purchase, "x"))).status_code == 405
