"""The forms of the second factor. What they ask for is used up here, so that no page can forget it."""

import json
import re
from collections.abc import Callable
from typing import Any

from allauth.core import context
from allauth.core.internal.cryptokit import normalize_user_code
from allauth.mfa.base import forms as base
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn import forms as webauthn
from allauth.mfa.webauthn.internal import auth
from django import forms
from django.core.exceptions import ValidationError
from fido2.utils import websafe_encode

from . import factors
from .forms import PlainFields
from .limits import count_guess
from .models import User

NAME_LENGTH = 40
CREDENTIAL_LENGTH = 16_000  # characters; without attestation a credential has some hundred
_NOT_A_TRY = "This did not count as a try."
_WRONG = "This code is not right, or it was used already. Wait for the next one and enter that."


def _digits(code: str, pattern: str, what: str) -> str:
    """The digits alone; people copy spaces and hyphens along.

    Raises:
        ValidationError: it cannot be such a code.
    """
    found: str = normalize_user_code(code)
    if not re.fullmatch(pattern, found):
        raise ValidationError(f"{what} {_NOT_A_TRY}")
    return found


class _CodeInput(PlainFields):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        attributes = {"inputmode": "numeric", "autocomplete": "one-time-code", "spellcheck": "false", "maxlength": 40}
        self.fields["code"].widget.attrs.update(attributes)


class _Code(_CodeInput):
    """A code of the app or a recovery code."""

    words = {"code": ("Code", "The 6 digits that your app shows now, or one of your recovery codes, 8 digits.")}
    user: User
    cleaned_data: dict[str, Any]

    def clean_code(self) -> str:
        what = "Enter the 6 digits that your app shows, or the 8 digits of a recovery code."
        code = _digits(self.cleaned_data["code"], "[0-9]{6}|[0-9]{8}", what)
        take_back = count_guess(context.request, self.user)
        used = factors.use_code(self.user, code)
        if used is None:
            raise ValidationError(_WRONG, code="incorrect_code")
        take_back()
        self.authenticator: Authenticator = used
        return code


class SecondStepForm(_Code, base.AuthenticateForm):
    """The code after the password."""


class ConfirmByCodeForm(_Code, base.ReauthenticateForm):
    """A code instead of the password, before something that must not happen behind the member's back."""


class AddAppForm(_CodeInput, forms.Form):
    """The first code of an app: the proof that it has the secret, and that its clock is right."""

    words = {"code": ("Code", "The 6 digits that the app shows now.")}
    code = forms.CharField()

    def __init__(self, *args: Any, secret: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.secret = secret
        self.step = 0

    def clean_code(self) -> str:
        code = _digits(self.cleaned_data["code"], "[0-9]{6}", "Enter the 6 digits that the app shows.")
        step = factors.step_of(self.secret, code)
        if step is None:
            raise ValidationError(
                "This code does not fit. Enter the one that the app shows now; if it does not fit either, let your "
                "phone set its clock by itself."
            )
        self.step = step
        return code


# --- passkeys ---------------------------------------------------------------------------------------------------------

_NO_CREDENTIAL = "A passkey needs JavaScript, which is off in this browser."
_BAD_CREDENTIAL = "That did not work. Please try again; the page asks for your passkey anew."


def _understood(work: Callable[[], Any]) -> Any:
    """What ``work`` makes of an answer of a browser. Whoever writes one by hand gets an error and no broken page: the
    libraries that take it apart raise whatever comes up on the way.

    Raises:
        ValidationError: they could not.
    """
    try:
        return work()
    except ValidationError as error:
        raise ValidationError(_BAD_CREDENTIAL, code="incorrect_code") from error
    except (ValueError, TypeError, LookupError, AttributeError, AssertionError, OverflowError, RecursionError) as error:
        raise ValidationError(_BAD_CREDENTIAL, code="incorrect_code") from error


class _Credential(forms.Field):
    """What the browser answered, put into a hidden field by passkey.js. The next question has another answer, so it is
    never shown again."""

    def __init__(self) -> None:
        super().__init__(widget=forms.HiddenInput, error_messages={"required": _NO_CREDENTIAL})

    def to_python(self, value: Any) -> dict[str, Any]:
        if not value:
            return {}
        if len(value) > CREDENTIAL_LENGTH:
            raise ValidationError(_BAD_CREDENTIAL)
        found = _understood(lambda: json.loads(value))
        if not isinstance(found, dict):
            raise ValidationError(_BAD_CREDENTIAL)
        return found

    def bound_data(self, data: Any, initial: Any) -> str:
        return ""


def _registered(answer: dict[str, Any]) -> dict[str, Any]:
    """Of the answer of a new passkey to the question of this session what signing in needs, and its id from what the
    passkey itself says; browsers and strangers may add anything."""
    bound = auth.complete_registration(answer)
    name, response = websafe_encode(bound.credential_data.credential_id), answer["response"]
    kept = {"clientDataJSON": response["clientDataJSON"], "attestationObject": response["attestationObject"]}
    return {"id": name, "rawId": name, "type": "public-key", "response": kept}


class PasskeyNameForm(PlainFields, forms.Form):
    """What a member calls a passkey."""

    words = {"name": ("Name", "So that you can tell them apart, for example “Phone” or “Key at work”.")}
    name = forms.CharField(max_length=NAME_LENGTH)


class AddPasskeyForm(PasskeyNameForm):
    """A passkey that the browser just made."""

    credential = _Credential()

    def clean_credential(self) -> dict[str, Any]:
        kept: dict[str, Any] = _understood(lambda: _registered(self.cleaned_data["credential"]))
        return kept


class _Passkey(webauthn.AuthenticateWebAuthnForm):
    """A passkey of the member. A signature cannot be guessed, so it is not counted: who guesses codes of somebody else
    does not lock them out of their passkey."""

    credential = _Credential()

    def clean_credential(self) -> Authenticator:
        credential = self.cleaned_data["credential"]
        used: Authenticator = _understood(lambda: auth.complete_authentication(self.user, credential))
        used.user = self.user
        return used


class SecondStepPasskeyForm(_Passkey):
    """The passkey after the password."""


class ConfirmByPasskeyForm(_Passkey):
    """The passkey instead of the password."""

    reauthenticated = True
