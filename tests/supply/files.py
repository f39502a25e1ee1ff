"""Files of leads for tests: rows under LeadConduit's names, written as CSV."""

import csv
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import count
from pathlib import Path

from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from marketplace.core import clock
from marketplace.supply.models import Upload
from marketplace.supply.tasks import work

WORDING = "I agree to be called about my request by the companies named on this page."
AREA_CODES = (
    "201", "202", "203", "205", "206", "207", "208", "209", "210", "212", "213", "214", "215", "216", "217", "218",
    "219", "224", "225", "228", "229", "231", "234", "239", "240", "248", "251", "252", "253", "254", "256", "260",
    "262", "267", "269", "270", "276", "281", "301", "302", "303", "304", "305", "307", "308", "309", "310", "312",
    "313", "314",
)  # fmt: skip
_number = count()


def row(**changes: str) -> dict[str, str]:
    """A complete row about somebody no other row of the test is about; ``changes`` replace its values."""
    number = next(_number) % (100 * len(AREA_CODES))
    asked = (clock.now() - timedelta(hours=2)).isoformat()
    whole = {
        "first_name": "Quentin",
        "last_name": f"Testlead{number}",
        "email": f"person{number}@example.org",
        "phone_1": f"({AREA_CODES[number // 100]}) 555-01{number % 100:02d}",
        "address_1": f"{number} Test Street",
        "city": "Columbus",
        "state": "OH",
        "postal_code": "43215",
        "reference": f"R-{number}",
        "source_timestamp": asked,
        "landing_page": "https://quotes.example.net/auto",
        "vertical": "auto-insurance",
        "buyers": "2",
        "supplier": "Test Supply",
        "consent_text": WORDING,
        "consent_at": asked,
        "consent_page": "https://quotes.example.net/auto/quote",
        "origin_site": "quotes.example.net",
        "origin_policy_url": "https://quotes.example.net/privacy",
        "vehicle.count": "2",
        "comments": "",
    }
    return whole | changes


def without(names: str, **changes: str) -> dict[str, str]:
    """A complete row but for the columns in ``names``."""
    return {name: value for name, value in row(**changes).items() if name not in names.split()}


def write(
    folder: Path, rows: Sequence[Mapping[str, str]], *, name: str = "leads.csv", encoding: str = "utf-8", **form: str
) -> Path:
    """Write the rows as a file; ``form`` goes to ``csv.DictWriter``."""
    path = folder / name
    header = list(dict.fromkeys(key for one in rows for key in one))
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, header, restval="", **form)
        writer.writeheader()
        writer.writerows(rows)
    return path


def upload(client, content: bytes, **fields: str):
    """Send a file through the page of the admin; the answer."""
    file = SimpleUploadedFile("leads of Ana Canary.csv", content, "text/csv")
    return client.post(reverse("admin:supply_upload"), {"supplier": "", "vertical": ""} | fields | {"file": file})


def let_in(client, content: bytes, *, keep: Sequence[str] = (), **fields: str) -> Upload:
    """Upload a file, press Import, and let the worker do its work; the upload as it is then."""
    public_id = upload(client, content, **fields).url.rstrip("/").rpartition("/")[2]
    client.post(reverse("admin:supply_start_import", args=[public_id]), {"keep": keep})
    work()
    return Upload.objects.get(public_id=public_id)


def on_disk() -> list[str]:
    """The kinds of sealed files that are there."""
    return sorted(path.suffix for path in settings.UPLOADS.glob("*"))
