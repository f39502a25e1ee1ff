"""A new password in place of the present one."""

import functools
import time
from collections import Counter

import pytest
from django.db.models import QuerySet
from django.test import Client
from django.urls import reverse

from accounts import emails
from accounts.adapter import AccountAdapter
from accounts.models import User
from accounts.services import ChangedMeanwhile, set_password
from tests.people import PASSWORD, make_alice
from tests.races.rig import race, tally

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


def test_the_password_and_the_mail_about_it_are_one(as_alice, alice, mails, monkeypatch):
    """A process that ends between the two must leave neither."""
    with monkeypatch.context() as patch:
        patch.setattr(emails, "password_changed", lambda user: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            as_alice.post(CHANGE, {"oldpassword": PASSWORD, "password1": NEW})
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)
    assert mails() == []


def test_the_mail_is_queued_even_if_the_page_dies_right_after(as_alice, alice, mails, monkeypatch):
    monkeypatch.setattr(AccountAdapter, "send_notification_mail", lambda *args, **kwargs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        as_alice.post(CHANGE, {"oldpassword": PASSWORD, "password1": NEW})
    alice.refresh_from_db()
    assert alice.check_password(NEW)
    assert [message.subject for message in mails()] == ["Your password was changed"]


def test_of_two_at_the_same_moment_one_wins(alice, mails):
    """Both gave the present password, which is the present one once only."""
    first, second = User.objects.get(pk=alice.pk), User.objects.get(pk=alice.pk)
    AccountAdapter().set_password(first, NEW)
    with pytest.raises(ChangedMeanwhile):
        AccountAdapter().set_password(second, "the other phrase")
    alice.refresh_from_db()
    assert alice.check_password(NEW)
    assert len(mails()) == 1


def four_at_once(monkeypatch) -> Counter[str]:
    """Four browsers that all gave the present password; each needs a moment between writing and committing."""
    alice = make_alice()
    monkeypatch.setattr(emails, "password_changed", lambda user: time.sleep(0.3))
    browsers = [User.objects.get(pk=alice.pk) for _ in range(4)]
    changes = [functools.partial(set_password, user, f"{NEW} {number}") for number, user in enumerate(browsers)]
    return tally(race(changes))


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_wins(monkeypatch):
    assert four_at_once(monkeypatch) == {"ok": 1, "ChangedMeanwhile": 3}


@pytest.mark.postgresql  # SQLite has one writer at a time, with or without the lock
@pytest.mark.django_db(transaction=True)
def test_control_without_the_lock_several_win(monkeypatch):
    monkeypatch.setattr(QuerySet, "select_for_update", lambda rows, **how: rows)
    assert four_at_once(monkeypatch)["ok"] > 1


def test_guessing_is_limited(as_alice):
    answers = [as_alice.post(CHANGE, {"oldpassword": f"wrong {n}", "password1": NEW}).status_code for n in range(6)]
    assert answers == [422] * 5 + [429]


def test_it_is_for_members(client):
    assert client.get(CHANGE)["Location"].startswith(reverse("account_login"))
