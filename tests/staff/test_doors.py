"""The doors of the admin: who gets in, who is sent where, and what was typed when the time ran out."""

import time

import pytest
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.urls import reverse

from .conftest import browser_of

pytestmark = pytest.mark.django_db


def aged(browser, minutes: int):
    """The browser, unused for so many minutes."""
    session = browser.session
    then = int(time.time()) - 60 * minutes
    session["account_authentication_methods"] = [{"method": "password", "at": then}]
    session["signed_in_at"] = session["admin_used_at"] = then
    session.save()
    return browser


def test_it_works(as_sam):
    assert as_sam.get("/admin/").status_code == 200


def test_strangers_sign_in_where_everybody_does(client):
    first = client.get("/admin/members/abc/")
    assert first["Location"] == "/admin/login/?next=/admin/members/abc/"
    assert client.get(first["Location"])["Location"] == "/accounts/login/?next=%2Fadmin%2Fmembers%2Fabc%2F"


@pytest.mark.parametrize(
    "there", ["//evil.example/", "https://evil.example/", "javascript:alert(1)", "/\\evil.example"]
)
def test_nobody_is_sent_elsewhere(client, as_sam, there):
    assert client.get("/admin/login/", {"next": there})["Location"] == "/accounts/login/?next=%2Fadmin%2F"
    assert as_sam.get("/admin/login/", {"next": there})["Location"] == "/admin/"


def test_without_a_second_factor_it_stays_shut(sam, settings):
    settings.STAFF_SECOND_FACTOR = True
    answer = browser_of(sam).get("/admin/", follow=True)
    assert (
        answer.redirect_chain[-1][0].startswith("/accounts/second-factor/")
        or answer.redirect_chain[-1][0] == "/account/"
    )
    assert "Leadfair support" not in answer.text


def test_who_has_one_must_use_it_even_in_a_demo(sam):
    Authenticator.objects.create(user=sam, type=Authenticator.Type.TOTP, data={"secret": "sealed"})
    assert "/accounts/second-factor/confirm/" in browser_of(sam).get("/admin/", follow=True).redirect_chain[-1][0]


def test_after_a_break_the_password_is_asked_for(sam, alice):
    browser = aged(browser_of(sam), 31)
    assert "/accounts/reauthenticate/" in browser.get("/admin/", follow=True).redirect_chain[-1][0]


def test_what_was_typed_meanwhile_is_given_back(sam, alice):
    browser = aged(browser_of(sam), 31)
    typed = {"text": "A long note about a long call."}
    answer = browser.post(f"/admin/members/{alice.public_id}/note/", typed)
    assert answer.status_code == 403
    assert typed["text"] in answer.text
    assert "/accounts/reauthenticate/" in answer.text
    assert "no-store" in answer["Cache-Control"]
    browser.logout()
    answer = browser.post(f"/admin/members/{alice.public_id}/note/", typed)
    assert answer.status_code == 403
    assert typed["text"] in answer.text


def test_members_get_nothing_back(alice, bob):
    answer = browser_of(alice).post(f"/admin/members/{bob.public_id}/note/", {"text": "Hello."}, follow=True)
    assert answer.status_code == 404


@pytest.mark.parametrize("number", ["0", "-1", "abc", "💥", "99999999999999999999"])
def test_a_row_that_is_not_there(as_olga, number):
    for model in admin.site._registry:
        for page in ("change", "history"):
            address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=[number])
            assert as_olga.get(address).status_code == 404, address


def test_asking_again_leads_back_to_the_admin(sam, alice):
    browser = browser_of(sam, minutes_ago=16)
    address = f"/accounts/reauthenticate/?next=/admin/members/{alice.public_id}/"
    assert "Back to the admin" in browser.get(address).text
    assert "Back to your account" in browser.get("/accounts/reauthenticate/").text


@pytest.mark.parametrize("debug", [False, True])
def test_a_refusal_inside_keeps_its_reader_inside(as_sam, alice, settings, debug):
    settings.DEBUG = debug
    for address, status, words in (
        (f"/admin/members/{alice.public_id}/adjust/", 403, "Your role does not include this"),
        ("/admin/ledger/account/", 403, "Your role does not include this"),
        ("/admin/members/nobody123456/", 404, "Nothing is here"),
        ("/admin/nothing/at/all/", 404, "Nothing is here"),
    ):
        answer = as_sam.get(address)
        assert answer.status_code == status, address
        assert words in answer.text
        assert "Leadfair support" in answer.text


def test_a_refusal_outside_says_nothing_of_an_admin(as_sam, client, alice):
    assert "Leadfair support" not in as_sam.get("/nothing/").text
    for browser in (client, browser_of(alice)):
        answer = browser.get("/admin/nothing/at/all/", follow=True)
        assert "Leadfair support" not in answer.text


def test_one_way_out(as_sam):
    assert 'action="/accounts/logout/"' in as_sam.get("/admin/").text
    assert as_sam.get("/admin/logout/")["Location"] == "/accounts/logout/"
