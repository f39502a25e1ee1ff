"""The catalogue at 10,000, 100,000 and 1,000,000 leads: milliseconds in the database, and the page against a page that
does nothing. Ratios, no timing assertion.

A tiny form by default, which shows that it works; the real one with ``script/test tests/benchmarks``.
"""

import http.client
import itertools
import json
import statistics
import subprocess
import sys
import time
from contextlib import closing

import pytest

from tests.benchmarks.market import ROOT, Market, market
from tests.benchmarks.test_purchase import full, table, wait_for  # noqa: F401 - a fixture
from tests.stack import free_port

pytestmark = [pytest.mark.benchmark]


def ask(place: Market, rounds: int) -> dict[str, float]:
    """Milliseconds in the database for each question of the catalogue."""
    command = [sys.executable, "-m", "tests.benchmarks.catalogue_worker", str(rounds)]
    done = subprocess.run(command, cwd=ROOT, env=place.env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_questions_of_the_catalogue(full, show):  # noqa: F811
    sizes = (10_000, 100_000, 1_000_000) if full else (300, 600, 1_200)
    seen = []
    for leads in sizes:
        with market(leads, buyers=10) as place:
            place.scatter()
            seen.append(ask(place, rounds=30 if full else 2))
    small, middle, large = seen
    goals = {
        "first page": "≤ 3 × of 100,000 (stretch 1.5)",
        "first page, filtered": "≤ 3 ×",
        "half depth": "≤ 2 × the first page",
        "half depth, filtered": "≤ 2 × the first page",
        "radius": "≤ 2 ms",
        "numbers and total": "≤ 1 ms",
        "numbers and total, filtered": "≤ 1 ms",
        "numbers and total, all filters": "≤ 1 ms",
    }
    first = {"half depth": "first page", "half depth, filtered": "first page, filtered"}
    rows = []
    for name, milliseconds in large.items():
        base = large[first[name]] if name in first else middle[name]
        rows.append(
            (
                f"{name}, {sizes[2]:,} leads",
                f"{'first page' if name in first else f'{sizes[1]:,}'}: {base:.2f} ms",
                goals.get(name, ""),
                f"{milliseconds:.2f} ms ({milliseconds / base:.2f}); {sizes[0]:,}: {small[name]:.2f} ms",
            )
        )
    show(table(rows))
    assert set(small) == set(middle) == set(large)


NUMBERS = itertools.count(1)


def fetch(port: int, path: str, seconds: float) -> float:
    """Answers per second, one after the other on one connection. ``{}`` in ``path`` is another number each time."""
    number, end = 0, time.perf_counter() + seconds
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        while time.perf_counter() < end:
            connection.request(
                "GET", path.format(next(NUMBERS)), headers={"X-Forwarded-Proto": "https", "Host": "127.0.0.1"}
            )
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200, (path, answer.status)
            number += 1
    return number / seconds


def test_the_page_against_a_page_that_does_nothing(full, show):  # noqa: F811
    """``/livez`` says "ok" and asks nobody: what is left is the server and the middleware, as for the list."""
    with market(100_000 if full else 600, buyers=10) as place:
        place.scatter()
        ask(place, rounds=1)  # makes the count
        collect = [sys.executable, "manage.py", "collectstatic", "--noinput", "-v", "0"]
        subprocess.run(collect, cwd=ROOT, env=place.env, check=True)
        port = free_port()
        command = [sys.executable, "-m", "gunicorn", "marketplace.wsgi", "--no-control-socket", "-k", "gthread"]
        server = subprocess.Popen(
            [*command, "-w", "1", "--threads", "2", "--bind", f"127.0.0.1:{port}", "--log-level", "critical"],
            cwd=ROOT,
            env=place.env,
        )
        try:
            wait_for(port)
            seconds = 4 if full else 0.5
            # What is drawn for a list is kept for a while; the last is a list for which nobody asked before.
            paths = ("/livez", "/leads/", "/leads/?vertical=solar&state=OH", "/leads/?vertical=solar&max=9{:06}")
            for path in paths:
                fetch(port, path, 0.5)
            rounds = [[fetch(port, path, seconds) for path in paths] for _ in range(5 if full else 1)]
        finally:
            server.terminate()
            server.wait()
    rows = []
    for column, path in enumerate(paths[1:], start=1):
        ratios = [row[column] / row[0] for row in rounds]
        rate = statistics.median(row[column] for row in rounds)
        base = statistics.median(row[0] for row in rounds)
        rows.append(
            (
                f"list page, 20 rows ({path})",
                f"/livez: {base:.0f}/s",
                "≥ 0.06 (stretch 0.10)",
                f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f}; {rate:.0f}/s)",
            )
        )
    show(table(rows))
    assert len(rows) == 3
