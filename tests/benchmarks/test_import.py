"""An import of 20,000 rows against parsing the same file, and against the object-relational mapper's bulk_create with
the same validation (PERFORMANCE): rates and ratios, no timing assertion. A tiny form by default."""

import csv
import statistics
import time
from pathlib import Path

import pytest

from marketplace.demo_data.requests import is_dialled
from marketplace.leads.models import Lead
from marketplace.supply import intake
from marketplace.supply.places import load_zip_codes
from marketplace.supply.services import import_file
from tests.supply.files import row, write

pytestmark = [pytest.mark.benchmark, pytest.mark.django_db(transaction=True)]
AREA_CODES = [str(code) for code in range(201, 990) if is_dialled(str(code))]


@pytest.fixture
def full(pytestconfig) -> bool:
    return any("benchmarks" in str(argument) for argument in pytestconfig.args)


def file_of(folder: Path, number: int, rows: int) -> Path:
    """Rows about different people, in another vertical for every file."""
    vertical = ("auto-insurance", "home-insurance", "solar", "hvac", "roofing", "mortgage")[number]
    people = [
        row(
            phone_1=f"({AREA_CODES[person // 100]}) 555-01{person % 100:02d}",
            email=f"person{person}@example.org",
            vertical=vertical,
            trustedform_cert_url=f"https://cert.example.org/{number}-{person:040x}",
        )
        for person in range(rows)
    ]
    return write(folder, people, name=f"{number}.csv")


def parse(path: Path) -> None:
    with path.open(newline="", encoding="utf-8") as file:
        for _ in csv.reader(file):
            pass


def by_mapper(model, rows):
    """What ``bulk.insert`` does, the usual way."""
    made = model._default_manager.bulk_create([model(**values) for values in rows])
    return [one.pk for one in made]


def rate(rows: int, work) -> float:
    """Rows per second."""
    start = time.perf_counter()
    work()
    return rows / (time.perf_counter() - start)


def test_import(tmp_path, full, show, monkeypatch):
    rows, pairs = (20_000, 3) if full else (300, 1)
    load_zip_codes()
    ours, mappers, parsing = [], [], []
    for pair in range(pairs):
        path = file_of(tmp_path, 2 * pair, rows)
        parsing.append(rate(rows, lambda path=path: parse(path)))
        ours.append(rate(rows, lambda path=path: import_file(path)))
        with monkeypatch.context() as usual:
            usual.setattr(intake, "insert", by_mapper)
            path = file_of(tmp_path, 2 * pair + 1, rows)
            mappers.append(rate(rows, lambda path=path: import_file(path)))
    assert Lead.objects.on_sale().count() == 2 * pairs * rows
    seen, bare, usual = (statistics.median(rates) for rates in (ours, parsing, mappers))
    lines = [
        "| what | baseline | goal | seen |",
        "|---|---|---|---|",
        f"| import of {rows:,} rows: validated, sealed, deduplicated | csv parsing alone: {bare:,.0f} rows/s "
        f"| ≥ 4,000 rows/s | {seen:,.0f} rows/s ({seen / bare:.3f} of parsing) |",
        f"| the same | bulk_create with the same validation: {usual:,.0f} rows/s | ≥ 4 | {seen / usual:.2f} |",
    ]
    show("\n".join(lines))
