"""What is written down about files of leads is what the import does."""

import re
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command, load_command_class

from marketplace.core import clock
from marketplace.leads.models import Lead
from marketplace.leads.verticals import LABELS
from marketplace.supply import rules
from marketplace.supply.columns import ATTRIBUTES, FIELDS, NEEDED_FOR_SALE, REQUIRED, read_header

DOCS = Path(settings.BASE_DIR) / "docs"
PAGE, EXAMPLE = DOCS / "importing.md", DOCS / "importing-example.csv"
ALWAYS = {*REQUIRED, "last_name", "vertical"}


def table() -> dict[str, list[str]]:
    """The rows of the tables of columns, by column."""
    found = re.findall(r"^\| `([a-z0-9_.]+)` \| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: [cell.strip() for cell in rest.split(" | ")] for name, rest in found}


@pytest.mark.django_db
def test_the_example_comes_in(zip_codes, monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 11, 25, tzinfo=UTC))
    out, err = StringIO(), StringIO()
    call_command("import_leads", str(EXAMPLE), stdout=out, stderr=err)
    assert out.getvalue().splitlines() == ["rows: 2", "accepted: 2", "on hold: 0", "duplicates: 0", "rejected: 0"]
    assert err.getvalue() == ""
    assert set(Lead.objects.values_list("status", flat=True)) == {"open"}


def test_every_column_is_written_down_with_its_other_names():
    rows = table()
    names = {name: cells[-1].split(", ") if cells[-1] else [] for name, cells in rows.items()}
    known = dict.fromkeys(LABELS, "") | FIELDS | ATTRIBUTES
    assert names == {name: aliases.split() for name, aliases in known.items()}


def test_the_column_that_is_read_first_stands_first():
    assert list(table())[: len(FIELDS)] == list(FIELDS)


def test_what_is_needed_is_written_down():
    needed = {name: table()[name][0] for name in FIELDS}
    assert {name for name, when in needed.items() if when == "always"} == ALWAYS
    assert {name for name, when in needed.items() if when == "to be sold"} == set(NEEDED_FOR_SALE)


def test_what_is_needed_to_be_sold_is_what_the_rules_ask_for():
    said = rules._lacks(None, "", "")
    assert {name for name in FIELDS if re.search(rf"\b{name}\b", said)} == set(NEEDED_FOR_SALE)


def test_the_oldest_request_is_written_down():
    assert f"not older than {rules.OLDEST.days} days" in PAGE.read_text(encoding="utf-8")


def test_the_help_names_every_column():
    said = load_command_class("marketplace.supply", "import_leads").create_parser("manage.py", "import_leads")
    words = said.format_help()
    needed, sold, others = (words.partition(head)[2].partition("\n\n")[0] for head in HEADS)
    assert set(re.findall(r"[a-z0-9_.]+", needed)) >= ALWAYS
    assert set(NEEDED_FOR_SALE) <= set(re.findall(r"[a-z0-9_.]+", sold))
    rest = set(FIELDS) - ALWAYS - set(NEEDED_FOR_SALE)
    assert rest | set(LABELS) <= set(re.findall(r"[a-z0-9_]+(?:\.[a-z0-9_]+)*", others))
    assert max(map(len, said.epilog.splitlines())) <= 80
    assert "docs/importing.md" in words


HEADS = ("needed in every file:", "needed for a lead to be sold; without them it waits on hold:", "also read:")


def test_the_readme_leads_here():
    assert "(docs/importing.md)" in (DOCS.parent / "README.md").read_text(encoding="utf-8")
    assert f"({EXAMPLE.name})" in PAGE.read_text(encoding="utf-8")


def test_the_documented_header_is_known_whole():
    header = EXAMPLE.read_text(encoding="utf-8").splitlines()[0].split(",")
    assert read_header(header).ignored == ()
