"""How leads come in.

Invariants, each kept by the database: a file is one batch, known by its SHA-256 (unique); a line of it has one outcome
(unique batch + line), written in the same transaction as its lead, so an import that died goes on where it stopped and
the same file twice changes nothing. No value of a row is kept here, only what became of it and why.
"""

from django.db import models

from marketplace.leads.models import Lead


class ImportBatch(models.Model):
    """One file of leads."""

    class State(models.TextChoices):
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        REFUSED = "refused", "Refused"

    sha256 = models.CharField(max_length=64, unique=True, help_text="of the file's bytes")
    state = models.CharField(max_length=8, choices=State, default=State.RUNNING)
    accepted = models.PositiveIntegerField(default=0)
    duplicates = models.PositiveIntegerField(default=0)
    rejected = models.PositiveIntegerField(default=0)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"Import {self.pk}"


class ImportRow(models.Model):
    """What became of one line of a file."""

    class Outcome(models.TextChoices):
        ACCEPTED = "accepted", "Accepted"
        DUPLICATE = "duplicate", "Duplicate"
        REJECTED = "rejected", "Rejected"

    batch = models.ForeignKey(ImportBatch, models.PROTECT, related_name="rows")
    line = models.PositiveIntegerField(help_text="line of the file on which the row begins; the header is line 1")
    outcome = models.CharField(max_length=9, choices=Outcome)
    reason = models.CharField(max_length=200, blank=True, help_text="why, without the value")
    lead = models.OneToOneField(Lead, models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["batch", "line"], name="supply_line_once")]

    def __str__(self) -> str:
        return f"Import {self.batch_id}, line {self.line}"
