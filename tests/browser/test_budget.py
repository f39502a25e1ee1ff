"""The judge of budgets: a page that is over any of them is named."""

import random

import pytest

from tests.browser.budget import ALL, LIMITS, REQUESTS, Loaded, over_budget

SITE = "http://127.0.0.1:8000"


def bytes_of(size: int) -> bytes:
    """``size`` bytes that no compression makes smaller."""
    return random.Random(1).randbytes(size)


def loaded(kind: str, size: int, url: str = f"{SITE}/something") -> Loaded:
    return Loaded(url, kind, bytes_of(size))


def test_it_works():
    page = [loaded("document", 20_000), loaded("stylesheet", 9_000), loaded("font", 14_000), loaded("font", 12_000)]
    assert over_budget(page, SITE) == []


def test_text_counts_as_it_is_compressed():
    assert over_budget([Loaded(f"{SITE}/", "document", b"the same again, " * 50_000)], SITE) == []


@pytest.mark.parametrize("kind", LIMITS)
def test_each_kind_has_its_limit(kind):
    assert over_budget([loaded(kind, LIMITS[kind] - 100)], SITE) == []
    (wrong,) = over_budget([loaded(kind, LIMITS[kind] // 2), loaded(kind, LIMITS[kind] // 2 + 100)], SITE)
    assert wrong.startswith(f"{kind}: ")


def test_all_together_have_one_too():
    (wrong,) = over_budget([loaded("image", ALL)], SITE)
    assert wrong.startswith("together: ")


def test_requests_are_counted():
    assert over_budget([loaded("image", 1)] * REQUESTS, SITE) == []
    assert over_budget([loaded("image", 1)] * (REQUESTS + 1), SITE) == ["13 requests"]


@pytest.mark.parametrize("url", ["https://127.0.0.1:8000/x", "http://127.0.0.1:8001/x", "http://fonts.example/x"])
def test_nobody_else_is_asked(url):
    assert over_budget([loaded("font", 1, url)], SITE) == [f"another site: {url}"]
