"""Charts: true numbers, valid SVG, everything inside the frame, no color that is the only sign."""

import re
import xml.etree.ElementTree as ET
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from django.conf import settings
from django.template import Context, Template
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import STATES
from marketplace.core.charts import Chart, Range, columns, drawn_states, line, ranges, shades_of, us_map
from marketplace.core.money import dollars

NAMES = dict(STATES)
CAPTION = 'A caption with <b> & "quotes"'
HUGE = 10**15
COUNTS = st.integers(0, HUGE)
WORDS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20)


def render(chart: Chart) -> str:
    return Template("{% load charts %}{% chart c %}").render(Context({"c": chart}))


def tree(chart: Chart) -> ET.Element:
    """The whole figure as XML: what the page shows is well-formed."""
    return ET.fromstring(render(chart).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" '))


SVG = "{http://www.w3.org/2000/svg}"


def table(figure: ET.Element) -> list[tuple[str, ...]]:
    return [tuple("".join(cell.itertext()) for cell in row) for row in figure.iterfind(".//tbody/tr")]


def check(chart: Chart) -> ET.Element:
    """Valid, labeled with its finding, without style or script, and inside its frame."""
    figure = tree(chart)
    text = render(chart)
    assert "style=" not in text
    assert "<script" not in text
    svg = figure.find(f"{SVG}svg")
    assert chart.finding in svg.get("aria-label")
    assert chart.finding.endswith(".")
    height = float(svg.get("height", 610))
    for element in svg.iter():
        for name, limit in (("x", 100), ("x1", 100), ("x2", 100), ("cx", 100), ("y", height), ("cy", height)):
            if (value := element.get(name)) is not None:
                assert 0 <= float(value.removesuffix("%")) <= limit, (element.tag, name, value)
        if element.tag == f"{SVG}rect":
            assert float(element.get("x")[:-1]) + float(element.get("width")[:-1]) <= 100.01
            assert float(element.get("y")) + float(element.get("height")) <= height
        for x, y in re.findall(r"([-\d.e]+),([-\d.e]+)", element.get("points", "")):
            assert 0 <= float(x) <= 100
            assert 0 <= float(y) <= height
    return figure


def of_states(values: dict[str, int], selected: tuple[str, ...] = ()) -> Chart:
    return us_map(values, names=NAMES, link="?state={}&vertical=solar".format, selected=selected, caption=CAPTION)


def test_it_works():
    hours = [(f"{hour % 12 or 12} {'am' if hour < 12 else 'pm'}", hour) for hour in range(24)]
    chart = columns(hours, caption="Leads per hour")
    figure = check(chart)
    assert chart.finding == "Most: 11 pm with 23 leads; fewest: 12 am with 0."
    assert [bar.get("class") for bar in figure.iter(f"{SVG}rect")] == ["bar"] * 23 + ["bar bar-hi"]
    assert [text.text for text in figure.iter(f"{SVG}text")] == ["11 pm: 23", "12 am", "6 am", "12 pm", "6 pm"]
    assert table(figure)[-1] == ("11 pm", "23")


def test_columns_of_money():
    chart = columns([("Mon", 12_50), ("Tue", 3_00)], caption="Sales", number=dollars)
    assert chart.finding == "Most: Mon with $12.50; least: Tue with $3.00."
    assert chart.rows == (("Mon", "$12.50"), ("Tue", "$3.00"))
    assert "<title>Tue: $3.00</title>" in chart.svg
    assert columns([("Mon", 0)], caption="Sales", number=dollars).finding == "Mon: $0.00."


def test_ranges_are_said_in_money():
    rows = [Range("Auto insurance", 9_00, 13_25, 18_00), Range("Solar", 30_00, 38_50, 45_00)]
    chart = ranges(rows, caption="Prices", number=dollars)
    figure = check(chart)
    assert chart.finding == "Highest: Solar with a median of $38.50; lowest: Auto insurance with $13.25."
    assert table(figure) == [("Auto insurance", "$9.00", "$13.25", "$18.00"), ("Solar", "$30.00", "$38.50", "$45.00")]
    assert [text.text for text in figure.iter(f"{SVG}text")][-2:] == ["$9.00", "$45.00"]


def test_a_wide_range_goes_by_factors():
    """An injury lead for $800.00 does not squeeze all others into one spot; the middle of the scale is named."""
    rows = [Range("Auto insurance", 8_00, 16_00, 32_00), Range("Personal injury", 200_00, 400_00, 800_00)]
    figure = check(ranges(rows, caption="Prices", number=dollars))
    bands = [float(band.get("x2")[:-1]) - float(band.get("x1")[:-1]) for band in figure.iter(f"{SVG}line")][1::2]
    assert bands[0] == pytest.approx(bands[1], abs=0.1)
    assert [text.text for text in figure.iter(f"{SVG}text")][-3:] == ["$8.00", "$80.00", "$800.00"]


def test_a_line_tells_what_moved():
    points = [(date(2026, 11, 1), 20_00), (date(2026, 11, 5), 14_00), (date(2026, 11, 21), 16_50)]
    chart = line(points, caption="Price", number=dollars, steps=True)
    figure = check(chart)
    assert chart.finding == "$16.50 on 21 Nov 2026, down from $20.00 on 1 Nov 2026; lowest $14.00, highest $20.00."
    assert table(figure) == [("1 Nov 2026", "$20.00"), ("5 Nov 2026", "$14.00"), ("21 Nov 2026", "$16.50")]
    assert len(figure.find(f".//{SVG}polyline").get("points").split()) == 5  # a price holds until the next


def test_the_map_links_each_state_and_marks_what_is_selected():
    chart = of_states({"OH": 61, "IN": 1, "TX": 30}, selected=("OH",))
    figure = check(chart)
    links = {link.find(f"{SVG}title").text: link for link in figure.iter(f"{SVG}a")}
    assert len(links) == 51
    assert links["Indiana: 1 lead"].get("href") == "?state=IN&vertical=solar"
    selected = links["Ohio: 61 leads (selected)"]
    assert selected.get("aria-current") == "true"
    assert [use.get("class") for use in selected.iter(f"{SVG}use")] == ["halo", "q5"]  # a shape, not only a color
    assert list(links)[-1] == "Ohio: 61 leads (selected)"  # on top of its neighbors
    assert chart.finding == "Most leads: Ohio (61), Texas (30), Indiana (1); none in 48 states."
    assert [shade.bounds for shade in chart.legend] == ["none", "1", "30", "61"]
    assert table(figure)[:3] == [("Ohio", "61"), ("Texas", "30"), ("Indiana", "1")]
    assert len(table(figure)) == len(NAMES)


def test_the_sprite_draws_every_state_where_leads_are_sold():
    assert drawn_states() == NAMES.keys()


@pytest.mark.parametrize(
    "chart",
    [
        columns([], caption=CAPTION),
        ranges([], caption=CAPTION),
        line([], caption=CAPTION),
        us_map({}, names=NAMES, link=str, caption=CAPTION),
        us_map({"OH": 0}, names=NAMES, link=str, caption=CAPTION),
    ],
    ids=["columns", "ranges", "line", "map", "map of zeros"],
)
def test_without_numbers_there_is_a_sentence(chart):
    figure = tree(chart)
    assert figure.find(f".//{SVG}svg") is None
    assert figure.find(".//table") is None
    assert "".join(figure.itertext()).split("\n")[1] == f"{CAPTION}There is nothing to show yet."


def test_one_number_and_all_equal():
    assert check(columns([("noon", 1)], caption=CAPTION)) is not None
    assert columns([("noon", 1)], caption=CAPTION).finding == "noon: 1 lead."
    assert columns([("a", 0), ("b", 0)], caption=CAPTION).finding == "The same throughout: 0 leads."
    assert "bar-hi" not in columns([("a", 3), ("b", 3)], caption=CAPTION).svg
    day = date(2026, 11, 1)
    assert line([(day, 5)], caption=CAPTION).finding == "5 on 1 Nov 2026."
    assert "unchanged from 5" in line([(day, 5), (day + timedelta(1), 5)], caption=CAPTION).finding
    assert ranges([Range("a", 5, 5, 5)], caption=CAPTION).finding == "The median is 5, between 5 and 5."
    assert of_states(dict.fromkeys(NAMES, 7)).finding.endswith("; some in every state.")
    assert [shade.name for shade in of_states(dict.fromkeys(NAMES, 7)).legend] == ["q5"]


@given(st.lists(st.tuples(WORDS, COUNTS), min_size=1, max_size=60))
def test_columns_are_true(points):
    figure = check(columns(points, caption=CAPTION))
    assert table(figure) == [(label, f"{number:,}") for label, number in points]
    bars = [float(bar.get("height")) for bar in figure.iter(f"{SVG}rect")]
    numbers = [number for _, number in points]
    assert all(
        (one <= two) or (first > second) for (first, one), (second, two) in pairwise(zip(numbers, bars, strict=True))
    )
    assert bars[numbers.index(max(numbers))] == max(bars)


@given(st.lists(st.tuples(WORDS, st.lists(st.integers(-HUGE, HUGE), min_size=3, max_size=3)), min_size=1, max_size=12))
def test_ranges_are_true(rows):
    rows = [Range(name, *sorted(three)) for name, three in rows]
    figure = check(ranges(rows, caption=CAPTION, number=dollars))
    assert table(figure) == [(row.name, *map(dollars, row[1:])) for row in rows]
    places = [float(dot.get("cx")[:-1]) for dot in figure.iter(f"{SVG}circle")]
    assert [place for _, place in sorted(zip([row.median for row in rows], places, strict=True))] == sorted(places)


@given(st.lists(st.tuples(st.dates(), st.integers(-HUGE, HUGE)), min_size=1, max_size=60), st.booleans())
def test_lines_are_true(points, steps):
    points.sort(key=lambda point: point[0])
    figure = check(line(points, caption=CAPTION, steps=steps))
    assert [value for _, value in table(figure)] == [f"{value:,}" for _, value in points]


@given(st.dictionaries(st.sampled_from(sorted(NAMES)), COUNTS, min_size=1), st.sets(st.sampled_from(sorted(NAMES))))
def test_maps_are_true(values, selected):
    chart = of_states(values, tuple(selected))
    if not any(values.values()):
        assert not chart.svg
        return
    figure = check(chart)
    assert dict(table(figure)) == {name: f"{values.get(code, 0):,}" for code, name in NAMES.items()}
    bounds = {shade.name: shade for shade in chart.legend}
    for link in figure.iter(f"{SVG}a"):
        shade = bounds[link.findall(f"{SVG}use")[-1].get("class")]
        said = int(re.search(r": ([\d,]+) lead", link.find(f"{SVG}title").text)[1].replace(",", ""))
        assert shade.least <= said <= shade.most
    assert sum("aria-current" in link.attrib for link in figure.iter(f"{SVG}a")) == len(selected)


@given(st.lists(COUNTS))
def test_shades_cover_every_number_once(numbers):
    shades = shades_of(numbers)
    assert len(shades) <= 5
    assert all(one.most < two.least and one.name < two.name for one, two in pairwise(shades))
    assert {bound for shade in shades for bound in (shade.least, shade.most)} <= set(numbers)
    assert all(sum(shade.least <= number <= shade.most for shade in shades) == 1 for number in numbers if number)


def luminance(color: str) -> float:
    parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_neighboring_shades_can_be_told_apart_without_seeing_color(scheme):
    """Each shade is at least 1.2 times as light or dark as the one before it; the order of lightness is the order of
    the numbers, whatever the hue."""
    css = (Path(settings.BASE_DIR) / "static" / "css" / "leadfair.css").read_text()
    found = dict(re.findall(r"--(q\d):light-dark\(([^)]+)\)", css))
    shades = [luminance(found[f"q{step}"].split(",")[scheme]) + 0.05 for step in range(6)]
    steps = [max(one, two) / min(one, two) for one, two in pairwise(shades)]
    assert min(steps) >= 1.2, steps
    assert shades == sorted(shades, reverse=scheme == 0)
