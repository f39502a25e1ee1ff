import pytest

from marketplace.leads.models import ZipCode

# The import fills an empty table with all 42,789 codes, which only one test needs.
FEW_ZIP_CODES = (
    ("43215", "Columbus", "OH", 39.96, -83.0, "America/New_York"),
    ("02139", "Cambridge", "MA", 42.36, -71.1, "America/New_York"),
    ("10001", "New York", "NY", 40.75, -73.99, "America/New_York"),
    ("00901", "San Juan", "PR", 18.46, -66.11, "America/Puerto_Rico"),
    ("09012", "APO", "AE", None, None, ""),
)


def fill_zip_codes():
    columns = ("code", "city", "state", "latitude", "longitude", "time_zone")
    ZipCode.objects.bulk_create(ZipCode(**dict(zip(columns, place, strict=True))) for place in FEW_ZIP_CODES)


@pytest.fixture
def zip_codes(db):
    """A small ZIP table."""
    fill_zip_codes()


@pytest.fixture
def uploads(settings, tmp_path):
    """An empty folder for what is uploaded."""
    settings.UPLOADS = tmp_path / "uploads"
    return settings.UPLOADS


@pytest.fixture
def as_charlie(charlie, client, zip_codes, uploads):
    """The browser of staff who may import."""
    client.force_login(charlie)
    return client
