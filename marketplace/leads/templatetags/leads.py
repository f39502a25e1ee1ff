"""How a lead is written on a page."""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from django import template
from django.forms import BoundField
from django.forms.boundfield import BoundWidget
from django.http import QueryDict
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.models import STATES
from marketplace.core.templatetags.ui import icon
from marketplace.leads import calling
from marketplace.leads.addresses import canonical
from marketplace.leads.models import Lead
from marketplace.leads.verticals import label_of

register = template.Library()
_STATES = dict(STATES)
_OTHER = "*"  # any answer that is not named
# Attributes as a person would say them; what is not here is said as "label: answer".
_WORDS = {
    "vehicle.count": {"1": "1 vehicle", _OTHER: "{} vehicles"},
    "vehicle.year": {_OTHER: "newest vehicle {}"},
    "insurance.renewal_days": {_OTHER: "renews in {} days"},
    "insurance.current": {"Yes": "insured now", "No": "not insured now"},
    "insurance.claims_5y": {"0": "no claims in 5 years", "1": "1 claim in 5 years", _OTHER: "{} claims in 5 years"},
    "insurance.coverage": {_OTHER: "{} coverage"},
    "insurance.term": {"Not sure": "kind of policy open", _OTHER: "{}"},
    "insurance.reason": {_OTHER: "{}"},
    "insurance.plan": {"Not sure": "plan open", _OTHER: "looking for {}"},
    "insurance.turning_65": {"Yes": "turning 65 this year", "No": "not turning 65 this year"},
    "insurance.has_part_b": {"Yes": "has Part B", "No": "no Part B"},
    "household.size": {_OTHER: "household of {}"},
    "age_bracket": {_OTHER: "age {}"},
    "smoker": {"Yes": "smoker", "No": "non-smoker"},
    "property.type": {_OTHER: "{}"},
    "property.ownership": {"Owner": "homeowner", "Renter": "renter"},
    "property.year_built": {_OTHER: "built {}"},
    "property.roof_shade": {"None": "no roof shade", "Some": "some roof shade", "Much": "much roof shade"},
    "property.roof_age": {_OTHER: "roof {} years old"},
    "property.job": {_OTHER: "{}"},
    "property.system": {_OTHER: "{}"},
    "mortgage.purpose": {_OTHER: "{}"},
    "mortgage.loan_amount": {_OTHER: "{} loan"},
    "mortgage.credit": {_OTHER: "{} credit"},
    "utility.electric.monthly_bill": {_OTHER: "electric bill {} a month"},
    "timeframe_days": {_OTHER: "wants it within {} days"},
    "injury.cause": {_OTHER: "{}"},
    "injury.treated": {"Yes": "saw a doctor", "No": "saw no doctor yet"},
    "injury.at_fault": {"Other party": "other party at fault", "Shared": "shared fault", "Not sure": "fault not clear"},
    "injury.has_lawyer": {"Yes": "has a lawyer", "No": "no lawyer yet"},
}


@register.filter
def in_words(lead: Lead) -> list[str]:
    """The attributes of ``lead`` as short phrases: ``["2 vehicles", "Insured now"]``."""
    said = []
    for key, answer in lead.attributes.items():
        words = _WORDS.get(key, {})
        phrase = words.get(str(answer)) or words.get(_OTHER) or f"{label_of(key)}: {{}}"
        text = phrase.replace("{}", str(answer))
        said.append(text[:1].upper() + text[1:])
    return said


@register.filter
def and_similar(lead: Lead, similar: Iterable[Lead]) -> list[Lead]:
    """``lead`` and those shown below it, to ask about all of them at once."""
    return [lead, *similar]


@register.filter
def state_name(code: str) -> str:
    """``"OH"`` → ``"Ohio"``; a code that is none stays."""
    return _STATES.get(code, code)


@register.inclusion_tag("leads/call_time.html")
def call_time(lead: Lead) -> dict[str, Any]:
    """What time it is where the person is, and whether they may be called."""
    return {"there": calling.call_time(lead)}


@register.filter
def times(percent: int) -> str:
    """A factor in percent as people say it: ``250`` → ``"2.5"``."""
    return f"{percent / 100:g}"


@register.simple_tag
def catalogue(query: str | QueryDict, **changes: str) -> str:
    """The address of the catalogue with this query string and ``changes``; on its first page, unless told otherwise."""
    wanted = QueryDict(query if isinstance(query, str) else query.urlencode(), mutable=True)
    for name in ("after", "before"):
        wanted.pop(name, None)
    wanted.update(changes)
    text = canonical(wanted).urlencode()
    return f"{reverse('leads:catalogue')}{'?' if text else ''}{text}"


Numbers = Mapping[str, int] | None
MOST_FREQUENT = 4


@register.simple_tag
def number_of(numbers: Numbers, value: object) -> SafeString:
    """How many leads ``value`` would find, with a bar that compares it with the others; nothing if nobody counted."""
    if not numbers or value == "":
        return SafeString()
    number = of(numbers, value)
    share = max(1, round(100 * number / max(numbers.values()))) if number else 0
    return format_html(
        '<span class="n">{}</span><svg class="share" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="share-bg" width="100" height="4" rx="2"/><rect class="share-fg" width="{}" height="4" rx="2"/>'
        "</svg>",
        f"{number:,}",
        share,
    )


@register.filter
def of(numbers: Mapping[str, int], value: object) -> int:
    """The number that stands for ``value``."""
    return numbers.get(str(value), 0)


@register.filter
def often(field: BoundField, numbers: Numbers) -> list[BoundWidget]:
    """The options of ``field`` that are chosen, and the few others that would find most leads."""
    options = list(field)
    free = [option for option in options if not option.data["selected"] and of(numbers or {}, option.data["value"])]
    best = sorted(free, key=lambda option: -of(numbers or {}, option.data["value"]))[:MOST_FREQUENT]
    return [option for option in options if option.data["selected"] or option in best]


@register.filter
def seldom(field: BoundField, numbers: Numbers) -> list[BoundWidget]:
    """The options that ``often`` leaves out."""
    shown = [option.data["value"] for option in often(field, numbers)]
    return [option for option in field if option.data["value"] not in shown]


@register.simple_tag
def outside_link(url: str, text: str = "") -> SafeString:
    """A link to another site, marked as one and without a referrer (AL-64, LR-31); only http and https are links."""
    text = text or url
    if urlsplit(url).scheme not in {"http", "https"}:
        return format_html("{}", text)
    return format_html(
        '<a href="{}" rel="noopener noreferrer external">{}{}</a>', url, text, icon("external-link", "leaves Leadfair")
    )
