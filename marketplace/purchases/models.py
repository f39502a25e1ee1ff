"""What a member bought, and how they work it.

Invariants, each kept by the database: a buyer owns a lead once (unique lead + buyer); a slot is sold once (unique lead
+ slot number, 1 to 3); a key names one order of its buyer, and one call and one note of its purchase (unique); an order
refuses a lead once, for a known reason (unique, check). The same export of a buyer is written once at a time (unique
format + digest of the filter among those that run); it is finished or not, and one that was given up says why (checks);
the file belongs to the claim that its row names. What is given back of a purchase never passes its price (check), and
is asked for by one person and approved by another, neither of whom is the buyer (checks). Money is not kept here: the
transfers ``purchase:<public id>`` and ``credit:<public id>`` in the ledger are, and ``purchases.checks`` holds them
together.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Count, Exists, F, OuterRef, Q, Subquery, Window
from django.db.models.functions import Coalesce, RowNumber

from marketplace.core import clock, xlsx_export
from marketplace.core.ids import new_id
from marketplace.core.money import dollars
from marketplace.core.two_people import TwoPeople
from marketplace.leads.calling import CallTime, call_time
from marketplace.leads.models import Lead
from marketplace.leads.services import name_digests, same_person
from privacy.vault.fields import SealedField

DUE = "due"  # the tab of the calls of today, beside those of the stages
DNC_CHECK_DAYS = 31


class OrderQuerySet(models.QuerySet["Order"]):
    def for_user(self, user: object) -> Self:
        """The orders of this member only."""
        return self.filter(buyer=user)


class Order(models.Model):
    """One press of a buy button: one lead or several. Only a success consumes the key."""

    public_id = models.CharField(max_length=20, unique=True, default=new_id, editable=False)
    buyer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="orders")
    key = models.CharField(max_length=64, help_text="made with the form, so that pressing twice buys once")
    request_hash = models.CharField(max_length=64, help_text="SHA-256 of what the buyer asked for")
    created_at = models.DateTimeField()

    objects = OrderQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["buyer", "key"], name="purchases_key_once")]

    def __str__(self) -> str:
        return f"Order {self.public_id}"


class PurchaseQuerySet(models.QuerySet["Purchase"]):
    def for_user(self, user: object) -> Self:
        """The purchases of this member only: what is not yours does not exist."""
        return self.filter(buyer=user)

    def to_be_told(self, consents: Iterable[int]) -> Self:
        """Purchases whose buyers do not know yet that these consents (by primary key) were taken back (DX-16)."""
        return self.filter(lead__consent__in=consents, revocation_told_at=None)

    def in_stage(self, stage: str) -> Self:
        return self.filter(stage=stage)

    def matching(self, text: str) -> Self:
        """Purchases in which every word of ``text`` is found: a whole name, phone or email of the person (by digest,
        nothing is opened), or a part of city, vertical, lead id or a note. A name or phone may be of several words."""
        words = Q()
        for word in text.split()[:8]:
            plain = Q(lead__city__icontains=word) | Q(lead__vertical__name__icontains=word)
            plain |= Q(public_id__iexact=word) | Q(lead__public_id__iexact=word) | Q(lead__state__iexact=word)
            noted = Exists(Note.objects.kept().filter(purchase=OuterRef("pk"), text__icontains=word))
            words &= plain | noted | _of_person(word)
        return self.filter(words | _of_person(" ".join(text.split()))) if words else self

    def may_be_called(self) -> Self:
        """Without those whose person took the consent back or asked this buyer not to call."""
        return self.filter(~Exists(_wishes()), lead__consent__revoked_at=None)

    def with_wishes(self) -> Self:
        """Each with ``asked_not_to_call``, so that it can say whether it ``may_be_called``."""
        return self.annotate(asked_not_to_call=Exists(_wishes()))

    def due_before(self, moment: datetime) -> Self:
        """Those whose next call is planned before ``moment`` and may be made."""
        return self.may_be_called().filter(next_call_at__lt=moment)

    def with_calls(self) -> Self:
        """Each with ``calls_made``, and ``last_outcome`` and ``last_called_at`` of the last one (None without any)."""
        calls = CallAttempt.objects.filter(purchase=OuterRef("pk"))
        last = calls.order_by("-made_at", "-id")
        number = calls.order_by().values("purchase").annotate(number=Count("pk")).values("number")
        return self.annotate(
            calls_made=Coalesce(Subquery(number), 0),
            last_outcome=Subquery(last.values("outcome")[:1]),
            last_called_at=Subquery(last.values("made_at")[:1]),
        )

    def first_of_each_stage(self, size: int, *order: str) -> Self:
        """The first ``size`` of each stage in this order, each with the number ``in_stage`` of all that are there."""
        place = Window(RowNumber(), partition_by="stage", order_by=order)
        placed = self.annotate(in_stage=Window(Count("pk"), partition_by="stage"), place=place)
        return placed.filter(place__lte=size).order_by("stage", "place")

    def with_last_note(self) -> Self:
        """Each with ``last_note``, the text of its newest note (None without any)."""
        notes = Note.objects.kept().filter(purchase=OuterRef("pk")).order_by("-id")
        return self.annotate(last_note=Subquery(notes.values("text")[:1]))

    def count_by_tab(self, today_ends: datetime) -> dict[str, int]:
        """How many are in each stage, every stage named, and under "due" how many are to be called today."""
        due = Count("pk", filter=Q(pk__in=self.order_by().due_before(today_ends).values("pk")))
        rows = self.order_by().values_list("stage").annotate(number=Count("pk"), due=due)
        counts = {DUE: 0} | dict.fromkeys(Purchase.Stage.values, 0)
        for stage, count, due_in_stage in rows:
            counts[stage] = count
            counts[DUE] += due_in_stage
        return counts


def _wishes() -> "models.QuerySet[CallAttempt]":
    """The calls of a purchase in which the person asked not to be called again."""
    return CallAttempt.objects.filter(purchase=OuterRef("pk"), outcome=CallAttempt.Outcome.ASKED_NOT_TO_CALL)


def _of_person(text: str) -> Q:
    """Purchases of a person with this whole first or last name, phone or email."""
    person = Q(lead__contact__first_name_digest__in=name_digests(text))
    person |= Q(lead__contact__last_name_digest__in=name_digests(text))
    return person | Q(lead__contact__in=same_person(phone=text, email=text))


class Purchase(models.Model):
    """One lead in the hands of one buyer."""

    class Stage(models.TextChoices):
        NEW = "new", "New"
        CONTACTED = "contacted", "Contacted"
        QUOTED = "quoted", "Quoted"
        WON = "won", "Won"
        LOST = "lost", "Lost"

    public_id = models.CharField(max_length=20, unique=True, default=new_id, editable=False)
    order = models.ForeignKey(Order, models.PROTECT, related_name="purchases")
    buyer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="purchases")
    lead = models.ForeignKey(Lead, models.PROTECT, related_name="purchases")
    slot_number = models.PositiveSmallIntegerField()
    price_cents = models.PositiveIntegerField()
    terms_sha256 = models.CharField(max_length=64, help_text="the terms this purchase stands under, for ever")
    stage = models.CharField(max_length=9, choices=Stage, default=Stage.NEW)
    stage_changed_at = models.DateTimeField(null=True)
    next_call_at = models.DateTimeField(null=True, help_text="when the buyer means to call")
    dnc_checked_on = models.DateField(null=True, help_text="when the buyer last looked into the do-not-call registry")
    revocation_told_at = models.DateTimeField(null=True, help_text="the buyer knows that the consent was taken back")
    credited_cents = models.PositiveIntegerField(default=0, db_default=0, help_text="given back of the price")
    created_at = models.DateTimeField()

    asked_not_to_call: bool  # by PurchaseQuerySet.with_wishes

    objects = PurchaseQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["lead", "buyer"], name="purchases_lead_once_per_buyer"),
            models.UniqueConstraint(fields=["lead", "slot_number"], name="purchases_slot_once"),
            models.CheckConstraint(condition=Q(slot_number__gte=1, slot_number__lte=3), name="purchases_slot_range"),
            models.CheckConstraint(condition=Q(price_cents__gt=0), name="purchases_price_positive"),
            models.CheckConstraint(
                condition=Q(credited_cents__lte=F("price_cents")), name="purchases_never_credited_above_the_price"
            ),
            models.CheckConstraint(
                condition=Q(stage__in=["new", "contacted", "quoted", "won", "lost"]), name="purchases_stage_known"
            ),
        ]
        indexes = [
            models.Index(fields=["created_at"], name="purchases_by_day"),
            models.Index(fields=["buyer", "-created_at", "-id"], name="purchases_of_buyer"),
            models.Index(fields=["buyer", "stage", "-created_at", "-id"], name="purchases_of_buyer_by_stage"),
            models.Index(
                fields=["buyer", "next_call_at", "id"],
                condition=Q(next_call_at__isnull=False),
                name="purchases_next_calls",
            ),
        ]

    def __str__(self) -> str:
        return f"Purchase {self.public_id}"

    @property
    def dnc_check_is_old(self) -> bool:
        """Whether the do-not-call registry has to be looked into again (47 CFR 64.1200(c)(2)(i)(D))."""
        return self.dnc_checked_on is not None and (clock.now().date() - self.dnc_checked_on).days > DNC_CHECK_DAYS

    @property
    def is_revoked(self) -> bool:
        """Whether the person took the consent back."""
        return self.lead.consent is not None and self.lead.consent.revoked_at is not None

    @property
    def may_be_called(self) -> bool:
        """As ``PurchaseQuerySet.may_be_called``, of one that was loaded ``with_wishes``."""
        return not (self.is_revoked or self.asked_not_to_call)

    @property
    def is_call_time(self) -> bool:
        """Whether it is a time to call where the person is, as far as we know."""
        there = call_time(self.lead)
        return there is None or there.is_open

    @property
    def planned_call(self) -> datetime | None:
        """When the buyer means to call, if the person may still be called."""
        return self.next_call_at if self.may_be_called else None

    @property
    def is_overdue(self) -> bool:
        """Whether the planned moment has passed without another plan."""
        return self.next_call_at is not None and self.next_call_at < clock.now()

    @property
    def planned_call_there(self) -> CallTime | None:
        """The planned moment on the person's clock."""
        return call_time(self.lead, self.planned_call) if self.planned_call else None


class CallAttempt(models.Model):
    """One call of the buyer's, and what came of it."""

    class Outcome(models.TextChoices):
        NO_ANSWER = "no_answer", "No answer"
        LEFT_MESSAGE = "left_message", "Left a message"
        SPOKE = "spoke", "Spoke"
        WRONG_NUMBER = "wrong_number", "Wrong number"
        ASKED_NOT_TO_CALL = "asked_not", "Asked not to call"

    public_id = models.CharField(max_length=20, unique=True, default=new_id, editable=False)
    purchase = models.ForeignKey(Purchase, models.PROTECT, related_name="calls")
    outcome = models.CharField(max_length=12, choices=Outcome)
    key = models.CharField(max_length=20, help_text="made with the form, so that pressing twice logs one call")
    made_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["purchase", "key", "outcome"], name="purchases_call_once"),
            models.CheckConstraint(
                condition=Q(outcome__in=["no_answer", "left_message", "spoke", "wrong_number", "asked_not"]),
                name="purchases_call_outcome_known",
            ),
        ]

    def __str__(self) -> str:
        return f"Call {self.public_id}"


class RefusedLine(models.Model):
    """A lead that an order of several asked for and did not get, and why."""

    class Reason(models.TextChoices):
        SOLD = "sold", "Sold to somebody else"
        WITHDRAWN = "withdrawn", "Withdrawn"
        PRICE = "price", "Its price changed"
        MONEY = "money", "The balance did not cover it"
        BEFORE = "before", "Bought before"

    MAY_STILL_BE_BOUGHT = {Reason.PRICE, Reason.MONEY}

    order = models.ForeignKey(Order, models.PROTECT, related_name="refused")
    lead = models.ForeignKey(Lead, models.PROTECT, related_name="+")
    reason = models.CharField(max_length=9, choices=Reason)
    price_seen_cents = models.PositiveBigIntegerField(help_text="as the form said; it may never have been asked")
    earlier = models.ForeignKey(
        Purchase, models.PROTECT, null=True, related_name="+", help_text="of the same lead or person"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["order", "lead"], name="purchases_refused_once"),
            models.CheckConstraint(condition=Q(price_seen_cents__gt=0), name="purchases_price_seen_positive"),
            models.CheckConstraint(
                condition=Q(reason="before", earlier__isnull=False)
                | Q(reason__in=["sold", "withdrawn", "price", "money"], earlier__isnull=True),
                name="purchases_refusal_known",
            ),
        ]

    def __str__(self) -> str:
        return f"Order {self.order_id} without lead {self.lead_id}"

    @property
    def is_own(self) -> bool:
        """Whether it was not bought because the buyer owns this very lead. Needs ``earlier``."""
        return self.earlier is not None and self.earlier.lead_id == self.lead_id


class NoteQuerySet(models.QuerySet["Note"]):
    def kept(self) -> Self:
        """Notes that were not removed: all that is shown, found and exported."""
        return self.filter(removed_at=None)

    def removed_before(self, moment: datetime) -> Self:
        return self.filter(removed_at__lt=moment)


class Note(models.Model):
    """A buyer's note on a purchase, seen by nobody else. One that was removed can be brought back for a while."""

    public_id = models.CharField(max_length=20, unique=True, default=new_id, editable=False)
    purchase = models.ForeignKey(Purchase, models.PROTECT, related_name="notes")
    text = models.CharField(max_length=2000)
    key = models.CharField(
        max_length=64, default="", help_text="SHA-256 of the form's key and the text; empty for notes from before"
    )
    created_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True)

    objects = NoteQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["purchase", "key"], condition=~Q(key=""), name="purchases_note_once")
        ]
        indexes = [
            models.Index(fields=["removed_at"], condition=Q(removed_at__isnull=False), name="purchases_notes_to_forget")
        ]

    def __str__(self) -> str:
        return f"Note {self.public_id}"


class ExportQuerySet(models.QuerySet["Export"]):
    def for_user(self, user: object) -> Self:
        """The exports of this member only."""
        return self.filter(buyer=user)

    def running(self) -> Self:
        """Those that wait or are being written."""
        return self.filter(state__in=["waiting", "writing"])

    def due(self, now: datetime, lost_since: datetime) -> Self:
        """Those to be written now: waiting, or taken up by a worker of whom nothing was heard since ``lost_since``."""
        waits = Q(state=Export.State.WAITING, available_at__lte=now)
        return self.filter(waits | Q(state=Export.State.WRITING, claimed_at__lt=lost_since))

    def finished_before(self, moment: datetime) -> Self:
        return self.filter(finished_at__lt=moment)

    def present(self) -> Self:
        """Those that run, and those whose file or failure is of the last day."""
        return self.filter(Q(finished_at=None) | Q(finished_at__gte=clock.now() - Export.KEPT))


class Export(models.Model):
    """A file of many leads that a worker writes. What was searched for may be a name, so the filter is sealed."""

    class Format(models.TextChoices):
        CSV = "csv", "CSV"
        XLSX = "xlsx", "Excel"

        @property
        def most_rows(self) -> int | None:
            """How many a file may have; None if any number."""
            return xlsx_export.MOST_ROWS if self == Export.Format.XLSX else None

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        WRITING = "writing", "Being written"
        READY = "ready", "Ready"
        FAILED = "failed", "Given up"

    class Problem(models.TextChoices):
        BROKE_OFF = "broke_off", "It broke off each time"
        TOO_LONG = "too_long", "It took too long"
        TOO_MANY_ROWS = "too_many_rows", "It has more rows than Excel reads"

    KEPT = timedelta(days=1)

    public_id = models.CharField(max_length=20, unique=True, default=new_id, editable=False)
    buyer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    format = models.CharField(max_length=4, choices=Format)
    filter = SealedField(help_text="what the file holds, sealed; empty once the file is gone")
    filter_digest = models.CharField(max_length=64)
    state = models.CharField(max_length=7, choices=State, default=State.WAITING)
    problem = models.CharField(max_length=13, choices=Problem, blank=True, help_text="why it was given up")
    rows_total = models.PositiveIntegerField()
    rows_done = models.PositiveIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(default=0)
    available_at = models.DateTimeField(default=clock.now, help_text="when it may be taken up")
    claim = models.CharField(
        max_length=20, default="", help_text="the worker's token, and its file's name; others change nothing"
    )
    claimed_at = models.DateTimeField(null=True, help_text="when that worker last said that it lives")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    objects = ExportQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["buyer", "format", "filter_digest"],
                condition=Q(state__in=["waiting", "writing"]),
                name="purchases_export_once_at_a_time",
            ),
            models.CheckConstraint(condition=Q(format__in=["csv", "xlsx"]), name="purchases_export_format_known"),
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "writing"], finished_at__isnull=True)
                | Q(state__in=["ready", "failed"], finished_at__isnull=False),
                name="purchases_export_finished_or_not",
            ),
            models.CheckConstraint(
                condition=Q(state="failed", problem__in=["broke_off", "too_long", "too_many_rows"])
                | (~Q(state="failed") & Q(problem="")),
                name="purchases_export_given_up_says_why",
            ),
        ]
        indexes = [
            models.Index(fields=["id"], condition=Q(state__in=["waiting", "writing"]), name="purchases_exports_run"),
            models.Index(fields=["buyer", "-id"], name="purchases_exports_of_buyer"),
        ]

    def __str__(self) -> str:
        return f"Export {self.public_id}"

    @property
    def is_running(self) -> bool:
        return self.finished_at is None

    @property
    def is_ready(self) -> bool:
        return self.state == self.State.READY

    @property
    def kept_until(self) -> datetime | None:
        """When the file is deleted."""
        return self.finished_at and self.finished_at + self.KEPT

    @property
    def is_gone(self) -> bool:
        """Whether its day is over."""
        return self.kept_until is not None and self.kept_until <= clock.now()


class Credit(TwoPeople):
    """Money of a purchase given back, whole or in part: asked for by one of our staff, approved by another."""

    class Code(models.TextChoices):
        BAD_NUMBER = "bad_number", "Number out of service or wrong"
        WRONG_PERSON = "wrong_person", "Somebody else answers"
        NEVER_ASKED = "never_asked", "Says they never asked"
        DUPLICATE = "duplicate", "Sold to this buyer before"
        CONSENT = "consent", "Consent missing or taken back"
        NOT_AS_SHOWN = "not_as_shown", "Not as the lead page said"
        GOODWILL = "goodwill", "Goodwill"

    purchase = models.ForeignKey(Purchase, models.PROTECT, related_name="credits")
    buyer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    code = models.CharField(max_length=12, choices=Code)
    amount_cents = models.PositiveIntegerField()

    class Meta(TwoPeople.Meta):
        permissions = [("decide_credit", "Can decide credits that others asked for")]
        constraints = [
            *TwoPeople.Meta.constraints,
            models.CheckConstraint(condition=Q(amount_cents__gt=0), name="purchases_credit_of_something"),
            models.CheckConstraint(
                condition=Q(
                    code__in=[
                        *("bad_number", "wrong_person", "never_asked", "duplicate"),
                        *("consent", "not_as_shown", "goodwill"),
                    ]
                ),
                name="purchases_credit_code_known",
            ),
            models.CheckConstraint(
                condition=~Q(maker=F("buyer")) & (Q(checker=None) | ~Q(checker=F("buyer"))),
                name="purchases_nobody_credits_their_own",
            ),
        ]
        indexes = [models.Index(fields=["made_at"], condition=Q(state="asked"), name="purchases_credits_waiting")]

    def __str__(self) -> str:
        return f"Credit {self.public_id} of {dollars(self.amount_cents)}"

    @property
    def about_id(self) -> int:
        return int(self.buyer_id)

    @property
    def sentence(self) -> str:
        """What approving it does."""
        of = f"of {dollars(self.purchase.price_cents)} for lead {self.purchase.lead.public_id}"
        return f"Give {dollars(self.amount_cents)} {of} back to {self.buyer.handle}: {self.get_code_display().lower()}"

    @property
    def done(self) -> str:
        """What was done once it is approved."""
        return "The money is back on the buyer’s balance, and the buyer is told by mail."
