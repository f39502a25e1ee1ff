"""An import of 20,000 rows against the object-relational mapper's bulk_create with the same validation, and against
parsing the same file (PERFORMANCE): rates, CPU time and ratios, no timing assertion. A tiny form by default.

What both imports share is shown too: a file is read and judged, contacts are sealed, and the database keeps the same
indexes and constraints. Reading and judging alone is the limit of what faster writing can reach.
"""

import csv
import os
import statistics
import time
from pathlib import Path

import pytest
from django.db import connection

from marketplace.demo_data.requests import is_dialled
from marketplace.leads.models import Lead
from marketplace.leads.verticals import KINDS
from marketplace.supply import intake
from marketplace.supply.models import ImportBatch
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
    vertical = KINDS[number].slug
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


def backend_seconds() -> float:
    """CPU time that the database has spent on our connection so far."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (process,) = cursor.fetchone()
    user, system = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def cost(rows: int, work) -> tuple[float, float]:
    """Microseconds a row: by the clock, and of CPU here and in the database."""
    clock, cpu, backend = time.perf_counter(), time.process_time(), backend_seconds()
    work()
    clock, cpu = time.perf_counter() - clock, time.process_time() - cpu
    return clock / rows * 1e6, (cpu + backend_seconds() - backend) / rows * 1e6


def judge_alone(path: Path, monkeypatch) -> None:
    """Everything but what ``take_in`` does; leaves no trace of the file."""
    with monkeypatch.context() as without:
        without.setattr(intake, "take_in", lambda *args, **kwargs: None)
        import_file(path)
    ImportBatch.objects.filter(read_to=0).delete()


def import_by_mapper(path: Path, monkeypatch) -> None:
    with monkeypatch.context() as usual:
        usual.setattr(intake, "insert", by_mapper)
        import_file(path)


def test_import(tmp_path, full, show, monkeypatch):
    rows, pairs = (20_000, 5) if full else (300, 1)
    load_zip_codes()
    parsing, judging, ours, mappers = [], [], [], []
    for pair in range(pairs):
        path, other = file_of(tmp_path, 2 * pair, rows), file_of(tmp_path, 2 * pair + 1, rows)
        parsing.append(cost(rows, lambda path=path: parse(path)))
        judging.append(cost(rows, lambda path=path: judge_alone(path, monkeypatch)))
        ours.append(cost(rows, lambda path=path: import_file(path)))
        mappers.append(cost(rows, lambda path=other: import_by_mapper(path, monkeypatch)))
    assert Lead.objects.on_sale().count() == 2 * pairs * rows
    bare, judged, seen, usual = (
        tuple(map(statistics.median, zip(*costs, strict=True))) for costs in (parsing, judging, ours, mappers)
    )
    by_clock, by_cpu = (
        statistics.median(theirs[unit] / mine[unit] for mine, theirs in zip(ours, mappers, strict=True))
        for unit in (0, 1)
    )
    limit = statistics.median(theirs[0] / alone[0] for alone, theirs in zip(judging, mappers, strict=True))
    show(
        f"""| what | baseline | goal | seen |
|---|---|---|---|
| import of {rows:,} rows: validated, sealed, deduplicated | csv parsing alone: {1e6 / bare[0]:,.0f} rows/s \
| ≥ 4,000 rows/s | {1e6 / seen[0]:,.0f} rows/s ({bare[0] / seen[0]:.3f} of parsing) |
| the same | bulk_create with the same validation: {1e6 / usual[0]:,.0f} rows/s | ≥ 4 | {by_clock:.2f} |
| its CPU a row, database included | {usual[1]:.0f} µs | | {seen[1]:.0f} µs ({by_cpu:.2f}) |
| reading and judging alone, which both do | the same | | {judged[0]:.0f} µs a row: the limit is {limit:.1f} |"""
    )
