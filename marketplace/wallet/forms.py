"""What members type about money: an amount, an address for receipts, a part of the statement."""

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.core.validators import RegexValidator

from accounts.models import STATES, User
from marketplace.core.money import NotMoney, dollars, parse_dollars
from marketplace.ledger.models import Transfer

from .models import MAXIMUM_CENTS, MINIMUM_CENTS, BillingDetails

PRESETS = (50_00, 100_00, 250_00, 500_00)
OTHER = "other"
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2099, 12, 31)


def clamp(cents: int) -> int:
    """``cents``, not below the smallest and not above the largest deposit."""
    return max(MINIMUM_CENTS, min(MAXIMUM_CENTS, cents))


def parse_suggestion(text: str) -> int | None:
    """An amount in an address (dollars as text), in cents and within what can be deposited; None if it is none."""
    try:
        return clamp(parse_dollars(text))
    except NotMoney:
        return None


class BillingForm(forms.ModelForm):
    """Name and address for receipts. Everything may stay empty (LR-08)."""

    state = forms.ChoiceField(required=False, choices=[("", "Not given"), *STATES])
    postal_code = forms.CharField(
        required=False,
        label="ZIP code",
        max_length=10,
        validators=[RegexValidator(r"\A[0-9]{5}(-[0-9]{4})?\Z", "Enter a ZIP code such as 43215, or leave it empty.")],
    )

    class Meta:
        model = BillingDetails
        fields = ["name", "address", "city", "state", "postal_code"]
        labels = {"address": "Street address"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        hints = {
            "name": "name",
            "address": "address-line1",
            "city": "address-level2",
            "state": "address-level1",
            "postal_code": "postal-code",
        }
        for name, hint in hints.items():
            self.fields[name].widget.attrs["autocomplete"] = f"billing {hint}"


class AddMoneyForm(BillingForm):
    """How much to put in, and what to print on the receipt. ``suggested`` is offered first, in cents."""

    choice = forms.ChoiceField(label="Amount", required=False, widget=forms.RadioSelect)
    amount = forms.CharField(
        label="Other amount",
        required=False,
        max_length=40,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
        help_text=f"In US dollars, from {dollars(MINIMUM_CENTS)} to {dollars(MAXIMUM_CENTS)}. "
        "What you type here counts, whatever is chosen above.",
    )
    field_order = ["choice", "amount"]

    def __init__(self, *args: Any, suggested: int | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(str(cents), dollars(cents)) for cents in PRESETS if cents != suggested]
        if suggested is not None:
            choices.insert(0, (str(suggested), dollars(suggested)))
            self.initial["choice"] = str(suggested)
        self.fields["choice"].choices = [*choices, (OTHER, "Other amount")]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Adds ``cents``. A typed amount counts before a chosen one, as the field says: typing is the later act."""
        data = super().clean() or self.cleaned_data
        choice, typed = data.get("choice", ""), data.get("amount", "")
        if "choice" in self.errors or "amount" in self.errors:
            return data
        if typed or choice in {"", OTHER}:
            data["cents"] = self._typed_cents(typed, chose_other=choice == OTHER)
        else:
            data["cents"] = int(choice)
        return data

    def _typed_cents(self, typed: str, *, chose_other: bool) -> int | None:
        if not typed:
            self.add_error(*("amount", "Enter an amount.") if chose_other else ("choice", "Choose an amount."))
            return None
        try:
            cents = parse_dollars(typed)
        except NotMoney as error:
            self.add_error("amount", str(error))
            return None
        if not MINIMUM_CENTS <= cents <= MAXIMUM_CENTS:
            self.add_error("amount", f"Enter an amount between {dollars(MINIMUM_CENTS)} and {dollars(MAXIMUM_CENTS)}.")
        return cents


class StatementForm(forms.Form):
    """Which part of the statement to show, in the member's own days."""

    kind = forms.ChoiceField(required=False, label="Kind")
    after = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1, widget=forms.HiddenInput)
    before = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1, widget=forms.HiddenInput)

    KINDS = (
        *("deposit", "resolved", "purchase", "credit", "refund", "dispute", "reinstated"),
        *("adjustment", "write_off", "reversal"),
    )

    def __init__(self, *args: Any, member: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.zone = ZoneInfo(member.time_zone or "UTC")
        labels = dict(Transfer.Kind.choices)
        self.fields["kind"].choices = [("", "All"), *((kind, labels[kind]) for kind in self.KINDS)]  # type: ignore[attr-defined]
        for name in ("from", "to"):  # "from" is no name for an attribute
            self.fields[name] = forms.DateField(
                required=False,
                label=name.capitalize(),
                input_formats=["%Y-%m-%d"],
                widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
                error_messages={"invalid": "Enter a date such as 2026-11-21."},
            )
        self.order_fields(["kind", "from", "to"])

    def has_bad_cursor(self) -> bool:
        """Whether ``after`` or ``before`` is none of ours: no page of the statement has that address."""
        return bool(self.errors.keys() & {"after", "before"})

    def clean(self) -> dict[str, Any]:
        """Adds ``since`` and ``until``, the moments at which the days begin and end where the member is."""
        data = super().clean() or self.cleaned_data
        for name in ("from", "to"):
            if name in self.errors:  # a date field of the browser would drop what is no date, and we keep it
                self.fields[name].widget.input_type = "text"
        first, last = data.get("from"), data.get("to")
        for name, day in (("from", first), ("to", last)):
            if day is not None and not FIRST_DAY <= day <= LAST_DAY:
                self.add_error(name, f"Enter a date between {FIRST_DAY} and {LAST_DAY}.")
                return data
        if first and last and first > last:
            self.add_error("to", "The last day is before the first.")
        data["since"] = first and self._midnight(first)
        data["until"] = last and self._midnight(last + timedelta(days=1))
        return data

    def _midnight(self, day: date) -> datetime:
        return datetime(day.year, day.month, day.day, tzinfo=self.zone)
