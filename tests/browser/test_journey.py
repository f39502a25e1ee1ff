"""From sign-up to the phone number in at most six screens, then working the lead and taking it along: in Chromium,
once with JavaScript and once without."""

import csv
import io
import re

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import watch

pytestmark = [pytest.mark.browser]
PASSWORD = "seven green bicycles"


class Screens:
    """The pages that a person gets to see one after the other: the browser's own word, without what redirects pass by.
    A page that is loaded again is no other screen."""

    def __init__(self, page: Page) -> None:
        self.seen: list[str] = []
        page.on("framenavigated", lambda frame: self.note(frame.url) if frame == page.main_frame else None)

    def note(self, address: str) -> None:
        if self.seen[-1:] != [address]:
            self.seen.append(address)


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "no-javascript"])
def test_from_sign_up_to_the_phone_number_and_the_export(stack, open_browser, javascript):
    name = "Nora" if javascript else "Omar"
    address = f"{name.lower()}@example.org"
    page = open_browser(javascript=javascript).new_page()
    seen = watch(page)
    screens = Screens(page)

    # A visitor finds a lead and wants it.
    page.goto("/leads/?max=100&mode=shared")
    page.locator(".ticket h3 a").first.click()
    lead_path = page.url.removeprefix(stack.url)
    assert re.fullmatch(r"/leads/\w+/", lead_path)
    assert "tel:" not in page.content()
    screens.seen.clear()
    page.locator(f'a[href="{lead_path}buy/"]').first.click()

    # 1: sign-up
    page.get_by_label("Email").fill(address)
    page.get_by_label("Public name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("I am 18 or older").check()
    page.get_by_label("I agree to the terms of use").check()
    page.locator("main").get_by_role("button", name="Sign up").click()

    # 2: code
    page.get_by_label(re.compile("code", re.IGNORECASE)).fill(stack.code_for(address))
    page.locator("main").get_by_role("button", name="Continue").click()

    # 3: amount with notice
    assert page.url.startswith(f"{stack.url}/wallet/add/")
    page.get_by_label("$500.00", exact=False).first.check()
    page.get_by_role("button", name=re.compile("Continue to")).click()

    # 4: card
    assert page.url.startswith(stack.processor.url)
    page.locator("[name=number]").fill("4242 4242 4242 4242")
    page.locator("[name=expiry]").fill("12/39")
    page.locator("[name=cvc]").fill("123")
    page.locator("[name=name]").fill("Nora Example")
    page.locator("[name=email]").fill(address)
    page.get_by_role("button", name=re.compile("Pay")).click()

    # 5: return page with the lead's confirmation
    assert page.url.startswith(f"{stack.url}/wallet/deposits/")
    assert "and show contact" in page.locator("main").inner_text(), page.locator("main").inner_text()
    page.get_by_role("button", name=re.compile(r"Pay \$[\d,.]+ and show contact")).click()

    # 6: contact
    assert re.fullmatch(rf"{re.escape(stack.url)}/my-leads/\w+/", page.url)
    phone = page.locator('a[href^="tel:"]').first
    assert re.fullmatch(r"tel:\+1\d{10}", phone.get_attribute("href"))
    assert screens.seen[0].startswith(f"{stack.url}/accounts/signup/")
    assert screens.seen[-1] == page.url
    assert len(screens.seen) == 6, screens.seen

    # Work it: stage, note, list, search, export.
    page.locator("select[name=stage]").select_option("contacted")
    page.get_by_role("button", name="Save stage").click()
    page.locator("textarea[name=text], input[name=text]").fill("Call back on Friday")
    page.get_by_role("button", name=re.compile("Add note|Save note")).click()
    assert page.get_by_text("Call back on Friday").is_visible()
    page.goto("/my-leads/?q=Friday")
    assert page.locator('main a[href^="tel:"]').count() >= 1
    cookies = {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}
    answer = page.request.get("/my-leads/export.csv")
    rows = list(csv.DictReader(io.StringIO(answer.body().decode("utf-8-sig"))))
    assert len(rows) == 1
    assert "contacted" in " ".join(rows[0].values()).lower()
    assert set(cookies) <= {"sessionid", "csrftoken"}

    # The wallet tells the same story, and nobody else was asked for anything.
    page.goto("/wallet/")
    assert page.get_by_text("$500.00").first.is_visible()
    hosts = {url.split("/")[2] for url in seen["requests"] if url.startswith("http")}
    assert hosts <= {stack.url.split("/")[2], stack.processor.url.split("/")[2]}
    assert seen["complaints"] == []

    # Receipts arrived: welcome with the code, deposit, purchase, each once.
    stack.postbox.wait_for(address, 3)
    subjects = [str(message["Subject"]) for message in stack.postbox.to(address)]
    assert len(subjects) == len(set(subjects)) == 3
