"""`POST /my-leads/<id>/notes/`: keep a note that only its writer sees."""

from urllib.parse import quote

import pytest
from django.contrib.sessions.models import Session
from django.db import IntegrityError, transaction
from django.urls import reverse

from marketplace.core import clock
from marketplace.purchases.models import Note
from marketplace.purchases.notes import add_note, remove_note
from marketplace.purchases.services import new_key


def url(purchase):
    return reverse("purchases:add_note", args=[purchase.public_id])


def test_it_works(as_alice, purchase):
    response = as_alice.post(url(purchase), {"text": "  call after six  ", "key": new_key()})

    assert response["Location"] == f"{reverse('purchases:my_lead', args=[purchase.public_id])}#notes"
    note = Note.objects.get()
    assert note.text == "call after six"
    page = as_alice.get(response["Location"]).text
    assert "call after six" in page
    flashes = page.split('class="flashes"')[1].split("<h1>")[0]
    assert "Note added." in flashes
    assert f'action="{reverse("purchases:remove_note", args=[purchase.public_id, note.public_id])}"' in flashes


def test_a_double_tap_keeps_one_note(as_alice, purchase):
    form = {"text": "call after six", "key": new_key()}
    for _ in range(2):
        assert as_alice.post(url(purchase), form).status_code == 302
    assert Note.objects.count() == 1


def test_another_text_from_the_same_page_is_another_note(as_alice, purchase):
    """Back, and something to add: nothing that was typed is lost."""
    key = new_key()
    for text in ("call after six", "call after six, not on Friday"):
        as_alice.post(url(purchase), {"text": text, "key": key})
    assert Note.objects.count() == 2


def test_a_note_that_was_removed_comes_back_if_it_is_sent_again(as_alice, purchase):
    note = add_note(purchase, "call after six", key="once")
    remove_note(purchase, note.public_id)
    assert add_note(purchase, "call after six", key="once") == note
    assert Note.objects.kept().get() == note


def test_the_database_keeps_a_key_once(purchase):
    note = add_note(purchase, "call after six")
    with pytest.raises(IntegrityError), transaction.atomic():
        Note.objects.create(purchase=purchase, text="again", key=note.key, created_at=clock.now())


def test_without_its_key_the_note_is_asked_for_again(as_alice, purchase):
    response = as_alice.post(url(purchase), {"text": "call after six"})
    assert response.status_code == 422
    assert "call after six</textarea>" in response.text
    assert not Note.objects.exists()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("", "Write something first."), ("   ", "Write something first."), ("x" * 2001, "2000 characters")],
)
def test_an_empty_or_too_long_note_is_refused(as_alice, purchase, text, sentence):
    response = as_alice.post(url(purchase), {"text": text, "key": new_key()})
    page = response.content.decode()
    assert response.status_code == 422
    assert sentence in page
    assert 'id="id_text_error"' in page
    assert text.strip() in page
    assert not Note.objects.exists()


def test_the_longest_note_is_kept(as_alice, purchase):
    assert as_alice.post(url(purchase), {"text": "x" * 2000, "key": new_key()}).status_code == 302
    assert len(Note.objects.get().text) == 2000


def test_a_card_number_is_taken_out(as_alice, purchase):
    page = as_alice.post(
        url(purchase), {"text": "pays with 4242 4242\n4242-4242, call 614-555-0142", "key": new_key()}, follow=True
    )
    assert Note.objects.get().text == "pays with [card number], call 614-555-0142"
    assert "A card number was taken out of your note." in page.content.decode()


def test_no_way_in_misses_a_card_number(purchase):
    assert "4242" not in add_note(purchase, "x" * 1984 + "4242424242424242").text
    assert "4242" not in Note.objects.get().text


def test_a_note_without_a_card_number_is_kept_as_it_is(as_alice, purchase):
    page = as_alice.post(
        url(purchase),
        {"text": f"call 614-555-0142 about lead {purchase.lead.public_id}", "key": new_key()},
        follow=True,
    )
    assert "card number" not in page.content.decode()
    assert Note.objects.get().text == f"call 614-555-0142 about lead {purchase.lead.public_id}"


def test_a_nul_is_refused(as_alice, purchase):
    assert as_alice.post(url(purchase), {"text": "a\x00b", "key": new_key()}).status_code == 422


def test_others_do_not_exist(client, bob, purchase):
    client.force_login(bob)
    assert client.post(url(purchase), {"text": "mine now", "key": new_key()}).status_code == 404
    assert not Note.objects.exists()


def test_who_was_signed_out_meanwhile_keeps_the_text_and_comes_back_to_the_lead(client, purchase):
    """The address of the form shows no page, so nobody is led to it."""
    response = client.post(url(purchase), {"text": "\nCall <b>Monday</b>", "key": new_key()})
    assert response.status_code == 403
    assert "You were signed out. Nothing was saved." in response.text
    assert ">\n\nCall &lt;b&gt;Monday&lt;/b&gt;</textarea>" in response.text
    there = reverse("purchases:my_lead", args=[purchase.public_id])
    assert f'href="{reverse("account_login")}?next={quote(there, safe="")}"' in response.text
    assert "no-store" in response["Cache-Control"]
    assert not Note.objects.exists()
    assert not Session.objects.exists(), "the text is kept nowhere"


def test_reading_is_refused(as_alice, purchase):
    assert as_alice.get(url(purchase)).status_code == 405
