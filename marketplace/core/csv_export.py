"""CSV files that spreadsheets open and never compute."""

import csv
import re
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from decimal import Decimal

from django.http import StreamingHttpResponse

from .downloads import download

CONTENT_TYPE = "text/csv; charset=utf-8"
BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"  # Excel reads a file without it as Windows-1252
Cell = str | int | float | Decimal | date | datetime | None

# What starts a formula, with the full-width and small forms that spreadsheets fold into it.
_STARTERS = "=+\\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b"
# What a spreadsheet skips before looking: white space, control and format characters, and quotes it takes for its own.
_SKIPPED = '\\s"\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff'
_FORMULA = re.compile(f"[{_SKIPPED}]*[{_STARTERS}]|[\t\r\n]")
# A cell falls into several where a program splits at semicolons or tabs, or ends rows at line breaks inside quotes.
_LATER_FORMULA = re.compile(f"([;\t\r\n][;{_SKIPPED}]*)([{_STARTERS}]?)")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?", re.ASCII)


def safe_cell(value: Cell) -> str:
    """``value`` as the text of one CSV cell that no spreadsheet takes for a formula; None is empty.

    A text that would start a formula (``=``, ``+``, ``-``, ``@``, their full-width forms, TAB, CR, also after spaces,
    quotes or a BOM), in the cell or after a semicolon, tab or line break in it, gets a leading ``'``, and each later
    start one of its own. Numbers stay numbers, negative ones too, whether they come as int, Decimal or plain digits.
    """
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    text = str(value)
    if _NUMBER.fullmatch(text):
        return text
    guarded = _LATER_FORMULA.sub(lambda found: f"{found[1]}'{found[2]}" if found[2] else found[1], text)
    return f"'{guarded}" if guarded != text or _FORMULA.match(text) else text


class _Line:
    """What csv.writer writes into: hands each line back instead of keeping it."""

    def write(self, line: str) -> str:
        return line


def csv_lines(header: Iterable[str], rows: Iterable[Iterable[Cell]]) -> Iterator[str]:
    """``rows`` under ``header`` as the lines of a file, with BOM, comma and CRLF, each cell through ``safe_cell``."""
    writer = csv.writer(_Line())
    yield BOM + writer.writerow([safe_cell(name) for name in header])
    for row in rows:
        yield writer.writerow([safe_cell(cell) for cell in row])


def stream_csv(filename: str, header: Iterable[str], rows: Iterable[Iterable[Cell]]) -> StreamingHttpResponse:
    """``rows`` as a download named ``filename``, in UTF-8, row by row as they are read; see ``csv_lines``."""
    return download(csv_lines(header, rows), filename=filename, content_type=CONTENT_TYPE)
