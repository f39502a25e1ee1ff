"""The mail about a purchase: what it was, and the numbers under which page and statement know it."""

from marketplace.purchases import emails
from marketplace.purchases.services import Wanted, buy_lead, buy_leads, new_key
from tests.stock import make_lead


def test_it_works(alice, monkeypatch):
    sent = []
    monkeypatch.setattr(emails, "send", lambda user, **mail: sent.append(mail))
    purchase = buy_lead(alice, make_lead(price_cents=500), price_seen=500, key=new_key())
    (mail,) = sent
    (line,) = mail["context"]["lines"]
    assert mail["context"]["order"] == purchase.order.public_id
    assert (line["lead"], line["purchase"]) == (purchase.lead.public_id, purchase.public_id)


def test_one_receipt_for_several_with_each_line_and_the_sum(alice, bob, monkeypatch):
    """What was refused is not in it: it was not charged."""
    first, gone, last = (make_lead(price_cents=cents) for cents in (2450, 700, 1250))
    buy_lead(bob, gone, price_seen=700, key=new_key())
    sent = []
    monkeypatch.setattr(emails, "send", lambda user, **mail: sent.append(mail["context"]))

    order = buy_leads(alice, [Wanted(lead, lead.price_cents) for lead in (first, gone, last)], key=new_key()).order

    (said,) = sent
    assert [(line["lead"], line["price"]) for line in said["lines"]] == [
        (first.public_id, "$24.50"),
        (last.public_id, "$12.50"),
    ]
    assert (said["total"], said["balance"], said["order"]) == ("$37.00", "$963.00", order.public_id)
    assert said["order_url"].endswith(f"/orders/{order.public_id}/")


def test_each_line_stands_in_the_statement(as_alice, alice):
    leads = [make_lead(price_cents=2450, city="Dayton"), make_lead(price_cents=1250, city="Toledo")]
    order = buy_leads(alice, [Wanted(lead, lead.price_cents) for lead in leads], key=new_key()).order
    page = as_alice.get("/wallet/").text
    for said in ("Auto insurance, Dayton OH", "Auto insurance, Toledo OH", "24.50", "12.50"):
        assert said in page
    rows = b"".join(as_alice.get("/wallet/statement.csv").streaming_content).decode()
    assert rows.count(order.public_id) == 2
