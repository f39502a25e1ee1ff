"""`POST /my-leads/<id>/notes/<note>/remove/`: a note goes for good."""

from urllib.parse import quote

from django.urls import reverse

from marketplace.purchases.models import Note
from marketplace.purchases.services import add_note

from .conftest import bought


def url(purchase, note):
    return reverse("purchases:remove_note", args=[purchase.public_id, note.public_id])


def test_it_works(as_alice, purchase):
    note, other = add_note(purchase, "wrong number"), add_note(purchase, "keep this")

    response = as_alice.post(url(purchase, note), follow=True)

    page = response.content.decode()
    assert "Note removed." in page
    assert "wrong number" not in page
    assert list(Note.objects.all()) == [other]


def test_removing_it_twice_is_harmless(as_alice, purchase):
    note = add_note(purchase, "wrong number")
    assert as_alice.post(url(purchase, note)).status_code == 302
    assert as_alice.post(url(purchase, note)).status_code == 302


def test_a_note_goes_only_from_its_own_purchase(as_alice, alice, purchase):
    note = add_note(bought(alice), "elsewhere")
    as_alice.post(url(purchase, note))
    assert Note.objects.get() == note


def test_others_do_not_exist(client, bob, purchase):
    note = add_note(purchase, "mine")
    client.force_login(bob)
    assert client.post(url(purchase, note)).status_code == 404
    assert client.post(url(bought(bob), note)).status_code == 302
    assert Note.objects.get() == note


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
