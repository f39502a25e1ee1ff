"""A new address: proved by a code, told to the old one."""

import re
import threading

import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.urls import reverse

from accounts.forms import EmailCodeForm
from accounts.models import User
from marketplace.core import clock
from tests.people import PASSWORD, make_alice, make_bob

from .conftest import ENTER_CODE, IP, SIGN_IN, SIGN_UP, code_of, newcomer, shown_errors, told

pytestmark = pytest.mark.django_db
CHANGE, CONFIRM, PROFILE = reverse("account_email"), reverse("account_reauthenticate"), reverse("accounts:profile")
NEW = "alice.new@example.org"


@pytest.fixture
def sure(as_alice):
    """Alice's browser; she gave her password a moment ago."""
    assert as_alice.post(CONFIRM, {"password": PASSWORD, "next": CHANGE})["Location"] == CHANGE
    return as_alice


def test_it_works(sure, alice, mails):
    page = sure.get(CHANGE)
    assert page.status_code == 200
    assert alice.email in page.text
    response = sure.post(CHANGE, {"email": "Alice.New@example.org", "action_add": "1"})
    assert response["Location"] == ENTER_CODE
    (verification,) = mails()
    assert verification.to == [NEW]
    alice.refresh_from_db()
    assert alice.email == "alice@example.com", "until the code is entered"
    page = sure.get(ENTER_CODE).text
    assert NEW in page
    assert "Keep the old address" in page
    response = sure.post(ENTER_CODE, {"code": code_of(verification)}, follow=True)
    assert response.redirect_chain == [(PROFILE, 302)]
    assert "Your email is confirmed." in response.text
    assert NEW in response.text
    alice.refresh_from_db()
    assert alice.email == NEW
    assert list(EmailAddress.objects.values_list("email", "verified", "primary")) == [(NEW, True, True)]
    (told,) = mails()
    assert (told.to, told.subject) == (["alice@example.com"], "Your account has a new email")
    assert NEW not in str(told.body)
    assert Client().post(SIGN_IN, {"login": NEW, "password": PASSWORD}).status_code == 302
    assert Client().post(SIGN_IN, {"login": "alice@example.com", "password": PASSWORD}).status_code == 422


def test_the_password_is_asked_first(as_alice, mails):
    response = as_alice.get(CHANGE)
    assert response["Location"] == f"{CONFIRM}?next=%2Faccounts%2Femail%2F"
    response = as_alice.post(CHANGE, {"email": NEW, "action_add": "1"})
    assert response["Location"] == f"{CONFIRM}?next=%2Faccounts%2Femail%2F"
    assert mails() == []


def test_asking_for_the_password_keeps_no_request_in_the_session(alice):
    """allauth would put all of it there, with the IP and the browser (AL-30)."""
    client = Client(REMOTE_ADDR=IP, HTTP_USER_AGENT="Canary/1.0")
    client.force_login(alice)
    client.post(CHANGE, {"email": NEW, "action_add": "1"})
    held = [repr(session.get_decoded()) for session in Session.objects.all()]
    assert len(held) == 1
    for canary in (IP, "Canary", NEW):
        assert canary not in held[0]


def test_the_password_is_good_for_15_minutes(as_alice):
    with time_machine.travel("2026-11-23 10:00", tick=False) as clock:
        as_alice.post(CONFIRM, {"password": PASSWORD, "next": CHANGE})
        clock.shift(14 * 60)
        assert as_alice.get(CHANGE).status_code == 200
        clock.shift(2 * 60)
        assert as_alice.get(CHANGE).status_code == 302


@pytest.mark.parametrize(
    "email", ["no-at", "", "alice@example.com", "ALICE@example.com", "a" * 250 + "@example.org", "a@localhost"]
)
def test_a_mistake_is_said_and_kept(sure, mails, email):
    response = sure.post(CHANGE, {"email": email, "action_add": "1"})
    assert response.status_code == 422
    assert set(shown_errors(response)) == {"email"}
    assert "<title>Error: " in response.text
    assert f'value="{email}"' in response.text or not email
    assert mails() == []


def test_a_wrong_code_changes_nothing(sure, alice, mails):
    sure.post(CHANGE, {"email": NEW, "action_add": "1"})
    assert [sure.post(ENTER_CODE, {"code": "00000000"}).status_code for _ in range(3)] == [422, 422, 302]
    assert sure.post(ENTER_CODE, {"code": code_of(mails()[0])}).status_code == 302
    alice.refresh_from_db()
    assert alice.email == "alice@example.com"


# As long as Bob's, so that not even Content-Length differs for another reason.
FREE = "may@example.com"


def asked_for(email: str, browser: Client, mails) -> tuple:
    """All that pages and mails tell when Alice gives ``email`` and knows no code, with every limit fresh."""

    def later() -> None:
        cache.clear()

    later()
    steps = [
        lambda: browser.post(CHANGE, {"email": email, "action_add": "1"}),
        lambda: browser.get(ENTER_CODE),
        later,
        lambda: browser.post(ENTER_CODE, {"action": "resend"}),
        lambda: browser.post(ENTER_CODE, {"action": "resend"}),
        lambda: browser.get(CHANGE),
        *[lambda: browser.post(ENTER_CODE, {"code": "00000000"})] * 3,
        lambda: browser.get(PROFILE),
    ]
    pages = [told(response, email) for response in (step() for step in steps) if response is not None]
    sent = [(m.to, m.subject, m.body, [part.content for part in m.alternatives]) for m in mails()]
    return pages, re.sub(r"\d{8}", "CODE", repr(sent).replace(email, "EMAIL"))


def test_an_address_somebody_has_looks_like_any_other(sure, bob, mails):
    """No enumeration: its owner gets codes that lead to nothing; the page says so only to who reads that mailbox."""
    with time_machine.travel(clock.now(), tick=False):
        taken, free = asked_for("bob@example.com", sure, mails), asked_for(FREE, sure, mails)
    assert taken == free
    assert taken[1].count("'EMAIL'") == 2, "the first code and a second one"
    assert "Alice" not in taken[1]


def test_an_address_somebody_has_is_not_taken_over(sure, alice, bob, mails):
    sure.post(CHANGE, {"email": bob.email, "action_add": "1"})
    response = sure.post(ENTER_CODE, {"code": code_of(mails()[0])})
    assert response.status_code == 422
    assert "Another account has this address" in shown_errors(response)["code"][0]
    alice.refresh_from_db()
    bob.refresh_from_db()
    assert (alice.email, bob.email) == ("alice@example.com", "bob@example.com")


def test_the_address_is_free_for_others_until_it_is_proved(sure, alice, mails):
    sure.post(CHANGE, {"email": NEW, "action_add": "1"})
    code = code_of(mails()[0])
    cache.clear()
    assert Client().post(SIGN_UP, newcomer(email=NEW)).status_code == 302
    assert User.objects.filter(email=NEW).exists()
    response = sure.post(ENTER_CODE, {"code": code})
    assert response.status_code == 422
    alice.refresh_from_db()
    assert alice.email == "alice@example.com"


def test_only_what_the_page_offers_can_be_done(sure, alice):
    for action in ("action_remove", "action_primary", "action_send"):
        response = sure.post(CHANGE, {"email": alice.email, action: "1"})
        assert (response.status_code, response["Location"]) == (302, CHANGE)
    assert EmailAddress.objects.filter(user=alice).count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_members_cannot_have_one_address_even_at_once(mails, settings, monkeypatch):
    """Both proved it, at the same moment."""
    settings.ACCOUNT_RATE_LIMITS = settings.ACCOUNT_RATE_LIMITS | {"confirm_email": ""}
    both = threading.Barrier(2, timeout=20)
    clean_code = EmailCodeForm.clean_code

    def clean_and_wait(form):
        code = clean_code(form)
        both.wait()
        return code

    browsers = []
    for member in (make_alice(), make_bob()):
        client = Client(raise_request_exception=False)
        client.force_login(member)
        client.post(CONFIRM, {"password": PASSWORD, "next": CHANGE})
        client.post(CHANGE, {"email": "both@example.com", "action_add": "1"})
        browsers.append((client, code_of(mails()[0])))
    monkeypatch.setattr(EmailCodeForm, "clean_code", clean_and_wait)
    answers = []

    def enter(client, code):
        try:
            answers.append(client.post(ENTER_CODE, {"code": code}).status_code)
        finally:
            connection.close()

    racers = [threading.Thread(target=enter, args=each) for each in browsers]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert answers == [302, 302]
    assert User.objects.filter(email="both@example.com").count() == 1
    assert EmailAddress.objects.filter(email="both@example.com").count() == 1
    said = ["Another account has this address already.", "Your email is confirmed."]
    pages = [browser.get(PROFILE).text for browser, _ in browsers]
    assert sorted([word for word in said if word in page] for page in pages) == [[word] for word in said]
    loser = User.objects.exclude(email="both@example.com").get()
    assert EmailAddress.objects.filter(user=loser, verified=True, email=loser.email).exists()
