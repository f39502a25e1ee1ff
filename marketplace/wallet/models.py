"""Money in and out through the card processor.

Invariants: the state of a deposit only rises (guarded updates by rank; late money still credits); one session, payment,
refund and dispute of the processor belongs to one row (unique); an event is stored once by its id and without its
payload, which holds personal data. What was booked is decided by the ledger's references, never by these states. No
card detail is stored, not even a last digit (AL-11).
"""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q

from marketplace.core.ids import new_id

MINIMUM_CENTS = 25_00
MAXIMUM_CENTS = 5_000_00


class DepositQuerySet(models.QuerySet["Deposit"]):
    def for_user(self, user: object) -> Self:
        """The deposits of this member only."""
        return self.filter(buyer=user)

    def disputed(self) -> Self:
        """Those whose bank disputes the payment now."""
        return self.filter(disputes__is_open=True).distinct()

    def unfinished(self) -> Self:
        """Those the processor may still say something about."""
        return self.filter(state__in=[Deposit.State.OPEN, Deposit.State.PROCESSING, Deposit.State.REVIEW])

    def paid(self) -> Self:
        """Those that arrived."""
        return self.filter(state=Deposit.State.PAID)


class Deposit(models.Model):
    """A member puts money in."""

    class State(models.TextChoices):
        CREATED = "created", "Not started"
        OPEN = "open", "Waiting for payment"
        PROCESSING = "processing", "On its way"
        EXPIRED = "expired", "Expired"
        FAILED = "failed", "Not paid"
        REVIEW = "review", "Being looked at"  # paid in another currency, which is never guessed at
        RETURNED = "returned", "Sent back"
        PAID = "paid", "Paid"

    RANK = {
        State.CREATED: 0,
        State.OPEN: 1,
        State.PROCESSING: 2,
        State.EXPIRED: 3,
        State.FAILED: 3,
        State.REVIEW: 4,
        State.RETURNED: 5,
        State.PAID: 6,
    }
    NOT_HERE_YET = {State.PROCESSING, State.REVIEW}  # paid for at the processor and not on the balance
    ENDED = {State.EXPIRED, State.FAILED, State.RETURNED, State.PAID}

    public_id = models.CharField(max_length=20, unique=True, default=new_id, editable=False)
    buyer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="deposits")
    amount_cents = models.PositiveIntegerField(help_text="asked for, cents")
    received_cents = models.PositiveIntegerField(default=0, help_text="credited, cents: what the processor received")
    state = models.CharField(max_length=10, choices=State, default=State.CREATED)
    session_id = models.CharField(  # noqa: DJ001 - unique once there is one
        max_length=120, null=True, unique=True, help_text="the processor's checkout session"
    )
    intent_id = models.CharField(  # noqa: DJ001 - unique once there is one
        max_length=120, null=True, unique=True, help_text="the processor's payment"
    )
    lead_ids = models.CharField(
        max_length=1050, blank=True, help_text="public ids of the leads to come back to, spaced"
    )
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(help_text="the checkout page closes")
    paid_at = models.DateTimeField(null=True)

    objects = DepositQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(amount_cents__gte=MINIMUM_CENTS, amount_cents__lte=MAXIMUM_CENTS),
                name="wallet_deposit_range",
            ),
            models.CheckConstraint(
                condition=~Q(state="paid") | Q(paid_at__isnull=False, intent_id__isnull=False),
                name="wallet_paid_has_payment",
            ),
            models.CheckConstraint(
                condition=Q(
                    state__in=["created", "open", "processing", "expired", "failed", "review", "returned", "paid"]
                ),
                name="wallet_deposit_state_known",
            ),
        ]
        indexes = [
            models.Index(fields=["buyer", "-id"], name="wallet_deposits_of_buyer"),
            models.Index(
                fields=["created_at"],
                condition=Q(state__in=["created", "open", "processing", "review"]),
                name="wallet_unfinished",
            ),
        ]

    def __str__(self) -> str:
        return f"Deposit {self.public_id}"

    @property
    def leads(self) -> list[str]:
        """The public ids of the leads to come back to."""
        return self.lead_ids.split()

    @property
    def has_ended(self) -> bool:
        """Paid, sent back or given up. Late money still raises a deposit that was given up to paid."""
        return self.state in self.ENDED


class BillingDetails(models.Model):
    """Name and address for a member's receipts; optional, asked first at a deposit (LR-05)."""

    owner = models.OneToOneField(settings.AUTH_USER_MODEL, models.PROTECT, related_name="billing_details")
    name = models.CharField(max_length=120, blank=True)
    address = models.CharField(max_length=200, blank=True)
    city = models.CharField(max_length=80, blank=True)
    state = models.CharField(max_length=2, blank=True)
    postal_code = models.CharField(max_length=10, blank=True)

    class Meta:
        verbose_name_plural = "billing details"

    def __str__(self) -> str:
        return f"Billing details {self.pk}"


class RefundQuerySet(models.QuerySet["Refund"]):
    def that_left(self) -> Self:
        """Refunds under way or done; those the bank sent back do not count."""
        return self.exclude(state__in=["failed", "canceled"])


class Refund(models.Model):
    """Money that went back to a card, as the processor tells it."""

    processor_id = models.CharField(max_length=120, unique=True)
    deposit = models.ForeignKey(Deposit, models.PROTECT, related_name="refunds")
    amount_cents = models.PositiveIntegerField()
    state = models.CharField(max_length=20, help_text="the processor's word: pending, succeeded, failed, canceled, …")
    seen_at = models.DateTimeField()

    objects = RefundQuerySet.as_manager()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(amount_cents__gt=0), name="wallet_refund_of_something")]

    def __str__(self) -> str:
        return self.processor_id


class DisputeQuerySet(models.QuerySet["Dispute"]):
    def lost(self) -> Self:
        """Those the bank decided for the payer; an appeal changes nothing until it is won."""
        return self.filter(state__in=["lost", "appeal_needs_response", "appeal_under_review"])


class Dispute(models.Model):
    """A payment that its bank takes back, as the processor tells it. While it is open the member cannot buy."""

    processor_id = models.CharField(max_length=120, unique=True)
    deposit = models.ForeignKey(Deposit, models.PROTECT, related_name="disputes")
    buyer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    amount_cents = models.PositiveIntegerField()
    state = models.CharField(max_length=30, help_text="the processor's word: needs_response, won, lost, …")
    is_open = models.BooleanField()
    seen_at = models.DateTimeField()

    objects = DisputeQuerySet.as_manager()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(amount_cents__gt=0), name="wallet_dispute_of_something")]
        indexes = [models.Index(fields=["buyer"], condition=Q(is_open=True), name="wallet_open_disputes")]

    def __str__(self) -> str:
        return self.processor_id


class StripeEvent(models.Model):
    """The inbox: something happened at the processor. Ids, type and time only."""

    class State(models.TextChoices):
        NEW = "new", "Waiting"
        DONE = "done", "Done"
        IGNORED = "ignored", "Nothing to do"
        DEAD = "dead", "Given up"

    event_id = models.CharField(max_length=120, unique=True)
    type = models.CharField(max_length=80)
    object_id = models.CharField(max_length=120)
    happened_at = models.DateTimeField(help_text="the processor's clock")
    received_at = models.DateTimeField()
    state = models.CharField(max_length=7, choices=State, default=State.NEW)
    attempts = models.PositiveSmallIntegerField(default=0)
    available_at = models.DateTimeField()
    problem = models.CharField(max_length=80, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["new", "done", "ignored", "dead"]), name="wallet_event_state_known"
            )
        ]
        indexes = [models.Index(fields=["available_at", "id"], condition=Q(state="new"), name="wallet_events_waiting")]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"


class EventCursor(models.Model):
    """How far the sweep has read the processor's list of events. One row."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    read_until = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="wallet_one_cursor")]

    def __str__(self) -> str:
        return f"{self.read_until:%Y-%m-%d %H:%M}"
