"""Staff with each role, and a browser for whoever is wanted."""

import time

import pytest
from django.test import Client

from marketplace.core.ids import new_id
from marketplace.purchases.services import buy_lead
from tests.people import make_staff
from tests.stock import make_lead


@pytest.fixture(autouse=True)
def _no_second_factor(settings):
    """Tests about the second factor switch it on."""
    settings.STAFF_SECOND_FACTOR = False


@pytest.fixture
def sam(db):
    """Support."""
    return make_staff("Sam", "support")


@pytest.fixture
def fay(db):
    """Finance."""
    return make_staff("Fay", "finance")


@pytest.fixture
def cora(db):
    """Content."""
    return make_staff("Cora", "content")


@pytest.fixture
def olga(db):
    """An owner, by role and not as a superuser."""
    return make_staff("Olga", "owner")


def browser_of(user, *, minutes_ago: int = 0) -> Client:
    """Somebody who signed in a moment ago, or so long ago and is at work since."""
    client = Client()
    client.force_login(user)
    session, now = client.session, time.time()
    session["account_authentication_methods"] = [{"method": "password", "at": now - minutes_ago * 60}]
    if minutes_ago:
        session.update({"signed_in_at": int(now) - minutes_ago * 60, "admin_used_at": int(now)})
    session.save()
    return client


@pytest.fixture
def as_sam(sam):
    return browser_of(sam)


@pytest.fixture
def as_fay(fay):
    return browser_of(fay)


@pytest.fixture
def as_olga(olga):
    return browser_of(olga)


@pytest.fixture
def purchase(alice):
    return buy_lead(alice, make_lead(price_cents=1000), price_seen=1000, key=new_id())
