from collections.abc import Iterable, Mapping
from typing import Any

from privacy.declare.data_sets import personal_data
from privacy.declare.vocabulary import Category, Purpose, Recipient, Source, Subject

from .models import BillingDetails, Deposit, Dispute, Refund


@personal_data(
    key="wallet.deposits",
    title="Your deposits, refunds and disputed payments",
    about=Subject.MEMBER,
    categories=(Category.PAYMENTS,),
    purposes=(Purpose.BILLING, Purpose.LEGAL_DUTY),
    source=Source.TOLD,
    recipients=(Recipient.CARD_PROCESSOR,),
    kept="seven years after the year of the payment, as bookkeeping law asks",
    fields={
        "wallet.Deposit": (
            "public_id",
            "buyer",
            "amount_cents",
            "received_cents",
            "state",
            "session_id",
            "intent_id",
            "lead_ids",
            "created_at",
            "expires_at",
            "paid_at",
        ),
        "wallet.Refund": ("processor_id", "deposit", "amount_cents", "state", "seen_at"),
        "wallet.Dispute": ("processor_id", "deposit", "buyer", "amount_cents", "state", "is_open", "seen_at"),
    },
)
class Deposits:
    @staticmethod
    def rows(subject: Any) -> Iterable[Mapping[str, Any]]:
        yield from map(dict, Deposit.objects.filter(buyer=subject).values())
        yield from map(dict, Refund.objects.filter(deposit__buyer=subject).values())
        yield from map(dict, Dispute.objects.filter(buyer=subject).values())

    @staticmethod
    def people() -> Iterable[int]:
        return Deposit.objects.values_list("buyer_id", flat=True).distinct()


@personal_data(
    key="wallet.billing",
    title="Name and address for your receipts",
    about=Subject.MEMBER,
    categories=(Category.CONTACT,),
    purposes=(Purpose.BILLING,),
    source=Source.TOLD,
    kept="as long as the account, or until you empty it",
    fields={"wallet.BillingDetails": ("owner", "name", "address", "city", "state", "postal_code")},
)
class Billing:
    @staticmethod
    def rows(subject: Any) -> Iterable[Mapping[str, Any]]:
        return map(dict, BillingDetails.objects.filter(owner=subject).values())

    @staticmethod
    def people() -> Iterable[int]:
        return BillingDetails.objects.values_list("owner_id", flat=True)
