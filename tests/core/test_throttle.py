"""So many uses in a window, and when it is over."""

import pytest
import time_machine

from marketplace.core.refusals import TooMany
from marketplace.core.throttle import throttle

pytestmark = pytest.mark.django_db


@pytest.fixture
def clock():
    """20 seconds before a minute ends."""
    with time_machine.travel("2026-11-23T10:00:40Z", tick=False) as travelling:
        yield travelling


def test_it_works(clock):
    for _ in range(3):
        throttle("deposit", "alice", limit=3, seconds=60)
    with pytest.raises(TooMany) as refusal:
        throttle("deposit", "alice", limit=3, seconds=60)
    assert refusal.value.retry_after == 20
    assert refusal.value.status == 429


def test_a_new_window_starts_anew(clock):
    throttle("deposit", "alice", limit=1, seconds=60)
    clock.shift(20)
    throttle("deposit", "alice", limit=1, seconds=60)


def test_others_and_other_things_are_counted_apart(clock):
    throttle("deposit", "alice", limit=1, seconds=60)
    throttle("deposit", "bob", limit=1, seconds=60)
    throttle("export", "alice", limit=1, seconds=60)
    with pytest.raises(TooMany):
        throttle("deposit", "alice", limit=1, seconds=60)
