"""Having a second factor: adding, seeing and removing what signing in asks for."""

import json
import re

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.urls import reverse
from fido2.utils import websafe_encode
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from accounts import factors, services
from accounts.adapter import FactorAdapter
from accounts.models import User
from marketplace.core import clock
from tests.factors import Passkey, code, give_app, recovery_codes_of
from tests.people import PASSWORD

from .conftest import ENTER_CODE, IP, SIGN_IN, code_of
from .test_second_step import options_of

pytestmark = pytest.mark.django_db
OVERVIEW, ADD_APP, REMOVE_APP = reverse("mfa_index"), reverse("mfa_activate_totp"), reverse("mfa_deactivate_totp")
ADD_PASSKEY, CODES = reverse("mfa_add_webauthn"), reverse("mfa_view_recovery_codes")
RENEW, DOWNLOAD = reverse("mfa_generate_recovery_codes"), reverse("mfa_download_recovery_codes")
CONFIRM, PROFILE = reverse("account_reauthenticate"), reverse("accounts:profile")
CONFIRM_BY_CODE, CONFIRM_BY_PASSKEY = reverse("mfa_reauthenticate"), reverse("mfa_reauthenticate_webauthn")
AGENT = "Canary/1.0"


@pytest.fixture
def browser(alice) -> Client:
    """Alice's browser; she signed in a moment ago."""
    client = Client(HTTP_HOST="localhost", REMOTE_ADDR=IP, HTTP_USER_AGENT=AGENT)
    client.force_login(alice)
    return client


def secret_on(page) -> str:
    """The key that an app is to be told."""
    found = re.search(r"<code[^>]*>([A-Z2-7 ]+)</code>", page.text)
    assert found, page.text
    return found[1].replace(" ", "")


def add_passkey(browser, key: Passkey, **more: str):
    made = key.make(options_of(browser.get(ADD_PASSKEY)))
    return browser.post(ADD_PASSKEY, {"name": "Phone", "credential": json.dumps(made)} | more)


def is_signed_in(browser) -> bool:
    return browser.get(PROFILE).status_code == 200


# --- the app ----------------------------------------------------------------------------------------------------------


def test_it_works(browser, alice, mails):
    assert "Off: the password alone is enough" in browser.get(PROFILE).text
    page = browser.get(ADD_APP)
    secret = secret_on(page)
    assert page.text.count('<svg class="qr"') == 1
    assert f"otpauth://totp/Alice?secret={secret}&amp;issuer=Leadfair" in page.text
    assert "alice%40" not in page.text
    response = browser.post(ADD_APP, {"code": code(secret)})
    assert response["Location"] == CODES
    page = browser.get(CODES)
    assert "The authenticator app is on." in page.text
    assert page.text.count("<li><code>") == factors.CODES
    assert "On: signing in asks for it" in browser.get(PROFILE).text
    overview = browser.get(OVERVIEW).text
    assert "On since" in overview
    assert "not used since" in overview
    assert "You have 10 left." in overview
    (told,) = mails()
    assert told.subject == "Your account has a new second factor"
    assert "an authenticator app" in told.body
    for canary in (IP, AGENT, secret):
        assert canary not in str(told.message())


def test_the_code_that_switched_it_on_is_used_up(browser, alice):
    secret = secret_on(browser.get(ADD_APP))
    shown = code(secret)
    browser.post(ADD_APP, {"code": shown})
    other = Client()
    other.post(SIGN_IN, {"login": alice.email, "password": PASSWORD})
    assert other.post(reverse("mfa_authenticate"), {"code": shown}).status_code == 422


def test_a_wrong_code_keeps_the_secret(browser, alice):
    """Who scanned the picture need not scan another."""
    secret = secret_on(browser.get(ADD_APP))
    for typed in ("000000", "12", ""):
        wrong = browser.post(ADD_APP, {"code": typed})
        assert wrong.status_code == 422
        assert secret_on(wrong) == secret
        assert wrong.text.count('aria-invalid="true"') == 1
    assert secret_on(browser.get(ADD_APP)) == secret, "nor if the page is loaded again"
    assert not factors.has_second_factor(alice)


def test_each_session_and_each_member_get_another_secret(browser, alice, bob):
    other, bobs = Client(), Client()
    other.force_login(alice)
    bobs.force_login(bob)
    assert len({secret_on(one.get(ADD_APP)) for one in (browser, other, bobs)}) == 3


def test_the_secret_is_readable_nowhere(browser, alice):
    """Neither while the app is set up nor afterwards: sessions lie in the database, and rows in its backups."""
    secret = secret_on(browser.get(ADD_APP))
    held = repr([session.get_decoded() for session in Session.objects.all()])
    assert secret not in held
    browser.post(ADD_APP, {"code": code(secret)})
    codes = recovery_codes_of(alice)
    with connection.cursor() as cursor:
        cursor.execute("SELECT data FROM mfa_authenticator")
        held += repr(cursor.fetchall())
    held += repr([session.get_decoded() for session in Session.objects.all()])
    for canary in (secret, *codes):
        assert canary not in held
    assert "offered_app_secret" not in browser.session


def test_allauth_cannot_seal_without_saying_for_whom(alice):
    """Its own ways of keeping a secret end in an error instead of a readable row."""
    with pytest.raises(NotImplementedError):
        FactorAdapter().encrypt("secret")
    with pytest.raises(NotImplementedError):
        FactorAdapter().decrypt("secret")


def test_a_second_app_is_refused(browser, alice):
    secret = secret_on(browser.get(ADD_APP))
    give_app(alice)
    browser.force_login(User.objects.get(pk=alice.pk))
    for answer in (browser.get(ADD_APP), browser.post(ADD_APP, {"code": code(secret)})):
        assert answer.status_code == 409
        assert "You have an authenticator app already" in answer.text
    assert Authenticator.objects.filter(type="totp").count() == 1


def test_two_at_once_are_one(alice):
    give_app(alice)
    with pytest.raises(factors.AlreadyOn):
        give_app(alice)
    assert Authenticator.objects.count() == 2


def test_an_email_has_to_be_proved_first(client):
    """Else somebody could lock the owner of an address out for good."""
    eve = User.objects.create_user("eve@example.com", "Eve", PASSWORD)
    client.force_login(eve)
    for page in (ADD_APP, ADD_PASSKEY):
        assert client.get(page).status_code == 403
        assert client.post(page, {"code": "123456"}).status_code == 403
    assert not factors.has_second_factor(eve)


@pytest.mark.parametrize("what", ["app", "passkey"])
def test_other_sessions_end_and_this_one_goes_on(browser, alice, what):
    elsewhere = Client()
    elsewhere.force_login(alice)
    if what == "app":
        browser.post(ADD_APP, {"code": code(secret_on(browser.get(ADD_APP)))})
        remove = REMOVE_APP
    else:
        add_passkey(browser, Passkey())
        remove = reverse("mfa_remove_webauthn", args=[factors.of(alice).passkeys[0].data["public_id"]])
    assert not is_signed_in(elsewhere)
    assert is_signed_in(browser)
    elsewhere.force_login(User.objects.get(pk=alice.pk))
    assert browser.post(remove).status_code == 302
    assert not is_signed_in(elsewhere)
    assert is_signed_in(browser)


def test_removing_it(browser, alice, mails):
    give_app(alice)
    browser.force_login(User.objects.get(pk=alice.pk))
    mails()
    page = browser.get(REMOVE_APP)
    assert "your only second factor" in page.text
    assert factors.has_second_factor(alice), "looking removes nothing"
    assert browser.post(REMOVE_APP)["Location"] == OVERVIEW
    assert Authenticator.objects.count() == 0, "recovery codes stand in for nothing now"
    (told,) = mails()
    assert told.subject == "A second factor was removed from your account"
    assert "the password alone is enough" in told.body
    assert IP not in str(told.message())
    assert browser.post(REMOVE_APP).status_code == 404
    assert mails() == []


def test_with_another_one_left_recovery_codes_stay(browser, alice, mails):
    add_passkey(browser, Passkey())
    give_app(alice)
    browser.force_login(User.objects.get(pk=alice.pk))
    codes = recovery_codes_of(alice)
    mails()
    assert "asks for one of the others" in browser.get(REMOVE_APP).text
    browser.post(REMOVE_APP)
    assert recovery_codes_of(alice) == codes
    assert "asks for one of the others" in mails()[0].body


# --- recovery codes ---------------------------------------------------------------------------------------------------


@pytest.fixture
def with_app(browser, alice) -> Client:
    """Alice's browser after she added an app."""
    give_app(alice)
    browser.force_login(User.objects.get(pk=alice.pk))
    return browser


def test_codes_can_be_seen_and_taken_along(with_app, alice):
    codes = recovery_codes_of(alice)
    assert len(set(codes)) == factors.CODES
    page = with_app.get(CODES).text
    assert all(f"{one[:4]} {one[4:]}" in page for one in codes)
    file = with_app.get(DOWNLOAD)
    assert file["Content-Type"] == "text/plain; charset=utf-8"
    assert file["Content-Disposition"] == 'attachment; filename="leadfair-recovery-codes.txt"'
    assert "no-store" in file["Cache-Control"]
    assert re.findall(r"^\d{8}$", file.text, re.MULTILINE) == codes
    assert alice.email not in file.text


def test_new_codes_replace_the_old_ones(with_app, alice, mails):
    mails()
    old = recovery_codes_of(alice)
    assert "The 10 that you have left stop working" in with_app.get(RENEW).text
    assert recovery_codes_of(alice) == old, "looking makes none"
    assert with_app.post(RENEW)["Location"] == CODES
    assert not set(recovery_codes_of(alice)) & set(old)
    assert factors.use_code(alice, old[0]) is None
    (told,) = mails()
    assert told.subject == "You have new recovery codes"
    assert not re.search(r"\d{8}", told.body)


def test_without_a_factor_there_are_none(browser, alice):
    for page in (CODES, DOWNLOAD, RENEW):
        assert browser.get(page).status_code == 404
    assert browser.post(RENEW).status_code == 404
    with pytest.raises(factors.NoFactor):
        factors.renew_recovery_codes(alice)


def test_used_up_codes_are_told(with_app, alice):
    for one in recovery_codes_of(alice):
        assert factors.use_code(alice, one)
    assert "All of them are used" in with_app.get(CODES).text
    assert "You have 0 left." in with_app.get(OVERVIEW).text


# --- passkeys ---------------------------------------------------------------------------------------------------------


def test_a_passkey_is_added_renamed_and_removed(browser, alice, mails):
    assert add_passkey(browser, Passkey())["Location"] == CODES
    (row,) = factors.of(alice).passkeys
    assert "a passkey" in mails()[0].body
    rename = reverse("mfa_edit_webauthn", args=[row.data["public_id"]])
    remove = reverse("mfa_remove_webauthn", args=[row.data["public_id"]])
    assert rename in browser.get(OVERVIEW).text
    assert 'value="Phone"' in browser.get(rename).text
    wrong = browser.post(rename, {"name": "x" * 41})
    assert wrong.status_code == 422
    assert "x" * 41 in wrong.text
    assert browser.post(rename, {"name": "Key <b>at</b> work"})["Location"] == OVERVIEW
    assert "Key &lt;b&gt;at&lt;/b&gt; work" in browser.get(OVERVIEW).text
    assert "your only second factor" in browser.get(remove).text
    assert browser.post(remove)["Location"] == OVERVIEW
    assert Authenticator.objects.count() == 0
    assert mails()[0].subject == "A second factor was removed from your account"


def test_what_the_passkey_keeps_names_neither_email_nor_primary_key(browser, alice):
    options = options_of(browser.get(ADD_PASSKEY))["publicKey"]
    assert options["user"]["name"] == options["user"]["displayName"] == "Alice"
    assert options["rp"] == {"id": "localhost", "name": "Leadfair"}
    assert alice.email not in json.dumps(options)


def test_no_more_than_signing_in_needs_is_kept(browser, alice):
    made = Passkey().make(options_of(browser.get(ADD_PASSKEY)))
    made |= {
        "clientExtensionResults": {"note": "x\x00"},
        "authenticatorAttachment": "platform",
        "more": "y",
    }
    made["response"] |= {"transports": ["usb"], "publicKey": "zzz"}
    assert browser.post(ADD_PASSKEY, {"name": "Phone", "credential": json.dumps(made)}).status_code == 302
    kept = factors.of(alice).passkeys[0].data["credential"]
    assert kept["id"] == kept["rawId"] == made["rawId"]
    assert set(kept) == {"id", "rawId", "type", "response"}
    assert set(kept["response"]) == {"clientDataJSON", "attestationObject"}


def test_the_same_passkey_twice_is_refused(browser, alice):
    key = Passkey()
    add_passkey(browser, key)
    again = add_passkey(browser, key, name="Once more")
    assert again.status_code == 422
    assert "on your account already" in again.text
    assert 'value="Once more"' in again.text
    assert len(factors.of(alice).passkeys) == 1


def test_nobody_has_a_thousand_passkeys(browser, alice, monkeypatch):
    monkeypatch.setattr(factors, "MOST_PASSKEYS", 2)
    answers = [add_passkey(browser, Passkey()).status_code for _ in range(3)]
    assert answers == [302, 302, 422]


def test_an_answer_to_an_older_question_is_refused(browser, alice):
    made = Passkey().make(options_of(browser.get(ADD_PASSKEY)))
    browser.get(ADD_PASSKEY)
    assert browser.post(ADD_PASSKEY, {"name": "Phone", "credential": json.dumps(made)}).status_code == 422


def test_without_javascript_the_page_says_what_it_needs(browser, alice):
    page = browser.post(ADD_PASSKEY, {"name": "Key at work", "credential": ""})
    assert page.status_code == 422
    assert "A passkey needs JavaScript" in page.text
    assert 'value="Key at work"' in page.text


@pytest.mark.parametrize("page", ["mfa_edit_webauthn", "mfa_remove_webauthn"])
def test_the_passkeys_of_others_do_not_exist(browser, alice, bob, client, page):
    client.force_login(bob)
    add_passkey(browser, Passkey())
    (row,) = factors.of(alice).passkeys
    for key in (row.data["public_id"], str(row.pk), "nothing", "x" * 300, "%00"):
        address = reverse(page, args=[key])
        assert client.get(address).status_code == 404
        assert client.post(address, {"name": "Mine"}).status_code == 404
    (row,) = factors.of(alice).passkeys
    assert row.data["name"] == "Phone"


def test_a_name_with_a_null_is_refused(browser, alice):
    assert add_passkey(browser, Passkey(), name="a\x00b").status_code == 422


HOSTILE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
PARTS = ["id", "rawId", "type", "response", "clientDataJSON", "attestationObject", "authenticatorData", "signature"]


@pytest.fixture
def known(browser, alice) -> Passkey:
    """A passkey that Alice has."""
    key = Passkey()
    assert add_passkey(browser, key).status_code == 302
    return key


@pytest.mark.parametrize("kind", ["make", "sign"])
@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(
    part=st.sampled_from(PARTS),
    whole=st.none() | HOSTILE,
    cut=st.integers(0, 100),
    instead=st.sampled_from(["", "A", "__", "=", "é", "\x00"]),
)
def test_whatever_somebody_sends_is_answered_in_words(browser, alice, known, kind, part, whole, cut, instead):
    """Never a broken page: each part of a good answer in turn is something else, or altered in the middle."""
    cache.clear()
    page = ADD_PASSKEY if kind == "make" else CONFIRM_BY_PASSKEY
    answer = getattr(Passkey() if kind == "make" else known, kind)(options_of(browser.get(page)))
    place = answer if part in answer else answer["response"]
    if whole is None and isinstance(place.get(part), str):
        at = len(place[part]) * cut // 100
        place[part] = place[part][:at] + instead + place[part][at + 3 :]
    else:
        place[part] = whole
    assert browser.post(page, {"name": "Phone", "credential": json.dumps(answer)}).status_code in (302, 422)
    for _ in factors.of(alice).passkeys[1:]:  # what was let in is sound: it can be shown and asked for
        assert options_of(browser.get(CONFIRM_BY_PASSKEY))
        Authenticator.objects.filter(user=alice, type="webauthn").exclude(
            data__credential__id=websafe_encode(known.id)
        ).delete()


@pytest.mark.parametrize(
    "text", ["[]", "1", '"x"', "null", "{", "[" * 15_000, "{}", '{"id": {}}', "x" * 20_000, '{"response": []}']
)
def test_an_answer_of_another_form_is_refused(browser, alice, text):
    options_of(browser.get(ADD_PASSKEY))
    assert browser.post(ADD_PASSKEY, {"name": "Phone", "credential": text}).status_code == 422
    add_passkey(browser, Passkey())
    browser.get(CONFIRM_BY_PASSKEY)
    assert browser.post(CONFIRM_BY_PASSKEY, {"credential": text}).status_code == 422


# --- whose pages they are ---------------------------------------------------------------------------------------------

OWN = [OVERVIEW, ADD_APP, REMOVE_APP, ADD_PASSKEY, CODES, RENEW, DOWNLOAD]
PASSKEY_PAGES = [reverse(name, args=["x"]) for name in ("mfa_edit_webauthn", "mfa_remove_webauthn")]


@pytest.mark.parametrize("page", [*OWN, *PASSKEY_PAGES])
def test_visitors_sign_in_first(client, page):
    assert client.get(page)["Location"] == f"{SIGN_IN}?next={page}"
    signed_out = client.post(page, {"name": "Key at work", "code": "123456"})
    assert signed_out.status_code == 403
    assert "Key at work" in signed_out.text
    assert "123456" not in signed_out.text


@pytest.mark.parametrize("page", [*OWN[1:], *PASSKEY_PAGES])
def test_a_quarter_of_an_hour_later_they_ask_who_it_is(alice, page):
    give_app(alice)
    browser = Client(REMOTE_ADDR=IP, HTTP_USER_AGENT=AGENT)
    with time_machine.travel(clock.now(), tick=False) as moving:
        browser.force_login(User.objects.get(pk=alice.pk))
        moving.shift(901)
        before = list(Authenticator.objects.values())
        assert browser.get(page)["Location"] == f"{CONFIRM}?next={page.replace('/', '%2F')}"
        late = browser.post(page, {"name": "Key at work", "code": "123456"})
        assert late.status_code == 403
        assert "Key at work" in late.text
        assert f'href="{CONFIRM}?next={page.replace("/", "%2F")}"' in late.text
        assert list(Authenticator.objects.values()) == before
        held = repr(dict(browser.session.items()))
        assert IP not in held
        assert AGENT not in held
        assert browser.post(CONFIRM, {"password": PASSWORD, "next": page})["Location"] == page
        assert browser.get(page).status_code in (200, 404, 409)


@pytest.mark.parametrize("page", [*OWN, CONFIRM_BY_CODE, CONFIRM_BY_PASSKEY])
def test_only_reading_and_sending(browser, alice, page):
    assert browser.put(page).status_code == 405
    assert browser.delete(page).status_code == 405


# --- confirming -------------------------------------------------------------------------------------------------------


def test_a_code_confirms(with_app, alice):
    """In place of the password."""
    secret = factors._opened(factors.of(alice).app)["secret"]
    page = with_app.get(f"{CONFIRM}?next={CODES}")
    assert f'href="{CONFIRM_BY_CODE}?next={CODES.replace("/", "%2F")}"' in page.text
    wrong = with_app.post(CONFIRM_BY_CODE, {"code": "00000000", "next": CODES})
    assert wrong.status_code == 422
    assert f'value="{CODES}"' in wrong.text
    assert with_app.post(CONFIRM_BY_CODE, {"code": code(secret), "next": CODES})["Location"] == CODES
    assert with_app.post(CONFIRM_BY_CODE, {"code": code(secret), "next": CODES}).status_code == 422


def test_who_has_none_is_asked_for_the_password(browser, alice):
    assert browser.get(f"{CONFIRM_BY_CODE}?next={CODES}")["Location"].startswith(CONFIRM)
    assert browser.get(CONFIRM_BY_PASSKEY)["Location"] == CONFIRM
    assert browser.get(CONFIRM).text.count(">Use a ") == 0


def test_guessing_there_counts_as_well(with_app, alice):
    for _ in range(5):
        assert with_app.post(CONFIRM_BY_CODE, {"code": "00000000", "next": CODES}).status_code == 422
    refused = with_app.post(CONFIRM_BY_CODE, {"code": "00000000", "next": CODES})
    assert refused.status_code == 429
    assert 290 <= int(refused["Retry-After"]) <= 300
    assert f'value="{CODES}"' in refused.text
    elsewhere = Client()
    elsewhere.post(SIGN_IN, {"login": alice.email, "password": PASSWORD})
    assert elsewhere.post(reverse("mfa_authenticate"), {"code": "00000000"}).status_code == 429


def test_a_passkey_confirms(browser, alice):
    key = Passkey()
    add_passkey(browser, key)
    page = browser.get(f"{CONFIRM_BY_PASSKEY}?next={CODES}")
    answer = {"credential": json.dumps(key.sign(options_of(page))), "next": CODES}
    assert browser.post(CONFIRM_BY_PASSKEY, answer)["Location"] == CODES
    again = browser.post(CONFIRM_BY_PASSKEY, answer)
    assert again.status_code == 422
    assert "Please try again" in again.text
    assert f'value="{CODES}"' in again.text


@pytest.mark.parametrize("evil", ["//evil.example", "https://evil.example/", "//["])
def test_nobody_is_led_away(with_app, alice, evil):
    secret = factors._opened(factors.of(alice).app)["secret"]
    assert with_app.get(CONFIRM_BY_CODE, {"next": evil}).status_code == 200
    response = with_app.post(CONFIRM_BY_CODE, {"code": code(secret), "next": evil})
    assert response["Location"] == reverse("leads:catalogue")


# --- around it --------------------------------------------------------------------------------------------------------


def test_the_email_can_be_changed_with_a_second_factor(with_app, alice, mails):
    """allauth forbids another address to whoever has one, unless it is proved by a code."""
    mails()
    change = reverse("account_email")
    with_app.post(CONFIRM, {"password": PASSWORD, "next": change})
    assert with_app.post(change, {"email": "new@example.org", "action_add": "1"})["Location"] == ENTER_CODE
    assert with_app.get(OVERVIEW).status_code == 200
    assert with_app.post(ENTER_CODE, {"code": code_of(mails()[0])}).status_code == 302
    alice.refresh_from_db()
    assert alice.email == "new@example.org"
    assert factors.has_second_factor(alice)


def test_a_factor_can_be_added_while_an_email_waits_for_its_code(browser, alice, mails):
    change = reverse("account_email")
    browser.post(CONFIRM, {"password": PASSWORD, "next": change})
    browser.post(change, {"email": "new@example.org", "action_add": "1"})
    assert browser.post(ADD_APP, {"code": code(secret_on(browser.get(ADD_APP)))})["Location"] == CODES


def test_changing_the_password_keeps_it(with_app, alice):
    form = {"oldpassword": PASSWORD, "password1": "quite another phrase"}
    assert with_app.post(reverse("account_change_password"), form).status_code == 302
    assert factors.has_second_factor(alice)
    other = Client()
    response = other.post(SIGN_IN, {"login": alice.email, "password": "quite another phrase"})
    assert response["Location"] == reverse("mfa_authenticate")


def test_sessions_end_with_one_statement(alice, django_assert_num_queries):
    browsers = [Client() for _ in range(3)]
    for one in browsers:
        one.force_login(alice)
    with django_assert_num_queries(2):
        services.end_sessions(alice)
    assert not any(is_signed_in(one) for one in browsers)
    browsers[0].force_login(alice)
    assert is_signed_in(browsers[0])


def test_until_then_sessions_are_what_they_were(alice):
    """The column came later: nobody was signed out for it."""
    assert alice.get_session_auth_hash() == super(User, alice).get_session_auth_hash()
    hashes = {alice.get_session_auth_hash()}
    for _ in range(2):
        services.end_sessions(alice)
        hashes.add(alice.get_session_auth_hash())
    assert len(hashes) == 3


# --- lost -------------------------------------------------------------------------------------------------------------


def test_support_removes_what_is_lost(alice, charlie, mails):
    give_app(alice)
    signed_in = Client()
    signed_in.force_login(User.objects.get(pk=alice.pk))
    mails()
    assert factors.remove_second_factor(charlie, alice, reason=" Lost the phone and the codes; called back. ")
    assert Authenticator.objects.count() == 0
    assert not is_signed_in(signed_in)
    (told,) = mails()
    assert told.to == [alice.email]
    assert "\n\nLost the phone and the codes; called back.\n\n" in told.body
    assert not factors.remove_second_factor(charlie, alice, reason="again")
    assert mails() == []


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_not_without_a_reason(alice, charlie, reason):
    give_app(alice)
    with pytest.raises(factors.ReasonMissing):
        factors.remove_second_factor(charlie, alice, reason=reason)
    assert factors.has_second_factor(alice)


def test_not_from_our_own_staff_and_never_ones_own(alice, charlie):
    """Support that removes an owner's second factor would be halfway to being the owner."""
    alice.is_staff = True
    alice.save(update_fields=["is_staff"])
    give_app(alice)
    give_app(charlie)
    charlie.is_superuser = False
    with pytest.raises(factors.NotForYou):
        factors.remove_second_factor(charlie, alice, reason="lost")
    charlie.is_superuser = True
    with pytest.raises(factors.NotForYou):
        factors.remove_second_factor(charlie, charlie, reason="lost")
    assert factors.has_second_factor(alice)
    assert factors.has_second_factor(charlie)
    assert factors.remove_second_factor(charlie, alice, reason="lost")
