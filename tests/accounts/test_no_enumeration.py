"""Whether an address has an account is told to its owner alone: not by text, status, header, mail or work done."""

from collections import Counter
from collections.abc import Callable

import pytest
import time_machine
from django.contrib.auth.hashers import MD5PasswordHasher
from django.core.cache import cache
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from marketplace.core import clock
from marketplace.mail.models import OutgoingEmail
from tests.people import make_bob

from .conftest import ENTER_CODE, ENTER_RESET_CODE, PASSWORD, RESET, SIGN_IN, SIGN_UP, make_unverified, newcomer, told

pytestmark = pytest.mark.django_db
# As long as the known ones, so that not even Content-Length differs for another reason.
KNOWN, UNKNOWN = "bob@example.com", "zoe@example.com"
UNVERIFIED, CLOSED = "eve@example.com", "dan@example.com"
WRONG = "00000000"
Step = Callable[[Client, str], HttpResponse]


@pytest.fixture(autouse=True)
def _no_time_passes():
    """What is left of a limit or of a code is told by the second."""
    with time_machine.travel(clock.now(), tick=False):
        yield


@pytest.fixture(autouse=True)
def _people(db):
    """One account of each sort. Zoe has none."""
    make_bob()
    make_unverified("Eve")
    dan = make_unverified("Dan")
    dan.is_active = False
    dan.save()


def sign_up(client: Client, email: str) -> HttpResponse:
    return client.post(SIGN_UP, newcomer(email=email, handle=f"Fresh-{email[:3]}", next="/terms/"))


def another_sign_up(client: Client, email: str) -> HttpResponse:
    return client.post(SIGN_UP, newcomer(email=f"third-{email}", handle=f"Fresh-{email[:3]}"))


def look(path: str) -> Step:
    return lambda client, email: client.get(path)


def post(path: str, **data: str) -> Step:
    def send(client: Client, email: str) -> HttpResponse:
        return client.post(path, {key: email if value == "EMAIL" else value for key, value in data.items()})

    return send


def elsewhere(step: Step) -> Step:
    return lambda client, email: step(Client(REMOTE_ADDR="203.0.113.78"), email)


def later(client: Client, email: str) -> None:
    """The limits of the last moment are over."""
    cache.clear()


SIGNING_UP = [
    sign_up,
    look(ENTER_CODE),
    look(SIGN_UP),
    post(ENTER_CODE, code="letters"),
    *[post(ENTER_CODE, code=WRONG)] * 3,
    look(SIGN_IN),
    look(ENTER_CODE),
]
SIGNING_UP_TWICE = [sign_up, elsewhere(sign_up)]
# Whether the first try made an account must not show in its public name either.
TRYING_THE_NAME_AGAIN = [sign_up, later, elsewhere(another_sign_up), elsewhere(another_sign_up)]
ASKING_AGAIN = [
    sign_up,
    post(ENTER_CODE, action="resend"),
    later,
    post(ENTER_CODE, action="resend"),
    look(ENTER_CODE),
    later,
    post(ENTER_CODE, action="resend"),
    later,
    post(ENTER_CODE, action="resend"),
    look(ENTER_CODE),
]
CHANGING_ONES_MIND = [sign_up, post(ENTER_CODE, action="change", email="other@example.com"), look(ENTER_CODE)]
SIGNING_IN = [post(SIGN_IN, login="EMAIL", password="wrong wrong wrong")] * 7
RESETTING = [
    post(RESET, email="EMAIL", next="/terms/"),
    look(ENTER_RESET_CODE),
    post(ENTER_RESET_CODE, code="letters"),
    post(RESET, email="EMAIL", again="1"),
    look(ENTER_RESET_CODE),
    *[post(ENTER_RESET_CODE, code=WRONG)] * 3,
    look(SIGN_IN),
    *[post(RESET, email="EMAIL")] * 5,
]
JOURNEYS = {
    "signing up": SIGNING_UP,
    "signing up twice": SIGNING_UP_TWICE,
    "trying the name again": TRYING_THE_NAME_AGAIN,
    "asking for codes": ASKING_AGAIN,
    "asking for a change": CHANGING_ONES_MIND,
    "signing in": SIGNING_IN,
    "resetting": RESETTING,
}


def journey(steps: list[Step], email: str, spy: Counter) -> list[tuple]:
    cache.clear()
    client = Client(REMOTE_ADDR="203.0.113.77")
    transcript = []
    for step in steps:
        spy.clear()
        response = step(client, email)
        if response is not None:
            transcript.append((told(response, email), dict(spy)))
    return transcript


@pytest.fixture
def hashes(monkeypatch) -> Counter:
    """How often a password was hashed."""
    spy: Counter = Counter()
    encode = MD5PasswordHasher.encode

    def counted(self, *args, **kwargs):
        spy["hashes"] += 1
        return encode(self, *args, **kwargs)

    monkeypatch.setattr(MD5PasswordHasher, "encode", counted)
    return spy


@pytest.mark.parametrize("steps", JOURNEYS.values(), ids=JOURNEYS.keys())
@pytest.mark.parametrize("known", [KNOWN, UNVERIFIED, CLOSED])
def test_a_known_address_looks_like_a_new_one(steps, known, hashes):
    of_known = journey(steps, known, hashes)
    of_unknown = journey(steps, UNKNOWN, hashes)
    assert len(of_known) == len(of_unknown) > 0
    for number, (one, other) in enumerate(zip(of_known, of_unknown, strict=True)):
        assert one == other, f"step {number}"


def test_the_journeys_go_where_they_should(hashes):
    """Else two equal dead ends would prove nothing."""
    statuses = {name: [step[0][0] for step in journey(steps, KNOWN, hashes)] for name, steps in JOURNEYS.items()}
    assert statuses == {
        "signing up": [302, 200, 302, 422, 422, 422, 302, 200, 302],
        "signing up twice": [302, 429],
        "trying the name again": [302, 302, 429],
        "asking for codes": [302, 429, 302, 200, 302, 422, 200],
        "asking for a change": [302, 422, 200],
        "signing in": [422] * 5 + [429] * 2,
        "resetting": [302, 200, 422, 302, 200, 422, 422, 302, 200, 302, 302, 302, 429, 429],
    }


def test_each_password_costs_one_hash(hashes):
    for email in (KNOWN, UNKNOWN, UNVERIFIED, CLOSED):
        assert journey(SIGNING_IN[:1], email, hashes)[0][1] == {"hashes": 1}
        assert journey(SIGNING_UP[:1], email, hashes)[0][1] == {"hashes": 1}


def test_a_reset_is_the_same_work_for_nobody(mails):
    """One message is sealed and written either way; for nobody it is taken back in the same transaction."""
    written = []
    for email in (KNOWN, UNKNOWN, CLOSED):
        cache.clear()
        with CaptureQueriesContext(connection) as queries:
            Client().post(RESET, {"email": email})
        written.append(sum("INSERT INTO mail_outgoingemail" in query["sql"] for query in queries))
    assert written == [1, 1, 1]
    assert [message.to for message in mails()] == [[KNOWN]]
    assert OutgoingEmail.objects.count() == 1


def test_only_the_owner_is_told(mails, hashes):
    journey(SIGNING_UP, KNOWN, hashes)
    (message,) = mails()
    assert (message.to, message.subject) == ([KNOWN], "You have an account at Leadfair")


def test_asking_again_tells_the_owner_no_more(mails, hashes):
    journey(ASKING_AGAIN, KNOWN, hashes)
    assert [message.subject for message in mails()] == ["You have an account at Leadfair"]


def test_strangers_get_no_mail(mails, hashes):
    journey(RESETTING, UNKNOWN, hashes)
    journey(SIGNING_IN, UNKNOWN, hashes)
    journey(RESETTING, CLOSED, hashes)
    assert mails() == []


def test_no_code_opens_an_account_that_was_not_made(mails, hashes):
    """The pretended process has a code that nobody was sent; even guessed it must lead nowhere."""
    client = Client()
    sign_up(client, KNOWN)
    code = client.session["account_email_verification_code"]["code"]
    mails()
    response = client.post(ENTER_CODE, {"code": code})
    assert response.status_code < 500
    assert client.get("/account/").status_code == 302


def test_a_signed_up_person_can_still_sign_in_at_once(mails):
    """The one thing that may differ: who has the password."""
    client = Client()
    sign_up(client, UNKNOWN)
    cache.clear()
    assert Client().post(SIGN_IN, {"login": UNKNOWN, "password": PASSWORD})["Location"].startswith(ENTER_CODE)
