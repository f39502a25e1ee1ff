"""Everything a member told us, to see and to change."""

import threading
from urllib.parse import quote

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.urls import reverse

from accounts.forms import ProfileForm, SignupForm
from accounts.models import STATES, User
from accounts.services import change_profile
from marketplace.core import clock
from privacy.vault.models import Reveal
from tests.people import make_alice, make_bob

from .conftest import make_unverified, shown_errors

pytestmark = pytest.mark.django_db
PROFILE = reverse("accounts:profile")
LEAST = {"handle": "Alice", "business_name": "", "phone": "", "preferred_channel": "email", "time_zone": ""}
MOST = {
    "handle": "Alice-2",
    "business_name": "Alice & Sons",
    "phone": "(614) 555-0123",
    "preferred_channel": "phone",
    "licensed_states": ["OH", "IN"],
    "time_zone": "America/New_York",
}


def test_it_works(as_alice, alice):
    response = as_alice.post(PROFILE, MOST, follow=True)
    assert response.redirect_chain == [(PROFILE, 302)]
    assert "Your changes are saved." in response.text
    alice.refresh_from_db()
    assert (alice.handle, alice.business_name, str(alice.phone)) == ("Alice-2", "Alice & Sons", "+16145550123")
    assert (alice.preferred_channel, alice.licensed_states, alice.time_zone) == (
        "phone",
        ["OH", "IN"],
        "America/New_York",
    )
    assert 'value="Alice &amp; Sons"' in response.text
    assert 'value="(614) 555-0123"' in response.text


def test_its_head_can_be_asked(as_alice):
    assert as_alice.head(PROFILE).status_code == 200
    assert as_alice.put(PROFILE).status_code == 405


def test_all_of_it_can_be_taken_back(as_alice, alice):
    as_alice.post(PROFILE, MOST)
    assert as_alice.post(PROFILE, LEAST).status_code == 302
    alice.refresh_from_db()
    assert (alice.business_name, str(alice.phone), alice.licensed_states, alice.time_zone) == ("", "", [], "")


def test_everything_asked_at_registration_is_shown_or_changed_here(as_alice, alice):
    """LR-35: the fields of the sign-up form, one by one."""
    page = as_alice.get(PROFILE).text
    shown = {
        "email": alice.email in page and reverse("account_email") in page,
        "password1": reverse("account_change_password") in page,
        "handle": 'name="handle"' in page,
        "adult": "18 or older" in page,
        "terms": "Terms of use, version 1" in page and reverse("privacy:terms") in page,
        "terms_sha256": True,  # the fingerprint of the version named above; the page of the terms shows it
    }
    assert set(shown) == set(SignupForm().fields)
    assert all(shown.values()), shown


def test_every_field_of_the_profile_says_what_it_is_for(as_alice):
    form = ProfileForm(instance=User.objects.get())
    for name, field in form.fields.items():
        assert field.help_text.endswith("."), name
        if not field.required:
            assert field.help_text.startswith("Optional. Without "), name


def test_the_time_zone_is_used(as_alice, alice):
    assert " UTC</time>" in as_alice.get(PROFILE).text
    as_alice.post(PROFILE, LEAST | {"time_zone": "America/Phoenix"})
    assert " MST</time>" in as_alice.get(PROFILE).text


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"handle": "bob"}, "handle"),
        ({"handle": "admin"}, "handle"),
        ({"phone": "12"}, "phone"),
        ({"phone": "(712) 555-0131 x12"}, "phone"),
        ({"phone": "+44 20 7946 0958 ext. 3"}, "phone"),
        ({"phone": "", "preferred_channel": "phone"}, "phone"),
        ({"preferred_channel": "pigeon"}, "preferred_channel"),
        ({"licensed_states": ["OH", "XX"]}, "licensed_states"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"time_zone": "../../etc/passwd"}, "time_zone"),
        ({"business_name": "x" * 121}, "business_name"),
    ],
)
def test_a_mistake_is_said_and_everything_kept(as_alice, alice, bob, given, field):
    response = as_alice.post(PROFILE, MOST | given)
    assert response.status_code == 422
    assert set(shown_errors(response)) == {field}
    assert "<title>Error: Your account" in response.text
    for name, value in (MOST | given).items():
        assert response.context["form"][name].value() == value
    alice.refresh_from_db()
    assert alice.handle == "Alice"


def test_an_extension_is_refused_and_kept_to_see(as_alice):
    """The stored number has no place for it, and dropping it silently leads to the wrong person."""
    page = as_alice.post(PROFILE, MOST | {"phone": "(712) 555-0131 x12"}).text
    assert "We cannot keep an extension. Give a number without one." in page
    assert 'value="(712) 555-0131 ext. 12"' in page


@pytest.mark.parametrize(
    ("typed", "stored", "shown"),
    [
        ("+44 2079460958", "+442079460958", "+44 20 7946 0958"),
        ("+1 204 234 5678", "+12042345678", "(204) 234-5678"),
        ("6145550123", "+16145550123", "(614) 555-0123"),
    ],
)
def test_a_number_is_shown_as_people_write_it(as_alice, alice, typed, stored, shown):
    as_alice.post(PROFILE, MOST | {"phone": typed})
    alice.refresh_from_db()
    assert str(alice.phone) == stored
    assert f'value="{shown}"' in as_alice.get(PROFILE).text
    assert as_alice.post(PROFILE, MOST | {"phone": shown}).status_code == 302
    alice.refresh_from_db()
    assert str(alice.phone) == stored


def test_the_rules_of_a_name_are_said_before_and_a_member_is_not_told_to_sign_in(as_alice, bob):
    assert "3 to 24 letters, digits, hyphens or underscores, a letter first." in as_alice.get(PROFILE).text
    page = as_alice.post(PROFILE, LEAST | {"handle": "bob"}).text
    assert "Somebody has this name already. Please choose another." in page
    assert "sign in if" not in page


def test_a_refused_change_does_not_show_elsewhere_on_the_page(as_alice, alice):
    """The form writes into its instance before it refuses; the page shows the member as they are."""
    page = as_alice.post(PROFILE, MOST | {"phone": "12"}).text
    assert " UTC</time>" in page
    assert " EST</time>" not in page


def test_a_grid_of_all_states(as_alice):
    page = as_alice.get(PROFILE).text
    assert page.count('name="licensed_states"') == len(STATES) == 51
    assert "<fieldset" in page


def test_errors_of_the_grid_are_described(as_alice):
    page = as_alice.post(PROFILE, MOST | {"licensed_states": ["XX"]}).text
    assert 'aria-describedby="id_licensed_states_helptext id_licensed_states_error"' in page
    assert 'href="#id_licensed_states"' in page
    assert 'id="id_licensed_states"' in page


def test_nobody_writes_into_anothers_profile_or_beyond_the_form(as_alice, alice, bob):
    as_alice.post(PROFILE, MOST | {"id": bob.pk, "email": "x@example.com", "is_staff": "on", "is_superuser": "on"})
    alice.refresh_from_db()
    bob.refresh_from_db()
    assert (alice.email, alice.is_staff, alice.is_superuser) == ("alice@example.com", False, False)
    assert bob.handle == "Bob"


def test_only_what_the_form_asks_is_written(alice):
    """Meanwhile another request may have written the rest of the row."""
    form = ProfileForm(MOST, instance=User.objects.get(pk=alice.pk))
    assert form.is_valid()
    User.objects.filter(pk=alice.pk).update(theme="dark", first_purchase_at=clock.now(), email="new@example.com")
    change_profile(form.instance)
    alice.refresh_from_db()
    assert (alice.handle, alice.theme, alice.email) == ("Alice-2", "dark", "new@example.com")
    assert alice.first_purchase_at is not None


@pytest.mark.django_db(transaction=True)
def test_a_handle_taken_at_the_same_moment_is_a_mistake_and_no_crash(monkeypatch):
    both = threading.Barrier(2, timeout=20)
    clean = ProfileForm.clean
    monkeypatch.setattr(ProfileForm, "clean", lambda form: (clean(form), both.wait())[0])
    answers = []

    def rename(member: User) -> None:
        client = Client(raise_request_exception=False)
        client.force_login(member)
        try:
            answers.append(client.post(PROFILE, LEAST | {"handle": "Wanted"}))
        finally:
            connection.close()

    racers = [threading.Thread(target=rename, args=[member]) for member in (make_alice(), make_bob())]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert sorted(answer.status_code for answer in answers) == [302, 422]
    late = next(answer for answer in answers if answer.status_code == 422)
    assert "Somebody took this name a moment ago" in late.text
    assert User.objects.filter(handle="Wanted").count() == 1


def test_a_name_nobody_has_proved_is_free(as_alice, alice):
    make_unverified("Wanted")
    assert as_alice.post(PROFILE, LEAST | {"handle": "Wanted"}).status_code == 302


def test_it_is_for_members(client):
    response = client.get(PROFILE)
    assert (response.status_code, response["Location"]) == (302, f"{reverse('account_login')}?next={PROFILE}")


def test_who_was_signed_out_meanwhile_gets_back_what_was_typed(client, alice):
    response = client.post(
        PROFILE, LEAST | {"handle": "Alice <b>Two", "licensed_states": ["OH", "TX"], "password": "x1y2"}
    )
    assert response.status_code == 403
    assert "You were signed out. Nothing was saved." in response.text
    assert "Handle: Alice &lt;b&gt;Two" in response.text
    assert "Licensed states: OH, TX" in response.text
    assert "x1y2" not in response.text
    assert f'href="{reverse("account_login")}?next={quote(PROFILE, safe="")}"' in response.text
    assert "no-store" in response["Cache-Control"]
    assert not Session.objects.exists(), "it is kept nowhere"


def test_who_looked_at_ones_details_is_told(as_alice, alice, bob, charlie, django_assert_max_num_queries):
    assert "Nobody has looked at them." in as_alice.get(PROFILE).text
    looks = [("member", alice, f"Calls about receipt {number}.") for number in range(21)]
    looks += [("member", bob, "Of somebody else."), ("lead", alice, "Of no member.")]
    Reveal.objects.bulk_create(
        Reveal(staff=charlie, about=about, subject_id=whom.public_id, reason=reason, revealed_at=clock.now())
        for about, whom, reason in looks
    )
    with django_assert_max_num_queries(7):
        page = as_alice.get(PROFILE).text
    assert page.count("Charlie: Calls about receipt") == 20
    assert "Of somebody else." not in page
    assert "Of no member." not in page


def test_it_is_not_for_caches(as_alice):
    page = as_alice.get(PROFILE)
    assert page["Cache-Control"] == "no-store"
    assert '<meta name="robots" content="noindex">' in page.text


def test_few_queries(as_alice, django_assert_max_num_queries):
    with django_assert_max_num_queries(7):
        as_alice.get(PROFILE)
