"""A file is sealed while it arrives, and refused with one sentence if it cannot come in; then nothing of it is left."""

import io
import tempfile
import tracemalloc
import zipfile

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.db import IntegrityError
from django.test import Client
from django.urls import reverse

from marketplace.core.clock import now
from marketplace.leads.models import Lead, Supplier
from marketplace.leads.services import make_verticals
from marketplace.supply import files
from marketplace.supply.models import ImportBatch, Upload
from marketplace.supply.services import import_file
from marketplace.supply.uploads import receive
from tests.people import make_member

from .files import on_disk, row, upload, without, write
from .test_hostile_files import BROKEN_BELOW, GOOD, HEADER, REFUSED

PAGE = "/admin/supply/importbatch/upload/"


def a_file(*rows) -> bytes:
    return b"\n".join([HEADER, *(rows or (GOOD,))]) + b"\n"


def test_it_works(as_charlie, charlie, uploads):
    assert as_charlie.get("/admin/supply/importbatch/").text.count(f'href="{PAGE}"') == 1
    assert as_charlie.get(PAGE).status_code == 200
    answer = upload(as_charlie, a_file(), supplier="Canary Leads")
    found = Upload.objects.get()
    assert answer.url == reverse("admin:supply_uploaded", args=[found.public_id])
    assert (found.state, found.uploaded_by) == ("preview", charlie)
    assert found.options == {"supplier": "Canary Leads", "vertical": "", "keep": []}
    assert on_disk() == [".upload"]
    sealed = next(uploads.iterdir())
    assert b"Testlead" not in sealed.read_bytes()
    assert (sealed.stat().st_mode & 0o777, uploads.stat().st_mode & 0o777) == (0o600, 0o700)
    assert "Ana" not in str(Upload.objects.values()) + sealed.name, "the name of a file may name a person"
    with files.content_of(found.public_id).opened() as plain:
        assert plain.read() == a_file()
    assert not Lead.objects.exists()


@pytest.mark.parametrize("name", [name for name in REFUSED if name not in (*BROKEN_BELOW, "empty")])
def test_a_hostile_file_is_refused_and_nothing_is_left(as_charlie, name):
    content, words = REFUSED[name]
    answer = upload(as_charlie, content)
    assert answer.status_code == 422
    assert words in answer.text
    assert answer.text.partition("<title>")[2].startswith("Error: ")
    assert on_disk() == []
    assert not Upload.objects.exists()
    assert not ImportBatch.objects.exists()
    assert not Supplier.objects.exists()


def test_an_empty_file_and_none(as_charlie):
    assert "The file is empty." in upload(as_charlie, b"").text
    answer = upload(as_charlie, HEADER + b"\n")
    assert (answer.status_code, on_disk()) == (422, [])
    assert "The file has no row below its header." in answer.text
    answer = as_charlie.post(PAGE, {"supplier": "Canary Leads"})
    assert answer.status_code == 422
    assert "Choose a file." in answer.text
    assert 'value="Canary Leads"' in answer.text
    assert on_disk() == []


def zip_bomb() -> bytes:
    """A workbook whose sheet is a gigabyte of nothing."""
    buffer = io.BytesIO()
    archive = zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED)
    with archive, archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as sheet:
        for _ in range(1024):
            sheet.write(bytes(1024**2))
    return buffer.getvalue()


XXE = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY leak SYSTEM "file:///etc/passwd">]><Workbook>&leak;</Workbook>"""


def workbook_with_an_entity() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("xl/sharedStrings.xml", XXE)
    return buffer.getvalue()


BOMBS = {
    "a zip bomb": (zip_bomb, "an Excel workbook (XLSX)"),
    "an external entity in a workbook": (workbook_with_an_entity, "an Excel workbook (XLSX)"),
    "an external entity": (lambda: XXE, "an XML document"),
    "the same after a mark and spaces": (lambda: b"\xef\xbb\xbf \n" + XXE, "an XML document"),
    "a web page with the name of a workbook": (lambda: b"<html><table><tr><td>phone_1", "a web page"),
    "a million columns": (lambda: HEADER + b",c" * 1_000_000, "The row on line 1 is too long"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_no_parser_is_run_on_what_is_no_csv(as_charlie, name):
    make, words = BOMBS[name]
    content = make()
    tracemalloc.start()
    answer = upload(as_charlie, content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert answer.status_code == 422
    assert words in answer.text
    assert "root:" not in answer.text
    assert on_disk() == []
    assert peak < 160_000_000, "a gigabyte was never unpacked"


def test_a_file_over_100_mb(as_charlie, monkeypatch):
    monkeypatch.setattr(files, "MAX_BYTES", 300_000)
    monkeypatch.setattr(files, "FORM_BYTES", 10_000_000)  # so that its length does not give it away
    answer = upload(as_charlie, a_file(*[GOOD] * 2000), supplier="Canary Leads")
    assert answer.status_code == 422
    assert "larger than 100 MB" in answer.text
    assert 'value="Canary Leads"' in answer.text, "the field came before the file"
    assert on_disk() == []


class Stream(io.RawIOBase):
    """A request of any length that never was in memory; counts what is read of it."""

    def __init__(self, start: bytes, size: int):
        self.start, self.left, self.was_read = start, size, 0

    def readable(self):
        return True

    def read(self, size=-1):
        assert 0 <= size <= 1024**2, "it is read in pieces"
        part = self.start[:size] or b"x" * min(size, self.left)
        self.start, self.left = self.start[size:], self.left - (0 if self.start else len(part))
        self.was_read += len(part)
        return part


def test_a_gigabyte_is_not_even_read(as_charlie):
    boundary = "----boundary"
    parts = [f'--{boundary}\r\nContent-Disposition: form-data; name="supplier"\r\n\r\nCanary Leads\r\n']
    parts += [f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n']
    stream = Stream("".join(parts).encode(), 1024**3)
    answer = as_charlie.generic(
        "POST",
        PAGE,
        CONTENT_TYPE=f"multipart/form-data; boundary={boundary}",
        CONTENT_LENGTH=str(1024**3),
        **{"wsgi.input": stream},
    )
    assert answer.status_code == 422
    assert "larger than 100 MB" in answer.text
    assert 'value="Canary Leads"' in answer.text
    assert stream.was_read < 2_000_000
    assert on_disk() == []


def test_a_file_that_breaks_off_is_gone(as_charlie):
    boundary = "----boundary"
    start = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'.encode() + a_file()
    as_charlie.raise_request_exception = False
    for content in (start, start + b"x" * 500_000):
        answer = as_charlie.generic("POST", PAGE, content, content_type=f"multipart/form-data; boundary={boundary}")
        assert answer.status_code == 422
    assert on_disk() == []
    assert not Upload.objects.exists()


def test_the_plain_text_is_never_in_a_temporary_file(as_charlie, monkeypatch, tmp_path):
    """Nor in memory as a whole: not even Django's own handlers are asked."""

    def refuse(*args, **kwargs):
        raise AssertionError("a temporary file")

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", refuse)
    monkeypatch.setattr(TemporaryFileUploadHandler, "new_file", refuse)
    assert upload(as_charlie, a_file(*[GOOD] * 20_000)).status_code == 302


def test_memory_stays_flat(as_charlie):
    def peak_of(rows):
        content = a_file(*(GOOD.replace(b"R-", b"R-%d-" % rows) for _ in range(rows)))
        tracemalloc.start()
        start = tracemalloc.get_traced_memory()[0]
        file = io.BytesIO(content)
        file.name = "leads.csv"
        stream = as_charlie.post(PAGE, {"supplier": "", "vertical": "", "file": file})
        peak = tracemalloc.get_traced_memory()[1] - start
        tracemalloc.stop()
        assert stream.status_code == 302
        return peak - 3 * len(content)  # the test's own browser holds it, and what it sends

    peak_of(10)
    assert peak_of(40_000) < 8_000_000


def test_a_file_that_was_imported_before_says_so(as_charlie, tmp_path):
    path = write(tmp_path, [row()])
    batch = import_file(path).batch
    answer = upload(as_charlie, path.read_bytes())
    assert answer.status_code == 409
    assert "imported before" in answer.text
    assert reverse("admin:supply_importbatch_change", args=[batch.pk]) in answer.text
    assert on_disk() == []


def test_a_file_that_is_on_its_way_in_says_so(as_charlie):
    upload(as_charlie, a_file())
    first = Upload.objects.get()
    answer = upload(as_charlie, a_file())
    assert answer.status_code == 409
    assert reverse("admin:supply_uploaded", args=[first.public_id]) in answer.text
    assert on_disk() == [".upload"], "the first one stays"


def test_what_the_rows_do_not_say_is_asked_for(as_charlie):
    make_verticals()
    one = without("vertical supplier")
    content = "\n".join([",".join(one), ",".join(one.values())]).encode()
    answer = upload(as_charlie, content)
    assert answer.status_code == 422
    assert "lacks these columns: vertical (or name one line of business for all rows)" in answer.text
    assert upload(as_charlie, content, vertical="solar").status_code == 302


@pytest.mark.parametrize("fields", [{"vertical": "horses"}, {"supplier": "ana@example.org"}, {"supplier": "x" * 81}])
def test_wrong_fields_leave_no_file(as_charlie, fields):
    answer = upload(as_charlie, a_file(), **fields)
    assert answer.status_code == 422
    assert on_disk() == []


def test_only_staff_with_the_permission(client, alice, zip_codes, uploads):
    client.force_login(alice)
    assert client.get(PAGE).status_code == 302
    upload(client, a_file())
    pete = make_member("Pete", is_staff=True)
    pete.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(pete)
    assert client.get(PAGE).status_code == 403
    assert upload(client, a_file()).status_code == 403
    assert PAGE not in client.get("/admin/supply/importbatch/").text
    pete.user_permissions.add(Permission.objects.get(codename="add_importbatch"))
    assert client.get(PAGE).status_code == 200
    assert on_disk() == []


def test_without_the_token_nothing_is_kept(charlie, zip_codes, uploads):
    client = Client(enforce_csrf_checks=True)
    client.force_login(charlie)
    assert upload(client, a_file()).status_code == 403
    assert on_disk() == []
    assert not Upload.objects.exists()


def test_no_other_page_takes_a_file(client, db, monkeypatch):
    """Whoever sends one to the page for signing in, say, fills neither memory nor disk."""

    def refuse(*args, **kwargs):
        raise AssertionError("a file was taken")

    monkeypatch.setattr(TemporaryFileUploadHandler, "new_file", refuse)
    file = io.BytesIO(b"x" * 5_000_000)
    file.name = "x.bin"
    answer = client.post("/accounts/login/", {"login": "x", "file": file})
    assert answer.status_code == 422
    assert not answer.wsgi_request.FILES
    assert settings.FILE_UPLOAD_HANDLERS == ["marketplace.core.uploads.NoFiles"]


def test_what_else_the_database_refuses_is_not_told_as_that(charlie, zip_codes, uploads, monkeypatch):
    """A random id that is taken, say."""
    with files.content_of("known").create() as out:
        out.write(a_file())
        out.finish()
    Upload.objects.create(
        public_id="known", uploaded_by=charlie, sha256="0" * 64, options={}, available_at=now(), created_at=now()
    )
    with pytest.raises(IntegrityError):
        receive(charlie, "known", supplier="", vertical="")
