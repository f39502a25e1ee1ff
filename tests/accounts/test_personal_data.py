"""What the accounts hold about a member, as the declarations find it."""

import pytest
from allauth.account.models import EmailConfirmation
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from privacy.declare.data_sets import DataSet, data_sets

from .conftest import RESET

pytestmark = pytest.mark.django_db


def data_set(key: str) -> DataSet:
    return next(data_set for data_set in data_sets() if data_set.key == key)


def test_it_works(alice, bob):
    (address,) = alice.emailaddress_set.all()
    EmailConfirmation.objects.create(email_address=address, sent=timezone.now(), key="k")
    account, addresses, confirmation = data_set("accounts.user").rows(alice)
    assert account["handle"] == "Alice"
    assert account["password"] == "stored as an argon2 hash"
    assert addresses == {"email": alice.email, "verified": True, "primary": True}
    assert set(confirmation) == {"created", "sent"}


def test_sessions_are_found_by_who_is_in(as_alice, alice, bob):
    as_alice.get(reverse("account_email"))
    Client().post(RESET, {"email": bob.email})
    sessions = data_set("accounts.sessions")
    (session,) = sessions.rows(alice)
    assert "_auth_user_id" in session["holds"]
    assert list(sessions.rows(bob)) == []
    assert set(sessions.people()) == {alice.pk}


def test_what_staff_did_is_theirs(alice, charlie):
    LogEntry.objects.create(
        user=charlie, content_type=ContentType.objects.get_for_model(User), object_id="1", object_repr="Mail 2",
        action_flag=CHANGE, change_message="Queued again",
    )  # fmt: skip
    actions = data_set("accounts.staff_actions")
    (entry,) = actions.rows(charlie)
    assert (entry["object_repr"], entry["change_message"]) == ("Mail 2", "Queued again")
    assert list(actions.rows(alice)) == []
    assert set(actions.people()) == {charlie.pk}
