"""Tables are tables on a tablet, with long names too, and the wallet's two columns read in order."""

import re

import pytest

from tests.stack import Stack

from .test_pages import check, keep_picture, sign_in, watch

_FACTS = """
from django.core.mail import EmailMessage, get_connection
from marketplace.core import clock
from marketplace.core.ids import new_id
from marketplace.purchases.services import buy_lead
from marketplace.wallet.disputes import apply_dispute
from marketplace.wallet.gateway import DisputeFact
from marketplace.wallet.models import Deposit
from tests.people import give, make_member, session_of
from tests.stock import make_lead

now = clock.now()
vera = make_member("Vera", cents=1_000_00)
people = (("Maximiliana Theodora", "Featherstonehaugh-Cholmondeley"), ("Jo", "Li"))
for first, last in people:
    lead = make_lead(
        price_cents=20_00, first_name=first, last_name=last, city="Rancho Santa Margarita", state="CA",
        postal_code="92688", vertical="solar",
    )
    buy_lead(vera, lead, price_seen=20_00, key=new_id())
deposit = Deposit.objects.create(
    buyer=vera, amount_cents=500_00, received_cents=500_00, state="paid", intent_id="pi_vera", created_at=now,
    paid_at=now, expires_at=now,
)
give(vera, 500_00, reference="pi_vera:credit")
apply_dispute(DisputeFact("du_vera", "pi_vera", 500_00, "needs_response", 500_00, 1_500, 0))
mail = EmailMessage("A subject of some length: your payment of $1,500.00 arrived", "Words.", to=["vera@example.com"])
get_connection("marketplace.mail.backends.OneFilePerMessage").send_messages([mail])
answer = {"session": session_of(vera), "lead": make_lead().public_id}
"""


@pytest.fixture(scope="module")
def vera(stack: Stack) -> dict:
    """A member who bought from somebody with a long name in a town with a long name, and disputes a payment."""
    return stack.python(_FACTS)


def test_the_first_lead_is_on_the_first_screen_of_a_phone(stack, vera, open_browser):
    context = open_browser(width=320)
    sign_in(context, stack, vera["session"])
    page = context.new_page()
    for path, first in (("/my-leads/", "tbody tr"), ("/my-leads/?view=board", ".board .card")):
        page.goto(path)
        assert page.locator(first).first.bounding_box()["y"] < 450, path
    page.goto("/my-leads/?stage=lost")
    frame, tab = (page.locator(one).bounding_box() for one in (".stages", ".stages [aria-current]"))
    assert tab["x"] >= frame["x"], "the tab that is shown is in sight"
    assert tab["x"] + tab["width"] <= frame["x"] + frame["width"] + 1


@pytest.mark.parametrize("width", [320, 768, 1280])
def test_it_works(stack, vera, open_browser, width):
    context = open_browser(width=width)
    sign_in(context, stack, vera["session"])
    page = context.new_page()
    seen = watch(page)
    wrong = []
    for path in ("/my-leads/", "/wallet/", "/demo/mailbox/"):
        page.goto(path)
        keep_picture(page, f"table{path}")
        wrong += check(page, seen, path)
        is_table = page.locator("table.as-cards td").first.evaluate("e => getComputedStyle(e).display") == "table-cell"
        assert is_table == (width >= 768), path
        chosen = page.locator(".stage-form select")
        if path == "/my-leads/":
            assert chosen.first.bounding_box()["width"] >= 110  # "Contacted" can be read
    assert wrong == [], "\n".join(wrong)


@pytest.mark.parametrize("width", [320, 768, 1280])
def test_add_money(stack, vera, open_browser, width):
    """The way on and the way out stand below the form, in its column, and are of one size."""
    context = open_browser(width=width)
    sign_in(context, stack, vera["session"])
    page = context.new_page()
    seen = watch(page)
    page.goto(f"/wallet/add/?lead={vera['lead']}&amount=50")
    keep_picture(page, "add-money")
    assert check(page, seen, "add money") == []
    form, go, stop = (
        page.get_by_label("Other amount", exact=True).last.bounding_box(),
        page.get_by_role("button", name=re.compile("Continue")).bounding_box(),
        page.get_by_role("link", name="Cancel", exact=True).bounding_box(),
    )
    assert go["y"] > form["y"] + form["height"]
    assert go["x"] - form["x"] < 5
    assert (go["width"], go["height"]) == (stop["width"], stop["height"])
