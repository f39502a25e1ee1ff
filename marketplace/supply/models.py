"""How leads come in.

Invariants, each kept by the database: a file is one batch, known by its SHA-256 (unique); a line of it has one outcome
(unique batch + line), written in the same transaction as its lead and the batch's counts, so an import that died goes
on where it stopped and the same file twice changes nothing. No value of a row is kept here, only what became of it and
why.
"""

from typing import Self

from django.db import models
from django.db.models import F, Q

from marketplace.leads.models import Lead


class ImportBatch(models.Model):
    """One file of leads. It is judged as of the moment it was begun, however often the import is taken up again."""

    class State(models.TextChoices):
        RUNNING = "running", "Not finished"
        DONE = "done", "Done"

    sha256 = models.CharField(max_length=64, unique=True, help_text="of the file's bytes")
    options = models.JSONField(default=dict, help_text="what staff chose: supplier, vertical, columns to keep")
    suppliers = models.JSONField(default=list, help_text="names of those whose rows were taken in")
    verticals = models.JSONField(
        "lines of business", default=list, help_text="names of those that rows were taken in for"
    )
    state = models.CharField(max_length=8, choices=State, default=State.RUNNING)
    read_to = models.PositiveIntegerField(default=0, help_text="every row that begins up to this line has its outcome")
    accepted = models.PositiveIntegerField(default=0)
    held = models.PositiveIntegerField("on hold", default=0)
    duplicates = models.PositiveIntegerField(default=0)
    rejected = models.PositiveIntegerField(default=0)
    started_at = models.DateTimeField("begun")
    ended_at = models.DateTimeField("ended", null=True)

    class Meta:
        verbose_name = "imported file"
        constraints = [
            models.CheckConstraint(condition=Q(state__in=["running", "done"]), name="supply_state_known"),
            models.CheckConstraint(condition=~Q(state="done") | Q(ended_at__isnull=False), name="supply_done_has_end"),
            models.CheckConstraint(
                condition=Q(read_to__gte=F("accepted") + F("held") + F("duplicates") + F("rejected")),
                name="supply_counts_within_lines",
            ),
        ]

    def __str__(self) -> str:
        return f"Import {self.pk}"

    @property
    def total(self) -> int:
        """How many rows have their outcome."""
        return self.accepted + self.held + self.duplicates + self.rejected


class ImportRowQuerySet(models.QuerySet["ImportRow"]):
    def worth_a_look(self) -> Self:
        """The rows that did not go on sale, as they stand in the file."""
        return self.exclude(outcome=ImportRow.Outcome.ACCEPTED).order_by("line")


class ImportRow(models.Model):
    """What became of one row of a file."""

    class Outcome(models.TextChoices):
        ACCEPTED = "accepted", "Accepted"
        HELD = "held", "On hold"
        DUPLICATE = "duplicate", "Duplicate"
        REJECTED = "rejected", "Rejected"

    batch = models.ForeignKey(ImportBatch, models.PROTECT, verbose_name="file", related_name="rows")
    line = models.PositiveIntegerField(help_text="line of the file on which the row begins; the first line is 1")
    outcome = models.CharField(max_length=9, choices=Outcome)
    reason = models.CharField(max_length=200, blank=True, help_text="why, without the value")
    lead = models.OneToOneField(Lead, models.PROTECT, null=True, related_name="+")

    objects = ImportRowQuerySet.as_manager()

    class Meta:
        verbose_name = "row of an imported file"
        verbose_name_plural = "rows of imported files"
        constraints = [
            models.UniqueConstraint(fields=["batch", "line"], name="supply_line_once"),
            models.CheckConstraint(
                condition=Q(outcome__in=["accepted", "held"], lead__isnull=False)
                | Q(outcome__in=["duplicate", "rejected"], lead__isnull=True),
                name="supply_lead_if_taken",
            ),
        ]

    def __str__(self) -> str:
        return f"Import {self.batch_id}, line {self.line}"
