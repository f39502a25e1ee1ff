"""What was not sold of a file goes off sale, with a reason, and comes back if that is undone; what was sold stays."""

import threading
from datetime import timedelta

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import IntegrityError
from django.urls import reverse

from marketplace.core import clock, transactions
from marketplace.core.ids import new_id
from marketplace.core.refusals import Busy
from marketplace.leads import pricing
from marketplace.leads.models import Consent, Lead, LeadQuerySet
from marketplace.leads.services import take_slot
from marketplace.purchases.services import buy_lead
from marketplace.supply import tasks, withdrawals
from marketplace.supply.models import ImportBatch, ImportRow, Withdrawal, WithdrawnLead
from marketplace.supply.services import import_file
from marketplace.supply.withdrawals import NothingToPutBack, NothingToWithdraw, undo, withdraw
from tests.leads.test_reprice import wait_for_a_blocked_query
from tests.people import make_charlie, make_member
from tests.races.rig import race
from tests.stock import make_lead

from .files import row, write


@pytest.fixture
def batch(zip_codes, tmp_path) -> ImportBatch:
    """Three leads on sale, of which each has two slots, and one on hold."""
    return import_file(write(tmp_path, [row(), row(), row(), row(consent_text=""), row(phone_1="1")])).batch


def statuses(batch) -> list[str]:
    return list(batch.rows.exclude(lead=None).order_by("lead").values_list("lead__status", flat=True))


def leads_of(batch) -> list[Lead]:
    return list(Lead.objects.filter(pk__in=batch.rows.exclude(lead=None).values("lead")).order_by("pk"))


def address(batch, name="withdraw") -> str:
    return reverse(f"admin:supply_{name}", args=[batch.pk])


def report(client, batch) -> str:
    return client.get(reverse("admin:supply_importbatch_change", args=[batch.pk])).text


def test_it_works(as_charlie, charlie, batch, alice):
    first, second, *_ = leads_of(batch)
    other = make_lead()
    buy_lead(alice, first, price_seen=first.price_cents, key=new_id())
    Lead.objects.filter(pk=second.pk).update(slots_sold=2, status="sold")
    assert address(batch) in report(as_charlie, batch)
    page = as_charlie.get(address(batch))
    assert "3 leads of" in page.text
    assert "Withdraw 3 leads" in page.text
    assert statuses(batch) == ["open", "sold", "open", "held"], "looking changes nothing"
    answer = as_charlie.post(address(batch), {"reason": "The consents were forged."})
    assert answer.url == reverse("admin:supply_importbatch_change", args=[batch.pk])
    assert statuses(batch) == ["withdrawn", "sold", "withdrawn", "withdrawn"]
    other.refresh_from_db()
    assert other.status == "open"
    found = Withdrawal.objects.get()
    assert (found.batch, found.made_by, found.reason) == (batch, charlie, "The consents were forged.")
    assert found.withdrawn_at is not None
    text = report(as_charlie, batch)
    assert "Charlie withdrew the unsold rest, 3 leads: The consents were forged." in text
    assert address(batch) not in text
    assert "Off sale: 3 leads." in text, "and the press is answered"
    (entry,) = LogEntry.objects.all()
    assert entry.get_change_message() == "Withdrew the unsold rest: 3 leads."
    assert alice.purchases.count() == 1


def test_undo(as_charlie, charlie, batch):
    as_charlie.post(address(batch), {"reason": "A mistake."})
    assert address(batch, "undo_withdrawal") in report(as_charlie, batch)
    assert "took 4 leads" in as_charlie.get(address(batch, "undo_withdrawal")).text
    assert set(statuses(batch)) == {"withdrawn"}
    as_charlie.post(address(batch, "undo_withdrawal"))
    assert statuses(batch) == ["open", "open", "open", "held"]
    found = Withdrawal.objects.get()
    assert (found.undone_by, found.put_back_at is not None) == (charlie, True)
    text = report(as_charlie, batch)
    assert "Back again: 4 leads." in text
    assert "undid it, and 4 came back." in text
    assert address(batch) in text
    assert LogEntry.objects.earliest("-pk").get_change_message() == "Undid the withdrawal: 4 leads came back."
    as_charlie.post(address(batch), {"reason": "No mistake."})
    assert set(statuses(batch)) == {"withdrawn"}
    assert Withdrawal.objects.count() == 2


@pytest.mark.parametrize("reason", ["", "   ", "x" * 201])
def test_a_reason_is_needed(as_charlie, batch, reason):
    answer = as_charlie.post(address(batch), {"reason": reason})
    assert answer.status_code == 422
    assert answer.text.partition("<title>")[2].startswith("Error: ")
    assert not Withdrawal.objects.exists()
    assert "withdrawn" not in statuses(batch)


def test_pressed_twice(as_charlie, batch):
    as_charlie.post(address(batch), {"reason": "A test."})
    answer = as_charlie.post(address(batch), {"reason": "A test."})
    assert answer.status_code == 409
    assert NothingToWithdraw.message in answer.text
    as_charlie.post(address(batch, "undo_withdrawal"))
    answer = as_charlie.post(address(batch, "undo_withdrawal"))
    assert answer.status_code == 409
    assert NothingToPutBack.message in answer.text
    assert Withdrawal.objects.count() == 1


def test_a_file_that_is_still_coming_in(as_charlie, batch):
    ImportBatch.objects.update(state="running")
    answer = as_charlie.post(address(batch), {"reason": "A test."})
    assert answer.status_code == 409
    assert "still coming in" in answer.text


def test_only_what_this_withdrawal_took_comes_back(charlie, batch):
    first = leads_of(batch)[0]
    Lead.objects.filter(pk=first.pk).update(status="withdrawn")  # by somebody else, before
    withdraw(charlie, batch, reason="A test.")
    undo(charlie, batch)
    assert statuses(batch) == ["withdrawn", "open", "open", "held"]


def test_what_may_not_be_sold_any_more_stays(charlie, batch):
    revoked, expired, old, held = leads_of(batch)
    withdraw(charlie, batch, reason="A test.")
    Consent.objects.filter(pk=revoked.consent_id).update(revoked_at=clock.now())
    Consent.objects.filter(pk=expired.consent_id).update(expires_at=clock.now())
    Lead.objects.filter(pk__in=[old.pk, held.pk]).update(asked_at=clock.now() - timedelta(days=366))
    undo(charlie, batch)
    assert set(statuses(batch)) == {"withdrawn"}
    assert set(WithdrawnLead.objects.values_list("came_back", flat=True)) == {False}


def test_it_comes_back_with_the_price_of_its_age(charlie, batch):
    lead = leads_of(batch)[0]
    withdraw(charlie, batch, reason="A test.")
    Lead.objects.filter(pk=lead.pk).update(asked_at=clock.now() - timedelta(days=5))
    undo(charlie, batch)
    lead.refresh_from_db()
    price = pricing.price(lead.base_cents, exclusive_percent=250, slots_total=2, band=2)
    assert (lead.status, lead.age_band, lead.price_cents) == ("open", 2, price)


def test_in_portions_and_whoever_dies_another_goes_on(charlie, zip_codes, tmp_path, monkeypatch):
    batch = import_file(write(tmp_path, [row() for _ in range(25)])).batch
    monkeypatch.setattr(withdrawals, "LEADS_AT_ONCE", 10)
    monkeypatch.setattr(withdrawals, "PRESS_SECONDS", -1)
    withdraw(charlie, batch, reason="A test.")
    assert statuses(batch).count("withdrawn") == 10
    tasks.work()
    assert statuses(batch).count("withdrawn") == 25
    undo(charlie, batch)
    assert statuses(batch).count("open") == 10
    tasks.work()
    assert statuses(batch).count("open") == 25
    assert not Withdrawal.objects.unfinished().exists()


def test_several_share_the_time_and_one_that_breaks_off_is_not_in_the_way(charlie, zip_codes, tmp_path, monkeypatch):
    monkeypatch.setattr(withdrawals, "LEADS_AT_ONCE", 10)
    monkeypatch.setattr(withdrawals, "PRESS_SECONDS", -1)
    batches = [import_file(write(tmp_path, [row() for _ in range(25)], name=f"{n}.csv")).batch for n in range(3)]
    broken, *sound = [withdraw(charlie, batch, reason="A test.").pk for batch in batches]
    real, turns = withdrawals._portion, []

    def portion(withdrawal_id):
        turns.append(withdrawal_id)
        if withdrawal_id == broken:
            raise RuntimeError
        return real(withdrawal_id)

    monkeypatch.setattr(withdrawals, "_portion", portion)
    tasks.work()
    assert turns == [broken, *sound, *sound, *sound], "in turn"
    assert [statuses(batch).count("withdrawn") for batch in batches] == [10, 25, 25]
    turns.clear()
    monkeypatch.setattr(withdrawals, "RUN_SECONDS", -1)
    assert withdrawals.finish_all() == 0
    assert turns == [], "one time for all of them"
    monkeypatch.undo()
    tasks.work()
    assert statuses(batches[0]).count("withdrawn") == 25


def test_when_the_job_has_to_end_it_ends(charlie, batch, monkeypatch):
    """It is told once: whoever swallows it is killed later, in the middle of another one."""
    monkeypatch.setattr(withdrawals, "PRESS_SECONDS", -1)
    monkeypatch.setattr(withdrawals, "LEADS_AT_ONCE", 1)
    withdraw(charlie, batch, reason="A test.")

    def end(withdrawal_id):
        raise SoftTimeLimitExceeded

    monkeypatch.setattr(withdrawals, "_portion", end)
    with pytest.raises(SoftTimeLimitExceeded):
        tasks.work()


def test_the_database_gives_up_after_it_was_begun(as_charlie, charlie, batch, monkeypatch):
    """Then it is begun: nobody is told that nothing changed."""

    def give_up(withdrawal_id):
        raise Busy

    with monkeypatch.context() as patched:
        patched.setattr(withdrawals, "_portion", give_up)
        answer = as_charlie.post(address(batch), {"reason": "A test."})
    assert answer.url == reverse("admin:supply_importbatch_change", args=[batch.pk])
    assert "0 leads so far" in report(as_charlie, batch)
    assert LogEntry.objects.get().get_change_message() == "Began to withdraw the unsold rest: 0 leads so far."
    tasks.work()
    assert "4 leads: A test." in report(as_charlie, batch)


def test_the_database_gives_up_before_it_was_begun(as_charlie, batch, monkeypatch):
    def give_up(*args):
        raise Busy

    monkeypatch.setattr(withdrawals, "_begin", give_up)
    answer = as_charlie.post(address(batch), {"reason": "A test."})
    assert answer.status_code == 503
    assert "Nothing was changed" in answer.text
    assert not LogEntry.objects.exists()


def test_the_history_says_when_a_number_is_not_the_last(as_charlie, zip_codes, tmp_path, monkeypatch):
    monkeypatch.setattr(withdrawals, "LEADS_AT_ONCE", 10)
    monkeypatch.setattr(withdrawals, "PRESS_SECONDS", -1)
    batch = import_file(write(tmp_path, [row() for _ in range(25)])).batch
    answer = as_charlie.post(address(batch), {"reason": "A test."}, follow=True)
    assert "Off sale: 10 leads. The rest follows within a minute." in answer.text
    tasks.work()
    answer = as_charlie.post(address(batch, "undo_withdrawal"), follow=True)
    assert "Back again: 10 leads. The rest follows within a minute." in answer.text
    tasks.work()
    assert [entry.get_change_message() for entry in LogEntry.objects.order_by("pk")] == [
        "Began to withdraw the unsold rest: 10 leads so far.",
        "Began to undo the withdrawal: 10 leads came back so far.",
    ]


def test_undone_before_it_was_done(charlie, zip_codes, tmp_path, monkeypatch):
    batch = import_file(write(tmp_path, [row() for _ in range(25)])).batch
    monkeypatch.setattr(withdrawals, "LEADS_AT_ONCE", 10)
    monkeypatch.setattr(withdrawals, "PRESS_SECONDS", -1)
    withdraw(charlie, batch, reason="A test.")
    undo(charlie, batch)
    tasks.work()
    assert set(statuses(batch)) == {"open"}
    assert WithdrawnLead.objects.count() == 10


def test_the_history_cannot_be_changed(as_charlie, batch):
    as_charlie.post(address(batch), {"reason": "The consents were forged."})
    found = Withdrawal.objects.get()
    page = as_charlie.get(reverse("admin:supply_withdrawal_changelist"))
    assert "The consents were forged." in page.text
    one = reverse("admin:supply_withdrawal_change", args=[found.pk])
    assert as_charlie.get(one).status_code == 200
    assert as_charlie.post(one, {"reason": "x"}).status_code == 403
    assert (
        as_charlie.post(reverse("admin:supply_withdrawal_delete", args=[found.pk]), {"post": "yes"}).status_code == 403
    )
    assert as_charlie.get(reverse("admin:supply_withdrawal_add")).status_code == 403


def test_as_many_queries_for_many_withdrawals(as_charlie, charlie, batch, django_assert_max_num_queries):
    for _ in range(30):
        withdraw(charlie, batch, reason="A test.")
        undo(charlie, batch)
    with django_assert_max_num_queries(8):
        as_charlie.get(reverse("admin:supply_withdrawal_changelist"))


def test_the_database_knows_one_that_stands(charlie, batch):
    withdraw(charlie, batch, reason="A test.")
    with pytest.raises(IntegrityError):
        Withdrawal.objects.create(batch=batch, reason="Another.", made_by=charlie, made_at=clock.now())


def test_only_staff_with_the_permission(client, alice, as_charlie, batch):
    assert as_charlie.get(reverse("admin:supply_withdraw", args=[10**9])).status_code == 404
    pete = make_member("Pete", is_staff=True)
    pete.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    for member, status in ((alice, 302), (pete, 403)):
        client.force_login(member)
        for name in ("withdraw", "undo_withdrawal"):
            assert client.get(address(batch, name)).status_code == status
            assert client.post(address(batch, name), {"reason": "x"}).status_code == status
    assert address(batch) not in report(client, batch)
    assert "withdrawn" not in statuses(batch)


# --- with buyers at work ----------------------------------------------------------------------------------------------


def batch_of(lead: Lead) -> ImportBatch:
    batch = ImportBatch.objects.create(
        sha256="0" * 64, state="done", started_at=clock.now(), ended_at=clock.now(), read_to=2
    )
    ImportRow.objects.create(batch=batch, line=2, outcome="accepted", lead=lead)
    return batch


def buy_while_it_is_withdrawn() -> tuple[str, int]:
    """The last slot is sold while the withdrawal waits for its lock; the status in the end, and how many it took."""
    lead, charlie = make_lead(), make_charlie()
    batch = batch_of(lead)
    taken = threading.Event()

    def buyer():
        with transactions.transaction.atomic():
            take_slot(lead.pk, lead.price_cents)
            taken.set()
            wait_for_a_blocked_query()

    def staff():
        taken.wait(timeout=30)
        withdraw(charlie, batch, reason="A test.")

    assert [one.error for one in race([buyer, staff])] == [None, None]
    lead.refresh_from_db()
    return lead.status, WithdrawnLead.objects.count()


@pytest.mark.postgresql
@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_what_is_sold_meanwhile_stays_sold():
    assert buy_while_it_is_withdrawn() == ("sold", 0)


@pytest.mark.postgresql
@pytest.mark.race
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("guards_off", "ends"), [("lock", "sold"), ("status", "sold"), ("both", "withdrawn")])
def test_control_without_both_guards_the_sale_is_lost(monkeypatch, guards_off, ends):
    """Either is enough: leads locked before they are looked at, and a look at their status once they are."""
    if guards_off in ("lock", "both"):
        monkeypatch.setattr(LeadQuerySet, "select_for_update", lambda leads, **how: leads)
    if guards_off in ("status", "both"):
        monkeypatch.setattr(withdrawals, "_still_unsold", lambda ids: Lead.objects.filter(pk__in=ids))
    assert buy_while_it_is_withdrawn()[0] == ends


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_buyers_and_staff_at_once():
    """Each buyer has the lead or is told; what is bought is never lost, whoever was first."""
    charlie = make_charlie()
    buyers = [make_member(f"Racer{number}", cents=100_00) for number in range(10)]
    lead = make_lead(buyers=3, price_cents=24_50)
    batch = batch_of(lead)
    jobs = [lambda buyer=buyer: buy_lead(buyer, lead, price_seen=24_50, key=new_id()) for buyer in buyers]
    results = race([*jobs[:5], lambda: withdraw(charlie, batch, reason="A test."), *jobs[5:]])
    bought = sum(1 for one in results if one.kind == "ok") - (results[5].kind == "ok")
    lead.refresh_from_db()
    assert {one.kind for one in results} <= {"ok", "LeadUnavailable", "NothingToWithdraw"}
    assert (lead.slots_sold, lead.purchases.count()) == (bought, bought)
    assert lead.status == ("sold" if bought == 3 else "withdrawn")


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_two_members_of_staff_at_once():
    batch = batch_of(make_lead())
    charlie = make_charlie()
    results = race([lambda: withdraw(charlie, batch, reason="A test.")] * 4)
    assert sorted(one.kind for one in results) == ["NothingToWithdraw"] * 3 + ["ok"]
    results = race([lambda: undo(charlie, batch)] * 4)
    assert sorted(one.kind for one in results) == ["NothingToPutBack"] * 3 + ["ok"]
    assert Lead.objects.get().status == "open"
