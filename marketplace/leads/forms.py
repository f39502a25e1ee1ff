from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate, zip_longest
from math import inf
from typing import Any

from django import forms
from django.http import QueryDict
from django.urls import reverse_lazy

from accounts.models import STATES
from marketplace.core.money import NotMoney, dollars, parse_dollars

from . import addresses, facets, places
from .addresses import DEFAULT_MILES, NEWEST, SEVERAL, canonical
from .facets import Facets, Wanted, count_each
from .models import Lead, LeadQuerySet
from .pricing import AGE_BANDS, PRICE_BANDS
from .verticals import KINDS

# The oldest band is everything on sale, so it is no filter.
AGES = {("day" if band.up_to.days == 1 else f"{band.up_to.days}d"): band.up_to for band in AGE_BANDS[:-1]}
AGE_CHOICES = [(name, "Up to 24 hours" if name == "day" else f"Up to {age.days} days") for name, age in AGES.items()]
MODE_CHOICES = [("exclusive", "Exclusive to one buyer"), ("shared", "Shared, 2 or 3 buyers")]
SORT_CHOICES = [(NEWEST, "Latest listed"), ("price", "Price, low to high"), ("-price", "Price, high to low")]
# What keyset pages are ordered by.
ORDERS = {NEWEST: ("-listed_at", "-id"), "price": ("price_cents", "id"), "-price": ("-price_cents", "-id")}
MILES = (10, 25, 50, 100)
VIEW_CHOICES = [("list", "List"), ("map", "Map"), ("plots", "Plots")]
NO_FILTERS = ("sort", "view", "miles")  # how the list is ordered and shown, and a part of another filter
# The filters that stand for a column of a tally, where the name is another.
FILTERS_ON = {"price": ("min", "max"), "exclusive": ("mode",), "certified": ("certificate",)}


@dataclass(frozen=True)
class Chip:
    """A filter in use: what it says, and the query string of the same list without it."""

    label: str
    query: str


@dataclass(frozen=True)
class Way:
    """A way out of an empty list: the change ``label`` finds ``count`` leads at ``query``."""

    label: str
    query: str
    count: int


@dataclass(frozen=True)
class PriceBand:
    """A range of prices to choose with one press: its label, the query string of that, and whether it is chosen."""

    label: str
    query: str
    is_chosen: bool


class DollarsField(forms.CharField):
    """An amount as a person types it; the clean value is whole cents, or None for an empty field."""

    def clean(self, value: Any) -> int | None:
        text = super().clean(value)
        try:
            return parse_dollars(text) if text else None
        except NotMoney as error:
            raise forms.ValidationError(str(error)) from error


def _band_label(start: int, end: int | None) -> str:
    """``"$10.00 to $24.99"``."""
    if not start and end:
        return f"Under {dollars(end)}"
    return f"{dollars(start)} to {dollars(end - 1)}" if end else f"{dollars(start)} and more"


def _price_field(label: str) -> DollarsField:
    attributes = {"inputmode": "decimal", "autocomplete": "off", "class": "input"}
    return DollarsField(label=label, required=False, max_length=20, widget=forms.TextInput(attrs=attributes))


IN_SEARCH = {"form": "filters"}  # above the list, while the form stands beside it
SENT_AT_ONCE = {
    **IN_SEARCH,
    "class": "select",
    "data-hx-get": reverse_lazy("leads:catalogue"),
    "data-hx-include": "#filters, [form=filters]",  # of a form only what it contains is taken along
}


NAME_LENGTH = 60


class SaveSearchForm(forms.Form):
    """A name for a list of leads."""

    name = forms.CharField(
        label="Name of this search",
        max_length=NAME_LENGTH,
        widget=forms.TextInput(attrs={"class": "input", "autocomplete": "off"}),
        error_messages={"required": "Give the search a name."},
    )
    query = forms.CharField(required=False, max_length=1000, widget=forms.HiddenInput)

    def clean_query(self) -> str:
        """Without what makes no sense: it would be told as a mistake at each visit."""
        query = canonical(QueryDict(addresses.without(QueryDict(self.cleaned_data["query"]), "view")))
        for name in CatalogueForm(query).errors:
            query.pop(name, None)
        return canonical(query).urlencode()


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
        widget=forms.TextInput(
            attrs={
                **IN_SEARCH,
                "class": "input",
                "type": "search",
                "autocomplete": "off",
                "placeholder": "City with state, or ZIP code",
            }
        ),
    )
    miles = forms.ChoiceField(
        label="Distance",
        required=False,
        choices=[("" if miles == DEFAULT_MILES else str(miles), f"within {miles} miles") for miles in MILES],
        widget=forms.Select(attrs=SENT_AT_ONCE),
        error_messages={"invalid_choice": "Choose one of the distances."},
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
    sort = forms.ChoiceField(
        label="Sort", required=False, choices=SORT_CHOICES, widget=forms.Select(attrs=SENT_AT_ONCE)
    )
    view = forms.ChoiceField(label="Show as", required=False, choices=VIEW_CHOICES)

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
        for name in ("sort", "view"):
            if name in self.errors:  # no link leads to the mistake again
                self.query = self.query.copy()
                del self.query[name]
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
    def shown_as(self) -> str:
        """``list``, ``map`` or ``plots``."""
        return self.cleaned_data.get("view") or "list"

    @property
    def reach(self) -> int:
        """How far around the place, in miles."""
        return int(self.cleaned_data.get("miles") or DEFAULT_MILES)

    @property
    def prices(self) -> list[forms.BoundField]:
        return [self["min"], self["max"]]

    @property
    def is_common(self) -> bool:
        """Whether it holds choices only that others make too, and no words or amounts that somebody typed: what is
        drawn for it may be shown to others."""
        return not self.errors and self._among() is not None

    @property
    def has_wrong_filter(self) -> bool:
        """Whether a mistake stands among the filters, and not in the search above the list."""
        return bool(self.errors.keys() - {field.name for field in self.searching} - {"view"})

    @property
    def searching(self) -> list[forms.BoundField]:
        return [self["place"], self["miles"], self["sort"]]

    def chosen(self) -> dict[str, Any]:
        """The filters in use that make sense, by name."""
        good = self.cleaned_data.items()
        return {name: value for name, value in good if value not in ("", [], None, False) and name not in NO_FILTERS}

    def found(self, leads: LeadQuerySet, *, without: Collection[str] = (), miles: int | None = None) -> LeadQuerySet:
        """Those of ``leads`` that pass the filters in use, or all of them but those named ``without``; within ``miles``
        of the place, if another distance is to be tried."""
        chosen = {name: value for name, value in self.chosen().items() if name not in without}
        if "vertical" in chosen:
            leads = leads.of_vertical(*chosen["vertical"])
        if "state" in chosen:
            leads = leads.in_state(*chosen["state"])
        if "age" in chosen:
            leads = leads.no_older_than(AGES[chosen["age"]])
        if "place" in chosen:
            centre = chosen["place"]
            leads = leads.near(centre.latitude, centre.longitude, *centre.box(miles or self.reach))
        if "certificate" in chosen:
            leads = leads.certified()
        if "mode" in chosen:
            leads = leads.exclusive() if chosen["mode"] == "exclusive" else leads.shared()
        return leads.priced(chosen.get("min"), chosen.get("max"))

    def count(self) -> Facets:
        """How many leads on sale pass the filters, and how many each value of each filter would find. One query."""
        wanted = self._among()
        known = facets.counted_before(wanted) if wanted is not None else None
        if known is not None:
            return known
        leads, chosen = Lead.objects.on_sale(), self.chosen()
        filters = {column: FILTERS_ON.get(column, (column,)) for column in facets.COLUMNS}
        filtered = [column for column, names in filters.items() if chosen.keys() & set(names)]
        return facets.counted_now(lambda column: self.found(leads, without=filters.get(column, ())), filtered)

    def _among(self) -> Wanted | None:
        """The filters in use as values of the columns of a tally; None if a tally does not know them."""
        chosen = self.chosen()
        wanted: dict[str, Sequence[Any]] = {name: chosen[name] for name in SEVERAL if name in chosen}
        if "age" in chosen:
            wanted["age"] = range(list(AGES).index(chosen["age"]) + 1)
        if "mode" in chosen:
            wanted["exclusive"] = [int(chosen["mode"] == "exclusive")]
        if "certificate" in chosen:
            wanted["certified"] = [1]
        starts: Sequence[float] = (*PRICE_BANDS, inf)
        low, above = chosen.get("min", 0), chosen.get("max", inf) + 1
        if "place" in chosen or low not in starts or above not in starts:
            return None
        if low or above < inf:
            wanted["price"] = range(starts.index(low), starts.index(above))
        return wanted

    def numbers(self, counted: Facets) -> dict[str, Mapping[str, int] | None]:
        """What stands beside the values of each field (``price`` for the bands); None where nobody counted."""
        counts = counted.counts
        numbers = dict.fromkeys(("vertical", "state", "price", "age", "mode", "certificate"))
        numbers |= {name: counts[name] for name in (*SEVERAL, "price") if name in counts}
        if "age" in counts:
            bands = [counts["age"].get(str(band), 0) for band in range(len(AGE_BANDS))]
            numbers["age"] = dict(zip(AGES, accumulate(bands), strict=False))  # without the last: it is no filter
        if "exclusive" in counts:
            numbers["mode"] = {"exclusive": counts["exclusive"].get("1", 0), "shared": counts["exclusive"].get("0", 0)}
        if "certified" in counts:
            numbers["certificate"] = {"1": counts["certified"].get("1", 0)}
        return numbers

    def price_bands(self) -> list[PriceBand]:
        """The ranges of prices to choose from; choosing the one in use drops it."""
        rest = QueryDict(addresses.without(self.query, "min"), mutable=True)
        rest.pop("max", None)
        bands = []
        for start, end in zip_longest(PRICE_BANDS, PRICE_BANDS[1:]):
            own = {"min": start or None, "max": end - 1 if end else None}
            is_chosen = all(self.cleaned_data.get(name) == cents for name, cents in own.items())
            query = rest.copy()
            query.update({name: str(Decimal(cents) / 100) for name, cents in own.items() if cents and not is_chosen})
            bands.append(PriceBand(_band_label(start, end), canonical(query).urlencode(), is_chosen))
        return bands

    def chips(self) -> list[Chip]:
        """One for each value in use, in the order of the form."""
        return [
            Chip(self._said(name, one), addresses.without(self.query, name, one if name in SEVERAL else ""))
            for name, value in self.chosen().items()
            for one in (value if isinstance(value, list) else [value])
        ]

    def in_states(self, states: list[str]) -> str:
        """The query string of this list for these states instead of those in use."""
        return addresses.changed(self.query, "state", *states)

    def with_state(self, code: str) -> str:
        """The query string of this list with one more state, or without that one if it is chosen."""
        chosen = self.query.getlist("state")
        if code in chosen:
            return addresses.without(self.query, "state", code)
        return addresses.changed(self.query, "state", *chosen, code)

    @property
    def cleared(self) -> str:
        """The query string of a list without filters, shown as this one."""
        return addresses.changed(QueryDict(), "view", self.shown_as)

    def first_page(self) -> str:
        """The query string of this list's first page, with its question mark."""
        query = addresses.without(self.query, "after")
        return f"?{query}" if query else ""

    def to_save(self) -> SaveSearchForm:
        """The form that keeps this list; the name it proposes says what is in it."""
        said = ", ".join(chip.label for chip in self.chips())
        name = said if len(said) <= NAME_LENGTH else f"{said[: NAME_LENGTH - 1]}…"
        query = self.first_page().removeprefix("?")
        return SaveSearchForm(initial={"name": name, "query": query}, auto_id="save_%s")

    @property
    def newest(self) -> str:
        """The query string of this list with the latest first."""
        return addresses.changed(self.query, "sort", NEWEST)

    def ways_out(self) -> list[Way]:
        """For an empty list: the single changes that find something, nearest first; at most 1,001 leads are counted for
        each. One query."""
        changes: list[tuple[str, list[str], int | None]] = [
            (f"Without “{self._all_said(name)}”", [name], None) for name in self.chosen()
        ]
        if "place" in self.chosen():
            changes += [(f"Within {miles} miles", [], miles) for miles in MILES if miles > self.reach]
        if not changes:
            return []
        leads = Lead.objects.on_sale()
        numbers = count_each([self.found(leads, without=without, miles=miles) for _, without, miles in changes])
        ways, is_wider = [], False
        for (label, without, miles), number in zip(changes, numbers, strict=True):
            if not number or (miles and is_wider):  # the smallest circle is enough
                continue
            is_wider = is_wider or bool(miles)
            query = self.query
            found_at = addresses.changed(query, "miles", str(miles)) if miles else addresses.without(query, without[0])
            ways.append(Way(label, found_at, number))
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
