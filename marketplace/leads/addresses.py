"""The address of a list of leads: each list has one, whoever links it."""

from django.http import QueryDict

NEWEST = "newest"
DEFAULT_MILES = 25
DEFAULTS = (("sort", NEWEST), ("view", "list"), ("miles", str(DEFAULT_MILES)))
SEVERAL = ("vertical", "state")
SINGLE = ("place", "miles", "age", "mode", "certificate", "min", "max", "sort", "view", "after", "before")


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


def without(given: QueryDict, name: str, value: str = "") -> str:
    """The query string without the parameter ``name``, or without that one ``value`` of it; on its first page."""
    rest = given.copy()
    kept = [text for text in rest.getlist(name) if value and text != value]
    for gone in (name, "after", "before"):
        rest.pop(gone, None)
    if kept:
        rest.setlist(name, kept)
    return canonical(rest).urlencode()


def changed(given: QueryDict, name: str, *values: str) -> str:
    """The query string with these ``values`` of the parameter ``name`` instead of its own; on its first page."""
    query = QueryDict(without(given, name), mutable=True)
    query.setlist(name, list(values))
    return canonical(query).urlencode()
