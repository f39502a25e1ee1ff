"""B47: whatever is given as a file ends in a report or in one clear sentence, and a refused file leaves nothing."""

import gzip
import io
import os
import subprocess
import sys
import tracemalloc
import zipfile
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from hypothesis import HealthCheck, given
from hypothesis import settings as rules_of_play
from hypothesis import strategies as st
from openpyxl import Workbook

from marketplace.leads.models import Lead, Supplier
from marketplace.supply import reading, services
from marketplace.supply.models import ImportBatch
from marketplace.supply.refusals import FileRefused
from marketplace.supply.services import import_file

from .files import WORDING, row, write

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("zip_codes")]
HEADER = ",".join(row()).encode()
GOOD = ",".join(row().values()).encode()


def zipped(*names: str) -> bytes:
    """An archive with these files in it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, "application/vnd.oasis.opendocument.spreadsheet")
    return buffer.getvalue()


def workbook() -> bytes:
    """What Excel saves, as another program writes it."""
    buffer = io.BytesIO()
    book = Workbook()
    book.active.append(list(row()))
    book.save(buffer)
    return buffer.getvalue()


REFUSED = {
    "empty": (b"", "The file is empty"),
    "only blank lines": (b"\n\r\n\n", "The file is empty"),
    "a byte order mark alone": (b"\xef\xbb\xbf", "The file is empty"),
    "no header": (b"Ana,Canary,614-555-0123\n", "has no header"),
    "a header of numbers": (b"1,2,3\n", "has no header"),
    "UTF-16 with its mark": ("first_name,phone_1\n".encode("utf-16"), "in UTF-16"),
    "UTF-16 without": ("first_name,phone_1\n".encode("utf-16-le"), "holds NUL bytes"),
    "a NUL byte": (HEADER + b"\n" + GOOD + b"\0\n", "holds NUL bytes"),
    "neither encoding": (HEADER + b"\n\xff\x81\n", "neither in UTF-8 nor in Windows-1252"),
    "control characters": (b"first_name\x07,phone_1\n", "holds control characters"),
    "a workbook": (
        workbook(),
        "(XLSX) or the like, not a CSV file. Open it in your spreadsheet program",
    ),
    "one as Excel writes it": (zipped("[Content_Types].xml", "xl/workbook.xml"), "an Excel workbook (XLSX)"),
    "half a workbook": (workbook()[:200], "an Excel workbook (XLSX)"),
    "an OpenDocument sheet": (zipped("mimetype", "content.xml"), "an OpenDocument sheet (ODS)"),
    "a ZIP archive renamed": (zipped("leads.csv"), "a ZIP archive, not a CSV file, whatever its name says. Unpack it"),
    "a workbook in an archive": (zipped("leads.xlsx"), "a ZIP archive"),
    "the start of an archive": (b"PK\x03\x04", "a ZIP archive"),
    "an old workbook": (b"\xd0\xcf\x11\xe0" + b"x" * 100, "an old Excel workbook, or one with a password"),
    "a compressed file": (gzip.compress(HEADER), "a compressed file"),
    "a PDF": (b"%PDF-1.7\n", "a PDF"),
    "one name twice": (HEADER + b",Phone-1\n", "Columns 4 and 22 have the same name"),
    "missing columns": (
        b"email,city\n",
        "lacks these columns: phone_1, postal_code, source_timestamp, last_name (or first_name or full_name), vertical",
    ),
    "no name column": (b"phone_1,postal_code,source_timestamp,vertical\n", "lacks these columns: last_name"),
    "10,000 columns": (HEADER + b"," + b",".join(b"c%d" % n for n in range(10_000)), "columns; at most 200 are read"),
    "a quote never closed": (HEADER + b"\n" + GOOD + b'\n"Ana,1\n2\n', "A quote in the row on line 3 is never closed"),
    "the same, and long": (HEADER + b'\n"Ana' + b",1\n" * 100_000, "a quote is probably never closed"),
    "the same, in the header": (b'"first_name,phone_1\n', "A quote in the row on line 1 is never closed"),
    "a cell over 64 KiB": (HEADER + b"\n" + b"x" * 70_000 + b"\n", "The row on line 2 is too long"),
    "a line without end": (b"first_name," + b"x" * 2_000_000, "too long"),
    "quotes without end": (HEADER + b"\n" + b'"x\n",' * 200_000, "The row on line 2 is too long"),
}

# Of these the first bytes look well.
BROKEN_BELOW = [name for name in REFUSED if "quote" in name or "the same" in name or "cell over" in name]


def sentence(path, *options) -> str:
    """What the command says when it refuses."""
    with pytest.raises(CommandError) as caught:
        call_command("import_leads", str(path), *options, stdout=StringIO(), stderr=StringIO())
    text = str(caught.value)
    assert text.endswith(".")
    assert "\n" not in text
    return text


@pytest.mark.parametrize("name", REFUSED)
def test_a_hostile_file_is_refused_whole(tmp_path, name):
    content, words = REFUSED[name]
    path = tmp_path / "leads.csv"
    path.write_bytes(content)
    assert words in sentence(path)
    assert not ImportBatch.objects.exists()
    assert not Lead.objects.exists()
    assert not Supplier.objects.exists()


def test_a_file_broken_at_its_end_is_refused_before_its_first_row(tmp_path):
    path = write(tmp_path, [row() for _ in range(700)])
    with path.open("ab") as file:
        file.write(b'"never closed\n')
    assert "A quote in the row on line 702 is never closed" in sentence(path)
    assert not Lead.objects.exists()


def test_what_is_no_file(tmp_path):
    assert "No such file" in sentence(tmp_path / "missing.csv")
    assert "This is a folder, not a file" in sentence(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    assert "This is not a file" in sentence(tmp_path / "pipe")
    assert "This is not a file" in sentence("/dev/zero")
    assert "cannot be read" in sentence("a\0b")
    assert "cannot be read" in sentence("x" * 5000)


def test_an_unreadable_file(tmp_path, monkeypatch):
    """The tests may run as root, who may read everything."""

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    path = write(tmp_path, [row()])
    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(FileRefused, match="cannot be read: Permission denied"):
        reading.look_at(path)


def test_a_file_over_100_mb(tmp_path):
    path = tmp_path / "leads.csv"
    with path.open("wb") as file:
        file.truncate(100 * 1024**2 + 1)
    assert "larger than 100 MB" in sentence(path)


def test_a_file_that_grows_while_it_is_read(tmp_path, monkeypatch):
    path = write(tmp_path, [row()])
    whole = reading._examine

    def examine(file):
        found = whole(file)
        with path.open("ab") as more:
            more.write(GOOD)
        return found

    monkeypatch.setattr(reading, "_examine", examine)
    assert "changed while it was read" in sentence(path)
    assert not Lead.objects.exists()


def test_the_program_ends_with_status_1_and_one_sentence(tmp_path):
    """As staff see it: no traceback."""
    path = tmp_path / "leads.csv"
    path.write_bytes(zipped("leads.csv"))
    done = subprocess.run(
        [sys.executable, "manage.py", "import_leads", str(path)],
        cwd=settings.BASE_DIR, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    said = "The file is a ZIP archive, not a CSV file, whatever its name says."
    assert done.stderr.strip() == f"CommandError: {said} Unpack it and take the CSV file that is in it."


def test_memory_stays_flat(tmp_path):
    path = tmp_path / "leads.csv"
    with path.open("wb") as file:
        file.write(HEADER + b"\n")
        for _ in range(1000):
            file.write((GOOD + b"\n") * 40)
    assert path.stat().st_size > 10_000_000
    tracemalloc.start()
    count = sum(1 for _ in reading.rows(reading.look_at(path)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 40_000
    assert peak < 4_000_000


def test_a_row_of_too_many_cells_is_rejected_alone(tmp_path):
    path = tmp_path / "leads.csv"
    path.write_bytes(
        b"\n".join([HEADER, GOOD, b"," * 100_000 + b"x", GOOD + b"," * 150, GOOD + b"," * 300, b"," * 500])
    )
    batch = import_file(path).batch
    assert list(batch.rows.order_by("line").values_list("line", "outcome", "reason"))[1:] == [
        (3, "rejected", "The row has more than 200 cells."),
        (4, "duplicate", "The same phone or email is on line 2, asked for within 90 days."),
        (5, "rejected", "The row has more than 200 cells."),
    ]


def test_the_cells_of_large_rows_are_not_kept(tmp_path):
    """Rows of 500 KB each: one is in memory, not a whole portion."""
    path = tmp_path / "leads.csv"
    large = b",".join([b"x" * 60_000] * 8)
    with path.open("wb") as file:
        file.write(HEADER + b"\n")
        for _ in range(80):
            file.write(large + b"\n")
    tracemalloc.start()
    batch = import_file(path).batch
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert batch.rejected == 80
    assert peak < 8_000_000


def peak_of(tmp_path, rows) -> int:
    """The most memory that an import of so many good rows takes, in bytes."""
    path = write(tmp_path, [row(consent_text=f"{number} {WORDING}") for number in range(rows)], name=f"{rows}.csv")
    tracemalloc.start()
    assert import_file(path).batch.accepted == rows
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_nor_are_the_rows_that_came_in(tmp_path, monkeypatch):
    monkeypatch.setattr(services, "ROWS_AT_ONCE", 50)
    peak_of(tmp_path, 60)  # what is loaded once
    assert peak_of(tmp_path, 1200) < 1.5 * peak_of(tmp_path, 300)


# --- anything at all --------------------------------------------------------------------------------------------------

play = rules_of_play(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
cells = st.one_of(
    st.text(max_size=30), st.sampled_from(list(row().values())), st.sampled_from(['"', "\n", "=1+1", "\t"])
)
sound = st.characters(exclude_categories=["Cs"])
names = st.one_of(st.sampled_from(list(row())), st.text(max_size=15))


def outcome(path: Path) -> int:
    """How many rows have an outcome; 0 if the file was refused."""
    try:
        batch = import_file(path).batch
    except FileRefused:
        return 0
    assert batch.total == batch.rows.count()
    assert batch.state == ImportBatch.State.DONE
    return batch.total


@play
@given(content=st.binary(max_size=2000))
def test_any_bytes_end_in_a_report_or_a_sentence(tmp_path, content):
    path = tmp_path / "leads.csv"
    path.write_bytes(content)
    outcome(path)


@play
@given(content=st.binary(max_size=300))
def test_any_bytes_below_a_header_do_too(tmp_path, content):
    path = tmp_path / "leads.csv"
    path.write_bytes(HEADER + b"\n" + GOOD + b"\n" + content)
    outcome(path)


@play
@given(
    header=st.lists(names, max_size=12),
    rows=st.lists(st.lists(cells, max_size=14), max_size=5),
    separator=st.sampled_from(",;\t"),
)
def test_any_table_does_too(tmp_path, header, rows, separator):
    path = tmp_path / "leads.csv"
    path.write_text("\n".join(separator.join(line) for line in [header, *rows]), encoding="utf-8", errors="replace")
    outcome(path)


@play
@given(changes=st.dictionaries(st.sampled_from(list(row())), st.text(sound, max_size=60), max_size=6))
def test_any_value_in_a_good_row_does_too(tmp_path, changes):
    path = write(tmp_path, [row(**changes), row()])
    if any("\0" in value for value in changes.values()):
        with pytest.raises(FileRefused, match="NUL"):
            import_file(path)
    else:
        assert outcome(path) == 2
