"""A worker takes the file in. Killed at any row another goes on, pressed twice it comes in once, and in the end the
file is gone."""

import os
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from datetime import timedelta
from io import StringIO

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.urls import reverse

from marketplace.core import clock
from marketplace.core.ids import new_id
from marketplace.core.refusals import Busy
from marketplace.leads.models import Lead, LeadContact
from marketplace.leads.services import contact_of
from marketplace.supply import files, intake, reading, services, tasks, uploads
from marketplace.supply.models import ImportBatch, ImportRow, Upload
from marketplace.supply.refusals import FileRefused
from marketplace.supply.services import import_file
from tests.races.rig import race

from .files import let_in, on_disk, row, upload, write
from .test_hostile_files import BROKEN_BELOW, GOOD, HEADER, REFUSED
from .test_resuming import mixed_file, whole_and_sound


def waiting(client, content: bytes) -> Upload:
    """An upload that a worker is to take in."""
    url = upload(client, content).url
    client.post(f"{url}start/")
    found = Upload.objects.get(public_id=url.rstrip("/").rpartition("/")[2])
    assert found.state == "waiting"
    return found


def test_it_works(as_charlie, tmp_path):
    content = write(tmp_path, [row(), row(phone_1="1"), row(consent_text=""), row(pets="two dogs")]).read_bytes()
    done = let_in(as_charlie, content, keep=["pets"], supplier="Another Supply")
    assert (done.state, done.problem, done.claim != "") == ("done", "", True)
    batch = done.batch
    assert (batch.accepted, batch.rejected, batch.held) == (2, 1, 1)
    assert batch.options == {"supplier": "Another Supply", "vertical": "", "keep": ["pets"]}
    assert [lead.attributes.get("pets") for lead in Lead.objects.filter(status="open")] == [None, "two dogs"]
    assert on_disk() == [".rejects"], "the file is gone; what did not come in is kept for seven days"


def test_it_comes_to_what_the_command_comes_to(as_charlie, tmp_path):
    path = mixed_file(tmp_path, 200)
    done = let_in(as_charlie, path.read_bytes())
    by_upload = list(done.batch.rows.order_by("line").values_list("line", "outcome", "reason"))
    for model in (ImportRow, LeadContact, Lead):
        model.objects.all().delete()
    Upload.objects.all().delete()
    ImportBatch.objects.all().delete()
    by_command = import_file(path).batch.rows.order_by("line").values_list("line", "outcome", "reason")
    assert by_upload == list(by_command)


def test_pressed_twice_it_comes_in_once(as_charlie, tmp_path):
    found = waiting(as_charlie, write(tmp_path, [row()]).read_bytes())
    for _ in range(2):
        answer = as_charlie.post(reverse("admin:supply_start_import", args=[found.public_id]))
        assert answer.url == reverse("admin:supply_uploaded", args=[found.public_id])
    tasks.work()
    tasks.work()
    assert as_charlie.post(reverse("admin:supply_start_import", args=[found.public_id])).status_code == 302
    assert Upload.objects.get().state == "done"
    assert Lead.objects.count() == 1


@pytest.mark.parametrize("name", BROKEN_BELOW)
def test_a_file_that_is_broken_further_down(as_charlie, name):
    """It is seen at once, or by the preview, or when the whole of it is read: one sentence, and nothing is left."""
    content, words = REFUSED[name]
    answer = upload(as_charlie, content)
    if answer.status_code == 302:
        page = as_charlie.post(f"{answer.url}start/")
        if page.status_code == 302:
            tasks.work()
            page = as_charlie.get(page.url)
        else:
            as_charlie.post(f"{answer.url}cancel/")
        answer = page
    assert words in answer.text
    assert on_disk() == []
    assert not Lead.objects.exists()
    assert not ImportBatch.objects.exists()


def test_refused_before_its_first_row(as_charlie, tmp_path):
    content = write(tmp_path, [row() for _ in range(700)]).read_bytes() + b'"never closed\n'
    found = let_in(as_charlie, content)
    assert (found.state, found.problem) == ("refused", "A quote in the row on line 702 is never closed.")
    page = as_charlie.get(reverse("admin:supply_uploaded", args=[found.public_id]))
    assert found.problem in page.text
    assert "Refresh" not in page
    assert on_disk() == []
    assert not Lead.objects.exists()


def test_a_half_row_at_the_end(as_charlie, tmp_path):
    """Cut off within a row, as by a broken download: that row is rejected, the others come in."""
    content = write(tmp_path, [row(), row(), row()]).read_bytes().rstrip()
    batch = let_in(as_charlie, content[: -len(content.splitlines()[-1]) // 2]).batch
    assert (batch.accepted, batch.rejected) == (2, 1)
    assert "The row has" in batch.rows.get(outcome="rejected").reason


def test_wrong_encoding(as_charlie, tmp_path):
    """Windows-1252 is read as such: no name comes in broken."""
    path = write(tmp_path, [row(last_name="Peña")], encoding="cp1252")
    batch = let_in(as_charlie, path.read_bytes()).batch
    assert batch.accepted == 1
    assert contact_of(batch.rows.get().lead).last_name == "Peña"


def test_formulas_in_cells_are_text(as_charlie, tmp_path):
    batch = let_in(as_charlie, write(tmp_path, [row(comments='=HYPERLINK("http://evil.example")')]).read_bytes()).batch
    assert batch.accepted == 1
    assert contact_of(batch.rows.get().lead).comments == '=HYPERLINK("http://evil.example")'


# --- workers that die -------------------------------------------------------------------------------------------------


def test_killed_at_row_7000_another_goes_on(as_charlie, tmp_path, monkeypatch):
    whole, portions = intake.take_in, []

    def die(*args, **kwargs):
        portions.append(args)
        if len(portions) > 7:
            raise KeyboardInterrupt  # what no handler of ours catches
        whole(*args, **kwargs)

    found = waiting(as_charlie, mixed_file(tmp_path, 10_000).read_bytes())
    monkeypatch.setattr(intake, "take_in", die)
    with pytest.raises(KeyboardInterrupt):
        tasks.work()
    monkeypatch.undo()
    assert ImportRow.objects.count() == 7000
    whole_and_sound()
    page = as_charlie.get(reverse("admin:supply_uploaded", args=[found.public_id])).text
    assert "7,001 of 10,001 lines are done." in page
    tasks.work()
    assert ImportRow.objects.count() == 7000, "it may still be alive"
    Upload.objects.update(claimed_at=clock.now() - timedelta(minutes=2, seconds=1))
    tasks.work()
    found.refresh_from_db()
    assert (found.state, found.batch.total, ImportRow.objects.count()) == ("done", 10_000, 10_000)
    assert found.batch.accepted == 4500, "the test knows 5,000 people"
    whole_and_sound()
    assert on_disk() == [".rejects"]


@pytest.mark.kills
@pytest.mark.django_db(transaction=True)
def test_kill_9_on_a_real_worker(as_charlie, tmp_path):
    found = waiting(as_charlie, mixed_file(tmp_path, 4000).read_bytes())
    url = f"sqlite:///{connection.settings_dict['NAME']}"
    if connection.vendor == "postgresql":
        url = os.environ["TEST_DATABASE_URL"].rsplit("/", 1)[0] + f"/{connection.settings_dict['NAME']}"
    environment = os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "marketplace.settings"}
    environment["LEADFAIR_VAR"] = str(tmp_path)  # where the fixture has the files
    code = "import django; django.setup(); from marketplace.supply.tasks import work; work()"
    child = subprocess.Popen([sys.executable, "-c", code], cwd=settings.BASE_DIR, env=environment)
    while child.poll() is None and not ImportBatch.objects.filter(read_to__gt=0).exists():
        time.sleep(0.005)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL, "it was faster than the kill"
    whole_and_sound()
    Upload.objects.update(claimed_at=clock.now() - timedelta(minutes=3))
    tasks.work()
    found.refresh_from_db()
    assert (found.state, found.batch.accepted, ImportRow.objects.count()) == ("done", 3600, 4000)
    whole_and_sound()


def test_when_the_time_is_over_the_next_run_goes_on(as_charlie, tmp_path, monkeypatch):
    monkeypatch.setattr(services, "ROWS_AT_ONCE", 50)
    found = waiting(as_charlie, mixed_file(tmp_path, 200).read_bytes())
    states = []
    while not states or states[-1][0] != "done":
        uploads._run(claimed := uploads._claim(), seconds=-1)
        claimed.refresh_from_db()
        states.append((claimed.state, ImportRow.objects.count()))
    assert states == [("waiting", 50), ("waiting", 100), ("waiting", 150), ("waiting", 200), ("done", 200)]
    found.refresh_from_db()
    assert found.attempts <= 1


@pytest.mark.parametrize("error", [Busy, RuntimeError("Canary")])
def test_what_breaks_off_is_tried_again_and_not_for_ever(as_charlie, tmp_path, monkeypatch, error):
    found = waiting(as_charlie, write(tmp_path, [row()]).read_bytes())

    def break_off(*args, **kwargs):
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(intake, "take_in", break_off)
        tasks.work()
        found.refresh_from_db()
        assert (found.state, found.attempts) == ("waiting", 1)
        assert found.available_at > clock.now(), "not at once"
        tasks.work()
        assert Upload.objects.get().attempts == 1
        for _ in range(uploads.MAX_ATTEMPTS):
            Upload.objects.update(available_at=clock.now())
            tasks.work()
    found.refresh_from_db()
    assert (found.state, found.problem) == ("refused", uploads.STOPPED)
    assert on_disk() == []
    again = let_in(as_charlie, (tmp_path / "leads.csv").read_bytes())
    assert (again.state, again.batch.accepted) == ("done", 1), "uploaded again it goes on"


def test_who_lost_the_claim_writes_nothing(as_charlie, tmp_path):
    found = waiting(as_charlie, write(tmp_path, [row()]).read_bytes())
    first = uploads._claim()
    Upload.objects.update(claimed_at=clock.now() - timedelta(minutes=3))
    second = uploads._claim()
    assert first.claim != second.claim
    uploads._run(first, seconds=20)
    found.refresh_from_db()
    assert (found.state, found.claim) == ("running", second.claim)
    assert on_disk() == [".upload"]
    uploads._run(second, seconds=20)
    found.refresh_from_db()
    assert (found.state, found.batch.accepted) == ("done", 1)


def test_when_the_job_has_to_end_it_ends(as_charlie, tmp_path, monkeypatch):
    """It is told once: whoever swallows it is killed later, in the middle of another file."""
    found = waiting(as_charlie, write(tmp_path, [row()]).read_bytes())

    def end(*args):
        raise SoftTimeLimitExceeded

    monkeypatch.setattr(services, "survey", end)
    with pytest.raises(SoftTimeLimitExceeded):
        tasks.work()
    found.refresh_from_db()
    assert found.state == "waiting"
    assert found.available_at > clock.now()


def test_the_time_counts_from_the_first_row(as_charlie, tmp_path, monkeypatch):
    """However long the file takes to be read before."""
    monkeypatch.setattr(services, "ROWS_AT_ONCE", 20)
    waiting(as_charlie, write(tmp_path, [row() for _ in range(60)]).read_bytes())
    real = services.survey

    def slow(*args):
        time.sleep(3.5)
        return real(*args)

    monkeypatch.setattr(services, "survey", slow)
    monkeypatch.setattr(uploads, "RUN_SECONDS", 3)
    tasks.work()
    assert Upload.objects.get().state == "done", "in one go"


def test_it_says_that_it_lives_while_it_reads_and_while_it_writes_rejects(as_charlie, tmp_path, monkeypatch):
    monkeypatch.setattr(services, "ROWS_AT_ONCE", 10)
    waiting(as_charlie, write(tmp_path, [row(phone_1="1") for _ in range(30)]).read_bytes())
    signs, real = [], uploads._say_alive

    def say(upload, **changes):
        signs.append("taken in" if changes else "alive")
        real(upload, **changes)

    monkeypatch.setattr(uploads, "_say_alive", say)
    tasks.work()
    assert Upload.objects.get().state == "done"
    assert signs == ["alive"] * 3 + ["taken in"] * 4 + ["alive"] * 3, "to its end, its rows, its rejects"


@pytest.mark.parametrize("phase", ["survey", "rejects"])
def test_who_lost_the_claim_stops_in_the_middle(as_charlie, tmp_path, monkeypatch, phase):
    """Of whatever it was about; no half a file is left, and the other one's is whole."""
    monkeypatch.setattr(services, "ROWS_AT_ONCE", 10)
    found = waiting(as_charlie, write(tmp_path, [row(phone_1="1") for _ in range(30)]).read_bytes())
    first = uploads._claim()
    real, signs = uploads._say_alive, []
    lost_at = 2 if phase == "survey" else 9

    def lose(upload, **changes):
        signs.append(1)
        if upload.claim == first.claim and len(signs) == lost_at:
            Upload.objects.update(claimed_at=clock.now() - timedelta(minutes=3))
            uploads._run(uploads._claim(), seconds=20)
        real(upload, **changes)

    monkeypatch.setattr(uploads, "_say_alive", lose)
    uploads._run(first, seconds=20)
    found.refresh_from_db()
    assert (found.state, found.claim == first.claim, ImportRow.objects.count()) == ("done", False, 30)
    assert on_disk() == [".rejects"]
    answer = as_charlie.post(reverse("admin:supply_rejects", args=[found.batch_id]), {"reason": "A test."})
    assert len(answer.getvalue().splitlines()) == 31


@pytest.mark.parametrize("how", ["the disk is full", "the file is damaged"])
def test_done_but_for_its_rejects(as_charlie, tmp_path, monkeypatch, how):
    """All rows have their outcome: it would be wrong to call that refused."""
    found = waiting(as_charlie, write(tmp_path, [row(), row(phone_1="1")]).read_bytes())

    def fail(*args):
        raise OSError(28, "No space left") if how == "the disk is full" else FileRefused(reading.CHANGED)

    monkeypatch.setattr(uploads, "_rejects", fail)
    for _ in range(uploads.MAX_ATTEMPTS + 2):  # the first of them got on
        tasks.work()
        Upload.objects.update(available_at=clock.now())
    found.refresh_from_db()
    assert (found.state, found.problem, found.rejects_until) == ("done", uploads.NO_REJECTS, None)
    assert (found.batch.accepted, found.batch.rejected) == (1, 1)
    assert on_disk() == []
    report = as_charlie.get(reverse("admin:supply_uploaded", args=[found.public_id]), follow=True).text
    assert uploads.NO_REJECTS in report
    answer = as_charlie.post(reverse("admin:supply_rejects", args=[found.batch_id]), {"reason": "A test."})
    assert answer.status_code == 410
    assert uploads.NO_REJECTS in answer.text


def test_done_and_its_file_is_gone(as_charlie, tmp_path):
    """The worker died between its last row and its end, and so did the disk."""
    path = write(tmp_path, [row()])
    found = waiting(as_charlie, path.read_bytes())
    import_file(path)
    files.content_of(found.public_id).delete()
    tasks.work()
    found.refresh_from_db()
    assert (found.state, found.problem, found.batch.accepted) == ("done", "", 1), "there are no rejects to miss"


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once(as_charlie, tmp_path, monkeypatch):
    monkeypatch.setattr(services, "ROWS_AT_ONCE", 20)
    for number in range(3):
        waiting(as_charlie, write(tmp_path, [row() for _ in range(60)], name=f"{number}.csv").read_bytes())
    results = race([tasks.work] * 4)
    assert [one.error for one in results] == [None] * 4
    assert [one.state for one in Upload.objects.all()] == ["done"] * 3
    assert Lead.objects.count() == 180
    whole_and_sound()


@pytest.mark.race
@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_control_without_the_condition_of_the_claim_two_have_it(as_charlie, tmp_path, monkeypatch):
    waiting(as_charlie, write(tmp_path, [row()]).read_bytes())
    assert sum(one.value is not None for one in race([uploads._claim] * 8)) == 1
    Upload.objects.update(state="waiting")
    monkeypatch.setattr(type(Upload.objects.all()), "due", lambda found, *args: found)
    assert sum(one.value is not None for one in race([uploads._claim] * 8)) > 1


def work_that_takes_longer_than_a_worker_is_given_up_for_dead(monkeypatch) -> list[Upload]:
    """A file is read to its end, its one row comes in, and its rejects are written, a second for each; meanwhile
    another worker looks for files whose worker is dead. What it found."""
    monkeypatch.setattr(services, "ROWS_AT_ONCE", 1)
    monkeypatch.setattr(uploads, "LOST_AFTER", timedelta(seconds=1.5))
    done, real = threading.Event(), reading.rows

    def slow(sheet):
        for found in real(sheet):
            yield found
            time.sleep(0.15)

    def first():
        uploads._run(uploads._claim(), seconds=60)
        done.set()

    def second():
        found = []
        time.sleep(0.1)
        while not done.wait(0.05):
            found.append(uploads._claim())
        return [upload for upload in found if upload]

    monkeypatch.setattr(reading, "rows", slow)
    results = race([first, second])
    assert [one.error for one in results] == [None, None]
    return results[1].value


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_a_large_file_is_one_workers(as_charlie, tmp_path, monkeypatch):
    waiting(as_charlie, write(tmp_path, [row(phone_1="1") for _ in range(8)]).read_bytes())
    assert work_that_takes_longer_than_a_worker_is_given_up_for_dead(monkeypatch) == []
    assert Upload.objects.get().state == "done"


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_control_without_signs_of_life_two_work_on_it(as_charlie, tmp_path, monkeypatch):
    waiting(as_charlie, write(tmp_path, [row(phone_1="1") for _ in range(8)]).read_bytes())
    monkeypatch.setattr(uploads, "_say_alive", lambda upload, **changes: None)
    assert work_that_takes_longer_than_a_worker_is_given_up_for_dead(monkeypatch) != []


def test_an_import_that_the_command_began_goes_on(as_charlie, tmp_path, monkeypatch):
    path = write(tmp_path, [row(pets="2")])
    with monkeypatch.context() as patched:
        patched.setattr(intake, "take_in", lambda *args, **kwargs: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            import_file(path, keep=["pets"])
    url = upload(as_charlie, path.read_bytes(), supplier="Another").url
    assert "It goes on with what was chosen then." in as_charlie.get(url).text
    as_charlie.post(f"{url}start/")
    tasks.work()
    batch = Upload.objects.get().batch
    assert (batch.state, batch.options["keep"], batch.options["supplier"]) == ("done", ["pets"], "")


def test_what_came_in_by_command_meanwhile(as_charlie, tmp_path):
    path = write(tmp_path, [row(), row(phone_1="1")])
    found = waiting(as_charlie, path.read_bytes())
    batch = import_file(path).batch
    tasks.work()
    found.refresh_from_db()
    assert (found.state, found.batch) == ("done", batch)
    assert on_disk() == [".rejects"]


# --- files on disk and in memory --------------------------------------------------------------------------------------


def test_strays_are_deleted_and_nothing_else(as_charlie, tmp_path, uploads):
    waiting(as_charlie, write(tmp_path, [row()]).read_bytes())
    uploads.joinpath("broken.upload").write_bytes(b"x")
    uploads.joinpath("broken.rejects").write_bytes(b"x")
    tasks.tidy()
    assert len(on_disk()) == 3, "they may be arriving"
    for path in uploads.iterdir():
        os.utime(path, (1, 1))
    tasks.tidy()
    assert on_disk() == [".upload"]
    tasks.work()
    assert Upload.objects.get().state == "done"


def test_a_file_whose_end_was_written_and_that_was_not_deleted(as_charlie, tmp_path, uploads, monkeypatch):
    """The worker died in between."""
    found = waiting(as_charlie, write(tmp_path, [row()]).read_bytes())
    monkeypatch.setattr(type(files.content_of("x")), "delete", lambda file: None)
    tasks.work()
    assert on_disk() == [".upload"]
    monkeypatch.undo()
    os.utime(files.content_of(found.public_id).path, (1, 1))
    tasks.tidy()
    assert on_disk() == []


@pytest.mark.usefixtures("zip_codes", "uploads")
def test_memory_stays_flat(charlie):
    """From the seal to the rejects, however many rows are refused."""

    def peak_of(rows):
        public_id = new_id()
        with files.content_of(public_id).create() as out:
            out.write(HEADER + b"\n" + GOOD + b"\n")
            for number in range(rows):
                out.write(b"%d" % number + b",x" * 10 + b"\n")
            out.finish()
        tracemalloc.start()
        found = uploads.receive(charlie, public_id, supplier="", vertical="")
        assert uploads.start(found, keep=[])
        tasks.work()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        found.refresh_from_db()
        assert (found.state, found.batch.rejected) == ("done", rows)
        return peak

    peak_of(100)  # what is loaded once
    assert peak_of(20_000) < 1.5 * peak_of(4000) + 2_000_000


def test_without_a_worker_a_command_does_it(as_charlie, tmp_path):
    found = waiting(as_charlie, write(tmp_path, [row()]).read_bytes())
    out = StringIO()
    call_command("work", stdout=out)
    found.refresh_from_db()
    assert found.state == "done"
    assert "1 files taken in" in out.getvalue()
