"""The texts people agree to, and the acceptances.

Invariants: a published text never changes and is never deleted (database triggers); an acceptance names the exact
bytes by their SHA-256, is written once for each member and version, and is never changed or deleted (triggers).
"""

from django.conf import settings
from django.db import models


class Document(models.TextChoices):
    TERMS = "terms", "Terms of use"


class PolicyVersion(models.Model):
    """One published version of one document."""

    document = models.CharField(max_length=20, choices=Document)
    number = models.PositiveSmallIntegerField()
    text = models.TextField(help_text="Markdown, as published")
    sha256 = models.CharField(max_length=64, help_text="SHA-256 of the UTF-8 text, hex")
    effective_on = models.DateField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["document", "number"], name="policy_version_once"),
            models.CheckConstraint(condition=models.Q(number__gte=1), name="policy_version_from_one"),
        ]

    def __str__(self) -> str:
        return f"{self.get_document_display()}, version {self.number}"


class Acceptance(models.Model):
    """A member agreed to a version, by an act of their own. No IP and no browser is kept with it (AL-30)."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="acceptances")
    version = models.ForeignKey(PolicyVersion, models.PROTECT, related_name="acceptances")
    sha256 = models.CharField(max_length=64, help_text="of the text that was shown")
    surface = models.CharField(max_length=40, help_text="the form on which it was given")
    accepted_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "version"], name="policy_acceptance_once")]

    def __str__(self) -> str:
        return f"Acceptance {self.pk}"
