"""Finding the place somebody typed, and how far a lead is from it."""

import pytest

from marketplace.leads.models import Lead, ZipCode
from marketplace.leads.places import UnknownPlace, city_centres, find
from tests.stock import make_lead

pytestmark = pytest.mark.django_db

# Real ZIP codes; Columbus in Ohio has two, so that its middle is none of them.
PLACES = (
    ("43215", "Columbus", "OH", 39.96, -83.00),
    ("43085", "Columbus", "OH", 40.10, -83.02),
    ("43023", "Granville", "OH", 40.07, -82.52),
    ("43701", "Zanesville", "OH", 39.94, -82.01),
    ("31901", "Columbus", "GA", 32.47, -84.98),
    ("99950", "Ketchikan", "AK", 55.34, -131.64),
    ("09012", "Apo", "AE", None, None),
)


@pytest.fixture(autouse=True)
def _places(db):
    columns = ("code", "city", "state", "latitude", "longitude")
    ZipCode.objects.bulk_create(ZipCode(**dict(zip(columns, place, strict=True))) for place in PLACES)


def lead_in(city: str, state: str) -> Lead:
    latitude, longitude = city_centres()[city, state]
    return make_lead(city=city, state=state, latitude=latitude, longitude=longitude)


def test_it_works():
    place = find("43215")
    assert (place.name, place.latitude, place.longitude) == ("43215 (Columbus, OH)", 39.96, -83.0)


@pytest.mark.parametrize("text", ["Columbus, OH", "columbus,oh", "COLUMBUS , Ohio"])
def test_a_city_is_at_the_middle_of_its_zip_codes(text):
    place = find(text)
    assert place.name == "Columbus, OH"
    assert (place.latitude, place.longitude) == pytest.approx((40.03, -83.01))


def test_a_city_there_is_once_needs_no_state():
    assert find("granville").name == "Granville, OH"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("99999", "no place with this ZIP code"),
        ("09012", "no place with this ZIP code"),
        ("Nowhere, OH", "no such place"),
        ("Columbus, ZZ", "no such place"),
        ("Columbus, ", "one of GA, OH"),
        ("columbus", "There is more than one Columbus. Add the state, one of GA, OH."),
        (", OH", "no such place"),
        ("43215; DROP TABLE", "no such place"),
        ("\N{PILE OF POO}", "no such place"),
        ("%", "no such place"),
    ],
)
def test_what_is_no_place_is_said_so(text, problem):
    with pytest.raises(UnknownPlace, match=problem):
        find(text)


@pytest.mark.parametrize(("miles", "cities"), [(10, ["Columbus"]), (50, ["Columbus", "Granville"])])
def test_near_is_a_circle(miles, cities):
    for city in ("Columbus", "Granville", "Zanesville"):
        lead_in(city, "OH")
    centre = find("43215")
    near = Lead.objects.near(centre.latitude, centre.longitude, *centre.box(miles))
    assert sorted(near.values_list("city", flat=True)) == cities


def test_the_corner_of_the_box_is_outside():
    centre = find("43215")
    height, width = centre.box(50)
    for share in (0.70, 0.72):  # of the way to the corner; the circle ends at 0.707
        make_lead(
            city=str(share), latitude=centre.latitude + share * height, longitude=centre.longitude + share * width
        )
    near = Lead.objects.near(centre.latitude, centre.longitude, height, width)
    assert list(near.values_list("city", flat=True)) == ["0.7"]


def test_a_degree_of_longitude_is_shorter_in_the_north():
    assert find("99950").box(69)[1] == pytest.approx(1.758, abs=0.001)
    assert find("99950").box(69)[0] == 1.0


def test_a_lead_without_a_place_on_the_map_is_near_nothing():
    make_lead()
    centre = find("43215")
    assert not Lead.objects.near(centre.latitude, centre.longitude, *centre.box(100)).exists()
