"""What staff choose when they upload a file, import it, or withdraw what is left of it."""

from typing import Any

from django import forms

from marketplace.core.forms import ReasonField
from marketplace.leads.models import Vertical

from . import values
from .previews import Preview
from .reading import MAX_BYTES
from .refusals import RowRejected

TOO_LARGE = f"The file is larger than {MAX_BYTES // 1024**2} MB. Split it and upload the parts."


class UploadForm(forms.Form):
    """The file itself never passes through here: it was sealed as it arrived. It stands last, so that what was typed is
    read even if the file is too large to be read."""

    supplier = forms.CharField(
        label="Supplier of rows that name none",
        required=False,
        max_length=80,
        help_text="May stay empty if every row names one.",
    )
    vertical = forms.ChoiceField(label="Line of business of rows that name none", required=False)
    file = forms.FileField(
        label="File",
        help_text="CSV in UTF-8 or Windows-1252, separated by comma, semicolon or tab, "
        f"at most {MAX_BYTES // 1024**2} MB.",
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,.tsv,text/csv,text/plain"}),
        error_messages={"required": "Choose a file.", "empty": "The file is empty."},
    )

    def __init__(self, *args: Any, is_too_large: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kinds = Vertical.objects.values_list("slug", "name")
        self.fields["vertical"].choices = [("", "Every row names one"), *kinds]  # type: ignore[attr-defined]
        if is_too_large:
            self.fields["file"].error_messages["required"] = TOO_LARGE

    def clean_supplier(self) -> str:
        name: str = self.cleaned_data["supplier"]
        try:
            return values.supplier(name)[1] if name else ""
        except RowRejected:
            raise forms.ValidationError("Enter a name of at most 80 characters, without contact data.") from None


class ColumnsForm(forms.Form):
    """Which of the unknown columns are kept as answers."""

    keep = forms.MultipleChoiceField(
        label="Keep as answers",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Answers are shown to everybody before they buy. "
        "What you tick is ticked again for the next file of this supplier.",
        error_messages={"invalid_choice": "This is no column of the file that may be kept."},
    )

    def __init__(self, *args: Any, preview: Preview, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["keep"].choices = [(one.name, one.name) for one in preview.unknown if one.may_be_kept]  # type: ignore[attr-defined]
        self.initial["keep"] = [one.name for one in preview.unknown if one.is_kept]


class WithdrawForm(forms.Form):
    reason = ReasonField(most=200, help_text="For our own records. Name no person.")


class RejectsForm(forms.Form):
    reason = ReasonField(help_text="Kept with who downloaded the file. Name no person.")
