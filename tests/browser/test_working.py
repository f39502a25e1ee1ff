"""A buyer's day with the leads that are theirs: calls, stages, notes, the board, paper and files; and buying with the
keyboard alone. In Chromium, with JavaScript and without."""

import csv
import io
import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import watch
from tests.browser.test_pages import sign_in

pytestmark = [pytest.mark.browser]
# The person is somewhere where people may be called now, and the buyer's day is not over within an hour.
_WORKED = """
from marketplace.core import clock
from marketplace.core.ids import new_id
from marketplace.purchases.services import buy_lead
from tests.people import make_member, session_of
from tests.stock import make_lead

hour = clock.now().hour
zone = "UTC" if 9 <= hour < 19 else "America/Los_Angeles" if hour >= 19 or hour < 3 else "Asia/Tokyo"
walt = make_member({name!r}, cents=100_00, time_zone=zone)
for first in ("Oscar", "Wilma"):
    lead = make_lead(price_cents=10_00, first_name=first, last_name="Workedon", time_zone=zone)
    buy_lead(walt, lead, price_seen=10_00, key=new_id())
answer = session_of(walt)
"""
# More than are sent at once; bought the short way, as nobody looks at the money here.
_MANY = """
from marketplace.core import clock
from marketplace.leads.models import Lead
from marketplace.purchases.exports import AT_ONCE
from marketplace.purchases.models import Order, Purchase
from tests.people import make_member, session_of
from tests.stock import make_lead

mona = make_member("Mona")
like = make_lead(buyers=3)
names = ("vertical", "supplier", "base_cents", "price_cents", "asked_at", "city", "state", "postal_code")
values = {name: getattr(like, name) for name in names} | {"status": "sold", "slots_total": 1, "slots_sold": 1}
leads = Lead.objects.bulk_create([Lead(**values) for _ in range(AT_ONCE + 1)])
values = {"order": Order.objects.create(buyer=mona, key="many", created_at=clock.now()), "buyer": mona}
values |= {"slot_number": 1, "price_cents": 10_00, "created_at": clock.now()}
Purchase.objects.bulk_create([Purchase(**values, lead=lead) for lead in leads])
answer = session_of(mona)
"""
_FOR_KEYBOARD = """
from tests.people import make_member, session_of
from tests.stock import make_lead

for n, (vertical, city) in enumerate((("solar", "Sunny"), ("solar", "Bright"), ("hvac", "Cool"))):
    make_lead(
        vertical=vertical, city=city, state={state!r}, price_cents=10_00, phone=f"+1{area}555012{{n}}",
        email=f"{state}{{n}}@example.org",
    )
answer = session_of(make_member("Kay{state}", cents=100_00))
"""
JAVASCRIPT = pytest.mark.parametrize(
    ("javascript", "width"),
    [(True, 1280), (False, 390)],
    ids=["javascript", "no-javascript-phone"],
)


def told(page: Page) -> Locator:
    """What the page says happened."""
    return page.locator(".flashes .flash")


@JAVASCRIPT
def test_a_bought_lead_is_worked(stack, open_browser, javascript, width):
    context = open_browser(javascript=javascript, width=width)
    sign_in(context, stack, stack.python(_WORKED.format(name=f"Walt{width}")))
    page = context.new_page()
    seen = watch(page)
    page.goto("/my-leads/")
    page.get_by_role("link", name="Wilma Workedon").click()
    stage = page.locator(".head .tag")

    # A call in one tap, and what it suggests.
    page.get_by_role("button", name="Spoke", exact=True).click()
    expect(told(page)).to_contain_text("Call logged: Spoke.")
    expect(page.locator("#calls li")).to_contain_text("Spoke")
    page.get_by_role("button", name="Move to Contacted").click()
    expect(stage).to_have_text("Contacted")

    page.get_by_role("combobox", name="Stage").select_option("won")
    page.get_by_role("button", name="Save stage").click()
    expect(stage).to_have_text("Won")
    told(page).get_by_role("button", name="Undo").click()
    expect(told(page)).to_have_text("Undone: the stage is Contacted again.")
    expect(stage).to_have_text("Contacted")

    notes = page.locator("#notes li")
    page.get_by_label("New note").fill("A slip of the finger")
    page.get_by_role("button", name="Add note").click()
    expect(notes).to_contain_text("A slip of the finger")
    told(page).get_by_role("button", name="Undo").click()
    expect(told(page)).to_contain_text("Undone: the note is removed.")
    expect(notes).to_have_count(0)
    page.get_by_label("New note").fill("Wants both cars on one policy")
    page.get_by_role("button", name="Add note").click()
    expect(notes).to_contain_text("Wants both cars on one policy")

    # The next call is due on the day it is planned for.
    page.get_by_role("button", name="In an hour").click()
    expect(told(page)).to_have_text("Next call saved.")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="My leads").click()
    page.get_by_role("link", name="Due today 1").click()
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("Wilma Workedon")

    # The board moves it by a button, and back.
    page.get_by_role("link", name="All 2").click()
    page.get_by_role("link", name="Board").click()
    contacted, quoted = (page.get_by_role("region", name=name) for name in ("Contacted", "Quoted"))
    contacted.get_by_role("button", name="Quoted").click()
    expect(told(page)).to_contain_text("Stage saved: Quoted.")
    expect(quoted.get_by_role("link", name="Wilma Workedon")).to_be_visible()
    expect(contacted).to_contain_text("No lead is here.")
    told(page).get_by_role("button", name="Undo").click()
    expect(contacted.get_by_role("link", name="Wilma Workedon")).to_be_visible()

    # On paper and in a file: what the filter shows.
    page.get_by_role("link", name=re.compile(r"^Contacted \d")).click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download CSV").click()
    (row,) = read(download.value.path())
    assert (row["first_name"], row["stage"], row["notes"]) == ("Wilma", "Contacted", "Wants both cars on one policy")
    page.get_by_role("link", name="Call sheet").click()
    page.emulate_media(media="print")
    (sheet,) = page.locator(".sheet li").all()
    expect(sheet).to_contain_text("Wilma Workedon")
    expect(sheet).to_contain_text("Last note: Wants both cars on one policy")
    expect(sheet).to_contain_text("Next call: ")
    assert page.locator("header, nav, .btn").filter(visible=True).count() == 0
    assert seen["complaints"] == []


def read(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"))))


def test_a_file_of_many_leads_is_written_meanwhile(stack, open_browser):
    """From asking over progress to the file, which the page itself leads on to, without JavaScript."""
    context = open_browser(javascript=False, width=390)
    sign_in(context, stack, stack.python(_MANY))
    page = context.new_page()
    page.goto("/my-leads/")
    page.get_by_role("link", name="Download CSV").click()
    expect(page.locator("main")).to_contain_text("A file of 5,001 leads may take a while.")
    page.get_by_role("button", name="Write the CSV file").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("^Your file is (being written|ready)$"))
    address = page.url
    expect(page.get_by_role("heading", level=1)).to_have_text("Your file is ready", timeout=60_000)
    assert page.url == address

    page.goto("/my-leads/")
    page.get_by_role("link", name="CSV file of 5,001 leads").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download", exact=True).click()
    assert len(read(download.value.path())) == 5_001


def tab_to(page: Page, target: Locator) -> None:
    """Press Tab until ``target`` has the keyboard, and see that it is shown and nothing lies over it."""
    for _ in range(120):
        page.keyboard.press("Tab")
        if target.evaluate("e => e === document.activeElement"):
            break
    expect(target).to_be_focused()
    is_seen = """e => {
        const box = (e.labels?.[0] ?? e).getBoundingClientRect();
        const there = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
        return (e.labels?.[0] ?? e).contains(there);
    }"""
    assert target.evaluate(is_seen), target


@pytest.mark.parametrize(
    ("javascript", "place"),
    [(True, {"state": "HI", "area": "808"}), (False, {"state": "DE", "area": "302"})],
    ids=["javascript", "no-javascript"],
)
def test_the_keyboard_alone_buys(stack, open_browser, javascript, place):
    context = open_browser(javascript=javascript)
    sign_in(context, stack, stack.python(_FOR_KEYBOARD.format(**place)))
    page = context.new_page()
    tickets = page.locator(".ticket h3")
    page.goto(f"/leads/?state={place['state']}&max=10&min=10")

    def skip_to_content() -> None:
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to main content")).to_be_focused()
        page.keyboard.press("Enter")

    skip_to_content()
    tab_to(page, page.get_by_role("checkbox", name=re.compile("^Solar")))
    page.keyboard.press("Space")
    if not javascript:
        tab_to(page, page.get_by_role("button", name="Show leads"))
        page.keyboard.press("Enter")
    expect(tickets).to_have_text([f"Solar, {city} {place['state']}" for city in ("Bright", "Sunny")])
    if not javascript:
        skip_to_content()
    for city in ("Bright", "Sunny"):
        tab_to(page, page.get_by_role("checkbox", name=f"Solar in {city} {place['state']}"))
        page.keyboard.press("Space")
    tab_to(page, page.locator(".several-bar button"))
    page.keyboard.press("Enter")

    page.wait_for_url("**/leads/buy/**")
    skip_to_content()
    tab_to(page, page.get_by_role("button", name="Pay $20.00 and show 2 contacts"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("You bought 2 leads")
    skip_to_content()
    tab_to(page, page.locator("main tbody a").first)
