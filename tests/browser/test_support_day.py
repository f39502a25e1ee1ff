"""A day of support in Chromium: a caller is found, gets a new code and a lead credited, by two people. Every control is
reached by the name a screen reader says."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import watch
from tests.browser.test_pages import sign_in

pytestmark = [pytest.mark.browser]
_CALLERS = """
from accounts.models import User
from marketplace.core.ids import new_id
from marketplace.purchases.services import buy_lead
from marketplace.wallet import deposits
from marketplace.wallet.gateway import Payment
from tests.people import make_member, session_of
from tests.stock import make_lead

one = make_member({one!r}, cents=100_00)
buy_lead(one, make_lead(price_cents=10_00), price_seen=10_00, key=new_id())
two = make_member({two!r})
two.email_verified_at = None
two.save()
two.emailaddress_set.update(verified=False)
deposits.settle(Payment("pi_of_{one}", "succeeded", 12_34, "usd", "", settled=12_34, fee=0))
answer = {{name: session_of(User.objects.get(email=f"{{name}}@example.com")) for name in ("charlie", "dana")}}
"""


def named(page: Page) -> None:
    """Everything that can be pressed or filled in has a name, as the accessibility tree tells it."""
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea')]
            .filter(e => e.getClientRects().length)
            .filter(e => !(e.getAttribute('aria-label') || e.labels?.[0]?.textContent.trim() || e.textContent.trim()
                || e.getAttribute('aria-labelledby') || e.title || e.value && e.type === 'submit'))
            .map(e => e.outerHTML.slice(0, 150))"""
    )
    assert nameless == []


def find(page: Page, text: str) -> None:
    page.get_by_role("searchbox", name="Find a member, lead, payment or mail").fill(text)
    page.get_by_role("button", name="Find").click()


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "plain"])
def test_a_support_day(stack, open_browser, javascript):
    one, two = ("Cassie", "Tomas") if javascript else ("Carla", "Tobias")
    session = stack.python(_CALLERS.format(one=one, two=two))
    context = open_browser(javascript=javascript)
    sign_in(context, stack, session["charlie"])
    page = context.new_page()
    seen = watch(page)

    # Somebody calls who never got their code, and spells their address: the one we have is mistyped.
    page.goto("/admin/")
    find(page, f"{two.lower()}@example.com")
    expect(page.get_by_role("heading", name=f"Member {two}", level=1)).to_be_visible()
    expect(page.get_by_text("not proved")).to_be_visible()
    named(page)
    page.get_by_role("link", name="Correct the email address").click()
    page.get_by_label("The right email address").fill(f"{two.lower()}.right@example.org")
    page.get_by_label("Reason").fill("Mistyped at sign-up, spelled on the phone.")
    named(page)
    page.get_by_role("button", name="Correct it and send a code").click()
    expect(page.get_by_text("The address is corrected and a code is on its way.")).to_be_visible()
    code = stack.code_for(f"{two.lower()}.right@example.org")

    # Their own browser, elsewhere.
    caller = open_browser(javascript=javascript).new_page()
    caller.goto("/accounts/code/")
    caller.get_by_label("Email").fill(f"{two.lower()}.right@example.org")
    caller.get_by_label("Code").fill(code)
    caller.get_by_role("button", name="Confirm").click()
    expect(caller.get_by_text("Your email is confirmed.")).to_be_visible()

    # Another one bought a number that is out of service.
    find(page, one)
    row = page.get_by_role("region", name="Purchases").get_by_role("row").nth(1)
    row.get_by_role("link", name=re.compile("Credit purchase")).click()
    page.get_by_label("What is wrong with the lead").select_option("Number out of service or wrong")
    page.get_by_label("Amount in dollars").fill("7.50")
    page.get_by_label("Reason").fill("Out of service, tried twice.")
    named(page)
    page.get_by_role("button", name="Ask for the credit").click()
    expect(page.get_by_text("It waits for a second person now.")).to_be_visible()
    expect(page.get_by_role("link", name=re.compile(r"^Give \$7\.50 of"))).to_be_visible()

    # Support cannot decide it; finance can.
    page.get_by_role("link", name=re.compile(r"^Give \$7\.50 of")).click()
    expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    finance = open_browser(javascript=javascript)
    sign_in(finance, stack, session["dana"])
    decide = finance.new_page()
    decide.goto("/admin/")
    decide.get_by_role("link", name="Waiting for a second person").click()
    decide.get_by_role("link", name=re.compile(rf"\$7\.50.*{one}")).click()
    named(decide)
    decide.get_by_role("button", name="Approve").click()
    expect(decide.get_by_text("the buyer is told by mail")).to_be_visible()

    # Money came in that fits no deposit; the caller paid it.
    page.goto("/admin/")
    find(page, f"pi_of_{one}")
    page.get_by_role("link", name="Settle it").click()
    page.get_by_role("radio", name="A member’s").check()
    page.get_by_role("textbox", name="Member", exact=True).fill(one)
    page.get_by_label("Reason").fill("The processor's page of the payment names them.")
    named(page)
    page.get_by_role("button", name="Ask for it").click()
    decide.goto("/admin/approvals/")
    decide.get_by_role("link", name=re.compile(rf"pi_of_{one}")).click()
    decide.get_by_role("button", name="Approve").click()
    expect(decide.get_by_text("on the member’s balance")).to_be_visible()

    # The caller's page says it all, with what was done.
    find(page, one)
    expect(page.get_by_text("Lead credited").or_(page.get_by_text("Credited:")).first).to_be_visible()
    expect(page.get_by_role("region", name="Purchases").get_by_text("$7.50")).to_be_visible()
    page.get_by_role("link", name="Show the details").click()
    page.get_by_label("Reason").fill("Wants the receipt at another address.")
    page.get_by_role("button", name="Show the details").click()
    expect(page.get_by_text(f"{one.lower()}@example.com")).to_be_visible()
    stack.postbox.wait_for(f"{one.lower()}@example.com", 2)
    assert seen["complaints"] == []
