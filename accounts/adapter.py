"""Where allauth meets the house: members are saved, mailed and rate-limited by our own verbs."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from django.http import HttpRequest

from privacy.vault.digests import digest

from . import emails, services
from .models import User


class AccountAdapter(DefaultAccountAdapter):
    """Sign-up through ``services.register``, every mail through the outbox, no IP beside a person."""

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        data = form.cleaned_data
        user.email = data["email"]
        user.handle = data["handle"]
        user.password = form.password_hash
        services.register(user, terms=form.terms_version, terms_sha256=data["terms_sha256"])
        return user

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        confirmed = super().confirm_email(request, email_address)
        if confirmed:
            services.mark_verified(email_address.user)
        return confirmed

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """allauth names its mails by template prefix; each has a function in ``emails``.

        Raises:
            LookupError: a mail that has none; nothing is sent that nobody wrote.
        """
        name = template_prefix.rpartition("/")[2]
        address = EmailAddress.objects.filter(email__iexact=email).select_related("user").first()
        user = context.get("user") or (address.user if address else User.objects.get(email=email.lower()))
        if name in {"email_confirmation_signup", "email_confirmation"}:
            services.send_code(user, context["code"], to=email)
        elif name == "account_already_exists":
            emails.account_exists(user)
        elif name == "password_reset_code":
            emails.reset_code(user, code=context["code"])
        else:
            raise LookupError(template_prefix)

    def send_notification_mail(
        self, template_prefix: str, user: User, context: dict[str, Any] | None = None, email: str | None = None
    ) -> None:
        name = template_prefix.rpartition("/")[2]
        if name in {"password_changed", "password_set", "password_reset"}:
            emails.password_changed(user)
        elif name == "email_changed":
            emails.email_changed(user, old=email or user.email)
        elif name != "email_deleted":  # taking back an address that was never proved is no news
            raise LookupError(template_prefix)

    def get_client_ip(self, request: HttpRequest) -> str:
        """A keyed digest of the address: good enough to count by, useless to look up."""
        return digest("ip", super().get_client_ip(request))[:32]
