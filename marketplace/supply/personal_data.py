from collections.abc import Iterable, Mapping
from typing import Any

from privacy.declare.data_sets import personal_data
from privacy.declare.vocabulary import Category, Purpose, Source, Subject

from .models import ImportRow


@personal_data(
    key="supply.rows",
    title="Which line of which file a request came in on",
    about=Subject.LEAD,
    categories=(Category.LEAD_REQUEST,),
    purposes=(Purpose.LEAD_SALE, Purpose.LEGAL_DUTY),
    source=Source.RECORDED,
    kept="as long as the request",
    fields={"supply.ImportRow": ("batch", "line", "outcome", "reason", "lead")},
)
class Rows:
    @staticmethod
    def rows(subject: Any) -> Iterable[Mapping[str, Any]]:
        return map(dict, ImportRow.objects.filter(lead_id=subject).values())

    @staticmethod
    def people() -> Iterable[int]:
        return ImportRow.objects.exclude(lead=None).values_list("lead_id", flat=True)
