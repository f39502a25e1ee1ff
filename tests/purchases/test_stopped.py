"""Whoever may not buy now is told all of it at once: the dispute first, then what is owed."""

import html

import pytest
from django.db import transaction
from django.template import Context, Template
from django.test import RequestFactory
from django.urls import reverse

from marketplace.core import clock
from marketplace.ledger import services as ledger
from marketplace.purchases.services import BuyingStopped, buy_lead, new_key
from marketplace.wallet.models import Deposit, Dispute
from tests.people import make_member
from tests.stock import make_lead

DISPUTED = "One of your card payments is disputed. Buying is off until that is decided."


@pytest.fixture
def carol(db):
    """She owes $42.00 and disputes a payment."""
    carol = make_member("Carol")
    with transaction.atomic():
        ledger.take_out(ledger.lock(carol.pk), "processor", 4_200, kind="dispute", reference="du_1:withdrawn")
    now = clock.now()
    deposit = Deposit.objects.create(
        buyer=carol,
        amount_cents=4_200,
        received_cents=4_200,
        state="paid",
        intent_id="pi_1",
        created_at=now,
        paid_at=now,
        expires_at=now,
    )
    Dispute.objects.create(
        processor_id="du_1", deposit=deposit, buyer=carol, amount_cents=4_200, state="needs_response", is_open=True,
        seen_at=now,
    )  # fmt: skip
    return carol


@pytest.mark.parametrize("method", ["get", "post"])
def test_it_works(client, carol, method):
    client.force_login(carol)
    lead = make_lead(price_cents=2_450)
    response = getattr(client, method)(f"/leads/{lead.public_id}/buy/", {"key": new_key(), "price_seen": 2_450})
    page = html.unescape(response.content.decode())
    assert response.status_code == 403
    assert page.index(DISPUTED) < page.index("You also owe $42.00")
    assert reverse("wallet:receipt", args=[Deposit.objects.get().public_id]) in page
    assert "Add money to settle it" not in page


def test_the_verb_names_the_dispute_first(carol):
    with pytest.raises(BuyingStopped, match="disputed"):
        buy_lead(carol, make_lead(price_cents=100), price_seen=100, key=new_key())
    Dispute.objects.update(is_open=False)
    with pytest.raises(BuyingStopped, match="owe"):
        buy_lead(carol, make_lead(price_cents=100), price_seen=100, key=new_key())


def test_who_only_owes_is_told_how_to_go_on(client, carol):
    Dispute.objects.update(is_open=False)
    client.force_login(carol)
    response = client.get(f"/leads/{make_lead().public_id}/buy/")
    assert response.status_code == 403
    assert "You owe $42.00 for a card payment that went back. Buying is off until that is settled" in response.text


def test_where_one_comes_back_to_with_money(carol):
    request = RequestFactory().get("/wallet/deposits/x/")
    request.user = carol
    template = Template("{% load purchases %}{% confirm_purchase lead_ids %}")
    panel = template.render(Context({"request": request, "lead_ids": [make_lead().public_id]}))
    assert DISPUTED in panel
    assert "You also owe $42.00" in panel
    assert "<form" not in panel


def test_where_one_comes_back_to_with_money_for_several(carol):
    request = RequestFactory().get("/wallet/deposits/x/")
    request.user = carol
    template = Template("{% load purchases %}{% confirm_purchase lead_ids %}")
    ids = [make_lead().public_id, make_lead().public_id]
    panel = template.render(Context({"request": request, "lead_ids": ids}))
    assert DISPUTED in panel
    assert "<form" not in panel


@pytest.mark.parametrize("path", ["/leads/", "/leads/{}/"])
def test_paused_says_so_where_one_buys(client, alice, path):
    lead = make_lead(price_cents=2_450)
    client.force_login(alice)
    words = "Our support has paused buying on your account."
    assert words not in client.get(path.format(lead.public_id)).text
    alice.buying_stopped_at = clock.now()
    alice.save()
    page = client.get(path.format(lead.public_id)).text
    assert words in page
    assert (path == "/leads/") == ("Buy for $24.50" in page), "the list stays as it is for everybody"
