from collections.abc import Iterable, Mapping
from typing import Any

from marketplace.core import clock
from privacy.declare.data_sets import personal_data
from privacy.declare.vocabulary import Category, Purpose, Source, Subject

from .models import ImportRow, Upload, Withdrawal, WithdrawnLead


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


@personal_data(
    key="supply.files",
    title="The file on which a request came in, sealed",
    about=Subject.LEAD,
    categories=(Category.LEAD_CONTACT, Category.LEAD_REQUEST, Category.LEAD_CONSENT),
    purposes=(Purpose.LEAD_SALE,),
    source=Source.TOLD,
    kept="the file until it is imported, a day at most before; its rows that did not go on sale seven days after",
    fields={"supply.Upload": ("public_id", "sha256", "batch", "rejects_until")},
)
class Files:
    """While a file is coming in it is not yet known whom it is about. Of the rows that are kept afterwards, those on
    hold have a lead."""

    @staticmethod
    def rows(subject: Any) -> Iterable[Mapping[str, Any]]:
        kept = Upload.objects.with_rejects(clock.now()).filter(
            batch__rows__lead=subject, batch__rows__outcome=ImportRow.Outcome.HELD
        )
        return kept.values("public_id", "sha256", "batch", "rejects_until")

    @staticmethod
    def people() -> Iterable[int]:
        kept = Upload.objects.with_rejects(clock.now()).filter(batch__rows__outcome=ImportRow.Outcome.HELD)
        return kept.values_list("batch__rows__lead", flat=True)


@personal_data(
    key="supply.withdrawn",
    title="That a request was taken off sale with the file it came in on",
    about=Subject.LEAD,
    categories=(Category.LEAD_REQUEST,),
    purposes=(Purpose.LEAD_SALE, Purpose.LEGAL_DUTY),
    source=Source.RECORDED,
    kept="as long as the request",
    fields={"supply.WithdrawnLead": ("withdrawal", "lead", "was_on_sale", "came_back")},
)
class Withdrawn:
    @staticmethod
    def rows(subject: Any) -> Iterable[Mapping[str, Any]]:
        return WithdrawnLead.objects.filter(lead_id=subject).values()

    @staticmethod
    def people() -> Iterable[int]:
        return WithdrawnLead.objects.values_list("lead_id", flat=True).distinct()


@personal_data(
    key="supply.staff",
    title="The files you uploaded or withdrew as our staff",
    about=Subject.MEMBER,
    categories=(Category.ACTIVITY,),
    purposes=(Purpose.ACCOUNT_SECURITY,),
    source=Source.RECORDED,
    kept="as long as the account, to know who did what",
    fields={
        "supply.Upload": (
            *("public_id", "uploaded_by", "encoding", "options", "state", "problem", "lines", "attempts", "claim"),
            *("claimed_at", "available_at", "created_at"),
        ),
        "supply.Withdrawal": (
            *("batch", "reason", "made_by", "made_at", "withdrawn_at", "undone_by", "undone_at", "put_back_at"),
        ),
    },
)
class Staff:
    @staticmethod
    def rows(subject: Any) -> Iterable[Mapping[str, Any]]:
        yield from Upload.objects.filter(uploaded_by=subject).values("public_id", "options", "state", "created_at")
        yield from Withdrawal.objects.filter(made_by=subject).values("batch", "reason", "made_at")
        yield from Withdrawal.objects.filter(undone_by=subject).values("batch", "undone_at")

    @staticmethod
    def people() -> Iterable[int]:
        yield from Upload.objects.values_list("uploaded_by", flat=True).distinct()
        yield from Withdrawal.objects.values_list("made_by", flat=True).distinct()
        yield from Withdrawal.objects.exclude(undone_by=None).values_list("undone_by", flat=True).distinct()
