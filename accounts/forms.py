"""Sign-up, signing in, and the member's own data."""

import re
from functools import cache
from typing import Any

from allauth.account import forms as allauth
from allauth.account.utils import complete_signup, get_next_redirect_url
from allauth.core.internal.cryptokit import normalize_user_code
from django import forms
from django.contrib import messages
from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from phonenumber_field.formfields import PhoneNumberField
from phonenumber_field.phonenumber import PhoneNumber, to_python
from phonenumber_field.widgets import RegionalPhoneNumberWidget

from privacy.policy.models import Document
from privacy.policy.services import in_force

from . import emails, resets
from .adapter import AccountAdapter
from .models import STATES, User, time_zone_choices
from .services import PROFILE
from .validators import validate_handle

EMAIL_LENGTH = User._meta.get_field("email").max_length
HOME = 1  # the country code of the United States
PASSWORD_HINT = "At least 12 characters. A few words work well."  # noqa: S105


class HandleField(forms.CharField):
    """A public name that nobody has, whatever the case."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(label="Public name", max_length=24, validators=[validate_handle], **kwargs)
        self.help_text = (
            "3 to 24 letters, digits, hyphens or underscores, a letter first. "
            "Shown instead of your name or email wherever others can see you."
        )
        self.widget.attrs.update(autocomplete="nickname", autocapitalize="none", spellcheck="false")


def refuse_taken(handle: str, *, owner: User | None = None) -> None:
    """Pass a handle that nobody but ``owner`` has.

    Raises:
        ValidationError: somebody has it. Handles are public, so saying so gives nothing away.
    """
    others = User.objects.filter(handle__iexact=handle, email_verified_at__isnull=False)
    if owner is not None:
        others = others.exclude(pk=owner.pk)
    if others.exists():
        advice = "Choose another, or sign in if it is yours." if owner is None else "Please choose another."
        raise ValidationError(f"Somebody has this name already. {advice}")


class PlainFields:
    """Labels and hints of our own in place of the placeholders of allauth, which vanish while one types."""

    fields: dict[str, forms.Field]
    words: dict[str, tuple[str, str]] = {}  # field → label, hint

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.widget.attrs.pop("placeholder", None)
            if name in self.words:
                field.label, field.help_text = self.words[name]
            if isinstance(field, forms.EmailField):
                field.validators.append(MaxLengthValidator(EMAIL_LENGTH))
                field.widget.attrs["maxlength"] = EMAIL_LENGTH
            if field.label and not isinstance(field, forms.BooleanField):
                field.error_messages["required"] = f"Please enter the {str(field.label).lower()}."


class SignupForm(PlainFields, allauth.SignupForm):
    """The least a member can give: email, handle, password, 18 or older, the terms (AL-09, C26)."""

    words = {
        "email": ("Email", "We send a code to it. You sign in with it. It is never shown to others."),
        "password1": ("Password", PASSWORD_HINT),
    }
    field_order = ["email", "handle", "password1", "adult", "terms", "terms_sha256"]
    handle = HandleField()
    adult = forms.BooleanField(
        label="I am 18 or older",
        help_text="We sell to adults only.",
        error_messages={"required": "Leadfair is for people of 18 or older."},
    )
    terms = forms.BooleanField(error_messages={"required": "Please read and accept the terms."})
    terms_sha256 = forms.CharField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.password_hash = ""
        self.terms_version = in_force(Document.TERMS)
        self.initial["terms_sha256"] = self.terms_version.sha256
        self.fields["terms"].label = format_html(
            'I agree to the <a href="{}" target="_blank">terms of use</a> (version {}, opens in a new tab)',
            reverse("privacy:terms"),
            self.terms_version.number,
        )

    def clean_handle(self) -> str:
        handle: str = self.cleaned_data["handle"]
        refuse_taken(handle)
        return handle

    def clean_terms_sha256(self) -> str:
        shown: str = self.cleaned_data["terms_sha256"]
        if shown != self.terms_version.sha256:
            # The box must be ticked anew for the new text, which is now shown.
            data = self.data.copy()  # type: ignore[has-type]
            data["terms_sha256"] = self.terms_version.sha256
            data.pop("terms", None)
            self.data = data
            what = "The terms changed while you were reading." if shown else "It is not clear which terms you saw."
            self.add_error("terms", f"{what} Please read them and agree again.")
        return shown

    def try_save(self, request: HttpRequest) -> tuple[User | None, HttpResponse | None]:
        # One hash whether or not the address is known, and outside the transaction: the time tells nothing and no
        # other writer waits for it.
        self.password_hash = make_password(self.cleaned_data["password1"])
        # Who was to stay signed in on this browser was somebody else (AL-23).
        request.session.set_expiry(0)
        try:
            # allauth would commit the account before it asks the limit and queues the code.
            with transaction.atomic():
                user, response = super().try_save(request)
                return user, response or complete_signup(request, user, None, get_next_redirect_url(request))
        except IntegrityError:  # somebody else signed up with this address between our look and our write
            self.account_already_exists = True
            return super().try_save(request)


class SignInForm(PlainFields, allauth.LoginForm):
    """Email and password, and whether to stay signed in when the browser is closed (AL-23)."""

    words = {
        "login": ("Email", ""),
        "password": ("Password", ""),
        "remember": ("Keep me signed in", "For two weeks. Leave it off on a computer that others use."),
    }


class _CodeField(PlainFields):
    words = {"code": ("Code", "8 digits. Spaces do not matter.")}
    is_a_try = False  # whether 8 digits were entered, right or wrong

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["code"].widget.attrs.update(inputmode="numeric", autocomplete="one-time-code", spellcheck="false")

    def clean_code(self) -> str:
        if not re.fullmatch("[0-9]{8}", normalize_user_code(self.cleaned_data["code"])):  # type: ignore[attr-defined]
            raise ValidationError("Enter the 8 digits of the code. This did not count as a try.")
        self.is_a_try = True
        code: str = super().clean_code()  # type: ignore[misc]
        return code


class EmailCodeForm(_CodeField, allauth.ConfirmEmailVerificationCodeForm):
    """The code that proves an email."""


class SupportCodeForm(forms.Form):
    """The code that support sent, with the address it was sent to."""

    email = forms.EmailField(label="Email", max_length=EMAIL_LENGTH)
    code = forms.CharField(label="Code", max_length=40, help_text="8 digits. Spaces do not matter.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].widget.attrs["autocomplete"] = "email"
        self.fields["code"].widget.attrs.update(inputmode="numeric", autocomplete="one-time-code", spellcheck="false")
        self.fields["email"].error_messages["required"] = "Please enter the email."
        self.fields["code"].error_messages["required"] = "Please enter the code."

    def clean_code(self) -> str:
        code: str = normalize_user_code(self.cleaned_data["code"])
        if not re.fullmatch("[0-9]{8}", code):
            raise ValidationError("Enter the 8 digits of the code. This did not count as a try.")
        return code


class ResetCodeForm(_CodeField, allauth.ConfirmPasswordResetCodeForm):
    """The code that allows a new password."""


class ResetRequestForm(PlainFields, allauth.ResetPasswordForm):
    """Where to send the code for a new password."""

    words = {"email": ("Email", "The address you sign in with.")}

    def save(self, request: HttpRequest, **kwargs: Any) -> str:
        if not self.users:
            emails.reset_code_for_nobody(code=AccountAdapter().generate_password_reset_code())
        email: str = super().save(request, **kwargs)
        if self.users:
            resets.bind(request.session, self.users[0])
        if "again" in request.POST:  # from the page of the code
            messages.success(request, "We sent a new code. Earlier ones no longer work.")
        return email


class NewPasswordForm(PlainFields, allauth.ResetPasswordKeyForm):
    """A new password, typed once: it may be pasted, and a reset is never far."""

    words = {"password1": ("New password", PASSWORD_HINT)}
    password2 = None


class ChangePasswordForm(PlainFields, allauth.ChangePasswordForm):
    """A new password in place of the present one."""

    words = {"oldpassword": ("Present password", ""), "password1": ("New password", PASSWORD_HINT)}
    password2 = None


class ConfirmPasswordForm(PlainFields, allauth.ReauthenticateForm):
    """The password once more before something that must not happen behind the member's back."""

    words = {"password": ("Password", "")}


class ChangeEmailForm(PlainFields, allauth.AddEmailForm):
    """The new address; it replaces the old one once its code was entered."""

    words = {"email": ("New email", "We send a code to it.")}


class PhoneWidget(RegionalPhoneNumberWidget):
    """A phone number as people write it: at home without the country, from abroad with it and with spaces."""

    def format_value(self, value: Any) -> str | None:
        number = to_python(value, region=self.region)
        if isinstance(number, PhoneNumber) and number.is_valid() and number.country_code != HOME:
            return str(number.as_international)
        shown: str | None = super().format_value(value)
        return shown


class ProfileForm(forms.ModelForm):
    """Everything a member told us, to see and to change (LR-35). Optional fields say what is missing without them."""

    handle = HandleField()
    phone = PhoneNumberField(
        required=False, widget=PhoneWidget, help_text="Optional. Without it we can answer you by email only."
    )
    licensed_states = forms.MultipleChoiceField(
        required=False,
        choices=STATES,
        widget=forms.CheckboxSelectMultiple,
        help_text="Optional. Without them we cannot warn you when a lead is outside the states you may work in.",
    )
    time_zone = forms.ChoiceField(required=False, help_text="Optional. Without it times are shown in UTC.")

    class Meta:
        model = User
        fields = PROFILE
        help_texts = {
            "business_name": "Optional. Without it your receipts carry no business name.",
            "preferred_channel": "How we answer when you ask us something.",
        }
        labels = {"preferred_channel": "Answer me by"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["time_zone"].choices = [("", "UTC"), *_zones()]  # type: ignore[attr-defined]
        self.fields["business_name"].widget.attrs["autocomplete"] = "organization"
        self.fields["phone"].widget.attrs["autocomplete"] = "tel"

    def clean_handle(self) -> str:
        handle: str = self.cleaned_data["handle"]
        refuse_taken(handle, owner=self.instance)
        return handle

    def clean_phone(self) -> PhoneNumber | str:
        phone: PhoneNumber | str = self.cleaned_data["phone"]
        if isinstance(phone, PhoneNumber) and phone.extension:  # the stored form of a number has no place for it
            raise ValidationError("We cannot keep an extension. Give a number without one.")
        return phone

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if data.get("preferred_channel") == User.Channel.PHONE and not data.get("phone") and "phone" not in self.errors:
            self.add_error("phone", "Give a phone number, or choose email.")
        return data


@cache
def _zones() -> list[tuple[str, str]]:
    """The choices of the time zone; found once in a process, as they are read from hundreds of files."""
    return time_zone_choices()
