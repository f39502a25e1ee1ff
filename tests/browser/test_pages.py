"""Every page of the site: accessible (axe, light and dark), valid (Nu), within its frame at 320 px, quiet under the
Content-Security-Policy, easy to hit, and light on the wire."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib import admin
from django.urls import Resolver404, URLPattern, URLResolver, get_resolver, include, resolve
from django.urls import path as address
from playwright.sync_api import BrowserContext, Page

from marketplace.staff import urls
from tests.browser import pages
from tests.browser.budget import Loaded, over_budget
from tests.browser.conftest import watch
from tests.browser.pages import Answer
from tests.stack import ROOT, Browser

pytestmark = [pytest.mark.browser]
AXE = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
COLORS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}  # what a scheme can change
VARIANTS = pytest.mark.parametrize(("dark", "width"), [(False, 1280), (True, 320)], ids=["light-1280", "dark-320"])

WHO = pytest.mark.parametrize("who", ["visitor", "alice", "nadia", "owen", "charlie", "tess"])


@pytest.fixture(scope="module")
def facts(stack):
    return pages.facts_of(stack)


@pytest.fixture(scope="module")
def answers(stack, facts) -> list[Answer]:
    return pages.answers(stack, facts)


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

# Everything one can press is 24 px wide and high at least, but for links within running text, which are as high as the
# text, boxes whose label can be pressed as well, and the states of a map, which can be chosen beside it.
_SMALL = """[...document.querySelectorAll('a[href], button, input, select, summary, textarea')].filter(e => {
    const target = e.matches('[type=checkbox], [type=radio]') && e.labels[0] || e;
    const box = target.getBoundingClientRect(), style = getComputedStyle(target);
    if (!box.width || style.visibility === 'hidden' || e.type === 'hidden' || e.closest('.skip, .usmap')) return false;
    if (style.display === 'inline' && e.matches('a')) {
        let block = e.parentElement;
        while (getComputedStyle(block).display === 'inline') block = block.parentElement;
        const around = block.cloneNode(true);
        around.querySelectorAll('a, .vh').forEach(link => link.remove());
        if (/\\w/.test(around.textContent)) return false;
    }
    return box.width < 24 || box.height < 24;
}).map(e => e.outerHTML.slice(0, 120))"""

# The ring of whatever has the keyboard is 2 px thick at least, and no box around it that cuts off what sticks out cuts
# off the ring.
_CUT_RINGS = """[
    ...document.querySelectorAll('a[href], button, input, select, summary, textarea, [tabindex="0"]')
].filter(e => {
    e.focus();
    e.scrollIntoView({block: 'nearest', inline: 'nearest'});  // as the browser does, but at once
    if (document.activeElement !== e) return false;
    const style = getComputedStyle(e), thickness = parseFloat(style.outlineWidth);
    if (style.outlineStyle === 'none' || thickness < 2) return true;
    const reach = Math.max(0, thickness + parseFloat(style.outlineOffset)), box = e.getBoundingClientRect();
    for (let around = e.parentElement; around !== document.body; around = around.parentElement) {
        const clips = getComputedStyle(around), frame = around.getBoundingClientRect();
        if (clips.overflowX !== 'visible' && (box.left - reach < frame.left - 1 || box.right + reach > frame.right + 1))
            return true;
        if (clips.overflowY !== 'visible' && (box.top - reach < frame.top - 1 || box.bottom + reach > frame.bottom + 1))
            return true;
    }
    return false;
}).map(e => e.outerHTML.slice(0, 120))"""


def axe(page: Page, where: str, options: dict = AXE) -> list[str]:
    """What axe finds in the page as it is shown now."""
    report = Axe().run(page, options=options)
    assert options is not AXE or any(rule["id"] == "target-size" for rule in report.response["passes"]), where
    return [
        f"{where}: axe {violation['id']}: {'; '.join(node['html'][:120] for node in violation['nodes'][:3])}"
        for violation in report.response["violations"]
    ]


def axe_elsewhere(page: Page, where: str) -> list[str]:
    """The same page in the other color scheme, and if it is narrow on a usual phone too; one visit is enough."""
    width, height = page.viewport_size["width"], page.viewport_size["height"]
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    wrong = []
    if width == 320:
        page.set_viewport_size({"width": 390, "height": height})
        wrong += axe(page, f"{where} at 390 px", COLORS)
    page.emulate_media(color_scheme="light" if dark else "dark")
    wrong += axe(page, f"{where} in {'light' if dark else 'dark'}", AXE if width == 320 else COLORS)
    page.emulate_media(color_scheme="dark" if dark else "light")
    page.set_viewport_size({"width": width, "height": height})
    return wrong


def check(page: Page, seen: dict[str, list[str]], where: str, *, ours: bool = True) -> list[str]:
    """What is wrong with the page as it is shown now; nothing if all is well. Pages that are Django's own may have
    smaller targets if they stand far enough apart, which axe measures."""
    complaints = [text for text in seen["complaints"] if not re.search(r"status of [45]\d\d", text)]
    wrong = [f"{where}: {text}" for text in complaints]
    wrong += axe(page, where)
    frame = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    if frame[0] > frame[1]:
        wrong.append(f"{where}: {frame[0]} px wide in a frame of {frame[1]}")
    if ours:
        wrong += [f"{where}: smaller than 24 px: {html}" for html in page.evaluate(_SMALL)]
        page.keyboard.press("Tab")  # from now on the focus is the keyboard's, and shown
        wrong += [f"{where}: the ring is cut: {html}" for html in page.evaluate(_CUT_RINGS)]
        nothing = re.findall(r'(?:id|for|href|aria-\w+)="[^"]*None\b[^"]*"', page.content())
        wrong += [f"{where}: {attribute}" for attribute in nothing]
    seen["complaints"].clear()  # what is left is about the checkers' own doing
    return wrong


def keep_picture(page: Page, name: str) -> None:
    """A screenshot in the folder SCREENSHOTS, for those who want to look."""
    if folder := os.environ.get("SCREENSHOTS"):
        width = page.viewport_size["width"]
        name = re.sub(r"\W+", "-", name).strip("-")[:80]
        page.screenshot(path=Path(folder) / f"{name}-{width}.png", full_page=True)


def sign_in(context: BrowserContext, stack, session: str) -> None:
    context.add_cookies([{"name": "sessionid", "value": session, "url": stack.url}])


def show(page: Page, stack, answer: Answer) -> None:
    """Let the browser show ``answer`` at its address, with styles and fonts from the site."""
    headers = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": answer.policy}
    address = stack.url + answer.path
    page.route(address, lambda route: route.fulfill(status=answer.status, body=answer.body, headers=headers))
    page.goto(answer.path)
    page.evaluate("document.fonts.ready.then(() => true)")  # a font still on its way now would never arrive
    page.unroute_all()


@VARIANTS
@WHO
def test_every_page_is_accessible_and_fits(stack, facts, open_browser, who, dark, width):
    context = open_browser(dark=dark, width=width)
    if who != "visitor":
        sign_in(context, stack, facts["session"][who])
    page = context.new_page()
    seen = watch(page)
    wrong = []
    for path in pages.addresses(facts)[who]:
        assert page.goto(path).status in (200, 404, 422), path
        keep_picture(page, f"{who}{path}")
        wrong += check(page, seen, path) + axe_elsewhere(page, path)
    for path, button, fields in INVALID.get(who, []):
        page.goto(path)
        for name, value in fields.items():
            field = page.locator(f"main [name={name}]")
            field.fill(value)
        page.locator("main form").first.evaluate("form => { form.noValidate = true }")
        page.locator("main").get_by_role("button", name=re.compile(button)).first.click()
        page.locator(".errors").wait_for()
        assert page.title().startswith("Error: "), (path, page.title())
        keep_picture(page, f"{who}{path} with errors")
        wrong += check(page, seen, f"{path} with errors") + axe_elsewhere(page, f"{path} with errors")
    assert wrong == [], "\n".join(wrong)


@VARIANTS
def test_every_answer_to_a_form_is_accessible_and_fits(stack, answers, open_browser, dark, width):
    page = open_browser(dark=dark, width=width).new_page()
    seen = watch(page)
    wrong = []
    for answer in answers:
        show(page, stack, answer)
        assert page.locator("h1").inner_text()
        keep_picture(page, f"answer {answer.name}")
        ours = not answer.path.startswith("/admin/")
        wrong += check(page, seen, answer.name, ours=ours)
        wrong += axe_elsewhere(page, answer.name) if ours else []  # Django's menu changes its colors slowly
    assert wrong == [], "\n".join(wrong)


@VARIANTS
@pytest.mark.parametrize("who", ["charlie", "dana", "admin"])
def test_the_admin_is_accessible(stack, facts, open_browser, who, dark, width):
    context = open_browser(dark=dark, width=width)
    sign_in(context, stack, facts["session"][who])
    page = context.new_page()
    seen = watch(page)
    wrong = []
    for path in pages.admin_addresses(stack, facts)[who]:
        assert page.goto(path).status == 200, path
        keep_picture(page, f"{who}{path}")
        wrong += check(page, seen, path, ours=False)
    assert wrong == [], "\n".join(wrong)


BROKEN = """<!doctype html><html lang="en"><head><title>Broken</title></head><body><main>
<h1 style="color:red">Broken</h1><p><font color="#cccccc">Too pale to read.</font></p>
<table width="2000"><tr><td>Too wide</td></tr></table>
<p><button><br>Large<br><br></button></p><p>Apart.</p><p>Far apart.</p>
<input type="image" alt="one" width="20" height="20"><input type="image" alt="another" width="20" height="20">
<label for="contact-None">Of nothing</label></main></body></html>"""


def test_control_a_broken_page_fails_every_check(stack, answers, open_browser):
    page = open_browser(width=320).new_page()
    seen = watch(page)
    show(page, stack, Answer("broken", "/nowhere/", 200, BROKEN, answers[0].policy))
    wrong = "\n".join(check(page, seen, "page") + axe_elsewhere(page, "page"))
    for complaint in (
        "Content Security Policy",
        "page: axe color-contrast",
        "page in dark: axe color-contrast",
        "px wide in a frame of 320",
        "smaller than 24 px",
        "the ring is cut",
        'for="contact-None"',
    ):
        assert complaint in wrong, wrong


@WHO
def test_every_page_is_there_without_javascript(stack, facts, open_browser, who):
    context = open_browser(javascript=False)
    if who != "visitor":
        sign_in(context, stack, facts["session"][who])
    page = context.new_page()
    seen = watch(page)
    for path in pages.addresses(facts)[who]:
        page.goto(path)
        assert page.locator("h1").first.is_visible(), path
    assert [text for text in seen["complaints"] if not re.search(r"status of [45]\d\d", text)] == []


# What is no page: machines ask for it, or a form is sent to it.
NO_PAGES = {
    *("livez", "readyz", "robots", "sitemap", "choose_theme", "leads:fresh_leads"),
    *("leads:save_search", "leads:saved_search", "leads:remove_search", "leads:restore_search"),
    "mfa_download_recovery_codes",
    *("wallet:statement_csv", "wallet:stripe_webhook"),
    *("purchases:export_csv", "purchases:set_stage", "purchases:add_note", "purchases:remove_note"),
    *("purchases:restore_note", "purchases:log_call", "purchases:remove_call"),
    *("purchases:export_xlsx", "purchases:export_file"),
    *("purchases:plan_call", "purchases:note_dnc_check"),
}


def names(patterns: list, space: str = "") -> set[str]:
    """The names of all addresses but the admin's; one without a name leads on to another."""
    found = set()
    for pattern in patterns:
        if isinstance(pattern, URLResolver) and pattern.namespace != "admin":
            found |= names(pattern.url_patterns, f"{space}{pattern.namespace}:" if pattern.namespace else space)
        elif isinstance(pattern, URLPattern) and pattern.name:
            found.add(f"{space}{pattern.name}")
    return found


def test_no_page_is_left_out(facts, answers):
    paths = [path for them in pages.addresses(facts).values() for path in them] + [answer.path for answer in answers]
    visited = {resolve(path).view_name for path in (path.split("?")[0] for path in paths) if _exists(path)}
    assert pages.addresses(facts).keys() == set(WHO.args[1])
    known = names(get_resolver().url_patterns)
    assert known - visited - NO_PAGES == set()
    assert known >= NO_PAGES, "an address that is gone"
    errors = {file.stem for file in (ROOT / "templates").glob("[45]*.html")}
    assert errors <= {answer.name for answer in answers}


def test_no_task_page_of_the_admin_is_left_out(facts):
    paths = [path for them in pages.task_addresses(facts).values() for path in them]
    visited = {resolve(path.split("?")[0]).view_name for path in paths}
    only_sent_to = {"take_back", "stop_viewing"}
    assert {f"admin:{page.name}" for page in urls.pages(admin.site) if page.name not in only_sent_to} <= visited


def test_control_a_new_address_is_missed():
    """In whatever namespace it stands."""
    page = address("page/", test_no_page_is_left_out, name="page")
    new = [*get_resolver().url_patterns, address("new/", include(([page], "new")))]
    assert names(new) - names(get_resolver().url_patterns) == {"new:page"}


def _exists(path: str) -> bool:
    try:
        resolve(path)
    except Resolver404:
        return False
    return True


def test_every_page_is_valid_html(stack, facts, answers, tmp_path):
    """The Nu checker finds no error in what the server sends."""
    files = {}

    def keep(body: str, what: str) -> None:
        file = tmp_path / f"{len(files)}.html"
        file.write_text(body)
        files[file.name] = what

    for who, paths in pages.addresses(facts).items():
        browser = pages.member(stack, facts, who) if who != "visitor" else Browser(stack)
        for path in paths:
            keep(browser.http.get(stack.url + path, timeout=15).text, f"{path} ({who})")
    for answer in answers:
        keep(answer.body, answer.name)
    command = ["java", "-jar", os.environ["VNU_JAR"], "--errors-only", "--format", "json", "--exit-zero-always"]
    done = subprocess.run([*command, *map(str, tmp_path.glob("*.html"))], capture_output=True, text=True, check=True)
    errors = [
        f"{files[message['url'].rsplit('/', 1)[-1]]}: {message['message']} ({message.get('extract', '')[:80]!r})"
        for message in json.loads(done.stderr)["messages"]
    ]
    assert errors == [], "\n".join(errors)


FIRST_VIEWS = {
    "visitor": ["/", "/leads/", "/leads/{lead}/", "/accounts/signup/"],
    "alice": ["/my-leads/", "/wallet/"],
    "charlie": ["/kit/"],
}


@pytest.mark.parametrize("who", FIRST_VIEWS)
def test_first_views_are_light(stack, facts, open_browser, who):
    for path in FIRST_VIEWS[who]:
        context = open_browser()  # a new one each time, which has kept nothing
        if who != "visitor":
            sign_in(context, stack, facts["session"][who])
        page = context.new_page()
        answers = []
        page.on("response", lambda answer: answers.append(answer))  # noqa: B023, PLW0108 - Playwright marks it
        page.goto(path.format(**facts), wait_until="networkidle")
        bodies = [b"" if 300 <= answer.status < 400 else answer.body() for answer in answers]
        kinds = [answer.request.resource_type for answer in answers]
        loaded = [Loaded(answer.url, *rest) for answer, *rest in zip(answers, kinds, bodies, strict=True)]
        assert {"document", "stylesheet", "font"} <= {one.kind for one in loaded}, path
        assert over_budget(loaded, stack.url) == [], path


def test_the_next_page_asks_for_no_font_again(open_browser):
    """Chromium complains in the console of preloads that are not used, when it is let ask whether a font is new."""
    page = open_browser().new_page()
    for path in ("/", "/leads/"):
        page.goto(path, wait_until="networkidle")
    fonts = page.evaluate(
        "performance.getEntriesByType('resource').filter(e => e.name.endsWith('.woff2')).map(e => e.transferSize)"
    )
    assert fonts == [0, 0]


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


def test_printed_pages_hold_nothing_to_press(stack, facts, open_browser):
    context = open_browser()
    sign_in(context, stack, facts["session"]["alice"])
    page = context.new_page()
    page.emulate_media(media="print")
    for path in [
        "/leads/?vertical=auto-insurance&state=OH",
        f"/leads/{facts['lead']}/",
        "/my-leads/",
        "/my-leads/?view=board",
        "/my-leads/call-sheet/",
        f"/my-leads/{facts['bought']}/",
        "/wallet/",
        f"/wallet/deposits/{facts['deposit']['refunded']}/receipt/",
        f"/orders/{facts['order']}/",
    ]:
        page.goto(path)
        left = page.evaluate(
            "[...document.querySelectorAll('button, input, textarea, nav, summary, .chips, .stages, .btn')]"
            ".filter(e => e.type !== 'hidden' && e.checkVisibility()).map(e => e.outerHTML.slice(0, 80))"
        )
        assert left == [], path
        keep_picture(page, f"printed {path}")
