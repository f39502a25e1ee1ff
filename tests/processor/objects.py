"""The shapes of Stripe's objects, with every key that a card payment fills. Amounts are cents, times seconds (UTC).

Keys that begin with an underscore are the stand-in's own notes: they are kept, and never answered.
"""

from __future__ import annotations

import secrets
from typing import Any

import stripe

from .state import Object, new_id

DISPUTE_FEE = 1500
"""Cents kept by the processor for a dispute whose funds are withdrawn."""

CLEARING_TIME = 2 * 24 * 3600
"""Seconds until the money of a payment counts as available."""

NO_ADDRESS = {"city": None, "country": "US", "line1": None, "line2": None, "postal_code": None, "state": None}


def charge_fee(amount: int) -> int:
    """The fee for a payment of `amount` cents: 2.9 percent, half a cent up, and 30 cents."""
    return (amount * 29 + 500) // 1000 + 30


def session(params: dict[str, Any], *, currency: str, amount: int, now: int, expires_at: int) -> Object:
    """A Checkout Session in mode `payment`, open and unpaid."""
    return {
        "id": new_id("cs_test_a1", 56),
        "object": "checkout.session",
        "adaptive_pricing": {"enabled": False},
        "after_expiration": None,
        "allow_promotion_codes": None,
        "allowed_payment_method_types": params.get("allowed_payment_method_types"),
        "amount_subtotal": amount,
        "amount_total": amount,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "billing_address_collection": params.get("billing_address_collection"),
        "cancel_url": params.get("cancel_url"),
        "client_reference_id": params.get("client_reference_id"),
        "client_secret": None,
        "collected_information": None,
        "consent": None,
        "consent_collection": None,
        "created": now,
        "currency": currency,
        "currency_conversion": None,
        "custom_fields": [],
        "custom_text": {
            "after_submit": None,
            "shipping_address": None,
            "submit": None,
            "terms_of_service_acceptance": None,
        },
        "customer": None,
        "customer_account": None,
        "customer_creation": params.get("customer_creation", "if_required"),
        "customer_details": None,
        "customer_email": params.get("customer_email"),
        "discounts": [],
        "expires_at": expires_at,
        "integration_identifier": params.get("integration_identifier"),
        "invoice": None,
        "invoice_creation": None,
        "livemode": False,
        "locale": params.get("locale"),
        "metadata": params.get("metadata", {}),
        "mode": "payment",
        "origin_context": params.get("origin_context"),
        "payment_intent": None,
        "payment_link": None,
        "payment_method_collection": "if_required",
        "payment_method_configuration_details": None,
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": ["card"],
        "payment_status": "unpaid",
        "permissions": None,
        "phone_number_collection": {"enabled": False},
        "recovered_from": None,
        "saved_payment_method_options": None,
        "setup_intent": None,
        "shipping_address_collection": None,
        "shipping_cost": None,
        "shipping_options": [],
        "status": "open",
        "submit_type": params.get("submit_type"),
        "subscription": None,
        "success_url": params["success_url"],
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted_page",
        "url": None,
        "wallet_options": None,
    }


def customer_details(name: str, email: str) -> dict[str, Any]:
    """What a session tells about the payer once they have paid."""
    return {
        "address": NO_ADDRESS,
        "business_name": None,
        "email": email,
        "individual_name": None,
        "name": name,
        "phone": None,
        "tax_exempt": "none",
        "tax_ids": [],
    }


def payment_intent(
    amount: int, currency: str, metadata: dict[str, str], now: int, data: dict[str, Any] | None = None
) -> Object:
    """A PaymentIntent that waits for a payment method; `data` is the session's payment_intent_data."""
    data = data or {}
    id = new_id("pi_3", 23)
    return {
        "id": id,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": data.get("capture_method", "automatic_async"),
        "client_secret": new_id(f"{id}_secret_", 25),
        "confirmation_method": "automatic",
        "created": now,
        "currency": currency,
        "customer": None,
        "customer_account": None,
        "description": data.get("description"),
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": metadata,
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": ["card"],
        "processing": None,
        "receipt_email": data.get("receipt_email"),
        "review": None,
        "setup_future_usage": None,
        "shipping": None,
        "source": None,
        "statement_descriptor": data.get("statement_descriptor"),
        "statement_descriptor_suffix": data.get("statement_descriptor_suffix"),
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": None,
    }


def card_details(brand: str, last4: str, expiry: tuple[int, int], fingerprint: str) -> dict[str, Any]:
    """A charge's payment_method_details for a card; never more of its number than the last four digits."""
    return {
        "type": "card",
        "card": {
            "amount_authorized": None,
            "authorization_code": None,
            "brand": brand,
            "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
            "country": "US",
            "exp_month": expiry[0],
            "exp_year": expiry[1],
            "extended_authorization": {"status": "disabled"},
            "fingerprint": fingerprint,
            "funding": "credit",
            "incremental_authorization": {"status": "unavailable"},
            "installments": None,
            "last4": last4,
            "mandate": None,
            "multicapture": {"status": "unavailable"},
            "network": brand,
            "network_token": {"used": False},
            "network_transaction_id": str(secrets.randbelow(10**15)).zfill(15),
            "overcapture": {"maximum_amount_capturable": 0, "status": "unavailable"},
            "regulated_status": "unregulated",
            "three_d_secure": None,
            "wallet": None,
        },
    }


def bank_details() -> dict[str, Any]:
    """A charge's payment_method_details for a bank debit, the kind of payment that takes days."""
    return {
        "type": "us_bank_account",
        "us_bank_account": {
            "account_holder_type": "individual",
            "account_type": "checking",
            "bank_name": "STRIPE TEST BANK",
            "expected_debit_date": None,
            "fingerprint": "Nd8p4w2HQ0m1zXyB",
            "last4": "6789",
            "mandate": None,
            "payment_reference": None,
            "routing_number": "110000000",
        },
    }


def charge(intent: Object, details: dict[str, Any], *, name: str, email: str, now: int) -> Object:
    """A Charge for a PaymentIntent, pending until it succeeds or fails."""
    return {
        "id": new_id("ch_3" if details["type"] == "card" else "py_3", 23),
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": 0,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": {"address": NO_ADDRESS, "email": email, "name": name, "phone": None, "tax_id": None},
        "calculated_statement_descriptor": "LEADFAIR",
        "captured": False,
        "created": now,
        "currency": intent["currency"],
        "customer": None,
        "description": intent["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "fraud_details": {},
        "livemode": False,
        "metadata": intent["metadata"],
        "on_behalf_of": None,
        "outcome": None,
        "paid": False,
        "payment_intent": intent["id"],
        "payment_method": intent["payment_method"],
        "payment_method_details": details,
        "radar_options": {},
        "receipt_email": intent["receipt_email"],
        "receipt_number": None,
        "receipt_url": None,
        "refunded": False,
        "review": None,
        "shipping": None,
        "source": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "pending",
        "transfer_data": None,
        "transfer_group": None,
    }


def outcome(decline_code: str | None = None) -> dict[str, Any]:
    """What the card network said: approved, or declined with Stripe's decline code."""
    return {
        "advice_code": "try_again_later" if decline_code else None,
        "network_advice_code": None,
        "network_decline_code": "01" if decline_code else None,
        "network_status": "declined_by_network" if decline_code else "approved_by_network",
        "reason": decline_code,
        "risk_level": "normal",
        "risk_score": 12,
        "seller_message": "The bank did not return any further details with this decline."
        if decline_code
        else "Payment complete.",
        "type": "issuer_declined" if decline_code else "authorized",
    }


def refund(of: Object, amount: int, *, status: str, reason: str | None, metadata: dict[str, str], now: int) -> Object:
    """A Refund of `amount` cents of a charge."""
    by_card = of["payment_method_details"]["type"] == "card"
    details: dict[str, Any] = {"type": of["payment_method_details"]["type"]}
    if by_card:
        details["card"] = {"reference_status": "pending", "reference_type": "acquirer_reference_number"}
        details["card"]["type"] = "pending" if status == "pending" else "refund"
    else:
        details = {"us_bank_transfer": {}, "type": "us_bank_transfer"}
    return {
        "id": new_id("re_3" if by_card else "pyr_1", 23),
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": of["id"],
        "created": now,
        "currency": of["currency"],
        "destination_details": details,
        "metadata": metadata,
        "payment_intent": of["payment_intent"],
        "pending_reason": "processing" if status == "pending" else None,
        "reason": reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": status,
        "transfer_reversal": None,
    }


def dispute(of: Object, amount: int, *, reason: str, inquiry: bool, now: int) -> Object:
    """A Dispute of `amount` cents of a charge; an inquiry has withdrawn nothing yet."""
    return {
        "id": new_id("du_1", 23),
        "object": "dispute",
        "amount": amount,
        "balance_transactions": [],
        "charge": of["id"],
        "created": now,
        "currency": of["currency"],
        "enhanced_eligibility_types": [],
        "evidence": _no_evidence(of["billing_details"]),
        "evidence_details": {
            "due_by": now + 7 * 24 * 3600,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
            "submission_method": "not_submitted",
        },
        "is_charge_refundable": inquiry,
        "livemode": False,
        "metadata": {},
        "network_reason_code": "10.4",
        "payment_intent": of["payment_intent"],
        "payment_method_details": {
            "card": {
                "brand": "visa",
                "case_type": "inquiry" if inquiry else "chargeback",
                "network": "visa",
                "network_reason_code": "10.4",
            },
            "type": "card",
        },
        "reason": reason,
        "status": "warning_needs_response" if inquiry else "needs_response",
    }


def _no_evidence(billing: dict[str, Any]) -> dict[str, Any]:
    empty = (
        "access_activity_log billing_address cancellation_policy cancellation_policy_disclosure "
        "cancellation_rebuttal customer_communication customer_signature duplicate_charge_documentation "
        "duplicate_charge_explanation duplicate_charge_id product_description receipt refund_policy "
        "refund_policy_disclosure refund_refusal_explanation service_date service_documentation shipping_address "
        "shipping_carrier shipping_date shipping_documentation shipping_tracking_number uncategorized_file "
        "uncategorized_text"
    )
    return {
        **dict.fromkeys(empty.split()),
        "customer_email_address": billing["email"],
        "customer_name": billing["name"],
        "customer_purchase_ip": "192.0.2.7",
        "enhanced_evidence": {},
    }


def payout(amount: int, currency: str, transaction: str, now: int) -> Object:
    """A Payout of `amount` cents to our bank account, on its way."""
    return {
        "id": new_id("po_1", 23),
        "object": "payout",
        "amount": amount,
        "application_fee": None,
        "application_fee_amount": None,
        "arrival_date": now + CLEARING_TIME,
        "automatic": True,
        "balance_transaction": transaction,
        "created": now,
        "currency": currency,
        "description": "STRIPE PAYOUT",
        "destination": new_id("ba_1", 23),
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "livemode": False,
        "metadata": {},
        "method": "standard",
        "original_payout": None,
        "payout_method": None,
        "reconciliation_status": "in_progress",
        "reversed_by": None,
        "source_type": "card",
        "statement_descriptor": None,
        "status": "in_transit",
        "trace_id": None,
        "type": "bank_account",
    }


def balance_transaction(
    type: str,
    amount: int,
    currency: str,
    source: str | None,
    *,
    now: int,
    category: str,
    fee: int = 0,
    fee_name: str = "Stripe processing fees",
    description: str | None = None,
    clears_in: int = 0,
) -> Object:
    """One movement of the balance: `amount` cents (negative goes out) minus `fee` cents."""
    details = {"amount": fee, "application": None, "currency": currency, "description": fee_name, "type": "stripe_fee"}
    return {
        "id": new_id("txn_3", 23),
        "object": "balance_transaction",
        "amount": amount,
        "available_on": now + clears_in,
        "balance_type": "payments",
        "created": now,
        "currency": currency,
        "description": description,
        "exchange_rate": None,
        "fee": fee,
        "fee_details": [details] if fee else [],
        "net": amount - fee,
        "reporting_category": category,
        "source": source,
        "status": "pending",
        "type": type,
    }


def balance(transactions: list[Object], now: int) -> Object:
    """The Balance: the sum of all movements by currency, split by whether they have cleared."""
    currencies = sorted({each["currency"] for each in transactions} | {"usd"})

    def total(currency: str, cleared: bool) -> dict[str, Any]:
        nets = [
            each["net"]
            for each in transactions
            if each["currency"] == currency and (each["available_on"] <= now) is cleared
        ]
        return {"amount": sum(nets), "currency": currency, "source_types": {"card": sum(nets)}}

    return {
        "object": "balance",
        "available": [total(currency, True) for currency in currencies],
        "livemode": False,
        "pending": [total(currency, False) for currency in currencies],
    }


def event(
    type: str,
    obj: Object,
    *,
    previous: dict[str, Any] | None,
    cause: dict[str, Any] | None,
    now: int,
    webhooks: int,
) -> Object:
    """An Event with the object as it is now; `cause` names the API request (id, idempotency_key) if there was one."""
    data: dict[str, Any] = {"object": obj}
    if previous is not None:
        data["previous_attributes"] = previous
    return {
        "id": new_id("evt_3" if obj["object"] in ("payment_intent", "charge", "refund") else "evt_1", 23),
        "object": "event",
        "api_version": stripe.api_version,
        "created": now,
        "data": data,
        "livemode": False,
        "pending_webhooks": webhooks,
        "request": cause or {"id": None, "idempotency_key": None},
        "type": type,
    }
