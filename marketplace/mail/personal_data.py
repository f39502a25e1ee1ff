from collections.abc import Iterable, Mapping
from typing import Any

from privacy.declare.data_sets import personal_data
from privacy.declare.vocabulary import Category, Purpose, Source, Subject

from .models import OutgoingEmail


@personal_data(
    key="mail.outgoing",
    title="Mails we sent you",
    about=Subject.MEMBER,
    categories=(Category.CORRESPONDENCE,),
    purposes=(Purpose.ACCOUNT_SERVICE, Purpose.ACCOUNT_SECURITY, Purpose.BILLING),
    source=Source.RECORDED,
    kept="that a mail was sent, as long as the account; its variables until it has left or was refused, and if it "
    "could not leave, until 30 days after the last try",
    fields={"mail.OutgoingEmail": ("user", "category", "template", "context", "state", "created_at", "sent_at")},
)
class Outgoing:
    @staticmethod
    def rows(subject: Any) -> Iterable[Mapping[str, Any]]:
        sent = OutgoingEmail.objects.filter(user=subject)
        return sent.values("category", "template", "state", "created_at", "sent_at")

    @staticmethod
    def people() -> Iterable[int]:
        return OutgoingEmail.objects.exclude(user=None).values_list("user_id", flat=True).distinct()
