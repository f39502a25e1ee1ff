"""The small parts pages are made of."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.template import Context, Template

from accounts.models import User
from marketplace.core import clock
from marketplace.core.templatetags import ui

MOMENT = datetime(2026, 11, 21, 9, 40, tzinfo=UTC)


def render(source: str, **context: object) -> str:
    return Template("{% load ui %}" + source).render(Context(context))


def request_of(rf, query: str = "", **user: str):
    request = rf.get(f"/leads/{query}")
    request.user = User(**user) if user else AnonymousUser()
    return request


def test_it_works(rf):
    assert render("{{ cents|dollars }}", cents=-123_456) == "\N{MINUS SIGN}$1,234.56"
    assert render("{{ cents|price }}", cents=2450).startswith('<span class="price"><span aria-hidden="true">$24<')
    assert '<span class="vh">$24.50</span>' in render("{{ cents|price }}", cents=2450)
    assert render('{% icon "car" %}').startswith('<svg class="ico" viewBox="0 0 24 24" aria-hidden="true"><path')


def test_an_icon_with_a_label_speaks():
    assert 'role="img" aria-label="a &lt;b&gt;"' in render('{% icon "car" label %}', label="a <b>")


def test_every_icon_that_a_template_names_exists():
    named = set()
    for path in (Path(settings.BASE_DIR) / "templates").rglob("*.html"):
        named |= set(re.findall(r'{% icon "([^"]+)"', path.read_text()))
    assert named
    assert named <= set(ui._icons())


@pytest.mark.parametrize("what", ["name", "phone", "email", "address"])
def test_masks_say_nothing_of_the_value(what):
    """AL-17: bars of a fixed width, hidden from screen readers, without any text."""
    bars = render("{% mask what %}", what=what)
    assert re.sub(r"<[^>]+>", "", bars) == ""
    assert 'aria-hidden="true"' in bars
    assert bars == render("{% mask what %}", what=what)


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (timedelta(), "0 seconds"),
        (timedelta(seconds=1), "1 second"),
        (timedelta(minutes=4, seconds=59), "4 minutes"),
        (timedelta(hours=23), "23 hours"),
        (timedelta(days=1), "1 day"),
        (timedelta(days=29), "29 days"),
        (timedelta(days=30), "1 month"),
        (timedelta(days=365), "12 months"),
        (timedelta(days=400), "over a year"),
        (-timedelta(hours=1), "0 seconds"),
    ],
)
def test_ages(monkeypatch, ago, words):
    monkeypatch.setattr(clock, "now", lambda: MOMENT)
    assert ui.age(MOMENT - ago) == words


def test_times_are_in_utc_for_visitors(rf):
    shown = render("{% moment at %}", at=MOMENT, request=request_of(rf))
    assert shown == '<time datetime="2026-11-21T09:40:00+00:00">21 Nov 2026, 09:40 UTC</time>'


def test_times_are_in_the_members_zone(rf):
    assert "02:40 MST" in render("{% moment at %}", at=MOMENT, request=request_of(rf, time_zone="America/Phoenix"))
    assert "09:40 UTC" in render("{% moment at %}", at=MOMENT, request=request_of(rf, handle="No zone"))


def test_times_in_words_keep_the_exact_one(rf, monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: MOMENT + timedelta(hours=2))
    shown = render('{% moment at "ago" %}', at=MOMENT, request=request_of(rf))
    assert 'title="21 Nov 2026, 09:40 UTC">2 hours ago</time>' in shown


def test_the_query_is_changed_in_one_place(rf):
    request = request_of(rf, "?state=OH&state=IN&sort=price&after=5_6")
    assert render('{% query sort="age" %}', request=request) == "?state=OH&amp;state=IN&amp;sort=age"
    assert render("{% query state=None sort=None %}", request=request) == "?"
    assert "%3Cscript%3E" in render('{% query sort="<script>" %}', request=request)


def test_the_present_page_is_marked(rf):
    request = request_of(rf)
    assert render('{% current "/leads/" %}', request=request) == ' aria-current="page"'
    assert render('{% current "/wallet/" %}', request=request) == ""
    assert render('{% current "/wallet/" %}') == ""


def test_the_way_on_is_kept(rf):
    assert render("{% keep_next %}", request=rf.get("/", {"next": "/leads/?a=b&c"})) == "?next=%2Fleads%2F%3Fa%3Db%26c"
    assert render("{% keep_next %}", request=rf.post("/?next=/other/", {"next": "/leads/"})) == "?next=%2Fleads%2F"
    assert render("{% keep_next %}", request=rf.get("/")) == ""
    assert "<" not in render("{% keep_next %}", request=rf.get("/", {"next": '"><script>'}))
