"""How every form of the site is drawn: label, hint, error, input, in that order (templates/core/); why staff act."""

import re
from typing import Any

from django import forms
from django.conf import settings
from django.core.validators import MaxLengthValidator
from django.forms.renderers import TemplatesSetting
from phonenumbers import PhoneNumberMatcher

_ADDRESS = re.compile(r"\S@\S+\.\w")
# Ten digits in the American grouping, whether or not the area code exists.
_NUMBER = re.compile(r"(?<![\w.-])(?:\+?1[ .-]?)?(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]?\d{4}(?![\w-])")
_STREET = re.compile(
    r"\b\d{1,6} (?:[NSEW]\.? )?(?:[A-Z][\w'.-]{0,30} ){1,3}"
    r"(?:Street|St|Avenue|Ave|Road|Rd|Drive|Dr|Lane|Ln|Boulevard|Blvd|Court|Ct|Highway|Hwy)\b"
)
# They make letters read in another order than they stand in, so that a reason seems to say something else.
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")


class Renderer(TemplatesSetting):
    """Forms and fields drawn by the site's own templates."""

    form_template_name = "core/form.html"
    field_template_name = "core/field.html"


def refuse_contact_data(text: str) -> None:
    """A validator of what staff write to each other: an address or a number in it would be read by all who may not
    open either (LR-27)."""
    matcher = PhoneNumberMatcher(text, settings.PHONENUMBER_DEFAULT_REGION)
    if any(pattern.search(text) for pattern in (_ADDRESS, _NUMBER, _STREET)) or matcher.has_next():
        raise forms.ValidationError(
            "Leave out the email address, phone number or street address: more people read this than may."
        )


def refuse_turned_text(text: str) -> None:
    """A validator against invisible characters that turn the direction of what follows."""
    if _TURNING.search(text):
        raise forms.ValidationError("This has invisible characters that turn the text around. Type it anew.")


def at_most(letters: int) -> MaxLengthValidator:
    """A limit that is told, with everything that was typed kept; a browser would cut what is pasted, without a word, at
    the ``maxlength`` of Django's own."""
    return MaxLengthValidator(letters, "Keep it to %(limit_value)d characters; these are %(show_value)d.")


class StaffTextField(forms.CharField):
    """Some sentences by our staff, at most ``most`` characters, without contact data."""

    def __init__(self, *, most: int, **kwargs: Any) -> None:
        self.most = most
        super().__init__(**{"widget": forms.Textarea(attrs={"rows": 3})} | kwargs)
        self.validators += [at_most(most), refuse_contact_data, refuse_turned_text]


class ReasonField(StaffTextField):
    """Why: a sentence for colleagues and for the person it is about, who has a right to read it."""

    def __init__(self, *, most: int = 500, **kwargs: Any) -> None:
        said: dict[str, Any] = {
            "label": "Reason",
            "min_length": 5,
            "help_text": "Kept with what you do. Word it so that the member could read it. No contact data.",
            "error_messages": {"required": "Say why.", "min_length": "Say why, in a few words."},
        }
        super().__init__(most=most, **said | kwargs)

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        """Without Django's ``minlength``: the browser's own bubble says less than our sentence."""
        return {}
