"""Three leads are ticked, one of them is sold to somebody else meanwhile, two are bought and the third is named with a
similar one: in Chromium, with JavaScript and without, on a wide screen and on a phone."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import watch
from tests.browser.test_pages import sign_in

pytestmark = [pytest.mark.browser]
# Leads of a state of their own, so that the list holds nothing else, and of people nobody else has.
_FACTS = """
from tests.people import make_member, session_of
from tests.stock import make_lead

vera = make_member({name!r}, cents=100_00)
leads = [
    make_lead(
        price_cents=12_50, state={state!r}, city=city,
        phone=f"+130355501{number}{{n}}", email=f"{state}{{n}}@example.org",
    )
    for n, city in enumerate(("Third", "Second", "First"))
]
answer = {{"session": session_of(vera), "leads": [lead.public_id for lead in leads]}}
"""
_SELL = """
from accounts.models import User
from marketplace.core.ids import new_id
from marketplace.leads.models import Lead
from marketplace.purchases.services import buy_lead
from tests.stock import make_lead

bob = User.objects.get(email="bob@example.com")
buy_lead(bob, Lead.objects.get(public_id={lead!r}), price_seen=12_50, key=new_id())
answer = make_lead(
    price_cents=15_00, state={state!r}, city="Similar", phone="+130355501{number}9", email="{state}9@example.org"
).public_id
"""


@pytest.mark.parametrize(
    ("javascript", "width", "state", "number"),
    [(True, 1280, "WY", 1), (False, 1280, "VT", 2), (True, 320, "AK", 3), (False, 320, "ND", 4)],
    ids=["javascript", "no-javascript", "javascript-phone", "no-javascript-phone"],
)
def test_of_three_one_is_sold_meanwhile(stack, open_browser, javascript, width, state, number):
    facts = stack.python(_FACTS.format(name=f"Vera{state}", state=state, number=number))
    context = open_browser(javascript=javascript, width=width)
    sign_in(context, stack, facts["session"])
    page = context.new_page()
    seen = watch(page)

    page.goto(f"/leads/?state={state}&mode=exclusive&max=13&min=12")
    button = page.locator(".several-bar button")
    expect(button).to_have_text("Buy selected leads")
    for lead in facts["leads"]:
        page.locator(f'label:has(input[value="{lead}"])').click()
    if javascript:
        expect(button).to_have_text("Buy 3 for $37.50")
        expect(page.locator(".several-bar [role=status]")).to_have_text("3 selected, $37.50")
    # It stands at the lower edge once something is ticked, and covers nothing that has the keyboard.
    assert page.locator(".several-bar").evaluate("e => getComputedStyle(e).position") == "sticky"
    button.click()

    assert page.url.startswith(f"{stack.url}/leads/buy/?lead=")
    pay = page.get_by_role("button", name=re.compile("^Pay"))
    expect(pay).to_have_text("Pay $37.50 and show 3 contacts")
    similar = stack.python(_SELL.format(lead=facts["leads"][1], state=state, number=number))
    pay.click()

    assert re.fullmatch(rf"{re.escape(stack.url)}/orders/\w+/", page.url)
    order = page.url
    main = page.locator("main")
    expect(main.get_by_role("heading", level=1)).to_have_text("You bought 2 leads")
    assert main.locator('a[href^="/my-leads/"]').count() >= 2
    assert "Somebody else bought it a moment before you." in main.inner_text()
    assert "$25.00" in main.inner_text()
    page.reload()
    expect(main.get_by_role("heading", name="Not bought: 1")).to_be_visible()

    # The similar one is one tick away.
    page.locator(f'label:has(input[value="{similar}"])').click()
    page.locator(".several-bar button").click()
    page.get_by_role("button", name="Pay $15.00 and show the contact").click()
    expect(main.get_by_role("heading", level=1)).to_have_text("You bought 1 lead")

    page.goto(order)
    assert "Somebody else bought it a moment before you." in main.inner_text()
    assert page.locator(f'input[value="{similar}"]').count() == 0
    assert seen["complaints"] == []


def test_unticking_changes_the_sum(stack, open_browser):
    facts = stack.python(_FACTS.format(name="Wanda", state="SD", number=5))
    address = f"/leads/buy/?{'&'.join(f'lead={lead}' for lead in facts['leads'])}"

    for javascript in (True, False):
        context = open_browser(javascript=javascript)
        sign_in(context, stack, facts["session"])
        page = context.new_page()
        page.goto(address)
        page.locator(f'label:has(input[value="{facts["leads"][0]}"])').click()
        if not javascript:
            page.get_by_role("button", name="Update the sum").click()
        expect(page.get_by_role("button", name="Pay $25.00 and show 2 contacts")).to_be_visible()
        assert "$75.00" in page.locator("main .sum").inner_text()  # the balance after
