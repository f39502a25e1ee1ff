"""The admin: staff find everything by id and handle; personal values are bars."""

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from marketplace.core.ids import new_id
from marketplace.ledger.models import Account
from marketplace.mail.models import Category, OutgoingEmail
from marketplace.mail.services import send
from tests.people import PASSWORD, give, make_member
from tests.stock import make_lead

pytestmark = pytest.mark.django_db
INDEX, LOGIN = reverse("admin:index"), reverse("admin:login")
MEMBER = {"email": "canary.member@example.net", "phone": "+16145550177"}
LEAD = {"email": "canary.lead@example.net", "phone": "+16145550188", "first_name": "Canarina", "last_name": "Leadson"}


@pytest.fixture
def as_charlie(charlie, client):
    client.force_login(charlie)
    return client


@pytest.fixture
def canary(db):
    """A member and a lead that would be known anywhere."""
    member = make_member("Canary", phone=MEMBER["phone"], business_name="Canary Business")
    member.email = MEMBER["email"]
    member.save()
    member.emailaddress_set.update(email=MEMBER["email"])
    give(member, 5000)
    send(member, category=Category.SECURITY, template="accounts/email/email_changed", context={}, key=f"k:{new_id()}")
    return member, make_lead(**LEAD)


def spellings() -> list[str]:
    phones = [LEAD["phone"], MEMBER["phone"]]
    return [
        MEMBER["email"],
        "canary.member",
        "Canary Business",
        LEAD["email"],
        "canary.lead",
        LEAD["first_name"],
        LEAD["last_name"],
        *phones,
        *(phone[2:] for phone in phones),
        *(phone[-7:-4] + "-" + phone[-4:] for phone in phones),
    ]


def test_it_works(charlie, client):
    assert client.get(INDEX)["Location"] == f"{LOGIN}?next={INDEX}"
    page = client.get(LOGIN)
    assert "Leadfair support" in page.text
    assert "css/admin.css" in page.text
    response = client.post(LOGIN, {"username": charlie.email, "password": PASSWORD, "next": INDEX}, follow=True)
    assert response.redirect_chain == [(INDEX, 302)]
    assert "Signed in as <strong>Charlie</strong>" in response.text
    assert charlie.email not in response.text


def test_members_have_no_business_here(alice, client):
    response = client.post(LOGIN, {"username": alice.email, "password": PASSWORD})
    assert "sessionid" not in response.cookies
    client.force_login(alice)
    assert client.get(INDEX).status_code == 302


def test_guessing_is_limited_here_too(charlie):
    answers = [
        Client().post(LOGIN, {"username": charlie.email, "password": f"wrong {n}"}).status_code for n in range(6)
    ]
    assert answers[-1] == 429
    assert Client().post(reverse("account_login"), {"login": charlie.email, "password": PASSWORD}).status_code == 429
    assert 429 not in answers[:5]


def test_other_names_of_the_site_do_not_help_here_either(charlie):
    answers = [
        Client(HTTP_HOST=host).post(LOGIN, {"username": charlie.email, "password": "wrong wrong wrong"}).status_code
        for host in ("testserver", "testserver:81", "TESTSERVER", "TestServer:82", "127.0.0.1", "localhost")
    ]
    assert answers == [200] * 5 + [429]


def test_signing_in_right_uses_up_no_try(charlie):
    for _ in range(6):
        assert Client().post(LOGIN, {"username": charlie.email, "password": PASSWORD}).status_code == 302


def test_the_password_is_changed_where_all_change_theirs(as_charlie, charlie):
    """With the limit on tries and the mail about it."""
    there = reverse("account_change_password")
    page = reverse("admin:password_change")
    form = {"old_password": PASSWORD, "new_password1": "quite another phrase", "new_password2": "quite another phrase"}
    assert as_charlie.get(page)["Location"] == there
    assert as_charlie.post(page, form)["Location"] == there
    charlie.refresh_from_db()
    assert charlie.check_password(PASSWORD)
    assert as_charlie.get(there).status_code == 200


def registered() -> list[str]:
    return sorted(model._meta.label for model in admin.site._registry)


def test_no_list_of_plain_addresses_is_registered():
    assert "account.EmailAddress" not in registered()
    assert "account.EmailConfirmation" not in registered()
    assert "sessions.Session" not in registered()
    assert "leads.LeadContact" not in registered()


def people_shown(client) -> list[str]:
    """Every list, every row's page and history; returns where a canary's value stands."""
    pages = [INDEX, reverse("admin:jsi18n")]
    for model in admin.site._registry:
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        pages.append(reverse(f"admin:{name}_changelist"))
        pages.append(reverse("admin:app_list", args=[model._meta.app_label]))
        for pk in model._default_manager.values_list("pk", flat=True)[:5]:
            pages += [reverse(f"admin:{name}_change", args=[pk]), reverse(f"admin:{name}_history", args=[pk])]
    assert len(pages) > 30
    found = []
    for page in pages:
        response = client.get(page)
        assert response.status_code == 200, page
        found += [f"{word} on {page}" for word in spellings() if word in response.text]
    return found


def test_no_page_shows_a_person(as_charlie, canary):
    assert people_shown(as_charlie) == []


def test_the_search_would_find_a_person(as_charlie, canary, monkeypatch):
    """The control: one column too many."""
    monkeypatch.setattr(admin.site._registry[type(canary[0])], "list_display", ["handle", "email"])
    assert any(MEMBER["email"] in where for where in people_shown(as_charlie))


@pytest.mark.parametrize(
    "field",
    [
        "email",
        "phone",
        "business_name__gt",
        "password",
        "email__startswith",
        "emailaddress__email",
        "licensed_states__0",
    ],
)
def test_hidden_values_cannot_be_guessed_by_filters(as_charlie, canary, field):
    response = as_charlie.get(reverse("admin:accounts_user_changelist"), {field: "canary"})
    assert response.status_code == 400
    assert "Canary" not in response.text


@pytest.mark.parametrize("word", [MEMBER["email"], "canary.member", "614", "Business"])
def test_hidden_values_are_not_searched(as_charlie, canary, word):
    page = as_charlie.get(reverse("admin:accounts_user_changelist"), {"q": word})
    assert "0 users" in page.text


def test_members_are_found_by_handle(as_charlie, canary):
    member, _ = canary
    page = as_charlie.get(reverse("admin:accounts_user_changelist"), {"q": "Canary"})
    assert member.public_id in page.text


def test_filters_that_are_shown_work(as_charlie, canary):
    page = as_charlie.get(reverse("admin:accounts_user_changelist"), {"is_staff__exact": "1"})
    assert page.status_code == 200
    assert "Charlie" in page.text
    assert as_charlie.get(reverse("admin:leads_lead_changelist"), {"vertical__id__exact": "1"}).status_code == 200


def test_nothing_can_be_written(as_charlie, canary):
    member, _ = canary
    for model in admin.site._registry:
        if model._meta.label == "auth.Group":
            continue
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        assert as_charlie.get(reverse(f"admin:{name}_add")).status_code == 403, name
        row = model._default_manager.first()
        if row is not None:
            assert as_charlie.post(reverse(f"admin:{name}_change", args=[row.pk]), {}).status_code == 403, name
            assert (
                as_charlie.post(reverse(f"admin:{name}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403
            ), name
    assert Account.objects.filter(owner=member).exists()


def test_pages_leave_no_history(as_charlie, canary):
    as_charlie.get(reverse("admin:accounts_user_changelist"))
    assert not admin.models.LogEntry.objects.exists()


def test_a_message_waiting_shows_no_text(as_charlie, canary):
    row = OutgoingEmail.objects.get()
    page = as_charlie.get(reverse("admin:mail_outgoingemail_change", args=[row.pk])).text
    assert row.context not in page
    assert "accounts/email/email_changed" in page
