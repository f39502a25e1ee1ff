"""Signing in, for as long as the browser is open or for two weeks."""

from datetime import timedelta
from urllib.parse import urljoin, urlsplit

import pytest
import time_machine
from django.contrib.sessions.models import Session
from django.urls import reverse

from marketplace.core import clock
from tests.people import PASSWORD

from .conftest import NO_ADDRESSES, SIGN_IN, shown_errors

pytestmark = pytest.mark.django_db
TWO_WEEKS = 14 * 24 * 3600


def test_it_works(visitor, alice):
    response = visitor.post(SIGN_IN, {"login": "ALICE@example.com", "password": PASSWORD})
    assert (response.status_code, response["Location"]) == (302, reverse("leads:catalogue"))
    page = visitor.get(reverse("accounts:profile"))
    assert page.status_code == 200
    assert page["Cache-Control"] == "no-store"


def test_unticked_the_session_ends_with_the_browser(visitor, alice):
    """AL-23: neither Max-Age nor Expires."""
    visitor.post(SIGN_IN, {"login": alice.email, "password": PASSWORD})
    cookie = visitor.cookies["sessionid"]
    assert (cookie["max-age"], cookie["expires"]) == ("", "")
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")


def test_ticked_it_stays(visitor, alice):
    visitor.post(SIGN_IN, {"login": alice.email, "password": PASSWORD, "remember": "on"})
    cookie = visitor.cookies["sessionid"]
    assert TWO_WEEKS - 5 <= cookie["max-age"] <= TWO_WEEKS, "counted from signing in"
    assert cookie["expires"]


@pytest.mark.parametrize("box", [{}, {"remember": "on"}])
def test_two_weeks_later_it_is_over_however_often_one_came(visitor, alice, box):
    """They count from signing in; Django would begin anew with everything the session has to keep."""
    visitor.post(SIGN_IN, {"login": alice.email, "password": PASSWORD} | box)
    start = clock.now()
    for days, is_in in ((6, True), (13, True), (14.1, False)):
        with time_machine.travel(start + timedelta(days=days), tick=False):
            assert (visitor.get(reverse("accounts:profile")).status_code == 200) == is_in
            if is_in:
                session = visitor.session
                session["something"] = "to keep"
                session.save()
                assert Session.objects.get().expire_date <= start + timedelta(seconds=TWO_WEEKS)


def test_the_box_is_not_ticked_before_one_does(visitor):
    page = visitor.get(SIGN_IN).text
    assert "Keep me signed in" in page
    assert " checked" not in page


def test_the_form_helps_password_managers(visitor):
    page = visitor.get(SIGN_IN).text
    assert 'autocomplete="email"' in page
    assert 'autocomplete="current-password"' in page


@pytest.mark.parametrize(
    ("login", "password"),
    [
        ("alice@example.com", "wrong wrong wrong"),
        ("nobody@example.com", PASSWORD),
        ("alice", PASSWORD),
        ("", ""),
        ("alice@example.com", "x" * 100_000),
    ],
)
def test_a_mistake_keeps_the_address_and_not_the_password(visitor, alice, login, password):
    response = visitor.post(SIGN_IN, {"login": login, "password": password, "remember": "on", "next": "/terms/"})
    assert response.status_code == 422
    assert shown_errors(response)
    assert "<title>Error: Sign in" in response.text
    assert " checked" in response.text
    assert 'name="next" value="/terms/"' in response.text
    if login:
        assert f'value="{login}"' in response.text
    assert 'type="password" name="password"' in response.text
    assert "wrong wrong" not in response.text


def test_one_ends_up_where_one_wanted(visitor, alice):
    assert (
        visitor.post(SIGN_IN, {"login": alice.email, "password": PASSWORD, "next": "/terms/"})["Location"] == "/terms/"
    )


def test_the_door_itself_is_nowhere_to_end_up(visitor, alice):
    """No circle: signed in, the page of signing in leads on."""
    entered = {"login": alice.email, "password": PASSWORD, "next": SIGN_IN}
    response = visitor.post(SIGN_IN, entered, follow=True)
    assert response.status_code == 200
    assert response.redirect_chain[-1] == (reverse("leads:catalogue"), 302)


@pytest.mark.parametrize(
    "evil",
    [
        "//evil.example",
        "///evil.example",
        "https://evil.example",
        "https:evil.example",
        "https://testserver@evil.example",
        "https://testserver.evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "\t//evil.example",
        "/\t/evil.example",
        "%09//evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "\uff0f\uff0fevil.example",
        *NO_ADDRESSES,
    ],
)
def test_nobody_is_led_away(visitor, alice, evil):
    assert visitor.get(SIGN_IN, {"next": evil}).status_code == 200
    location = visitor.post(SIGN_IN, {"login": alice.email, "password": PASSWORD, "next": evil})["Location"]
    as_browsers_read_it = location.translate({ord("\\"): "/", ord("\t"): None, ord("\n"): None, ord("\r"): None})
    target = urlsplit(urljoin(f"http://testserver{SIGN_IN}", as_browsers_read_it))
    assert (target.scheme, target.netloc) == ("http", "testserver")


def test_signing_in_needs_the_token(alice, visitor):
    visitor.handler.enforce_csrf_checks = True
    response = visitor.post(SIGN_IN, {"login": alice.email, "password": PASSWORD})
    assert response.status_code == 403
    assert "Please send it again" in response.text
    assert "sessionid" not in response.cookies


def test_the_session_is_a_new_one(visitor, alice):
    """An attacker who planted a session id has nothing of it afterwards."""
    visitor.post(SIGN_IN, {"login": alice.email, "password": PASSWORD})
    before = visitor.cookies["sessionid"].value
    visitor.post(reverse("account_logout"))
    assert not Session.objects.filter(session_key=before).exists()
    visitor.post(SIGN_IN, {"login": alice.email, "password": PASSWORD})
    assert visitor.cookies["sessionid"].value != before


def test_a_closed_account_is_told_so_only_with_its_password(visitor, alice):
    alice.is_active = False
    alice.save()
    response = visitor.post(SIGN_IN, {"login": alice.email, "password": PASSWORD}, follow=True)
    assert response.redirect_chain == [(reverse("account_inactive"), 302)]
    assert "This account is closed" in response.text
    assert visitor.post(SIGN_IN, {"login": alice.email, "password": "wrong wrong wrong"}).status_code == 422


def test_an_account_that_was_closed_meanwhile_is_signed_out(as_alice, alice):
    alice.is_active = False
    alice.save()
    assert as_alice.get(reverse("accounts:profile")).status_code == 302


def test_no_other_method_and_no_other_kind_of_answer(visitor, alice):
    assert visitor.put(SIGN_IN, {}).status_code == 405
    response = visitor.post(
        SIGN_IN, {"login": "x"}, headers={"X-Requested-With": "XMLHttpRequest", "Accept": "application/json"}
    )
    assert response.status_code == 422
    assert response["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    "path",
    [
        "login/code/",
        "login/code/confirm/",
        "password/set/",
        "phone/change/",
        "signup/passkey/",
        "confirm-email/abc/",
        "3rdparty/",
    ],
)
def test_what_we_do_not_use_does_not_exist(visitor, path):
    assert visitor.get(f"/accounts/{path}").status_code == 404
