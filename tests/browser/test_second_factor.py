"""A second factor in Chromium: a passkey of its own virtual authenticator, and an app without JavaScript."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import watch
from tests.browser.test_pages import sign_in
from tests.factors import code

pytestmark = [pytest.mark.browser]
PASSWORD = "correct horse battery"
_MEMBER = """
from tests.people import make_member, session_of

answer = session_of(make_member({name!r}))
"""


def named(stack) -> str:
    """The site by name: passkeys do not work at an address of numbers."""
    return stack.url.replace("127.0.0.1", "localhost")


def give_authenticator(page: Page) -> tuple:
    """A passkey's device within the browser; whoever sits there touches it at once."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    made = devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return devtools, made["authenticatorId"]


def sign_in_by_password(page: Page, name: str) -> None:
    page.get_by_label("Email").fill(f"{name.lower()}@example.com")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.locator("main").get_by_role("button", name="Sign in").click()


def test_a_passkey_is_made_and_signs_in(stack, open_browser):
    session, there = stack.python(_MEMBER.format(name="Pia")), named(stack)
    context = open_browser()
    context.add_cookies([{"name": "sessionid", "value": session, "url": there}])
    page = context.new_page()
    seen = watch(page)
    devtools, device = give_authenticator(page)

    page.goto(f"{there}/account/")
    page.get_by_role("link", name="Switch on the second factor").click()
    page.get_by_role("link", name="Add a passkey").click()
    page.get_by_label("Name").fill("This laptop")
    page.get_by_role("button", name="Make the passkey").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    assert len(devtools.send("WebAuthn.getCredentials", {"authenticatorId": device})["credentials"]) == 1

    # The same one once more is refused by the browser, in words.
    page.goto(f"{there}/accounts/second-factor/passkeys/")
    page.get_by_role("button", name="Make the passkey").click()
    expect(page.get_by_role("alert").filter(has_text="on your account already")).to_be_visible()

    page.goto(f"{there}/account/")
    page.get_by_role("button", name="Sign out").click()
    page.goto(f"{there}/accounts/login/?next=/wallet/")
    sign_in_by_password(page, "Pia")
    expect(page.get_by_role("heading", name="One more step")).to_be_visible()

    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url(f"{there}/wallet/")
    page.goto(f"{there}/accounts/second-factor/")
    expect(page.get_by_role("link", name="Remove This laptop")).to_be_visible()
    assert "last used" in page.locator("main").inner_text()
    assert seen["complaints"] == []


def test_without_the_passkey_one_is_told_and_a_recovery_code_helps(stack, open_browser):
    session, there = stack.python(_MEMBER.format(name="Quinn")), named(stack)
    context = open_browser()
    context.add_cookies([{"name": "sessionid", "value": session, "url": there}])
    page = context.new_page()
    devtools, device = give_authenticator(page)
    page.goto(f"{there}/accounts/second-factor/passkeys/")
    page.get_by_role("button", name="Make the passkey").click()
    recovery = page.locator("main li code").first.inner_text()
    page.goto(f"{there}/account/")
    page.get_by_role("button", name="Sign out").click()
    devtools.send("WebAuthn.clearCredentials", {"authenticatorId": device})

    page.goto(f"{there}/accounts/login/")
    sign_in_by_password(page, "Quinn")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("alert").filter(has_text="You can try again")).to_be_visible()
    page.get_by_role("textbox", name="Code").fill(recovery)
    page.locator("main").get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(f"{there}/leads/")


def test_at_an_address_of_numbers_the_page_says_that_it_cannot(stack, open_browser):
    context = open_browser()
    sign_in(context, stack, stack.python(_MEMBER.format(name="Rory")))
    page = context.new_page()
    give_authenticator(page)
    page.goto("/accounts/second-factor/passkeys/")
    page.get_by_role("button", name="Make the passkey").click()
    expect(page.get_by_role("alert").filter(has_text="the site must have a name")).to_be_visible()


def test_an_app_works_without_javascript(stack, open_browser):
    context = open_browser(javascript=False, width=320)
    sign_in(context, stack, stack.python(_MEMBER.format(name="Sven")))
    page = context.new_page()
    page.goto("/accounts/second-factor/")
    page.get_by_role("link", name="Add an authenticator app").click()
    picture = page.get_by_role("img", name="QR code for the authenticator app")
    assert picture.bounding_box()["width"] >= 200
    key = page.locator("main code").inner_text().replace(" ", "")
    assert re.fullmatch("[A-Z2-7]{32}", key)
    page.get_by_role("textbox", name="Code").fill(code(key))
    page.get_by_role("button", name="Switch it on").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()

    page.goto("/account/")
    page.get_by_role("button", name="Sign out").click()
    page.goto("/accounts/login/?next=/wallet/")
    sign_in_by_password(page, "Sven")
    page.get_by_role("textbox", name="Code").fill(code(key))
    page.locator("main").get_by_role("button", name="Sign in", exact=True).click()
    assert "used already" in page.locator(".errors").inner_text(), "the code that switched it on is used up"
    page.get_by_role("textbox", name="Code").fill(code(key, later=1))
    page.locator("main").get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(f"{stack.url}/wallet/")
