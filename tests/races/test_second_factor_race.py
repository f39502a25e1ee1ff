"""One code in two browsers, and two factors removed at once. Each race has a control: with its guard off it is red."""

import threading

import pytest

from accounts import factors
from accounts.models import User
from tests.factors import code, give_app, recovery_codes_of
from tests.people import make_alice, make_charlie
from tests.races.rig import race, tally
from tests.races.test_working_race import careless

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.race]
RACERS = 12


def meeting(function, number: int):
    """``function``, whose callers in a race go on once all of them have its answer."""
    all_have_looked = threading.Barrier(number)

    def look(*args):
        answer = function(*args)
        if threading.current_thread() is not threading.main_thread():
            all_have_looked.wait(timeout=20)
        return answer

    return look


def without_lock(monkeypatch) -> None:
    monkeypatch.setattr(factors, "_lock", lambda user: User.objects.get(pk=user.pk))
    loose = careless(factors.use_code, '.select_for_update(no_key=True, of=("self",))', "")
    monkeypatch.setattr(factors, "use_code", loose)


def check_one_use(kind: str) -> None:
    """Whoever reads over the shoulder is as fast as the owner."""
    alice = make_alice()
    secret = give_app(alice)
    typed = code(secret) if kind == "app" else recovery_codes_of(alice)[0]
    results = race([lambda: factors.use_code(alice, typed)] * RACERS)
    assert tally(results) == {"ok": RACERS}
    assert sum(result.value is not None for result in results) == 1


@pytest.mark.parametrize("kind", ["app", "recovery code"])
def test_a_code_opens_one_session(kind):
    check_one_use(kind)


@pytest.mark.postgresql  # SQLite has one writer at a time anyway
@pytest.mark.parametrize("kind", ["app", "recovery code"])
def test_control_without_the_lock_it_opens_several(kind, monkeypatch):
    without_lock(monkeypatch)
    monkeypatch.setattr(factors, "_opened", meeting(factors._opened, RACERS))
    with pytest.raises(AssertionError, match=r"== 1"):
        check_one_use(kind)


def check_one_stays(settings) -> None:
    """Each of them would leave the other one."""
    settings.STAFF_SECOND_FACTOR = True
    charlie = make_charlie()
    give_app(charlie)
    factors.add_passkey(charlie, {"id": "x"}, name="Key")
    found = factors.of(charlie)
    results = race([lambda row=row: factors.remove(charlie, row) for row in (found.app, found.passkeys[0])])
    assert tally(results) == {"ok": 1, "StaffNeedOne": 1}
    assert factors.has_second_factor(charlie)


def test_our_staff_keep_one(settings):
    check_one_stays(settings)


@pytest.mark.postgresql  # SQLite has one writer at a time anyway
def test_control_without_the_lock_they_keep_none(settings, monkeypatch):
    without_lock(monkeypatch)
    monkeypatch.setattr(factors, "is_last", meeting(factors.is_last, 2))
    with pytest.raises(AssertionError, match="StaffNeedOne"):
        check_one_stays(settings)
