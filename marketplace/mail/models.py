"""The outbox: every message the site has to say to a person.

Invariants: one message for each idempotency key (unique); the text is not stored, only the template's name and its
sealed variables, and these are emptied once the message has left or perhaps has (check constraints), so that neither
can be sent again; ``sending`` is committed before the mail server is spoken to, so a message whose worker died there is
marked ``unknown``.
"""

from typing import Self

from django.conf import settings
from django.db import models

from marketplace.core.ids import new_id
from privacy.vault.fields import SealedField


class Category(models.TextChoices):
    """What a message is for. A message without one cannot be queued (AL-37)."""

    VERIFICATION = "verification", "Verification and welcome"
    SECURITY = "security", "Account security"
    RECEIPT = "receipt", "Receipt"
    LEGAL = "legal", "Legal notice"
    OPERATOR = "operator", "Alert to the operator"


SERVER_AWAY = "server away: "  # how a problem begins that is none of this one message


class OutgoingEmailQuerySet(models.QuerySet["OutgoingEmail"]):
    def waiting_for_server(self) -> Self:
        """Messages whose last try found no mail server that takes any; not those that one recipient's refusal holds."""
        return self.filter(state=OutgoingEmail.State.QUEUED, problem__startswith=SERVER_AWAY)

    def given_up(self) -> Self:
        """Dead letters that can be sent again: they never left, and what they say is still here."""
        return self.filter(state=OutgoingEmail.State.FAILED).exclude(context="")


class OutgoingEmail(models.Model):
    """One message to one person."""

    class State(models.TextChoices):
        QUEUED = "queued", "Waiting"
        SENDING = "sending", "Being sent"
        SENT = "sent", "Sent"
        FAILED = "failed", "Given up"
        UNKNOWN = "unknown", "Perhaps sent"

    public_id = models.CharField(max_length=20, unique=True, default=new_id, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    category = models.CharField(max_length=20, choices=Category)
    template = models.CharField(max_length=80, help_text="path below templates/, without ending")
    key = models.CharField(max_length=120, unique=True, help_text="idempotency key; ids only, nothing personal")
    context = SealedField(help_text="sealed variables of the template; empty once sent or refused")
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0)
    available_at = models.DateTimeField(help_text="not before this moment")
    claimed_at = models.DateTimeField(null=True)
    claim = models.CharField(max_length=20, default="", help_text="the worker's token; others change nothing")
    problem = models.CharField(max_length=80, default="", help_text="kind of the last error and the server's code")
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)

    objects = OutgoingEmailQuerySet.as_manager()

    class Meta:
        verbose_name = "outgoing mail"
        verbose_name_plural = "outgoing mail"
        indexes = [
            models.Index(fields=["available_at", "id"], condition=models.Q(state="queued"), name="mail_due"),
            models.Index(fields=["claimed_at"], condition=models.Q(state="sending"), name="mail_in_flight"),
            models.Index(
                fields=["claimed_at"], condition=models.Q(state="failed") & ~models.Q(context=""), name="mail_given_up"
            ),
            models.Index(fields=["user", "-id"], name="mail_of_user"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(state="sent") | models.Q(context="", sent_at__isnull=False),
                name="mail_sent_is_emptied",
            ),
            models.CheckConstraint(
                condition=~models.Q(state="unknown") | models.Q(context=""), name="mail_unknown_is_emptied"
            ),
            models.CheckConstraint(
                condition=models.Q(category__in=["verification", "security", "receipt", "legal", "operator"]),
                name="mail_has_category",
            ),
        ]

    def __str__(self) -> str:
        return f"Mail {self.public_id}"

    @property
    def about(self) -> str:
        """What it says, without opening it: its category and the name of its template, such as "Receipt: credited"."""
        category, name = self.get_category_display(), self.template.rpartition("/")[2].replace("_", " ")
        return category if name in category.lower() else f"{category}: {name}"
