from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import Q

from privacy.declare.data_sets import personal_data
from privacy.declare.vocabulary import Category, Purpose, Recipient, Source, Subject

from .models import BillingDetails, Deposit, Dispute, Refund, Resolution


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


@personal_data(
    key="wallet.found",
    title="Payments that reached us without a name, and who said and decided that they are yours",
    about=Subject.MEMBER,
    categories=(Category.PAYMENTS,),
    purposes=(Purpose.BILLING, Purpose.LEGAL_DUTY),
    source=Source.RECORDED,
    recipients=(Recipient.CARD_PROCESSOR,),
    kept="seven years after the year of the payment, as bookkeeping law asks",
    fields={
        "wallet.UnexplainedPayment": (
            *("intent_id", "deposit", "received_cents", "returned_cents", "resolved_cents", "arrived_at"),
        ),
        "wallet.Resolution": (
            *("public_id", "payment", "member", "amount_cents", "maker", "made_at", "reason", "state", "checker"),
            *("decided_at", "answer", "carried_out_at"),
        ),
    },
)
class Found:
    @staticmethod
    def rows(subject: Any) -> Iterable[Mapping[str, Any]]:
        """Of a member the whole story, of our staff what they asked and decided; never who the other one is."""
        story = (
            "public_id",
            "payment__intent_id",
            "amount_cents",
            "made_at",
            "reason",
            "state",
            "decided_at",
            "answer",
        )
        yield from map(dict, Resolution.objects.filter(member=subject).values(*story, "carried_out_at"))
        did = Resolution.objects.filter(Q(maker=subject) | Q(checker=subject)).exclude(member=subject)
        yield from map(dict, did.values("public_id", "made_at", "decided_at", "state"))

    @staticmethod
    def people() -> Iterable[int]:
        involved = Resolution.objects.values_list("member_id", "maker_id", "checker_id")
        return {person for row in involved for person in row if person is not None}
