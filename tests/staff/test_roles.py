"""Every role against every address of the admin, reading and writing, from a table made of the addresses themselves."""

import re
from urllib.parse import quote

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.models import User
from marketplace.staff.roles import ROLES, make_roles
from tests.people import make_member

from .conftest import browser_of

pytestmark = pytest.mark.django_db
SUPPORT, FINANCE, CONTENT, OWNER = "support", "finance", "content", "owner"
ALL = {SUPPORT, FINANCE, CONTENT, OWNER}
NOBODY: set[str] = set()
# Who may open which page (GET) of ours, by the name of its address. A page that is missing here fails.
PAGES = {
    "index": ALL, "search": ALL, "approvals": ALL, "app_list": ALL, "jsi18n": ALL, "login": ALL,
    "approval": NOBODY, "take_back": NOBODY,  # of a request that does not exist: seen below
    "member": {SUPPORT, FINANCE, OWNER},
    "add_note": {SUPPORT, FINANCE, OWNER},
    "resend_code": {SUPPORT, OWNER}, "correct_email": {SUPPORT, OWNER},
    "stop_buying": {SUPPORT, OWNER}, "allow_buying": {SUPPORT, OWNER},
    "appoint": {OWNER}, "remove_factor": {OWNER},
    "reveal_member": {SUPPORT, OWNER}, "reveal_lead": {SUPPORT, OWNER}, "ask_for_more": {SUPPORT, OWNER},
    "view_as_buyer": {SUPPORT, OWNER},
    "stop_viewing": ALL,
    "ask_adjustment": {FINANCE, OWNER},
    "ask_credit": {SUPPORT, FINANCE, OWNER}, "ask_resolution": {SUPPORT, FINANCE, OWNER},
    "supply_upload": {CONTENT, OWNER}, "supply_uploaded": {CONTENT, OWNER}, "supply_start_import": {CONTENT, OWNER},
    "supply_cancel_upload": {CONTENT, OWNER}, "supply_rejects": {CONTENT, OWNER},
    "supply_withdraw": {CONTENT, OWNER}, "supply_undo_withdrawal": {CONTENT, OWNER},
}  # fmt: skip
# Which of Django's lists a role sees; the rows and histories of a list are seen by the same.
LISTS = {
    "accounts_user": {SUPPORT, FINANCE, OWNER},
    "leads_lead": ALL, "leads_supplier": {SUPPORT, CONTENT, OWNER}, "leads_vertical": {SUPPORT, CONTENT, OWNER},
    "marketplace_checkrun": {FINANCE, OWNER}, "marketplace_taskfailure": {FINANCE, OWNER},
    "ledger_account": {FINANCE, OWNER}, "ledger_transfer": {FINANCE, OWNER}, "ledger_adjustment": {FINANCE, OWNER},
    "mail_outgoingemail": {SUPPORT, OWNER},
    "policy_policyversion": {SUPPORT, CONTENT, OWNER}, "policy_acceptance": {SUPPORT, OWNER},
    "purchases_order": {SUPPORT, FINANCE, OWNER}, "purchases_purchase": {SUPPORT, FINANCE, OWNER},
    "purchases_credit": {SUPPORT, FINANCE, OWNER},
    "staff_act": {SUPPORT, FINANCE, OWNER},
    "supply_importbatch": {SUPPORT, CONTENT, OWNER}, "supply_importrow": {SUPPORT, CONTENT, OWNER},
    "supply_withdrawal": {SUPPORT, CONTENT, OWNER},
    "vault_reveal": {OWNER}, "vault_morereveals": {OWNER},
    "wallet_deposit": {SUPPORT, FINANCE, OWNER}, "wallet_refund": {SUPPORT, FINANCE, OWNER},
    "wallet_dispute": {SUPPORT, FINANCE, OWNER}, "wallet_stripeevent": {FINANCE, OWNER},
    "wallet_unexplainedpayment": {SUPPORT, FINANCE, OWNER}, "wallet_resolution": {SUPPORT, FINANCE, OWNER},
    "wallet_reconciliation": {FINANCE, OWNER}, "wallet_reconciliationfinding": {FINANCE, OWNER},
}  # fmt: skip
# Django's own that only send on: signing in and out, the password, a page of the site.
ELSEWHERE = {"logout", "password_change", "password_change_done", "autocomplete", "view_on_site", None}


def patterns() -> list[tuple[str, str]]:
    """Each address below /admin/ by its name, with something harmless in place of what it takes."""
    found = []

    def walk(entries, prefix: str) -> None:
        for entry in entries:
            path = prefix + str(entry.pattern)
            if isinstance(entry, URLResolver):
                walk(entry.url_patterns, path)
            elif isinstance(entry, URLPattern):
                found.append((entry.name, path))

    resolver = next(one for one in get_resolver().url_patterns if getattr(one, "namespace", "") == "admin")
    walk(resolver.url_patterns, "/admin/")
    return found


def addresses(public_id: str) -> list[tuple[str, str]]:
    """Addresses that can be asked for: of ours by name, of lists the list and the page that adds to it."""
    made = []
    for name, path in patterns():
        address = re.sub(r"<slug:public_id>", public_id, path)
        address = re.sub(r"<int:\w+>", "999999", address)
        address = re.sub(r"<(?:slug|path):\w+>", "nothing", address)
        address = address.replace("^(?P<app_label>", "").replace(")/$", "/").replace("(?P<url>.*)$", "nowhere")
        made.append((name, address))
    return made


def test_the_table_knows_every_page():
    names = {name for name, _ in patterns()}
    lists = {name.removesuffix("_changelist") for name in names if name and name.endswith("_changelist")}
    assert lists == set(LISTS)
    of_lists = {f"{one}_{verb}" for one in lists for verb in ("changelist", "add", "change", "delete", "history")}
    assert names - of_lists - ELSEWHERE == set(PAGES)


def test_the_roles_hold_what_the_table_says():
    for role in ALL:
        held = {f"{p.content_type.app_label}.{p.codename}" for p in Permission.objects.filter(group__name=role)}
        assert held == ROLES[role]


def test_roles_are_made_anew_whatever_was_changed():
    Group.objects.get(name=SUPPORT).permissions.clear()
    Group.objects.get(name=CONTENT).permissions.set(Permission.objects.all()[:5])
    make_roles()
    test_the_roles_hold_what_the_table_says()


def test_the_owner_can_do_all_that_the_others_can():
    assert ROLES[SUPPORT] | ROLES[FINANCE] | ROLES[CONTENT] <= ROLES[OWNER]


def may_open(role: str, name: str) -> bool | None:
    """What the tables say of an address; None where they say nothing (no such row or request exists)."""
    one, _, verb = name.rpartition("_")
    if one in LISTS:
        if verb in {"add", "delete"}:
            return False
        return role in LISTS[one] if verb == "changelist" else None
    if name in {"approval", "take_back", "app_list"}:
        return None
    return role in PAGES[name] or PAGES[name] == ALL  # staff without a role gets in, and finds nothing there


@pytest.mark.parametrize("role", ["nobody", "support", "finance", "content", "owner"])
def test_every_address(request, role, alice):
    """Whoever lacks the permission gets 403 for every method that the address takes, and whoever has it never does."""
    people = {"support": "sam", "finance": "fay", "content": "cora", "owner": "olga"}
    person = request.getfixturevalue(people[role]) if role in people else make_member("Nils", is_staff=True)
    browser = browser_of(person)
    for name, address in addresses(alice.public_id):
        if name in ELSEWHERE:
            continue
        answers = {method: getattr(browser, method)(address).status_code for method in ("get", "post")}
        where = (role, name, address, answers)
        assert max(answers.values()) < 500, where
        taken = set(answers.values()) - {405}
        assert taken, where
        if may_open(role, name) is False:
            # A row that does not exist: Django sends back to the list, whoever asks.
            assert taken <= {403, 302} if name.endswith("_delete") else taken == {403}, where
        elif may_open(role, name):
            assert 403 not in taken or name.endswith("_changelist"), where
            assert answers["get"] != 403, where


def test_a_nul_in_an_address(as_olga, alice):
    """PostgreSQL takes none: it would be a 500."""
    for name, address in addresses("a\0b"):
        if name not in ELSEWHERE and "\0" in address:
            answer = as_olga.get(quote(address))
            while answer.status_code in {301, 302}:  # Django's lists send back from rows that do not exist
                answer = as_olga.get(answer["Location"])
            assert answer.status_code in {200, 404}, name
    for address in (
        "/admin/search/?q=%00", "/admin/accounts/user/?q=%00", "/admin/wallet/deposit/?state__exact=%00",
        "/admin/autocomplete/?term=%00&app_label=purchases&model_name=purchase&field_name=buyer",
    ):  # fmt: skip
        assert as_olga.get(address).status_code == 400, address


def test_django_adds_changes_and_deletes_nothing(olga, alice):
    """Every table of the admin is read-only; what staff change goes through the verbs."""
    for model_admin in admin.site._registry.values():
        request = type("Request", (), {"user": olga, "method": "POST", "GET": {}})()
        assert not model_admin.has_add_permission(request), model_admin
        assert not model_admin.has_change_permission(request), model_admin
        assert not model_admin.has_delete_permission(request), model_admin
        actions = model_admin.actions or []
        assert "delete_selected" not in actions


def test_strangers_and_members_do_not_get_in(alice, client):
    member = browser_of(alice)
    for name, address in addresses(alice.public_id):
        if name in ELSEWHERE or name == "login":
            continue
        for method in ("get", "post"):
            stranger = getattr(client, method)(address)
            # What a stranger sends is given back: somebody of our staff may have been signed out while typing.
            assert stranger.status_code in ({302, 404} if method == "get" else {302, 403, 404}), (name, address)
            if stranger.status_code == 302:
                assert "/login/" in stranger["Location"]
            assert getattr(member, method)(address, follow=True).status_code == 404, (name, address)


EXTRA = {
    "is_superuser": "1", "is_staff": "1", "is_active": "0", "groups": "1", "password": "hacked", "balance": "9",
    "state": "approved", "checker": "1", "maker": "1", "credited_cents": "0", "owner": "1", "buyer": "1",
    "public_id": "hackedhacked", "price_cents": "1", "member": "1", "staff": "1",
}  # fmt: skip


MEANT = {"stop_buying", "allow_buying", "appoint", "login", "view_as_buyer", "remove_factor"}  # they change a member


def test_no_form_takes_more_than_it_names(as_olga, alice, bob, purchase):
    """Mass assignment: whatever else is sent along changes nothing."""
    before = User.objects.values().get(pk=alice.pk)
    things = {"reason": "Because.", "text": "Because.", "email": "new@example.org", "cents": "1", "kind": "goodwill"}
    for name, address in addresses(alice.public_id):
        if name in PAGES and name not in {
            "stop_buying",
            "allow_buying",
            "appoint",
            "login",
            "view_as_buyer",
            "remove_factor",
        }:
            as_olga.post(address, things | EXTRA)
    as_olga.post(f"/admin/purchases/{purchase.public_id}/credit/", things | EXTRA | {"problem": "goodwill"})
    after = User.objects.values().get(pk=alice.pk)
    assert before == after
    purchase.refresh_from_db()
    assert purchase.credited_cents == 0
    credit = purchase.credits.get()
    assert (credit.state, credit.checker, credit.maker.handle, credit.buyer) == ("asked", None, "Olga", alice)
