from collections.abc import Iterable, Mapping
from typing import Any

from privacy.declare.data_sets import personal_data
from privacy.declare.vocabulary import Category, Purpose, Source, Subject

from .models import Account, Adjustment
from .statement import entries


@personal_data(
    key="ledger.accounts",
    title="Your balance and its movements",
    about=Subject.MEMBER,
    categories=(Category.PAYMENTS,),
    purposes=(Purpose.BILLING, Purpose.LEGAL_DUTY),
    source=Source.RECORDED,
    kept="seven years after the year of the movement, as bookkeeping law asks",
    fields={
        "ledger.Account": ("owner", "debits", "credits", "last_transfer"),
        "ledger.Transfer": ("debit", "credit", "amount", "kind", "reference", "created_at"),
        "ledger.Adjustment": (
            *("public_id", "owner", "kind", "amount_cents", "maker", "made_at", "reason"),
            *("state", "checker", "decided_at", "answer"),
        ),
    },
)
class Books:
    @staticmethod
    def rows(subject: Any) -> Iterable[Mapping[str, Any]]:
        yield from (vars(entry) for entry in entries(subject.pk))
        adjustments = Adjustment.objects.filter(owner=subject)
        yield from adjustments.values("kind", "amount_cents", "reason", "made_at", "state", "decided_at")

    @staticmethod
    def people() -> Iterable[int]:
        adjusted = Adjustment.objects.values_list("owner_id")
        return (
            Account.objects.exclude(owner=None)
            .values_list("owner_id")
            .union(adjusted)
            .values_list("owner_id", flat=True)
        )
