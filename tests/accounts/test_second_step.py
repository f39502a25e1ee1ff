"""Signing in with a second factor: the password alone opens nothing, and a code opens once."""

import json
import re

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse

from accounts import factors, services
from accounts.models import User
from marketplace.core import clock
from tests.factors import Passkey, code, give_app, recovery_codes_of
from tests.people import PASSWORD

from .conftest import ENTER_RESET_CODE, IP, NEW_PASSWORD, RESET, SIGN_IN, SIGN_OUT, code_of

pytestmark = pytest.mark.django_db
STEP, PROFILE = reverse("mfa_authenticate"), reverse("accounts:profile")


@pytest.fixture
def secret(alice) -> str:
    return give_app(alice)


@pytest.fixture
def moving(db):
    """A clock that stands still until it is moved, at the beginning of a half minute."""
    now = clock.now().replace(second=0, microsecond=0)
    with time_machine.travel(now, tick=False) as stopped:
        yield stopped


def half_way(browser, **more: str):
    """Alice's password is given, and the second step asked for."""
    response = browser.post(SIGN_IN, {"login": "alice@example.com", "password": PASSWORD} | more)
    assert response["Location"] == STEP, response.text
    return response


def is_signed_in(browser) -> bool:
    return browser.get(PROFILE).status_code == 200


def errors_of(response) -> str:
    return str(response.context["form"].errors)


def test_it_works(visitor, alice, secret):
    half_way(visitor, next="/terms/")
    page = visitor.get(STEP)
    assert "One more step" in page.text
    assert "no-store" in page["Cache-Control"]
    assert visitor.post(STEP, {"code": code(secret)})["Location"] == "/terms/"
    assert is_signed_in(visitor)
    assert factors.of(alice).app.last_used_at


def test_the_password_alone_opens_nothing(visitor, alice, secret):
    half_way(visitor)
    assert not is_signed_in(visitor)
    assert SESSION_KEY not in visitor.session
    assert visitor.get("/wallet/").status_code == 302
    assert visitor.get(reverse("mfa_index")).status_code == 302
    assert visitor.get(SIGN_IN)["Location"] == STEP, "who comes back goes on where they were"


def test_control_without_a_factor_it_would(visitor, alice):
    assert visitor.post(SIGN_IN, {"login": alice.email, "password": PASSWORD})["Location"] != STEP
    assert is_signed_in(visitor)


def test_nobody_gets_there_without_the_password(visitor, alice, secret):
    assert visitor.get(STEP)["Location"] == SIGN_IN
    assert visitor.post(STEP, {"code": code(secret)})["Location"] == SIGN_IN
    assert not is_signed_in(visitor)


def test_a_wrong_code_is_said_and_the_step_stays(visitor, alice, secret):
    half_way(visitor)
    wrong = visitor.post(STEP, {"code": code(secret, later=5)})
    assert wrong.status_code == 422
    assert "not right, or it was used already" in errors_of(wrong)
    assert visitor.post(STEP, {"code": code(secret)}).status_code == 302


@pytest.mark.parametrize(
    "typed", ["", "12345", "1234567", "123456789", "abcdef", "１２３４５６", "12\x0034", "9" * 5000]
)
def test_what_cannot_be_a_code_is_no_try(visitor, alice, secret, typed):
    half_way(visitor)
    for _ in range(6):
        assert visitor.post(STEP, {"code": typed}).status_code == 422
    assert visitor.post(STEP, {"code": code(secret)}).status_code == 302


def test_spaces_do_not_matter(visitor, alice, secret):
    half_way(visitor)
    shown = code(secret)
    assert visitor.post(STEP, {"code": f" {shown[:3]} {shown[3:]} "}).status_code == 302


# --- a code works once ------------------------------------------------------------------------------------------------


def test_a_code_works_once(alice, secret, moving):
    """For as long as it would be good, which is a minute and a half: allauth alone forgets it after half a minute."""
    shown = code(secret, later=1)  # the phone is ahead
    first, second = Client(), Client()
    half_way(first)
    assert first.post(STEP, {"code": shown}).status_code == 302
    half_way(second)
    for _ in range(3):
        assert second.post(STEP, {"code": shown}).status_code == 422
        moving.shift(29)
    assert not is_signed_in(second)


def test_an_earlier_code_does_not_work_after_a_later_one(alice, secret, moving):
    """Who looked over the shoulder cannot use the one that was shown before."""
    before = code(secret)
    moving.shift(30)
    first, second = Client(), Client()
    half_way(first)
    assert first.post(STEP, {"code": code(secret)}).status_code == 302
    half_way(second)
    assert second.post(STEP, {"code": before}).status_code == 422


@pytest.mark.parametrize(("later", "status"), [(-2, 422), (-1, 302), (0, 302), (1, 302), (2, 422)])
def test_clocks_may_differ_by_half_a_minute(visitor, alice, secret, moving, later, status):
    half_way(visitor)
    assert visitor.post(STEP, {"code": code(secret, later=later)}).status_code == status


def test_a_recovery_code_works_once_and_is_told_by_mail(alice, secret, mails):
    mails()
    first, second = Client(REMOTE_ADDR=IP, HTTP_USER_AGENT="Canary/1.0"), Client()
    one = recovery_codes_of(alice)[3]
    half_way(first)
    assert first.post(STEP, {"code": f"{one[:4]} {one[4:]}"}).status_code == 302
    assert is_signed_in(first)
    half_way(second)
    assert second.post(STEP, {"code": one}).status_code == 422
    assert len(recovery_codes_of(alice)) == factors.CODES - 1
    (told,) = mails()
    assert told.to == [alice.email]
    assert "recovery code" in told.subject
    assert "You have 9 left." in told.body
    assert IP not in str(told.message())
    assert "Canary" not in str(told.message())


def test_the_code_of_another_member_does_not_work(visitor, alice, bob, secret):
    other = give_app(bob)
    half_way(visitor)
    assert visitor.post(STEP, {"code": code(other)}).status_code == 422
    assert visitor.post(STEP, {"code": recovery_codes_of(bob)[0]}).status_code == 422
    assert len(recovery_codes_of(bob)) == factors.CODES


def test_a_row_copied_from_another_member_does_not_open(visitor, alice, bob, secret):
    """Whoever can write into the table cannot put a secret of their own there."""
    mine = give_app(bob)
    known = recovery_codes_of(bob)[0]
    for kind in ("totp", "recovery_codes"):
        data = Authenticator.objects.get(user=bob, type=kind).data
        Authenticator.objects.filter(user=alice, type=kind).update(data=data)
    half_way(visitor)
    assert visitor.post(STEP, {"code": code(mine)}).status_code == 422
    assert visitor.post(STEP, {"code": known}).status_code == 422


# --- guessing ---------------------------------------------------------------------------------------------------------


def test_guessing_is_limited_and_the_step_stays(alice, secret, moving):
    browser = Client()
    half_way(browser)
    for _ in range(5):
        assert browser.post(STEP, {"code": "00000000"}).status_code == 422
        moving.shift(2)
    for _ in range(2):  # the right one is not looked at
        refused = browser.post(STEP, {"code": code(secret)})
        assert (refused.status_code, int(refused["Retry-After"])) == (429, 290)
        assert "A moment, please" in refused.text
        assert "Too many codes were wrong." in refused.text
        assert f'action="{STEP}"' in refused.text
        assert refused.text.count('role="alert"') == 1
    moving.shift(290)
    assert browser.post(STEP, {"code": code(secret)}).status_code == 302


def test_beginning_anew_or_elsewhere_does_not_help(alice, secret):
    for number in range(5):
        browser = Client(REMOTE_ADDR=f"198.51.100.{number}")
        half_way(browser)
        assert browser.post(STEP, {"code": "00000000"}).status_code == 422
    browser = Client(REMOTE_ADDR="198.51.100.99", HTTP_HOST="localhost")
    half_way(browser)
    assert browser.post(STEP, {"code": code(secret)}).status_code == 429


def test_a_good_code_in_between_does_not_start_the_count_anew(alice, secret, moving):
    """The owner signs in while somebody guesses."""
    guesser, owner = Client(), Client()
    half_way(guesser)
    for _ in range(4):
        guesser.post(STEP, {"code": "00000000"})
    moving.shift(1)
    half_way(owner)
    assert owner.post(STEP, {"code": code(secret)}).status_code == 302
    assert guesser.post(STEP, {"code": "00000000"}).status_code == 422
    assert guesser.post(STEP, {"code": "00000000"}).status_code == 429


def test_patience_does_not_help_either(alice, secret, moving):
    """Fifty wrong ones a day."""
    answers = []
    for _ in range(11):
        browser = Client()
        half_way(browser)
        answers += [browser.post(STEP, {"code": "00000000"}).status_code for _ in range(5)]
        moving.shift(301)
    assert answers == [422] * 50 + [429] * 5


def test_an_account_of_ones_own_does_not_help(alice, bob, secret, moving):
    """A good code of Bob's takes nothing back of what was guessed from the same place."""
    own = give_app(bob)
    answers = []
    for number in range(30):
        browser = Client(REMOTE_ADDR=IP)
        browser.post(SIGN_IN, {"login": bob.email, "password": PASSWORD})
        if browser.post(STEP, {"code": code(own)}).status_code == 429:
            break
        moving.shift(1)
        answers.append(Client(REMOTE_ADDR=IP).post(SIGN_IN, {"login": f"{number}@example.com", "password": "x"}))
        own_step = factors.of(bob).app
        own_step.data["last_step"] = 0
        own_step.save()
    assert answers[-1].status_code == 429, "twenty a minute from one address"


# --- passkeys ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def passkey(alice) -> Passkey:
    """A passkey of Alice's, made on a page of hers."""
    browser = Client(HTTP_HOST="localhost")
    browser.force_login(alice)
    add, key = reverse("mfa_add_webauthn"), Passkey()
    made = key.make(options_of(browser.get(add)))
    assert browser.post(add, {"name": "Phone", "credential": json.dumps(made)}).status_code == 302
    return key


def options_of(page) -> dict:
    """The question that a page puts to the browser."""
    found = re.search(r'<script id="passkey-options" type="application/json">(.*?)</script>', page.text)
    assert found, page.text
    return json.loads(found[1])


@pytest.fixture
def local(db) -> Client:
    """A browser that knows the site by name: passkeys know no numbers."""
    return Client(HTTP_HOST="localhost")


def test_a_passkey_signs_in(local, alice, passkey):
    half_way(local)
    page = local.get(STEP)
    assert "Use a passkey" in page.text
    assert local.post(STEP, {"credential": json.dumps(passkey.sign(options_of(page)))}).status_code == 302
    assert is_signed_in(local)
    assert factors.of(alice).passkeys[0].last_used_at


def test_without_javascript_the_button_says_what_it_needs(local, alice, passkey):
    half_way(local)
    page = local.post(STEP, {"credential": ""})
    assert page.status_code == 422
    assert "A passkey needs JavaScript" in page.text
    assert page.text.count('role="alert" aria') == 1
    assert local.post(STEP, {"code": recovery_codes_of(alice)[0]}).status_code == 302


def test_an_answer_of_a_passkey_works_once(local, alice, passkey):
    half_way(local)
    answer = {"credential": json.dumps(passkey.sign(options_of(local.get(STEP))))}
    assert local.post(STEP, answer).status_code == 302
    other = Client(HTTP_HOST="localhost")
    half_way(other)
    other.get(STEP)
    assert other.post(STEP, answer).status_code == 422
    assert not is_signed_in(other)


@pytest.mark.parametrize("origin", ["http://evil.example", "https://localhost.evil.example", "http://127.0.0.1"])
def test_another_site_cannot_use_it(local, alice, passkey, origin):
    half_way(local)
    passkey.origin = origin
    answer = passkey.sign(options_of(local.get(STEP)))
    assert local.post(STEP, {"credential": json.dumps(answer)}).status_code == 422


def test_a_strange_passkey_does_not_work(local, alice, passkey):
    half_way(local)
    other = Passkey()
    assert local.post(STEP, {"credential": json.dumps(other.sign(options_of(local.get(STEP))))}).status_code == 422
    other.id = passkey.id  # the right name with the wrong key
    assert local.post(STEP, {"credential": json.dumps(other.sign(options_of(local.get(STEP))))}).status_code == 422
    assert not is_signed_in(local)


def test_the_passkey_of_another_member_does_not_work(local, alice, bob, passkey):
    give_app(bob)
    local.post(SIGN_IN, {"login": bob.email, "password": PASSWORD})
    assert local.post(STEP, {"credential": json.dumps(passkey.sign(options_of_anybody(local)))}).status_code == 422


def options_of_anybody(browser) -> dict:
    """Bob has no passkey, so his page puts no question; its challenge lies in the session all the same."""
    browser.get(STEP)
    return {"publicKey": {"challenge": browser.session["mfa.webauthn.state"]["challenge"]}}


def test_guesses_of_somebody_else_do_not_lock_a_passkey_out(local, alice, passkey):
    for _ in range(6):
        browser = Client()
        half_way(browser)
        browser.post(STEP, {"code": "00000000"})
    half_way(local)
    assert local.post(STEP, {"credential": json.dumps(passkey.sign(options_of(local.get(STEP))))}).status_code == 302


# --- around it --------------------------------------------------------------------------------------------------------


def test_keep_me_signed_in_still_holds(visitor, alice, secret):
    half_way(visitor, remember="on")
    response = visitor.post(STEP, {"code": code(secret)})
    assert response.cookies["sessionid"]["max-age"] > 13 * 24 * 3600


def test_without_the_box_the_session_ends_with_the_browser(visitor, alice, secret):
    half_way(visitor)
    assert visitor.post(STEP, {"code": code(secret)}).cookies["sessionid"]["max-age"] == ""


def test_a_new_password_does_not_switch_it_off(visitor, alice, secret, mails):
    """Nor does it lead around it: whoever reads the mailbox has no second factor."""
    visitor.post(RESET, {"email": alice.email})
    reset = next(mail for mail in mails() if "new password" in mail.subject)
    visitor.post(ENTER_RESET_CODE, {"code": code_of(reset)})
    visitor.post(NEW_PASSWORD, {"password1": "quite another phrase"})
    assert not is_signed_in(visitor)
    assert visitor.post(SIGN_IN, {"login": alice.email, "password": "quite another phrase"})["Location"] == STEP
    assert not is_signed_in(visitor)
    assert visitor.post(STEP, {"code": code(secret)}).status_code == 302
    assert is_signed_in(visitor)


def test_a_password_changed_meanwhile_ends_the_step(visitor, alice, secret):
    """Whoever knew the old one waits for the second factor, and its owner has noticed."""
    half_way(visitor)
    services.set_password(User.objects.get(pk=alice.pk), "quite another phrase")
    assert visitor.post(STEP, {"code": code(secret)})["Location"] == SIGN_IN
    assert "changed meanwhile" in visitor.get(SIGN_IN).text
    assert not is_signed_in(visitor)


@pytest.mark.parametrize("what", ["ended", "closed"])
def test_so_does_ending_all_sessions_or_closing_the_account(visitor, alice, secret, what):
    half_way(visitor)
    if what == "ended":
        services.end_sessions(alice)
    else:
        User.objects.filter(pk=alice.pk).update(is_active=False)
    assert visitor.get(STEP)["Location"] == SIGN_IN
    assert not is_signed_in(visitor)


def test_the_step_waits_a_quarter_of_an_hour(alice, secret, moving):
    browser = Client()
    half_way(browser)
    moving.shift(901)
    assert browser.post(STEP, {"code": code(secret)})["Location"] == SIGN_IN


def test_one_can_begin_anew_as_somebody_else(visitor, alice, bob, secret):
    half_way(visitor)
    assert visitor.post(SIGN_OUT, {"next": SIGN_IN})["Location"] == SIGN_IN
    assert visitor.post(SIGN_IN, {"login": bob.email, "password": PASSWORD}).status_code == 302
    assert is_signed_in(visitor)


def test_no_session_holds_an_email_an_ip_or_a_secret(visitor, alice, secret):
    half_way(visitor)
    visitor.get(STEP)
    visitor.post(STEP, {"code": "00000000"})
    waiting = [session.get_decoded() for session in Session.objects.all()]
    visitor.post(STEP, {"code": code(secret)})
    held = repr([*waiting, *(session.get_decoded() for session in Session.objects.all())])
    for canary in (alice.email, IP, "Canary/1.0", secret, PASSWORD):
        assert canary not in held
    assert "'method': 'mfa'" in held
