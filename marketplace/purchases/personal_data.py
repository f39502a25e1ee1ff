from collections.abc import Iterable, Mapping
from typing import Any

from privacy.declare.data_sets import personal_data
from privacy.declare.vocabulary import Category, Purpose, Source, Subject

from .models import CallAttempt, Credit, Export, Note, Order, Purchase, RefusedLine


@personal_data(
    key="purchases.exports",
    title="Large files of your leads that you asked for",
    about=Subject.MEMBER,
    categories=(Category.PURCHASES,),
    purposes=(Purpose.ACCOUNT_SERVICE,),
    source=Source.TOLD,
    kept="the file and what you searched for a day, sealed; that there was one 30 days more",
    fields={
        "purchases.Export": (
            "public_id",
            "buyer",
            "format",
            "filter",
            "filter_digest",
            "state",
            "problem",
            "rows_total",
            "rows_done",
            "created_at",
            "finished_at",
        )
    },
)
class Exports:
    @staticmethod
    def rows(subject: Any) -> Iterable[Mapping[str, Any]]:
        made = Export.objects.filter(buyer=subject)
        return made.values("public_id", "format", "state", "rows_total", "created_at", "finished_at")

    @staticmethod
    def people() -> Iterable[int]:
        return Export.objects.values_list("buyer_id", flat=True).distinct()


@personal_data(
    key="purchases.purchases",
    title="What you bought, with your stages, calls and notes",
    about=Subject.MEMBER,
    categories=(Category.PURCHASES,),
    purposes=(Purpose.ACCOUNT_SERVICE, Purpose.BILLING, Purpose.LEGAL_DUTY),
    source=Source.TOLD,
    kept="orders and prices seven years after the year of purchase; stages, calls and notes as long as the "
    "account, a removed note for an hour",
    fields={
        "purchases.Order": ("public_id", "buyer", "key", "request_hash", "created_at"),
        "purchases.Purchase": (
            "public_id",
            "order",
            "buyer",
            "lead",
            "slot_number",
            "price_cents",
            "terms_sha256",
            "stage",
            "stage_changed_at",
            "next_call_at",
            "dnc_checked_on",
            "revocation_told_at",
            "credited_cents",
            "created_at",
        ),
        "purchases.CallAttempt": ("public_id", "purchase", "outcome", "key", "made_at"),
        "purchases.Note": ("public_id", "purchase", "text", "key", "created_at", "removed_at"),
        "purchases.Credit": (
            *("public_id", "purchase", "buyer", "code", "amount_cents", "maker", "made_at", "reason"),
            *("state", "checker", "decided_at", "answer"),
        ),
        "purchases.RefusedLine": ("order", "lead", "reason", "price_seen_cents", "earlier"),
    },
)
class Purchases:
    @staticmethod
    def rows(subject: Any) -> Iterable[Mapping[str, Any]]:
        yield from Order.objects.filter(buyer=subject).values()
        yield from Purchase.objects.filter(buyer=subject).values()
        yield from CallAttempt.objects.filter(purchase__buyer=subject).values()
        yield from RefusedLine.objects.filter(order__buyer=subject).values()
        yield from Note.objects.filter(purchase__buyer=subject).values()
        given_back = Credit.objects.filter(buyer=subject)
        yield from given_back.values("public_id", "code", "amount_cents", "reason", "made_at", "state", "decided_at")

    @staticmethod
    def people() -> Iterable[int]:
        return Order.objects.values_list("buyer_id", flat=True).distinct()
