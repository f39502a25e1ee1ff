"""What one person asks for and another decides: the two are never the same (check constraint).

A room derives a model of its own that says what is asked for. Its verb calls ``decide`` inside the transaction that
does what was asked, so that both happen or neither, and only once.
"""

from datetime import datetime, timedelta
from typing import Any, Self, TypeVar

from django.conf import settings
from django.db import IntegrityError, models, transaction
from django.db.models import F, Q

from . import clock
from .cards import mask_cards
from .ids import new_id
from .refusals import Refusal

A_DAY = timedelta(days=1)  # from getting a role to the first decision


class SamePerson(Refusal):
    """Somebody would decide what they asked for themselves, or what is about themselves."""

    status = 403
    message = "You asked for this yourself, or it is about you. Somebody else has to decide."


class TooNew(Refusal):
    """Who was given a role decides nothing for a day, while all owners read of it: nobody makes a second person for
    their own request."""

    status = 403
    message = "You were given a role less than a day ago. Until then you may ask, and somebody else decides."


class AlreadyDecided(Refusal):
    """Somebody was faster."""

    message = "This was decided or taken back already. Nothing was changed."


class TwoPeopleQuerySet(models.QuerySet[Any]):
    def waiting(self) -> Self:
        """What nobody has decided yet."""
        return self.filter(state=TwoPeople.State.ASKED)

    def approved(self) -> Self:
        """What a second person agreed to."""
        return self.filter(state=TwoPeople.State.APPROVED)

    def decided_since(self, moment: datetime) -> Self:
        """What a second person approved or declined, at ``moment`` (UTC) or later."""
        return self.filter(checker__isnull=False, decided_at__gte=moment)


class TwoPeople(models.Model):
    """A request by ``maker``, for a reason, that ``checker`` approves or declines."""

    class State(models.TextChoices):
        ASKED = "asked", "Waiting for a second person"
        APPROVED = "approved", "Approved"
        DECLINED = "declined", "Declined"
        TAKEN_BACK = "taken_back", "Taken back"

    public_id = models.CharField(max_length=20, unique=True, default=new_id, editable=False)
    maker = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    made_at = models.DateTimeField(default=clock.now)
    reason = models.CharField(max_length=500)
    state = models.CharField(max_length=10, choices=State, default=State.ASKED)
    checker = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)
    answer = models.CharField(max_length=500, blank=True, help_text="why it was declined")

    objects = TwoPeopleQuerySet.as_manager()

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                condition=Q(checker=None) | ~Q(checker=F("maker")), name="%(app_label)s_%(class)s_two_people"
            ),
            models.CheckConstraint(
                condition=Q(state="asked", checker=None, decided_at=None)
                | Q(state__in=["approved", "declined"], checker__isnull=False, decided_at__isnull=False)
                | Q(state="taken_back", checker=None, decided_at__isnull=False),
                name="%(app_label)s_%(class)s_decided",
            ),
        ]

    @property
    def is_waiting(self) -> bool:
        return self.state == self.State.ASKED

    @property
    def about_id(self) -> int | None:
        """The member whom it is about: they do not decide it either."""
        return None

    def may_be_decided_by(self, reader: Any) -> bool:
        """Whether it waits, and ``reader`` neither asked for it, nor is who it is about, nor is new in their role."""
        return self.is_waiting and reader.pk not in (self.maker_id, self.about_id) and not is_new(reader)


def is_new(reader: Any) -> bool:
    """Whether ``reader`` was given a role within a day."""
    return reader.appointed_at is not None and clock.now() - reader.appointed_at < A_DAY


class FormUsed(Refusal):
    """The key of a form belongs to another request."""

    message = "This form asked for something else already, which stands. Open it anew to ask for this as well."


Asked = TypeVar("Asked", bound=TwoPeople)


def asked_before(model: type[Asked], maker: Any, *, key: str, reason: str, **fields: Any) -> Asked | None:
    """The request that the form with this ``key`` made before, when it is sent again.

    Raises:
        FormUsed: the key is somebody else's, or what is asked for is something else now.
    """
    found = model._default_manager.filter(public_id=key).first() if key else None
    asked = {"maker": maker, "reason": mask_cards(reason), **fields}
    if found is not None and any(getattr(found, name) != value for name, value in asked.items()):
        raise FormUsed
    return found  # type: ignore[return-value]


def ask_once(model: type[Asked], maker: Any, *, key: str, reason: str, **fields: Any) -> Asked:
    """Write down what ``maker`` asks for. The same form sent again answers with the first request; card numbers in the
    reason are masked (AL-11).

    Raises:
        FormUsed: see ``asked_before``.
    """
    if again := asked_before(model, maker, key=key, reason=reason, **fields):
        return again
    try:
        with transaction.atomic():
            return model._default_manager.create(  # type: ignore[return-value]
                public_id=key or new_id(), maker=maker, reason=mask_cards(reason), **fields
            )
    except IntegrityError:
        if again := asked_before(model, maker, key=key, reason=reason, **fields):
            return again
        raise


def decide(request: TwoPeople, checker: Any, state: TwoPeople.State, *, answer: str = "") -> None:
    """Write the decision of ``checker`` (approved or declined) down. Inside the transaction that carries it out.

    Raises:
        SamePerson: ``checker`` asked for it, or it is about them.
        TooNew: ``checker`` was given a role within a day.
        AlreadyDecided: it does not wait any more.
    """
    if checker.pk in (request.maker_id, request.about_id):
        raise SamePerson
    if is_new(checker):
        raise TooNew
    _end(request, state=state, checker=checker, answer=answer)


def take_back(request: TwoPeople, maker: Any) -> None:
    """Who asked does not want it any more.

    Raises:
        SamePerson: somebody else's request cannot be taken back, only declined.
        AlreadyDecided: it does not wait any more.
    """
    if maker.pk != request.maker_id:
        raise SamePerson("Only the person who asked can take it back. You can decline it.")
    _end(request, state=TwoPeople.State.TAKEN_BACK)


def _end(request: TwoPeople, **changes: Any) -> None:
    changes |= {"decided_at": clock.now()}
    if not type(request)._default_manager.filter(pk=request.pk, state=TwoPeople.State.ASKED).update(**changes):
        raise AlreadyDecided
    for name, value in changes.items():
        setattr(request, name, value)
