"""The only place that speaks to the card processor (Stripe, through its own SDK).

Everything is asked and answered in facts: ids, cents, currency and states. Names, emails and card details that the
processor also sends are dropped here (AL-11, DX-14).
"""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import stripe
from django.conf import settings
from django.db import connection

from marketplace.core import logs
from marketplace.core.money import CURRENCY
from marketplace.core.refusals import Refusal

log = logs.get("leadfair.wallet")
CONNECT_SECONDS, READ_SECONDS, RETRIES = 3, 10, 2
TOLERANCE_SECONDS = 300
_ID = re.compile(r"[A-Za-z0-9_.]{1,120}", re.ASCII)
_TYPE = re.compile(r"[a-z0-9_.]{1,80}", re.ASCII)


class ProcessorDown(Refusal):
    """The card processor did not answer, or answered with an error of its own. Nothing was charged."""

    status = 503
    message = "Card payments are paused for a moment. You were not charged. Please try again in a few minutes."
    retry_after = 120


class ProcessorRefused(ProcessorDown):
    """The card processor answered, and declined this request: asking for others makes sense, asking again does not."""


class BadWebhook(Exception):
    """A webhook whose signature, age or form is wrong. Nothing of it is stored."""


@dataclass(frozen=True)
class Session:
    """A checkout page at the processor. ``state`` is open, complete or expired."""

    id: str
    url: str
    state: str
    intent_id: str
    deposit_id: str


@dataclass(frozen=True)
class Payment:
    """A payment: ``received`` in cents of ``currency``, ``returned`` if all of that went back. ``settled`` is what it
    added to our balance and ``fee`` what was kept of that, in cents of our own currency; None and 0 as long as that is
    not known."""

    id: str
    status: str
    received: int
    currency: str
    deposit_id: str
    settled: int | None
    fee: int
    returned: bool = False


@dataclass(frozen=True)
class RefundFact:
    """Money sent back to a card: ``amount`` in cents of ``currency``. ``settled`` is what left our balance for it, in
    cents of our own currency; None as long as that is not known."""

    id: str
    intent_id: str
    amount: int
    currency: str
    status: str
    settled: int | None = None


@dataclass(frozen=True)
class DisputeFact:
    """A payment its bank takes back: ``amount`` in cents of ``currency``. What moved, in cents of our own currency:
    ``withdrawn`` from us, ``fee`` for it, ``reinstated`` to us, and ``fee_returned``."""

    id: str
    intent_id: str
    amount: int
    status: str
    withdrawn: int
    fee: int
    reinstated: int
    fee_returned: int = 0
    currency: str = CURRENCY


@dataclass(frozen=True)
class Event:
    """Something happened to the object ``object_id`` ("" for things that have no id, such as our balance)."""

    id: str
    type: str
    object_id: str
    created: datetime


@dataclass(frozen=True)
class Movement:
    """A movement of our balance: ``amount`` cents of ``currency`` came (or, negative, went), ``fee`` was kept of it.
    ``category`` is the processor's word for what it was, ``source_id`` the charge, refund, dispute or payout it was for
    ("" if none) and ``intent_id`` the payment behind that. ``is_under_way`` while the payer's bank has not paid yet."""

    id: str
    category: str
    amount: int
    fee: int
    currency: str
    source_id: str
    intent_id: str
    created: datetime
    is_under_way: bool = False


@cache
def _client(key: str, base: str) -> stripe.StripeClient:
    stripe.enable_telemetry = False  # it would tell the processor about this machine
    http = stripe.RequestsClient(timeout=(CONNECT_SECONDS, READ_SECONDS))
    bases: Any = {"api": base} if base else {}
    return stripe.StripeClient(key, base_addresses=bases, max_network_retries=RETRIES, http_client=http)


def _api() -> Any:
    """The SDK's client. Never inside a transaction: a slow processor must not hold a lock."""
    if connection.in_atomic_block:
        raise RuntimeError("the card processor is never called inside a transaction")
    return _client(settings.STRIPE_SECRET_KEY, settings.STRIPE_API_BASE).v1


def address() -> tuple[str, int]:
    """Host and port of the processor."""
    base = urlsplit(settings.STRIPE_API_BASE or stripe.DEFAULT_API_BASE)
    return base.hostname or "", base.port or {"https": 443, "http": 80}[base.scheme]


_REFUSED = (stripe.InvalidRequestError, stripe.CardError)


def _ask(call: Any, *args: Any, **kwargs: Any) -> Any:
    try:
        return call(*args, **kwargs)
    except stripe.StripeError as error:
        # Its text may repeat what somebody typed; kind, status and code tell enough.
        log.warning("processor", error=type(error).__name__, status=error.http_status, code=error.code)
        raise (ProcessorRefused if isinstance(error, _REFUSED) else ProcessorDown) from error


def create_checkout(*, deposit_id: str, amount: int, return_url: str, cancel_url: str, expires_at: datetime) -> Session:
    """Open a checkout page for ``amount`` cents. Asking again for the same deposit answers with the same page.

    Raises:
        ProcessorDown: no answer, an error of theirs, or they decline it.
    """
    metadata = {"deposit_id": deposit_id}
    session = _ask(
        _api().checkout.sessions.create,
        {
            "mode": "payment",
            "client_reference_id": deposit_id,
            "metadata": metadata,
            "payment_intent_data": {"metadata": metadata},
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {
                        "currency": CURRENCY,
                        "unit_amount": amount,
                        "product_data": {"name": "Leadfair balance"},
                    },
                }
            ],
            "expires_at": int(expires_at.timestamp()),
            "success_url": return_url,
            "cancel_url": cancel_url,
        },
        {"idempotency_key": f"dep-{deposit_id}"},
    )
    return _session(session)


def session(session_id: str) -> Session:
    """The checkout page as it stands now."""
    return _session(_ask(_api().checkout.sessions.retrieve, session_id))


def _session(found: Any) -> Session:
    return Session(
        id=found.id,
        url=found.url or "",
        state=found.status or "",
        intent_id=_id(found.payment_intent),
        deposit_id=found.client_reference_id or "",
    )


def payment(intent_id: str) -> Payment:
    """The payment as it stands now, with its fee."""
    found = _ask(
        _api().payment_intents.retrieve, intent_id, {"expand": ["latest_charge", "latest_charge.balance_transaction"]}
    )
    charge = found.latest_charge
    booked = charge.balance_transaction if charge else None
    return Payment(
        id=found.id,
        status=found.status,
        received=found.amount_received or 0,
        currency=found.currency,
        deposit_id=getattr(found.metadata, "deposit_id", ""),
        settled=_in_ours(booked),
        fee=booked.fee if booked is not None and booked.currency == CURRENCY else 0,
        returned=bool(charge and charge.refunded),
    )


def intent_of_charge(charge_id: str) -> str:
    """The id of the payment a charge belongs to, or "" for one that has none."""
    return _id(_ask(_api().charges.retrieve, charge_id).payment_intent)


def refund(refund_id: str) -> RefundFact:
    """The refund as it stands now."""
    return _refund(_ask(_api().refunds.retrieve, refund_id, {"expand": ["balance_transaction"]}))


def refunds_of_charge(charge_id: str) -> list[RefundFact]:
    """Every refund of a charge."""
    wanted = {"charge": charge_id, "limit": 100, "expand": ["data.balance_transaction"]}
    return [_refund(found) for found in _pages(_api().refunds.list, wanted)]


def _refund(found: Any) -> RefundFact:
    settled = _in_ours(found.balance_transaction)
    return RefundFact(
        id=found.id,
        intent_id=_id(found.payment_intent),
        amount=found.amount,
        currency=found.currency,
        status=found.status or "pending",
        settled=None if settled is None else -settled,
    )


def dispute(dispute_id: str) -> DisputeFact:
    """The dispute as it stands now, with the money that moved for it."""
    found = _ask(_api().disputes.retrieve, dispute_id)
    moves = [move for move in found.balance_transactions or [] if _in_ours(move) is not None]
    out = [move for move in moves if move.amount < 0]
    back = [move for move in moves if move.amount > 0]
    return DisputeFact(
        id=found.id,
        intent_id=_id(found.payment_intent),
        amount=found.amount,
        status=found.status,
        withdrawn=-sum(move.amount for move in out),
        fee=sum(move.fee for move in out),
        reinstated=sum(move.amount for move in back),
        fee_returned=-sum(move.fee for move in back),
        currency=found.currency,
    )


def events_between(since: datetime, until: datetime) -> list[Event]:
    """Every event from ``since`` up to and without ``until``, oldest first. The processor keeps them for 30 days."""
    created = {"gte": int(since.timestamp()), "lt": int(until.timestamp())}
    found = _pages(_api().events.list, {"created": created, "limit": 100})
    return [
        Event(
            event.id,
            event.type,
            getattr(event.data.object, "id", ""),
            datetime.fromtimestamp(event.created, UTC),
        )
        for event in reversed(found)
    ]


def movements(since: datetime, until: datetime | None = None) -> Iterator[list[Movement]]:
    """Every movement of our balance from ``since`` up to and without ``until`` (None: up to now, by whatever clock),
    newest first, in portions of up to 100."""
    created = {"gte": int(since.timestamp())} | ({"lt": int(until.timestamp())} if until else {})
    wanted = {"created": created, "limit": 100, "expand": ["data.source"]}
    page = _ask(_api().balance_transactions.list, wanted)
    while page.data:
        yield [_movement(found) for found in page.data]
        page = _ask(page.next_page)


def _movement(found: Any) -> Movement:
    source = found.source  # with its charge, refund or dispute comes the payer, who is dropped here
    return Movement(
        id=found.id,
        category=found.reporting_category,
        amount=found.amount,
        fee=found.fee,
        currency=found.currency,
        source_id=_id(source),
        intent_id=_id(getattr(source, "payment_intent", None)),
        created=datetime.fromtimestamp(found.created, UTC),
        is_under_way=found.reporting_category == "charge" and getattr(source, "status", "") == "pending",
    )


def balance() -> int:
    """What the processor holds for us, in cents of our own currency: available and on its way to be."""
    found = _ask(_api().balance.retrieve)
    return sum(part.amount for part in [*found.available, *found.pending] if part.currency == CURRENCY)


def send_back(intent_id: str, *, key: str) -> RefundFact:
    """Refund all that is left of a payment. Asking again with the same key answers with the same refund.

    Raises:
        ProcessorRefused: there is nothing left to refund, say.
        ProcessorDown: it did not answer.
    """
    wanted = {"payment_intent": intent_id, "expand": ["balance_transaction"]}
    return _refund(_ask(_api().refunds.create, wanted, {"idempotency_key": key}))


def _pages(call: Any, wanted: dict[str, Any]) -> list[Any]:
    """Every row of a list, newest first, page by page."""
    page = _ask(call, wanted)
    return list(_ask(lambda: list(page.auto_paging_iter())))


def verify_webhook(body: bytes, signature: str) -> Event:
    """The event in a webhook, if one of our secrets signed it within the last five minutes.

    Raises:
        BadWebhook: anything else: forged, altered, old, from the wrong mode, or not of the expected form.
    """
    text = _decoded(body)
    _refuse_other_times(signature)
    for secret in settings.STRIPE_WEBHOOK_SECRETS[:2]:
        try:
            stripe.WebhookSignature.verify_header(text, signature, secret, TOLERANCE_SECONDS)
            break
        except stripe.SignatureVerificationError:
            continue
    else:
        raise BadWebhook("signature")
    try:
        found = json.loads(text)
        event = Event(
            id=_word(_ID, found["id"]),
            type=_word(_TYPE, found["type"]),
            object_id=_optional_id(found["data"]["object"]),
            created=datetime.fromtimestamp(found["created"], UTC),
        )
        live = bool(found["livemode"])
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, OSError, RecursionError) as error:
        raise BadWebhook("form") from error
    if live != settings.STRIPE_SECRET_KEY.startswith(("sk_live_", "rk_live_")):
        raise BadWebhook("mode")
    if event.created > datetime.now(UTC) + timedelta(days=1):
        raise BadWebhook("time")
    return event


def _refuse_other_times(signature: str) -> None:
    """The SDK refuses old signatures only; one from the future, or one with two times, is no more the processor's."""
    times = [value for name, _, value in (part.partition("=") for part in signature.split(",")) if name.strip() == "t"]
    if not signature.isascii() or len(times) != 1 or not times[0].isdigit() or len(times[0]) > 12:
        raise BadWebhook("signature")
    if abs(time.time() - int(times[0])) > TOLERANCE_SECONDS:
        raise BadWebhook("age")


def _optional_id(found: dict[str, Any]) -> str:
    return _word(_ID, found["id"]) if "id" in found else ""


def _word(form: re.Pattern[str], value: object) -> str:
    if not isinstance(value, str) or not form.fullmatch(value):
        raise ValueError
    return value


def _decoded(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise BadWebhook("encoding") from error


def _id(reference: Any) -> str:
    """The id of a reference that may be expanded to its object, or None."""
    return reference if isinstance(reference, str) else getattr(reference, "id", "") or ""


def _in_ours(booked: Any) -> int | None:
    """The amount of a movement of our balance if it is in the currency of our books."""
    return booked.amount if booked is not None and booked.currency == CURRENCY else None
