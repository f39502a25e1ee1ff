"""The only place that speaks to the card processor (Stripe, through its own SDK).

Everything is asked and answered in facts: ids, cents, currency and states. Names, emails and card details that the
processor also sends are dropped here (AL-11, DX-14).
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import stripe
from django.conf import settings
from django.db import connection

from marketplace.core.refusals import Refusal

CONNECT_SECONDS, READ_SECONDS, RETRIES = 3, 10, 2
TOLERANCE_SECONDS = 300


class ProcessorDown(Refusal):
    """The card processor did not answer, or answered with an error of its own. Nothing was charged."""

    status = 503
    message = "Card payments are paused for a moment. You were not charged. Please try again in a few minutes."
    retry_after = 120


class BadWebhook(Exception):
    """A webhook whose signature, age or form is wrong. Nothing of it is stored."""


@dataclass(frozen=True)
class Session:
    """A checkout page at the processor. ``state`` is open, complete or expired; ``payment`` paid, unpaid or none."""

    id: str
    url: str
    state: str
    payment: str
    intent_id: str
    deposit_id: str


@dataclass(frozen=True)
class Payment:
    """A payment. ``received`` and ``fee`` in cents; ``settled`` is what it is worth in our own currency, or None."""

    id: str
    status: str
    received: int
    currency: str
    deposit_id: str
    settled: int | None
    fee: int


@dataclass(frozen=True)
class RefundFact:
    """Money sent back to a card, in cents."""

    id: str
    intent_id: str
    amount: int
    currency: str
    status: str


@dataclass(frozen=True)
class DisputeFact:
    """A payment its bank takes back. Amounts in cents: ``withdrawn`` from us, ``fee`` for it, ``reinstated`` to us."""

    id: str
    intent_id: str
    amount: int
    status: str
    withdrawn: int
    fee: int
    reinstated: int


@dataclass(frozen=True)
class Event:
    """Something happened to the object ``object_id``."""

    id: str
    type: str
    object_id: str
    created: datetime


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


def _ask(call: Any, *args: Any, **kwargs: Any) -> Any:
    try:
        return call(*args, **kwargs)
    except (stripe.APIConnectionError, stripe.RateLimitError, stripe.APIError) as error:
        raise ProcessorDown from error


def create_checkout(
    *, deposit_id: str, amount: int, return_url: str, cancel_url: str, expires_at: datetime
) -> Session:
    """Open a checkout page for ``amount`` cents. Asking again for the same deposit answers with the same page.

    Raises:
        ProcessorDown: no answer, or an error of theirs.
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
                        "currency": "usd",
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
        payment={"paid": "paid", "unpaid": "unpaid"}.get(found.payment_status, "none"),
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
    in_ours = booked is not None and booked.currency == "usd"
    return Payment(
        id=found.id,
        status=found.status,
        received=found.amount_received or 0,
        currency=found.currency,
        deposit_id=(found.metadata or {}).get("deposit_id", "") if found.metadata else "",
        settled=booked.amount if in_ours else None,
        fee=booked.fee if in_ours else 0,
    )


def refund(refund_id: str) -> RefundFact:
    """The refund as it stands now."""
    return _refund(_ask(_api().refunds.retrieve, refund_id))


def refunds_of_charge(charge_id: str) -> list[RefundFact]:
    """Every refund of a charge."""
    page = _ask(_api().refunds.list, {"charge": charge_id, "limit": 100})
    return [_refund(found) for found in _ask(lambda: list(page.auto_paging_iter()))]


def _refund(found: Any) -> RefundFact:
    return RefundFact(found.id, _id(found.payment_intent), found.amount, found.currency, found.status or "pending")


def dispute(dispute_id: str) -> DisputeFact:
    """The dispute as it stands now, with the money that moved for it."""
    found = _ask(_api().disputes.retrieve, dispute_id)
    moves = found.balance_transactions or []
    return DisputeFact(
        id=found.id,
        intent_id=_id(found.payment_intent),
        amount=found.amount,
        status=found.status,
        withdrawn=-sum(move.amount for move in moves if move.amount < 0),
        fee=sum(move.fee for move in moves if move.amount < 0),
        reinstated=sum(move.amount for move in moves if move.amount > 0),
    )


def events_since(moment: datetime) -> Iterator[Event]:
    """Every event since ``moment``, newest first."""
    page = _ask(_api().events.list, {"created": {"gte": int(moment.timestamp())}, "limit": 100})
    for found in _ask(lambda: list(page.auto_paging_iter())):
        yield Event(found.id, found.type, found.data.object["id"], datetime.fromtimestamp(found.created, UTC))


def verify_webhook(body: bytes, signature: str) -> Event:
    """The event in a webhook, if one of our secrets signed it within the last five minutes.

    Raises:
        BadWebhook: anything else: forged, altered, old, from the wrong mode, or not of the expected form.
    """
    text = _decoded(body)
    for secret in settings.STRIPE_WEBHOOK_SECRETS[:2]:
        try:
            stripe.WebhookSignature.verify_header(text, signature, secret, TOLERANCE_SECONDS)
            break
        except (stripe.SignatureVerificationError, ValueError):
            continue
    else:
        raise BadWebhook("signature")
    try:
        found = json.loads(text)
        event = Event(
            str(found["id"])[:120],
            str(found["type"])[:80],
            str(found["data"]["object"]["id"])[:120],
            datetime.fromtimestamp(found["created"], UTC),
        )
        live = bool(found["livemode"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise BadWebhook("form") from error
    if live != settings.STRIPE_SECRET_KEY.startswith(("sk_live_", "rk_live_")):
        raise BadWebhook("mode")
    if event.created > datetime.now(UTC) + timedelta(days=1):
        raise BadWebhook("time")
    return event


def _decoded(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise BadWebhook("encoding") from error


def _id(reference: Any) -> str:
    """The id of a reference that may be expanded to its object, or None."""
    return reference if isinstance(reference, str) else getattr(reference, "id", "") or ""

