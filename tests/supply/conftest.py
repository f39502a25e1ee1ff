import pytest

from marketplace.leads.models import ZipCode

# The import fills an empty table with all 42,789 codes, which only one test needs.
FEW_ZIP_CODES = (
    ("43215", "Columbus", "OH"),
    ("02139", "Cambridge", "MA"),
    ("10001", "New York", "NY"),
    ("00901", "San Juan", "PR"),
    ("09012", "APO", "AE"),
)


def fill_zip_codes():
    ZipCode.objects.bulk_create(ZipCode(code=code, city=city, state=state) for code, city, state in FEW_ZIP_CODES)


@pytest.fixture
def zip_codes(db):
    """A small ZIP table."""
    fill_zip_codes()
