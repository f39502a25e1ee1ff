"""Unexplained money: one person says whose it is, or that it goes back, and another decides.

Staff may ask with ``wallet.add_resolution`` and decide with ``wallet.decide_resolution``.
"""

from django.core.exceptions import PermissionDenied
from django.db.models import F, QuerySet

from accounts.models import User
from marketplace.core import clock, logs, wake
from marketplace.core.cards import mask_cards
from marketplace.core.refusals import Refusal
from marketplace.core.transactions import in_transaction
from marketplace.core.two_people import SamePerson, ask_once, asked_before, decide
from marketplace.ledger import services as ledger

from . import emails, gateway
from .books import lock_payment
from .models import Deposit, Resolution, UnexplainedPayment
from .refunds import apply_refund

log = logs.get("leadfair.wallet")
State = Resolution.State
MAY_ASK, MAY_DECIDE = "wallet.add_resolution", "wallet.decide_resolution"
AT_ONCE = 20


class NothingLeft(Refusal):
    """The payment is explained, or gone."""

    message = "Nothing is left of this payment. Nothing was changed."


class AskedAlready(Refusal):
    """One question at a time."""

    message = "Something is asked for this payment already and waits for a second person, or for the card processor."


class AmountChanged(Refusal):
    """Some of the money went back, or came back, after it was asked."""

    message = "What is left of this payment changed since this was asked. Decline it and ask again."


class NotTheirs(Refusal):
    """A payment belongs to one member."""

    message = "Part of this payment is on another member's balance already. Nothing was changed."


class SayWhy(Refusal):
    """A reason, or an answer, is missing."""

    status = 422
    message = "Say why, in a few words."


@in_transaction
def ask(
    staff: User, payment: UnexplainedPayment, *, member: User | None = None, reason: str, key: str = ""
) -> Resolution:
    """Ask that all that is left of ``payment`` is given to ``member``, or (None) sent back at the processor. The same
    form (``key``) sent again answers with the first request.

    Raises:
        PermissionDenied: ``staff`` may not ask.
        SayWhy: no reason.
        SamePerson: it would be given to who asks.
        NothingLeft, AskedAlready, NotTheirs: it cannot be done (again).
        FormUsed: the form asked for something else before.
    """
    _require(staff, MAY_ASK)
    reason = _words(reason)
    if again := asked_before(Resolution, staff, key=key, reason=reason, payment=payment, member=member):
        return again
    deposit, payment = _locked(payment)
    if member is not None and member.pk == staff.pk:
        raise SamePerson
    if payment.left_cents <= 0:
        raise NothingLeft
    if payment.resolutions.waiting().exists() or _is_on_its_way_back(payment):
        raise AskedAlready
    _require_theirs(deposit, member)
    resolution = ask_once(
        Resolution, staff, key=key, reason=reason, payment=payment, member=member, amount_cents=payment.left_cents
    )
    log.info("resolution asked", id=resolution.public_id, by=staff.public_id)
    return resolution


@in_transaction
def approve(checker: User, resolution: Resolution) -> None:
    """Do what was asked: the money is the member's, with a deposit, a receipt and a mail; or the processor is asked to
    send it back, after commit.

    Raises:
        PermissionDenied: ``checker`` may not decide.
        SamePerson: ``checker`` asked for it, or it is theirs.
        AlreadyDecided: it does not wait any more.
        AmountChanged, NotTheirs: it cannot be done any more.
    """
    _require(checker, MAY_DECIDE)
    deposit, payment = _locked(resolution.payment)
    _decide(checker, resolution, State.APPROVED)
    if payment.left_cents != resolution.amount_cents:
        raise AmountChanged
    _require_theirs(deposit, resolution.member)
    if resolution.member is None:
        wake.after_commit("wallet.send_back")
    else:
        _give(resolution.member, resolution, payment, deposit)


@in_transaction
def decline(checker: User, resolution: Resolution, *, answer: str) -> None:
    """Nothing is done, and ``answer`` says why.

    Raises:
        PermissionDenied, SamePerson, AlreadyDecided: as for ``approve``.
        SayWhy: no answer.
    """
    _require(checker, MAY_DECIDE)
    _decide(checker, resolution, State.DECLINED, answer=_words(answer))


def _require(staff: User, permission: str) -> None:
    if not staff.has_perm(permission):
        raise PermissionDenied


def _words(text: str) -> str:
    if not text.strip():
        raise SayWhy
    return mask_cards(text.strip())


def _decide(checker: User, resolution: Resolution, state: Resolution.State, *, answer: str = "") -> None:
    decide(resolution, checker, state, answer=answer)
    log.info("resolution decided", id=resolution.public_id, by=checker.public_id, state=str(state))


def _locked(payment: UnexplainedPayment) -> tuple[Deposit | None, UnexplainedPayment]:
    deposit, locked = lock_payment(payment.intent_id)
    if locked is None:
        raise NothingLeft
    return deposit, locked


def _require_theirs(deposit: Deposit | None, member: User | None) -> None:
    if deposit is not None and (member is None or deposit.buyer_id != member.pk):
        raise NotTheirs


def _is_on_its_way_back(payment: UnexplainedPayment) -> bool:
    return _to_send_back().filter(payment=payment).exists()


def _give(member: User, resolution: Resolution, payment: UnexplainedPayment, deposit: Deposit | None) -> None:
    cents = resolution.amount_cents
    deposit = deposit or _named(payment, member) or _made(payment, member, cents)
    wallet = ledger.lock(member.pk)
    reference = f"{payment.intent_id}:resolved:{resolution.public_id}"
    ledger.put_in(wallet, "suspense", cents, kind=ledger.Kind.RESOLVED, reference=reference)
    UnexplainedPayment.objects.filter(pk=payment.pk).update(resolved_cents=F("resolved_cents") + cents)
    Deposit.objects.filter(pk=deposit.pk).update(received_cents=F("received_cents") + cents)
    Resolution.objects.filter(pk=resolution.pk).update(carried_out_at=clock.now())
    emails.payment_found(resolution, deposit)


def _named(payment: UnexplainedPayment, member: User) -> Deposit | None:
    """The member's own deposit that the processor names, paid by this; None if it was paid by another payment."""
    if payment.deposit is None:
        return None
    named = Deposit.objects.select_for_update(no_key=True).filter(pk=payment.deposit.pk, buyer=member, intent_id=None)
    deposit = named.first()
    if deposit is not None:
        Deposit.objects.filter(pk=deposit.pk).update(
            state=Deposit.State.PAID, intent_id=payment.intent_id, paid_at=clock.now()
        )
    return deposit


def _made(payment: UnexplainedPayment, member: User, cents: int) -> Deposit:
    """A deposit nobody asked for here, so that there is a receipt."""
    return Deposit.objects.create(
        buyer=member,
        amount_cents=cents,
        state=Deposit.State.PAID,
        intent_id=payment.intent_id,
        created_at=payment.arrived_at,
        expires_at=payment.arrived_at,
        paid_at=clock.now(),
    )


def _to_send_back() -> QuerySet[Resolution]:
    return Resolution.objects.approved().filter(member=None, carried_out_at=None, problem="")


def send_back_approved() -> int:
    """Ask the processor to send back what was approved, and book it; returns how many are done. Asked twice, it does it
    once.

    Raises:
        ProcessorDown: it did not answer; the next run asks again.
    """
    done = 0
    for resolution in _to_send_back().select_related("payment").order_by("id")[:AT_ONCE]:
        intent_id = resolution.payment.intent_id
        try:
            refund = gateway.send_back(intent_id, key=f"resolution-{resolution.public_id}")
        except gateway.ProcessorRefused:
            if _to_send_back().filter(pk=resolution.pk).update(problem="refused"):
                emails.alert_operators("send-back-refused", intent_id)
            continue
        apply_refund(refund)
        if ledger.is_booked(f"{refund.id}:out"):
            done += _to_send_back().filter(pk=resolution.pk).update(carried_out_at=clock.now())
    return done
