"""The password once more, before what must not happen behind the member's back."""

import pytest
from django.urls import reverse

from tests.people import PASSWORD

from .conftest import NO_ADDRESSES, shown_errors

pytestmark = pytest.mark.django_db
CONFIRM, CHANGE = reverse("account_reauthenticate"), reverse("account_email")


def test_it_works(as_alice):
    assert as_alice.post(CONFIRM, {"password": PASSWORD, "next": CHANGE})["Location"] == CHANGE
    assert as_alice.get(CHANGE).status_code == 200


def test_a_wrong_password_is_said(as_alice):
    response = as_alice.post(CONFIRM, {"password": "wrong wrong wrong", "next": CHANGE})
    assert response.status_code == 422
    assert set(shown_errors(response)) == {"password"}
    assert f'name="next" value="{CHANGE}"' in response.text
    assert as_alice.get(CHANGE).status_code == 302


def test_guessing_is_limited(as_alice):
    answers = [as_alice.post(CONFIRM, {"password": f"wrong {n}"}).status_code for n in range(6)]
    assert answers == [422] * 5 + [429]


@pytest.mark.parametrize("evil", ["https://evil.example", "//evil.example", *NO_ADDRESSES])
def test_nobody_is_led_away(as_alice, evil):
    assert as_alice.get(CONFIRM, {"next": evil}).status_code == 200
    assert as_alice.post(CONFIRM, {"password": PASSWORD, "next": evil})["Location"] == reverse("leads:catalogue")


def test_it_is_for_members(client):
    assert client.get(CONFIRM)["Location"].startswith(reverse("account_login"))
