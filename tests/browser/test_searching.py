"""Looking near a ZIP code, keeping the list and coming back to it: in Chromium, with JavaScript and without."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import watch
from tests.browser.test_pages import sign_in

pytestmark = [pytest.mark.browser]
_FACTS = """
from marketplace.leads.places import find
from tests.people import make_member, session_of
from tests.stock import make_lead

here = find({code!r})
for city, degrees in (("Near", 0), ("Thirty miles off", 0.5)):
    make_lead(
        vertical="roofing", city=city, state={state!r}, latitude=here.latitude + degrees, longitude=here.longitude,
        phone=f"+1{area}55501{{len(city):02d}}", email=f"{state}{{len(city)}}@example.org",
    )
answer = session_of(make_member("Sara{state}"))
"""
_LIST_ANOTHER = """
import time
from marketplace.leads.places import find
from tests.stock import make_lead

here = find({code!r})
time.sleep(0.1)
make_lead(
    vertical="roofing", city="Fresh", state={state!r}, latitude=here.latitude, longitude=here.longitude,
    phone="+1{area}5550190", email="{state}@example.org",
)
answer = None
"""


@pytest.mark.parametrize(
    ("javascript", "width", "place"),
    [
        (True, 1280, {"code": "59801", "state": "MT", "area": "406"}),
        (False, 1280, {"code": "83702", "state": "ID", "area": "208"}),
        (True, 320, {"code": "87501", "state": "NM", "area": "505"}),
        (False, 390, {"code": "68847", "state": "NE", "area": "402"}),
    ],
    ids=["javascript", "no-javascript", "javascript-phone", "no-javascript-phone"],
)
def test_near_a_zip_code_saved_and_come_back_to(stack, open_browser, javascript, width, place):
    context = open_browser(javascript=javascript, width=width)
    sign_in(context, stack, stack.python(_FACTS.format(**place)))
    page = context.new_page()
    seen = watch(page)
    tickets = page.locator(".ticket h3")

    # What is looked for stands above the list; how far from it can be changed there.
    page.goto("/leads/?vertical=roofing")
    page.get_by_role("searchbox", name="Near").fill(place["code"])
    page.get_by_role("searchbox", name="Near").press("Enter")
    expect(tickets).to_have_text([f"Roofing, Near {place['state']}"])
    page.get_by_label("Distance").select_option("50")
    if not javascript:
        page.get_by_role("button", name="Search", exact=True).click()
    expect(tickets).to_have_count(2)
    expect(page).to_have_url(re.compile(rf"\?vertical=roofing&place={place['code']}&miles=50$"))
    expect(page.locator("#found")).to_have_text("2 match your filters.")

    # Kept by a name, and looked at a moment ago.
    page.get_by_text("Save this search").click()
    name = page.get_by_label("Name of this search")
    expect(name).to_have_value(re.compile(rf"^Roofing, Within 50 miles of {place['code']} "))
    name.fill("Roofs around here")
    page.get_by_role("button", name="Save search").click()
    kept = page.locator("main li.card")
    expect(page.get_by_role("status")).to_contain_text("Search saved.")
    expect(kept).to_contain_text("Nothing new")

    # Another day there is something new in it, which is new until it was looked at.
    stack.python(_LIST_ANOTHER.format(**place))
    page.goto("/leads/")
    page.get_by_role("link", name="Saved searches").click()
    expect(kept).to_contain_text("1 new")
    kept.get_by_role("link", name="Roofs around here").click()
    expect(tickets.first).to_contain_text("Roofing, Fresh")
    expect(page.get_by_label("Distance")).to_have_value("50")
    page.get_by_role("link", name="Saved searches").click()
    expect(kept).to_contain_text("Nothing new")

    # Removed by mistake.
    kept.get_by_role("button", name="Remove Roofs around here").click()
    expect(page.get_by_role("heading", name="No saved search yet")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(kept.get_by_role("link")).to_have_text("Roofs around here")
    assert seen["complaints"] == []
