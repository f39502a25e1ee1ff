from collections.abc import Iterable, Mapping
from typing import Any

from privacy.declare.data_sets import personal_data
from privacy.declare.vocabulary import Category, Purpose, Source, Subject

from .models import Account
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
    },
)
class Books:
    @staticmethod
    def rows(subject: Any) -> Iterable[Mapping[str, Any]]:
        return (vars(entry) for entry in entries(subject.pk))

    @staticmethod
    def people() -> Iterable[int]:
        return Account.objects.exclude(owner=None).values_list("owner_id", flat=True).distinct()
