"""What the site found when it looked at itself, and which of its tasks failed.

Invariants: a row is written when the look is over, so a look that broke off leaves none; findings are sentences with
ids, never with a name; of a failed task there is its name and the kind of error, never its words, which may quote.
"""

from typing import Self

from django.db import models
from django.db.models import Q


class CheckRunQuerySet(models.QuerySet["CheckRun"]):
    def of(self, what: str) -> Self:
        """The looks at one thing."""
        return self.filter(what=what)

    def newest(self) -> "CheckRun | None":
        """The look that ended last."""
        return self.order_by("-id").first()


class CheckRun(models.Model):
    """One look, and what it found. Those at the books are kept, those at the site's work for a day."""

    class What(models.TextChoices):
        LEDGER = "ledger", "The books"
        WATCH = "watch", "The site's work"

    what = models.CharField(max_length=10, choices=What)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField()
    findings_count = models.PositiveIntegerField()
    first_findings = models.JSONField(help_text="the first sentences; ids only")

    objects = CheckRunQuerySet.as_manager()

    class Meta:
        verbose_name = "check of the site"
        verbose_name_plural = "checks of the site"
        constraints = [
            models.CheckConstraint(condition=Q(what__in=["ledger", "watch"]), name="marketplace_check_known"),
        ]
        indexes = [models.Index(fields=["what", "-id"], name="marketplace_newest_check")]

    def __str__(self) -> str:
        return f"{self.get_what_display()}, {self.ended_at:%Y-%m-%d %H:%M}"


class TaskFailure(models.Model):
    """A task that ended with an error. Kept for a day."""

    task = models.CharField(max_length=100)
    error = models.CharField(max_length=100, help_text="the class of the error")
    failed_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["failed_at"], name="marketplace_failed_tasks")]

    def __str__(self) -> str:
        return f"{self.task}, {self.failed_at:%Y-%m-%d %H:%M}"
