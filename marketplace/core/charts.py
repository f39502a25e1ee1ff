"""Charts drawn on the server: plain numbers in, SVG and the same numbers as a table out.

Nothing here knows a model. Colors come by class from the style sheet, so that a chart follows the color scheme,
prints, and stays within the Content-Security-Policy. Whatever lies along the width is a percentage of it and whatever
lies along the height a number of pixels: text is as large on a phone as on a wall. ``{% chart %}`` shows what these
functions return.
"""

import math
import re
from bisect import bisect_left
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.templatetags.static import static
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

Number = Callable[[int], str]
NARROWEST = 250  # pixels that a chart has on a phone of 320 px
LETTER = 7  # pixels that a letter of a label takes
NOTHING = "There is nothing to show yet."


class Shade(NamedTuple):
    """One line of a map's legend: the class of the color and the smallest and largest number that has it."""

    name: str
    least: int
    most: int
    bounds: str


@dataclass(frozen=True)
class Chart:
    """What ``{% chart %}`` shows. Without numbers there is only the caption and a sentence."""

    caption: str
    finding: str  # one sentence: what a glance at the picture tells
    svg: SafeString | str = ""
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()  # the first of each names the row
    legend: tuple[Shade, ...] = ()
    selected: bool = False  # whether the map marks a state


class Range(NamedTuple):
    """A row of ``ranges``: where the numbers of ``name`` lie."""

    name: str
    low: int
    median: int
    high: int


def plain(number: int) -> str:
    """``1234`` → ``"1,234"``."""
    return f"{number:,}"


def counted(number: int, what: tuple[str, str]) -> str:
    """``(1, ("lead", "leads"))`` → ``"1 lead"``."""
    return f"{number:,} {what[number != 1]}"


def columns(
    points: Sequence[tuple[str, int]],
    *,
    caption: str,
    head: tuple[str, str] = ("Time", "Number"),
    what: tuple[str, str] = ("lead", "leads"),
    number: Number = plain,
    nothing: str = NOTHING,
) -> Chart:
    """A column for each of ``points`` (label, number of 0 or more), say leads by the hour. The highest is marked and
    named; the first of those that are as high. With a ``number`` of your own, as for money, ``what`` is not said."""
    if not points:
        return Chart(caption, nothing)

    def said(value: int) -> str:
        return counted(value, what) if number is plain else number(value)

    numbers = [value for _, value in points]
    peak = numbers.index(max(numbers))
    lowest = numbers.index(min(numbers))
    marked = numbers[peak] > numbers[lowest]
    height, top, floor = 128, 22, 106
    wide = 100 / len(points)
    drawn = []
    for place, (label, value) in enumerate(points):
        tall = max(1.5, (floor - top) * value / max(numbers[peak], 1))
        drawn.append(
            format_html(
                '<rect class="bar{}" x="{}%" y="{}" width="{}%" height="{}"><title>{}: {}</title></rect>',
                " bar-hi" if marked and place == peak else "",
                _round((place + 0.1) * wide),
                _round(floor - tall),
                _round(0.8 * wide),
                _round(tall),
                label,
                number(value),
            )
        )
    drawn.append(format_html('<line class="axis" x1="0" y1="{}" x2="100%" y2="{}"/>', floor, floor))
    if marked:
        drawn.append(_text("val", (peak + 0.5) * wide, 15, f"{points[peak][0]}: {number(numbers[peak])}"))
    every = _every([label for label, _ in points])
    drawn += [
        _text("tick", (every * place + 0.5) * wide, height - 6, label)
        for place, (label, _) in enumerate(points[::every])
    ]
    if marked:
        finding = (
            f"Most: {points[peak][0]} with {said(numbers[peak])}; "
            f"{'fewest' if number is plain else 'least'}: {points[lowest][0]} with {number(numbers[lowest])}."
        )
    else:
        finding = f"{points[0][0] if len(points) == 1 else 'The same throughout'}: {said(numbers[0])}."
    rows = tuple((label, number(value)) for label, value in points)
    return Chart(caption, finding, _svg(height, finding, drawn), head, rows)


def ranges(
    rows: Sequence[Range],
    *,
    caption: str,
    head: tuple[str, str, str, str] = ("Kind", "Low", "Median", "High"),
    number: Number = plain,
    nothing: str = NOTHING,
) -> Chart:
    """A band from low to high with a dot for the median, for each of ``rows`` on one scale: prices by kind of lead,
    with ``number=money.dollars``. What low and high mean (the middle half, or all) is for ``caption`` and ``head`` to
    say. Where the highest is more than 20 times the lowest, equal steps are equal factors, and the middle is named."""
    if not rows:
        return Chart(caption, nothing)
    least, most = min(row.low for row in rows), max(row.high for row in rows)
    by_factors = 0 < 20 * least < most

    def place(value: int) -> float:
        if by_factors:
            return _share(math.log(value), math.log(least), math.log(most), 2, 98)
        return _share(value, least, most, 2, 98)

    drawn = []
    for count, row in enumerate(rows):
        y = 40 * count + 30
        low, median, high = (place(value) for value in row[1:])
        drawn += [
            _text("lab", 0, y - 14, row.name),
            _text("val", 100, y - 14, number(row.median)),
            format_html('<line class="grid" x1="2%" y1="{}" x2="98%" y2="{}"/>', y, y),
            format_html('<line class="range" x1="{}%" y1="{}" x2="{}%" y2="{}"/>', low, y, high, y),
            format_html('<circle class="dot" cx="{}%" cy="{}" r="5"/>', median, y),
        ]
    height = 40 * len(rows) + 22
    drawn.append(_text("tick", 0, height - 6, number(least)))
    if by_factors:
        drawn.append(_text("tick", 50, height - 6, number(math.isqrt(least * most))))
    if most > least:
        drawn.append(_text("tick", 100, height - 6, number(most)))
    dear, cheap = max(rows, key=lambda row: row.median), min(rows, key=lambda row: row.median)
    finding = (
        f"Highest: {dear.name} with a median of {number(dear.median)}; "
        f"lowest: {cheap.name} with {number(cheap.median)}."
        if dear.median > cheap.median
        else f"The median is {number(dear.median)}, between {number(least)} and {number(most)}."
    )
    cells = tuple((row.name, number(row.low), number(row.median), number(row.high)) for row in rows)
    return Chart(caption, finding, _svg(height, finding, drawn), head, cells)


def line(
    points: Sequence[tuple[date, int]],
    *,
    caption: str,
    head: tuple[str, str] = ("Day", "Price"),
    number: Number = plain,
    steps: bool = False,
    nothing: str = NOTHING,
) -> Chart:
    """``points`` (day, value) in the order of time, joined by a line. ``steps``: each value holds until the next, as a
    price does."""
    if not points:
        return Chart(caption, nothing)
    height, top, floor = 158, 26, 112
    days = [day for day, _ in points]
    values = [value for _, value in points]
    first, last, least, most = days[0], days[-1], min(values), max(values)
    spots = [
        (_share(day.toordinal(), first.toordinal(), last.toordinal(), 2, 98), _share(value, least, most, floor, top))
        for day, value in points
    ]
    corners: list[tuple[float, float]] = []
    for spot in spots:
        if steps and corners:
            corners.append((spot[0], corners[-1][1]))
        corners.append(spot)
    drawn = [
        format_html('<line class="grid" x1="0" y1="{}" x2="100%" y2="{}"/>', level, level)
        for level in sorted({_share(least, least, most, floor, top), _share(most, least, most, floor, top)})
    ]
    # A path knows no percentages, so it has a frame of its own, a hundred wide and as high as the chart.
    path = " ".join(f"{x},{y}" for x, y in corners)
    drawn += [
        format_html(
            '<svg viewBox="0 0 100 {}" width="100%" height="{}" preserveAspectRatio="none">'
            '<polyline class="trend" points="{}"/></svg>',
            height,
            height,
            path,
        ),
        format_html('<circle class="dot" cx="{}%" cy="{}" r="5"/>', *spots[-1]),
        _text("tick", 0, height - 6, _day(first)),
    ]
    if last > first:
        drawn.append(_text("tick", 100, height - 6, _day(last)))
    if most > least:
        drawn += [_text("tick", 0, top - 7, number(most)), _text("tick", 0, floor + 16, number(least))]
    else:
        drawn.append(_text("tick", 0, _share(least, least, most, floor, top) - 7, number(least)))
    moved = "unchanged" if values[-1] == values[0] else "up" if values[-1] > values[0] else "down"
    finding = (
        f"{number(values[-1])} on {_day(last)}, {moved} from {number(values[0])} on {_day(first)}; "
        f"lowest {number(least)}, highest {number(most)}."
        if len(points) > 1
        else f"{number(values[0])} on {_day(first)}."
    )
    rows = tuple((_day(day), number(value)) for day, value in points)
    return Chart(caption, finding, _svg(height, finding, drawn), head, rows)


@cache
def drawn_states() -> frozenset[str]:
    """The codes of the states that the sprite static/img/us-states.svg can draw."""
    sprite = (Path(settings.BASE_DIR) / "static" / "img" / "us-states.svg").read_text(encoding="utf-8")
    return frozenset(re.findall(r'<path id="([A-Z]{2})"', sprite))


def us_map(
    values: Mapping[str, int],
    *,
    names: Mapping[str, str],
    link: Callable[[str], str],
    selected: Collection[str] = (),
    caption: str,
    head: tuple[str, str] = ("State", "Number"),
    what: tuple[str, str] = ("lead", "leads"),
    nothing: str = NOTHING,
) -> Chart:
    """The states of ``names`` (code, name), darker the higher their number, each a link to ``link(code)``.

    The selected ones have a double outline and say so. Small states are hard to hit and 51 links are many, so whoever
    shows a map shows checkboxes or a select for the same beside it.
    """
    numbers = {code: values.get(code, 0) for code in names}
    if not any(numbers.values()):
        return Chart(caption, nothing)
    shades = shades_of(numbers.values())
    sprite = static("img/us-states.svg")
    # What is drawn last lies on top: neighbors are not to cover the outline of an empty or a selected state.
    order = sorted(drawn_states() & names.keys(), key=lambda code: (code in selected, not numbers[code], names[code]))
    drawn = []
    for code in order:
        number, is_selected = numbers[code], code in selected
        shade = next((shade.name for shade in shades if shade.least <= number <= shade.most), "q0")
        halo = format_html('<use class="halo" href="{}#{}"/>', sprite, code) if is_selected else ""
        drawn.append(
            format_html(
                '<a href="{}"{}><title>{}: {}{}</title>{}<use class="{}" href="{}#{}"/></a>',
                link(code),
                mark_safe(' class="sel" aria-current="true"') if is_selected else "",
                names[code],
                counted(number, what),
                " (selected)" if is_selected else "",
                halo,
                shade,
                sprite,
                code,
            )
        )
    ranked = sorted(names, key=lambda code: (-numbers[code], names[code]))
    best = [f"{names[code]} ({plain(numbers[code])})" for code in ranked[:3] if numbers[code]]
    empty = sum(not number for number in numbers.values())
    finding = f"Most {what[1]}: {', '.join(best)}; " + (
        f"none in {counted(empty, ('state', 'states'))}." if empty else "some in every state."
    )
    svg = format_html(
        '<svg class="usmap" viewBox="0 0 975 610" role="group" aria-label="{} {}">{}</svg>',
        f"{caption}.",
        finding,
        format_html_join("", "{}", ((part,) for part in drawn)),
    )
    rows = tuple((names[code], plain(numbers[code])) for code in ranked)
    legend = (Shade("q0", 0, 0, "none"), *shades) if empty else shades
    return Chart(caption, finding, svg, head, rows, legend, selected=any(code in selected for code in order))


def shades_of(numbers: Collection[int]) -> tuple[Shade, ...]:
    """At most five shades with about as many of the ``numbers`` above zero in each. Equal numbers share a shade, and
    the bounds are numbers that occur."""
    ranked = sorted(number for number in numbers if number > 0)
    classes: dict[int, list[int]] = {}
    for number in ranked:
        classes.setdefault(5 * bisect_left(ranked, number) // len(ranked), []).append(number)
    found = []
    for place, members in enumerate(classes.values(), 1):
        least, most = members[0], members[-1]
        bounds = plain(least) if least == most else f"{plain(least)} to {plain(most)}"
        # Few shades are spread over the scale, the last is always the strongest.
        found.append(Shade(f"q{-(-5 * place // len(classes))}", least, most, bounds))
    return tuple(found)


def _svg(height: int, finding: str, parts: Sequence[SafeString]) -> SafeString:
    return format_html(
        '<svg class="chart" height="{}" role="img" aria-label="{}">{}</svg>',
        height,
        finding,
        format_html_join("", "{}", ((part,) for part in parts)),
    )


def _text(kind: str, x: float, y: float, words: str) -> SafeString:
    """``words`` centered at ``x`` percent of the width; beginning or ending there, or at the edge, if they would
    otherwise leave the narrowest screen."""
    long, room = LETTER * len(words), NARROWEST * x / 100
    anchor = "start" if room < long / 2 else "end" if NARROWEST - room < long / 2 else "middle"
    if long > NARROWEST * 2 / 3 and anchor != "middle":
        x = 0 if anchor == "start" else 100
    return format_html(
        '<text class="{}" x="{}%" y="{}" text-anchor="{}">{}</text>', kind, _round(x), _round(y), anchor, words
    )


def _every(labels: Sequence[str]) -> int:
    """Every how many-th of ``labels`` can be written on the narrowest screen. The outer ones may be moved inward by
    half their length, unless each has its place below its column."""
    longest = LETTER * max(map(len, labels))
    if len(labels) * (longest + LETTER) <= NARROWEST:
        return 1
    return -(-len(labels) // max(1, int(NARROWEST // (1.5 * longest + LETTER))))


def _share(value: float, least: float, most: float, start: float, end: float) -> float:
    """Where ``value`` lies between ``start`` and ``end``, as it does between ``least`` and ``most``; halfway if these
    are the same."""
    return _round(start + (end - start) * ((value - least) / (most - least) if most > least else 0.5))


def _round(number: float) -> float:
    return round(number, 2)


def _day(day: date) -> str:
    return f"{day.day} {day:%b %Y}"
