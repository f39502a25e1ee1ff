"""Taps, undo and exports at the same moment. Each race has a control: with its guard off the same check is red."""

import inspect
import threading

import pytest
from django.conf import settings
from django.db import transaction

from marketplace.core import clock
from marketplace.core.ids import new_id
from marketplace.leads import services as leads
from marketplace.purchases import calls, export_jobs, notes, stages
from marketplace.purchases import services as purchases
from marketplace.purchases.models import CallAttempt, Export, Note, Purchase
from marketplace.purchases.revocations import tell_of_revocations
from marketplace.purchases.services import buy_lead
from tests.people import make_alice
from tests.races.rig import race, tally
from tests.stock import make_lead

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.race]
RACERS = 20


@pytest.fixture
def purchase():
    """A lead Alice bought."""
    return buy_lead(make_alice(10_000), make_lead(price_cents=500), price_seen=500, key=new_id())


def careless(function, guard: str, instead: str):
    """``function`` without a guard."""
    source, names = inspect.getsource(function), vars(inspect.getmodule(function))
    assert guard in source
    exec(source.replace(guard, instead), names, made := {})
    return made[function.__name__]


# --- one tap, many times ----------------------------------------------------------------------------------------------


def check_one_tap(purchase) -> None:
    results = race([lambda: calls.log_call(purchase, "spoke", key="the same")] * RACERS)
    assert tally(results) == {"ok": RACERS}
    assert CallAttempt.objects.count() == 1
    assert {result.value.pk for result in results} == {CallAttempt.objects.get().pk}


def test_a_tap_sent_many_times_is_one_call(purchase):
    check_one_tap(purchase)


def test_control_with_a_key_for_each_the_same_check_is_red(purchase, monkeypatch):
    monkeypatch.setattr(calls, "new_id", new_id, raising=False)
    loose = careless(calls.log_call, "purchase=purchase, key=key", "purchase=purchase, key=new_id()")
    monkeypatch.setattr(calls, "log_call", loose)
    with pytest.raises(AssertionError, match=f"{RACERS} == 1"):
        check_one_tap(purchase)


def check_one_note(purchase) -> None:
    results = race([lambda: notes.add_note(purchase, "Call after six.", key="the same")] * RACERS)
    assert tally(results) == {"ok": RACERS}
    assert Note.objects.count() == 1


def test_a_note_sent_many_times_is_one(purchase):
    check_one_note(purchase)


def test_control_with_a_key_for_each_note_the_same_check_is_red(purchase, monkeypatch):
    monkeypatch.setattr(notes, "add_note", careless(notes.add_note, "{key or new_id()}", "{new_id()}"))
    with pytest.raises(AssertionError, match=f"{RACERS} == 1"):
        check_one_note(purchase)


# --- the stage that undo goes back to ---------------------------------------------------------------------------------


def check_former_stages(purchase) -> None:
    """Each move names the stage that the one before it made: only the first came from New."""
    wanted = ["contacted", "quoted", "won", "lost"] * (RACERS // 4)
    results = race([lambda stage=stage: stages.set_stage(purchase, stage) for stage in wanted])
    assert tally(results) == {"ok": RACERS}
    assert [result.value for result in results].count("new") == 1


def test_every_move_names_the_stage_before_it(purchase):
    check_former_stages(purchase)


@pytest.mark.postgresql  # SQLite has one writer at a time anyway
def test_control_without_the_lock_the_same_check_is_red(purchase, monkeypatch):
    loose = careless(stages.set_stage, "select_for_update(no_key=True).", "")
    monkeypatch.setattr(stages, "set_stage", loose)
    with pytest.raises(AssertionError, match=r"== 1"):
        check_former_stages(purchase)


# --- exports ----------------------------------------------------------------------------------------------------------


def test_a_form_sent_many_times_starts_one_export(purchase):
    results = race([lambda: export_jobs.start_export(purchase.buyer, "csv", {}, rows=1)] * RACERS)
    assert tally(results) == {"ok": RACERS}
    assert {result.value.pk for result in results} == {Export.objects.get().pk}


def check_two_workers(purchase, monkeypatch) -> None:
    """Two workers look for work at the same moment, and find the same: one of them writes it."""
    export_jobs.start_export(purchase.buyer, "csv", {}, rows=1)
    both_have_looked = threading.Barrier(2)
    began = threading.local()

    def token() -> str:
        if not hasattr(began, "already"):
            began.already = True
            both_have_looked.wait(timeout=20)
        return new_id()

    monkeypatch.setattr(export_jobs, "new_id", token)
    results = race([export_jobs.write_waiting] * 2)
    assert tally(results) == {"ok": 2}
    assert Export.objects.get().attempts == 1
    assert sum(result.value for result in results) == 1


def test_two_workers_write_an_export_once(purchase, monkeypatch, settings, tmp_path):
    settings.EXPORT_FILES = tmp_path
    check_two_workers(purchase, monkeypatch)


def test_control_without_the_guarded_claim_the_same_check_is_red(purchase, monkeypatch, settings, tmp_path):
    settings.EXPORT_FILES = tmp_path
    loose = careless(export_jobs._claim, "due.filter(pk=export.pk)", "Export.objects.filter(pk=export.pk)")
    monkeypatch.setattr(export_jobs, "_claim", loose)
    with pytest.raises(AssertionError, match=r"[23] == 1"):
        check_two_workers(purchase, monkeypatch)


def check_late_sign_of_life(purchase, monkeypatch) -> None:
    """Just as another worker has looked and means to take the export over, the one that has it speaks up."""
    export_jobs.start_export(purchase.buyer, "csv", {}, rows=1)
    first = export_jobs._claim()
    Export.objects.update(claimed_at=clock.now() - export_jobs.LOST_AFTER * 2)

    def token() -> str:
        export_jobs._update(first, claimed_at=clock.now())
        return new_id()

    monkeypatch.setattr(export_jobs, "new_id", token)
    assert export_jobs._claim() is None
    assert export_jobs._write(first) is True


def test_who_speaks_up_in_time_keeps_the_export(purchase, monkeypatch, settings, tmp_path):
    settings.EXPORT_FILES = tmp_path
    check_late_sign_of_life(purchase, monkeypatch)


def test_control_without_the_time_in_the_claim_the_same_check_is_red(purchase, monkeypatch, settings, tmp_path):
    settings.EXPORT_FILES = tmp_path
    loose = careless(export_jobs._claim, "due.filter(pk=export.pk)", "Export.objects.filter(pk=export.pk)")
    monkeypatch.setattr(export_jobs, "_claim", loose)
    with pytest.raises(AssertionError, match="is None"):
        check_late_sign_of_life(purchase, monkeypatch)


def check_lost_worker(purchase, monkeypatch) -> None:
    """A worker is given up for dead while it writes its last row, and another one writes the file; then both end at the
    same moment: one file, the one that the row names, and it is whole."""
    export_jobs.start_export(purchase.buyer, "csv", {}, rows=1)
    stuck, go_on = threading.Event(), threading.Event()
    real = export_jobs._update

    def update(export, **changes):
        if export.attempts == 1 and changes.get("state") == "ready":
            stuck.set()
            assert go_on.wait(timeout=20)
        return real(export, **changes)

    def another():
        assert stuck.wait(timeout=20)
        Export.objects.update(claimed_at=clock.now() - export_jobs.LOST_AFTER * 2)
        second = export_jobs._claim()
        go_on.set()
        return export_jobs._write(second)

    monkeypatch.setattr(export_jobs, "_update", update)
    results = race([export_jobs.write_waiting, another])
    assert tally(results) == {"ok": 2}
    assert [result.value for result in results] == [0, True], "who lost the claim does not say that it is ready"
    export = Export.objects.get()
    assert list(settings.EXPORT_FILES.iterdir()) == [export_jobs.path_of(export)]
    assert b"".join(export_jobs.open_file(export)).count(b"\r\n") == 2


def test_who_lost_the_claim_leaves_the_file_of_the_other_alone(purchase, monkeypatch, settings, tmp_path):
    settings.EXPORT_FILES = tmp_path
    check_lost_worker(purchase, monkeypatch)


def test_control_without_the_claim_in_the_last_word_the_same_check_is_red(purchase, monkeypatch, settings, tmp_path):
    settings.EXPORT_FILES = tmp_path
    loose = careless(export_jobs._update, ", claim=export.claim, state=State.WRITING", "")
    monkeypatch.setattr(export_jobs, "_update", loose)
    with pytest.raises(AssertionError, match="does not say that it is ready"):
        check_lost_worker(purchase, monkeypatch)


# --- a consent taken back while somebody buys -------------------------------------------------------------------------


def check_revoked_while_bought(monkeypatch) -> None:
    """The consent is taken back, and its buyers are told, between a buyer's last look at the lead and the commit:
    whoever has the lead is told of it."""
    alice, lead = make_alice(10_000), make_lead(price_cents=500)
    claimed, told, real = threading.Event(), threading.Event(), purchases._claim

    def claim(purchase):
        real(purchase)
        claimed.set()
        told.wait(timeout=1)  # or the revocation waits for us

    def revoke():
        assert claimed.wait(timeout=20)
        with transaction.atomic():
            leads.revoke_consents({lead.pk: clock.now()})
        tell_of_revocations()
        told.set()

    monkeypatch.setattr(purchases, "_claim", claim)
    results = race([lambda: buy_lead(alice, lead, price_seen=500, key=new_id()), revoke])
    assert tally(results) == {"ok": 2}
    tell_of_revocations()
    assert Purchase.objects.get().revocation_told_at is not None, "the buyer was never told"


def test_whoever_buys_while_the_consent_is_taken_back_is_told(monkeypatch):
    check_revoked_while_bought(monkeypatch)


@pytest.mark.postgresql  # SQLite lets one write at a time, with this guard or without
def test_control_without_waiting_for_the_lead_the_same_check_is_red(monkeypatch):
    loose = careless(
        leads.revoke_consents, "leads = Lead.objects.filter(pk__in=moments)", "leads = Lead.objects.none()"
    )
    monkeypatch.setattr(leads, "revoke_consents", loose)
    with pytest.raises(AssertionError, match="never told"):
        check_revoked_while_bought(monkeypatch)
