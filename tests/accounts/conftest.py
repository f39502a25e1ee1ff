"""A newcomer, and the mails that reach people."""

import re
from collections.abc import Callable

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from accounts.models import User
from marketplace.mail.services import deliver_due
from privacy.policy.models import Document
from privacy.policy.services import in_force

PASSWORD = "correct horse battery"
SIGN_UP, SIGN_IN, SIGN_OUT = reverse("account_signup"), reverse("account_login"), reverse("account_logout")
ENTER_CODE = reverse("account_email_verification_sent")
RESET, ENTER_RESET_CODE = reverse("account_reset_password"), reverse("account_confirm_password_reset_code")
NEW_PASSWORD = reverse("account_complete_password_reset")
IP = "203.0.113.77"
# What urlsplit refuses to read.
NO_ADDRESSES = ["//[", "http://[", "//℀", "https://[::1"]


def newcomer(**changes: str) -> dict[str, str]:
    """A filled sign-up form."""
    data = {
        "email": "newcomer@example.com",
        "handle": "Newcomer",
        "password1": PASSWORD,
        "adult": "on",
        "terms": "on",
        "terms_sha256": in_force(Document.TERMS).sha256,
    }
    return data | changes


def make_unverified(name: str = "Eve") -> User:
    """Somebody who signed up and never entered the code."""
    user = User.objects.create_user(f"{name.lower()}@example.com", name, PASSWORD)
    EmailAddress.objects.create(user=user, email=user.email, primary=True)
    return user


def code_of(message: EmailMultiAlternatives) -> str:
    """The code in a mail."""
    found = re.search(r"^\d{8}$", str(message.body), re.MULTILINE)
    assert found, message.body
    return found[0]


@pytest.fixture
def mails(db) -> Callable[[], list[EmailMultiAlternatives]]:
    """The mails that reached people since the last look."""

    def look() -> list[EmailMultiAlternatives]:
        deliver_due()
        arrived = list(mail.outbox)
        mail.outbox.clear()
        return arrived

    return look


@pytest.fixture
def visitor(db) -> Client:
    """Somebody's browser."""
    return Client(REMOTE_ADDR=IP, HTTP_USER_AGENT="Canary/1.0")


@pytest.fixture
def signed_up(visitor, mails) -> User:
    """A newcomer who has the code in their mailbox and the code page open."""
    response = visitor.post(SIGN_UP, newcomer())
    assert response.status_code == 302
    return User.objects.get(email="newcomer@example.com")


def shown_errors(response) -> dict[str, list[str]]:
    """What is wrong with the form of a page, by field."""
    return {field: list(errors) for field, errors in response.context["form"].errors.items()}


def told(response: HttpResponse, email: str) -> tuple:
    """All that a response tells, but for what differs by chance (tokens, session ids) or because it was sent."""
    body = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "TOKEN", response.content.decode())
    body = body.replace(email, "EMAIL").replace(f"Fresh-{email[:3]}", "HANDLE")
    own = {"Content-Length", "Expires", "X-Request-ID"}
    headers = {name: value for name, value in response.items() if name not in own}
    cookies = {
        name: {key: value for key, value in morsel.items() if key != "expires"}
        for name, morsel in response.cookies.items()
    }
    return response.status_code, headers, cookies, len(response.content), body
