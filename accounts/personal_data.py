from collections.abc import Iterable, Mapping
from typing import Any

from allauth.account.models import EmailAddress

from privacy.declare.data_sets import personal_data
from privacy.declare.vocabulary import Category, Purpose, Source, Subject

from .models import User


@personal_data(
    key="accounts.user",
    title="Your account and profile",
    about=Subject.MEMBER,
    categories=(Category.CONTACT, Category.CREDENTIAL, Category.PROFILE),
    purposes=(Purpose.ACCOUNT_SERVICE, Purpose.ACCOUNT_SECURITY, Purpose.BILLING),
    source=Source.TOLD,
    kept="as long as the account",
    fields={
        "accounts.User": (
            "email",
            "handle",
            "password",
            "public_id",
            "email_verified_at",
            "adult_stated_at",
            "date_joined",
            "last_login",
            "first_purchase_at",
            "business_name",
            "phone",
            "preferred_channel",
            "licensed_states",
            "time_zone",
            "theme",
            "is_active",
            "is_staff",
            "is_superuser",
        ),
        "account.EmailAddress": ("user", "email", "verified", "primary"),
        "account.EmailConfirmation": ("email_address", "created", "sent", "key"),
        "sessions.Session": ("session_key", "session_data", "expire_date"),
        "admin.LogEntry": ("user", "action_time", "object_id", "object_repr", "change_message"),
    },
)
class Account:
    @staticmethod
    def rows(subject: Any) -> Iterable[Mapping[str, Any]]:
        yield User.objects.values().get(pk=subject.pk) | {"password": "stored as an argon2 hash"}
        yield from EmailAddress.objects.filter(user=subject).values("email", "verified", "primary")

    @staticmethod
    def people() -> Iterable[int]:
        return User.objects.values_list("pk", flat=True)
