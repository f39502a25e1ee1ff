"""The books: double entry in whole cents, append-only.

Invariants, each kept by the database:

* a transfer is one row with a debit account, another credit account and an amount above zero, so the books balance by
  construction; ``reference`` + ``line`` is unique, so a money fact is booked once;
* transfers are never changed or deleted; a mistake is reversed by a new row, and a row at most once (triggers, unique);
* a buyer's totals move only by the trigger of a transfer that explains the move to the cent (trigger);
* ``cash`` and ``bonus`` of a buyer never go below zero, ``owed`` never above (check constraints). What a buyer owes
  stands as a negative balance of ``owed``; shared house accounts keep no total, because every sale would wait for it;
* an adjustment is asked for by one person and decided by another, and neither is the member it is about (checks); it is
  booked in the transaction that approves it, under its own reference.

A balance is credits minus debits. The ledger knows no other room: a transfer names its cause by ``reference`` only.
"""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from marketplace.core.money import MAXIMUM, dollars
from marketplace.core.two_people import TwoPeople

BUYER_KINDS = ("cash", "bonus", "owed")


class Account(models.Model):
    """A place where money stands: three for each buyer, one of each house kind."""

    class Kind(models.TextChoices):
        CASH = "cash", "Cash of a buyer"
        BONUS = "bonus", "Promotional credit of a buyer"
        OWED = "owed", "Owed by a buyer"
        PROCESSOR = "processor", "At the card processor"
        BANK = "bank", "Bank"
        REVENUE = "revenue", "Revenue"
        REFUND_CLEARING = "refund_clearing", "Refunds under way"
        PROCESSOR_FEES = "processor_fees", "Fees of the card processor"
        DISPUTE_FEES = "dispute_fees", "Dispute fees"
        SUSPENSE = "suspense", "Unexplained money"
        PROMOTION = "promotion", "Promotions granted"
        WRITE_OFF = "write_off", "Written off"

    kind = models.CharField(max_length=20, choices=Kind)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="ledger_accounts")
    debits = models.BigIntegerField(default=0, help_text="cents; buyers' accounts only")
    credits = models.BigIntegerField(default=0, help_text="cents; buyers' accounts only")
    last_transfer = models.BigIntegerField(default=0, help_text="id of the transfer that moved the totals last")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["owner", "kind"], name="ledger_account_once"),
            models.UniqueConstraint(fields=["kind"], condition=Q(owner=None), name="ledger_house_account_once"),
            models.CheckConstraint(
                condition=Q(
                    kind__in=[
                        *(*BUYER_KINDS, "processor", "bank", "revenue", "refund_clearing", "processor_fees"),
                        *("dispute_fees", "suspense", "promotion", "write_off"),
                    ]
                ),
                name="ledger_account_kind_known",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=BUYER_KINDS, owner__isnull=False) | (~Q(kind__in=BUYER_KINDS) & Q(owner=None)),
                name="ledger_owner_fits_kind",
            ),
            models.CheckConstraint(condition=Q(debits__gte=0, credits__gte=0), name="ledger_totals_not_negative"),
            models.CheckConstraint(
                condition=~Q(kind__in=("cash", "bonus")) | Q(credits__gte=F("debits")), name="ledger_never_below_zero"
            ),
            models.CheckConstraint(
                condition=~Q(kind="owed") | Q(credits__lte=F("debits")), name="ledger_owed_never_above_zero"
            ),
            models.CheckConstraint(
                condition=Q(owner__isnull=False) | Q(debits=0, credits=0, last_transfer=0),
                name="ledger_house_keeps_no_total",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}, account {self.pk}"


class Transfer(models.Model):
    """One movement of money from ``debit`` to ``credit``."""

    class Kind(models.TextChoices):
        DEPOSIT = "deposit", "Deposit"
        PURCHASE = "purchase", "Lead"
        REFUND = "refund", "Refund to card"
        DISPUTE = "dispute", "Card payment taken back"
        REINSTATED = "reinstated", "Disputed payment returned"
        FEE = "fee", "Fee"
        SUSPENSE = "suspense", "Unexplained money"
        RESOLVED = "resolved", "Payment found for you"
        PAYOUT = "payout", "Paid out to our bank"
        REVERSAL = "reversal", "Correction"
        CREDIT = "credit", "Lead credited"
        ADJUSTMENT = "adjustment", "Adjustment"
        WRITE_OFF = "write_off", "Debt written off"

    debit = models.ForeignKey(Account, models.PROTECT, related_name="+")
    credit = models.ForeignKey(Account, models.PROTECT, related_name="+")
    amount = models.BigIntegerField(help_text="cents")
    kind = models.CharField(max_length=12, choices=Kind)
    reference = models.CharField(max_length=120, help_text="the money fact, for example pi_…:credit")
    line = models.PositiveSmallIntegerField(default=0, help_text="0, 1, … where one fact is split")
    reverses = models.OneToOneField("self", models.PROTECT, null=True, related_name="reversed_by")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["reference", "line"], name="ledger_fact_once"),
            models.CheckConstraint(condition=Q(amount__gt=0, amount__lte=MAXIMUM), name="ledger_amount_in_range"),
            models.CheckConstraint(condition=~Q(debit=F("credit")), name="ledger_two_accounts"),
            models.CheckConstraint(
                condition=Q(
                    kind__in=[
                        *("deposit", "purchase", "refund", "dispute"),
                        *("reinstated", "fee", "suspense", "resolved", "payout", "reversal"),
                        *("credit", "adjustment", "write_off"),
                    ]
                ),
                name="ledger_transfer_kind_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reference}/{self.line}"


class Adjustment(TwoPeople):
    """Money put right by two people: what nothing else in the books explains."""

    class Kind(models.TextChoices):
        GOODWILL = "goodwill", "Promotional credit granted"
        PUT_IN = "put_in", "Money put on the balance"
        TAKE_OUT = "take_out", "Money taken off the balance"
        WRITE_OFF = "write_off", "Debt written off"

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="adjustments")
    kind = models.CharField(max_length=9, choices=Kind)
    amount_cents = models.PositiveBigIntegerField()

    class Meta(TwoPeople.Meta):
        permissions = [("decide_adjustment", "Can decide adjustments that others asked for")]
        constraints = [
            *TwoPeople.Meta.constraints,
            models.CheckConstraint(condition=Q(amount_cents__gt=0, amount_cents__lte=MAXIMUM), name="ledger_adjusts"),
            models.CheckConstraint(
                condition=Q(kind__in=["goodwill", "put_in", "take_out", "write_off"]),
                name="ledger_adjustment_kind_known",
            ),
            models.CheckConstraint(
                condition=~Q(maker=F("owner")) & (Q(checker=None) | ~Q(checker=F("owner"))),
                name="ledger_nobody_adjusts_their_own",
            ),
        ]
        indexes = [models.Index(fields=["made_at"], condition=Q(state="asked"), name="ledger_adjustments_waiting")]

    def __str__(self) -> str:
        return f"Adjustment {self.public_id} of {dollars(self.amount_cents)}"

    @property
    def about_id(self) -> int:
        return int(self.owner_id)

    @property
    def sentence(self) -> str:
        """What approving it does."""
        amount, member = dollars(self.amount_cents), self.owner.handle
        return {
            self.Kind.GOODWILL: f"Grant {amount} of promotional credit to {member}",
            self.Kind.PUT_IN: f"Put {amount} on the balance of {member}",
            self.Kind.TAKE_OUT: f"Take {amount} off the balance of {member}",
            self.Kind.WRITE_OFF: f"Write off {amount} that {member} owes",
        }[self.Kind(self.kind)]

    @property
    def done(self) -> str:
        """What was done once it is approved."""
        return "It is booked, and the member is told by mail."
