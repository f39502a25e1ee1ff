"""Sign-up and the member's own data."""

from typing import Any

from allauth.account.forms import SignupForm as AllauthSignupForm
from django import forms
from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from phonenumber_field.formfields import PhoneNumberField

from privacy.policy.models import Document
from privacy.policy.services import in_force

from .models import STATES, User, time_zone_choices
from .services import HandleTaken
from .validators import validate_handle


class HandleField(forms.CharField):
    """A public name that nobody has, whatever the case."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(label="Public name", max_length=24, validators=[validate_handle], **kwargs)
        self.help_text = "Shown instead of your name or email wherever others can see you."
        self.widget.attrs.update(autocomplete="nickname", autocapitalize="none", spellcheck="false")


def refuse_taken(handle: str, *, owner: User | None = None) -> None:
    """Pass a handle that nobody but ``owner`` has.

    Raises:
        ValidationError: somebody has it. Handles are public, so saying so gives nothing away.
    """
    others = User.objects.filter(handle__iexact=handle)
    if owner is not None:
        others = others.exclude(pk=owner.pk)
    if others.exists():
        raise ValidationError("Somebody has this name already. Please choose another.")


class SignupForm(AllauthSignupForm):
    """The least a member can give: email, handle, password, 18 or older, the terms (AL-09, C26)."""

    field_order = ["email", "handle", "password1", "adult", "terms", "terms_sha256"]
    handle = HandleField()
    adult = forms.BooleanField(
        label="I am 18 or older", error_messages={"required": "Leadfair is for people of 18 or older."}
    )
    terms = forms.BooleanField(error_messages={"required": "Please read and accept the terms."})
    terms_sha256 = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.password_hash = ""
        self.terms_version = in_force(Document.TERMS)
        self.initial["terms_sha256"] = self.terms_version.sha256
        self.fields["terms"].label = format_html(
            'I agree to the <a href="{}">terms of use</a> (version {})', reverse("privacy:terms"), self.terms_version.number
        )
        self.fields["email"].help_text = "We send a code to it. You sign in with it. It is never shown to others."
        self.fields["password1"].help_text = "At least 12 characters. A few words work well."
        for name in ("email", "password1"):
            self.fields[name].widget.attrs.pop("placeholder", None)

    def clean_handle(self) -> str:
        handle: str = self.cleaned_data["handle"]
        refuse_taken(handle)
        return handle

    def clean_terms_sha256(self) -> str:
        shown: str = self.cleaned_data["terms_sha256"]
        if shown != self.terms_version.sha256:
            # The box must be ticked anew for the new text, which is now shown.
            self.data = self.data.copy()
            self.data["terms_sha256"] = self.terms_version.sha256
            self.data.pop("terms", None)
            self.add_error("terms", "The terms changed while you were reading. Please read them and agree again.")
        return shown

    def try_save(self, request: HttpRequest) -> tuple[User | None, HttpResponse | None]:
        # One hash whether or not the address is known, and outside the transaction: the time tells nothing and no
        # other writer waits for it.
        self.password_hash = make_password(self.cleaned_data["password1"])
        try:
            with transaction.atomic():
                return super().try_save(request)
        except IntegrityError as error:  # somebody else signed up between our look and our write
            if User.objects.filter(handle__iexact=self.cleaned_data["handle"]).exists():
                raise HandleTaken from error
            self.account_already_exists = True
            return super().try_save(request)


class ProfileForm(forms.ModelForm):
    """Everything a member told us, to see and to change (LR-35). Optional fields say what is missing without them."""

    handle = HandleField()
    phone = PhoneNumberField(
        required=False, help_text="Optional. Without it we cannot call you back when you ask support something."
    )
    licensed_states = forms.MultipleChoiceField(
        required=False,
        choices=STATES,
        widget=forms.CheckboxSelectMultiple,
        help_text="Optional. Without them we cannot warn you when a lead is outside the states you may work in.",
    )
    time_zone = forms.ChoiceField(
        required=False, help_text="Optional. Without it times are shown in UTC."
    )

    class Meta:
        model = User
        fields = ["handle", "business_name", "phone", "preferred_channel", "licensed_states", "time_zone"]
        help_texts = {
            "business_name": "Optional. Without it your receipts carry no business name.",
            "preferred_channel": "How we answer when you ask us something.",
        }
        labels = {"preferred_channel": "Answer me by"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["time_zone"].choices = [("", "UTC"), *time_zone_choices()]  # type: ignore[attr-defined]
        self.fields["business_name"].widget.attrs["autocomplete"] = "organization"
        self.fields["phone"].widget.attrs["autocomplete"] = "tel"

    def clean_handle(self) -> str:
        handle: str = self.cleaned_data["handle"]
        refuse_taken(handle, owner=self.instance)
        return handle

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if data.get("preferred_channel") == User.Channel.PHONE and not data.get("phone"):
            self.add_error("phone", "Give a phone number, or choose email.")
        return data
