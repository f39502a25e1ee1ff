from dataclasses import dataclass
from typing import Any

from django import forms
from django.db.models import Count, Value
from django.http import QueryDict

from accounts.models import STATES
from marketplace.core.money import NotMoney, dollars, parse_dollars

from . import places
from .models import Lead, LeadQuerySet
from .pricing import AGE_BANDS
from .verticals import KINDS

# The oldest band is everything on sale, so it is no filter.
AGES = {("day" if band.up_to.days == 1 else f"{band.up_to.days}d"): band.up_to for band in AGE_BANDS[:-1]}
AGE_CHOICES = [(name, "Up to 24 hours" if name == "day" else f"Up to {age.days} days") for name, age in AGES.items()]
MODE_CHOICES = [("exclusive", "Exclusive to one buyer"), ("shared", "Shared, 2 or 3 buyers")]
NEWEST = "newest"
SORT_CHOICES = [(NEWEST, "Latest listed"), ("price", "Price, low to high"), ("-price", "Price, high to low")]
# What keyset pages are ordered by.
ORDERS = {NEWEST: ("-listed_at", "-id"), "price": ("price_cents", "id"), "-price": ("-price_cents", "-id")}
MILES = (10, 25, 50, 100)
DEFAULT_MILES = 25
DEFAULTS = (("sort", NEWEST), ("miles", str(DEFAULT_MILES)))
COUNTED = 1000  # more are shown as "1,000+"
NO_FILTERS = ("sort", "miles")  # how the list is ordered, and a part of another filter
SEVERAL = ("vertical", "state")
SINGLE = ("place", "miles", "age", "mode", "certificate", "min", "max", "sort", "after", "before")


@dataclass(frozen=True)
class Chip:
    """A filter in use: what it says, and the query string of the same list without it."""

    label: str
    query: str


@dataclass(frozen=True)
class Way:
    """A way out of an empty list: dropping ``label`` finds ``count`` leads at ``query``."""

    label: str
    query: str
    count: int


def canonical(given: QueryDict) -> QueryDict:
    """The one address of what ``given`` asks for: known names only and in a fixed order, no blanks, no default.

    Names are an allow-list: nothing a visitor types reaches a lookup (RELIABILITY B8).
    """
    wanted = QueryDict(mutable=True)
    for name in SEVERAL:
        values = sorted({text.strip() for text in given.getlist(name)} - {""})
        if values:
            wanted.setlist(name, values)
    for name in SINGLE:
        text = given.get(name, "").strip()
        if text and (name, text) not in DEFAULTS:
            wanted[name] = text
    if "place" not in wanted:
        wanted.pop("miles", None)
    return wanted


def _without(given: QueryDict, name: str, value: str = "") -> str:
    """The query string without the parameter ``name``, or without that one ``value`` of it; on its first page."""
    rest = given.copy()
    kept = [text for text in rest.getlist(name) if value and text != value]
    for gone in (name, "after", "before"):
        rest.pop(gone, None)
    if kept:
        rest.setlist(name, kept)
    return canonical(rest).urlencode()


class DollarsField(forms.CharField):
    """An amount as a person types it; the clean value is whole cents, or None for an empty field."""

    def clean(self, value: Any) -> int | None:
        text = super().clean(value)
        try:
            return parse_dollars(text) if text else None
        except NotMoney as error:
            raise forms.ValidationError(str(error)) from error


def _price_field(label: str) -> DollarsField:
    attributes = {"inputmode": "decimal", "autocomplete": "off", "class": "input"}
    return DollarsField(label=label, required=False, max_length=20, widget=forms.TextInput(attrs=attributes))


class CatalogueForm(forms.Form):
    """The filters of the catalogue, as they stand in its address."""

    vertical = forms.MultipleChoiceField(
        label="Line of business",
        required=False,
        choices=[(kind.slug, kind.name) for kind in KINDS],
        widget=forms.CheckboxSelectMultiple,
    )
    state = forms.MultipleChoiceField(
        label="State", required=False, choices=STATES, widget=forms.CheckboxSelectMultiple
    )
    place = forms.CharField(
        label="Near",
        required=False,
        max_length=80,
        widget=forms.TextInput(attrs={"class": "input", "autocomplete": "off"}),
    )
    miles = forms.ChoiceField(
        label="Distance",
        required=False,
        choices=[("" if miles == DEFAULT_MILES else str(miles), f"within {miles} miles") for miles in MILES],
    )
    age = forms.ChoiceField(
        label="Age", required=False, choices=[("", "Any age"), *AGE_CHOICES], widget=forms.RadioSelect
    )
    mode = forms.ChoiceField(
        label="Buyers", required=False, choices=[("", "Any"), *MODE_CHOICES], widget=forms.RadioSelect
    )
    certificate = forms.BooleanField(label="Independent certificate on file", required=False)
    min = _price_field("Lowest price in dollars")
    max = _price_field("Highest price in dollars")
    sort = forms.ChoiceField(label="Sort", required=False, choices=SORT_CHOICES)

    def __init__(self, query: QueryDict) -> None:
        super().__init__(query)
        self.query = query

    def clean_place(self) -> places.Centre | None:
        text = self.cleaned_data["place"]
        try:
            return places.find(text) if text else None
        except places.UnknownPlace as error:
            raise forms.ValidationError(str(error)) from error

    def clean(self) -> dict[str, Any]:
        if "sort" in self.errors:  # no link leads to the mistake again
            self.query = self.query.copy()
            del self.query["sort"]
        low, high = self.cleaned_data.get("min"), self.cleaned_data.get("max")
        if low is not None and high is not None and high < low:
            self.add_error("max", "Enter a highest price that is not below the lowest.")
        return self.cleaned_data

    @property
    def order(self) -> tuple[str, str]:
        return ORDERS[self.sorted_by]

    @property
    def sorted_by(self) -> str:
        return self.cleaned_data.get("sort") or NEWEST

    @property
    def reach(self) -> int:
        """How far around the place, in miles."""
        return int(self.cleaned_data.get("miles") or DEFAULT_MILES)

    @property
    def prices(self) -> list[forms.BoundField]:
        return [self["min"], self["max"]]

    @property
    def around(self) -> list[forms.BoundField]:
        return [self["place"], self["miles"]]

    def chosen(self) -> dict[str, Any]:
        """The filters in use that make sense, by name."""
        good = self.cleaned_data.items()
        return {name: value for name, value in good if value not in ("", [], None, False) and name not in NO_FILTERS}

    def found(self, leads: LeadQuerySet, *, without: str = "") -> LeadQuerySet:
        """Those of ``leads`` that pass the filters in use, or all of them but the one named ``without``."""
        chosen = {name: value for name, value in self.chosen().items() if name != without}
        if "vertical" in chosen:
            leads = leads.of_vertical(*chosen["vertical"])
        if "state" in chosen:
            leads = leads.in_state(*chosen["state"])
        if "age" in chosen:
            leads = leads.no_older_than(AGES[chosen["age"]])
        if "place" in chosen:
            centre = chosen["place"]
            leads = leads.near(centre.latitude, centre.longitude, *centre.box(self.reach))
        if "certificate" in chosen:
            leads = leads.certified()
        if "mode" in chosen:
            leads = leads.exclusive() if chosen["mode"] == "exclusive" else leads.shared()
        return leads.priced(chosen.get("min"), chosen.get("max"))

    def chips(self) -> list[Chip]:
        """One for each value in use, in the order of the form."""
        return [
            Chip(self._said(name, one), _without(self.query, name, one if name in SEVERAL else ""))
            for name, value in self.chosen().items()
            for one in (value if isinstance(value, list) else [value])
        ]

    def in_states(self, states: list[str]) -> str:
        """The query string of this list for these states instead of those in use."""
        query = self.query.copy()
        query.setlist("state", states)
        return _without(query, "after")

    def first_page(self) -> str:
        """The query string of this list's first page, with its question mark."""
        query = _without(self.query, "after")
        return f"?{query}" if query else ""

    def ways_out(self) -> list[Way]:
        """For an empty list: the filters that can be dropped alone to find something, nearest first; at most 1,001 are
        counted for each. One query."""
        names = list(self.chosen())
        if not names:
            return []
        some = {name: self.found(Lead.objects.on_sale(), without=name).values("pk")[: COUNTED + 1] for name in names}
        counts = [
            Lead.objects.filter(pk__in=found)
            .annotate(dropped=Value(name))
            .values("dropped")
            .annotate(count=Count("pk"))
            for name, found in some.items()
        ]
        found = counts[0].union(*counts[1:], all=True)
        ways = [
            Way(self._all_said(row["dropped"]), _without(self.query, row["dropped"]), row["count"])
            for row in found
            if row["count"]
        ]
        return sorted(ways, key=lambda way: way.count)

    def _all_said(self, name: str) -> str:
        value = self.cleaned_data[name]
        return ", ".join(self._said(name, one) for one in (value if isinstance(value, list) else [value]))

    def _said(self, name: str, value: Any) -> str:
        if name == "min":
            return f"From {dollars(value)}"
        if name == "max":
            return f"Up to {dollars(value)}"
        if name == "place":
            return f"Within {self.reach} miles of {value.name}"
        if name == "certificate":
            return "Certificate on file"
        field: Any = self.fields[name]
        said = str(dict(field.choices)[value])
        return f"{said} old" if name == "age" else said
