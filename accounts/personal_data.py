from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from allauth.account.models import EmailAddress, EmailConfirmation
from allauth.mfa.models import Authenticator
from django.contrib.admin.models import LogEntry
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session

from privacy.declare.data_sets import personal_data
from privacy.declare.vocabulary import Category, Purpose, Source, Subject

from .models import SupportCode, User


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
            "buying_stopped_at",
            "sessions_ended",
            "business_name",
            "phone",
            "preferred_channel",
            "licensed_states",
            "time_zone",
            "theme",
            "is_active",
            "is_staff",
            "appointed_at",
            "is_superuser",
        ),
        "account.EmailAddress": ("user", "email", "verified", "primary"),
        "account.EmailConfirmation": ("email_address", "created", "sent", "key"),
        "accounts.SupportCode": ("user", "digest", "sent_at", "tries_left"),
    },
)
class Account:
    @staticmethod
    def rows(subject: Any) -> Iterable[Mapping[str, Any]]:
        yield User.objects.values().get(pk=subject.pk) | {"password": "stored as an argon2 hash"}
        yield from EmailAddress.objects.filter(user=subject).values("email", "verified", "primary")
        yield from SupportCode.objects.filter(user=subject).values("sent_at")
        yield from EmailConfirmation.objects.filter(email_address__user=subject).values("created", "sent")

    @staticmethod
    def people() -> Iterable[int]:
        return User.objects.values_list("pk", flat=True)


@personal_data(
    key="accounts.sessions",
    title="Where you are signed in",
    about=Subject.MEMBER,
    categories=(Category.CREDENTIAL,),
    purposes=(Purpose.ACCOUNT_SERVICE, Purpose.ACCOUNT_SECURITY),
    source=Source.RECORDED,
    kept="until you sign out, at most two weeks; without signing in, an hour; what is over is deleted every night",
    fields={"sessions.Session": ("session_key", "session_data", "expire_date")},
)
class Sessions:
    @staticmethod
    def rows(subject: Any) -> Iterable[Mapping[str, Any]]:
        for member, session in _open_sessions():
            if member == subject.pk:
                yield {"expire_date": session.expire_date, "holds": sorted(session.get_decoded())}

    @staticmethod
    def people() -> Iterable[int]:
        return {member for member, _ in _open_sessions()}


def _open_sessions() -> Iterator[tuple[int, Session]]:
    """Every session with its member. They are named inside of it alone, so each has to be opened."""
    for session in Session.objects.iterator():
        member = session.get_decoded().get(SESSION_KEY)
        if member:
            yield int(member), session


@personal_data(
    key="accounts.second_factor",
    title="Your second factor for signing in",
    about=Subject.MEMBER,
    categories=(Category.CREDENTIAL,),
    purposes=(Purpose.ACCOUNT_SECURITY,),
    source=Source.TOLD,
    kept="until you remove it, at most as long as the account",
    fields={"mfa.Authenticator": ("user", "type", "data", "created_at", "last_used_at")},
)
class SecondFactor:
    @staticmethod
    def rows(subject: Any) -> Iterable[Mapping[str, Any]]:
        for factor in Authenticator.objects.filter(user=subject):
            what = factor.data.get("name", "sealed; not even our staff can read it")
            yield {"type": factor.type, "what": what, "since": factor.created_at, "last_used": factor.last_used_at}

    @staticmethod
    def people() -> Iterable[int]:
        return Authenticator.objects.values_list("user_id", flat=True).distinct()


@personal_data(
    key="accounts.staff_actions",
    title="What you did as our staff",
    about=Subject.MEMBER,
    categories=(Category.ACTIVITY,),
    purposes=(Purpose.ACCOUNT_SECURITY,),
    source=Source.RECORDED,
    kept="as long as the account, to know who did what",
    fields={"admin.LogEntry": ("user", "action_time", "object_id", "object_repr", "change_message")},
)
class StaffActions:
    @staticmethod
    def rows(subject: Any) -> Iterable[Mapping[str, Any]]:
        entries = LogEntry.objects.filter(user=subject)
        return entries.values("action_time", "object_id", "object_repr", "change_message")

    @staticmethod
    def people() -> Iterable[int]:
        return LogEntry.objects.values_list("user_id", flat=True).distinct()
