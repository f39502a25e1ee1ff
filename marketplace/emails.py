"""What the site says about itself to those who run it."""

from dataclasses import asdict, dataclass

from django.db.models import Q, QuerySet

from accounts.models import User
from marketplace.core import clock
from marketplace.mail.models import Category
from marketplace.mail.services import send


@dataclass(frozen=True)
class Concern:
    """Something that owners should look at: a name for the machine, one for the subject ("the disk is nearly full"),
    and two sentences, what was seen and what to do. Ids, handles and figures only. ``where`` is the address of the page
    that shows more; ``lasts`` whether it goes on until somebody does something, else it happened once."""

    name: str
    what: str
    said: str
    advice: str
    where: str = ""
    lasts: bool = True


def owners() -> QuerySet[User]:
    """Who runs the site."""
    return User.objects.filter(Q(is_superuser=True) | Q(groups__name="owner"), is_active=True).distinct()


def tell_owners(concern: Concern) -> None:
    """Tell every owner, once a day for each name."""
    today = clock.now().date().isoformat()
    for owner in owners():
        send(
            owner,
            category=Category.OPERATOR,
            template="marketplace/email/concern",
            context={name: value for name, value in asdict(concern).items() if name != "name"},
            key=f"concern:{concern.name}:{today}:{owner.public_id}",
        )
