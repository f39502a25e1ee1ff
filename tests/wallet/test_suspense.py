"""Unexplained money is a row people work on: one says whose it is, another decides, and it is given away once."""

import threading
from datetime import timedelta
from importlib import import_module

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.urls import reverse

from accounts.models import User
from marketplace.core import clock
from marketplace.core.ids import new_id
from marketplace.core.two_people import AlreadyDecided, FormUsed, SamePerson, take_back
from marketplace.ledger import services as ledger
from marketplace.ledger.models import Transfer
from marketplace.mail.models import OutgoingEmail
from marketplace.mail.services import render
from marketplace.wallet import checks, deposits, disputes, emails, reconciliation, refunds, suspense, tasks
from marketplace.wallet.gateway import DisputeFact, Payment, RefundFact
from marketplace.wallet.models import Deposit, Dispute, Refund, Resolution, UnexplainedPayment
from tests.guards import lifted
from tests.people import make_bob, make_member
from tests.races.rig import race, tally
from tests.wallet.conftest import again, alerts, balance
from tests.wallet.conftest import suspense as in_suspense

pytestmark = pytest.mark.django_db
WHY = "The bank's paper names them."
STRAY = Payment("pi_9", "succeeded", 9_000, "usd", "", 9_000, 291)


def staff(name: str, *codenames: str) -> User:
    """Staff with these permissions of the wallet."""
    user = make_member(name, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="wallet", codename__in=codenames))
    return user


@pytest.fixture
def maker(db) -> User:
    return staff("Marta", "add_resolution", "decide_resolution")


@pytest.fixture
def checker(db) -> User:
    return staff("Chen", "add_resolution", "decide_resolution")


@pytest.fixture
def payment(owner) -> UnexplainedPayment:
    """$90.00 of nobody."""
    deposits.settle(STRAY)
    return UnexplainedPayment.objects.get()


@pytest.fixture(autouse=True)
def _rows_and_books_agree(request):
    yield
    if "db" in request.fixturenames and not request.node.get_closest_marker("django_db").kwargs.get("transaction"):
        assert list(checks.findings()) == []


def test_it_works(payment, maker, checker, buyer):
    assert (payment.intent_id, payment.left_cents, in_suspense()) == ("pi_9", 9_000, 9_000)
    asked = suspense.ask(maker, payment, member=buyer, reason=WHY)
    assert (asked.is_waiting, asked.amount_cents, balance(buyer)) == (True, 9_000, 0)
    assert asked.sentence == "Put $90.00 of payment pi_9 on the balance of Alice"
    suspense.approve(checker, asked)
    assert (balance(buyer), in_suspense(), again(payment).left_cents) == (9_000, 0, 0)
    deposit = Deposit.objects.get()
    assert (deposit.buyer, deposit.state, deposit.intent_id) == (buyer, "paid", "pi_9")
    assert (deposit.received_cents, deposit.amount_cents) == (9_000, 9_000)
    assert (again(asked).state, again(asked).checker) == ("approved", checker)
    assert again(asked).carried_out_at
    mail = render(OutgoingEmail.objects.get(key=f"payment-found:{asked.public_id}"))
    assert mail.to == [buyer.email]
    assert "$90.00" in mail.subject
    assert reverse("wallet:receipt", args=[deposit.public_id]) in mail.body


def test_the_member_sees_it(payment, maker, checker, buyer, as_buyer):
    suspense.approve(checker, suspense.ask(maker, payment, member=buyer, reason=WHY))
    deposit = Deposit.objects.get()
    page = as_buyer.get(reverse("wallet:wallet")).content.decode()
    assert "Payment found for you" in page
    assert reverse("wallet:receipt", args=[deposit.public_id]) in page
    assert "$90.00" in as_buyer.get(reverse("wallet:receipt", args=[deposit.public_id])).content.decode()
    found = as_buyer.get(reverse("wallet:wallet"), {"kind": "resolved"}).content.decode()
    assert "Payment found for you" in found


@pytest.mark.parametrize("cents", [1, 700_000])
def test_any_amount(owner, maker, checker, buyer, cents):
    deposits.settle(Payment("pi_9", "succeeded", cents, "usd", "", cents, 0))
    suspense.approve(checker, suspense.ask(maker, UnexplainedPayment.objects.get(), member=buyer, reason=WHY))
    assert balance(buyer) == cents


def test_what_is_owed_is_paid_first(payment, maker, checker, buyer):
    with transaction.atomic():
        ledger.take_out(ledger.lock(buyer.pk), "processor", 2_000, kind="dispute", reference="test")
    with lifted():
        Transfer.objects.filter(reference="test").update(kind="fee")  # of no dispute of the wallet's
    suspense.approve(checker, suspense.ask(maker, payment, member=buyer, reason=WHY))
    assert balance(buyer) == 7_000


# --- the rows tell what is in suspense --------------------------------------------------------------------------------


def test_it_is_kept_true_by_refunds_and_disputes(payment):
    refunds.apply_refund(RefundFact("re_1", "pi_9", 1_000, "usd", "succeeded", 1_000))
    refunds.apply_refund(RefundFact("re_2", "pi_9", 2_000, "usd", "succeeded", 2_000))
    assert (again(payment).left_cents, in_suspense()) == (6_000, 6_000)
    refunds.apply_refund(RefundFact("re_2", "pi_9", 2_000, "usd", "failed", 2_000))
    disputes.apply_dispute(DisputeFact("du_1", "pi_9", 3_000, "needs_response", 3_000, 1_500, 0))
    assert (again(payment).left_cents, in_suspense()) == (5_000, 5_000)
    disputes.apply_dispute(DisputeFact("du_1", "pi_9", 3_000, "won", 3_000, 1_500, 3_000))
    assert (again(payment).returned_cents, in_suspense()) == (1_000, 8_000)


@pytest.mark.parametrize("times", [1, 3])
def test_told_again_it_is_one_row(owner, times):
    for _ in range(times):
        deposits.settle(STRAY)
    assert (UnexplainedPayment.objects.count(), in_suspense()) == (1, 9_000)


def test_an_exchange_rate_may_leave_less_than_nothing(payment, maker, buyer):
    refunds.apply_refund(RefundFact("re_1", "pi_9", 8_000, "eur", "succeeded", 9_100))
    assert again(payment).left_cents == in_suspense() == -100
    with pytest.raises(suspense.NothingLeft):
        suspense.ask(maker, payment, member=buyer, reason=WHY)


def test_open_are_those_with_something_left(payment):
    assert [row.left for row in UnexplainedPayment.objects.open()] == [9_000]
    refunds.apply_refund(RefundFact("re_1", "pi_9", 9_000, "usd", "succeeded", 9_000))
    assert not UnexplainedPayment.objects.open()


def test_rows_are_made_for_what_was_there_before(payment, owner):
    deposits.settle(Payment("pi_8", "succeeded", 400, "usd", "", 400, 0))
    payment.delete()
    migration = import_module("marketplace.wallet.migrations.0005_rows_for_what_is_in_suspense")
    for _ in range(2):
        migration.make_rows(apps, None)
    rows = UnexplainedPayment.objects.order_by("intent_id").values_list("intent_id", "received_cents")
    assert list(rows) == [("pi_8", 400), ("pi_9", 9_000)]


# --- whose deposit it becomes -----------------------------------------------------------------------------------------


@pytest.fixture
def review(buyer, owner) -> Deposit:
    """A deposit that was paid in euros, $98.00 of ours."""
    now = clock.now()
    deposit = Deposit.objects.create(
        buyer=buyer, amount_cents=10_000, created_at=now, expires_at=now + timedelta(minutes=35), state="open"
    )
    deposits.settle(Payment("pi_9", "succeeded", 9_000, "eur", deposit.public_id, 9_800, 300))
    return again(deposit)


def test_the_deposit_the_processor_names_is_raised(review, maker, checker, buyer):
    assert review.state == "review"
    suspense.approve(checker, suspense.ask(maker, UnexplainedPayment.objects.get(), member=buyer, reason=WHY))
    deposit = Deposit.objects.get()
    assert (deposit.pk, deposit.state, deposit.received_cents, deposit.intent_id) == (review.pk, "paid", 9_800, "pi_9")
    deposits.settle(Payment("pi_9", "succeeded", 9_000, "eur", deposit.public_id, 9_800, 300))
    assert (again(deposit).state, balance(buyer), in_suspense()) == ("paid", 9_800, 0)


def test_not_if_it_is_another_members(review, maker, checker):
    bob = make_bob()
    suspense.approve(checker, suspense.ask(maker, UnexplainedPayment.objects.get(), member=bob, reason=WHY))
    assert (again(review).state, balance(bob)) == ("review", 9_800)
    assert bob.deposits.get().received_cents == 9_800


def test_not_if_it_was_paid_by_another_payment(buyer, owner, maker, checker):
    deposit = Deposit.objects.create(buyer=buyer, amount_cents=9_000, created_at=clock.now(), expires_at=clock.now())
    deposits.settle(Payment("pi_1", "succeeded", 9_000, "usd", deposit.public_id, 9_000, 0))
    deposits.settle(Payment("pi_2", "succeeded", 9_000, "usd", deposit.public_id, 9_000, 0))
    suspense.approve(checker, suspense.ask(maker, UnexplainedPayment.objects.get(), member=buyer, reason=WHY))
    assert balance(buyer) == 18_000
    assert sorted(Deposit.objects.values_list("intent_id", "received_cents")) == [("pi_1", 9_000), ("pi_2", 9_000)]


def test_what_happens_to_it_afterwards_is_the_members(payment, maker, checker, buyer):
    suspense.approve(checker, suspense.ask(maker, payment, member=buyer, reason=WHY))
    refunds.apply_refund(RefundFact("re_1", "pi_9", 1_000, "usd", "succeeded", 1_000))
    disputes.apply_dispute(DisputeFact("du_1", "pi_9", 3_000, "needs_response", 3_000, 1_500, 0))
    assert (balance(buyer), in_suspense(), Refund.objects.count()) == (5_000, 0, 1)
    assert Dispute.objects.get(is_open=True).buyer == buyer
    deposits.settle(STRAY)
    assert (balance(buyer), in_suspense()) == (5_000, 0)


def test_a_refund_in_another_currency_takes_what_it_cost(review, maker, checker, buyer):
    suspense.approve(checker, suspense.ask(maker, UnexplainedPayment.objects.get(), member=buyer, reason=WHY))
    with pytest.raises(refunds.NotSettled):
        refunds.apply_refund(RefundFact("re_1", "pi_9", 1_000, "eur", "pending", None))
    refunds.apply_refund(RefundFact("re_1", "pi_9", 1_000, "eur", "succeeded", 1_100))
    disputes.apply_dispute(DisputeFact("du_1", "pi_9", 2_000, "lost", 2_200, 1_500, 0, currency="eur"))
    assert balance(buyer) == 9_800 - 1_100 - 2_200


def test_what_left_suspense_comes_back_to_it(payment, maker, checker, buyer):
    refunds.apply_refund(RefundFact("re_1", "pi_9", 1_000, "usd", "succeeded", 1_000))
    disputes.apply_dispute(DisputeFact("du_1", "pi_9", 2_000, "needs_response", 2_000, 1_500, 0))
    suspense.approve(checker, suspense.ask(maker, payment, member=buyer, reason=WHY))
    refunds.apply_refund(RefundFact("re_1", "pi_9", 1_000, "usd", "failed", 1_000))
    disputes.apply_dispute(DisputeFact("du_1", "pi_9", 2_000, "won", 2_000, 1_500, 2_000))
    assert (balance(buyer), again(payment).left_cents, in_suspense()) == (6_000, 3_000, 3_000)
    with pytest.raises(suspense.NotTheirs):
        suspense.ask(maker, payment, member=make_bob(), reason=WHY)
    with pytest.raises(suspense.NotTheirs):
        suspense.ask(maker, payment, reason=WHY)
    suspense.approve(checker, suspense.ask(maker, payment, member=buyer, reason=WHY))
    assert (balance(buyer), in_suspense(), Deposit.objects.get().received_cents) == (9_000, 0, 9_000)


# --- who may, and when not --------------------------------------------------------------------------------------------


def test_who_may_not_ask(payment, buyer):
    for user in (buyer, staff("Vera", "view_resolution"), staff("Dora", "decide_resolution")):
        with pytest.raises(PermissionDenied):
            suspense.ask(user, payment, member=make_bob() if user == buyer else buyer, reason=WHY)
    assert not Resolution.objects.exists()


def test_who_may_not_decide(payment, maker, buyer):
    asked = suspense.ask(maker, payment, member=buyer, reason=WHY)
    for user in (buyer, staff("Addy", "add_resolution")):
        with pytest.raises(PermissionDenied):
            suspense.approve(user, asked)
        with pytest.raises(PermissionDenied):
            suspense.decline(user, asked, answer="No")
    assert again(asked).is_waiting


def test_nobody_decides_what_they_asked(payment, maker, buyer):
    asked = suspense.ask(maker, payment, member=buyer, reason=WHY)
    with pytest.raises(SamePerson):
        suspense.approve(maker, asked)
    with pytest.raises(SamePerson):
        suspense.decline(maker, asked, answer="No")
    assert (again(asked).is_waiting, balance(buyer)) == (True, 0)


def test_nobody_gets_what_they_asked_for_or_decided(payment, maker, checker):
    with pytest.raises(SamePerson):
        suspense.ask(maker, payment, member=maker, reason=WHY)
    asked = suspense.ask(maker, payment, member=checker, reason=WHY)
    with pytest.raises(SamePerson):
        suspense.approve(checker, asked)
    assert (again(asked).is_waiting, balance(checker)) == (True, 0)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("wallet_resolution_two_people", lambda maker, checker: {"checker": maker}),
        ("wallet_resolution_not_for_the_maker", lambda maker, checker: {"checker": checker, "member": maker}),
        ("wallet_resolution_not_for_the_checker", lambda maker, checker: {"checker": checker, "member": checker}),
        ("wallet_resolution_of_something", lambda maker, checker: {"checker": checker, "amount_cents": 0}),
    ],
)
def test_the_database_holds_it(payment, maker, checker, buyer, name, changes):
    asked = suspense.ask(maker, payment, member=buyer, reason=WHY)
    decided = {"state": "approved", "decided_at": clock.now()}
    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        Resolution.objects.filter(pk=asked.pk).update(**decided | changes(maker, checker))


def test_the_database_holds_what_is_given(payment):
    with pytest.raises(IntegrityError, match="wallet_resolved_is_not_more"), transaction.atomic():
        UnexplainedPayment.objects.update(resolved_cents=9_001)
    with pytest.raises(IntegrityError, match="wallet_unexplained_is_money"), transaction.atomic():
        UnexplainedPayment.objects.update(received_cents=0)


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_without_a_reason(payment, maker, checker, buyer, reason):
    with pytest.raises(suspense.SayWhy):
        suspense.ask(maker, payment, member=buyer, reason=reason)
    asked = suspense.ask(maker, payment, member=buyer, reason=WHY)
    with pytest.raises(suspense.SayWhy):
        suspense.decline(checker, asked, answer=reason)
    assert again(asked).is_waiting


def test_one_question_at_a_time(payment, maker, checker, buyer):
    asked = suspense.ask(maker, payment, member=buyer, reason=WHY)
    with pytest.raises(suspense.AskedAlready):
        suspense.ask(checker, payment, reason=WHY)
    suspense.decline(checker, asked, answer="It names somebody else.")
    assert (again(asked).state, again(asked).answer, balance(buyer)) == ("declined", "It names somebody else.", 0)
    again_asked = suspense.ask(maker, payment, member=buyer, reason=WHY)
    take_back(again_asked, maker)
    with pytest.raises(AlreadyDecided):
        suspense.approve(checker, again_asked)
    assert balance(buyer) == 0


def test_a_form_sent_twice_asks_once(payment, maker, checker, buyer):
    key = new_id()
    asked = suspense.ask(maker, payment, member=buyer, reason=WHY, key=key)
    assert suspense.ask(maker, payment, member=buyer, reason=WHY, key=key) == asked
    suspense.decline(checker, asked, answer="No")
    with pytest.raises(FormUsed):
        suspense.ask(checker, payment, member=buyer, reason=WHY, key=key)
    assert Resolution.objects.count() == 1


def test_no_card_number_is_kept(payment, maker, buyer):
    asked = suspense.ask(maker, payment, member=buyer, reason="Paid with 4242 4242 4242 4242")
    assert "4242 4242" not in again(asked).reason


def test_the_database_holds_one_question(payment, maker, checker, buyer):
    suspense.ask(maker, payment, member=buyer, reason=WHY)
    with (
        pytest.raises(IntegrityError, match=r"wallet_one_resolution_at_a_time|wallet_resolution\.payment_id"),
        transaction.atomic(),
    ):
        Resolution.objects.create(payment=payment, maker=checker, reason=WHY, amount_cents=1)


def test_never_twice(payment, maker, checker, buyer):
    asked = suspense.ask(maker, payment, member=buyer, reason=WHY)
    suspense.approve(checker, asked)
    with pytest.raises(AlreadyDecided):
        suspense.approve(checker, asked)
    with pytest.raises(AlreadyDecided):
        suspense.decline(checker, asked, answer="No")
    with pytest.raises(suspense.NothingLeft):
        suspense.ask(maker, payment, member=buyer, reason=WHY)
    assert balance(buyer) == 9_000


def test_other_money_than_was_asked_for(payment, maker, checker, buyer):
    asked = suspense.ask(maker, payment, member=buyer, reason=WHY)
    refunds.apply_refund(RefundFact("re_1", "pi_9", 1_000, "usd", "succeeded", 1_000))
    with pytest.raises(suspense.AmountChanged):
        suspense.approve(checker, asked)
    assert (again(asked).is_waiting, balance(buyer), in_suspense()) == (True, 0, 8_000)


def test_a_mail_that_cannot_be_written_undoes_it(payment, maker, checker, buyer, monkeypatch):
    asked = suspense.ask(maker, payment, member=buyer, reason=WHY)

    def fail(*args: object) -> None:
        raise RuntimeError("no mail")

    monkeypatch.setattr(emails, "payment_found", fail)
    with pytest.raises(RuntimeError, match="no mail"):
        suspense.approve(checker, asked)
    assert (again(asked).is_waiting, balance(buyer), in_suspense(), Deposit.objects.count()) == (True, 0, 9_000, 0)


def test_nothing_personal_in_its_name(payment, maker, buyer):
    asked = suspense.ask(maker, payment, member=buyer, reason=WHY)
    for text in (str(asked), str(payment)):
        assert buyer.handle not in text and WHY not in text


# --- races ------------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_two_decide_at_the_same_moment(payment, maker, checker, buyer):
    asked = suspense.ask(maker, payment, member=buyer, reason=WHY)
    other = staff("Olga", "decide_resolution")
    jobs = [lambda who=who: suspense.approve(who, Resolution.objects.get(pk=asked.pk)) for who in (checker, other)]
    assert tally(race(jobs * 3)) == {"ok": 1, "AlreadyDecided": 5}
    assert (balance(buyer), in_suspense()) == (9_000, 0)
    assert list(checks.findings()) == []


@pytest.mark.django_db(transaction=True)
def test_control_without_the_decision_it_would_be_given_twice(payment, maker, checker, buyer, monkeypatch):
    """Even then the database refuses it."""
    asked = suspense.ask(maker, payment, member=buyer, reason=WHY)
    monkeypatch.setattr(suspense, "decide", lambda *args, **kwargs: None)
    monkeypatch.setattr(suspense, "_locked", lambda payment: (None, UnexplainedPayment(**vars_of(payment))))
    suspense.approve(checker, asked)
    with pytest.raises(IntegrityError):
        suspense.approve(checker, asked)
    assert balance(buyer) == 9_000


def vars_of(payment: UnexplainedPayment) -> dict:
    """The payment as it was before anything was given."""
    fields = {name: value for name, value in vars(payment).items() if not name.startswith("_")}
    return fields | {"resolved_cents": 0}


@pytest.mark.django_db(transaction=True)
def test_two_ask_at_the_same_moment(payment, maker, checker, buyer):
    jobs = [lambda who=who: suspense.ask(who, payment, member=buyer, reason=WHY) for who in (maker, checker)]
    assert tally(race(jobs * 2)) == {"ok": 1, "AskedAlready": 3}
    assert Resolution.objects.count() == 1


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_refund_told_while_it_is_approved(payment, maker, checker, buyer, monkeypatch):
    """The refund found no deposit and waits for the payment; by then it is the member's."""
    asked = suspense.ask(maker, payment, member=buyer, reason=WHY)
    given, go_on = threading.Event(), threading.Event()
    put_in = ledger.put_in

    def slow(*args: object, **kwargs: object) -> object:
        given.set()
        go_on.wait(1)
        return put_in(*args, **kwargs)

    def refund() -> None:
        given.wait(10)
        refunds.apply_refund(RefundFact("re_1", "pi_9", 9_000, "usd", "succeeded", 9_000))

    monkeypatch.setattr(ledger, "put_in", slow)
    assert tally(race([lambda: suspense.approve(checker, asked), refund])) == {"ok": 2}
    assert (balance(buyer), in_suspense()) == (0, 0)
    assert list(checks.findings()) == []


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_control_without_the_payments_lock_the_money_leaves_twice(payment, maker, checker, buyer, monkeypatch):
    asked = suspense.ask(maker, payment, member=buyer, reason=WHY)
    given = threading.Event()
    put_in = ledger.put_in

    def slow(*args: object, **kwargs: object) -> object:
        given.set()
        threading.Event().wait(1)
        return put_in(*args, **kwargs)

    def refund() -> None:
        given.wait(10)
        refunds.apply_refund(RefundFact("re_1", "pi_9", 9_000, "usd", "succeeded", 9_000))

    def look_only(intent_id: str) -> tuple[Deposit | None, UnexplainedPayment | None]:
        return (
            Deposit.objects.filter(intent_id=intent_id).first(),
            UnexplainedPayment.objects.filter(intent_id=intent_id).first(),
        )

    monkeypatch.setattr(ledger, "put_in", slow)
    monkeypatch.setattr(refunds, "lock_payment", look_only)
    race([lambda: suspense.approve(checker, asked), refund])
    assert in_suspense() == -9_000


# --- sending it back --------------------------------------------------------------------------------------------------


@pytest.fixture
def stray(site, owner) -> UnexplainedPayment:
    """$90.00 of nobody, at the processor as well."""
    site.processor.stray_payment(9_000)
    site.hear()
    return UnexplainedPayment.objects.get()


def refunds_at(site) -> list[dict]:
    return site.processor.store.find("refund")


def test_it_is_sent_back(site, stray, maker, checker):
    asked = suspense.ask(maker, stray, reason=WHY)
    assert asked.sentence == f"Send $90.00 of payment {stray.intent_id} back to its payer at the card processor"
    assert suspense.send_back_approved() == 0
    suspense.approve(checker, asked)
    assert (refunds_at(site), in_suspense()) == ([], 9_000)
    with pytest.raises(suspense.AskedAlready):
        suspense.ask(maker, stray, member=make_bob(), reason=WHY)
    for _ in range(2):
        tasks.send_back()
    assert [one["amount"] for one in refunds_at(site)] == [9_000]
    assert (in_suspense(), again(stray).left_cents) == (0, 0)
    assert again(asked).carried_out_at
    site.hear()
    assert in_suspense() == 0


def test_what_was_decided_alarms_nobody_but_its_failure_does(site, stray, maker, checker):
    suspense.approve(checker, suspense.ask(maker, stray, reason=WHY))
    tasks.send_back()
    site.hear()
    refund = refunds_at(site)[0]["id"]
    assert f"suspense-refund:{refund}" not in alerts()
    site.processor.fail_refund(refund)
    site.hear()
    assert f"suspense-refund:{refund}" in alerts()
    assert again(stray).left_cents == 9_000


def test_no_answer_and_then_one(impatient, site, stray, maker, checker):
    asked = suspense.ask(maker, stray, reason=WHY)
    suspense.approve(checker, asked)
    site.processor.faults.disconnect("POST", "/v1/refunds", times=None, after=True)
    tasks.send_back()
    assert again(asked).carried_out_at is None
    site.processor.faults.clear()
    tasks.sweep()
    assert again(asked).carried_out_at
    assert (len(refunds_at(site)), in_suspense()) == (1, 0)


def test_the_worker_dies_after_the_answer(site, stray, maker, checker, monkeypatch):
    asked = suspense.ask(maker, stray, reason=WHY)
    suspense.approve(checker, asked)

    def die(refund: RefundFact) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(suspense, "apply_refund", die)
        with pytest.raises(KeyboardInterrupt):
            suspense.send_back_approved()
    assert suspense.send_back_approved() == 1
    assert (len(refunds_at(site)), in_suspense()) == (1, 0)


def test_the_processor_refuses(site, stray, maker, checker):
    asked = suspense.ask(maker, stray, reason=WHY)
    suspense.approve(checker, asked)
    dispute = site.processor.open_dispute(stray.intent_id)
    for _ in range(2):
        tasks.send_back()
    assert (again(asked).problem, again(asked).carried_out_at) == ("refused", None)
    assert f"send-back-refused:{stray.intent_id}" in alerts()
    site.processor.close_dispute(dispute["id"], "won")
    site.hear()
    suspense.approve(checker, suspense.ask(maker, stray, reason=WHY))
    tasks.send_back()
    assert (len(refunds_at(site)), in_suspense()) == (1, 0)


def test_what_comes_back_can_be_asked_for_again(site, stray, maker, checker, buyer):
    suspense.approve(checker, suspense.ask(maker, stray, reason=WHY))
    tasks.send_back()
    site.processor.fail_refund(refunds_at(site)[0]["id"])
    site.hear()
    assert (again(stray).left_cents, in_suspense()) == (9_000, 9_000)
    suspense.approve(checker, suspense.ask(maker, stray, member=buyer, reason=WHY))
    assert balance(buyer) == 9_000
    run = reconciliation.reconcile()
    assert (run.difference_cents, run.matched) == (0, 3)


def test_never_inside_a_transaction(site, stray, maker, checker):
    suspense.approve(checker, suspense.ask(maker, stray, reason=WHY))
    with transaction.atomic(), pytest.raises(RuntimeError, match="inside a transaction"):
        suspense.send_back_approved()
