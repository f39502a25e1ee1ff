from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Q

from privacy.declare.data_sets import personal_data
from privacy.declare.vocabulary import Category, Purpose, Source, Subject

from .models import MoreReveals, Reveal
from .reveals import looks_at


@personal_data(
    key="vault.reveals",
    title="Who of our staff looked at your details, and why",
    about=Subject.MEMBER,
    categories=(Category.ACTIVITY,),
    purposes=(Purpose.ACCOUNT_SECURITY, Purpose.LEGAL_DUTY),
    source=Source.RECORDED,
    kept="as long as the account, to know who looked at what",
    fields={
        "vault.Reveal": ("staff", "about", "subject_id", "reason", "revealed_at"),
        "vault.MoreReveals": (
            *("public_id", "maker", "made_at", "reason", "state", "checker", "decided_at", "answer"),
        ),
    },
)
class Reveals:
    @staticmethod
    def rows(subject: Any) -> Iterable[Mapping[str, Any]]:
        """Looks at this member, and if they are of our staff their own looks at others, without naming whom."""
        yield from looks_at(subject).values("staff__handle", "reason", "revealed_at")
        yield from Reveal.objects.filter(staff=subject).values("about", "reason", "revealed_at")
        yield from MoreReveals.objects.filter(maker=subject).values("made_at", "reason", "state")

    @staticmethod
    def people() -> Iterable[int]:
        looked_at = Reveal.objects.filter(about=Reveal.About.MEMBER).values("subject_id")
        looked = Q(pk__in=Reveal.objects.values("staff")) | Q(pk__in=MoreReveals.objects.values("maker"))
        return get_user_model().objects.filter(Q(public_id__in=looked_at) | looked).values_list("pk", flat=True)
