"""Money in and out through the card processor.

Invariants: the state of a deposit only rises (guarded updates by rank; late money still credits); one session, payment,
refund and dispute of the processor belongs to one row (unique); an event is stored once by its id and without its
payload, which holds personal data. What was booked is decided by the ledger's references, never by these states. No
card detail is stored, not even a last digit (AL-11).

Money of no deposit is one ``UnexplainedPayment`` a payment; what is left of all of them is the balance of ``suspense``.
One person asks whose it is and another decides, one question at a time for each of them (constraints). One comparison
with the processor runs at a time (unique), and what it finds is one row as long as it is found.
"""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from marketplace.core.ids import new_id
from marketplace.core.money import CURRENCY, dollars
from marketplace.core.two_people import TwoPeople

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
            # What was found in suspense was never asked for here: it has a payment, no session, and any amount.
            models.CheckConstraint(
                condition=Q(amount_cents__gte=MINIMUM_CENTS, amount_cents__lte=MAXIMUM_CENTS)
                | Q(amount_cents__gt=0, state="paid", session_id=None),
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
            models.Index(fields=["paid_at"], condition=Q(paid_at__isnull=False), name="wallet_deposits_by_day"),
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


class UnexplainedQuerySet(models.QuerySet["UnexplainedPayment"]):
    def with_left(self) -> Self:
        """Each with ``left``, in cents: what of it stands in suspense."""
        return self.annotate(left=F("received_cents") - F("returned_cents") - F("resolved_cents"))

    def open(self) -> Self:
        """Those of which something is left."""
        return self.with_left().filter(left__gt=0)


class UnexplainedPayment(models.Model):
    """A payment of no deposit. Its money stands in suspense until it went back or was given to a member."""

    intent_id = models.CharField(max_length=120, unique=True, help_text="the processor's payment")
    deposit = models.ForeignKey(
        Deposit,
        models.PROTECT,
        null=True,
        related_name="+",
        help_text="the one the processor names, though it does not fit",
    )
    received_cents = models.PositiveBigIntegerField()
    returned_cents = models.BigIntegerField(default=0, help_text="gone back to the payer or their bank, cents")
    resolved_cents = models.PositiveBigIntegerField(default=0, help_text="given to members, cents")
    arrived_at = models.DateTimeField()

    objects = UnexplainedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(received_cents__gt=0), name="wallet_unexplained_is_money"),
            models.CheckConstraint(
                condition=Q(resolved_cents__gte=0, resolved_cents__lte=F("received_cents")),
                name="wallet_resolved_is_not_more",
            ),
        ]

    def __str__(self) -> str:
        return f"Payment {self.intent_id}"

    @property
    def left_cents(self) -> int:
        """What stands in suspense. An exchange rate may make it negative: more went back than had come."""
        return self.received_cents - self.returned_cents - self.resolved_cents


class Resolution(TwoPeople):
    """What somebody wants to be done with an unexplained payment: give it to ``member``, or (None) send it back."""

    payment = models.ForeignKey(UnexplainedPayment, models.PROTECT, related_name="resolutions")
    member = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    amount_cents = models.PositiveBigIntegerField(help_text="what was left when it was asked for, cents")
    carried_out_at = models.DateTimeField(null=True)
    problem = models.CharField(max_length=80, blank=True, help_text="why the processor refused to send it back")

    class Meta(TwoPeople.Meta):
        permissions = [("decide_resolution", "Can decide what is done with unexplained money")]
        constraints = [
            *TwoPeople.Meta.constraints,
            models.UniqueConstraint(
                fields=["payment"], condition=Q(state="asked"), name="wallet_one_resolution_at_a_time"
            ),
            models.CheckConstraint(
                condition=Q(member=None) | ~Q(maker=F("member")), name="wallet_resolution_not_for_the_maker"
            ),
            models.CheckConstraint(
                condition=Q(member=None) | Q(checker=None) | ~Q(checker=F("member")),
                name="wallet_resolution_not_for_the_checker",
            ),
            models.CheckConstraint(condition=Q(amount_cents__gt=0), name="wallet_resolution_of_something"),
        ]
        indexes = [
            models.Index(fields=["made_at"], condition=Q(state="asked"), name="wallet_resolutions_waiting"),
            models.Index(
                fields=["id"],
                condition=Q(state="approved", member=None, carried_out_at=None),
                name="wallet_to_send_back",
            ),
        ]

    def __str__(self) -> str:
        return f"Resolution {self.public_id} of {dollars(self.amount_cents)}"

    @property
    def about_id(self) -> int | None:
        return None if self.member_id is None else int(self.member_id)

    @property
    def sentence(self) -> str:
        """What happens if it is approved, in one line."""
        money = f"{dollars(self.amount_cents)} of payment {self.payment.intent_id}"
        if self.member is None:
            return f"Send {money} back to its payer at the card processor"
        return f"Put {money} on the balance of {self.member.handle}"

    @property
    def done(self) -> str:
        """What was done once it is approved."""
        return f"It is {'on its way back to the card' if self.member is None else 'on the member’s balance'}."


class ProcessorMovement(models.Model):
    """A movement of our balance as the processor's report has it: ids, cents, currency and time, no description."""

    processor_id = models.CharField(max_length=120, unique=True)
    category = models.CharField(max_length=60, help_text="the processor's word: charge, refund, payout, …")
    amount_cents = models.BigIntegerField(help_text="came, or (negative) went")
    fee_cents = models.BigIntegerField(help_text="kept of it")
    currency = models.CharField(max_length=3)
    source_id = models.CharField(max_length=120, blank=True)
    intent_id = models.CharField(max_length=120, blank=True, help_text="the processor's payment behind it")
    fact = models.CharField(max_length=140, db_index=True, help_text="the reference under which our books have it")
    is_under_way = models.BooleanField(default=False, help_text="the payer's bank has not paid yet")
    happened_at = models.DateTimeField(db_index=True, help_text="the processor's clock")

    def __str__(self) -> str:
        return f"{self.category} {self.processor_id}"


class Reconciliation(models.Model):
    """One comparison of the processor's balance with our books, from ``since`` to its end."""

    class State(models.TextChoices):
        RUNNING = "running", "Under way"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    state = models.CharField(max_length=7, choices=State, default=State.RUNNING)
    since = models.DateTimeField(help_text="what happened before was compared by earlier runs")
    read_until = models.DateTimeField(help_text="how far the processor's report is read")
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    claim = models.CharField(max_length=20, blank=True, help_text="who works on it")
    claimed_until = models.DateTimeField()
    problem = models.CharField(max_length=80, blank=True)
    matched = models.PositiveIntegerField(default=0, help_text="facts that agree to the cent")
    waiting = models.PositiveIntegerField(default=0, help_text="facts too young to worry about")
    waiting_since = models.DateTimeField(null=True, help_text="the oldest of them")
    waiting_cents = models.BigIntegerField(default=0, help_text="what the processor has more for them")
    processor_cents = models.BigIntegerField(null=True)
    books_cents = models.BigIntegerField(null=True)
    difference_cents = models.BigIntegerField(null=True, help_text="the processor's more than ours, without what waits")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["state"], condition=Q(state="running"), name="wallet_one_reconciliation"),
            models.CheckConstraint(
                condition=Q(state="running", ended_at=None)
                | Q(state="failed", ended_at__isnull=False)
                | Q(
                    state="done",
                    ended_at__isnull=False,
                    processor_cents__isnull=False,
                    books_cents__isnull=False,
                    difference_cents=F("processor_cents") - F("books_cents") - F("waiting_cents"),
                ),
                name="wallet_reconciliation_ended",
            ),
        ]

    def __str__(self) -> str:
        return f"Reconciliation of {self.started_at:%Y-%m-%d %H:%M}"


class FindingQuerySet(models.QuerySet["ReconciliationFinding"]):
    def open(self) -> Self:
        """Those the last run still saw."""
        return self.filter(closed_at=None)

    def of_run(self, run: Reconciliation) -> Self:
        """Those that were seen first by ``run`` or before, and last by ``run`` or later."""
        return self.filter(first_run__lte=run.pk, last_run__gte=run.pk)


class ReconciliationFinding(models.Model):
    """A difference between the processor and our books. Runs that see it again keep to this row."""

    class Kind(models.TextChoices):
        ONLY_PROCESSOR = "only_processor", "Only at the processor"
        ONLY_BOOKS = "only_books", "Only in our books"
        AMOUNT = "amount", "The amount differs"
        FEE = "fee", "The fee differs"
        TWICE_PROCESSOR = "twice_processor", "Twice at the processor"
        TWICE_BOOKS = "twice_books", "Twice in our books"
        CURRENCY = "currency", "Another currency"
        BALANCE = "balance", "The balance differs"

    kind = models.CharField(max_length=15, choices=Kind)
    processor_id = models.CharField(max_length=120, blank=True, help_text="the movement in the processor's report")
    reference = models.CharField(max_length=140, blank=True, help_text="the fact in our books")
    currency = models.CharField(max_length=3)
    cents_theirs = models.BigIntegerField()
    cents_ours = models.BigIntegerField()
    happened_at = models.DateTimeField()
    first_run = models.ForeignKey(Reconciliation, models.PROTECT, related_name="+")
    last_run = models.ForeignKey(Reconciliation, models.PROTECT, related_name="+")
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, help_text="the first run that no longer saw it")

    objects = FindingQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "processor_id", "reference"], name="wallet_finding_once"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.reference or self.processor_id or 'all of it'}"

    @property
    def theirs(self) -> str:
        """What the processor says, as people write it."""
        return self._written(self.cents_theirs)

    @property
    def ours(self) -> str:
        """What our books say, as people write it."""
        return self._written(self.cents_ours)

    def _written(self, cents: int) -> str:
        """Not every currency has cents, so that others than ours stand in the unit the processor counts in."""
        return dollars(cents) if self.currency == CURRENCY else f"{cents} smallest units of {self.currency.upper()}"
