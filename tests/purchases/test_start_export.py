"""`/my-leads/exports/`: a file of many leads is written by a worker."""

import csv
import io
import json

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import IntegrityError, OperationalError, transaction
from django.urls import reverse

from marketplace.core import clock, xlsx_export
from marketplace.core.ids import new_id
from marketplace.purchases import export_jobs, exports
from marketplace.purchases.models import Export
from marketplace.purchases.stages import set_stage
from marketplace.purchases.tasks import write_exports

from .conftest import bought

URL = "/my-leads/exports/"


@pytest.fixture(autouse=True)
def _few_at_once(monkeypatch, settings, tmp_path):
    monkeypatch.setattr(exports, "AT_ONCE", 1)
    monkeypatch.setattr(exports, "BATCH", 2)
    settings.EXPORT_FILES = tmp_path / "exports"


@pytest.fixture
def many(alice):
    """Five leads of Alice's, more than she gets at once."""
    return [bought(alice, first_name=f"Ada{number}") for number in range(5)]


def test_it_works(as_alice, many, settings):
    assert "A file of 5 leads may take a while" in as_alice.get("/my-leads/export.csv", follow=True).content.decode()
    assert not Export.objects.exists(), "a link starts nothing"

    response = as_alice.post(URL, {"format": "csv"})

    export = Export.objects.get()
    assert response["Location"] == reverse("purchases:export", args=[export.public_id])
    assert (export.state, export.rows_total) == ("waiting", 5)
    write_exports()
    export.refresh_from_db()
    assert (export.state, export.rows_done, export.rows_total) == ("ready", 5, 5)
    page = as_alice.get(response["Location"]).content.decode()
    file = as_alice.get(reverse("purchases:export_file", args=[export.public_id]))
    assert "Your file is ready" in page
    assert file["Content-Disposition"] == 'attachment; filename="my-leads.csv"'
    text = b"".join(file.streaming_content).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["first_name"] for row in rows] == ["Ada4", "Ada3", "Ada2", "Ada1", "Ada0"]
    assert [path.name for path in settings.EXPORT_FILES.iterdir()] == [f"{export.public_id}.{export.claim}"]


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_the_file_lies_sealed(as_alice, many, settings, kind):
    as_alice.post(URL, {"format": kind, "q": "Columbus"})
    write_exports()
    [path] = settings.EXPORT_FILES.iterdir()
    assert b"Ada" not in path.read_bytes()
    assert b"PK\x03\x04" not in path.read_bytes()
    assert path.stat().st_mode & 0o077 == 0
    assert "Columbus" not in Export.objects.get().filter


def test_the_filter_applies(as_alice, many):
    set_stage(many[0], "won")
    set_stage(many[1], "won")
    as_alice.post(URL, {"format": "csv", "stage": "won"})
    write_exports()
    assert Export.objects.get().rows_total == 2


def test_the_button_carries_the_filter(as_alice, many):
    page = as_alice.get("/my-leads/export.xlsx?stage=new&q=Columbus", follow=True).content.decode()
    for field in ('name="format" value="xlsx"', 'name="stage" value="new"', 'name="q" value="Columbus"'):
        assert f'<input type="hidden" {field}>' in page


def test_two_requests_for_the_same_share_the_file_while_it_is_written(as_alice, many):
    first = as_alice.post(URL, {"format": "csv", "stage": "new"})
    assert as_alice.post(URL, {"format": "csv", "stage": "new"})["Location"] == first["Location"]
    for other in ({"format": "xlsx", "stage": "new"}, {"format": "csv"}):
        assert as_alice.post(URL, other)["Location"] != first["Location"]
    write_exports()
    assert as_alice.post(URL, {"format": "csv", "stage": "new"})["Location"] != first["Location"]


def test_the_database_keeps_one_at_a_time(alice):
    values = {"buyer": alice, "format": "csv", "filter_digest": "x", "rows_total": 1, "created_at": clock.now()}
    Export.objects.create(**values)
    with pytest.raises(IntegrityError), transaction.atomic():
        Export.objects.create(**values)
    with pytest.raises(IntegrityError), transaction.atomic():
        Export.objects.update(state="ready")
    with pytest.raises(IntegrityError), transaction.atomic():
        Export.objects.update(state="failed", finished_at=clock.now())
    with pytest.raises(IntegrityError), transaction.atomic():
        Export.objects.update(problem="broke_off")
    Export.objects.update(state="ready", finished_at=clock.now())
    Export.objects.create(**values)


def test_the_worker_is_woken_after_the_commit(as_alice, many, monkeypatch, django_capture_on_commit_callbacks):
    woken = []
    monkeypatch.setattr("marketplace.core.wake._wake", woken.append)
    with django_capture_on_commit_callbacks(execute=True):
        as_alice.post(URL, {"format": "csv"})
    assert woken == ["purchases.write_exports"]


@pytest.mark.parametrize("fields", [{}, {"format": "pdf"}, {"format": "csv", "stage": "sold"}])
def test_an_incomplete_form_is_refused(as_alice, many, fields):
    assert as_alice.post(URL, fields).status_code == 422
    assert as_alice.get(URL, fields).status_code == 422
    assert not Export.objects.exists()


def test_too_many_are_refused(as_alice, many):
    answers = [as_alice.post(URL, {"format": "csv", "q": str(number)}).status_code for number in range(31)]
    assert answers == [302] * 30 + [429]


# --- workers that fail ------------------------------------------------------------------------------------------------


def started(alice):
    return export_jobs.start_export(alice, "csv", {}, rows=5)


def test_a_dead_workers_file_is_begun_anew(alice, many, settings):
    started(alice)
    claimed = export_jobs._claim()
    settings.EXPORT_FILES.mkdir()
    export_jobs.path_of(claimed).write_text("half of it")
    assert export_jobs.write_waiting() == 0, "it may be alive"
    Export.objects.update(claimed_at=clock.now() - export_jobs.LOST_AFTER * 2)
    assert export_jobs.write_waiting() == 1
    export = Export.objects.get()
    assert b"".join(export_jobs.open_file(export)).count(b"\r\n") == 6
    export_jobs.forget_exports()
    assert list(settings.EXPORT_FILES.iterdir()) == [export_jobs.path_of(export)]


def test_a_worker_given_up_for_dead_changes_nothing(alice, many, settings):
    started(alice)
    late = export_jobs._claim()
    Export.objects.update(claimed_at=clock.now() - export_jobs.LOST_AFTER * 2)
    assert export_jobs.write_waiting() == 1
    ready = Export.objects.values().get()
    assert export_jobs._write(late) is False
    assert Export.objects.values().get() == ready
    assert len(list(settings.EXPORT_FILES.iterdir())) == 1


def broken_rows(monkeypatch, error):
    """Every export breaks off after its last row."""
    real = exports.rows

    def rows(purchases):
        yield from real(purchases)
        raise error

    monkeypatch.setattr(exports, "rows", rows)


def test_after_three_failures_it_is_given_up(as_alice, alice, many, monkeypatch, settings):
    broken_rows(monkeypatch, RuntimeError)
    export = started(alice)
    page = reverse("purchases:export", args=[export.public_id])
    for state, pause in (("waiting", 30), ("waiting", 300), ("failed", None)):
        export_jobs.write_waiting()
        assert export_jobs.write_waiting() == 0
        export.refresh_from_db()
        assert export.state == state
        if pause:
            assert pause - 10 < (export.available_at - clock.now()).total_seconds() <= pause, "longer each time"
            assert export_jobs._claim() is None, "not at once"
            assert "It is tried again" in as_alice.get(page).content.decode()
            Export.objects.update(available_at=clock.now())
    assert (export.attempts, export.problem) == (3, "broke_off")
    assert list(settings.EXPORT_FILES.iterdir()) == []
    text = as_alice.get(page).content.decode()
    assert "Your file could not be written" in text
    assert "three times" in text


def test_a_worker_that_dies_three_times_is_not_asked_again(alice, many):
    export = started(alice)
    for _ in range(3):
        assert export_jobs._claim()
        Export.objects.update(claimed_at=clock.now() - export_jobs.LOST_AFTER * 2)
    assert export_jobs._claim() is None
    export.refresh_from_db()
    assert (export.state, export.problem) == ("failed", "broke_off")


def test_one_that_takes_too_long_is_given_up_and_does_not_come_again(as_alice, alice, many, monkeypatch, settings):
    monkeypatch.setattr(export_jobs, "WRITE_SECONDS", -1)
    export = started(alice)
    assert export_jobs.write_waiting() == 0
    export.refresh_from_db()
    assert (export.state, export.problem, export.rows_done) == ("failed", "too_long", 2), "after its first batch"
    assert list(settings.EXPORT_FILES.iterdir()) == []
    assert export_jobs._claim() is None
    assert "took too long" in as_alice.get(reverse("purchases:export", args=[export.public_id])).content.decode()


def test_a_run_has_its_time(alice, many, monkeypatch):
    """What is not begun by then is left to the next run, which is asked for."""
    woken = []
    monkeypatch.setattr("marketplace.core.wake.after_commit", woken.append)
    started(alice)
    monkeypatch.setattr(export_jobs, "RUN_SECONDS", -1)
    woken.clear()
    assert export_jobs.write_waiting() == 0
    assert woken == ["purchases.write_exports"]
    assert write_exports.soft_time_limit > export_jobs.RUN_SECONDS + export_jobs.WRITE_SECONDS


def test_when_the_job_has_to_end_it_ends(alice, many, monkeypatch, settings):
    """The soft limit is told once: whoever swallows it is killed later, in the middle of another export."""
    broken_rows(monkeypatch, SoftTimeLimitExceeded)
    export, other = started(alice), export_jobs.start_export(alice, "xlsx", {}, rows=5)
    with pytest.raises(SoftTimeLimitExceeded):
        write_exports()
    export.refresh_from_db()
    other.refresh_from_db()
    assert (export.state, export.attempts, other.attempts) == ("waiting", 1, 0)
    assert export.rows_done == 0, "of a file that is gone"
    assert export.available_at > clock.now()
    assert list(settings.EXPORT_FILES.iterdir()) == []


def test_a_file_that_is_ready_stays_if_only_the_answer_was_lost(alice, many, monkeypatch, settings):
    """The database wrote that it is ready, and the connection broke before it could say so."""
    export, real = started(alice), export_jobs._update

    def update(one, **changes):
        real(one, **changes)
        if changes.get("state") == "ready":
            raise OperationalError

    monkeypatch.setattr(export_jobs, "_update", update)
    assert export_jobs.write_waiting() == 0
    export.refresh_from_db()
    assert export.state == "ready"
    assert list(settings.EXPORT_FILES.iterdir()) == [export_jobs.path_of(export)]


def test_a_file_of_one_that_was_given_up_does_not_stay(alice, many, settings):
    """As when the database is away just as the file is whole: the row never says so, and the file goes."""
    started(alice)
    export_jobs.write_waiting()
    [path] = settings.EXPORT_FILES.iterdir()
    export_jobs.forget_exports()
    assert path.exists()
    for state, stays in (("writing", True), ("waiting", False), ("failed", False)):
        path.touch()
        finished_at = clock.now() if state == "failed" else None
        problem = "broke_off" if state == "failed" else ""
        Export.objects.update(state=state, finished_at=finished_at, problem=problem)
        export_jobs.forget_exports()
        assert path.exists() == stays, state


# --- what Excel can hold ----------------------------------------------------------------------------------------------


def test_more_than_excel_reads(as_alice, many, monkeypatch):
    monkeypatch.setattr(xlsx_export, "MOST_ROWS", 4)
    page = as_alice.get(URL, {"format": "xlsx", "q": "Columbus"}).content.decode()
    assert "These are 5 leads, and Excel reads at most 4 rows." in page
    assert "Write the Excel file" not in page
    assert 'href="?format=csv&amp;q=Columbus"' in page
    assert "Write the CSV file" in as_alice.get(URL, {"format": "csv", "q": "Columbus"}).content.decode()
    answer = as_alice.post(URL, {"format": "xlsx"})
    assert answer.status_code == 422
    assert "Have a CSV file written" in answer.content.decode()
    assert not Export.objects.exists()
    assert as_alice.post(URL, {"format": "csv"}).status_code == 302


def test_more_than_excel_reads_once_it_is_written(as_alice, alice, many, monkeypatch):
    monkeypatch.setattr(xlsx_export, "MOST_ROWS", 4)
    export = export_jobs.start_export(alice, "xlsx", {}, rows=4)
    assert export_jobs.write_waiting() == 0
    export.refresh_from_db()
    assert (export.state, export.problem, export.attempts) == ("failed", "too_many_rows", 1)
    page = as_alice.get(reverse("purchases:export", args=[export.public_id])).content.decode()
    assert "A CSV file holds any number" in page


def test_one_that_fails_does_not_stop_the_others(alice, many):
    broken, sound = started(alice), export_jobs.start_export(alice, "xlsx", {}, rows=5)
    Export.objects.filter(pk=broken.pk).update(filter="gone.AAAA")
    assert export_jobs.write_waiting() == 1
    sound.refresh_from_db()
    assert sound.state == "ready"


def test_others_get_their_own(client, bob, many):
    bought(bob, first_name="His")
    bought(bob, first_name="His")
    client.force_login(bob)
    client.post(URL, {"format": "csv"})
    write_exports()
    assert b"Ada" not in b"".join(export_jobs.open_file(Export.objects.get()))


def test_a_visitor_signs_in(client, many):
    assert client.post(URL, {"format": "csv"})["Location"] == f"{reverse('account_login')}?next={URL}"
    assert not Export.objects.exists()


def test_no_log_says_what_was_searched_for(alice, many, caplog):
    export_jobs.start_export(alice, "csv", {"q": "Priya Raman"}, rows=1)
    export_jobs.write_waiting()
    assert "Priya" not in json.dumps([str(record.msg) for record in caplog.records])
    assert new_id() not in caplog.text
