"""What the admin asks about whoever is at it."""

import pytest
import time_machine
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from accounts import staff
from marketplace.core import clock
from tests.factors import code, give_app
from tests.people import PASSWORD

from .conftest import SIGN_IN

pytestmark = pytest.mark.django_db
CONFIRM, CONFIRM_BY_CODE = reverse("account_reauthenticate"), reverse("mfa_reauthenticate")
THERE = "/admin/?q=x"
BACK = "?next=%2Fadmin%2F%3Fq%3Dx"


@pytest.fixture
def moving(db):
    with time_machine.travel(clock.now().replace(microsecond=0), tick=False) as stopped:
        yield stopped


@pytest.fixture
def browser(charlie, moving) -> Client:
    """Charlie's browser; the password was given a moment ago."""
    client = Client()
    assert client.post(SIGN_IN, {"login": charlie.email, "password": PASSWORD}).status_code == 302
    return client


@pytest.fixture
def at_work(rf, charlie):
    """A function that makes a request of Charlie in the session of a browser."""

    def ask(browser, method="get", **data):
        request = getattr(rf, method)(THERE, data)
        request.user, request.session = charlie, browser.session
        return request

    return ask


def test_it_works(charlie, browser, at_work, settings):
    settings.STAFF_SECOND_FACTOR = True
    assert not staff.has_second_factor(charlie)
    assert staff.way_in(at_work(browser)) == reverse("mfa_index")
    assert "Our staff need a second factor" in browser.get(reverse("mfa_index")).text
    secret = give_app(charlie)
    fresh = Client()
    fresh.post(SIGN_IN, {"login": charlie.email, "password": PASSWORD})
    fresh.post(reverse("mfa_authenticate"), {"code": code(secret)})
    assert staff.has_second_factor(charlie)
    assert staff.passed_second_factor(at_work(fresh))
    assert staff.way_in(at_work(fresh)) is None
    assert "Our staff need" not in fresh.get(reverse("mfa_index")).text


def test_only_a_demo_lets_staff_in_without_one(browser, at_work, settings):
    settings.STAFF_SECOND_FACTOR = False
    assert staff.way_in(at_work(browser)) is None


def test_even_there_who_has_one_must_use_it(charlie, browser, at_work, settings):
    settings.STAFF_SECOND_FACTOR = False
    secret = give_app(charlie)
    browser.force_login(charlie)  # in whatever way somebody got in
    assert not staff.passed_second_factor(at_work(browser))
    assert staff.way_in(at_work(browser)) == CONFIRM_BY_CODE + BACK
    assert browser.post(CONFIRM, {"password": PASSWORD}).status_code == 302
    assert staff.way_in(at_work(browser)) == CONFIRM_BY_CODE + BACK, "a password is none"
    assert browser.post(CONFIRM_BY_CODE, {"code": code(secret), "next": THERE})["Location"] == THERE
    assert staff.way_in(at_work(browser)) is None


def test_who_just_added_one_has_shown_it(charlie, browser, at_work, settings):
    settings.STAFF_SECOND_FACTOR = True
    page = browser.get(reverse("mfa_activate_totp"))
    secret = page.context["secret"].replace(" ", "")
    browser.post(reverse("mfa_activate_totp"), {"code": code(secret)})
    charlie.refresh_from_db()
    assert staff.way_in(at_work(browser)) is None


def test_a_factor_of_somebody_else_in_the_session_is_none(alice, charlie, browser, at_work):
    """The record says whose it was."""
    session = browser.session
    session["account_authentication_methods"] = [{"method": "mfa", "at": 9e9}]
    session["account_authentication_methods_user"] = str(alice.pk)
    session.save()
    assert not staff.passed_second_factor(at_work(browser))


def test_staff_cannot_remove_their_last_one(charlie, browser, settings):
    settings.STAFF_SECOND_FACTOR = True
    give_app(charlie)
    browser.force_login(charlie)
    refused = browser.post(reverse("mfa_deactivate_totp"))
    assert refused.status_code == 409
    assert "Our staff need a second factor" in refused.text
    assert staff.has_second_factor(charlie)
    settings.STAFF_SECOND_FACTOR = False
    assert browser.post(reverse("mfa_deactivate_totp")).status_code == 302


# --- how long a session lasts -----------------------------------------------------------------------------------------


def test_a_break_of_half_an_hour_ends_it(browser, at_work, moving):
    browser.post(CONFIRM, {"password": PASSWORD})
    moving.shift(30 * 60 - 1)
    assert staff.session_is_fresh(at_work(browser))
    moving.shift(1)
    assert not staff.session_is_fresh(at_work(browser))
    assert staff.way_in(at_work(browser)) == CONFIRM + BACK
    browser.post(CONFIRM, {"password": PASSWORD})
    assert staff.way_in(at_work(browser)) is None


def test_use_of_the_admin_keeps_it_for_eight_hours(browser, at_work, moving):
    browser.post(CONFIRM, {"password": PASSWORD})
    for _ in range(8 * 3):
        assert staff.session_is_fresh(at_work(browser))
        request = at_work(browser)
        staff.note_use(request)
        request.session.save()
        moving.shift(20 * 60)
    assert not staff.session_is_fresh(at_work(browser)), "however busy"


def test_use_elsewhere_does_not_keep_it(browser, at_work, moving):
    browser.post(CONFIRM, {"password": PASSWORD})
    for _ in range(3):
        moving.shift(10 * 60)
        assert browser.get("/account/").status_code == 200
    assert not staff.session_is_fresh(at_work(browser))


def test_use_is_written_once_a_minute(browser, at_work, moving):
    request = at_work(browser)
    staff.note_use(request)
    assert request.session.modified
    request.session.save()
    moving.shift(59)
    request = at_work(browser)
    staff.note_use(request)
    assert not request.session.modified
    moving.shift(1)
    staff.note_use(request)
    assert request.session.modified


def test_a_session_that_says_nothing_is_not_fresh(rf, charlie, client):
    request = rf.get(THERE)
    request.user, request.session = charlie, client.session
    assert not staff.session_is_fresh(request)
    assert not staff.passed_second_factor(request)


# --- what moves money -------------------------------------------------------------------------------------------------


@staff.recently_confirmed
def pay_out(request):
    return HttpResponse("paid")


def test_money_asks_for_the_password_of_the_last_quarter_of_an_hour(browser, at_work, moving):
    browser.post(CONFIRM, {"password": PASSWORD})
    moving.shift(15 * 60 - 1)
    assert pay_out(at_work(browser)).content == b"paid"
    moving.shift(1)
    request = at_work(browser)
    staff.note_use(request)
    assert pay_out(request)["Location"] == CONFIRM + BACK
    browser.post(CONFIRM, {"password": PASSWORD})
    assert pay_out(at_work(browser)).content == b"paid"


def test_a_form_that_comes_late_is_given_back(browser, at_work, moving):
    moving.shift(15 * 60 + 1)
    typed = {"reason": "Sold twice <1>", "amount": "20.00", "password": PASSWORD, "csrfmiddlewaretoken": "t"}
    answer = pay_out(at_work(browser, "post", **typed))
    assert answer.status_code == 403
    assert "Reason: Sold twice &lt;1&gt;\nAmount: 20.00" in answer.content.decode()
    assert PASSWORD not in answer.content.decode()
    assert f'href="{CONFIRM}{BACK}"' in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]


def test_a_code_will_do(charlie, browser, at_work, moving):
    secret = give_app(charlie)
    browser.force_login(charlie)
    moving.shift(16 * 60)
    assert pay_out(at_work(browser)).status_code == 302
    browser.post(CONFIRM_BY_CODE, {"code": code(secret)})
    assert pay_out(at_work(browser)).content == b"paid"


def test_sessions_can_be_ended(charlie, browser):
    staff.end_sessions(charlie)
    assert browser.get("/account/").status_code == 302
