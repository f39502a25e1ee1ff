"""Waking a worker: after the commit, not too often, and never at the cost of who waits for the page."""

import time

import pytest
from celery import Celery
from django.conf import settings
from django.db import transaction
from kombu.exceptions import OperationalError

from marketplace.core import outages, wake

pytestmark = pytest.mark.django_db(transaction=True)


class Broker:
    """Counts what is sent, or fails."""

    def __init__(self, *, is_down: bool = False) -> None:
        self.sent: list[str] = []
        self.conf = self
        self.broker_url = "redis://tests"
        self.is_down = is_down

    def send_task(self, task: str) -> None:
        self.sent.append(task)
        if self.is_down:
            raise OperationalError


@pytest.fixture(autouse=True)
def _as_at_the_start(monkeypatch):
    monkeypatch.setattr(outages, "_away_until", {})
    monkeypatch.setattr(wake, "_last", {})


@pytest.fixture
def use(monkeypatch):
    def use(broker):
        monkeypatch.setattr(wake, "current_app", broker)
        return broker

    return use


def test_it_works(use):
    broker = use(Broker())
    with transaction.atomic():
        wake.after_commit("tests.work")
        assert broker.sent == []
    assert broker.sent == ["tests.work"]


def test_what_is_rolled_back_wakes_nobody(use):
    broker = use(Broker())
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        wake.after_commit("tests.work")
        1 / 0  # noqa: B018
    assert broker.sent == []


def test_one_call_serves_all_rows_of_a_moment(use):
    broker = use(Broker())
    for _ in range(5):
        wake.after_commit("tests.work")
    wake.after_commit("tests.other")
    assert broker.sent == ["tests.work", "tests.other"]
    wake._last["tests.work"] -= wake.PAUSE
    wake.after_commit("tests.work")
    assert broker.sent == ["tests.work", "tests.other", "tests.work"]


def test_a_broker_that_is_down_breaks_nothing_and_is_left_alone_for_a_while(use):
    broker = use(Broker(is_down=True))
    wake.after_commit("tests.work")
    wake.after_commit("tests.other")
    assert broker.sent == ["tests.work"]
    outages._away_until.clear()
    broker.is_down = False
    wake.after_commit("tests.other")
    assert broker.sent == ["tests.work", "tests.other"]


@pytest.mark.postgresql
def test_a_redis_that_is_down_costs_no_waiting(use):
    """With the options of the settings; kombu's own would take six seconds for each of the two."""
    app = use(Celery("tests"))
    app.config_from_object(settings, namespace="CELERY")
    app.conf.broker_url = "redis://127.0.0.1:1/0"
    started = time.monotonic()
    wake.after_commit("tests.work")
    outages._away_until.clear()
    wake.after_commit("tests.other")
    assert set(wake._last) == {"tests.work", "tests.other"}, "both were tried"
    assert time.monotonic() - started < 4
