import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.core.validators import MaxLengthValidator
from django.utils.http import urlencode

from accounts.members import zone_of
from accounts.models import User
from marketplace.core import clock
from marketplace.core.ids import ALPHABET, LENGTH
from marketplace.core.money import MAXIMUM
from marketplace.leads.calling import next_morning
from marketplace.leads.models import Lead

from .models import DUE, CallAttempt, Export, Note, Purchase, PurchaseQuerySet
from .services import Offer, Wanted

KEY = rf"\A[{ALPHABET}]{{{LENGTH}}}\Z"
REGISTRY_OPENED = date(2003, 6, 27)
FARTHEST_CALL = timedelta(days=2 * 365)


class BuyForm(forms.Form):
    """What a buyer saw when they pressed the button: the price in cents, and the key made with the form."""

    key = forms.RegexField(KEY, widget=forms.HiddenInput)
    price_seen = forms.IntegerField(min_value=1, max_value=MAXIMUM, widget=forms.HiddenInput)

    @classmethod
    def of(cls, offer: Offer) -> "BuyForm":
        """A fresh form for what ``offer`` says."""
        return cls(initial={"key": offer.key, "price_seen": offer.price}, auto_id=False)


class PricesField(forms.Field):
    """The prices a buyer saw, each as ``<public id>:<cents>``; the clean value is the cents by public id."""

    widget = forms.MultipleHiddenInput

    def clean(self, value: Any) -> dict[str, int]:
        found = [_PRICE.match(text) for text in super().clean(value)]
        prices = {match[1]: int(match[2]) for match in found if match}
        if len(prices) < len(found):
            raise forms.ValidationError("Each price once, in cents.")
        return prices


_PRICE = re.compile(rf"\A([{ALPHABET}]{{1,20}}):([1-9]\d{{0,10}})\Z", re.ASCII)


class BuySeveralForm(forms.Form):
    """What a buyer saw when they pressed the button below several leads. Those that are ticked are told apart from
    those that were shown: who unticks one pays for the others only."""

    key = forms.RegexField(KEY, widget=forms.HiddenInput)
    seen = PricesField()

    def __init__(self, *args: Any, leads: Sequence[Lead] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.leads = leads

    @classmethod
    def of(cls, offer: Offer) -> "BuySeveralForm":
        """A fresh form for what ``offer`` says."""
        seen = [f"{lead.public_id}:{lead.price_cents}" for lead in offer.leads]
        return cls(initial={"key": offer.key, "seen": seen}, auto_id=False)

    def clean_seen(self) -> dict[str, int]:
        """Of every ticked lead the price was shown."""
        seen: dict[str, int] = self.cleaned_data["seen"]
        if not all(lead.public_id in seen for lead in self.leads):
            raise forms.ValidationError("A price is missing.")
        return seen

    def wanted(self) -> list[Wanted]:
        """The ticked leads with the prices that were shown."""
        return [Wanted(lead, self.cleaned_data["seen"][lead.public_id]) for lead in self.leads]


class MyLeadsForm(forms.Form):
    """Which of my leads: a stage ("" is all), those to be called today in the member's own day, and words to search
    for."""

    stage = forms.ChoiceField(required=False, choices=[("", "All"), *Purchase.Stage.choices], widget=forms.HiddenInput)
    due = forms.ChoiceField(required=False, choices=[("", ""), ("today", "Due today")], widget=forms.HiddenInput)
    view = forms.ChoiceField(
        required=False, choices=[("", ""), ("list", "List"), ("board", "Board")], widget=forms.HiddenInput
    )
    q = forms.CharField(
        label="Search my leads",
        required=False,
        max_length=100,
        widget=forms.TextInput(
            attrs={
                "type": "search",
                "class": "input",
                "autocomplete": "off",
                "placeholder": "Name, phone, city or note",
                "aria-describedby": "how-search",
            }
        ),
    )

    def __init__(self, *args: Any, member: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        tomorrow = clock.now().astimezone(zone_of(member)).date() + timedelta(days=1)
        self.today_ends = datetime.combine(tomorrow, time(), zone_of(member))

    @property
    def stage_shown(self) -> str:
        """The stage that is shown, "" for all."""
        return str(self.cleaned_data.get("stage", ""))

    @property
    def is_due(self) -> bool:
        """Whether only those to be called today are shown."""
        return bool(self.cleaned_data.get("due"))

    @property
    def tab(self) -> str:
        """The tab that is shown, "" for all."""
        return DUE if self.is_due else self.stage_shown

    @property
    def is_board(self) -> bool:
        """Whether the leads are shown as a board."""
        return self.cleaned_data.get("view") == "board"

    @property
    def order(self) -> tuple[str, str]:
        """How the leads are sorted: newest first, or those that are due by their time."""
        return ("next_call_at", "id") if self.is_due else ("-created_at", "-id")

    @property
    def filter(self) -> dict[str, str]:
        """Which leads are meant, whatever the view: what was asked for, by the name of the field."""
        return {name: text for name, text in self.cleaned_data.items() if text and name != "view"}

    @property
    def filter_query(self) -> str:
        """The filter as a query string with its question mark, or ""."""
        return f"?{urlencode(self.filter)}" if self.filter else ""

    def searched(self, purchases: PurchaseQuerySet) -> PurchaseQuerySet:
        """Those of ``purchases`` that match the words, in whatever stage."""
        return purchases.matching(self.cleaned_data.get("q", ""))

    def found(self, purchases: PurchaseQuerySet) -> PurchaseQuerySet:
        """Those that match the words, stand in the stage and are due, as far as that is asked for."""
        purchases = self.searched(purchases)
        if self.is_due:
            purchases = purchases.due_before(self.today_ends)
        return purchases.in_stage(self.stage_shown) if self.stage_shown else purchases


class ExportForm(forms.Form):
    """The kind of file that is asked for."""

    format = forms.ChoiceField(choices=Export.Format.choices, widget=forms.HiddenInput)


class StageForm(forms.Form):
    """The stage a purchase is moved to."""

    stage = forms.ChoiceField(label="Stage", choices=Purchase.Stage.choices)


class CallForm(forms.Form):
    """A call that was made just now: what came of it, and the key made with the form."""

    outcome = forms.ChoiceField(label="How the call went", choices=CallAttempt.Outcome.choices)
    key = forms.RegexField(KEY, widget=forms.HiddenInput)


class NextCallForm(forms.Form):
    """When to call next: one of the quick answers, or a moment typed in the member's own time zone."""

    when = forms.ChoiceField(
        choices=[(when, when) for when in ("hour", "morning", "at", "never")], widget=forms.HiddenInput
    )
    at = forms.DateTimeField(
        label="Day and time",
        required=False,
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"],
        widget=forms.DateTimeInput(format="%Y-%m-%dT%H:%M", attrs={"type": "datetime-local", "class": "input"}),
        error_messages={"invalid": "Enter a day and a time such as 2026-11-26 09:30."},
    )

    def __init__(self, *args: Any, member: User, lead: Lead, planned: datetime | None = None, **kwargs: Any) -> None:
        self.zone = zone_of(member)
        self.zone_there = ZoneInfo(lead.time_zone) if lead.time_zone else self.zone
        if planned is not None and planned > clock.now():  # what has passed could not be saved again
            kwargs["initial"] = {"at": planned.astimezone(self.zone).replace(tzinfo=None)}
        super().__init__(*args, **kwargs)
        self.fields["at"].help_text = f"Your time, {self.zone} ({clock.now().astimezone(self.zone):%Z})."

    def clean(self) -> dict[str, Any]:
        """Adds ``moment``, in UTC; None clears the plan."""
        data = super().clean() or self.cleaned_data
        when = data.get("when")
        if when == "hour":
            data["moment"] = clock.now() + timedelta(hours=1)
        elif when == "morning":
            data["moment"] = next_morning(self.zone_there).astimezone(UTC)
        elif when == "at" and "at" not in self.errors:
            data["moment"] = self._typed(data.get("at"))
        else:
            data["moment"] = None
        return data

    def _typed(self, typed: datetime | None) -> datetime | None:
        if typed is None:
            self.add_error("at", "Enter a day and a time.")
            return None
        now = clock.now()
        if not now - timedelta(days=1) < typed < now + FARTHEST_CALL + timedelta(days=1):
            self.add_error("at", "Choose a time to come, within the next two years.")
            return None
        local = typed.replace(tzinfo=self.zone)
        moment = local.astimezone(UTC)
        if moment.astimezone(self.zone).replace(tzinfo=None) != typed.replace(tzinfo=None):
            self.add_error("at", "The clocks go forward then and skip that time. Choose another one.")
        elif not now < moment < now + FARTHEST_CALL:
            self.add_error("at", "Choose a time to come, within the next two years.")
        return moment


class DncCheckForm(forms.Form):
    """On which day the buyer last looked into the do-not-call registry: today, or a day typed."""

    when = forms.ChoiceField(choices=[(when, when) for when in ("today", "on", "never")], widget=forms.HiddenInput)
    on = forms.DateField(
        label="Checked on",
        required=False,
        input_formats=["%Y-%m-%d"],
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date", "class": "input"}),
        error_messages={"invalid": "Enter a date such as 2026-11-21."},
    )

    def __init__(self, *args: Any, member: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.today = clock.now().astimezone(zone_of(member)).date()

    def clean_on(self) -> date | None:
        """A day that has been."""
        on: date | None = self.cleaned_data["on"]
        if on is not None and not REGISTRY_OPENED <= on <= self.today:
            raise forms.ValidationError("Choose today or a day before, since the registry opened in 2003.")
        return on

    def clean(self) -> dict[str, Any]:
        """Adds ``day``; None clears it."""
        data = super().clean() or self.cleaned_data
        when = data.get("when")
        data["day"] = {"today": self.today, "on": data.get("on")}.get(str(when))
        if when == "on" and "on" not in self.errors and data["day"] is None:
            self.add_error("on", "Enter a date.")
        return data


MOST_LETTERS = Note._meta.get_field("text").max_length or 0


class NoteForm(forms.Form):
    """A note only its writer sees, and the key made with the form."""

    text = forms.CharField(
        label="New note",
        help_text=f"Only you see it. At most {MOST_LETTERS:,} characters.",
        validators=[MaxLengthValidator(MOST_LETTERS)],  # no maxlength: what is pasted would be cut without a word
        widget=forms.Textarea(attrs={"rows": 3}),
        error_messages={"required": "Write something first."},
    )
    key = forms.RegexField(KEY, widget=forms.HiddenInput)
