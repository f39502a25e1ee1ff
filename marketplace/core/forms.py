"""How every form of the site is drawn: label, hint, error, input, in that order (templates/core/); why staff act."""

import re
from typing import Any

from django import forms
from django.conf import settings
from django.forms.renderers import TemplatesSetting
from phonenumbers import PhoneNumberMatcher

_ADDRESS = re.compile(r"\S@\S+\.\w")


class Renderer(TemplatesSetting):
    """Forms and fields drawn by the site's own templates."""

    form_template_name = "core/form.html"
    field_template_name = "core/field.html"


def refuse_contact_data(text: str) -> None:
    """A validator of what staff write to each other: an address or a number in it would be read by all who may not
    open either (LR-27)."""
    if _ADDRESS.search(text) or PhoneNumberMatcher(text, settings.PHONENUMBER_DEFAULT_REGION).has_next():
        raise forms.ValidationError("Leave out the email address or phone number: more people read this than may.")


class ReasonField(forms.CharField):
    """Why: a sentence for colleagues and for the person it is about, who may read it."""

    def __init__(self, **kwargs: Any) -> None:
        said: dict[str, Any] = {
            "label": "Reason",
            "min_length": 5,
            "max_length": 500,
            "validators": [refuse_contact_data],
            "help_text": "Kept with what you do. The member may read it. No contact data.",
            "error_messages": {"required": "Say why.", "min_length": "Say why, in a few words."},
        }
        super().__init__(**said | kwargs)
