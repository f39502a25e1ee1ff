"""`/kit/`: the component sheet. It is the truth only if the style sheet holds nothing that no page uses."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext

pytestmark = pytest.mark.django_db
ROOT = Path(settings.BASE_DIR)
URL = "/kit/"
# A value of class="…", with whatever the template language does inside of it.
_CLASSES = re.compile(r'\bclass="((?:\{%.*?%\}|\{\{.*?\}\}|[^"])*)"')


def classes_of(text: str) -> set[str]:
    """Every class that a page or a template gives to something, in whatever state."""
    return {word for value in _CLASSES.findall(text) for word in re.findall(r"[\w-]+", value)}


def classes_styled(css: str) -> set[str]:
    """Every class that a rule of the style sheet is about."""
    rules = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    return {name for before in re.findall(r"([^{}]+)\{", rules) for name in re.findall(r"\.([a-zA-Z][\w-]*)", before)}


def test_it_works(client, charlie):
    client.force_login(charlie)
    page = client.get(URL)
    assert page.status_code == 200
    for part in ("There is a problem", "Exclusive", "You own this lead", "Sold out", "usmap", "Undo", "What was typed"):
        assert part in page.text
    assert page.text.count('<article class="ticket') == 4
    assert page.text.count('<svg class="chart"') == 3
    assert 'href="/kit/"' in client.get("/admin/").text


def test_only_staff_can_see_it(client, alice):
    assert client.get(URL).status_code == 404
    client.force_login(alice)
    assert client.get(URL).status_code == 404


def test_looking_only(client, charlie):
    client.force_login(charlie)
    assert client.post(URL).status_code == 405


def test_no_lead_purchase_or_other_member_is_asked_for(client, charlie):
    client.force_login(charlie)
    with CaptureQueriesContext(connection) as asked:
        assert client.get(URL).status_code == 200
    tables = {table for query in asked for table in re.findall(r'(?:FROM|JOIN|INTO|UPDATE) "(\w+)"', query["sql"])}
    assert tables <= {"django_session", "accounts_user", "ledger_account"}


def test_no_rule_of_the_style_sheet_is_dead(client, charlie):
    """Each class that it styles is given by a template or, where Python composes it, seen on the sheet."""
    client.force_login(charlie)
    used = classes_of(client.get(URL).text)
    for folder, kind in (("templates", "*.html"), ("marketplace", "*.py"), ("accounts", "*.py"), ("privacy", "*.py")):
        for file in (ROOT / folder).rglob(kind):
            used |= classes_of(file.read_text())
    assert classes_styled((ROOT / "static" / "css" / "leadfair.css").read_text()) - used == set()


def test_control_a_dead_rule_is_found():
    css = (
        ".used,.dead-one:hover .dead-two{color:red} @media (min-width:2.5rem){.dead-three{margin:.5rem}} /* .gone{} */"
    )
    template = '<p class="{% if role == "x" %}used{% endif %} {{ more }}">dead-one</p>'
    assert classes_styled(css) - classes_of(template) == {"dead-one", "dead-two", "dead-three"}
