"""What the site stands on goes away, fills up or hangs while buyers buy: they are told to come back, lose nothing, and
everything is well again without a restart."""

import random
import time

import pytest
import requests
from django.conf import settings

from tests.kills.buyers import Crowd, site
from tests.kills.servers import PostgreSQL, Redis, running
from tests.people import PASSWORD
from tests.stack import Browser, Stack

pytestmark = [pytest.mark.kills, pytest.mark.postgresql]


def test_postgresql_is_away(asked_for, show):
    seconds = 30 if asked_for("kills") else 5
    with running(PostgreSQL) as server, site(database=server.url) as stack:
        crowd = Crowd(stack, random.Random(17))
        crowd.wait_for_a_purchase()
        before = {name: child.pid for name, child in stack.children.items()}

        server.stop()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for path in ("/", "/leads/"):
                answer = requests.get(f"{stack.url}{path}", timeout=10)
                assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
                assert "The site is away for a moment" in answer.text
            assert requests.get(f"{stack.url}/livez", timeout=10).text == "ok"
            assert requests.get(f"{stack.url}/readyz", timeout=10).text == "unready"

        server.start()
        back = time.monotonic()
        crowd.wait_for_a_purchase()
        stack.wait_ready()
        healthy = time.monotonic() - back
        bought = len(crowd.times())
        crowd.restock()
        _wait_for_mails(stack, bought)
        assert {name: child.pid for name, child in stack.children.items()} == before
        assert all(child.poll() is None for child in stack.children.values())
        found = crowd.go_home()
    show(f"PostgreSQL away for {seconds} s, bought and ready again {healthy:.1f} s after it was back: {found}")
    assert found.answers["503"] > 0
    found.check(unknown=2)  # messages that left while nobody could write that down


def _wait_for_mails(stack: Stack, number: int) -> None:
    """The worker works: so many mails have left."""
    deadline = time.monotonic() + 60
    while len(stack.postbox.messages) < number:
        assert time.monotonic() < deadline, (len(stack.postbox.messages), number)
        time.sleep(0.1)


def test_redis_is_full(show):
    """It answers and takes nothing more: limits are counted in the database, work is found there by whoever looks."""
    with running(Redis) as server, site(cache=server.url) as stack:
        stack.python("from tests.people import make_member; make_member('Signer'); answer = True")
        crowd = Crowd(stack, random.Random(19))
        crowd.wait_for_a_purchase()

        # a heap of work, so that the worker is in the middle of taking some
        stack.python(
            "from marketplace.mail.tasks import deliver_due as t\nfor _ in range(300): t.delay()\nanswer = True"
        )
        server.limit(1)
        time.sleep(1)
        crowd.wait_for_a_purchase()
        browser = Browser(stack)
        for path in ("/", "/leads/", "/help/buying/", "/readyz"):
            browser.get(path)
        login = browser.get("/accounts/login/")
        page = browser.submit(login, "/accounts/login/", login="signer@example.com", password=PASSWORD)
        assert page.url.endswith("/leads/")
        full_until = time.monotonic() + 2
        while time.monotonic() < full_until:
            crowd.wait_for_a_purchase()

        server.limit(0)
        bought = len(crowd.times())
        _wait_for_mails(stack, bought)
        assert all(child.poll() is None for child in stack.children.values())
        found = crowd.go_home()
    show(f"Redis full: {found}")
    assert found.answers["503"] == 0
    found.check()


def test_a_worker_hangs(show):
    """A task that does not even end when it is asked to is ended, and the next one has its turn. The limits of the
    site's own settings are shortened here."""
    assert 0 < settings.CELERY_TASK_SOFT_TIME_LIMIT < settings.CELERY_TASK_TIME_LIMIT < 900
    worker = ["celery", "-A", "tests.kills.hanging", "worker", "--concurrency", "1", "-l", "INFO"]
    with site() as stack:
        stack.stop("beat")  # which would fill the queue
        stack.stop("worker")
        stack.COMMANDS = stack.COMMANDS | {"worker": worker}
        stack.python("from tests.kills.hanging import hang; hang.delay(); answer = True")
        began = time.monotonic()
        stack.start("worker")
        stack.python(
            "from tests.people import make_member\n"
            "from accounts import emails\n"
            "emails.password_changed(make_member('Waiter'))\n"
            "answer = True"
        )
        stack.postbox.wait_for("waiter@example.com")
        waited = time.monotonic() - began
        log = (stack.logs / "worker.log").read_text()
    show(f"the next task was done {waited:.1f} s after the worker's start")
    assert waited > 3
    assert "Soft time limit" in log
    assert "Hard time limit" in log
