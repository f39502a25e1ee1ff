"""Reading a file of leads row by row: encoding, separator and header found out, memory flat, hostile files refused.

A file is read twice. The first time nothing is written: whatever is wrong with the file as a whole is found before the
first lead comes in. The second time its rows are handed out.
"""

import csv
import hashlib
import os
import re
import stat
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, getincrementaldecoder
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from io import TextIOWrapper
from os import PathLike
from typing import BinaryIO

from privacy.vault.files import SealedFile
from privacy.vault.sealing import CannotOpen

from .columns import MAX_COLUMNS, recognised
from .refusals import FileRefused

MAX_BYTES = 100 * 1024 * 1024
MAX_CELL = 64 * 1024  # characters
MAX_ROW = 512 * 1024  # characters, with its line breaks
CHUNK = 1024 * 1024
END = "\x1a"  # fed to the reader after the last line; swallowed into a cell only if a quote is still open
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]")
GONE = "The uploaded file is gone. Upload it again."
DAMAGED = "The uploaded file cannot be read back: it was damaged, or its key is gone. Upload it again."
CHANGED = "The file changed while it was read. Import it again when it is complete."
Source = str | PathLike[str] | SealedFile
_UNDEFINED_1252 = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
_SAVE = "Open it in your spreadsheet program and save the sheet with the leads as CSV in UTF-8."
_UNPACK = "Unpack it and take the CSV file that is in it."
_SIGNATURES = {
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook, or one with a password", _SAVE),
    b"\x1f\x8b": ("a compressed file", _UNPACK),
    b"%PDF-": ("a PDF", "Ask the supplier for a CSV file."),
    b"<?xml": ("an XML document", _SAVE),
    b"<!DOCTYPE": ("a web page or an XML document", _SAVE),
    b"<html": ("a web page", _SAVE),
}
_ZIP = b"PK\x03\x04"
_ZIP_NAME = 30  # where in an archive the name of its first file begins
# What stands first in them tells the files of office programs from other archives; nothing is unpacked.
_OFFICE = (b"[Content_Types].xml", b"_rels/", b"docProps/", b"xl/")
_OPEN_DOCUMENT = b"mimetypeapplication/vnd.oasis.opendocument"


@dataclass(frozen=True)
class Row:
    """One row: the line of the file on which it begins (as an editor counts, from 1), the one on which it ends, and at
    most MAX_COLUMNS + 1 cells, enough to tell that it has too many."""

    line: int
    last_line: int
    cells: list[str]


@dataclass(frozen=True)
class Sheet:
    """A file that can be read, and how."""

    path: Source
    size: int
    modified: int
    sha256: str
    encoding: str
    delimiter: str
    header: list[str] = field(default_factory=list)


def look_at(path: Source, *, sha256: str = "", encoding: str = "") -> Sheet:
    """Find out how to read the file at ``path``; reads its bytes and its header. Who knows both its ``sha256`` and its
    ``encoding`` from an earlier look, and that it cannot have changed since, has the header alone read.

    Raises:
        FileRefused: it cannot be read, is no text, too large, or has no header.
    """
    with _opened(path) as file:
        found = os.fstat(file.fileno())
        if not (sha256 and encoding):
            sha256, encoding = _examine(file)
    plain = Sheet(path, found.st_size, found.st_mtime_ns, sha256, encoding, delimiter=",")
    sheets = [_with_header(replace(plain, delimiter=delimiter)) for delimiter in ",;\t"]
    best = max(sheets, key=lambda sheet: (recognised(sheet.header[:MAX_COLUMNS]), len(sheet.header)))
    if not best.header:
        raise FileRefused("The file is empty.")
    if len(best.header) > MAX_COLUMNS:
        raise FileRefused(f"The file has too many columns; at most {MAX_COLUMNS} are read.")
    if any(CONTROL.search(name) for name in best.header):
        raise FileRefused("The file is not text: its first line holds control characters.")
    return best


def rows(sheet: Sheet) -> Iterator[Row]:
    """The rows below the header, one after the other; empty lines are none.

    Raises:
        FileRefused: a quote is never closed, a cell or row is too long, or the file changes while it is read.
    """
    found = _rows(sheet)
    next(found, None)  # the header
    return found


def _with_header(sheet: Sheet) -> Sheet:
    first = next(_rows(sheet), None)
    return replace(sheet, header=first.cells) if first else sheet


@contextmanager
def _opened(path: Source) -> Iterator[BinaryIO]:
    """The file at ``path``, opened for bytes if it is a regular file of a size we read. How large a sealed one may be
    is seen to when it is sealed."""
    if isinstance(path, SealedFile):
        try:
            with path.opened() as file:
                yield file
        except FileNotFoundError as error:
            raise FileRefused(GONE) from error
        except CannotOpen as error:
            raise FileRefused(DAMAGED) from error
        return
    try:
        kind = os.stat(path)
        if not stat.S_ISREG(kind.st_mode):
            raise FileRefused(
                "This is not a file." if not stat.S_ISDIR(kind.st_mode) else "This is a folder, not a file."
            )
        file = open(path, "rb")  # noqa: SIM115 - closed below; only the opening is guarded
    except (OSError, ValueError) as error:
        words = getattr(error, "strerror", None) or "not a path"
        raise FileRefused(f"The file cannot be read: {words}.") from error
    with file:
        if kind.st_size > MAX_BYTES:
            raise FileRefused(f"The file is larger than {MAX_BYTES // 1024**2} MB. Split it and import the parts.")
        yield file


def _examine(file: BinaryIO) -> tuple[str, str]:
    """SHA-256 and encoding of the file's bytes."""
    digest, decoder = hashlib.sha256(), getincrementaldecoder("utf-8")()
    is_utf8 = is_1252 = True
    size = 0
    try:
        while chunk := file.read(CHUNK):
            if size == 0:
                _refuse_known_formats(chunk)
            size += len(chunk)
            if b"\0" in chunk:
                raise FileRefused("The file is not text: it holds NUL bytes. Save it as CSV in UTF-8.")
            digest.update(chunk)
            is_1252 = is_1252 and not _UNDEFINED_1252.search(chunk)
            if is_utf8:
                try:
                    decoder.decode(chunk)
                except UnicodeDecodeError:
                    is_utf8 = False
        decoder.decode(b"", final=is_utf8)
    except UnicodeDecodeError:
        is_utf8 = False
    except OSError as error:
        raise FileRefused(f"The file cannot be read: {error.strerror}.") from error
    if size == 0:
        raise FileRefused("The file is empty.")
    if not is_utf8 and not is_1252:
        raise FileRefused("The file is text neither in UTF-8 nor in Windows-1252. Save it as CSV in UTF-8.")
    return digest.hexdigest(), "utf-8-sig" if is_utf8 else "cp1252"


def _refuse_known_formats(start: bytes) -> None:
    if start.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        raise FileRefused("The file is in UTF-16. Save it as CSV in UTF-8.")
    start = start.removeprefix(BOM_UTF8).lstrip()
    if start.startswith(_ZIP):
        _refuse_archive(start[_ZIP_NAME:])
    for signature, (name, what_to_do) in _SIGNATURES.items():
        if start.startswith(signature):
            raise FileRefused(f"The file is {name}, not a CSV file. {what_to_do}")


def _refuse_archive(first_name: bytes) -> None:
    if first_name.startswith(_OFFICE):
        raise FileRefused(f"The file is an Excel workbook (XLSX) or the like, not a CSV file. {_SAVE}")
    if first_name.startswith(_OPEN_DOCUMENT):
        raise FileRefused(f"The file is an OpenDocument sheet (ODS) or the like, not a CSV file. {_SAVE}")
    raise FileRefused(f"The file is a ZIP archive, not a CSV file, whatever its name says. {_UNPACK}")


def _rows(sheet: Sheet) -> Iterator[Row]:
    """All rows, the header too."""
    with _opened(sheet.path) as file, TextIOWrapper(file, encoding=sheet.encoding, newline="") as text:
        lines = _Lines(text)
        reader = csv.reader(lines, delimiter=sheet.delimiter)
        start = 1
        while True:
            try:
                cells = next(reader)
            except csv.Error as error:
                raise FileRefused(_too_long(start)) from error
            except (UnicodeDecodeError, OSError) as error:
                raise FileRefused(CHANGED) from error
            _refuse_changed(sheet, file)
            if lines.at_end:
                if cells != [END]:
                    raise FileRefused(f"A quote in the row on line {start} is never closed.")
                return
            if lines.size > MAX_CELL and any(len(cell) > MAX_CELL for cell in cells):
                raise FileRefused(_too_long(start))
            lines.size = 0
            if any(cells):
                yield Row(start, reader.line_num, cells[: MAX_COLUMNS + 1])
            start = reader.line_num + 1


class _Lines:
    """The lines of a file for ``csv.reader``, then END; ``size`` counts the characters since the reader's last row."""

    def __init__(self, text: TextIOWrapper) -> None:
        self.text, self.size, self.at_end = text, 0, False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self.text.readline(MAX_ROW + 1)
        self.size += len(line)
        if self.size > MAX_ROW:
            raise csv.Error("row too long")
        if line:
            return line
        if self.at_end:
            raise StopIteration
        self.at_end = True
        return END


def _too_long(line: int) -> str:
    return f"The row on line {line} is too long (a cell over {MAX_CELL // 1024} KiB): a quote is probably never closed."


def _refuse_changed(sheet: Sheet, file: BinaryIO) -> None:
    found = os.fstat(file.fileno())
    if (found.st_size, found.st_mtime_ns) != (sheet.size, sheet.modified):
        raise FileRefused(CHANGED)
