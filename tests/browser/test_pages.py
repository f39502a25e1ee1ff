"""Every page of the site: accessible (axe, light and dark), valid (Nu), within its frame at 320 px, quiet under the
Content-Security-Policy, easy to hit, and light on the wire."""

import gzip
import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.conftest import watch

pytestmark = [pytest.mark.browser]
AXE = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}

_FACTS = """
from importlib import import_module
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from accounts.models import User
from marketplace.leads.models import Lead
from marketplace.purchases.models import Purchase
from marketplace.wallet.models import Deposit
from tests.stock import make_lead

def session_of(email):
    user = User.objects.get(email=email)
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    return session.session_key

alice = User.objects.get(email="alice@example.com")
bought = Purchase.objects.filter(buyer=alice).select_related("lead").order_by("id").first()
sold = Lead.objects.filter(status="sold").exclude(purchases__buyer=alice).first()
dear = make_lead(buyers=3, price_cents=90_000_00)
others = Lead.objects.on_sale().exclude(purchases__buyer=alice).exclude(pk=dear.pk).filter(price_cents__lt=40_00)
answer = {
    "alice": session_of("alice@example.com"),
    "charlie": session_of("admin@example.com"),
    "lead": others.filter(slots_total=3).latest("id").public_id,
    "exclusive": Lead.objects.on_sale().exclusive().latest("id").public_id,
    "sold": sold.public_id if sold else "",
    "bought": bought.public_id,
    "bought_lead": bought.lead.public_id,
    "dear": dear.public_id,
    "deposit": Deposit.objects.filter(buyer=alice, state="paid").latest("id").public_id,
    "member": alice.pk,
}
"""


@pytest.fixture(scope="module")
def facts(stack):
    return stack.python(_FACTS)


def pages(facts: dict[str, str]) -> dict[str, list[str]]:
    """Every address, by who looks at it."""
    lead, mine = facts["lead"], facts["bought"]
    visitor = [
        "/",
        "/leads/",
        "/leads/?vertical=auto-insurance&state=OH&sort=price",
        "/leads/?mode=exclusive&age=7d",
        "/leads/?max=abc",
        "/leads/?vertical=personal-injury&state=VT&max=2",
        f"/leads/{lead}/",
        f"/leads/{facts['exclusive']}/",
        *([f"/leads/{facts['sold']}/"] if facts["sold"] else []),
        "/terms/",
        "/accounts/signup/",
        f"/accounts/signup/?next=/leads/{lead}/buy/",
        "/accounts/login/",
        "/accounts/password/reset/",
        "/nowhere/",
        "/demo/mailbox/",
    ]
    member = [
        "/",
        "/leads/",
        f"/leads/{lead}/",
        f"/leads/{facts['bought_lead']}/",
        f"/leads/{lead}/buy/",
        f"/leads/{facts['dear']}/buy/",
        "/my-leads/",
        "/my-leads/?stage=new",
        "/my-leads/?q=nobodyhasthisname",
        f"/my-leads/{mine}/",
        "/wallet/",
        "/wallet/?kind=deposit",
        "/wallet/?from=tomorrow",
        "/wallet/add/",
        f"/wallet/add/?lead={lead}",
        "/wallet/billing/",
        f"/wallet/deposits/{facts['deposit']}/",
        f"/wallet/deposits/{facts['deposit']}/receipt/",
        "/account/",
        "/accounts/email/",
        "/accounts/password/change/",
        "/accounts/logout/",
        "/nowhere/",
    ]
    return {"visitor": visitor, "alice": member}


INVALID = {
    "visitor": [
        ("/accounts/signup/", "Sign up", {"email": "nobody", "handle": "x"}),
        ("/accounts/login/", "Sign in", {"login": "stranger@example.org", "password": "wrong password"}),
    ],
    "alice": [
        ("/account/", "Save", {"handle": "no good name"}),
        ("/wallet/add/", "Continue", {"amount": "12"}),
        ("/wallet/billing/", "Save", {"postal_code": "abc"}),
    ],
}


def check(page: Page, seen: dict[str, list[str]], where: str) -> list[str]:
    """What is wrong with the page as it is shown now; nothing if all is well."""
    wrong = []
    report = Axe().run(page, options=AXE)
    for violation in report.response["violations"]:
        nodes = "; ".join(node["html"][:120] for node in violation["nodes"][:3])
        wrong.append(f"{where}: axe {violation['id']}: {nodes}")
    frame = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    if frame[0] > frame[1]:
        wrong.append(f"{where}: {frame[0]} px wide in a frame of {frame[1]}")
    small = page.evaluate(
        """[...document.querySelectorAll('a, button, input, select, summary, textarea')].filter(e => {
            const box = e.getBoundingClientRect(), style = getComputedStyle(e);
            if (!box.width || style.visibility === 'hidden' || e.type === 'hidden') return false;
            if (e.closest('.vh, .skip, p, li, dd, label, td, .check, h3, h2') && e.tagName !== 'BUTTON') return false;
            return box.width < 24 || box.height < 24;
        }).map(e => e.outerHTML.slice(0, 120))"""
    )
    wrong += [f"{where}: smaller than 24 px: {html}" for html in small]
    complaints = [text for text in seen["complaints"] if "status of 4" not in text]
    wrong += [f"{where}: {text}" for text in complaints]
    seen["complaints"].clear()
    return wrong


def sign_in(context, stack, session: str) -> None:
    context.add_cookies([{"name": "sessionid", "value": session, "url": stack.url}])


@pytest.mark.parametrize("who", ["visitor", "alice"])
@pytest.mark.parametrize(("dark", "width"), [(False, 1280), (True, 320)], ids=["light-1280", "dark-320"])
def test_every_page_is_accessible_and_fits(stack, facts, open_browser, tmp_path_factory, who, dark, width):
    context = open_browser(dark=dark, width=width)
    if who != "visitor":
        sign_in(context, stack, facts[who])
    page = context.new_page()
    seen = watch(page)
    wrong, shots = [], Path(os.environ.get("SCREENSHOTS", "") or tmp_path_factory.mktemp("shots"))
    for path in pages(facts)[who]:
        page.goto(path)
        wrong += check(page, seen, path)
        name = re.sub(r"\W+", "-", f"{who}{path}").strip("-")[:80]
        page.screenshot(path=shots / f"{name}-{width}.png", full_page=True)
    for path, button, fields in INVALID[who]:
        page.goto(path)
        for name, value in fields.items():
            field = page.locator(f"main [name={name}]")
            field.fill(value)
        page.locator("main form").first.evaluate("form => { form.noValidate = true }")
        page.locator("main").get_by_role("button", name=re.compile(button)).first.click()
        page.locator(".errors").wait_for()
        assert page.title().startswith("Error: "), (path, page.title())
        wrong += check(page, seen, f"{path} with errors")
        page.screenshot(path=shots / f"{who}-error-{name}-{width}.png", full_page=True)
    assert wrong == [], "\n".join(wrong)


def test_every_page_is_valid_html(stack, facts, open_browser, tmp_path):
    """The Nu checker finds no error in what the server sends."""
    files = {}
    for who, paths in pages(facts).items():
        context = open_browser(javascript=False)
        if who != "visitor":
            sign_in(context, stack, facts[who])
        for number, path in enumerate(paths):
            file = tmp_path / f"{who}-{number}.html"
            file.write_bytes(context.request.get(path).body())
            files[file.name] = f"{path} ({who})"
    done = subprocess.run(
        [
            "java",
            "-jar",
            os.environ["VNU_JAR"],
            "--errors-only",
            "--format",
            "json",
            "--exit-zero-always",
            *map(str, tmp_path.glob("*.html")),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    errors = [
        f"{files[message['url'].rsplit('/', 1)[-1]]}: {message['message']} ({message.get('extract', '')[:80]!r})"
        for message in json.loads(done.stderr)["messages"]
    ]
    assert errors == [], "\n".join(errors)


def test_pages_are_light_on_the_wire(stack, facts, open_browser):
    """First view of the catalogue: HTML 25 kB gzip, CSS 12, scripts 18, fonts 50, all 100; at most 12 requests."""
    page = open_browser().new_page()
    answers = []
    page.on("response", lambda answer: answers.append(answer))  # noqa: PLW0108 - Playwright marks what it is given
    page.goto("/leads/", wait_until="networkidle")
    assert len(answers) <= 12
    assert {answer.url.split("/")[2] for answer in answers} == {stack.url.split("/")[2]}

    weight: dict[str, int] = {}
    for answer in answers:
        kind = answer.request.resource_type
        body = answer.body()
        weight[kind] = weight.get(kind, 0) + (len(body) if kind == "font" else len(gzip.compress(body)))
    limits = {"document": 25_000, "stylesheet": 12_000, "script": 18_000, "font": 50_000}
    assert all(weight.get(kind, 0) <= limit for kind, limit in limits.items()), weight
    assert sum(weight.values()) <= 100_000, weight


def test_the_keyboard_gets_to_the_content(stack, facts, open_browser):
    """The first tab stop skips to the content; every stop after it shows where it is."""
    page = open_browser().new_page()
    page.goto("/leads/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#main"
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#main"
    for _ in range(8):
        page.keyboard.press("Tab")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
        assert outline == "3px"
