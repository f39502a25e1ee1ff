"""The people of the tests: Alice owns, Bob is another buyer, Charlie is staff."""

from importlib import import_module

from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import Group
from django.db import transaction

from accounts.models import User
from marketplace.core import clock
from marketplace.ledger import services as ledger
from privacy.policy.models import Document
from privacy.policy.services import accept, in_force

PASSWORD = "correct horse battery"


def make_member(name: str, *, cents: int = 0, **extra: object) -> User:
    """A verified member who agreed to the terms, with ``cents`` of cash."""
    user = User.objects.create_user(
        f"{name.lower()}@example.com",
        name,
        PASSWORD,
        email_verified_at=clock.now(),
        adult_stated_at=clock.now(),
        **extra,
    )
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    terms = in_force(Document.TERMS)
    accept(user, terms, sha256=terms.sha256, surface="tests")
    if cents:
        give(user, cents)
    return user


def give(user: User, cents: int, *, reference: str = "") -> None:
    """Put ``cents`` on the member's balance through the books."""
    with transaction.atomic():
        wallet = ledger.lock(user.pk)
        reference = reference or f"test:{user.public_id}:{cents}:{wallet.cash}:{wallet.owed}"
        ledger.put_in(wallet, "processor", cents, kind=ledger.Kind.DEPOSIT, reference=reference)


def session_of(user: User) -> str:
    """The key of a session in which the member is signed in, for the cookie of a browser."""
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    return str(session.session_key)


def make_alice(cents: int = 0) -> User:
    return make_member("Alice", cents=cents)


def make_bob(cents: int = 0) -> User:
    return make_member("Bob", cents=cents)


def make_staff(name: str, *roles: str) -> User:
    """Somebody of our staff with these roles."""
    staff = make_member(name, is_staff=True)
    staff.groups.set(Group.objects.filter(name__in=roles))
    assert staff.groups.count() == len(roles)
    return staff


def make_charlie() -> User:
    """Support staff who may look at everything in the admin."""
    charlie = make_member("Charlie", is_staff=True)
    charlie.is_superuser = True
    charlie.save(update_fields=["is_superuser"])
    return charlie
