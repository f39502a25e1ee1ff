"""Who of our staff looked at personal details, and why.

Invariants, each kept by the database: a look is never changed or deleted (triggers); it says who looked, at whom and
why (checks); more looks than the usual number in an hour take a second person, who is never the one who asks (check).
"""

from django.conf import settings
from django.db import models
from django.db.models import Q

from marketplace.core.two_people import TwoPeople


class Reveal(models.Model):
    """One look of one of our staff at the details of one person, or at a file of what a supplier sent."""

    class About(models.TextChoices):
        MEMBER = "member", "Member"
        LEAD = "lead", "Lead"
        FILE = "file", "Rows that did not go on sale"

    staff = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    about = models.CharField(max_length=6, choices=About)
    subject_id = models.CharField("of", max_length=20, help_text="public id of the member or lead, number of the file")
    reason = models.CharField(max_length=500)
    revealed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(about__in=["member", "lead", "file"]), name="vault_reveal_about_known"),
            models.CheckConstraint(condition=~Q(reason="") & ~Q(subject_id=""), name="vault_reveal_says_why"),
        ]
        indexes = [
            models.Index(fields=["staff", "-revealed_at"], name="vault_reveals_by_staff"),
            models.Index(fields=["subject_id", "-revealed_at"], name="vault_reveals_of_person"),
        ]

    def __str__(self) -> str:
        return f"Reveal {self.pk}"


class MoreReveals(TwoPeople):
    """Leave to look at more people within the hour than one may alone."""

    class Meta(TwoPeople.Meta):
        verbose_name = verbose_name_plural = "leave for more reveals"
        permissions = [("decide_morereveals", "Can decide whether others may look at more details")]
        constraints = [
            *TwoPeople.Meta.constraints,
            models.UniqueConstraint("maker", condition=Q(state="asked"), name="vault_more_reveals_asked_once"),
        ]
        indexes = [
            models.Index(
                fields=["maker", "-decided_at"], condition=Q(state="approved"), name="vault_more_reveals_allowed"
            )
        ]

    def __str__(self) -> str:
        return f"More reveals {self.public_id}"

    @property
    def sentence(self) -> str:
        """What approving it does."""
        return f"Let {self.maker.handle} look at the details of 50 more people within an hour"

    @property
    def done(self) -> str:
        """What was done once it is approved."""
        return "Your colleague may look at 50 more people within the next hour."
