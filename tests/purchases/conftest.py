"""Purchases of Alice's to look at."""

import pytest

from marketplace.purchases.services import buy_lead, new_key
from tests.stock import make_lead


def bought(buyer, **lead):
    """A purchase of a new lead by ``buyer``."""
    new = make_lead(**({"price_cents": 500} | lead))
    return buy_lead(buyer, new, price_seen=new.price_cents, key=new_key())


@pytest.fixture
def purchase(alice):
    """A lead Alice bought."""
    return bought(alice, first_name="Priya", last_name="Raman", phone="+16145550142", email="priya@example.org")
