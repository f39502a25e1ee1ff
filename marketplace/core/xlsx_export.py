"""Excel files, made row by row.

Written by hand, because XlsxWriter and openpyxl keep all rows in memory or the unsealed rows in files of their own
until the last one is there. A worksheet is a zip file of a few texts, and the standard library writes one to a stream.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from xml.sax.saxutils import escape
from zipfile import ZIP_DEFLATED, ZipFile

from django.http import StreamingHttpResponse

from .csv_export import Cell
from .downloads import download

CONTENT_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MOST_LETTERS = 32_767  # of one cell, says Excel
MOST_ROWS = 1_048_576 - 1  # below the header, says Excel
CHUNK = 64 * 1024
_DAY_ZERO = date(1899, 12, 30)
_FIRST_DAY = date(1900, 3, 1)  # Excel believes in the 29th of February 1900
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")  # no XML holds them
_CODE = re.compile("_(?=x[0-9A-Fa-f]{4}_)")  # what Excel would read as one letter
_MOMENT, _DAY, _TEXT, _HEAD = range(1, 5)  # the styles below, in their order

_NS = "http://schemas.openxmlformats.org"
_MAIN, _OFFICE = f"{_NS}/spreadsheetml/2006/main", f"{_NS}/officeDocument/2006/relationships"
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_PARTS = {
    "[Content_Types].xml": f'<Types xmlns="{_NS}/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>'
    f'<Override PartName="/xl/styles.xml" ContentType="{_TYPE}.styles+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_TYPE}.worksheet+xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{_NS}/package/2006/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}">'
    '<sheets><sheet name="Leads" sheetId="1" r:id="rId1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_NS}/package/2006/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>'
    f'<Relationship Id="rId2" Type="{_OFFICE}/styles" Target="styles.xml"/></Relationships>',
    # Text is formatted as text ("@"): typed over or not, a formula or a long number in it stays as it is.
    "xl/styles.xml": f'<styleSheet xmlns="{_MAIN}"><numFmts count="2">'
    '<numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd\\ hh:mm:ss"/>'
    '<numFmt numFmtId="165" formatCode="yyyy\\-mm\\-dd"/></numFmts>'
    '<fonts count="2"><font><sz val="11"/><name val="Calibri"/></font>'
    '<font><b/><sz val="11"/><name val="Calibri"/></font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill>'
    '<fill><patternFill patternType="gray125"/></fill></fills>'
    '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
    '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
    '<cellXfs count="5"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
    '<xf numFmtId="164" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>'
    '<xf numFmtId="165" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>'
    '<xf numFmtId="49" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>'
    '<xf numFmtId="49" fontId="1" fillId="0" borderId="0" xfId="0" applyNumberFormat="1" applyFont="1"/></cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>',
}
_SHEET_BEGINS = (
    f'<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0">'
    '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews>'
    '<cols><col min="1" max="{columns}" width="18" customWidth="1"/></cols><sheetData>'
)
_SHEET_ENDS = "</sheetData></worksheet>"


class TooManyRows(Exception):
    """There are more than Excel reads."""


class _Sink:
    """What the zip file is written into: hands on what has come in since the last time."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.size = 0

    def write(self, part: bytes) -> int:
        self.parts.append(bytes(part))
        self.size += len(part)
        return len(part)

    def flush(self) -> None:
        """Nothing waits anywhere."""

    def take(self) -> bytes:
        taken = b"".join(self.parts)
        self.parts.clear()
        self.size = 0
        return taken


def xlsx_chunks(header: Iterable[str], rows: Iterable[Iterable[Cell]], *, is_large: bool = False) -> Iterator[bytes]:
    """A workbook with one sheet, ``rows`` under ``header``, as the bytes of its file in order.

    Texts are cells of text, whatever they look like: no formula is computed, and leading zeros and long numbers stay.
    Days and moments (UTC) are dates; int, float and Decimal are numbers; None and "" are empty. A sheet that may have
    2 GB as text ``is_large``: how long it gets is not known when it is begun, and its place in the zip file has to be
    as wide from the beginning. Other files are in the older form, which every program reads.

    Raises:
        TooManyRows: when it comes to the row that is one too many.
    """
    sink, names = _Sink(), list(header)
    with ZipFile(sink, "w", ZIP_DEFLATED) as archive:  # type: ignore[call-overload]  # it needs no more than write and flush
        for name, text in _PARTS.items():
            archive.writestr(name, _XML + text)
        with archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=is_large) as sheet:
            sheet.write((_XML + _SHEET_BEGINS.format(columns=len(names))).encode())
            sheet.write(_row(1, names, _HEAD).encode())
            for number, row in enumerate(rows, start=2):
                if number > MOST_ROWS + 1:
                    raise TooManyRows
                sheet.write(_row(number, row, _TEXT).encode())
                if sink.size >= CHUNK:
                    yield sink.take()
            sheet.write(_SHEET_ENDS.encode())
    yield sink.take()


def stream_xlsx(filename: str, header: Iterable[str], rows: Iterable[Iterable[Cell]]) -> StreamingHttpResponse:
    """``rows`` as a download named ``filename``; see ``xlsx_chunks``."""
    return download(xlsx_chunks(header, rows), filename=filename, content_type=CONTENT_TYPE)


def _row(number: int, cells: Iterable[Cell], text_style: int) -> str:
    written = (_cell(f"{_letters(place)}{number}", cell, text_style) for place, cell in enumerate(cells))
    return f'<row r="{number}">{"".join(written)}</row>'


def _cell(where: str, value: Cell, text_style: int) -> str:
    if isinstance(value, datetime) and value.date() >= _FIRST_DAY:
        moment = value.astimezone(UTC)
        days = (moment.date() - _DAY_ZERO).days + (moment.hour * 3600 + moment.minute * 60 + moment.second) / 86_400
        return f'<c r="{where}" s="{_MOMENT}"><v>{days:.10f}</v></c>'
    if type(value) is date and value >= _FIRST_DAY:
        return f'<c r="{where}" s="{_DAY}"><v>{(value - _DAY_ZERO).days}</v></c>'
    if isinstance(value, int | float | Decimal):
        return f'<c r="{where}"><v>{value}</v></c>'
    text = "" if value is None else str(value)
    if not text:
        return ""
    text = _CODE.sub("_x005F_", _UNWRITABLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))[:MOST_LETTERS]
    return f'<c r="{where}" s="{text_style}" t="inlineStr"><is><t xml:space="preserve">{escape(text)}</t></is></c>'


def _letters(place: int) -> str:
    """The name of a column: A, B, … Z, AA, …"""
    place += 1
    name = ""
    while place:
        place, letter = divmod(place - 1, 26)
        name = chr(ord("A") + letter) + name
    return name
