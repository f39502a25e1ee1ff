"""F66 and F67: an import that dies goes on to the very same result, two at once share the work, and nothing is seen
before it is whole."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection

from marketplace.core import clock
from marketplace.leads.models import Consent, Lead, LeadContact, Suppression
from marketplace.supply import intake, services
from marketplace.supply.models import ImportBatch, ImportRow
from marketplace.supply.refusals import FileRefused
from marketplace.supply.services import import_file
from tests.races.rig import race

from .conftest import fill_zip_codes
from .files import row, write


@pytest.fixture
def places(transactional_db):
    """The small ZIP table, committed, so that other connections see it."""
    fill_zip_codes()


def mixed_file(folder, rows):
    """Every tenth row is bad or repeats the person nine rows before it, by turns."""
    found = []
    for number in range(rows):
        tenth = number % 10 == 9
        changes = {}
        if tenth:
            changes["phone_1"] = "555" if number % 20 == 9 else found[number - 9]["phone_1"]
        found.append(row(**changes))
    return write(folder, found)


def result():
    """Everything an import leaves behind that does not differ by chance."""
    outcomes = ImportRow.objects.order_by("line").values_list("line", "outcome", "reason", "lead__supplier_reference")
    batch = ImportBatch.objects.values("state", "read_to", "accepted", "held", "duplicates", "rejected").get()
    return list(outcomes), batch


def whole_and_sound():
    """What holds at any moment for whoever looks."""
    leads = Lead.objects.count()
    assert LeadContact.objects.count() == leads
    assert Consent.objects.count() == leads
    assert ImportRow.objects.exclude(lead=None).count() == leads


@pytest.mark.django_db
@pytest.mark.usefixtures("zip_codes")
@pytest.mark.parametrize("dies_at", [0, 1, 2, 3])
def test_an_import_goes_on_where_it_stopped(tmp_path, monkeypatch, dies_at):
    path = mixed_file(tmp_path, 300)
    monkeypatch.setattr(services, "ROWS_AT_ONCE", 80)
    whole = intake.take_in
    calls = []

    def take_in(*args, **kwargs):
        calls.append(args)
        if len(calls) > dies_at:
            raise KeyboardInterrupt
        whole(*args, **kwargs)

    monkeypatch.setattr(intake, "take_in", take_in)
    with pytest.raises(KeyboardInterrupt):
        import_file(path)
    assert ImportRow.objects.count() == 80 * dies_at
    monkeypatch.setattr(intake, "take_in", whole)
    monkeypatch.setattr(services, "ROWS_AT_ONCE", 70)
    import_file(path)
    cut_off = result()
    for model in (ImportRow, ImportBatch, LeadContact, Lead, Consent):
        model.objects.all().delete()
    import_file(path)
    assert cut_off == result()
    assert cut_off[1]["accepted"] > 200
    assert cut_off[1]["duplicates"] > 10


@pytest.mark.django_db
@pytest.mark.usefixtures("zip_codes")
def test_with_other_options_it_does_not_go_on(tmp_path, monkeypatch):
    path = write(tmp_path, [row(pets="2")])
    monkeypatch.setattr(intake, "take_in", lambda *args, **kwargs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        import_file(path)
    monkeypatch.undo()
    with pytest.raises(FileRefused, match="begun with other choices"):
        import_file(path, keep=["pets"])
    assert import_file(path).batch.accepted == 1


@pytest.mark.django_db
@pytest.mark.usefixtures("zip_codes")
def test_a_row_the_database_refuses_is_rejected_alone(tmp_path, monkeypatch):
    path = write(tmp_path, [row(), row(), row()])
    together, alone = ["a", "a", "b"], ["c", "c", "d"]  # public ids are unique
    ids = iter(together + alone)
    monkeypatch.setattr(intake, "new_id", lambda: next(ids))
    batch = import_file(path).batch
    assert list(batch.rows.order_by("line").values_list("line", "outcome", "reason")) == [
        (2, "accepted", ""),
        (3, "rejected", "The database does not take the values of this row."),
        (4, "accepted", ""),
    ]
    whole_and_sound()


def ago(**time: float) -> str:
    return (clock.now() - timedelta(**time)).isoformat()


def held_and_replaced():
    """One person on hold, then complete, then two more rows that share the email alone of the first; who then takes the
    consent back and agrees anew."""
    person = row(reference="held")
    complete = person | {"reference": "complete", "email": "other@example.org"}
    same_email = {"email": person["email"]}
    return [
        person | {"consent_text": ""}, complete, row(reference="again", **same_email),
        row(reference="again on hold", consent_text="", **same_email),
        row(reference="revoked", consent_revoked_at=ago(hours=1), phone_1=person["phone_1"], email=""),
        person | {"reference": "after"}, person | {"reference": "elsewhere", "vertical": "solar"},
        person | {"reference": "anew", "vertical": "solar", "consent_at": ago(minutes=30)},
    ]  # fmt: skip


@pytest.mark.django_db
@pytest.mark.usefixtures("zip_codes")
def test_it_makes_no_difference_where_a_portion_ends(tmp_path, monkeypatch):
    """A request on hold that gave way is withdrawn at once, not only for the next portion."""
    path = write(tmp_path, held_and_replaced())
    results = []
    for rows_at_once in range(1, 9):
        monkeypatch.setattr(services, "ROWS_AT_ONCE", rows_at_once)
        import_file(path)
        states = list(Lead.objects.order_by("pk").values_list("status", "consent__revoked_at"))
        results.append((result(), states))
        for model in (ImportRow, ImportBatch, LeadContact, Lead, Consent, Suppression):
            model.objects.all().delete()
    assert results == [results[0]] * 8
    assert [outcome for _, outcome, _, _ in results[0][0][0]] == [
        "held", "accepted", "duplicate", "duplicate", "rejected", "rejected", "rejected", "accepted",
    ]  # fmt: skip
    assert [status for status, _ in results[0][1]] == ["withdrawn", "withdrawn", "open"]


@pytest.mark.django_db
@pytest.mark.usefixtures("zip_codes")
def test_row_by_row_it_comes_to_the_same(tmp_path, monkeypatch):
    """When the database refuses one row, the others are tried alone: the lines of duplicates are still named."""
    path = write(tmp_path, [*held_and_replaced(), row(reference="refused")])
    price = intake._price

    def refused(candidate, now):
        found = price(candidate, now)
        return found | {"price_cents": 1} if candidate.reference == "refused" else found

    monkeypatch.setattr(intake, "_price", refused)
    import_file(path)
    outcomes, _ = result()
    assert [(line, outcome, reason) for line, outcome, reason, _ in outcomes] == [
        (2, "held", "No consent record: it takes consent_text, consent_at and consent_page."),
        (3, "accepted", ""),
        (4, "duplicate", "The same phone or email is on line 2, asked for within 90 days."),
        (5, "duplicate", "The same phone or email is on line 2, asked for within 90 days."),
        (6, "rejected", "The consent was revoked."),
        (7, "rejected", "The person took this consent back."),
        (8, "rejected", "The person took this consent back."),
        (9, "accepted", ""),
        (10, "rejected", "The database does not take the values of this row."),
    ]
    assert Lead.objects.count() == LeadContact.objects.count() == ImportRow.objects.exclude(lead=None).count() == 3
    assert Consent.objects.count() == 2, "one was on hold for want of it"


@pytest.mark.race
def test_two_imports_of_one_file_at_once(tmp_path, places, monkeypatch):
    monkeypatch.setattr(services, "ROWS_AT_ONCE", 50)
    path = mixed_file(tmp_path, 600)
    results = race([lambda: import_file(path)] * 4)
    assert [one.error for one in results] == [None] * 4
    batch = ImportBatch.objects.get()
    assert (batch.total, batch.state) == (600, "done")
    assert ImportRow.objects.count() == 600
    assert Lead.objects.count() == batch.accepted
    assert {one.value.batch.accepted for one in results} == {batch.accepted}
    whole_and_sound()


def see_the_same(monkeypatch, module, name, racers):
    """``module.name`` answers only when all racers came so far, or a lock has held them back for a second."""
    whole = getattr(module, name)
    meeting = threading.Barrier(racers)

    def together(*args, **kwargs):
        found = whole(*args, **kwargs)
        with suppress(threading.BrokenBarrierError):
            meeting.wait(timeout=1)
        return found

    monkeypatch.setattr(module, name, together)


def import_at_once(path) -> list[str]:
    """Two imports of one file; returns what they got. Both read the same file for the first time."""
    return sorted(one.kind for one in race([lambda: import_file(path)] * 2))


@pytest.mark.postgresql
@pytest.mark.race
def test_the_lock_of_the_batch_makes_the_second_wait(tmp_path, places, monkeypatch):
    see_the_same(monkeypatch, intake, "_known_people", 2)
    assert import_at_once(write(tmp_path, [row() for _ in range(20)])) == ["ok", "ok"]
    assert ImportBatch.objects.get().accepted == 20
    whole_and_sound()


@pytest.mark.postgresql
@pytest.mark.race
def test_control_without_the_lock_of_the_batch_one_import_fails(tmp_path, places, monkeypatch):
    """Both take the same rows; what is left is the unique line, and the second import ends with an error."""
    monkeypatch.setattr(intake, "_lock_batch", lambda batch_id: ImportBatch.objects.get(pk=batch_id))
    see_the_same(monkeypatch, intake, "_lock_batch", 2)
    assert import_at_once(write(tmp_path, [row() for _ in range(20)])) == ["IntegrityError", "ok"]


@pytest.mark.race
def test_two_files_with_the_same_people_at_once(tmp_path, places, monkeypatch):
    monkeypatch.setattr(services, "ROWS_AT_ONCE", 20)
    people = [row() for _ in range(200)]
    paths = [
        write(tmp_path, [person | {"reference": f"{number}"} for person in order], name=f"{number}.csv")
        for number, order in enumerate([people, people[::-1], people[100:] + people[:100]])
    ]
    results = race([lambda path=path: import_file(path) for path in paths])
    assert [one.error for one in results] == [None] * 3
    assert Lead.objects.count() == 200
    assert LeadContact.objects.values("phone_digest").distinct().count() == 200
    assert sum(batch.duplicates for batch in ImportBatch.objects.all()) == 400


def bring_one_person_twice(folder, monkeypatch) -> list[str]:
    """Two files about the same person at the same moment; returns the status of their leads."""
    person = row()
    paths = [write(folder, [person | {"reference": name}], name=name) for name in ("one.csv", "other.csv")]
    see_the_same(monkeypatch, intake, "_known_people", 2)
    assert [one.kind for one in race([lambda path=path: import_file(path) for path in paths])] == ["ok", "ok"]
    return list(Lead.objects.values_list("status", flat=True))


@pytest.mark.postgresql
@pytest.mark.race
def test_the_lock_of_the_verticals_keeps_a_person_from_coming_twice(tmp_path, places, monkeypatch):
    assert bring_one_person_twice(tmp_path, monkeypatch) == ["open"]


@pytest.mark.postgresql
@pytest.mark.race
def test_control_without_the_lock_of_the_verticals_the_person_is_sold_twice(tmp_path, places, monkeypatch):
    monkeypatch.setattr(intake, "_lock_verticals", lambda rows: None)
    assert bring_one_person_twice(tmp_path, monkeypatch) == ["open", "open"]


def take_back_while_it_comes_in(folder, monkeypatch) -> list[str]:
    """A person's lead and, for another vertical, word that they took their consent back, at the same moment."""
    person = row()
    word = row(phone_1=person["phone_1"], vertical="solar", consent_revoked_at=ago())
    paths = [write(folder, [person], name="lead.csv"), write(folder, [word], name="word.csv")]
    brought = threading.Event()
    write_leads = intake._write_leads

    def write_slowly(fates, **kwargs):
        write_leads(fates, **kwargs)
        if fates:  # the lead is written, and seen by nobody
            brought.set()
            time.sleep(1)

    def bring_word():
        brought.wait(timeout=30)
        import_file(paths[1])

    monkeypatch.setattr(intake, "_write_leads", write_slowly)
    assert [one.kind for one in race([lambda: import_file(paths[0]), bring_word])] == ["ok", "ok"]
    return list(Lead.objects.values_list("status", flat=True))


@pytest.mark.postgresql
@pytest.mark.race
def test_a_revocation_waits_for_leads_that_come_in(tmp_path, places, monkeypatch):
    assert take_back_while_it_comes_in(tmp_path, monkeypatch) == ["withdrawn"]


@pytest.mark.postgresql
@pytest.mark.race
def test_control_without_the_lock_of_the_verticals_the_word_comes_too_early(tmp_path, places, monkeypatch):
    monkeypatch.setattr(intake, "_lock_verticals", lambda rows: None)
    assert take_back_while_it_comes_in(tmp_path, monkeypatch) == ["open"]


@pytest.mark.race
def test_nothing_is_seen_before_it_is_whole(tmp_path, places, monkeypatch):
    monkeypatch.setattr(services, "ROWS_AT_ONCE", 25)
    path = write(tmp_path, [row() for _ in range(500)])
    over = threading.Event()

    def look():
        seen = set()
        while not over.is_set():
            lacking = Lead.objects.filter(contact=None) | Lead.objects.filter(consent=None)
            seen.add((lacking.exists(), Lead.objects.count() > 0))
            time.sleep(0.002)
        return seen

    def bring():
        try:
            return import_file(path)
        finally:
            over.set()

    seen = race([look, bring])[0].value
    assert not any(lacking for lacking, _ in seen)
    assert {any_leads for _, any_leads in seen} == {False, True}, "the looker saw it before and after"
    whole_and_sound()


@pytest.mark.kills
def test_killed_at_any_moment_it_ends_the_same(tmp_path, places, request):
    """``kill -9`` on the command as soon as it wrote something, again and again, then once to the end."""
    path = mixed_file(tmp_path, 4000)
    url = f"sqlite:///{connection.settings_dict['NAME']}"
    if connection.vendor == "postgresql":
        url = os.environ["TEST_DATABASE_URL"].rsplit("/", 1)[0] + f"/{connection.settings_dict['NAME']}"
    environment = os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "marketplace.settings"}
    command = [sys.executable, "manage.py", "import_leads", str(path)]
    chance = random.Random(7)
    killed, read_to = 0, 0
    for _ in range(6 if "kills" in request.config.option.markexpr else 2):
        child = subprocess.Popen(command, cwd=settings.BASE_DIR, env=environment, stdout=subprocess.DEVNULL)
        while child.poll() is None and not ImportBatch.objects.filter(read_to__gt=read_to).exists():
            time.sleep(0.005)
        time.sleep(chance.uniform(0, 0.1))
        child.send_signal(signal.SIGKILL)
        killed += child.wait() == -signal.SIGKILL
        whole_and_sound()
        read_to = ImportBatch.objects.get().read_to
    assert killed, "it was always faster than the kill"
    batch = import_file(path).batch
    whole_and_sound()
    assert (batch.state, ImportRow.objects.count()) == ("done", 4000)
    assert (batch.accepted, batch.duplicates, batch.rejected) == (3600, 200, 200)
