"""A forgotten password: a code by mail, then a new one."""

from datetime import timedelta

import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from accounts import emails, services
from accounts.models import User
from marketplace.core import clock
from tests.people import PASSWORD

from .conftest import (
    ENTER_RESET_CODE,
    NEW_PASSWORD,
    NO_ADDRESSES,
    RESET,
    SIGN_IN,
    code_of,
    make_unverified,
    shown_errors,
)

pytestmark = pytest.mark.django_db
NEW = "quite another phrase"


def asked(visitor, mails, member) -> str:
    """The code after asking for one."""
    assert visitor.post(RESET, {"email": member.email})["Location"] == ENTER_RESET_CODE
    return code_of(mails()[0])


def test_it_works(visitor, alice, mails):
    response = visitor.post(RESET, {"email": "Alice@Example.com"})
    assert (response.status_code, response["Location"]) == (302, ENTER_RESET_CODE)
    (message,) = mails()
    assert message.to == [alice.email]
    assert message.subject == "Your code for a new password"
    page = visitor.get(ENTER_RESET_CODE).text
    assert "alice@example.com" in page
    assert "10 more minutes" in page
    assert 'inputmode="numeric"' in page
    response = visitor.post(ENTER_RESET_CODE, {"code": code_of(message)})
    assert response["Location"] == NEW_PASSWORD
    response = visitor.post(NEW_PASSWORD, {"password1": NEW}, follow=True)
    assert response.redirect_chain == [(reverse("account_password_reset_completed"), 302)]
    alice.refresh_from_db()
    assert alice.check_password(NEW)
    assert [message.subject for message in mails()] == ["Your password was changed"]
    assert Client().post(SIGN_IN, {"login": alice.email, "password": NEW}).status_code == 302


def test_no_page_with_the_address_is_kept_by_a_browser(visitor, alice, mails):
    code = asked(visitor, mails, alice)
    pages = [
        visitor.post(RESET, {"email": "no-at"}),
        visitor.get(ENTER_RESET_CODE),
        visitor.post(ENTER_RESET_CODE, {"code": "00000000"}),
        visitor.post(ENTER_RESET_CODE, {"code": code}),
        visitor.get(NEW_PASSWORD),
    ]
    assert all("no-store" in page["Cache-Control"] for page in pages)


def test_the_password_is_typed_once(visitor, alice, mails):
    visitor.post(ENTER_RESET_CODE, {"code": asked(visitor, mails, alice)})
    assert set(visitor.get(NEW_PASSWORD).context["form"].fields) == {"password1"}


def test_every_other_session_ends(visitor, alice, mails, as_alice):
    visitor.post(ENTER_RESET_CODE, {"code": asked(visitor, mails, alice)})
    visitor.post(NEW_PASSWORD, {"password1": NEW})
    assert as_alice.get(reverse("accounts:profile")).status_code == 302


def test_a_weak_password_is_refused_and_the_way_stays_open(visitor, alice, mails):
    visitor.post(ENTER_RESET_CODE, {"code": asked(visitor, mails, alice)})
    response = visitor.post(NEW_PASSWORD, {"password1": "short"})
    assert response.status_code == 422
    assert set(shown_errors(response)) == {"password1"}
    assert "<title>Error: " in response.text
    visitor.post(NEW_PASSWORD, {"password1": NEW})
    alice.refresh_from_db()
    assert alice.check_password(NEW)


def test_an_address_that_is_none_is_said(visitor):
    response = visitor.post(RESET, {"email": "no-at"})
    assert response.status_code == 422
    assert 'value="no-at"' in response.text


def test_a_code_works_once_and_only_where_it_was_asked_for(visitor, alice, mails, client):
    code = asked(visitor, mails, alice)
    assert client.post(ENTER_RESET_CODE, {"code": code})["Location"] == SIGN_IN
    visitor.post(ENTER_RESET_CODE, {"code": code})
    visitor.post(NEW_PASSWORD, {"password1": NEW})
    assert visitor.post(ENTER_RESET_CODE, {"code": code})["Location"] == SIGN_IN
    assert visitor.post(NEW_PASSWORD, {"password1": "a third phrase here"})["Location"] == RESET


def test_a_new_code_ends_the_old_one(visitor, alice, mails):
    old = asked(visitor, mails, alice)
    new = asked(visitor, mails, alice)
    assert visitor.post(ENTER_RESET_CODE, {"code": old}).status_code == 422
    assert visitor.post(ENTER_RESET_CODE, {"code": new})["Location"] == NEW_PASSWORD


def test_the_page_says_that_a_new_code_was_sent(visitor, alice, mails):
    asked(visitor, mails, alice)
    page = visitor.get(ENTER_RESET_CODE).text
    assert "We sent a new code" not in page
    assert '<input type="hidden" name="again" value="1">' in page
    page = visitor.post(RESET, {"email": alice.email, "again": "1"}, follow=True)
    assert "We sent a new code. Earlier ones no longer work." in page.text


def test_only_eight_wrong_digits_are_a_try(visitor, alice, mails):
    code = asked(visitor, mails, alice)
    for typed in ("", "letters", "1234567", "123456789"):
        assert "You have 3 tries left." in visitor.post(ENTER_RESET_CODE, {"code": typed}).text
    assert "You have 2 tries left." in visitor.post(ENTER_RESET_CODE, {"code": "00000000"}).text
    assert visitor.post(ENTER_RESET_CODE, {"code": code})["Location"] == NEW_PASSWORD


def test_three_wrong_codes_end_it(visitor, alice, mails):
    code = asked(visitor, mails, alice)
    answers = [visitor.post(ENTER_RESET_CODE, {"code": "00000000"}).status_code for _ in range(3)]
    assert answers == [422, 422, 302]
    assert visitor.post(ENTER_RESET_CODE, {"code": code})["Location"] == SIGN_IN


def test_a_code_works_for_10_minutes(visitor, alice, mails):
    with time_machine.travel("2026-11-23 10:00", tick=False) as clock:
        code = asked(visitor, mails, alice)
        clock.shift(10 * 60 + 1)
        assert visitor.post(ENTER_RESET_CODE, {"code": code})["Location"] == SIGN_IN


def change_password_elsewhere(alice) -> None:
    services.set_password(User.objects.get(pk=alice.pk), "changed elsewhere")


def change_email_elsewhere(alice) -> None:
    User.objects.filter(pk=alice.pk).update(email="alice.new@example.org")
    EmailAddress.objects.filter(user=alice).update(email="alice.new@example.org")


def close(alice) -> None:
    User.objects.filter(pk=alice.pk).update(is_active=False)


CHANGES = [change_password_elsewhere, change_email_elsewhere, close]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_the_account_ends_the_code(visitor, alice, mails, change):
    """B30. The page goes on as for an address without account, so that nothing is told."""
    code = asked(visitor, mails, alice)
    change(alice)
    assert visitor.get(ENTER_RESET_CODE).status_code == 200
    answers = [visitor.post(ENTER_RESET_CODE, {"code": code}).status_code for _ in range(3)]
    assert answers == [422, 422, 302]
    assert visitor.get(NEW_PASSWORD)["Location"] == RESET


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_the_account_ends_what_the_code_allowed(visitor, alice, mails, change):
    visitor.post(ENTER_RESET_CODE, {"code": asked(visitor, mails, alice)})
    assert visitor.get(NEW_PASSWORD).status_code == 200
    change(alice)
    assert visitor.post(NEW_PASSWORD, {"password1": NEW})["Location"] == RESET
    alice.refresh_from_db()
    assert not alice.check_password(NEW)


@pytest.mark.parametrize("change", CHANGES[:2])
def test_a_change_at_the_same_moment_wins(visitor, alice, mails, change, monkeypatch):
    """After the last look of the page, before the write."""
    visitor.post(ENTER_RESET_CODE, {"code": asked(visitor, mails, alice)})
    make_password = services.make_password

    def meanwhile(password):
        monkeypatch.setattr(services, "make_password", make_password)
        change(alice)
        return make_password(password)

    monkeypatch.setattr(services, "make_password", meanwhile)
    response = visitor.post(NEW_PASSWORD, {"password1": NEW})
    assert response.status_code == 409
    assert "changed a moment ago in another window" in response.text
    alice.refresh_from_db()
    assert not alice.check_password(NEW)


def test_a_new_password_and_the_mail_about_it_are_one(visitor, alice, mails, monkeypatch):
    visitor.post(ENTER_RESET_CODE, {"code": asked(visitor, mails, alice)})
    with monkeypatch.context() as patch:
        patch.setattr(emails, "password_changed", lambda user: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            visitor.post(NEW_PASSWORD, {"password1": NEW})
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)
    visitor.post(NEW_PASSWORD, {"password1": NEW})
    assert [message.subject for message in mails()] == ["Your password was changed"]


def test_the_step_of_the_code_cannot_be_left_out(visitor, alice, mails):
    asked(visitor, mails, alice)
    assert visitor.post(NEW_PASSWORD, {"password1": NEW})["Location"] == ENTER_RESET_CODE
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)


def test_a_code_for_the_email_is_none_for_the_password(visitor, mails):
    eve = make_unverified()
    visitor.post(SIGN_IN, {"login": eve.email, "password": PASSWORD})
    code = code_of(mails()[0])
    cache.clear()
    other = Client()
    other.post(RESET, {"email": eve.email})
    assert other.post(ENTER_RESET_CODE, {"code": code}).status_code == 422


def test_who_never_proved_the_email_has_proved_it_with_the_code(visitor, mails):
    eve = make_unverified()
    visitor.post(ENTER_RESET_CODE, {"code": asked(visitor, mails, eve)})
    visitor.post(NEW_PASSWORD, {"password1": NEW})
    response = visitor.post(SIGN_IN, {"login": eve.email, "password": NEW})
    assert response["Location"] == reverse("leads:catalogue")
    eve.refresh_from_db()
    assert eve.is_verified


def test_a_closed_account_gets_no_code(visitor, alice, mails):
    alice.is_active = False
    alice.save()
    assert visitor.post(RESET, {"email": alice.email})["Location"] == ENTER_RESET_CODE
    assert mails() == []


@pytest.mark.parametrize("email", ["alice@example.com", "nobody@example.com"])
def test_a_session_of_somebody_who_gave_up_lives_for_an_hour(visitor, alice, email):
    visitor.post(RESET, {"email": email})
    (session,) = Session.objects.all()
    assert session.expire_date <= clock.now() + timedelta(hours=1)
    assert visitor.cookies["sessionid"]["max-age"] == ""


def test_the_lead_one_wanted_survives(visitor, alice, mails):
    page = visitor.get(SIGN_IN, {"next": "/terms/"}).text
    assert f'href="{RESET}?next=%2Fterms%2F"' in page
    response = visitor.post(RESET, {"email": alice.email, "next": "/terms/"})
    response = visitor.post(response["Location"], {"code": code_of(mails()[0])})
    assert response["Location"] == f"{NEW_PASSWORD}?next=%2Fterms%2F"
    assert visitor.post(response["Location"], {"password1": NEW})["Location"] == "/terms/"


@pytest.mark.parametrize("evil", ["//evil.example", "https://evil.example/", "/\\evil.example", *NO_ADDRESSES])
def test_nobody_is_led_away(visitor, alice, mails, evil):
    for page in (RESET, ENTER_RESET_CODE, NEW_PASSWORD):
        assert visitor.get(page, {"next": evil}).status_code < 400
    assert visitor.post(RESET, {"email": alice.email, "next": evil})["Location"] == ENTER_RESET_CODE
    assert visitor.get(ENTER_RESET_CODE, {"next": evil}).status_code == 200
    code = code_of(mails()[0])
    assert visitor.post(ENTER_RESET_CODE, {"code": code, "next": evil})["Location"] == NEW_PASSWORD
    assert visitor.get(NEW_PASSWORD, {"next": evil}).status_code == 200
    response = visitor.post(NEW_PASSWORD, {"password1": NEW, "next": evil})
    assert response["Location"] == reverse("account_password_reset_completed")


def test_limits_hold_for_an_address(visitor, alice, mails):
    answers = [visitor.post(RESET, {"email": alice.email}).status_code for _ in range(6)]
    assert answers == [302] * 5 + [429]
    assert len(mails()) == 5
