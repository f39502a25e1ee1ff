from collections.abc import Iterable, Mapping
from typing import Any

from privacy.declare.data_sets import personal_data
from privacy.declare.vocabulary import Category, Purpose, Source, Subject

from .models import Acceptance


@personal_data(
    key="policy.acceptances",
    title="The texts you agreed to",
    about=Subject.MEMBER,
    categories=(Category.AGREEMENTS,),
    purposes=(Purpose.LEGAL_DUTY,),
    source=Source.TOLD,
    kept="as long as the account, as proof of what was agreed",
    fields={"policy.Acceptance": ("user", "version", "sha256", "surface", "accepted_at")},
)
class Acceptances:
    @staticmethod
    def rows(subject: Any) -> Iterable[Mapping[str, Any]]:
        return subject.acceptances.values("version__document", "version__number", "sha256", "surface", "accepted_at")

    @staticmethod
    def people() -> Iterable[int]:
        return Acceptance.objects.values_list("user_id", flat=True).distinct()
