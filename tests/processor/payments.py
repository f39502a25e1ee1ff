"""Everything that can happen to money at the processor. Each verb answers the object as the API would show it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from . import objects
from .cards import CARDS, GOOD_CARD, Card, digits, find_card
from .errors import ProcessorError, missing_param
from .faults import Faults
from .state import Object, Store, new_id

SHORTEST_SESSION = 30 * 60
LONGEST_SESSION = 24 * 3600
"""Seconds between making a session and its end."""

LEAST_AMOUNT = 50
GREATEST_AMOUNT = 99_999_999
"""Cents per payment."""

SUPPORTED = {
    *("allowed_payment_method_types", "billing_address_collection", "cancel_url", "client_reference_id", "currency"),
    *("customer_creation", "customer_email", "excluded_payment_method_types", "expand", "expires_at"),
    *("integration_identifier", "line_items", "locale", "metadata", "mode", "origin_context", "payment_intent_data"),
    *("submit_type", "success_url", "ui_mode"),
}
"""Parameters of a session that the stand-in honours. It refuses the others rather than pretend."""

SUPPORTED_OF_INTENT = {
    *("capture_method", "description", "metadata", "receipt_email"),
    *("statement_descriptor", "statement_descriptor_suffix"),
}

OPEN_DISPUTES = ("needs_response", "under_review", "warning_needs_response", "warning_under_review")


class Payments:
    """The payer's, the bank's and the dashboard's side of the processor, and what the API does with money."""

    def __init__(
        self, store: Store, faults: Faults, announce: Callable[[str, str], None], *, webhooks: int, moment: float
    ) -> None:
        """`announce(event id, type)` is called after commit; `moment` is how many seconds "a moment later" takes."""
        self.store = store
        self.faults = faults
        self.base_url = ""
        self._announce = announce
        self._webhooks = webhooks
        self._moment = moment

    def show(self, obj: Object) -> Object:
        """The object as the API answers it: own notes removed, addresses and states of this moment filled in."""
        shown = {key: value for key, value in obj.items() if not key.startswith("_")}
        if obj["object"] == "checkout.session" and obj["status"] == "open":
            shown["url"] = f"{self.base_url}/c/pay/{obj['id']}"
        elif obj["object"] == "balance_transaction":
            shown["status"] = "available" if obj["available_on"] <= self.store.now() else "pending"
        elif obj["object"] == "dispute":
            ids = obj["balance_transactions"]
            shown["balance_transactions"] = [self.show(self.store.get("balance_transaction", id)) for id in ids]
        return shown

    # What the API does

    def create_session(self, params: dict[str, Any], cause: dict[str, Any] | None = None) -> Object:
        """Opens a Checkout Session for the price of its line items."""
        _refuse_unsupported(params, SUPPORTED)
        data = params.get("payment_intent_data", {})
        _refuse_unsupported(data, SUPPORTED_OF_INTENT, "payment_intent_data")
        if data.get("capture_method") == "manual":
            raise ProcessorError("This stand-in captures at once.", param="payment_intent_data[capture_method]")
        if params.get("mode") != "payment":
            raise ProcessorError("This stand-in does `mode=payment` only.", param="mode")
        if params.get("ui_mode", "hosted_page") != "hosted_page":
            raise ProcessorError("This stand-in does `ui_mode=hosted_page` only.", param="ui_mode")
        for name in ("success_url", "cancel_url"):
            if name in params and not re.fullmatch(r"https?://[^\s/]+.*", params[name]):
                raise ProcessorError("Not a valid URL", code="url_invalid", param=name)
        if "success_url" not in params:
            raise ProcessorError("You must provide a success_url.", code="parameter_missing", param="success_url")
        if len(params.get("client_reference_id", "")) > 200:
            raise ProcessorError("Invalid string: must be at most 200 characters", param="client_reference_id")
        names, currency, amount = _add_up(params)
        now = int(self.store.now())
        expires_at = params.get("expires_at", now + LONGEST_SESSION)
        if expires_at < now + SHORTEST_SESSION:
            raise ProcessorError(
                "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation.",
                param="expires_at",
            )
        if expires_at > now + LONGEST_SESSION:
            raise ProcessorError(
                "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation.",
                param="expires_at",
            )
        session = objects.session(params, currency=currency, amount=amount, now=now, expires_at=expires_at)
        session["_names"] = names
        session["_payment_intent_data"] = data
        with self.store.transaction():
            self.store.add(session)
            self.store.add_job(expires_at, "expire", session["id"])
        return self.show(session)

    def expire_session(self, id: str, cause: dict[str, Any] | None = None) -> Object:
        """Ends an open session (400 for any other)."""
        with self.store.transaction():
            session = self.store.get("checkout.session", id)
            if session["status"] != "open":
                raise ProcessorError(
                    'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session has a '
                    f"status of `{session['status']}`."
                )
            session["status"] = "expired"
            self.store.save(session)
            self._emit("checkout.session.expired", session, cause=cause)
            if session["payment_intent"]:
                intent = self.store.get("payment_intent", session["payment_intent"])
                intent |= {
                    "status": "canceled",
                    "canceled_at": int(self.store.now()),
                    "cancellation_reason": "expired",
                }
                self.store.save(intent)
                self._emit("payment_intent.canceled", intent, cause=cause)
        return self.show(session)

    def create_refund(self, params: dict[str, Any], cause: dict[str, Any] | None = None) -> Object:
        """Sends back all that is left of a charge, or `amount` cents of it."""
        _refuse_unsupported(params, {"amount", "charge", "expand", "metadata", "payment_intent", "reason"})
        with self.store.transaction():
            if "payment_intent" in params:
                charge = self._charge_of(params["payment_intent"])
            elif "charge" in params:
                charge = self.store.get("charge", params["charge"], "charge")
            else:
                raise ProcessorError(
                    "One of the following params should be provided for this request: payment_intent or charge.",
                    code="parameter_missing",
                )
            if charge["status"] != "succeeded":
                raise ProcessorError(f"Charge {charge['id']} was not successful and cannot be refunded.")
            return self._refund(
                charge,
                params.get("amount"),
                reason=params.get("reason"),
                metadata=params.get("metadata") or {},
                cause=cause,
            )

    # What a payer does

    def pay(
        self,
        session_id: str,
        card: str = GOOD_CARD,
        *,
        name: str = "Pat Payer",
        email: str | None = None,
        expiry: tuple[int, int] | None = None,
        even_if_expired: bool = False,
    ) -> Object:
        """Pays a session with a demo card, as the card page does, and answers the PaymentIntent.

        A declined card leaves it at `requires_payment_method`; a paid session is not paid again. `even_if_expired`
        is money that was under way when the session ended.
        """
        behaviour = find_card(card)
        details = objects.card_details(
            behaviour.brand, digits(card)[-4:], expiry or (12, time.gmtime().tm_year + 3), behaviour.fingerprint
        )
        with self.store.transaction():
            session = self.store.get("checkout.session", session_id)
            if session["status"] == "complete":
                return self.show(self.store.get("payment_intent", session["payment_intent"]))
            if session["status"] == "expired" and not even_if_expired:
                raise ProcessorError("This Checkout Session has expired.", code="resource_already_expired")
            email = session["customer_email"] or email or "pat.payer@example.com"
            intent = self._intent_of(session)
            charge = self._new_charge(intent, details, name, email)
            if behaviour.decline_code:
                self._fail(intent, charge, behaviour.decline_code, behaviour.message)
                return self.show(intent)
            self._succeed(intent, charge)
            self._complete(session, name, email, paid=True)
            if behaviour.later:
                self.store.add_job(self.store.now() + self._moment, behaviour.later, intent["id"])
        return self.show(intent)

    def async_payment(
        self,
        session_id: str,
        *,
        name: str = "Pat Payer",
        email: str = "pat.payer@example.com",
        booked: bool = False,
    ) -> Object:
        """Completes a session with a bank debit whose money is still under way; answers the PaymentIntent. If `booked`,
        the balance shows it already."""
        with self.store.transaction():
            session = self.store.get("checkout.session", session_id)
            if session["status"] != "open":
                raise ProcessorError(f"This Checkout Session is {session['status']}.")
            session["payment_method_types"] = ["card", "us_bank_account"]
            intent = self._intent_of(session)
            intent["payment_method_types"] = ["card", "us_bank_account"]
            charge = self._new_charge(intent, objects.bank_details(), name, email)
            intent["status"] = "processing"
            self.store.save(intent)
            if booked:
                self._book_charge(charge)
                self.store.save(charge)
            self._emit("charge.pending", charge)
            self._emit("payment_intent.processing", intent)
            self._complete(session, name, session["customer_email"] or email, paid=False)
        return self.show(intent)

    def async_succeeded(self, session_id: str) -> Object:
        """The delayed money of a session arrives, even after it had been given up."""
        with self.store.transaction():
            session, intent, charge = self._delayed(session_id)
            if intent["status"] != "succeeded":
                self._succeed(intent, charge)
                session["payment_status"] = "paid"
                self.store.save(session)
                self._emit("checkout.session.async_payment_succeeded", session)
        return self.show(intent)

    def async_failed(self, session_id: str) -> Object:
        """The delayed money of a session does not arrive."""
        with self.store.transaction():
            session, intent, charge = self._delayed(session_id)
            if intent["status"] == "succeeded":
                raise ProcessorError("The money of this session has arrived already.")
            if intent["status"] == "processing":
                self._fail(intent, charge, None, "The bank could not debit the account.", "account_closed")
                self._emit("checkout.session.async_payment_failed", session)
        return self.show(intent)

    def stray_payment(self, amount: int, currency: str = "usd", metadata: dict[str, str] | None = None) -> Object:
        """A payment of `amount` cents that no session made; answers the PaymentIntent."""
        card = CARDS[GOOD_CARD]
        details = objects.card_details(card.brand, GOOD_CARD[-4:], (12, time.gmtime().tm_year + 3), card.fingerprint)
        with self.store.transaction():
            intent = self._new_intent(amount, currency, metadata or {})
            charge = self._new_charge(intent, details, "Pat Payer", "pat.payer@example.com")
            self._succeed(intent, charge)
        return self.show(intent)

    def earlier_payment(self, id: str, amount: int) -> Object:
        """A payment of `amount` cents that the site knows already: no event tells of it. Once only."""
        details = objects.card_details("visa", GOOD_CARD[-4:], (12, time.gmtime().tm_year + 3), new_id("", 16))
        with self.store.transaction():
            try:
                return self.show(self.store.get("payment_intent", id))
            except ProcessorError:
                intent = objects.payment_intent(amount, "usd", {}, int(self.store.now())) | {"id": id}
            self.store.add(intent)
            charge = self._new_charge(intent, details, "Pat Payer", "pat.payer@example.com")
            self._receive(intent, charge)
        return self.show(intent)

    def expire(self, session_id: str) -> Object:
        """Ends an open session; one that is over stays as it is."""
        with self.store.transaction():
            session = self.store.get("checkout.session", session_id)
            return self.expire_session(session_id) if session["status"] == "open" else self.show(session)

    # What the dashboard and the banks do

    def refund(
        self,
        payment_intent: str,
        amount: int | None = None,
        *,
        status: str = "succeeded",
        reason: str | None = "requested_by_customer",
    ) -> Object:
        """A refund made in the dashboard: `amount` cents, or all that is left; `status` succeeded or pending."""
        with self.store.transaction():
            return self._refund(self._charge_of(payment_intent), amount, reason=reason, metadata={}, status=status)

    def succeed_refund(self, refund_id: str) -> Object:
        """A pending refund reaches the payer."""
        with self.store.transaction():
            refund = self.store.get("refund", refund_id)
            if refund["status"] == "pending":
                refund |= {"status": "succeeded", "pending_reason": None}
                self.store.save(refund)
                previous = {"status": "pending", "pending_reason": "processing"}
                self._emit("refund.updated", refund, previous)
                self._emit("charge.refund.updated", refund, previous)
        return self.show(refund)

    def fail_refund(self, refund_id: str, reason: str = "expired_or_canceled_card") -> Object:
        """The payer's bank sends a refund back: the money returns to the balance and the charge counts as paid."""
        with self.store.transaction():
            refund = self.store.get("refund", refund_id)
            if refund["status"] == "failed":
                return self.show(refund)
            charge = self.store.get("charge", refund["charge"])
            transaction = self._book(
                "refund_failure" if charge["id"].startswith("ch_") else "payment_failure_refund",
                refund["amount"],
                refund["currency"],
                refund["id"],
                category="refund_failure",
                description="REFUND FAILURE",
            )
            previous = {"status": refund["status"]}
            refund |= {
                "status": "failed",
                "pending_reason": None,
                "failure_reason": reason,
                "failure_balance_transaction": transaction["id"],
            }
            self.store.save(refund)
            charge["amount_refunded"] -= refund["amount"]
            charge["refunded"] = False
            self.store.save(charge)
            self._emit("refund.updated", refund, previous)
            self._emit("charge.refund.updated", refund, previous)
            self._emit("refund.failed", refund)
        return self.show(refund)

    def open_dispute(
        self,
        payment_intent: str,
        amount: int | None = None,
        withdraw: bool = True,
        *,
        reason: str = "fraudulent",
    ) -> Object:
        """The payer's bank disputes `amount` cents, or all. Without `withdraw` it is an inquiry: no money moves yet
        and the status is `warning_needs_response`; `withdraw_funds` makes it a dispute."""
        with self.store.transaction():
            charge = self._charge_of(payment_intent)
            for other in self.store.find("dispute", charge=charge["id"]):
                if other["status"] in OPEN_DISPUTES:
                    raise ProcessorError(f"Charge {charge['id']} is disputed already.", code="charge_disputed")
            dispute = objects.dispute(
                charge, amount or charge["amount"], reason=reason, inquiry=not withdraw, now=int(self.store.now())
            )
            self.store.add(dispute)
            charge["disputed"] = True
            self.store.save(charge)
            self._emit("charge.dispute.created", dispute)
            return self.withdraw_funds(dispute["id"]) if withdraw else self.show(dispute)

    def withdraw_funds(self, dispute_id: str) -> Object:
        """The disputed money and the fee leave the balance; an inquiry becomes a dispute. Once only."""
        with self.store.transaction():
            dispute = self.store.get("dispute", dispute_id)
            if dispute["balance_transactions"]:
                return self.show(dispute)
            transaction = self._book(
                "adjustment",
                -dispute["amount"],
                dispute["currency"],
                dispute["id"],
                category="dispute",
                fee=objects.DISPUTE_FEE,
                fee_name="Dispute fee",
                description=f"Chargeback withdrawal for {dispute['charge']}",
            )
            dispute["balance_transactions"] = [transaction["id"]]
            dispute["is_charge_refundable"] = False
            previous = {"status": dispute["status"]}
            if dispute["status"].startswith("warning_"):
                dispute["status"] = "needs_response"
                dispute["payment_method_details"]["card"]["case_type"] = "chargeback"
                self.store.save(dispute)
                self._emit("charge.dispute.updated", dispute, previous)
            self.store.save(dispute)
            self._emit("charge.dispute.funds_withdrawn", dispute)
        return self.show(dispute)

    def update_dispute(self, dispute_id: str, status: str = "under_review") -> Object:
        """The dispute moves on without money: `under_review` or `warning_under_review`."""
        with self.store.transaction():
            dispute = self.store.get("dispute", dispute_id)
            previous = {"status": dispute["status"]}
            if dispute["status"] != status:
                dispute["status"] = status
                self.store.save(dispute)
                self._emit("charge.dispute.updated", dispute, previous)
        return self.show(dispute)

    def reinstate(self, dispute_id: str) -> Object:
        """The withdrawn money (never the fee) comes back. Once only."""
        with self.store.transaction():
            dispute = self.store.get("dispute", dispute_id)
            if not dispute["balance_transactions"]:
                raise ProcessorError("No funds were withdrawn for this dispute.")
            if len(dispute["balance_transactions"]) == 1:
                transaction = self._book(
                    "adjustment",
                    dispute["amount"],
                    dispute["currency"],
                    dispute["id"],
                    category="dispute_reversal",
                    description=f"Chargeback reversal for {dispute['charge']}",
                )
                dispute["balance_transactions"].append(transaction["id"])
                self.store.save(dispute)
                self._emit("charge.dispute.funds_reinstated", dispute)
        return self.show(dispute)

    def close_dispute(self, dispute_id: str, status: str = "won", *, reinstate: bool = True) -> Object:
        """Ends a dispute as `won`, `lost` or (an inquiry) `warning_closed`.

        A won dispute brings withdrawn money back, unless `reinstate` is false and a call of its own does it.
        """
        if status not in ("won", "lost", "warning_closed"):
            raise ProcessorError("A dispute ends as won, lost or warning_closed.", param="status")
        with self.store.transaction():
            dispute = self.store.get("dispute", dispute_id)
            if dispute["status"] in OPEN_DISPUTES:
                previous = {"status": dispute["status"]}
                dispute["status"] = status
                self.store.save(dispute)
                self._emit("charge.dispute.closed", dispute, previous)
            if dispute["status"] == "won" and reinstate and dispute["balance_transactions"]:
                return self.reinstate(dispute_id)
        return self.show(dispute)

    def book_fee(self, payment_intent: str) -> Object:
        """Adds the balance transaction that the fault `late_fee` had held back; answers the charge."""
        with self.store.transaction():
            charge = self._charge_of(payment_intent)
            if charge["balance_transaction"] is None:
                self._book_charge(charge)
                self.store.save(charge)
                self._emit("charge.updated", charge, {"balance_transaction": None})
        return self.show(charge)

    def payout(self, amount: int | None = None, *, fee: int = 0) -> Object:
        """Sends `amount` cents, or all we have, to our bank account, cleared or not; `fee` for one that is instant."""
        with self.store.transaction():
            now = int(self.store.now())
            moves = self.store.find("balance_transaction", currency="usd")
            amount = sum(each["net"] for each in moves) if amount is None else amount
            if amount < 1:
                raise ProcessorError("You have insufficient funds for this payout.", code="balance_insufficient")
            payout = objects.payout(amount, "usd", "", now)
            transaction = self._book(
                "payout", -amount, "usd", payout["id"], category="payout", fee=fee, description="STRIPE PAYOUT"
            )
            payout["balance_transaction"] = transaction["id"]
            self.store.add(payout)
            self._emit("payout.created", payout)
        return self.show(payout)

    def pay_out(self, payout_id: str) -> Object:
        """A payout arrives at our bank."""
        with self.store.transaction():
            payout = self.store.get("payout", payout_id)
            if payout["status"] == "in_transit":
                payout |= {"status": "paid", "reconciliation_status": "completed"}
                self.store.save(payout)
                self._emit("payout.paid", payout)
        return self.show(payout)

    def fail_payout(self, payout_id: str) -> Object:
        """Our bank sends a payout back: the money returns to the balance."""
        with self.store.transaction():
            payout = self.store.get("payout", payout_id)
            if payout["status"] != "failed":
                transaction = self._book(
                    "payout_failure",
                    payout["amount"],
                    payout["currency"],
                    payout["id"],
                    category="payout_reversal",
                    description="PAYOUT FAILURE",
                )
                payout |= {
                    "status": "failed",
                    "failure_balance_transaction": transaction["id"],
                    "failure_code": "account_closed",
                    "failure_message": "The bank account has been closed.",
                }
                self.store.save(payout)
                self._emit("payout.failed", payout)
        return self.show(payout)

    def charge_us(self, amount: int) -> Object:
        """The processor takes `amount` cents for a service of its own (negative: gives them back)."""
        with self.store.transaction():
            return self.show(self._book("stripe_fee", -amount, "usd", None, category="fee", description="Radar"))

    def adjust(self, amount: int, currency: str = "usd") -> Object:
        """A movement of the balance that nothing explains."""
        with self.store.transaction():
            return self.show(self._book("adjustment", amount, currency, None, category="other_adjustment"))

    def run_due_jobs(self) -> None:
        """Does what the clock asks for: sessions that end, disputes and refunds of the demo cards."""
        verbs: dict[str, Callable[[str], Any]] = {
            "expire": self.expire,
            "dispute": self.open_dispute,
            "inquire": lambda intent: self.open_dispute(intent, withdraw=False),
            "succeed_refund": self.succeed_refund,
            "fail_refund": self.fail_refund,
        }
        while True:
            with self.store.transaction():
                job = self.store.take_due_job()
                if job is None:
                    return
                try:
                    verbs[job[0]](job[1])
                except ProcessorError:
                    continue  # Somebody was quicker: the dispute is open already, the session is gone.

    # Steps

    def _intent_of(self, session: Object) -> Object:
        if session["payment_intent"]:
            return self.store.get("payment_intent", session["payment_intent"])
        data = session["_payment_intent_data"]
        intent = self._new_intent(session["amount_total"], session["currency"], data.get("metadata", {}), data)
        session["payment_intent"] = intent["id"]
        self.store.save(session)
        return intent

    def _new_intent(
        self, amount: int, currency: str, metadata: dict[str, str], data: dict[str, Any] | None = None
    ) -> Object:
        intent = objects.payment_intent(amount, currency, metadata, int(self.store.now()), data)
        self.store.add(intent)
        self._emit("payment_intent.created", intent)
        return intent

    def _new_charge(self, intent: Object, details: dict[str, Any], name: str, email: str) -> Object:
        intent["payment_method"] = new_id("pm_1", 23)
        charge = objects.charge(intent, details, name=name, email=email, now=int(self.store.now()))
        self.store.add(charge)
        intent["latest_charge"] = charge["id"]
        intent["last_payment_error"] = None
        self.store.save(intent)
        return charge

    def _succeed(self, intent: Object, charge: Object) -> None:
        self._receive(intent, charge)
        self._emit("charge.succeeded", charge)
        self._emit("payment_intent.succeeded", intent)

    def _receive(self, intent: Object, charge: Object) -> None:
        receipt = self.faults.take_receipt()
        amount = intent["amount"] if receipt.amount is None else receipt.amount
        currency = receipt.currency or intent["currency"]
        charge |= {
            "amount": amount,
            "amount_captured": amount,
            "captured": True,
            "currency": currency,
            "failure_code": None,
            "failure_message": None,
            "outcome": objects.outcome(),
            "paid": True,
            "status": "succeeded",
        }
        is_booked = charge["balance_transaction"] and not charge["failure_balance_transaction"]
        if not receipt.late_fee and not is_booked:
            self._book_charge(charge)
            charge["failure_balance_transaction"] = None
        intent |= {
            "amount_received": amount,
            "currency": currency,
            "last_payment_error": None,
            "latest_charge": charge["id"],
            "status": "succeeded",
        }
        self.store.save(charge)
        self.store.save(intent)

    def _fail(
        self, intent: Object, charge: Object, decline_code: str | None, message: str, code: str = "card_declined"
    ) -> None:
        if charge["balance_transaction"]:
            booked = self.store.get("balance_transaction", charge["balance_transaction"])
            transaction = self._book(
                "payment_failure_refund",
                -booked["amount"],
                booked["currency"],
                charge["id"],
                category="charge_failure",
                fee=-booked["fee"],
                description="PAYMENT FAILURE REFUND",
            )
            charge["failure_balance_transaction"] = transaction["id"]
        charge |= {
            "failure_code": code,
            "failure_message": message,
            "outcome": objects.outcome(decline_code or "generic_decline"),
            "status": "failed",
        }
        intent |= {
            "last_payment_error": {
                "charge": charge["id"],
                "code": code,
                "decline_code": decline_code,
                "message": message,
                "type": "card_error" if decline_code else "invalid_request_error",
            },
            "payment_method": None,
            "status": "requires_payment_method",
        }
        self.store.save(charge)
        self.store.save(intent)
        self._emit("charge.failed", charge)
        self._emit("payment_intent.payment_failed", intent)

    def _complete(self, session: Object, name: str, email: str, *, paid: bool) -> None:
        session |= {
            "customer_details": objects.customer_details(name, email),
            "payment_status": "paid" if paid else "unpaid",
            "status": "complete",
        }
        self.store.save(session)
        self._emit("checkout.session.completed", session)

    def _delayed(self, session_id: str) -> tuple[Object, Object, Object]:
        session = self.store.get("checkout.session", session_id)
        if session["status"] != "complete":
            raise ProcessorError("This Checkout Session has no delayed payment.")
        intent = self.store.get("payment_intent", session["payment_intent"])
        return session, intent, self.store.get("charge", intent["latest_charge"])

    def _charge_of(self, payment_intent: str) -> Object:
        intent = self.store.get("payment_intent", payment_intent, "payment_intent")
        if intent["status"] != "succeeded":
            raise ProcessorError(
                f"This PaymentIntent ({payment_intent}) does not have a successful charge.",
                code="payment_intent_unexpected_state",
                param="payment_intent",
            )
        return self.store.get("charge", intent["latest_charge"])

    def _refund(
        self,
        charge: Object,
        amount: int | None,
        *,
        reason: str | None,
        metadata: dict[str, str],
        cause: dict[str, Any] | None = None,
        status: str = "succeeded",
    ) -> Object:
        left = charge["amount_captured"] - charge["amount_refunded"]
        for dispute in self.store.find("dispute", charge=charge["id"]):
            lost = dispute["status"] == "lost"
            if lost or (dispute["status"] in OPEN_DISPUTES and not dispute["is_charge_refundable"]):
                raise ProcessorError(
                    f"Charge {charge['id']} has been charged back; cannot issue a refund.", code="charge_disputed"
                )
        if left == 0:
            raise ProcessorError(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
        amount = left if amount is None else amount
        if amount < 1:
            raise ProcessorError("Invalid positive integer", code="parameter_invalid_integer", param="amount")
        if amount > left:
            raise ProcessorError(
                f"Refund amount (${amount / 100:.2f}) is greater than unrefunded amount on charge (${left / 100:.2f})",
                param="amount",
            )
        card = self._card_of(charge)
        if card and card.refunds == "wait":
            status = "pending"
        by_card = charge["id"].startswith("ch_")
        refund = objects.refund(
            charge, amount, status=status, reason=reason, metadata=metadata, now=int(self.store.now())
        )
        transaction = self._book(
            "refund" if by_card else "payment_refund",
            -amount,
            charge["currency"],
            refund["id"],
            category="refund",
            description="REFUND FOR CHARGE",
        )
        refund["balance_transaction"] = transaction["id"]
        self.store.add(refund)
        previous = {"amount_refunded": charge["amount_refunded"], "refunded": charge["refunded"]}
        charge["amount_refunded"] += amount
        charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]
        self.store.save(charge)
        self._emit("refund.created", refund, cause=cause)
        self._emit("charge.refunded", charge, previous, cause)
        if card and card.refunds != "succeed":
            verb = "succeed_refund" if card.refunds == "wait" else "fail_refund"
            self.store.add_job(self.store.now() + self._moment, verb, refund["id"])
        return self.show(refund)

    def _card_of(self, charge: Object) -> Card | None:
        details = charge["payment_method_details"].get("card", {})
        return next((card for card in CARDS.values() if card.fingerprint == details.get("fingerprint")), None)

    def _book_charge(self, charge: Object) -> None:
        transaction = self._book(
            "charge" if charge["id"].startswith("ch_") else "payment",
            charge["amount"],
            charge["currency"],
            charge["id"],
            category="charge",
            fee=objects.charge_fee(charge["amount"]),
            description=charge["description"],
            clears_in=objects.CLEARING_TIME,
        )
        charge["balance_transaction"] = transaction["id"]

    def _book(self, type: str, amount: int, currency: str, source: str | None, **more: Any) -> Object:
        return self.store.add(
            objects.balance_transaction(type, amount, currency, source, now=int(self.store.now()), **more)
        )

    def _emit(
        self,
        type: str,
        obj: Object,
        previous: dict[str, Any] | None = None,
        cause: dict[str, Any] | None = None,
    ) -> None:
        event = objects.event(
            type,
            self.show(obj),
            previous=previous,
            cause=cause,
            now=int(self.store.now()),
            webhooks=self._webhooks,
        )
        self.store.add(event)
        self.store.after_commit(lambda: self._announce(event["id"], type))


def _refuse_unsupported(params: dict[str, Any], supported: set[str], path: str = "") -> None:
    for name in params:
        if name not in supported:
            where = f"{path}[{name}]" if path else name
            raise ProcessorError(f"This stand-in does not support the parameter {where}.", param=where)


def _add_up(params: dict[str, Any]) -> tuple[list[str], str, int]:
    """The names of the line items, their one currency and their sum in cents."""
    items = params.get("line_items", [])
    if not items:
        raise ProcessorError(
            "The `line_items` parameter is required in payment mode.", code="parameter_missing", param="line_items"
        )
    names, currencies, total = [], [params["currency"].lower()] if "currency" in params else [], 0
    for index, item in enumerate(items):
        where = f"line_items[{index}]"
        _refuse_unsupported(item, {"price_data", "quantity"}, where)
        if "price_data" not in item:
            raise missing_param(f"{where}[price_data]")
        price = item["price_data"]
        _refuse_unsupported(price, {"currency", "product_data", "unit_amount"}, f"{where}[price_data]")
        for name in ("product_data", "unit_amount"):
            if name not in price:
                raise missing_param(f"{where}[price_data][{name}]")
        if "quantity" not in item:
            raise ProcessorError(
                f"Quantity is required. Add `quantity` to `{where}`", code="parameter_missing", param=where
            )
        if price["unit_amount"] < 0 or item["quantity"] < 1:
            raise ProcessorError("Invalid non-negative integer", code="parameter_invalid_integer", param=where)
        names.append(price["product_data"]["name"])
        currencies.append(price["currency"].lower())
        total += price["unit_amount"] * item["quantity"]
    if len(set(currencies)) > 1:
        raise ProcessorError("All line items must have the same currency.", param="line_items")
    if not re.fullmatch("[a-z]{3}", currencies[0]):
        raise ProcessorError(f"Invalid currency: {currencies[0]}.", param="line_items[0][price_data][currency]")
    if total < LEAST_AMOUNT:
        raise ProcessorError(
            f"The Checkout Session's total amount due must add up to at least $0.50 {currencies[0]}",
            code="amount_too_small",
        )
    if total > GREATEST_AMOUNT:
        raise ProcessorError(
            "The Checkout Session's total amount due must be no more than $999,999.99", code="amount_too_large"
        )
    return names, currencies[0], total
