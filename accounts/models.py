"""Members.

Invariants: one account for each email, one proved account for each handle, whatever the case (unique constraints);
nothing public derives from the email or the primary key: addresses carry ``public_id``, pages show ``handle`` (AL-10).
What is optional may stay empty (LR-08).

A handle belongs to somebody once their email is proved. Were it taken at sign-up already, trying it a second time
would tell whether the first time an account was made, and so whether the address had been known.
"""

from typing import Any
from zoneinfo import available_timezones

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.core.validators import EmailValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils.crypto import salted_hmac
from phonenumber_field.modelfields import PhoneNumberField

from marketplace.core import clock
from marketplace.core.ids import new_id

from .validators import validate_handle

STATES = (
    ("AL", "Alabama"), ("AK", "Alaska"), ("AZ", "Arizona"), ("AR", "Arkansas"), ("CA", "California"),
    ("CO", "Colorado"), ("CT", "Connecticut"), ("DE", "Delaware"), ("DC", "District of Columbia"), ("FL", "Florida"),
    ("GA", "Georgia"), ("HI", "Hawaii"), ("ID", "Idaho"), ("IL", "Illinois"), ("IN", "Indiana"), ("IA", "Iowa"),
    ("KS", "Kansas"), ("KY", "Kentucky"), ("LA", "Louisiana"), ("ME", "Maine"), ("MD", "Maryland"),
    ("MA", "Massachusetts"), ("MI", "Michigan"), ("MN", "Minnesota"), ("MS", "Mississippi"), ("MO", "Missouri"),
    ("MT", "Montana"), ("NE", "Nebraska"), ("NV", "Nevada"), ("NH", "New Hampshire"), ("NJ", "New Jersey"),
    ("NM", "New Mexico"), ("NY", "New York"), ("NC", "North Carolina"), ("ND", "North Dakota"), ("OH", "Ohio"),
    ("OK", "Oklahoma"), ("OR", "Oregon"), ("PA", "Pennsylvania"), ("RI", "Rhode Island"), ("SC", "South Carolina"),
    ("SD", "South Dakota"), ("TN", "Tennessee"), ("TX", "Texas"), ("UT", "Utah"), ("VT", "Vermont"),
    ("VA", "Virginia"), ("WA", "Washington"), ("WV", "West Virginia"), ("WI", "Wisconsin"), ("WY", "Wyoming"),
)  # fmt: skip


reachable_email = EmailValidator(allowlist=[])  # Django's own lets "localhost" pass, where no mail of ours arrives


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, handle: str, password: str | None = None, **extra: Any) -> "User":
        """A member; the email is kept in lower case."""
        user = self.model(email=email.lower(), handle=handle, **extra)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, handle: str, password: str | None = None, **extra: Any) -> "User":
        """An owner: a verified member with every permission."""
        extra = {"is_staff": True, "is_superuser": True, "email_verified_at": clock.now()} | extra
        return self.create_user(email, handle, password, **extra)

    def get_by_natural_key(self, email: str | None) -> "User":
        return self.get(email=(email or "").lower())


class User(AbstractBaseUser, PermissionsMixin):
    """A member: signs in by email, is known to others by handle."""

    class Channel(models.TextChoices):
        EMAIL = "email", "Email"
        PHONE = "phone", "Phone"

    class Theme(models.TextChoices):
        SYSTEM = "system", "System"
        LIGHT = "light", "Light"
        DARK = "dark", "Dark"

    public_id = models.CharField(max_length=20, unique=True, default=new_id, editable=False)
    email = models.EmailField(max_length=254, unique=True)
    handle = models.CharField(max_length=24, validators=[validate_handle])
    email_verified_at = models.DateTimeField("email proved", null=True)
    adult_stated_at = models.DateTimeField(null=True, help_text="when the member said to be 18 or older")
    is_active = models.BooleanField("active", default=True)
    is_staff = models.BooleanField("staff", default=False)
    appointed_at = models.DateTimeField(null=True, help_text="when the member was last given a role of our staff")
    date_joined = models.DateTimeField("joined", default=clock.now)
    first_purchase_at = models.DateTimeField("first purchase", null=True, help_text="when the member became a buyer")
    buying_stopped_at = models.DateTimeField(null=True, help_text="since when our staff keep the member from buying")
    sessions_ended = models.PositiveIntegerField(default=0, db_default=0, help_text="how often all sessions were ended")

    business_name = models.CharField(max_length=120, blank=True)
    phone = PhoneNumberField(blank=True)
    preferred_channel = models.CharField(max_length=5, choices=Channel, default=Channel.EMAIL)
    licensed_states = models.JSONField(default=list, blank=True)
    time_zone = models.CharField(max_length=40, blank=True)
    theme = models.CharField(max_length=6, choices=Theme, default=Theme.SYSTEM)

    objects = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = ["handle"]

    class Meta:
        verbose_name = "member"
        constraints = [
            models.CheckConstraint(condition=models.Q(email=Lower("email")), name="accounts_email_lower_case"),
            models.UniqueConstraint(
                Lower("handle"), condition=models.Q(email_verified_at__isnull=False), name="accounts_handle_once"
            ),
        ]

    def __str__(self) -> str:
        return self.handle

    @property
    def is_verified(self) -> bool:
        """Whether the member proved to read their email (AL-07)."""
        return self.email_verified_at is not None

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """What every session of the member has to hold: Django's, until ``services.end_sessions`` was called once."""
        if not self.sessions_ended:
            return super()._get_session_auth_hash(secret)  # type: ignore[misc]
        value = f"{self.password}|{self.sessions_ended}"
        return salted_hmac("accounts.sessions", value, secret=secret, algorithm="sha256").hexdigest()


class SupportCode(models.Model):
    """A code from support for a member who has not proved their email. It works in any browser, for half an hour."""

    user = models.OneToOneField(User, models.PROTECT, related_name="support_code")
    digest = models.CharField(max_length=64, help_text="keyed digest of member, address and code")
    sent_at = models.DateTimeField()
    tries_left = models.PositiveSmallIntegerField()

    def __str__(self) -> str:
        return f"Code {self.pk}"


def time_zone_choices() -> list[tuple[str, str]]:
    """The zones of the United States first, then the others, as choices of a select."""
    home = {
        "America/New_York": "Eastern (New York)",
        "America/Chicago": "Central (Chicago)",
        "America/Denver": "Mountain (Denver)",
        "America/Phoenix": "Arizona (Phoenix)",
        "America/Los_Angeles": "Pacific (Los Angeles)",
        "America/Anchorage": "Alaska (Anchorage)",
        "Pacific/Honolulu": "Hawaii (Honolulu)",
    }
    others = sorted(name for name in available_timezones() if "/" in name and name not in home)
    others = [name for name in others if not name.startswith(("Etc/", "posix/", "right/", "SystemV/", "US/"))]
    return [*home.items(), *((name, name.replace("_", " ")) for name in others)]
