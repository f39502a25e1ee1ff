"""The code that proves an email."""

import re
from datetime import timedelta
from urllib.parse import quote

import pytest
import time_machine
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.urls import reverse

from accounts.models import User
from marketplace.core import clock

from .conftest import ENTER_CODE, PASSWORD, SIGN_IN, SIGN_OUT, SIGN_UP, code_of, make_unverified, newcomer, shown_errors

pytestmark = pytest.mark.django_db
WRONG = "00000000"


def test_it_works(visitor, signed_up, mails):
    page = visitor.get(ENTER_CODE)
    assert 'inputmode="numeric"' in page.text
    assert 'autocomplete="one-time-code"' in page.text
    assert signed_up.email in page.text
    response = visitor.post(ENTER_CODE, {"code": code_of(mails()[0])})
    assert response.status_code == 302
    signed_up.refresh_from_db()
    assert signed_up.is_verified


@pytest.mark.parametrize("form", ["{}{}{}{} {}{}{}{}", " {}{}-{}{}-{}{}-{}{} ", "{} {} {} {} {} {} {} {}"])
def test_spaces_and_dashes_do_not_matter(visitor, signed_up, mails, form):
    code = code_of(mails()[0])
    assert visitor.post(ENTER_CODE, {"code": form.format(*code)}).status_code == 302
    signed_up.refresh_from_db()
    assert signed_up.is_verified


@pytest.mark.parametrize("code", ["", WRONG, "١٢٣٤٥٦٧٨", "x" * 5000, "1234567\x00"])
def test_a_wrong_code_is_said_and_kept(visitor, signed_up, mails, code):
    response = visitor.post(ENTER_CODE, {"code": code})
    assert response.status_code == 422
    assert "code" in shown_errors(response)
    assert "<title>Error: Confirm your email" in response.text
    signed_up.refresh_from_db()
    assert not signed_up.is_verified


@pytest.mark.parametrize("code", ["", "abcdefgh", "1234567", "123456789", "١٢٣٤٥٦٧٨", "1234567\x00", "x" * 5000])
def test_what_cannot_be_a_code_is_no_try(visitor, signed_up, mails, code):
    for _ in range(4):
        response = visitor.post(ENTER_CODE, {"code": code})
        assert response.status_code == 422
        assert "You have 3 tries left." in response.text
    visitor.post(ENTER_CODE, {"code": code_of(mails()[0])})
    signed_up.refresh_from_db()
    assert signed_up.is_verified


def test_the_page_tells_how_many_tries_are_left(visitor, signed_up):
    assert "You have 3 tries left." in visitor.get(ENTER_CODE).text
    assert "You have 2 tries left." in visitor.post(ENTER_CODE, {"code": WRONG}).text
    assert "You have 1 try left." in visitor.post(ENTER_CODE, {"code": WRONG}).text
    assert "You have 1 try left." in visitor.get(ENTER_CODE).text


def test_the_third_wrong_code_ends_it(visitor, signed_up, mails):
    code = code_of(mails()[0])
    assert [visitor.post(ENTER_CODE, {"code": WRONG}).status_code for _ in range(2)] == [422, 422]
    response = visitor.post(ENTER_CODE, {"code": WRONG}, follow=True)
    assert response.redirect_chain == [(SIGN_IN, 302)]
    assert "wrong three times" in response.text
    response = visitor.post(ENTER_CODE, {"code": code})
    assert response["Location"] == SIGN_IN, "the right one comes too late"
    signed_up.refresh_from_db()
    assert not signed_up.is_verified


def test_a_code_works_once(visitor, signed_up, mails, client):
    code = code_of(mails()[0])
    visitor.post(ENTER_CODE, {"code": code})
    visitor.post(SIGN_OUT)
    cache.clear()
    visitor.post(SIGN_IN, {"login": signed_up.email, "password": PASSWORD})
    assert visitor.post(ENTER_CODE, {"code": code})["Location"] != ENTER_CODE
    assert client.post(ENTER_CODE, {"code": code})["Location"] == SIGN_IN, "nor in another browser"


def test_a_code_works_for_10_minutes(visitor, mails):
    with time_machine.travel("2026-11-23 10:00", tick=False) as clock:
        visitor.post(SIGN_UP, newcomer())
        code = code_of(mails()[0])
        clock.shift(9 * 60)
        assert "1 more minute." in visitor.get(ENTER_CODE).text
        clock.shift(61)
        assert visitor.post(ENTER_CODE, {"code": code})["Location"] == SIGN_IN
    assert not User.objects.get().is_verified


def test_a_new_code_ends_the_old_one(visitor, signed_up, mails):
    old = code_of(mails()[0])
    cache.clear()  # 10 seconds later
    response = visitor.post(ENTER_CODE, {"action": "resend"})
    assert (response.status_code, response["Location"]) == (302, ENTER_CODE)
    assert "We sent a new code." in visitor.get(ENTER_CODE).text
    (again,) = mails()
    assert again.to == [signed_up.email]
    assert visitor.post(ENTER_CODE, {"code": old}).status_code == 422
    assert visitor.post(ENTER_CODE, {"code": code_of(again)}).status_code == 302


def test_two_new_codes_at_most(visitor, signed_up, mails):
    for _ in range(3):
        cache.clear()
        visitor.post(ENTER_CODE, {"action": "resend"})
    assert len(mails()) == 3, "the welcome and two more"
    assert "Send a new code" not in visitor.get(ENTER_CODE).text


def test_asking_again_at_once_is_too_fast_and_stays_on_the_page(visitor, signed_up, mails):
    for _ in range(2):
        response = visitor.post(ENTER_CODE, {"action": "resend", "next": "/terms/"})
        assert response.status_code == 429
        assert 0 < int(response["Retry-After"]) <= 10
        assert f"You can try again in {response['Retry-After']} second" in response.text
        assert '<input type="text" name="code"' in response.text
        assert 'name="next" value="/terms/"' in response.text
        session = visitor.session
        session["something"] = "to keep"
        session.save()
    (welcome,) = mails()
    visitor.post(ENTER_CODE, {"code": code_of(welcome)})
    signed_up.refresh_from_db()
    assert signed_up.is_verified, "the code in the mail is still the one"


@pytest.mark.parametrize("wanted", ["/wallet/", "/my-leads/?q=x"])
def test_where_one_wanted_to_go_survives(visitor, signed_up, mails, wanted):
    """A newcomer opens a page of members before the code was entered."""
    door = visitor.get(wanted)["Location"]
    assert door.startswith(SIGN_IN)
    page = visitor.get(door)
    assert page["Location"] == f"{ENTER_CODE}?next={quote(wanted, safe='')}"
    assert f'name="next" value="{wanted}"' in visitor.get(page["Location"]).text
    response = visitor.post(ENTER_CODE, {"code": code_of(mails()[0]), "next": wanted})
    assert response["Location"] == wanted


def test_it_survives_the_third_wrong_code(visitor, signed_up):
    for _ in range(3):
        response = visitor.post(ENTER_CODE, {"code": WRONG, "next": "/wallet/"})
    assert response["Location"] == f"{SIGN_IN}?next=%2Fwallet%2F"


def test_one_can_start_over_with_another_address(visitor, signed_up):
    assert visitor.get(SIGN_UP)["Location"] == ENTER_CODE, "a sign-up is under way"
    page = visitor.get(ENTER_CODE).text
    assert "Use another address" in page
    response = visitor.post(SIGN_OUT, {"next": SIGN_UP})
    assert response["Location"] == SIGN_UP
    assert visitor.get(SIGN_UP).status_code == 200


def test_without_a_code_under_way_there_is_nothing_to_enter(visitor, as_alice):
    assert visitor.get(ENTER_CODE)["Location"] == SIGN_IN
    assert as_alice.get(ENTER_CODE)["Location"] == reverse("account_email")


def test_who_signs_in_unproved_gets_a_code_first(visitor, mails):
    eve = make_unverified()
    response = visitor.post(SIGN_IN, {"login": eve.email, "password": PASSWORD, "next": "/terms/"})
    assert response["Location"] == f"{ENTER_CODE}?next=%2Fterms%2F"
    assert visitor.get(reverse("accounts:profile")).status_code == 302, "not in yet"
    response = visitor.post(ENTER_CODE, {"code": code_of(mails()[0])})
    assert response["Location"] == "/terms/"
    assert visitor.get(reverse("accounts:profile")).status_code == 200


def test_the_page_with_the_address_is_kept_by_no_browser(visitor, signed_up):
    for response in (visitor.get(ENTER_CODE), visitor.post(ENTER_CODE, {"code": WRONG})):
        assert signed_up.email in response.text
        assert "no-store" in response["Cache-Control"]


def test_the_session_keeps_no_address_once_it_is_over(visitor, signed_up, mails):
    visitor.post(ENTER_CODE, {"code": code_of(mails()[0])})
    visitor.get("/leads/")
    (session,) = Session.objects.all()
    held = repr(session.get_decoded())
    assert signed_up.email not in held
    assert not re.search(r"\b\d{8}\b", held), "nor the code"
    assert "203.0.113" not in held


def test_a_session_of_somebody_who_gave_up_lives_for_an_hour(visitor, signed_up):
    """It holds the address, which nobody needs once the code is over."""
    (session,) = Session.objects.all()
    assert signed_up.email in repr(session.get_decoded())
    assert session.expire_date <= clock.now() + timedelta(hours=1)


def test_who_ticked_the_box_stays_signed_in_from_the_code_on(visitor, mails):
    eve = make_unverified()
    visitor.post(SIGN_IN, {"login": eve.email, "password": PASSWORD, "remember": "on"})
    (session,) = Session.objects.all()
    assert session.expire_date <= clock.now() + timedelta(hours=1)
    assert visitor.cookies["sessionid"]["max-age"] <= 3600
    visitor.post(ENTER_CODE, {"code": code_of(mails()[0])})
    (session,) = Session.objects.all()
    assert session.expire_date > clock.now() + timedelta(days=13)
    assert visitor.cookies["sessionid"]["max-age"] in range(14 * 24 * 3600 - 5, 14 * 24 * 3600 + 1)
