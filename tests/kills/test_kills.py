"""``kill -9`` on web and worker at random moments while buyers buy: 20 times by default, 200 with ``-m kills``."""

import random
import time
from collections import Counter
from dataclasses import replace

import pytest

from tests.kills.buyers import Acknowledged, Crowd, Reckoning, site

pytestmark = [pytest.mark.kills]
STRETCH = 10  # rounds; somebody buys in each


def test_kill_nine_under_load(asked_for, show):
    rounds = 200 if asked_for("kills") else 20
    dice = random.Random(11)
    with site() as stack:
        crowd = Crowd(stack, dice)
        killed: Counter[str] = Counter()
        kills: list[float] = []
        for _ in range(rounds):
            crowd.restock()
            time.sleep(dice.uniform(0.05, 0.6))
            name = dice.choice(["web", "worker", "worker"])
            stack.kill(name)
            kills.append(time.time())
            killed[name] += 1
            stack.start(name)
            if name == "web":
                stack.wait_ready()
        crowd.wait_for_a_purchase()
        found = crowd.go_home()

    stretches = [(kills[first], [*kills, time.time()][first + STRETCH]) for first in range(0, rounds, STRETCH)]
    bought = [sum(since < yes.at < until for yes in found.acknowledged.values()) for since, until in stretches]
    show(f"{rounds} kills {dict(killed)}: {found}, {min(bought)} or more bought in each {STRETCH} rounds")
    assert min(bought) > 0, bought
    found.check(unknown=killed["worker"] * 3)


@pytest.mark.postgresql
def test_two_of_each_and_one_of_each_killed(asked_for, show):
    """Two web servers and two workers on one PostgreSQL and one Redis, behind no more than a proxy that asks the other
    one when one is gone: people go on buying while it is."""
    rounds = 60 if asked_for("kills") else 6
    dice = random.Random(13)
    with site(twice=True) as stack:
        crowd = Crowd(stack, dice)
        for _ in range(rounds):
            crowd.restock()
            time.sleep(dice.uniform(0.05, 0.6))
            names = [dice.choice(["web", "web2"]), dice.choice(["worker", "worker2"])]
            for name in names:
                stack.kill(name)
            crowd.wait_for_a_purchase()
            for name in names:
                stack.start(name)
            stack.wait_ready()
        crowd.wait_for_a_purchase()
        found = crowd.go_home()
    show(f"{rounds} kills of a web server and a worker each: {found}")
    found.check(unknown=rounds * 3)


@pytest.mark.parametrize("wrong", ["lost", "unasked", "twice", "unsent", "unknown"])
def test_control_the_reckoning_notices(wrong):
    """What these tests look for, seeded."""
    yes = Acknowledged("p", asked_at=0, at=1)
    found = Reckoning({"k": yes}, {"k": ["p"]}, [], set(), Counter({"sent": 1}), {}, [])
    found.check()
    seeded = {
        "lost": {"books": {}},
        "unasked": {"was_there": ["k"]},
        "twice": {"twice": {"m": 2}},
        "unsent": {"unsent": ["m"]},
        "unknown": {"states": Counter({"unknown": 1})},
    }
    with pytest.raises(AssertionError):
        replace(found, **seeded[wrong]).check()
