"""A new password in place of the present one."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.adapter import AccountAdapter
from accounts.models import User
from tests.people import PASSWORD

from .conftest import shown_errors

pytestmark = pytest.mark.django_db
CHANGE = reverse("account_change_password")
NEW = "quite another phrase"


def test_it_works(as_alice, alice, mails):
    other = Client()
    other.force_login(alice)
    response = as_alice.post(CHANGE, {"oldpassword": PASSWORD, "password1": NEW}, follow=True)
    assert response.redirect_chain == [(reverse("accounts:profile"), 302)]
    assert "Your password is changed." in response.text
    alice.refresh_from_db()
    assert alice.check_password(NEW)
    assert as_alice.get(CHANGE).status_code == 200, "this session goes on"
    assert other.get(CHANGE).status_code == 302, "every other one ends"
    (message,) = mails()
    assert message.to == [alice.email]
    assert "203.0.113" not in str(message.body)
    assert "127.0.0.1" not in str(message.body)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"oldpassword": "wrong wrong wrong"}, "oldpassword"),
        ({"password1": "short"}, "password1"),
        ({"password1": ""}, "password1"),
    ],
)
def test_a_mistake_is_said(as_alice, alice, given, field):
    response = as_alice.post(CHANGE, {"oldpassword": PASSWORD, "password1": NEW} | given)
    assert response.status_code == 422
    assert set(shown_errors(response)) == {field}
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)


def test_only_the_password_is_written(as_alice, alice, mails):
    """Another request may have written the row meanwhile."""
    stale = User.objects.get(pk=alice.pk)
    User.objects.filter(pk=alice.pk).update(theme="dark")
    AccountAdapter().set_password(stale, NEW)
    alice.refresh_from_db()
    assert alice.theme == "dark"
    assert alice.check_password(NEW)


def test_guessing_is_limited(as_alice):
    answers = [as_alice.post(CHANGE, {"oldpassword": f"wrong {n}", "password1": NEW}).status_code for n in range(6)]
    assert answers == [422] * 5 + [429]


def test_it_is_for_members(client):
    assert client.get(CHANGE)["Location"].startswith(reverse("account_login"))
