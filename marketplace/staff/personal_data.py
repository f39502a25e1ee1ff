from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import Q

from accounts.models import User
from privacy.declare.data_sets import personal_data
from privacy.declare.vocabulary import Category, Purpose, Source, Subject

from .models import Act


@personal_data(
    key="staff.acts",
    title="What our staff noted and did about your account",
    about=Subject.MEMBER,
    categories=(Category.CORRESPONDENCE, Category.ACTIVITY),
    purposes=(Purpose.ACCOUNT_SERVICE, Purpose.ACCOUNT_SECURITY),
    source=Source.RECORDED,
    kept="as long as the account, to know who did what",
    fields={"staff.Act": ("member", "staff", "kind", "text", "made_at")},
)
class Acts:
    @staticmethod
    def rows(subject: Any) -> Iterable[Mapping[str, Any]]:
        """What was done about this member, and if they are of our staff what they did, without about whom."""
        yield from Act.objects.filter(member=subject).values("staff__handle", "kind", "text", "made_at")
        yield from Act.objects.filter(staff=subject).values("kind", "made_at")

    @staticmethod
    def people() -> Iterable[int]:
        named = Q(pk__in=Act.objects.values("member")) | Q(pk__in=Act.objects.values("staff"))
        return User.objects.filter(named).values_list("pk", flat=True)
