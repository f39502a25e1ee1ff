"""The mail about a purchase: what it was, and the numbers under which page and statement know it."""

from marketplace.purchases import emails
from marketplace.purchases.services import buy_lead, new_key
from tests.stock import make_lead


def test_it_works(alice, monkeypatch):
    sent = []
    monkeypatch.setattr(emails, "send", lambda user, **mail: sent.append(mail))
    purchase = buy_lead(alice, make_lead(price_cents=500), price_seen=500, key=new_key())
    (mail,) = sent
    (line,) = mail["context"]["lines"]
    assert mail["context"]["order"] == purchase.order.public_id
    assert (line["lead"], line["purchase"]) == (purchase.lead.public_id, purchase.public_id)
