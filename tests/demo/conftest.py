import pytest
import zipcodes

# The ZIP package's whole list takes seconds in every test; a few places in every state do as well.
FEW = {}
for _found in zipcodes.list_all():
    if _found["zip_code_type"] == "STANDARD" and _found["active"] and _found["area_codes"]:
        FEW.setdefault(_found["state"], []).append(_found)


@pytest.fixture(autouse=True)
def few_places(monkeypatch, settings, tmp_path):
    """Three places in each state, and a folder of the test's own."""
    monkeypatch.setattr(zipcodes, "list_all", lambda: [found for places in FEW.values() for found in places[:3]])
    settings.VAR = tmp_path
    settings.DEBUG = True
