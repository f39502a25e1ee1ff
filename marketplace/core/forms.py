"""How every form of the site is drawn: label, hint, error, input, in that order (templates/core/); why staff act."""

from typing import Any

from django import forms
from django.forms.renderers import TemplatesSetting


class Renderer(TemplatesSetting):
    """Forms and fields drawn by the site's own templates."""

    form_template_name = "core/form.html"
    field_template_name = "core/field.html"


class ReasonField(forms.CharField):
    """Why: a sentence for colleagues and for the person it is about, who may read it."""

    def __init__(self, **kwargs: Any) -> None:
        said: dict[str, Any] = {
            "label": "Reason",
            "max_length": 500,
            "help_text": "Kept with what you do. The member may read it. No contact data.",
            "error_messages": {"required": "Say why."},
        }
        super().__init__(**said | kwargs)
