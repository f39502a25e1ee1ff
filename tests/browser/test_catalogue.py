"""The catalogue with a script: the list is exchanged in place, and nothing is lost by that."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import watch

pytestmark = [pytest.mark.browser]


@pytest.fixture
def page(open_browser):
    page = open_browser(javascript=True).new_page()
    page.seen = watch(page)
    page.goto("/leads/")
    page.evaluate("window.sameDocument = true")
    yield page
    assert page.seen["complaints"] == []


def is_same_document(page):
    return page.evaluate("window.sameDocument === true")


def test_a_filter_is_applied_in_place_and_back_takes_it_away(page):
    before = page.locator("#found").inner_text()
    page.get_by_role("checkbox", name=re.compile("^Solar")).check()

    expect(page).to_have_url(re.compile(r"\?vertical=solar$"))
    expect(page.locator(".chip")).to_have_text(re.compile("Solar"))
    expect(page.locator(".ticket h3").first).to_contain_text("Solar")
    assert is_same_document(page)
    assert page.evaluate("document.activeElement.value") == "solar", "the keyboard stays where it was"
    expect(page.locator("#said")).to_contain_text("match")

    page.get_by_role("radio", name=re.compile("^Exclusive to one buyer")).check()
    expect(page).to_have_url(re.compile(r"\?vertical=solar&mode=exclusive$"))
    page.go_back()
    expect(page.locator(".chip")).to_have_count(1)
    page.go_back()
    expect(page.locator(".chip")).to_have_count(0)
    expect(page.locator("#found")).to_have_text(before)
    expect(page.get_by_role("checkbox", name=re.compile("^Solar"))).not_to_be_checked()
    assert is_same_document(page)


def test_links_of_the_list_exchange_it_too(page):
    page.get_by_role("checkbox", name=re.compile("^Solar")).check()
    expect(page.locator(".chip")).to_have_count(1)
    page.get_by_label("Sort").select_option("price")
    expect(page).to_have_url(re.compile(r"\?vertical=solar&sort=price$"))
    page.get_by_role("link", name="Map", exact=True).click()
    expect(page.locator("svg.usmap")).to_be_visible()
    page.get_by_role("link", name=re.compile("^Solar")).click()
    expect(page.locator(".chip")).to_have_count(0)
    expect(page).to_have_url(re.compile(r"/leads/\?sort=price&view=map$"))
    assert is_same_document(page)
    assert page.evaluate("document.activeElement.tagName") == "H1", "the chip is gone, its place is not"


def test_distance_and_order_keep_the_place(page):
    """They stand above the list and not inside of the form of the filters."""
    page.goto("/leads/?vertical=solar&place=Columbus%2C+OH")
    page.get_by_label("Distance").select_option("100")
    expect(page).to_have_url(re.compile(r"\?vertical=solar&place=Columbus%2C\+OH&miles=100$"))
    expect(page.locator(".chip").last).to_contain_text("Within 100 miles of Columbus, OH")
    page.get_by_label("Sort").select_option("price")
    expect(page).to_have_url(re.compile(r"\?vertical=solar&place=Columbus%2C\+OH&miles=100&sort=price$"))


def test_a_place_is_looked_for_when_its_box_is_left(page):
    seen = watch(page)
    box = page.get_by_label("Near")
    box.fill("43215")
    box.press("Tab")
    expect(page).to_have_url(re.compile(r"\?place=43215$"))
    box.fill("Columbus, OH")
    box.press("Enter")
    expect(page).to_have_url(re.compile(r"\?place=Columbus%2C\+OH$"))
    box.fill("43004")
    page.get_by_role("button", name="Search").click()
    expect(page).to_have_url(re.compile(r"\?place=43004$"))
    assert seen["complaints"] == [], "none was sent twice"


def test_without_a_connection_the_list_says_so(page):
    notice = page.get_by_text("The list could not be loaded")
    expect(notice).to_be_hidden()
    page.context.set_offline(True)
    page.get_by_role("checkbox", name=re.compile("^Solar")).check()
    expect(notice).to_be_visible()
    page.context.set_offline(False)
    page.get_by_role("checkbox", name=re.compile("^Roofing")).check()
    expect(page.locator(".chip")).to_have_count(2)
    expect(notice).to_be_hidden()
    page.seen["complaints"].clear()  # of the connection


def test_leaving_for_a_page_that_is_not_ours_leaves_nothing_in_the_console(open_browser):
    """Chromium reports an error there if pages ask for transitions, and no script of ours can catch it."""
    page = open_browser(javascript=True).new_page()
    seen = watch(page)
    page.goto("/leads/")
    page.wait_for_timeout(300)
    page.evaluate("location.href = '/robots.txt'")
    page.wait_for_timeout(700)
    assert [text for text in seen["complaints"] if "404" not in text] == []


def test_a_lead_is_a_page_of_its_own(page):
    page.locator(".ticket h3 a").first.click()
    expect(page).to_have_url(re.compile(r"/leads/\w{10,}/$"))
    assert not is_same_document(page)
    page.go_back()
    expect(page.locator(".ticket").first).to_be_visible()


def test_the_slash_goes_to_the_search_unless_turned_off(page):
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.name") == "place"
    page.keyboard.type("43215/")
    assert page.locator("[name=place]").input_value() == "43215/", "in a box it is a letter"
    page.locator("[name=place]").fill("")
    page.get_by_label("The key / goes to the search").uncheck()
    page.reload()
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.name") != "place"


def test_new_leads_are_offered_and_do_not_move_the_list(page, stack):
    first = page.locator(".ticket").first.bounding_box()
    stack.python("from tests.stock import make_lead\nimport time\ntime.sleep(1.1)\nmake_lead()\nanswer = 1")
    page.evaluate("htmx.trigger(document.querySelector('.fresh'), 'every')")
    expect(page.locator("#fresh")).to_contain_text(re.compile(r"\d+ new leads?\."))
    assert page.locator(".ticket").first.bounding_box() == first
    page.get_by_role("link", name=re.compile("^Show (it|them)$")).click()
    expect(page.locator("#fresh")).to_have_count(0)
    expect(page.locator(".ticket h3").first).to_contain_text("Auto insurance, Columbus OH")
    assert is_same_document(page)


def test_filters_on_a_phone_stay_open(open_browser):
    page = open_browser(javascript=True, width=390).new_page()
    page.goto("/leads/")
    page.locator("details.facets > summary").click()
    page.get_by_role("checkbox", name=re.compile("^Solar")).check()
    expect(page.locator(".chip")).to_have_count(1)
    assert page.locator("details.facets").evaluate("box => box.open")
