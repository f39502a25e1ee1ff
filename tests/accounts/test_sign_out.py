"""Signing out is a POST."""

import pytest
from django.test import Client
from django.urls import reverse

from .conftest import NO_ADDRESSES, SIGN_OUT

pytestmark = pytest.mark.django_db


def test_it_works(as_alice):
    response = as_alice.post(SIGN_OUT, follow=True)
    assert response.redirect_chain == [("/", 302)]
    assert "You are signed out." in response.text
    assert as_alice.get(reverse("accounts:profile")).status_code == 302


def test_a_link_signs_nobody_out(as_alice):
    page = as_alice.get(SIGN_OUT)
    assert page.status_code == 200
    assert 'method="post"' in page.text
    assert as_alice.get(reverse("accounts:profile")).status_code == 200


def test_it_needs_the_token(alice):
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    assert client.post(SIGN_OUT).status_code == 403
    assert client.get(reverse("accounts:profile")).status_code == 200


@pytest.mark.parametrize("evil", ["https://evil.example", "//evil.example", *NO_ADDRESSES])
def test_nobody_is_led_away(as_alice, evil):
    assert as_alice.get(SIGN_OUT, {"next": evil}).status_code == 200
    assert as_alice.post(SIGN_OUT, {"next": evil})["Location"] == "/"


def test_who_is_not_in_is_sent_home(client):
    assert client.get(SIGN_OUT)["Location"] == "/"


def test_the_account_page_offers_it(as_alice):
    page = as_alice.get(reverse("accounts:profile")).text
    assert f'action="{SIGN_OUT}"' in page
