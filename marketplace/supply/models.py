"""How leads come in.

Invariants, each kept by the database: a file is one batch, known by its SHA-256 (unique); a line of it has one outcome
(unique batch + line), written in the same transaction as its lead and the batch's counts, so an import that died goes
on where it stopped and the same file twice changes nothing. No value of a row is kept here, only what became of it and
why.

A file that staff upload is sealed on disk as long as its upload is live, and a file is live once (unique); one that is
done has its batch. A withdrawal stands or was undone by somebody at some time; one at most stands for a batch, and each
says of every lead whether it was on sale, so that undoing it puts back what it took and nothing else.
"""

from datetime import datetime
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Case, Count, F, Q, Value, When

from marketplace.core.ids import new_id
from marketplace.leads.models import Lead


class ImportBatch(models.Model):
    """One file of leads. It is judged as of the moment it was begun, however often the import is taken up again."""

    class State(models.TextChoices):
        RUNNING = "running", "Not finished"
        DONE = "done", "Done"

    sha256 = models.CharField(max_length=64, unique=True, help_text="of the file's bytes")
    options = models.JSONField(default=dict, help_text="what staff chose: supplier, vertical, columns to keep")
    headers = models.JSONField(
        default=dict, help_text="what the columns that are read are called in the file, by our names for them"
    )
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

    @property
    def has_rejects(self) -> bool:
        """Whether there are rows that did not go on sale."""
        return self.total != self.accepted


_WITHOUT_LINES = Case(
    When(
        reason__startswith="The same phone or email is on line ",
        then=Value("The same phone or email is further up in the file."),
    ),
    When(
        reason__contains=" It runs to line ",
        then=Value("The row has too few or too many cells: a quote may be missing."),
    ),
    default=F("reason"),
)


class ImportRowQuerySet(models.QuerySet["ImportRow"]):
    def worth_a_look(self) -> Self:
        """The rows that did not go on sale, as they stand in the file."""
        return self.exclude(outcome=ImportRow.Outcome.ACCEPTED).order_by("line")

    def by_reason(self) -> list[tuple[str, str, int]]:
        """Why rows did not go on sale: outcome, reason and how often, the most frequent first. Reasons that name
        another line are one."""
        told = self.exclude(outcome=ImportRow.Outcome.ACCEPTED).annotate(why=_WITHOUT_LINES)
        counted = told.order_by().values_list("outcome", "why").annotate(times=Count("pk"))
        return list(counted.order_by("-times", "outcome", "why"))


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


class UploadQuerySet(models.QuerySet["Upload"]):
    def live(self) -> Self:
        """Those whose file is there and may still come in."""
        return self.filter(state__in=Upload.LIVE)

    def due(self, now: datetime, lost_since: datetime) -> Self:
        """Those to be taken in now: waiting, or taken up by a worker of whom nothing was heard since ``lost_since``."""
        waits = Q(state=Upload.State.WAITING, available_at__lte=now)
        return self.filter(waits | Q(state=Upload.State.RUNNING, claimed_at__lt=lost_since)).order_by(
            "available_at", "pk"
        )

    def with_rejects(self, now: datetime) -> Self:
        """Those whose rejects can be downloaded."""
        return self.filter(rejects_until__gt=now)


class Upload(models.Model):
    """A file of leads that staff uploaded, on its way in. Its content is sealed on disk under ``public_id``; the name
    it had is not kept, it may name a person."""

    class State(models.TextChoices):
        PREVIEW = "preview", "Not imported yet"
        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Coming in"
        DONE = "done", "Done"
        REFUSED = "refused", "Refused"
        CANCELLED = "cancelled", "Cancelled"

    LIVE = ("preview", "waiting", "running")

    public_id = models.CharField(max_length=20, unique=True, default=new_id, editable=False)
    uploaded_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    sha256 = models.CharField(max_length=64, help_text="of the file's bytes")
    encoding = models.CharField(max_length=9, blank=True, help_text="how its text is to be read; empty if not known")
    options = models.JSONField(help_text="what staff chose: supplier, vertical, columns to keep")
    state = models.CharField(max_length=9, choices=State, default=State.PREVIEW)
    problem = models.CharField(
        max_length=300, blank=True, help_text="why it was refused, or has no rejects; without a value"
    )
    lines = models.PositiveIntegerField(
        default=0, help_text="the line on which its last row begins; 0 if not known yet"
    )
    batch = models.ForeignKey(ImportBatch, models.PROTECT, null=True, related_name="uploads", verbose_name="file")
    rejects_until = models.DateTimeField(null=True, help_text="until when the rows that did not go on sale are kept")
    attempts = models.PositiveSmallIntegerField(
        default=0, help_text="how often it was taken up without getting further"
    )
    claim = models.CharField(max_length=20, blank=True, help_text="the run that has it")
    claimed_at = models.DateTimeField(null=True, help_text="when that run was last heard of")
    available_at = models.DateTimeField(help_text="when it may be taken up")
    created_at = models.DateTimeField("uploaded")

    objects = UploadQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["sha256"],
                condition=Q(state__in=["preview", "waiting", "running"]),
                name="supply_file_is_live_once",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["preview", "waiting", "running", "done", "refused", "cancelled"]),
                name="supply_upload_state_known",
            ),
            models.CheckConstraint(
                condition=Q(encoding__in=["", "utf-8-sig", "cp1252"]), name="supply_upload_encoding_known"
            ),
            models.CheckConstraint(condition=~Q(state="done") | Q(batch__isnull=False), name="supply_done_has_batch"),
            models.CheckConstraint(condition=~Q(state="refused") | ~Q(problem=""), name="supply_refused_says_why"),
            models.CheckConstraint(
                condition=Q(rejects_until__isnull=True) | Q(state="done"), name="supply_rejects_of_what_is_done"
            ),
        ]

    def __str__(self) -> str:
        return f"Upload {self.public_id}"


class KeptColumn(models.Model):
    """A column of a supplier that staff chose to keep as an answer: ticked again when they upload the next file."""

    supplier = models.SlugField("supplier's short name", max_length=40)
    name = models.CharField(max_length=40)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["supplier", "name"], name="supply_column_kept_once")]

    def __str__(self) -> str:
        return f"{self.supplier}: {self.name}"


class WithdrawalQuerySet(models.QuerySet["Withdrawal"]):
    def standing(self) -> Self:
        """Those that were not undone."""
        return self.filter(undone_at=None)

    def unfinished(self) -> Self:
        """Those with leads left to withdraw or to put back."""
        return self.filter(Q(undone_at=None, withdrawn_at=None) | Q(undone_at__isnull=False, put_back_at=None))


class Withdrawal(models.Model):
    """Staff took what was not sold of a file off sale, and maybe put it back."""

    batch = models.ForeignKey(ImportBatch, models.PROTECT, verbose_name="file", related_name="withdrawals")
    reason = models.CharField(max_length=200)
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    made_at = models.DateTimeField("withdrawn")
    withdrawn_at = models.DateTimeField(null=True, help_text="when the last of its leads was off sale")
    undone_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    undone_at = models.DateTimeField("undone", null=True)
    put_back_at = models.DateTimeField(null=True, help_text="when the last of its leads was looked at again")

    objects = WithdrawalQuerySet.as_manager()

    class Meta:
        verbose_name = "withdrawal of a file"
        verbose_name_plural = "withdrawals of files"
        constraints = [
            models.UniqueConstraint(fields=["batch"], condition=Q(undone_at=None), name="supply_one_withdrawal_stands"),
            models.CheckConstraint(condition=~Q(reason=""), name="supply_withdrawal_has_reason"),
            models.CheckConstraint(
                condition=Q(undone_at__isnull=True, undone_by__isnull=True, put_back_at__isnull=True)
                | Q(undone_at__isnull=False, undone_by__isnull=False),
                name="supply_undone_by_somebody",
            ),
        ]

    def __str__(self) -> str:
        return f"Withdrawal {self.pk}"


class WithdrawnLead(models.Model):
    """A lead that a withdrawal took."""

    withdrawal = models.ForeignKey(Withdrawal, models.PROTECT, related_name="leads")
    lead = models.ForeignKey(Lead, models.PROTECT, related_name="+")
    was_on_sale = models.BooleanField(help_text="on sale before, or else on hold")
    came_back = models.BooleanField(null=True, help_text="whether undoing put it back; empty before")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["withdrawal", "lead"], name="supply_lead_withdrawn_once")]

    def __str__(self) -> str:
        return f"Lead {self.lead_id} of withdrawal {self.withdrawal_id}"
