"""Nobody learns whom a lead is about before buying it (B7, B8): a byte search over every page for a canary's values."""

import itertools

import pytest

from marketplace.leads.models import Lead
from marketplace.purchases.services import Wanted, buy_lead, buy_leads, new_key
from privacy.vault.digests import digest
from tests.stock import make_lead

CANARY = {
    "first_name": "Xanthippe",
    "last_name": "Quillfeather",
    "phone": "+16145550177",
    "email": "xq.canary@example.net",
}
VALUES = [
    "xanthippe",
    "quillfeather",
    "xq.canary",
    "16145550177",
    "6145550177",
    "614-555-0177",
    "(614) 555",
    "(614)",
    "555-0177",
    "0177",
    "1 test st",
    "43215",
    digest("phone", CANARY["phone"]),
    digest("email", CANARY["email"]),
    digest("name", "xanthippe"),
]
ODD = [
    "q=Quillfeather",
    "search=Quillfeather",
    "phone=6145550177",
    "phone__startswith=614",
    "contact__phone_digest__startswith=a",
    "order_by=contact__sealed",
    "ordering=contact__sealed",
    "sort=contact__phone_digest",
    "fields=contact",
    "format=json",
    "expand=contact",
    "_connector=OR",
    "zip=43215",
    "postal_code=43215",
    "state=OH&state=OH__or",
]


@pytest.fixture
def canary(db):
    return make_lead(buyers=3, attributes={"vehicle.count": "2"}, **CANARY)


def everything(response):
    body = b"".join(response.streaming_content) if response.streaming else response.content
    headers = " ".join(f"{name}: {value}" for name, value in response.items())
    return (body.decode("utf-8", "replace") + headers).lower()


def leaked(response, query=""):
    """Which values are there; what the reader typed comes back in the filter form and is no leak."""
    text = everything(response)
    return [value for value in VALUES if value in text and value not in query.lower()]


PUBLIC = ["/leads/", "/leads/{lead}/"]
MEMBERS = [*PUBLIC, "/leads/{lead}/buy/", "/my-leads/", "/my-leads/export.csv"]


def test_the_search_would_find_a_leak(as_alice, alice, canary):
    """The control: on the page of the buyer all of them are there, so the search of the other tests can see."""
    purchase = buy_lead(alice, canary, price_seen=canary.price_cents, key=new_key())
    found = leaked(as_alice.get(f"/my-leads/{purchase.public_id}/"))
    assert {"xanthippe", "quillfeather", "xq.canary", "16145550177", "(614) 555", "1 test st", "43215"} <= set(found)


@pytest.mark.parametrize("path", PUBLIC)
def test_a_visitor_sees_nothing(client, canary, path):
    response = client.get(path.format(lead=canary.public_id))
    assert response.status_code == 200
    assert leaked(response) == []


@pytest.mark.parametrize(("path", "query"), list(itertools.product(MEMBERS, ODD)))
def test_no_parameter_shows_it_or_answers_about_it(as_alice, canary, path, query):
    other = make_lead(buyers=3, first_name="Someone", last_name="Else")
    page = as_alice.get(f"{path.format(lead=canary.public_id)}?{query}", follow=True)
    assert leaked(page, query) == []
    # An oracle would tell the two leads apart by what is known about one only.
    if path == "/leads/" and page.status_code == 200:
        assert canary.public_id in everything(page)
        assert other.public_id in everything(page)


@pytest.mark.parametrize("state", ["open", "sold", "withdrawn"])
def test_nor_does_a_lead_that_is_gone(client, canary, state):
    Lead.objects.filter(pk=canary.pk).update(status=state, slots_sold=canary.slots_total if state == "sold" else 0)
    assert leaked(client.get(f"/leads/{canary.public_id}/")) == []


def test_nor_do_the_pages_of_a_purchase_that_failed(as_alice, bob, canary):
    fields = {"key": new_key(), "price_seen": canary.price_cents}
    path = f"/leads/{canary.public_id}/buy/"
    assert leaked(as_alice.post(path, fields | {"price_seen": 1})) == []
    assert leaked(as_alice.post(path, {})) == []
    Lead.objects.filter(pk=canary.pk).update(status="withdrawn")
    refused = as_alice.post(path, fields)
    assert refused.status_code == 409
    assert leaked(refused) == []


def test_the_page_of_the_same_person_bought_before_names_the_purchase_only(as_alice, alice, canary):
    again = make_lead(vertical="solar", **CANARY)
    buy_lead(alice, canary, price_seen=canary.price_cents, key=new_key())
    response = as_alice.post(f"/leads/{again.public_id}/buy/", {"key": new_key(), "price_seen": again.price_cents})
    assert response.status_code == 409
    assert leaked(response) == []


def test_nor_do_the_pages_of_several(as_alice, alice, canary):
    again, other = make_lead(vertical="solar", **CANARY), make_lead(phone="+12165550123")
    ids = [lead.public_id for lead in (canary, again, other)]
    fields = {"lead": ids, "seen": [f"{text}:100" for text in ids], "key": new_key()}
    for response in (as_alice.get("/leads/buy/", {"lead": ids}), as_alice.post("/leads/buy/", fields)):
        assert canary.public_id in everything(response)
        assert leaked(response) == []
    wanted = [Wanted(canary, 1), Wanted(other, other.price_cents)]
    order = buy_leads(alice, wanted, key=new_key()).order
    assert leaked(as_alice.get(f"/orders/{order.public_id}/")) == []


def test_bob_finds_nothing_of_what_alice_bought(client, alice, bob, canary):
    purchase = buy_lead(alice, canary, price_seen=canary.price_cents, key=new_key())
    client.force_login(bob)
    for path in ("/leads/", f"/leads/{canary.public_id}/", "/my-leads/", "/my-leads/?q=Quillfeather"):
        assert leaked(client.get(path), path) == []
    for path in ("", "stage/", "notes/"):
        assert leaked(client.get(f"/my-leads/{purchase.public_id}/{path}")) == []
    assert leaked(client.get("/my-leads/export.csv?q=Quillfeather"), "quillfeather") == []


@pytest.mark.parametrize(
    "path",
    [
        "/admin/",
        "/admin/leads/lead/",
        "/admin/leads/lead/?q=Quillfeather",
        "/admin/leads/lead/?q=6145550177",
        "/admin/leads/lead/?contact__phone_digest__startswith=a",
        "/admin/leads/lead/?o=contact__sealed",
        "/admin/leads/lead/{pk}/change/",
        "/admin/leads/lead/{pk}/history/",
        "/admin/purchases/purchase/",
        "/admin/purchases/purchase/{purchase}/change/",
        "/admin/purchases/order/",
    ],
)
def test_staff_see_bars_too(client, alice, charlie, canary, path):
    purchase = buy_lead(alice, canary, price_seen=canary.price_cents, key=new_key())
    client.force_login(charlie)
    response = client.get(path.format(pk=canary.pk, purchase=purchase.pk), follow=True)
    assert response.status_code == 200
    if "__startswith" in path:  # lookups are an allow-list there too: the list is shown whole
        assert response.redirect_chain == [("/admin/leads/lead/?e=1", 302)]
    assert leaked(response, path) == []
