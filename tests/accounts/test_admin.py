"""The admin: staff find everything by id and handle; personal values are bars."""

import re

import pytest
from django.apps import apps
from django.contrib import admin
from django.urls import reverse

from marketplace.core.ids import new_id
from marketplace.core.money import dollars
from marketplace.leads.models import Lead
from marketplace.ledger.models import Account
from marketplace.mail.models import Category, OutgoingEmail
from marketplace.mail.services import send
from marketplace.purchases.services import buy_lead
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
    """Staff sign in where everybody does: a door of the admin's own would ask for no second factor."""
    response = client.get(INDEX, follow=True)
    sign_in = f"{reverse('account_login')}?next=%2Fadmin%2F"
    assert response.redirect_chain == [(f"{LOGIN}?next={INDEX}", 302), (sign_in, 302)]
    response = client.post(sign_in, {"login": charlie.email, "password": PASSWORD, "next": INDEX}, follow=True)
    assert response.redirect_chain == [(INDEX, 302)]
    assert "css/admin.css" in response.text
    assert "Signed in as <strong>Charlie</strong>" in response.text
    assert charlie.email not in response.text


def test_members_have_no_business_here(as_alice):
    page = as_alice.get(INDEX, follow=True)
    assert page.status_code == 404
    assert "Leadfair support" not in page.text


def test_there_is_no_other_door(charlie, client):
    response = client.post(LOGIN, {"username": charlie.email, "password": PASSWORD, "next": INDEX})
    assert response["Location"] == f"{reverse('account_login')}?next=%2Fadmin%2F"
    assert "sessionid" not in response.cookies


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
    assert "mfa.Authenticator" not in registered()
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
    assert response["Location"] == reverse("admin:accounts_user_changelist") + "?e=1"


@pytest.mark.parametrize("lookup", ["foo__bar", "_to_field"])
def test_a_bad_filter_leads_back_to_the_list(as_charlie, settings, lookup):
    """And with DEBUG to no page of Django's that shows the settings."""
    settings.DEBUG = True
    for model in admin.site._registry:
        page = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        response = as_charlie.get(page, {lookup: "1"})
        assert (response.status_code, response["Location"]) == (302, f"{page}?e=1")
        assert as_charlie.get(f"{page}?e=1").status_code == 200


def members_found(client, words) -> str:
    return client.get(reverse("admin:accounts_user_changelist"), {"q": words}).text


@pytest.mark.parametrize(
    "word",
    [MEMBER["email"][1:], MEMBER["email"][:-1], "canary.member", "@", "@example.net", "%@example.net", "614",
     "5550177", MEMBER["phone"][:-1], "Business"],
)  # fmt: skip
def test_hidden_values_are_not_searched_by_parts(as_charlie, canary, word):
    assert "0 members" in members_found(as_charlie, word)


@pytest.mark.parametrize(
    "word", [MEMBER["email"], f" {MEMBER['email'].title()} ", MEMBER["phone"], "(614) 555-0177", "6145550177"]
)
def test_a_caller_is_found_by_the_whole_email_or_phone(as_charlie, canary, word):
    page = members_found(as_charlie, word)
    assert "1 member\n" in page
    assert canary[0].public_id in page
    shown = re.sub(r"<[^>]*>", "", page).casefold()
    assert not any(value in shown for value in (MEMBER["email"], "5550177", "555-0177"))
    assert "_changelist_filters" not in page, "what was typed goes to no further page"


def test_members_are_found_by_handle_and_public_id(as_charlie, canary):
    for word in ("Canary", "canar", canary[0].public_id):
        assert canary[0].public_id in members_found(as_charlie, word)


def test_choosing_a_member_shows_no_more_than_the_list(as_charlie, canary):
    asked = {"app_label": "mail", "model_name": "outgoingemail", "field_name": "user"}
    answer = as_charlie.get(reverse("admin:autocomplete"), asked | {"term": MEMBER["email"]})
    assert MEMBER["email"] not in answer.text


def test_every_search_says_what_it_looks_at():
    silent = [model._meta.label for model, shown in admin.site._registry.items() if shown.search_fields]
    silent = [name for name in silent if name != "auth.Group"]
    assert [n for n in silent if not admin.site._registry[apps.get_model(n)].search_help_text] == []


@pytest.fixture
def bought(canary, client):
    """What Canary bought: an order with its purchase."""
    member, lead = canary
    give(member, lead.price_cents)
    return buy_lead(member, lead, price_seen=lead.price_cents, key=new_id())


def found(client, model: str, words: str) -> int:
    """How many rows of a list a search finds."""
    page = client.get(reverse(f"admin:{model}_changelist"), {"q": words})
    return page.context["cl"].result_count


def test_what_belongs_to_a_member_is_found_by_handle_and_public_id(as_charlie, bought, canary):
    member, lead = canary
    for model in ("mail_outgoingemail", "purchases_order", "purchases_purchase", "ledger_account"):
        for words in (member.handle, member.public_id):
            assert found(as_charlie, model, words) > 0, (model, words)
        assert found(as_charlie, model, "nobody") == 0
    for words in (lead.public_id, bought.public_id, bought.order.public_id):
        assert found(as_charlie, "purchases_purchase", words) == 1, words


def test_an_order_shows_what_was_bought(as_charlie, bought, canary):
    page = as_charlie.get(reverse("admin:purchases_order_change", args=[bought.order.pk])).text
    _, lead = canary
    assert lead.public_id in page
    assert dollars(bought.price_cents) in page
    assert 'type="text"' not in page


@pytest.mark.parametrize(
    ("words", "number"),
    [("{lead.public_id}", 1), ("{lead.city}", 1), ("{zip}", 1), ("{zip}99", 1), ("00", 0), ("99999", 0), ("9", 0)],
)
def test_leads_are_found_by_id_city_and_the_digits_that_are_shown(as_charlie, words, number):
    """Digits after the third make no difference, so that nobody finds out the others."""
    lead = make_lead(public_id="bcdfghjkmnpqrs")
    assert found(as_charlie, "leads_lead", words.format(lead=lead, zip=lead.zip_prefix)) == number


def test_words_are_those_of_the_site(as_charlie, canary):
    assert "line of business" in as_charlie.get(reverse("admin:leads_vertical_changelist")).text
    page = as_charlie.get(reverse("admin:leads_vertical_changelist")).text
    assert "$15.00" in page
    assert "cents" not in page.casefold()
    account = Account.objects.filter(owner=None).first() or Account.objects.first()
    page = as_charlie.get(reverse("admin:ledger_account_change", args=[account.pk])).text
    assert f"{account.get_kind_display()}, account {account.pk}" in page
    page = as_charlie.get(reverse("admin:ledger_transfer_changelist")).text
    assert "Cash of a buyer: Canary" in page
    assert "$50.00" in page


def test_no_label_of_ours_is_code():
    """Not the numbers of requirements, nor columns in cents."""
    for model, shown in admin.site._registry.items():
        for field in model._meta.fields:
            assert not re.search(r"\b[A-Z]{2}-\d\d", str(field.help_text)), field
        for name in (*shown.list_display, *(shown.fields or ())):
            assert "cents" not in name, (model, name)


def test_times_are_written_as_on_the_site(as_charlie):
    make_lead()
    listed = Lead.objects.get().listed_at
    page = as_charlie.get(reverse("admin:leads_lead_changelist")).text
    assert f"{listed.day} {listed:%b %Y, %H:%M} UTC" in page


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
