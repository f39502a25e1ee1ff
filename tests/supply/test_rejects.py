"""The rows that did not go on sale are kept sealed for seven days, and no spreadsheet computes them."""

import csv
import io
import os
from datetime import timedelta

from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import DatabaseError
from django.urls import reverse

from marketplace.core import clock
from marketplace.mail.models import OutgoingEmail
from marketplace.mail.services import deliver_due
from marketplace.supply.models import Upload
from marketplace.supply.services import import_file
from marketplace.supply.tasks import tidy
from privacy.vault import reveals
from privacy.vault.models import Reveal
from tests.people import make_member, make_staff

from .files import let_in, on_disk, row, write

REASON = {"reason": "The supplier mends them."}


def url(batch) -> str:
    return reverse("admin:supply_rejects", args=[batch.pk])


def download(client, batch):
    return client.post(url(batch), REASON)


def table(answer) -> list[list[str]]:
    return list(csv.reader(io.StringIO(answer.getvalue().decode("utf-8-sig"))))


NO_RECORD = (
    'No consent record: it takes consent wording (column "consent_text"), time of the consent (column "consent_at") '
    'and page of the consent (column "consent_page").'
)


def test_it_works(as_charlie, charlie, tmp_path, uploads):
    first = row(last_name="Canary")
    bad = row(phone_1="12", last_name="Canary", comments="line one\nline two", pets="2")
    held = row(consent_text="", reference="held")
    content = write(tmp_path, [first, bad, held, first | {"reference": "again"}]).read_bytes()
    batch = let_in(as_charlie, content).batch
    assert b"Canary" not in next(uploads.glob("*.rejects")).read_bytes()
    report = as_charlie.get(reverse("admin:supply_importbatch_change", args=[batch.pk])).text
    assert url(batch) in report
    page = as_charlie.get(url(batch)).text
    assert "3 rows of Import" in page
    assert "Canary" not in page
    answer = download(as_charlie, batch)
    assert answer["Content-Disposition"] == f'attachment; filename="import-{batch.pk}-not-on-sale.csv"'
    assert "no-store" in answer["Cache-Control"]
    header, *rows = table(answer)
    assert header == ["line", "outcome", "reason", *first, "pets"]
    assert [one[:3] for one in rows] == [
        ["3", "Rejected", 'Phone (column "phone_1") is not a valid US phone number.'],
        ["5", "On hold", NO_RECORD],
        ["6", "Duplicate", "The same phone or email is on line 2, asked for within 90 days."],
    ]
    assert rows[0][3:] == list(bad.values())
    (entry,) = LogEntry.objects.all()
    assert (entry.user, entry.object_id) == (charlie, str(batch.pk))
    assert entry.get_change_message() == "Downloaded the rows that did not go on sale: 3."
    assert entry.object_repr == str(batch)


def test_who_downloaded_it_and_why_is_written_down_and_the_owners_are_told(as_charlie, charlie, tmp_path, mailoutbox):
    owner = make_staff("Olga", "owner")
    batch = let_in(as_charlie, write(tmp_path, [row(phone_1="12")]).read_bytes()).batch
    assert as_charlie.post(url(batch), {"reason": " "}).status_code == 422
    assert not Reveal.objects.exists()
    download(as_charlie, batch)
    look = Reveal.objects.get()
    assert (look.staff, look.about, look.subject_id, look.reason) == (charlie, "file", str(batch.pk), REASON["reason"])
    mail = OutgoingEmail.objects.get(category="operator", user=owner)
    assert mail.key.startswith(f"concern:rejects:{batch.pk}:{charlie.public_id}:")
    deliver_due()
    (body,) = [one.body for one in mailoutbox if one.to == [owner.email]]
    assert f"Charlie downloaded 1 row of import {batch.pk}" in " ".join(body.split())


def test_what_cannot_be_recorded_is_not_read(as_charlie, tmp_path, monkeypatch):
    def broken(**_fields):
        raise DatabaseError("the disk is full")

    batch = let_in(as_charlie, write(tmp_path, [row(phone_1="12", last_name="Canary")]).read_bytes()).batch
    monkeypatch.setattr(Reveal.objects, "create", broken)
    as_charlie.raise_request_exception = False
    answer = download(as_charlie, batch)
    assert answer.status_code == 500
    assert "Canary" not in answer.text


def test_it_counts_among_the_looks_of_the_hour(as_charlie, charlie, tmp_path, monkeypatch):
    monkeypatch.setattr(reveals, "ALONE", 1)
    first, batch = (let_in(as_charlie, write(tmp_path, [row(phone_1=n)]).read_bytes()).batch for n in ("12", "13"))
    assert [download(as_charlie, first).status_code for _ in range(2)] == [200, 200], "the same file is one"
    answer = download(as_charlie, batch)
    assert (answer.status_code, answer["Retry-After"]) == (429, "3600")
    assert REASON["reason"] in answer.text
    alarms = OutgoingEmail.objects.filter(key__startswith=f"concern:looks:{charlie.public_id}:")
    assert alarms.count() == 1, "the owner is told of the try"


def test_mended_it_comes_in(as_charlie, tmp_path):
    batch = let_in(as_charlie, write(tmp_path, [row(phone_1="12"), row()]).read_bytes()).batch
    content = download(as_charlie, batch).getvalue().replace(b",12,", b",614-555-0177,")
    assert let_in(as_charlie, content).batch.accepted == 1


def test_no_spreadsheet_computes_it(as_charlie, tmp_path):
    evil = '=HYPERLINK("http://evil.example")'
    batch = let_in(
        as_charlie, write(tmp_path, [row(comments=evil, phone_1="+1"), row(comments="@x", phone_1="-")]).read_bytes()
    ).batch
    _, *rows = table(download(as_charlie, batch))
    assert "'" + evil in rows[0]
    assert "'+1" in rows[0]
    assert "'@x" in rows[1]


def test_a_number_that_steals_an_identity_is_not_kept(as_charlie, tmp_path):
    batch = let_in(as_charlie, write(tmp_path, [row(comments="my number is 078-05-1120")]).read_bytes()).batch
    (row_of_it,) = table(download(as_charlie, batch))[1:]
    assert "removed" in row_of_it
    assert "05-1120" not in "".join(row_of_it)


def test_no_other_cell_keeps_one_either(as_charlie, tmp_path):
    """In a row rejected for something else, in a second cell, and in a column that is not taken in."""
    lines = [
        row(phone_1="-", comments="my number is 078-05-1120"),
        row(comments="078-05-1120", landing_page="https://quotes.example.net/?ssn=078-05-1120"),
        row(phone_1="-", internal_code="card 4242 4242 4242 4242"),
    ]
    batch = let_in(as_charlie, write(tmp_path, lines).read_bytes()).batch
    told = download(as_charlie, batch)
    assert len(table(told)) == 4
    assert "05-1120" not in str(table(told))
    assert "4242 4242" not in str(table(told))


def test_if_all_went_on_sale_there_is_nothing(as_charlie, tmp_path):
    batch = let_in(as_charlie, write(tmp_path, [row()]).read_bytes()).batch
    assert on_disk() == []
    assert url(batch) not in as_charlie.get(reverse("admin:supply_importbatch_change", args=[batch.pk])).text
    assert download(as_charlie, batch).status_code == 410


def test_after_seven_days_they_are_gone(as_charlie, tmp_path, uploads):
    batch = let_in(as_charlie, write(tmp_path, [row(phone_1="1")]).read_bytes()).batch
    until = Upload.objects.get().rejects_until
    assert timedelta(days=6, hours=23) < until - clock.now() <= timedelta(days=7)
    Upload.objects.update(rejects_until=clock.now())
    answer = download(as_charlie, batch)
    assert answer.status_code == 410
    assert "kept for 7 days" in answer.text
    (path,) = uploads.glob("*.rejects")
    os.utime(path, (1, 1))
    tidy()
    assert on_disk() == []


def test_of_a_file_that_came_by_command_they_were_never_kept(as_charlie, tmp_path):
    batch = import_file(write(tmp_path, [row(phone_1="1")])).batch
    answer = download(as_charlie, batch)
    assert answer.status_code == 410
    assert "by command" in answer.text


def test_a_file_that_cannot_be_opened(as_charlie, tmp_path, uploads):
    batch = let_in(as_charlie, write(tmp_path, [row(phone_1="1")]).read_bytes()).batch
    (path,) = uploads.glob("*.rejects")
    path.write_bytes(path.read_bytes()[:-1])
    assert download(as_charlie, batch).status_code == 422
    path.unlink()
    assert download(as_charlie, batch).status_code == 422
    assert not LogEntry.objects.exists()


def test_only_staff_with_the_permission(as_charlie, client, tmp_path):
    batch = let_in(as_charlie, write(tmp_path, [row(phone_1="1")]).read_bytes()).batch
    pete = make_member("Pete", is_staff=True)
    pete.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(pete)
    assert download(client, batch).status_code == 403
    assert url(batch) not in client.get(reverse("admin:supply_importbatch_change", args=[batch.pk])).text
    assert as_charlie.get(reverse("admin:supply_rejects", args=[10**9])).status_code in (403, 404)
