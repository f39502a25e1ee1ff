"""How every form of the site is drawn: label, hint, error, input, in that order (templates/core/)."""

from django.forms.renderers import TemplatesSetting


class Renderer(TemplatesSetting):
    """Forms and fields drawn by the site's own templates."""

    form_template_name = "core/form.html"
    field_template_name = "core/field.html"
