"""What the component sheet shows: samples made in memory. Nothing of it is read from the database or kept."""

from datetime import date, timedelta
from typing import Any

from django import forms
from django.contrib.messages import constants
from django.contrib.messages.storage.base import Message
from django.http import QueryDict
from django.urls import reverse

from accounts.models import STATES
from marketplace.core import charts, clock
from marketplace.core.money import dollars
from marketplace.leads import calling
from marketplace.leads.facets import Facets
from marketplace.leads.forms import CatalogueForm
from marketplace.leads.models import Consent, Lead, Vertical
from marketplace.leads.verticals import KINDS

_KINDS = {kind.slug: kind for kind in KINDS}


class SampleForm(forms.Form):
    """One field of each sort, with hints."""

    name = forms.CharField(max_length=40)
    email = forms.EmailField(help_text="We write to it only about your account.")
    amount = forms.CharField(
        help_text="In US dollars, from $25.00 to $5,000.00.", widget=forms.TextInput(attrs={"inputmode": "decimal"})
    )
    day = forms.DateField(label="First day", required=False, widget=forms.DateInput(attrs={"type": "date"}))
    state = forms.ChoiceField(choices=[("", "Choose a state"), *STATES])
    buyers = forms.ChoiceField(choices=[("one", "Only me"), ("more", "Up to three")], widget=forms.RadioSelect)
    note = forms.CharField(widget=forms.Textarea(attrs={"rows": 3}), required=False)
    adult = forms.BooleanField(label="I am 18 or older", help_text="Only adults may buy leads.")


_COUNTS = {
    "vertical": {"auto-insurance": 61, "solar": 24, "hvac": 8},
    "state": {"OH": 61, "TX": 57, "CA": 22, "IN": 3},
    "price": {"0": 12, "1": 40, "2": 9},
    "age": {"0": 5, "1": 16, "4": 40},
    "exclusive": {"1": 20, "0": 41},
    "certified": {"1": 33},
}


def samples() -> dict[str, Any]:
    """Everything that templates/kit.html shows."""
    leads = _leads()
    filters = CatalogueForm(QueryDict("vertical=auto-insurance&state=OH&max=30"))
    filters.is_valid()
    wrong = SampleForm(
        {"wrong-email": "nobody", "wrong-amount": "12", "wrong-note": "What was typed stays."}, prefix="wrong"
    )
    wrong.add_error("amount", "Enter an amount between $25.00 and $5,000.00.")
    return {
        "messages": [
            Message(constants.SUCCESS, "Saved. This is how the site says that something worked."),
            Message(
                constants.WARNING, "Somebody else bought it meanwhile. This is how it says that something did not."
            ),
        ],
        "fields": SampleForm(prefix="right"),
        "wrong": wrong,
        "leads": leads,
        "owned": {leads[2].pk: "sample"},
        "filters": filters,
        "numbers": filters.numbers(Facets(93, _COUNTS)),
        "bands": filters.price_bands(),
        "there": calling.call_time(leads[0]),
        "an_hour_ago": clock.now() - timedelta(hours=1),
        **_charts(),
    }


def _leads() -> list[Lead]:
    """On sale with places left, exclusive, owned, and sold."""
    return [
        _lead(1, "auto-insurance", 24_50, slots_total=3, slots_sold=1, attributes={"vehicle.count": "2"}),
        _lead(2, "solar", 118_00, slots_total=1, is_certified=True, attributes={"property.ownership": "Owner"}),
        _lead(3, "home-insurance", 16_00, slots_total=3, slots_sold=1, attributes={"property.year_built": "1998"}),
        _lead(4, "roofing", 35_00, slots_total=2, slots_sold=2, status=Lead.Status.SOLD, age_band=1),
    ]


def _lead(number: int, slug: str, price_cents: int, **changes: Any) -> Lead:
    kind, asked_at = _KINDS[slug], clock.now() - timedelta(hours=number * number)
    values = {
        "vertical": Vertical(pk=number, slug=slug, name=kind.name, icon=kind.icon),
        "consent": Consent(pk=number, given_at=asked_at),
        "status": Lead.Status.OPEN,
        "time_zone": "America/New_York",
    } | changes
    return Lead(
        pk=number,
        city="Columbus",
        state="OH",
        postal_code="43215",
        asked_at=asked_at,
        price_cents=price_cents,
        origin_site="quotes.example.net",
        origin_policy_url="https://quotes.example.net/privacy",
        **values,
    )


def _charts() -> dict[str, charts.Chart]:
    names = dict(STATES)
    by_state = {code: (7 * place * place) % 64 if place % 9 else 0 for place, code in enumerate(names)}
    by_hour = [(f"{hour % 12 or 12} {'am' if hour < 12 else 'pm'}", 24 - abs(hour - 15)) for hour in range(24)]
    prices = [
        charts.Range("Auto insurance", 9_00, 13_25, 18_00),
        charts.Range("Home insurance", 12_00, 16_50, 22_00),
        charts.Range("Personal injury", 210_00, 385_00, 640_00),
    ]
    history = [(date(2026, 11, 1) + timedelta(days=2 * step), 20_00 - 35 * (step * step % 11)) for step in range(11)]
    return {
        "map": charts.us_map(
            by_state, names=names, link=_state_link, selected=("OH", "IN"), caption="Leads on sale by state"
        ),
        "columns": charts.columns(by_hour, caption="Leads listed per hour, last 24 hours", head=("Hour", "Leads")),
        "ranges": charts.ranges(prices, caption="What leads cost this week: the middle half", number=dollars),
        "steps": charts.line(history, caption="Price of a lead of this kind", number=dollars, steps=True),
        "nothing": charts.columns([], caption="Your purchases per day", nothing="You have not bought a lead yet."),
    }


def _state_link(code: str) -> str:
    return f"{reverse('leads:catalogue')}?state={code}"
