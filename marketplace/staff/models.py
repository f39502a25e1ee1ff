"""What our staff noted and did about a member.

Invariant: an act is written once, with who did it, when and why, in the transaction that did it, and never changed or
deleted (triggers). Money that two people put right stands in the rooms it belongs to, not here.
"""

from django.conf import settings
from django.db import models
from django.db.models import Q


class Act(models.Model):
    """One thing a member of staff did about a member, or noted."""

    class Kind(models.TextChoices):
        NOTE = "note", "Noted"
        CODE = "code", "Sent a new code"
        EMAIL = "email", "Corrected the email address"
        STOPPED = "stopped", "Paused buying"
        ALLOWED = "allowed", "Allowed buying again"
        VIEWED = "viewed", "Looked at the site as this buyer"
        ROLES = "roles", "Changed the roles"
        FACTOR = "factor", "Removed the second factor"

    member = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    staff = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    kind = models.CharField(max_length=8, choices=Kind)
    text = models.CharField(max_length=1000, help_text="the reason, or the note itself")
    made_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "notes and acts"
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=["note", "code", "email", "stopped", "allowed", "viewed", "roles", "factor"]),
                name="staff_act_known",
            ),
            models.CheckConstraint(condition=~Q(text=""), name="staff_act_says_why"),
        ]
        indexes = [models.Index(fields=["member", "-id"], name="staff_acts_about")]
        permissions = [
            ("remove_factor", "Can remove the second factor of a member who lost it"),
            ("add_note", "Can note something about a member"),
            ("resend_code", "Can send a member a new code"),
            ("correct_email", "Can correct an email address that was never proved"),
            ("stop_buying", "Can pause buying and allow it again"),
            ("view_as_buyer", "Can look at the site as a buyer sees it"),
            ("appoint", "Can give members the roles of staff"),
        ]

    def __str__(self) -> str:
        return f"Act {self.pk}"
