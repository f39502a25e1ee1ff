from django import forms
from django.utils.http import urlencode

from marketplace.core.ids import ALPHABET, LENGTH
from marketplace.core.money import MAXIMUM

from .models import Note, Purchase, PurchaseQuerySet
from .services import Offer


class BuyForm(forms.Form):
    """What a buyer saw when they pressed the button: the price in cents, and the key made with the form."""

    key = forms.RegexField(rf"\A[{ALPHABET}]{{{LENGTH}}}\Z", widget=forms.HiddenInput)
    price_seen = forms.IntegerField(min_value=1, max_value=MAXIMUM, widget=forms.HiddenInput)

    @classmethod
    def of(cls, offer: Offer) -> "BuyForm":
        """A fresh form for what ``offer`` says."""
        return cls(initial={"key": offer.key, "price_seen": offer.price}, auto_id=False)


class MyLeadsForm(forms.Form):
    """Which of my leads: a stage ("" is all) and words to search for."""

    stage = forms.ChoiceField(required=False, choices=[("", "All"), *Purchase.Stage.choices], widget=forms.HiddenInput)
    q = forms.CharField(
        label="Search my leads",
        required=False,
        max_length=100,
        widget=forms.TextInput(attrs={"type": "search", "class": "input", "autocomplete": "off"}),
    )

    @property
    def stage_shown(self) -> str:
        """The stage that is shown, "" for all."""
        return str(self.cleaned_data.get("stage", ""))

    def query(self) -> str:
        """The query string of this list's first page, with its question mark, or ""."""
        wanted = {name: text for name, text in self.cleaned_data.items() if text}
        return f"?{urlencode(wanted)}" if wanted else ""

    def searched(self, purchases: PurchaseQuerySet) -> PurchaseQuerySet:
        """Those of ``purchases`` that match the words, in whatever stage."""
        return purchases.matching(self.cleaned_data.get("q", ""))

    def found(self, purchases: PurchaseQuerySet) -> PurchaseQuerySet:
        """Those that match the words and stand in the stage."""
        purchases = self.searched(purchases)
        return purchases.in_stage(self.stage_shown) if self.stage_shown else purchases


class StageForm(forms.Form):
    """The stage a purchase is moved to."""

    stage = forms.ChoiceField(label="Stage", choices=Purchase.Stage.choices)


class NoteForm(forms.Form):
    """A note only its writer sees."""

    text = forms.CharField(
        label="New note",
        help_text="Only you see it.",
        max_length=Note._meta.get_field("text").max_length,
        widget=forms.Textarea(attrs={"rows": 3}),
        error_messages={"required": "Write something first."},
    )
