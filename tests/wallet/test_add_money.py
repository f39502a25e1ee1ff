"""How much, who collects the card, and over to the card page; nothing is sent and nothing is kept before that."""

import html
import re
from urllib.parse import quote

import pytest
from django.apps import apps
from django.db import transaction
from django.test import Client
from django.urls import reverse

from marketplace.core.middleware import LONGEST_ADDRESS
from marketplace.core.refusals import TooMany
from marketplace.leads.models import Lead
from marketplace.ledger import services as ledger
from marketplace.mail.models import OutgoingEmail
from marketplace.purchases.services import buy_lead, new_key
from marketplace.wallet import deposits, gateway
from marketplace.wallet.models import BillingDetails, Deposit
from tests.people import give
from tests.stock import make_lead
from tests.wallet.conftest import balance

pytestmark = pytest.mark.django_db
URL = "/wallet/add/"
HUNDRED = {"choice": "10000"}
ADDRESS = {"name": "Zelda Quill", "address": "1 Test St", "city": "Columbus", "state": "OH", "postal_code": "43215"}


@pytest.fixture
def started(monkeypatch) -> list[int]:
    """The amounts that were started; the processor is not asked."""
    amounts: list[int] = []

    def start(buyer, amount, *, lead_ids=()):
        amounts.append(amount)
        return None, "https://checkout.stripe.com/c/pay/cs_1"

    monkeypatch.setattr(deposits, "start_deposit", start)
    return amounts


def chosen(page: str) -> list[str]:
    return re.findall(r'value="(\w+)"[^>]* checked', page)


def test_who_was_signed_out_meanwhile_comes_back_to_the_same_leads(client, db, started):
    response = client.post(f"{URL}?lead=abcdefgh&amount=$80.00", HUNDRED | {"amount": "80", "name": "Zelda Quill"})
    assert response.status_code == 403
    assert "Amount: 80" in response.text
    assert "Name: Zelda Quill" in response.text
    assert "Choice" not in response.text
    there = quote(f"{URL}?lead=abcdefgh&amount=$80.00", safe="")
    assert f'href="{reverse("account_login")}?next={there}"' in response.text
    assert started == []


@pytest.mark.django_db(transaction=True)
def test_it_works(site, as_buyer, buyer):
    response = as_buyer.post(URL, HUNDRED)
    assert response.status_code == 303
    deposit = Deposit.objects.get()
    assert (deposit.buyer, deposit.amount_cents, deposit.state, deposit.lead_ids) == (buyer, 10_000, "open", "")
    session = site.processor.get("checkout.session", deposit.session_id)
    assert response["Location"] == session["url"]
    back = f"http://testserver{reverse('wallet:deposit', args=[deposit.public_id])}"
    assert (session["success_url"], session["cancel_url"]) == (back, f"{back}?cancelled=1")


# --- the notice (AL-60, AL-61, LR-05) ---------------------------------------------------------------------------------


def test_looking_sends_and_keeps_nothing(processor, as_buyer):
    as_buyer.get(f"{URL}?lead=bcdfghjk&amount=30")
    assert not processor.requests
    assert not Deposit.objects.exists()
    assert not BillingDetails.objects.exists()


def test_it_says_who_collects_what(as_buyer, settings):
    settings.STRIPE_API_BASE = ""
    page = as_buyer.get(URL).content.decode()
    for words in ("Stripe, our card processor", "security code", "What it gets from us", "What we get back"):
        assert words in page
    link = re.search(r'<a [^>]*href="https://stripe.com/privacy"[^>]*>.*?</a>', page)[0]
    assert 'rel="noopener noreferrer external"' in link
    assert 'aria-label="leaves Leadfair"' in link
    assert "demo" not in re.sub(r"(?s)<(header|footer).*?</\1>", "", page).lower()


def test_in_a_demo_it_says_so(as_buyer):
    page = as_buyer.get(URL).content.decode()
    assert "This is a demo." in page
    assert "Stripe, our card processor" not in page


def test_continue_and_cancel_weigh_the_same(as_buyer):
    page = as_buyer.get(URL).content.decode()
    go, stop = re.search(
        r'<div class="equal"><button class="([^"]*)">Continue[^<]*</button><a class="([^"]*)"', page
    ).groups()
    assert go == stop


def test_they_stand_last_after_the_notice(as_buyer):
    page = as_buyer.get(URL).text
    places = [
        page.index(words) for words in ('id="who"', "own rules", "Next: the card page", ">Continue", "Cancel</a>")
    ]
    assert places == sorted(places)
    assert "pay-next" in page.split("Next: the card page")[0].rsplit("<section", 1)[1]  # in the column of the form


def test_cancel_goes_back_to_where_you_came_from(as_buyer):
    assert '<a class="btn btn-line" href="/wallet/">Cancel</a>' in as_buyer.get(URL).content.decode()
    lead = make_lead()
    page = as_buyer.get(f"{URL}?lead={lead.public_id}").content.decode()
    assert f'<a class="btn btn-line" href="/leads/{lead.public_id}/">Cancel</a>' in page


def test_no_card_field(as_buyer):
    page = as_buyer.get(URL).content.decode()
    assert "cc-" not in page
    assert "<script" not in page


def test_only_this_page_may_post_to_the_processor(as_buyer, settings):
    settings.STRIPE_CHECKOUT_ORIGIN = "https://checkout.stripe.com"
    policy = as_buyer.get(URL)["Content-Security-Policy"]
    assert "form-action 'self' https://checkout.stripe.com" in policy
    assert "https://checkout.stripe.com" in as_buyer.post(URL, {"choice": "1"})["Content-Security-Policy"]
    for other in ("/wallet/", "/wallet/billing/", "/leads/"):
        assert "stripe" not in as_buyer.get(other)["Content-Security-Policy"]


# --- the amount -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "cents"),
    [
        ({"choice": "5000"}, 5_000),
        ({"choice": "50000"}, 50_000),
        ({"choice": "other", "amount": "25"}, 2_500),
        ({"choice": "other", "amount": "$1,250.50"}, 125_050),
        ({"choice": "other", "amount": " 5000.00 "}, 500_000),
        ({"amount": "75"}, 7_500),
    ],
)
def test_amounts(as_buyer, started, form, cents):
    assert as_buyer.post(URL, form).status_code == 303
    assert started == [cents]


BAD = [
    *(
        "-5",
        "0",
        "1e9",
        "1.005",
        "NaN",
        "Infinity",
        "١٢",
        "1,00",
        "1" + "0" * 30,
        "",
        "[]",
        "24.99",
        "5000.01",
        "100,5",
    ),
    *(
        "0x64",
        "1 000",
        "100.",
        ".50",
        "$",
        "--",
        "100\x00",
        "１００",
        "25;DROP TABLE",
        "<b>25</b>",
        "9" * 5_000,
        "1" + ",000" * 2_000,
        "25 USD",
    ),
]


@pytest.mark.parametrize("amount", BAD)
def test_what_is_no_amount_is_refused_and_everything_kept(as_buyer, started, amount):
    form = {"choice": "other", "amount": amount, **ADDRESS}
    response = as_buyer.post(URL, form)
    assert response.status_code == 422
    assert started == []
    kept = response.context["form"]
    assert {name: kept[name].value() for name in form} == form
    page = response.content.decode()
    assert "<title>Error: Add money" in page
    assert "Zelda Quill" in page
    assert "<details open>" in page
    assert not BillingDetails.objects.exists()


@pytest.mark.parametrize("form", [{}, {"choice": ""}, {"choice": "other"}, {"choice": "7777"}, {"choice": "x" * 9_999}])
def test_no_choice(as_buyer, started, form):
    assert as_buyer.post(URL, form).status_code == 422
    assert started == []


def test_a_typed_amount_counts_before_a_chosen_one(as_buyer, started):
    assert "What you type here counts, whatever is chosen above." in as_buyer.get(URL).text
    assert as_buyer.post(URL, {"choice": "10000", "amount": "250"}).status_code == 303
    assert started == [25_000]


def test_a_typed_amount_that_is_none_is_not_replaced_by_the_chosen_one(as_buyer, started):
    response = as_buyer.post(URL, {"choice": "10000", "amount": "2.50"})
    assert response.status_code == 422
    assert "Enter an amount between $25.00 and $5,000.00." in response.text
    assert started == []


def test_the_currency_is_ours_to_say(site, as_buyer):
    assert as_buyer.post(URL, HUNDRED | {"currency": "EUR", "cents": "1", "lead_ids": "x"}).status_code == 303
    (request,) = site.processor.requests
    assert request.params["line_items"][0]["price_data"]["currency"] == "usd"
    assert request.params["line_items"][0]["price_data"]["unit_amount"] == "10000"


# --- for a lead -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "suggested"),
    [("37.50", "3750"), ("$37.50", "3750"), ("12.50", "2500"), ("9999", "500000"), ("100", "10000")],
)
def test_what_a_lead_needs_is_suggested(as_buyer, amount, suggested):
    page = as_buyer.get(URL, {"amount": amount, "lead": "bcdfghjk"}).content.decode()
    assert chosen(page) == [suggested]
    assert page.count(f'value="{suggested}"') == 1


@pytest.mark.parametrize(("amount", "lead"), [("37.50", "bcdfghjk"), ("9999", ""), ("12.50", "bcdfghjk")])
def test_nothing_is_said_of_a_lead_that_only_the_address_names(as_buyer, amount, lead):
    page = as_buyer.get(URL, {"amount": amount, "lead": lead}).content.decode()
    assert "enough" not in page
    assert "this lead" not in page


def test_why_one_is_here(as_buyer, buyer):
    """The lead, its price and what is missing are ours to say; the amount in the address only chooses."""
    lead = make_lead(price_cents=13_200)
    page = as_buyer.get(URL, {"amount": "25", "lead": lead.public_id}).text
    assert (
        f'<a href="/leads/{lead.public_id}/">Auto insurance, Columbus OH</a>: this lead costs $132.00 and you' in page
    )
    assert "and you have $0.00: you need $132.00 more. It is waiting for you, unless somebody buys it first." in page
    give(buyer, 13_199)
    assert "you have $131.99: you need $0.01 more." in as_buyer.get(URL, {"lead": lead.public_id}).text
    give(buyer, 1)
    assert "you have $132.00: that is enough." in as_buyer.get(URL, {"lead": lead.public_id}).text


def test_why_one_is_here_with_what_is_owed(as_buyer, buyer):
    with transaction.atomic():
        ledger.take_out(ledger.lock(buyer.pk), "processor", 4_200, kind="dispute", reference="du_1:withdrawn")
    page = as_buyer.get(URL, {"lead": make_lead(price_cents=13_200).public_id}).text
    assert "you have $0.00 and owe $42.00: you need $174.00 more." in page


def test_a_lead_that_is_gone_meanwhile_needs_no_money(as_buyer):
    lead = make_lead(price_cents=13_200)
    Lead.objects.update(status=Lead.Status.WITHDRAWN)
    page = as_buyer.get(URL, {"lead": lead.public_id}).text
    assert "this lead is not for sale any more." in page
    assert "you need" not in page


def test_trying_again_suggests_what_was_asked(as_buyer):
    page = as_buyer.get(URL, {"amount": "$42.00"}).content.decode()
    assert chosen(page) == ["4200"]


@pytest.mark.parametrize("amount", BAD)
def test_nonsense_in_the_address_suggests_nothing(as_buyer, amount):
    response = as_buyer.get(URL, {"amount": amount})
    if len(amount) > LONGEST_ADDRESS:
        assert response.status_code == 414
        return
    assert response.status_code == 200
    assert set(chosen(response.content.decode())) <= {"2500", "500000"}


def test_the_deposit_remembers_the_lead(site, as_buyer):
    lead = make_lead()
    response = as_buyer.post(f"{URL}?lead={lead.public_id}&amount=37.50", {"choice": "3750"})
    assert response.status_code == 303
    deposit = Deposit.objects.get()
    assert (deposit.lead_ids, deposit.amount_cents) == (lead.public_id, 3_750)


def test_the_deposit_remembers_all_the_leads_of_an_order(site, as_buyer):
    leads = [make_lead(price_cents=2_000).public_id for _ in range(50)]
    address = f"{URL}?{'&'.join(f'lead={text}' for text in leads)}&lead={leads[0]}&lead=bcdfgh&amount=$970.00"

    page = html.unescape(as_buyer.get(address).text)
    assert "The 50 leads you selected" in page
    assert "together they cost $1,000.00 and you have" in page
    assert f'href="/leads/buy/?{"&".join(f"lead={text}" for text in leads)}">Cancel</a>' in page

    assert as_buyer.post(address, {"choice": "97000"}).status_code == 303
    assert Deposit.objects.get().leads == leads


@pytest.mark.parametrize("lead", ["", "x" * 21, "../admin", "<script>", "AEIOU", "bc df", "bcdf\x00", "١٢"])
def test_what_is_no_lead_is_nothing(as_buyer, lead):
    response = as_buyer.get(URL, {"lead": lead})
    assert response.context["lead_ids"] == []
    assert "<script>" not in response.content.decode()


def test_what_is_owed_is_said(as_buyer, buyer):
    give(buyer, 5_000, reference="pi_1:credit")
    with transaction.atomic():
        ledger.take_out(ledger.lock(buyer.pk), "processor", 9_200, kind="dispute", reference="du_1:withdrawn")
    assert (
        "You owe $42.00 for a card payment that went back. Buying is off until that is settled"
        in as_buyer.get(URL).content.decode()
    )


# --- name and address for receipts ------------------------------------------------------------------------------------


def test_given_details_are_kept(as_buyer, buyer, started):
    as_buyer.post(URL, HUNDRED | ADDRESS)
    details = BillingDetails.objects.get()
    assert details.owner == buyer
    assert {name: getattr(details, name) for name in ADDRESS} == ADDRESS


def test_nothing_given_is_nothing_kept(as_buyer, started):
    assert as_buyer.post(URL, HUNDRED).status_code == 303
    assert not BillingDetails.objects.exists()


def test_known_details_are_shown_and_changed(as_buyer, buyer, started):
    BillingDetails.objects.create(owner=buyer, **ADDRESS)
    page = as_buyer.get(URL).content.decode()
    assert 'value="Zelda Quill"' in page
    as_buyer.post(URL, HUNDRED | ADDRESS | {"city": "Dayton"})
    assert BillingDetails.objects.get().city == "Dayton"


@pytest.mark.parametrize(
    ("field", "value"),
    [("state", "XX"), ("postal_code", "4321"), ("postal_code", "4321٥"), ("name", "x" * 121), ("city", "a\x00b")],
)
def test_details_that_cannot_be(as_buyer, started, field, value):
    response = as_buyer.post(URL, HUNDRED | ADDRESS | {field: value})
    assert response.status_code == 422
    assert field in response.context["form"].errors
    assert started == []
    assert not BillingDetails.objects.exists()


def test_the_processor_does_not_get_them(site, as_buyer):
    as_buyer.post(URL, HUNDRED | ADDRESS)
    assert not any(word in str(site.processor.requests) for word in ("Zelda", "Columbus", "43215"))


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("refusal", "status"), [(gateway.ProcessorDown(), 503), (gateway.ProcessorRefused(), 503), (TooMany(90), 429)]
)
def test_the_form_is_kept_when_it_cannot_be_done_now(as_buyer, monkeypatch, refusal, status):
    def start(*args: object, **kwargs: object) -> None:
        raise refusal

    monkeypatch.setattr(deposits, "start_deposit", start)
    response = as_buyer.post(URL, HUNDRED | ADDRESS)
    assert response.status_code == status
    assert response["Retry-After"] == str(refusal.retry_after)
    page = response.content.decode()
    assert chosen(page) == ["10000"]
    assert "Zelda Quill" in page
    assert str(refusal.message) in page


def test_while_the_processor_is_down_buying_goes_on(site, as_buyer, buyer, impatient):
    site.funded(buyer)
    site.processor.faults.fail_before(times=None)
    assert as_buyer.post(URL, HUNDRED).status_code == 503
    assert as_buyer.get("/wallet/").status_code == 200
    buy_lead(buyer, make_lead(price_cents=1_000), price_seen=1_000, key=new_key())
    assert balance(buyer) == 9_000


@pytest.mark.parametrize("method", ["get", "post"])
def test_unverified_members_are_refused(as_buyer, buyer, method):
    buyer.email_verified_at = None
    buyer.save()
    before = OutgoingEmail.objects.count()
    assert getattr(as_buyer, method)(URL, HUNDRED).status_code == 403
    assert not any(model.objects.exists() for model in apps.get_app_config("wallet").get_models())
    assert OutgoingEmail.objects.count() == before


def test_a_token_is_asked_for(buyer):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(buyer)
    assert strict.post(URL, HUNDRED).status_code == 403
    assert not Deposit.objects.exists()


@pytest.mark.parametrize("method", ["put", "delete", "patch"])
def test_other_methods(as_buyer, method):
    assert getattr(as_buyer, method)(URL).status_code == 405


def test_who_may_not_buy_is_not_asked_for_money(processor, as_buyer, buyer):
    buyer.buying_stopped_at = buyer.date_joined
    buyer.save()
    page = as_buyer.get(URL)
    assert "No deposit can be made meanwhile." in page.text
    assert "Continue to the card page" not in page.text
    response = as_buyer.post(URL, HUNDRED)
    assert response.status_code == 409
    assert not Deposit.objects.exists()
