"""`/my-leads/<id>/`: whom to call, what they asked for and agreed to, and my notes."""

import html
from datetime import UTC, date, datetime, timedelta

import pytest
from django.urls import reverse

from marketplace.core import clock
from marketplace.leads.models import Consent, LeadContact
from marketplace.purchases.calls import log_call, plan_call, remove_call
from marketplace.purchases.models import Purchase
from marketplace.purchases.notes import add_note
from marketplace.purchases.services import buy_lead, new_key
from marketplace.purchases.stages import set_stage
from privacy.vault.fields import seal_into, unseal_from
from tests.stock import WORDING

from .conftest import bought


def url(purchase):
    return reverse("purchases:my_lead", args=[purchase.public_id])


def text_of(response):
    return html.unescape(response.content.decode())


def test_it_works(as_alice, alice, purchase):
    Consent.objects.filter(lead=purchase.lead).update(
        named_sellers="Leadfair buyers, Acme Insurance",
        provider="TrustedForm",
        certificate_url="https://cert.example.com/abc",
        expires_at=datetime(2027, 1, 2, 3, 4, tzinfo=UTC),
        dnc_checked_on=date(2026, 11, 20),
    )

    response = as_alice.get(url(purchase))

    page = text_of(response)
    assert response.status_code == 200
    for said in (
        "<h1>Priya Raman</h1>",
        'href="tel:+16145550142"',
        "Call (614) 555-0142",
        'href="mailto:priya@example.org"',
        "1 Test St, Columbus, OH 43215",
        "<dt>Vehicles</dt><dd>2</dd>",
        "Test Supply",
        WORDING,
        purchase.lead.consent.wording.sha256,
        'href="https://quotes.example.net/auto" rel="noopener noreferrer external"',
        'href="https://cert.example.com/abc" rel="noopener noreferrer external"',
        "Leadfair buyers, Acme Insurance",
        "<dd>TrustedForm</dd>",
        "2 Jan 2027, 03:04 UTC",
        "20 Nov 2026",
        "<dt>Withdrawn</dt><dd>No</dd>",
        "<dt>Price paid</dt><dd>$5.00</dd>",
        "Buyer 1 of 1 (exclusive)",
        f"<dt>Lead</dt><dd>{purchase.lead.public_id}</dd>",
        f"<dt>Purchase</dt><dd>{purchase.public_id}</dd>",
        f">{purchase.order.public_id}</a></dd>",
        purchase.terms_sha256,
        "A receipt was sent to your email address",
    ):
        assert said in page, said
    assert response["Cache-Control"] == "no-store"
    assert "Priya" not in page.split("<title>")[1].split("</title>")[0]


def test_what_the_person_wrote_is_shown_to_the_buyer(as_alice, purchase):
    contact = purchase.lead.contact
    seal_into(contact, "sealed", unseal_from(contact, "sealed") | {"comments": "Call after 6 pm <b>please</b>"})
    contact.save()
    page = as_alice.get(url(purchase)).content.decode()
    assert "<dt>They added</dt><dd>Call after 6 pm &lt;b&gt;please&lt;/b&gt;</dd>" in page


def test_without_the_optional_parts_of_the_record(as_alice, purchase):
    page = text_of(as_alice.get(url(purchase)))
    for said in ("None by name", "<dt>Certified by</dt><dd>Nobody</dd>", "No end stated", "Not made"):
        assert said in page
    assert "<dt>Certificate</dt>" not in page


def test_a_withdrawn_consent_is_said_first(as_alice, purchase):
    assert 'class="row call"' in text_of(as_alice.get(url(purchase)))
    Consent.objects.filter(lead=purchase.lead).update(revoked_at=datetime(2026, 11, 21, 9, 40, tzinfo=UTC))
    page = text_of(as_alice.get(url(purchase)))
    assert "This person withdrew their consent on" in page
    assert 'class="row call"' not in page, "no button leads there"
    assert "Do not contact them." in page


def test_an_address_cannot_add_other_readers_to_the_mail(as_alice, alice):
    """The import takes no such address; what came in before is written so that a mail program sees one address."""
    page = as_alice.get(url(bought(alice, email="ana?bcc=eve%40evil.example&x@example.com"))).content.decode()
    assert page.count('href="mailto:ana%3Fbcc%3Deve%2540evil.example%26x@example.com"') == 2
    assert "mailto:ana?" not in page


def test_the_slot_of_a_shared_lead(as_alice, alice, bob):
    lead = bought(bob, buyers=3).lead
    from_alice = buy_lead(alice, lead, price_seen=lead.price_cents, key=new_key())
    assert "Buyer 2 of 3" in text_of(as_alice.get(url(from_alice)))


def test_a_person_without_email_or_name(as_alice, alice):
    nameless = bought(alice, first_name=" ", last_name=" ")
    page = text_of(as_alice.get(url(nameless)))
    assert "<h1>No name</h1>" in page


@pytest.mark.parametrize("who", ["visitor", "bob", "charlie"])
def test_others_do_not_see_it(client, bob, charlie, purchase, who):
    if who == "visitor":
        response = client.get(url(purchase))
        assert response.status_code == 302
        assert response["Location"].startswith(reverse("account_login"))
        return
    client.force_login({"bob": bob, "charlie": charlie}[who])
    theirs, missing = client.get(url(purchase)), client.get("/my-leads/nothere/")
    assert theirs.status_code == missing.status_code == 404
    assert theirs.content.replace(purchase.public_id.encode(), b"nothere") == missing.content


def test_the_lead_id_is_not_the_purchase_id(as_alice, purchase):
    assert as_alice.get(f"/my-leads/{purchase.lead.public_id}/").status_code == 404
    assert as_alice.get("/my-leads/a%00b/").status_code == 404


def test_a_contact_that_cannot_be_opened(as_alice, purchase):
    LeadContact.objects.filter(pk=purchase.lead_id).update(sealed="gone.AAAA")
    response = as_alice.get(url(purchase))
    assert response.status_code == 200
    assert "This contact cannot be opened right now. Your purchase stands" in text_of(response)
    assert "tel:" not in text_of(response)


def test_what_suppliers_and_buyers_write_is_text(as_alice, alice):
    """B17"""
    evil = '"><script>alert(1)</script>'
    purchase = bought(alice, first_name=evil, attributes={"x": evil}, city=evil)
    Consent.objects.filter(lead=purchase.lead).update(page="javascript:alert(1)", named_sellers=evil)
    add_note(purchase, evil)
    for address in (url(purchase), "/my-leads/", f"/leads/{purchase.lead.public_id}/"):
        raw = as_alice.get(address).content.decode()
        assert "<script>" not in raw
        assert 'href="javascript' not in raw
    assert raw.count("&lt;script&gt;") > 0


def test_notes_are_shown_newest_first(as_alice, purchase):
    add_note(purchase, "first call")
    add_note(purchase, "second call\nleft a message")
    page = text_of(as_alice.get(url(purchase)))
    assert page.index("second call<br>left a message") < page.index("first call")


def test_the_stage_is_shown(as_alice, purchase):
    set_stage(purchase, "quoted")
    page = text_of(as_alice.get(url(purchase)))
    assert '<option value="quoted" selected>Quoted</option>' in page


def test_calls_are_shown_newest_first(as_alice, purchase):
    log_call(purchase, "no_answer", key=new_key())
    log_call(purchase, "left_message", key=new_key())
    log = text_of(as_alice.get(url(purchase))).split('id="calls-title"')[1].split("</section>")[0]
    assert log.index("Left a message") < log.index("No answer")


def test_who_spoke_to_them_is_offered_the_next_stage(as_alice, purchase):
    log_call(purchase, "spoke", key=new_key())
    assert "Move to Contacted" in text_of(as_alice.get(url(purchase)))
    assert Purchase.objects.get().stage == "new", "it does not move by itself"
    set_stage(purchase, "quoted")
    assert "Move to Contacted" not in text_of(as_alice.get(url(purchase)))


def test_who_asked_not_to_be_called_is_named(as_alice, purchase):
    log_call(purchase, "asked_not", key=new_key())
    log_call(purchase, "wrong_number", key=new_key())
    assert "This person asked you not to call them again." in text_of(as_alice.get(url(purchase)))


@pytest.mark.parametrize("why", ["asked not", "consent taken back"])
def test_nothing_leads_to_a_call_of_who_may_not_be_called(as_alice, alice, why):
    """No page of a lead, a list or an order: the wish is shown, the number is plain and no call is planned."""
    mine = bought(alice, phone="+16145550142", time_zone="America/New_York")
    soon = clock.now() + timedelta(minutes=1)
    plan_call(mine, soon)
    pages = [url(mine), "/my-leads/", "/my-leads/?view=board", reverse("purchases:order", args=[mine.order.public_id])]
    assert all("tel:+16145550142" in text_of(as_alice.get(page)) for page in pages)
    assert "(614) 555-0142" in text_of(as_alice.get("/my-leads/?due=today"))
    if why == "asked not":
        log_call(mine, "asked_not", key=new_key())
    else:
        Consent.objects.filter(lead=mine.lead).update(revoked_at=clock.now())
    for page in pages:
        said = text_of(as_alice.get(page))
        assert "tel:" not in said
        assert "o not c" in said or "not to call" in said
        assert "Next:" not in said
    said = text_of(as_alice.get(url(mine)))
    assert "called now" not in said
    assert "Save next call" not in said
    assert "No call can be planned" in said
    assert "No call is due today" in text_of(as_alice.get("/my-leads/?due=today"))


def test_a_wish_told_by_mistake_brings_the_planned_call_back(as_alice, purchase):
    plan_call(purchase, clock.now() + timedelta(hours=1))
    call = log_call(purchase, "asked_not", key=new_key())
    remove_call(purchase, call.public_id)
    assert "No call planned</button>" in text_of(as_alice.get(url(purchase)))


def test_the_time_where_they_are_is_said_unless_nobody_may_call(as_alice, alice):
    mine = bought(alice, time_zone="America/New_York")
    assert "where they are." in text_of(as_alice.get(url(mine)))
    Consent.objects.filter(lead=mine.lead).update(revoked_at=datetime(2026, 11, 21, 9, 40, tzinfo=UTC))
    assert "where they are." not in text_of(as_alice.get(url(mine))).split("</section>")[0]


def test_few_queries(as_alice, purchase, django_assert_num_queries):
    for number in range(20):
        add_note(purchase, f"call {number}")
        log_call(purchase, "no_answer", key=new_key())
    with django_assert_num_queries(6):
        as_alice.get(url(purchase))


def test_only_reading(as_alice, purchase):
    assert as_alice.head(url(purchase)).status_code == 200
    assert as_alice.post(url(purchase)).status_code == 405
