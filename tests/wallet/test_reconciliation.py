"""Our books against the processor's report: what agrees is counted, what differs is named, and nothing is guessed."""

import itertools
from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.db import IntegrityError, transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from marketplace.core import clock
from marketplace.demo_data import people
from marketplace.ledger import services as ledger
from marketplace.ledger.models import Transfer
from marketplace.mail.models import OutgoingEmail
from marketplace.mail.services import render
from marketplace.wallet import deposits, gateway, reconciliation, tasks
from marketplace.wallet.models import ProcessorMovement, Reconciliation, ReconciliationFinding
from tests.guards import lifted
from tests.processor import ProcessorError
from tests.races.rig import race, tally
from tests.wallet.conftest import Site, alerts, at_the_processor, in_the_books

pytestmark = pytest.mark.django_db
State = Reconciliation.State
Kind = ReconciliationFinding.Kind
LATER = timedelta(hours=3)


def later(wait: timedelta = LATER) -> Reconciliation:
    """A run when nothing is young any more."""
    with time_machine.travel(clock.now() + wait):
        run = reconciliation.reconcile()
    assert run is not None
    return run


def found() -> dict[str, tuple[int, int]]:
    """The open findings: kind and fact, with what the processor and our books say."""
    rows = ReconciliationFinding.objects.open()
    return {f"{row.kind} {row.reference}".strip(): (row.cents_theirs, row.cents_ours) for row in rows}


def movement(site: Site, **wanted: object) -> dict:
    """The one movement of the processor's balance that looks like this."""
    (one,) = site.processor.store.find("balance_transaction", **wanted)
    return one


def change(site: Site, moved: dict, **values: object) -> None:
    """The processor's report says something else of a movement."""
    site.processor.store.save(moved | values)


def lose(site: Site, moved: dict) -> None:
    """The processor knows nothing of a movement any more."""
    site.processor.store._execute("DELETE FROM objects WHERE id = ?", moved["id"])


@pytest.fixture
def crooked(processor, owner) -> Site:
    """A site whose books may differ from the processor's at the end of the test."""
    return Site(processor)


@pytest.fixture
def life(site, buyer, owner) -> Site:
    """Everything that happens to money: deposits, refunds, disputes, payouts, fees, and a payment nobody knows."""
    return live(site, buyer)


def live(site: Site, buyer) -> Site:
    _, one = site.funded(buyer)
    _, two = site.funded(buyer, 5_000)
    _, three = site.funded(buyer, 4_000)
    site.processor.refund(one, 1_000)
    site.processor.fail_refund(site.processor.refund(one, 500)["id"])
    site.processor.refund(one, 700, status="pending")
    site.processor.close_dispute(site.processor.open_dispute(two)["id"], "won")
    site.processor.close_dispute(site.processor.open_dispute(three, 3_000)["id"], "lost")
    site.processor.refund(site.processor.stray_payment(9_000)["id"], 2_000)
    site.hear()
    site.processor.charge_us(250)
    site.processor.charge_us(-40)
    site.processor.fail_payout(site.processor.payout(2_000)["id"])
    site.processor.pay_out(site.processor.payout(3_000, fee=45)["id"])
    return site


def test_it_works(life):
    run = reconciliation.reconcile()
    assert (run.state, run.difference_cents, run.waiting, run.problem) == (State.DONE, 0, 0, "")
    assert run.processor_cents == run.books_cents == at_the_processor(life.processor)
    # Four payments, four refunds of which one failed, two disputes of which one was won, two fees, two payouts of which
    # one failed and one cost a fee.
    assert run.matched == 4 + 5 + 3 + 2 + 4
    assert found() == {}
    assert in_the_books("bank") == 3_000
    assert not alerts() & {"reconciliation:1"}


def test_what_nobody_else_books_is_booked_once(life):
    for _ in range(3):
        reconciliation.reconcile()
    booked = Transfer.objects.filter(kind="payout").order_by("reference").values_list("debit__kind", "amount")
    assert sorted(booked) == [("bank", 2_000), ("bank", 3_000), ("processor", 2_000)]
    own = Transfer.objects.filter(kind="fee", reference__startswith="txn_")
    assert sorted(own.values_list("debit__kind", "amount")) == [
        ("processor", 40),
        ("processor_fees", 45),
        ("processor_fees", 250),
    ]


def test_nothing_at_all(site):
    run = reconciliation.reconcile()
    assert (run.state, run.matched, run.difference_cents) == (State.DONE, 0, 0)


def test_no_description_and_no_payer_is_kept(life):
    reconciliation.reconcile()
    kept = str(list(ProcessorMovement.objects.values()))
    assert "REFUND" not in kept and "Chargeback" not in kept and "Pat" not in kept and "@" not in kept


# --- what differs is named --------------------------------------------------------------------------------------------


def only_at_the_processor(site: Site, intent: str) -> str:
    refund = site.processor.refund(intent, 1_500)
    site.miss()
    return f"only_processor {refund['id']}:out"


def an_adjustment(site: Site, intent: str) -> str:
    return f"only_processor {site.processor.adjust(-900)['id']}"


def an_adjustment_upwards(site: Site, intent: str) -> str:
    return f"only_processor {site.processor.adjust(900)['id']}"


def only_in_our_books(site: Site, intent: str) -> str:
    ledger.transfer("processor", "revenue", 1_234, kind="suspense", reference="re_nobody:out")
    return "only_books re_nobody:out"


def gone_from_the_report(site: Site, intent: str) -> str:
    lose(site, movement(site, type="charge"))
    return f"only_books {intent}:credit"


def a_fee_only_in_our_books(site: Site, intent: str) -> str:
    ledger.transfer("dispute_fees", "processor", 1_500, kind="fee", reference="du_nobody:fee")
    return "only_books du_nobody:withdrawn"


def costs_that_never_left_the_processor(site: Site, intent: str) -> str:
    ledger.transfer("processor_fees", "revenue", 80, kind="fee", reference="nobody")
    return "only_books nobody"


def another_amount(site: Site, intent: str) -> str:
    moved = movement(site, type="charge")
    change(site, moved, amount=9_900, net=9_900 - moved["fee"])
    return f"amount {intent}:credit"


def another_fee(site: Site, intent: str) -> str:
    moved = movement(site, type="charge")
    change(site, moved, fee=moved["fee"] + 7, net=moved["net"] - 7)
    return f"fee {intent}:credit"


def no_fee_in_our_books(site: Site, intent: str) -> str:
    with lifted():
        Transfer.objects.filter(reference=f"{intent}:fee").delete()
    return f"fee {intent}:credit"


def a_fee_paid_by_another_account(site: Site, intent: str) -> str:
    with lifted():
        bank = ledger.Account.objects.get(kind="bank")
        Transfer.objects.filter(reference=f"{intent}:fee").update(debit=bank)
    return f"fee {intent}:credit"


def a_fee_that_was_reversed(site: Site, intent: str) -> str:
    ledger.reverse(Transfer.objects.get(reference=f"{intent}:fee"), reference="a mistake")
    return f"fee {intent}:credit"


def twice_at_the_processor(site: Site, intent: str) -> str:
    moved = movement(site, type="charge")
    site.processor.store.add(moved | {"id": "txn_again"})
    return f"twice_processor {intent}:credit"


def twice_in_our_books(site: Site, intent: str) -> str:
    ledger.transfer("processor", "revenue", 10_000, kind="suspense", reference=f"{intent}:again")
    return f"twice_books {intent}:again"


def twice_under_one_reference(site: Site, intent: str) -> str:
    ledger.transfer("processor", "revenue", 10_000, kind="suspense", reference=f"{intent}:credit", line=1)
    return f"twice_books {intent}:credit"


def another_currency(site: Site, intent: str) -> str:
    stray = site.processor.stray_payment(6_000, "eur")["id"]
    site.hear()
    return f"currency {stray}:credit"


def the_balance(site: Site, intent: str) -> str:
    """Something the list does not have, and that no fact of ours is missing."""
    moved = site.processor.adjust(333)
    site.processor.faults.hide(moved["id"])
    return "balance"


def a_movement_before_our_time(site: Site, intent: str) -> str:
    moved = site.processor.adjust(333)
    change(site, movement(site, id=moved["id"]), created=moved["created"] - 90 * 24 * 3600)
    site.processor.store._execute("UPDATE objects SET created = created - 7776000 WHERE id = ?", moved["id"])
    return "balance"


DIFFERENCES: dict[str, list[Callable[[Site, str], str]]] = {
    Kind.ONLY_PROCESSOR: [only_at_the_processor, an_adjustment, an_adjustment_upwards],
    Kind.ONLY_BOOKS: [
        *(only_in_our_books, gone_from_the_report, a_fee_only_in_our_books),
        costs_that_never_left_the_processor,
    ],
    Kind.AMOUNT: [another_amount],
    Kind.FEE: [another_fee, no_fee_in_our_books, a_fee_paid_by_another_account, a_fee_that_was_reversed],
    Kind.TWICE_PROCESSOR: [twice_at_the_processor],
    Kind.TWICE_BOOKS: [twice_in_our_books, twice_under_one_reference],
    Kind.CURRENCY: [another_currency],
    Kind.BALANCE: [the_balance, a_movement_before_our_time],
}


def test_no_kind_is_left_out():
    assert set(DIFFERENCES) == set(Kind)


@pytest.mark.parametrize(("kind", "difference"), [(kind, one) for kind, all_ in DIFFERENCES.items() for one in all_])
def test_each_difference_is_found_by_name(crooked, buyer, kind, difference):
    _, intent = crooked.funded(buyer)
    name = difference(crooked, intent)
    run = later()
    assert set(found()) == {name}
    assert name.startswith(kind)
    ((theirs, ours),) = found().values()
    assert theirs != ours
    assert run.difference_cents == at_the_processor(crooked.processor) - in_the_books("processor")
    assert f"reconciliation:{run.pk}" in alerts()


def test_control_a_matcher_that_sees_one_side_only_lets_differences_pass(crooked, buyer, monkeypatch):
    _, intent = crooked.funded(buyer)
    only_at_the_processor(crooked, intent)
    only_in_our_books(crooked, intent)
    monkeypatch.setattr(reconciliation, "_facts_of_the_report", lambda since: set())
    later()
    assert "only_books re_nobody:out" in found()
    assert not any(name.startswith("only_processor") for name in found())
    assert "balance" in found(), "what no name is found for is still told as a sum"


def test_control_the_other_side(crooked, buyer, monkeypatch):
    _, intent = crooked.funded(buyer)
    name = only_at_the_processor(crooked, intent)
    only_in_our_books(crooked, intent)
    monkeypatch.setattr(reconciliation, "_facts_of_the_books", lambda since: set())
    later()
    assert name in found()
    assert "only_books re_nobody:out" not in found()


# --- what is no difference --------------------------------------------------------------------------------------------


def test_a_mistake_and_its_reversal_say_nothing(site):
    ledger.transfer("processor", "revenue", 700, kind="suspense", reference="re_nobody:out")
    ledger.reverse(Transfer.objects.get(), reference="a mistake")
    assert later().difference_cents == 0
    assert found() == {}


def test_a_charge_that_is_reversed_here_and_never_was_there(crooked, buyer):
    _, intent = crooked.funded(buyer)
    lose(crooked, movement(crooked, type="charge"))
    for booked in Transfer.objects.filter(reference__startswith=intent):
        ledger.reverse(booked, reference=f"mistake:{booked.pk}")
    assert later().difference_cents == 0
    assert found() == {}


def test_what_is_young_waits_and_becomes_a_finding(site, buyer, owner):
    site.funded(buyer)
    stray = site.processor.stray_payment(9_000)["id"]
    run = reconciliation.reconcile()
    assert (run.state, run.waiting, run.waiting_cents, run.difference_cents) == (State.DONE, 1, 9_000 - 291, 0)
    assert run.waiting_since is not None
    assert (found(), alerts()) == ({}, set())
    assert later().difference_cents == 9_000 - 291
    assert found() == {f"only_processor {stray}:credit": (9_000 - 291, 0)}
    site.hear()
    assert later(2 * LATER).difference_cents == 0
    assert found() == {}


def test_a_fee_that_comes_late_waits(site, buyer):
    site.processor.faults.late_fee()
    _, intent = site.funded(buyer)
    run = reconciliation.reconcile()
    assert (run.waiting, run.waiting_cents, found()) == (1, -10_000, {})
    site.processor.book_fee(intent)
    site.hear()
    assert (later().difference_cents, found()) == (0, {})


def test_what_waits_is_looked_at_again_however_old(site, buyer, owner):
    deposit = site.start(buyer)
    site.processor.async_payment(deposit.session_id, booked=True)
    site.hear()
    for days in (1, 4, 8):
        run = later(timedelta(days=days))
        assert (run.waiting, run.difference_cents, found()) == (1, 0, {})
    later(timedelta(days=15))
    assert [name.split()[0] for name in found()] == ["only_processor"]
    site.processor.async_succeeded(deposit.session_id)
    site.hear()
    assert (later(timedelta(days=16)).difference_cents, found()) == (0, {})


def test_a_bank_debit_that_fails_and_the_card_that_pays_instead(site, buyer):
    deposit = site.start(buyer)
    site.processor.async_payment(deposit.session_id, booked=True)
    site.processor.async_failed(deposit.session_id)
    site.hear()
    assert (later().difference_cents, found()) == (0, {})


def test_foreign_money_that_went_back_is_no_finding_any_more(crooked, owner):
    stray = crooked.processor.stray_payment(6_000, "eur")["id"]
    crooked.hear()
    later()
    assert list(found()) == [f"currency {stray}:credit"]
    crooked.processor.refund(stray)
    crooked.hear()
    later(2 * LATER)
    assert found() == {}


def test_a_dispute_that_is_withdrawn_in_two_parts_is_one_sum(crooked, buyer):
    _, intent = crooked.funded(buyer)
    crooked.processor.open_dispute(intent, 3_000)
    crooked.hear()
    moved = movement(crooked, type="adjustment")
    change(crooked, moved, amount=-2_000, net=-2_000 - 1_500)
    crooked.processor.store.add(moved | {"id": "txn_part", "amount": -1_000, "fee": 0, "net": -1_000})
    assert (later().difference_cents, found()) == (0, {})


def test_the_demo_agrees_with_its_processor(site, owner, settings):
    settings.DEBUG = True
    people.make_people()
    people.fund()
    for payment_id, _, cents in people.PAYMENTS:
        site.processor.earlier_payment(payment_id, cents)
    assert (later().difference_cents, found()) == (0, {})


# --- findings ---------------------------------------------------------------------------------------------------------


def test_a_finding_is_one_row_and_told_once(crooked, buyer):
    only_in_our_books(crooked, "")
    first = later()
    second = later(2 * LATER)
    (row,) = ReconciliationFinding.objects.all()
    assert (row.first_run, row.last_run, row.closed_at) == (first, second, None)
    assert row.first_seen < row.last_seen
    assert list(ReconciliationFinding.objects.of_run(first)) == [row]
    assert list(ReconciliationFinding.objects.of_run(second)) == [row]
    assert alerts() == {f"reconciliation:{first.pk}"}


def test_a_finding_that_is_gone_is_closed_and_one_that_comes_back_is_told_again(crooked, buyer):
    crooked.funded(buyer)
    moved = movement(crooked, type="charge")
    lose(crooked, moved)
    later()
    crooked.processor.store.add(moved)
    healed = later(2 * LATER)
    (row,) = ReconciliationFinding.objects.filter(kind=Kind.ONLY_BOOKS)
    assert (row.closed_at, healed.difference_cents) == (healed.ended_at, 0)
    ProcessorMovement.objects.all().delete()
    lose(crooked, moved)
    again = later(3 * LATER)
    row.refresh_from_db()
    assert row.closed_at is None
    assert f"reconciliation:{again.pk}" in alerts()


def test_other_figures_are_told_again(crooked, buyer):
    ledger.transfer("processor", "revenue", 700, kind="suspense", reference="re_nobody:out")
    later()
    ledger.transfer("processor", "revenue", 50, kind="suspense", reference="re_nobody:out", line=1)
    second = later(2 * LATER)
    assert found() == {"only_books re_nobody:out": (0, 750)}
    assert f"reconciliation:{second.pk}" in alerts()


def test_the_mail_names_the_difference(crooked, buyer):
    crooked.funded(buyer)
    only_in_our_books(crooked, "")
    later()
    mail = render(OutgoingEmail.objects.get(key__startswith="alert:reconciliation"))
    assert mail.subject == "The card processor and our books differ by −$12.34"
    assert "$96.80 for us, our books say $109.14" in mail.body
    assert "Only in our books: re_nobody:out: $0.00 at the processor, $12.34 in our books" in mail.body


def test_of_many_findings_the_mail_names_the_first_twenty(crooked, buyer):
    for number in range(25):
        ledger.transfer("processor", "revenue", 1, kind="suspense", reference=f"re_{number}:out")
    later()
    mail = render(OutgoingEmail.objects.get(key__startswith="alert:reconciliation"))
    assert mail.body.count("Only in our books") == 20
    assert "And 5 more." in mail.body


# --- a report with faults ---------------------------------------------------------------------------------------------


def test_a_doubled_page_matches_once(life):
    life.processor.faults.double()
    run = reconciliation.reconcile()
    assert (run.difference_cents, run.matched, found()) == (0, 18, {})


def test_more_than_a_page(site, buyer, monkeypatch):
    site.funded(buyer)
    for cents in range(250):
        site.processor.charge_us(cents + 1)
    run = reconciliation.reconcile()
    assert (run.difference_cents, run.matched) == (0, 251)


def test_what_was_missing_in_the_report_heals(crooked, buyer):
    _, intent = crooked.funded(buyer)
    crooked.processor.faults.hide(movement(crooked, type="charge")["id"])
    assert later().difference_cents == 0, "the balance has it"
    assert set(found()) == {f"only_books {intent}:credit", "balance"}
    later(timedelta(days=7))
    assert set(found()) == {f"only_books {intent}:credit", "balance"}
    crooked.processor.faults.clear()
    assert later(timedelta(days=8)).difference_cents == 0
    assert found() == {}


def test_days_without_a_run_are_made_up_for(site, buyer):
    reconciliation.reconcile()
    with time_machine.travel(clock.now() + timedelta(days=1)):
        site.funded(buyer)
        site.processor.charge_us(90)
    with time_machine.travel(clock.now() + timedelta(days=9)):
        run = reconciliation.reconcile()
        assert (run.difference_cents, run.matched, found()) == (0, 2, {})


def test_control_without_the_overlap_a_late_movement_is_missed(crooked, buyer, monkeypatch):
    """The processor lists a movement a day late: the next run still sees it, because it begins two days earlier."""
    crooked.funded(buyer)
    moved = movement(crooked, type="charge")

    def runs(overlap: timedelta) -> int:
        monkeypatch.setattr(reconciliation, "OVERLAP", overlap)
        ReconciliationFinding.objects.all().delete()
        Reconciliation.objects.all().delete()
        ProcessorMovement.objects.all().delete()
        crooked.processor.faults.hide(moved["id"])
        later()
        ReconciliationFinding.objects.update(closed_at=clock.now())  # so that it is not looked for because it is open
        crooked.processor.faults.clear()
        later(timedelta(hours=20))
        return ProcessorMovement.objects.count()

    assert runs(reconciliation.OVERLAP) == 1
    assert runs(timedelta(0)) == 0


def test_the_clock_of_the_processor_is_behind(site, buyer):
    site.processor.advance_clock(-1_800)
    site.funded(buyer)
    assert reconciliation.reconcile().difference_cents == 0
    site.funded(buyer)
    assert (reconciliation.reconcile().difference_cents, found()) == (0, {})


# --- runs -------------------------------------------------------------------------------------------------------------


def snapshot() -> tuple:
    return (
        list(Transfer.objects.order_by("id").values_list("reference", "line")),
        list(ReconciliationFinding.objects.values_list("pk")),
        OutgoingEmail.objects.count(),
    )


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("place", ["_keep", "_read_rest", "_book_own", "_books", "_add_ours", "_write_down"])
def test_a_run_that_is_killed_changed_nothing_and_is_gone_on_with(crooked, buyer, monkeypatch, place):
    live(crooked, buyer)
    only_in_our_books(crooked, "")
    before = snapshot()

    def die(*args: object, **kwargs: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(reconciliation, place, die)
        with pytest.raises(Killed):
            later()
    assert snapshot() == before
    (run,) = Reconciliation.objects.all()
    assert run.state == State.RUNNING
    with time_machine.travel(clock.now() + LATER):
        assert reconciliation.reconcile() is None, "somebody may still be at it"
    assert later(2 * LATER).state == State.DONE, "its lease is over"
    assert set(found()) == {"only_books re_nobody:out"}
    assert Reconciliation.objects.count() == 1


def test_a_processor_that_goes_away_in_the_middle(crooked, buyer, impatient):
    live(crooked, buyer)
    before = snapshot()
    crooked.processor.faults.fail_before("GET", "/v1/balance", times=None)
    with pytest.raises(gateway.ProcessorDown):
        reconciliation.reconcile()
    (run,) = Reconciliation.objects.all()
    assert (run.state, run.problem, snapshot()) == (State.RUNNING, "ProcessorDown", before)
    tasks.reconcile()
    crooked.processor.faults.clear()
    tasks.reconcile()
    run.refresh_from_db()
    assert (run.state, run.problem, run.difference_cents, Reconciliation.objects.count()) == (State.DONE, "", 0, 1)


def test_a_processor_that_stays_away_is_told(crooked, impatient):
    crooked.processor.faults.fail_before("GET", "/v1/balance", times=None)
    tasks.reconcile()
    assert alerts() == set()
    for hours in (7, 8):
        with time_machine.travel(clock.now() + timedelta(hours=hours)):
            tasks.reconcile()
    assert alerts() == {f"reconciliation-late:run {Reconciliation.objects.get().pk}"}


def test_a_run_that_fails_is_told_and_another_begins_after_an_hour(crooked, monkeypatch):
    def fail(*args: object) -> None:
        raise ValueError("a slip of ours")

    with monkeypatch.context() as patched:
        patched.setattr(reconciliation, "_facts", fail)
        with pytest.raises(ValueError, match="of ours"):
            tasks.reconcile()
        tasks.reconcile()
    (run,) = Reconciliation.objects.all()
    assert (run.state, run.problem) == (State.FAILED, "ValueError")
    assert alerts() == {f"reconciliation-failed:run {run.pk}"}
    with time_machine.travel(clock.now() + timedelta(hours=2)):
        tasks.reconcile()
    assert [row.state for row in Reconciliation.objects.order_by("id")] == [State.FAILED, State.DONE]


def test_once_a_day(site):
    for hours in (0, 1, 23, 25, 26):
        with time_machine.travel(clock.now() + timedelta(hours=hours)):
            tasks.reconcile()
    assert Reconciliation.objects.count() == 2


def test_a_long_history_is_read_in_parts(site, buyer):
    site.funded(buyer)
    first = reconciliation.reconcile(seconds=0)
    assert first.state == State.RUNNING
    parts = list(
        itertools.takewhile(
            lambda run: run.state == State.RUNNING, iter(lambda: reconciliation.reconcile(seconds=0), None)
        )
    )
    reached = [run.read_until for run in parts]
    assert reached == sorted(set(reached))
    run = Reconciliation.objects.get()
    assert (run.state, run.difference_cents, run.matched) == (State.DONE, 0, 1)


def test_one_at_a_time(site, monkeypatch):
    seen = []

    def look(run: Reconciliation) -> int:
        seen.append(reconciliation.reconcile())
        return 0

    monkeypatch.setattr(reconciliation, "_read_rest", look)
    reconciliation.reconcile()
    assert seen == [None]


@pytest.mark.django_db(transaction=True)
def test_many_workers_begin_at_the_same_moment(site, buyer):
    site.funded(buyer)
    site.processor.charge_us(5)
    assert tally(race([reconciliation.reconcile] * 4)) == {"ok": 4}
    runs = list(Reconciliation.objects.order_by("id"))
    assert {(run.state, run.difference_cents) for run in runs} == {(State.DONE, 0)}
    assert all(first.ended_at <= second.started_at for first, second in itertools.pairwise(runs))
    assert Transfer.objects.filter(reference__startswith="txn_").count() == 1


def test_two_cannot_run_at_once(db):
    now = clock.now()
    values = {"since": now, "read_until": now, "started_at": now, "claimed_until": now}
    Reconciliation.objects.create(**values)
    with (
        pytest.raises(IntegrityError, match=r"wallet_one_reconciliation|wallet_reconciliation\.state"),
        transaction.atomic(),
    ):
        Reconciliation.objects.create(**values)


def test_who_was_overtaken_ends_nothing(site, monkeypatch):
    def slow(run: Reconciliation) -> int:
        Reconciliation.objects.update(claim="another")
        return 0

    monkeypatch.setattr(reconciliation, "_read_rest", slow)
    assert reconciliation.reconcile().state == State.RUNNING
    assert not ReconciliationFinding.objects.exists()


def test_control_without_the_claim_it_would(crooked, monkeypatch):
    def slow(run: Reconciliation) -> int:
        Reconciliation.objects.update(claim="another")
        return 777

    monkeypatch.setattr(reconciliation, "_read_rest", slow)
    monkeypatch.setattr(reconciliation, "_mine", lambda run: Reconciliation.objects.filter(pk=run.pk))
    assert reconciliation.reconcile().state == State.DONE
    assert found() == {"balance": (777, 0)}


def test_money_that_moves_while_we_look_is_looked_at_again(site, monkeypatch):
    ask = gateway.balance
    left = [30, 20]

    def balance() -> int:
        held = ask()
        if left:
            site.processor.charge_us(left.pop())
        return held

    monkeypatch.setattr(gateway, "balance", balance)
    run = reconciliation.reconcile()
    assert (run.state, run.difference_cents, run.matched, found()) == (State.DONE, 0, 2, {})


def test_control_with_one_look_it_would_be_a_difference(crooked, monkeypatch):
    ask = gateway.balance

    def balance() -> int:
        held = ask()
        crooked.processor.charge_us(20)
        return held

    monkeypatch.setattr(gateway, "balance", balance)
    run = reconciliation.reconcile()
    assert (run.state, run.problem) == (State.RUNNING, "StillMoving"), "it moves at every look"
    monkeypatch.setattr(
        reconciliation,
        "_read_rest",
        lambda run: (reconciliation._keep(gateway.movements(run.since)), balance())[1] + 20,
    )
    reconciliation.reconcile()
    assert found()["balance"]


def test_books_that_move_while_we_compare_are_looked_at_later(site, buyer, monkeypatch):
    site.funded(buyer)
    look = reconciliation._facts

    def facts(since):
        ledger.transfer("processor", "suspense", 5, kind="suspense", reference="pi_meanwhile:credit")
        return look(since)

    with monkeypatch.context() as patched:
        patched.setattr(reconciliation, "_facts", facts)
        run = reconciliation.reconcile()
    assert (run.state, run.problem, found()) == (State.RUNNING, "StillMoving", {})
    assert reconciliation.reconcile().difference_cents == 0


# --- any history ------------------------------------------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *("pay", "stray", "refund", "fail", "dispute", "inquire", "win", "lose", "payout", "unpay", "fee"),
                *("debit", "debited", "undebited", "hear"),
            ]
        ),
        st.integers(1, 9_000),
    ),
    max_size=25,
)


def step(site: Site, buyer, what: str, cents: int) -> None:
    """One thing that may happen at the processor; what cannot happen now is refused there."""
    p = site.processor
    intents = [one["id"] for one in p.store.find("payment_intent") if one["status"] == "succeeded"]
    some = intents[cents % len(intents)] if intents else ""
    waiting = [one["id"] for one in p.store.find("checkout.session") if one["payment_status"] == "unpaid"]
    disputes = [one["id"] for one in p.store.find("dispute")]
    actions: dict[str, Callable[[], object]] = {
        "pay": lambda: site.pay(site.start(buyer, 2_500 + cents)),
        "stray": lambda: p.stray_payment(100 + cents),
        "refund": lambda: p.refund(some, cents, status="pending" if cents % 2 else "succeeded"),
        "fail": lambda: p.fail_refund(p.store.find("refund")[-1]["id"]),
        "dispute": lambda: p.open_dispute(some, cents),
        "inquire": lambda: p.open_dispute(some, cents, withdraw=False),
        "win": lambda: p.close_dispute(disputes[-1], "won"),
        "lose": lambda: p.close_dispute(disputes[-1], "lost"),
        "payout": lambda: p.payout(cents, fee=cents % 3),
        "unpay": lambda: p.fail_payout(p.store.find("payout")[-1]["id"]),
        "fee": lambda: p.charge_us(cents if cents % 5 else -cents),
        "debit": lambda: p.async_payment(site.start(buyer).session_id, booked=bool(cents % 2)),
        "debited": lambda: p.async_succeeded(waiting[-1]),
        "undebited": lambda: p.async_failed(waiting[-1]),
        "hear": site.hear,
    }
    try:
        actions[what]()
    except (ProcessorError, IndexError):
        return


@pytest.fixture
def as_many_deposits_as_they_like(monkeypatch) -> None:
    monkeypatch.setattr(deposits, "DEPOSITS_PER_HOUR", 10_000)


LIMITS = {"max_examples": 30, "deadline": None, "database": None, "derandomize": True, "phases": [Phase.generate]}


@settings(suppress_health_check=list(HealthCheck), **LIMITS)
@given(steps=STEPS)
def test_any_history_reconciles_to_nothing(crooked, buyer, as_many_deposits_as_they_like, steps):
    """One history after the other, each on top of those before."""
    for what, cents in steps:
        step(crooked, buyer, what, cents)
    crooked.hear()
    run = later()
    assert (run.state, run.difference_cents, found()) == (State.DONE, 0, {})
    assert at_the_processor(crooked.processor) == run.processor_cents
    assert in_the_books("processor") == run.processor_cents - run.waiting_cents
