"""Where allauth meets the house: members are saved, mailed and rate-limited by our own verbs."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import AUTHENTICATION_METHODS_SESSION_KEY
from allauth.account.models import EmailAddress
from allauth.account.utils import passthrough_next_redirect_url
from allauth.core import context
from allauth.core.internal.ratelimit import truncate_ip
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from marketplace.core.refusals import TooMany
from privacy.vault.digests import digest

from . import emails, services
from .limits import seconds_left
from .models import User, reachable_email


class AccountAdapter(DefaultAccountAdapter):
    """Sign-up through ``services.register``, every mail through the outbox, no IP beside a person."""

    error_messages = DefaultAccountAdapter.error_messages | {
        "email_password_mismatch": "The email or the password is not right. Please check both.",
        "enter_current_password": "This is not your present password.",
        "incorrect_password": "This is not your password.",
        "incorrect_code": "This code is not right. Check the newest mail from us and enter its 8 digits.",
        "duplicate_email": "This is your address already. Enter the new one.",
        "email_taken": "Another account has this address. Please use a different one.",
        # As an error of a form this becomes a 429 (validation_error); as a sentence it is said after three wrong codes.
        "too_many_login_attempts": "The code was wrong three times and no longer works. Please start again.",
    }

    def validation_error(self, code: str, *args: object) -> Exception:
        """What allauth raises for ``code``. A limit is a 429 and no mistake in a field."""
        if code == "too_many_login_attempts":
            return TooMany(retry_after=seconds_left(context.request))
        error: ValidationError = super().validation_error(code, *args)
        return error

    def is_ajax(self, request: HttpRequest) -> bool:
        """Never: one kind of answer is enough to keep safe."""
        return False

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        data = form.cleaned_data
        user.email = data["email"]
        user.handle = data["handle"]
        user.password = form.password_hash
        services.register(user, terms=form.terms_version, terms_sha256=data["terms_sha256"])
        return user

    def clean_email(self, email: str) -> str:
        reachable_email(email)
        return email

    def set_password(self, user: User, password: str) -> None:
        services.set_password(user, password)

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        user = email_address.user
        user.refresh_from_db(fields=["email", "email_verified_at"])
        if not user.is_verified and email_address.email != user.email:
            # Support corrected a mistyped address: a code to the wrong one proves nothing any more.
            messages.error(request, "The address of this account was corrected meanwhile. Please use the newest code.")
            return False
        try:
            with transaction.atomic():
                confirmed: bool = super().confirm_email(request, email_address)
                if confirmed:
                    self._mark_verified(request, email_address.user)
        except IntegrityError:  # another member proved the same address at the same moment
            self.add_message(request, messages.ERROR, "account/messages/email_confirmation_failed.txt")
            return False
        return confirmed

    def _mark_verified(self, request: HttpRequest, user: User) -> None:
        wanted = user.handle
        if not services.mark_verified(user):
            said = (
                f"Somebody else took the public name {wanted} first. Yours is {user.handle} now; change it as you like."
            )
            messages.warning(request, said)

    def login(self, request: HttpRequest, user: User) -> None:
        """Let the member in; only a proved email gets this far, by whichever way it was proved (a reset code, too)."""
        super().login(request, user)
        user.refresh_from_db(fields=["email_verified_at", "handle"])
        if not user.is_verified:
            self._mark_verified(request, user)
        self._forget_email(request)

    def pre_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse | None:
        self._forget_email(request)  # the second step may take a while, or never come
        response: HttpResponse | None = super().pre_login(request, user, **kwargs)
        return response

    def _forget_email(self, request: HttpRequest) -> None:
        for record in request.session.get(AUTHENTICATION_METHODS_SESSION_KEY, ()):
            record.pop("email", None)  # the session names its member by key, that is enough

    def get_login_stages(self) -> list[str]:
        ours = {"allauth.mfa.stages.AuthenticateStage": "accounts.stages.SecondStep"}
        return [ours.get(stage, stage) for stage in super().get_login_stages()]

    def respond_email_verification_sent(self, request: HttpRequest, user: User | None) -> HttpResponse:
        return redirect(passthrough_next_redirect_url(request, reverse("account_email_verification_sent"), "next"))

    def get_email_verification_redirect_url(self, email_address: EmailAddress) -> str:
        return reverse("accounts:profile")

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return reverse("accounts:profile")

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """allauth names its mails by template prefix; each has a function in ``emails``.

        Raises:
            LookupError: a mail that has none; nothing is sent that nobody wrote.
        """
        name = template_prefix.rpartition("/")[2]
        user = context.get("user") or self._owner_of(email)
        if name in {"email_confirmation_signup", "email_confirmation"}:
            services.send_code(user, context["code"], to=email)
        elif name == "account_already_exists":
            emails.account_exists(user)
        elif name == "password_reset_code":
            emails.reset_code(user, code=context["code"])
        else:
            raise LookupError(template_prefix)

    def _owner_of(self, email: str) -> User:
        address = EmailAddress.objects.filter(email=email.lower()).select_related("user").first()
        return address.user if address else User.objects.get(email=email.lower())

    def send_notification_mail(
        self, template_prefix: str, user: User, context: dict[str, Any] | None = None, email: str | None = None
    ) -> None:
        """Security mails; allauth's own would print the IP and the browser (AL-30).

        Raises:
            LookupError: a mail that nobody wrote.
        """
        name = template_prefix.rpartition("/")[2]
        if name == "email_changed":
            emails.email_changed(user, old=email or user.email)
        elif name not in {"password_changed", "password_reset"}:  # queued by services.set_password already
            raise LookupError(template_prefix)

    def get_reauthentication_methods(self, user: User) -> list[dict[str, Any]]:
        words = {
            "reauthenticate": "Use your password",
            "mfa_reauthenticate": "Use a code",
            "mfa_reauthenticate:webauthn": "Use a passkey",
        }
        methods = super().get_reauthentication_methods(user)
        return [method | {"description": words[method["id"]]} for method in methods]

    def is_safe_url(self, url: str) -> bool:
        try:
            safe: bool = super().is_safe_url(url)
        except ValueError:  # "//[" and its like are no addresses at all
            return False
        return safe

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """The account alone. allauth adds the Host header, and whoever guesses chooses its port and case."""
        return str(credentials.get("email", "")).lower()

    def get_client_ip(self, request: HttpRequest) -> str:
        """A keyed digest of the address (of its /64 for IPv6): good enough to count by, useless to look up."""
        return digest("ip", truncate_ip(super().get_client_ip(request)))[:32]


class FactorAdapter(DefaultMFAAdapter):
    """allauth's second factor with our words and names. What is secret in it is sealed by ``factors``, with its row."""

    error_messages = DefaultMFAAdapter.error_messages | {
        "incorrect_code": "That did not work. Please try again.",
        "unverified_email": "Please confirm your email first. Otherwise somebody else's address could be locked up.",
    }

    def encrypt(self, text: str) -> str:
        raise NotImplementedError("allauth does not say of which row the secret is: use factors")

    def decrypt(self, encrypted_text: str) -> str:
        raise NotImplementedError("allauth does not say of which row the secret is: use factors")

    def get_totp_label(self, user: User) -> str:
        return user.handle

    def generate_authenticator_name(self, user: User, type: str) -> str:  # noqa: A002 - allauth's word
        number = Authenticator.objects.filter(user_id=user.pk, type=type).count() + 1
        return "Passkey" if number == 1 else f"Passkey {number}"

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        entity: dict[str, str] = super().get_public_key_credential_rp_entity()
        return entity | {"name": "Leadfair"}

    def get_public_key_credential_user_entity(self, user: User) -> dict[str, Any]:
        """What the passkey keeps of the member, on whatever device: neither the email nor the primary key (AL-10)."""
        return {"id": user.public_id.encode(), "display_name": user.handle, "name": user.handle}
