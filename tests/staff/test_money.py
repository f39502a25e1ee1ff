"""Money put right by two people, from the row of a purchase to the buyer's balance."""

import re
from datetime import timedelta

import pytest

from marketplace.core import clock
from marketplace.core.ids import new_id
from marketplace.ledger import adjustments
from marketplace.ledger.models import Adjustment
from marketplace.ledger.services import wallet_of
from marketplace.mail.models import OutgoingEmail
from marketplace.purchases.models import Credit
from marketplace.purchases.services import buy_lead
from marketplace.wallet import deposits
from marketplace.wallet.gateway import Payment
from marketplace.wallet.models import Resolution, UnexplainedPayment
from privacy.vault.fields import unseal_from
from tests.people import give
from tests.races.rig import assert_sound
from tests.stock import make_lead

from .conftest import browser_of

pytestmark = pytest.mark.django_db
APPROVALS = "/admin/approvals/"
SETTLE = "/admin/payments/pi_odd/settle/"
CONTACT = "Leave out the email address, phone number or street address"


def credit_url(purchase) -> str:
    return f"/admin/purchases/{purchase.public_id}/credit/"


def fields_of(page, **changes) -> dict[str, str]:
    found = dict(re.findall(r'<input type="hidden" name="(key)" value="(\w+)"', page.text))
    return found | {"problem": "bad_number", "cents": "4.00", "reason": "Rings through."} | changes


def test_it_works(as_sam, as_fay, alice, purchase):
    page = as_sam.get(credit_url(purchase))
    assert "$10.00 of it can be given back" in page.text
    answer = as_sam.post(credit_url(purchase), fields_of(page), follow=True)
    assert "It waits for a second person now" in answer.text
    assert wallet_of(alice.pk).cash == 99_000
    waiting = as_fay.get(APPROVALS).text
    assert "Give $4.00 of $10.00" in waiting
    address = re.search(r'href="(/admin/approvals/credit/\w+/)"', waiting)[1]
    page = as_fay.get(address)
    assert "Rings through." in page.text
    answer = as_fay.post(address, {"decision": "approve"}, follow=True)
    assert "the buyer is told by mail" in answer.text
    assert "Nothing waits" in answer.text
    assert wallet_of(alice.pk).cash == 99_400
    assert_sound()
    history = as_fay.get(f"/admin/purchases/credit/{Credit.objects.get().pk}/history/").text
    credit = Credit.objects.get()
    for said in (f"Asked for Credit {credit.public_id} of $4.00.", f"Approved Credit {credit.public_id} of $4.00."):
        assert said in history
        assert said in as_fay.get(f"/admin/accounts/user/{alice.pk}/history/").text, "and in the member's"
    assert history.index("Approved") < history.index("Asked for Credit"), "newest first"


def test_pressed_twice_it_is_asked_for_once(as_sam, purchase):
    fields = fields_of(as_sam.get(credit_url(purchase)))
    for _ in range(2):
        assert as_sam.post(credit_url(purchase), fields).status_code == 302
    assert Credit.objects.count() == 1


@pytest.mark.parametrize("changes", [{"cents": "3.00"}, {"problem": "goodwill"}, {"reason": "Another one."}])
def test_the_form_sent_again_with_something_else_says_so(as_sam, purchase, changes):
    """Back, changed, pressed: it does not look as if the change was asked for."""
    fields = fields_of(as_sam.get(credit_url(purchase)))
    as_sam.post(credit_url(purchase), fields)
    response = as_sam.post(credit_url(purchase), fields | changes)
    assert response.status_code == 409
    assert "This form asked for something else already" in response.text
    assert f'value="{(fields | changes)["cents"]}"' in response.text
    assert Credit.objects.get().amount_cents == 400


def test_the_key_of_another_changes_nothing(as_sam, as_fay, purchase):
    fields = fields_of(as_sam.get(credit_url(purchase)))
    as_sam.post(credit_url(purchase), fields)
    assert as_fay.post(credit_url(purchase), fields).status_code == 409
    assert Credit.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cents": "10.01"}, "At most $10.00"),
        ({"cents": "0"}, "Enter more than nothing"),
        ({"cents": "-4"}, "Enter an amount in dollars"),
        ({"cents": "4.005"}, "Enter an amount in dollars"),
        ({"cents": "1e3"}, "Enter an amount in dollars"),
        ({"problem": ""}, "Choose what is wrong."),
        ({"cents": ""}, "Enter an amount."),
        ({"problem": "because"}, "not one of the available choices"),
        ({"reason": ""}, "Say why"),
        ({"reason": "x" * 501}, "Keep it to 500 characters; these are 501."),
        ({"reason": "NUL\0"}, "Null characters"),
    ],
)
def test_bad_input_loses_nothing(as_sam, purchase, changes, words):
    fields = fields_of(as_sam.get(credit_url(purchase)), **changes)
    response = as_sam.post(credit_url(purchase), fields)
    assert response.status_code in {409, 422}
    assert words in response.text
    assert f'value="{fields["cents"]}"' in response.text
    assert not Credit.objects.exists()


def test_support_does_not_decide(as_sam, as_fay, fay, purchase):
    as_fay.post(credit_url(purchase), fields_of(as_fay.get(credit_url(purchase))))
    credit = Credit.objects.get()
    address = f"{APPROVALS}credit/{credit.public_id}/"
    page = as_sam.get(address).text
    assert "Somebody with another role decides this." in page and 'value="approve"' not in page
    assert as_sam.post(address, {"decision": "approve"}).status_code == 403
    assert "Give $4.00" not in as_sam.get(APPROVALS).text
    assert Credit.objects.get().is_waiting


def test_the_same_is_not_given_twice_by_accident(as_sam, as_fay, alice, purchase):
    address = credit_url(purchase)
    as_sam.post(address, fields_of(as_sam.get(address)))
    first = Credit.objects.get()
    as_fay.post(f"{APPROVALS}credit/{first.public_id}/", {"decision": "approve"})
    page = as_sam.get(address)
    assert "$4.00 given back: number out of service or wrong" in page.text
    response = as_sam.post(address, fields_of(page))
    assert response.status_code == 409
    assert "Tick that more is to be given" in response.text and 'value="4.00"' in response.text
    assert Credit.objects.count() == 1
    as_sam.post(address, fields_of(page, more="on"))
    second = Credit.objects.latest("pk")
    decision = as_fay.get(f"{APPROVALS}credit/{second.public_id}/").text
    assert "Asked for besides" in decision and f"{APPROVALS}credit/{first.public_id}/" in decision


def test_a_first_credit_asks_for_no_tick(as_sam, purchase):
    assert 'name="more"' not in as_sam.get(credit_url(purchase)).text


def test_nothing_is_offered_that_can_only_be_refused(as_sam, as_fay, fay, alice, purchase):
    address, back = credit_url(purchase), f"/admin/members/{alice.public_id}/"
    as_sam.post(address, fields_of(as_sam.get(address), cents="10.00"))
    assert address not in as_sam.get(back).text
    assert "all asked for" in as_sam.get(back).text
    page = as_sam.get(address, follow=True)
    assert page.redirect_chain == [(back, 302)]
    assert "No credit can be asked for: all of this purchase is given back, or asked for." in page.text
    give(fay, 10_000)
    own = buy_lead(fay, make_lead(price_cents=1000), price_seen=1000, key=new_id())
    page = as_fay.get(f"/admin/members/{fay.public_id}/").text
    assert credit_url(own) not in page and "/adjust/" not in page


def test_who_asked_is_led_to_it(as_sam, purchase):
    page = as_sam.post(credit_url(purchase), fields_of(as_sam.get(credit_url(purchase))), follow=True).text
    assert f'<a href="{APPROVALS}credit/{Credit.objects.get().public_id}/">See what you asked for</a>' in page


def test_what_was_decided_stays_on_the_page_of_the_member(as_sam, as_fay, alice, purchase):
    as_sam.post(credit_url(purchase), fields_of(as_sam.get(credit_url(purchase))))
    address = f"{APPROVALS}credit/{Credit.objects.get().public_id}/"
    as_fay.post(address, {"decision": "approve"})
    page = as_sam.get(f"/admin/members/{alice.public_id}/").text
    assert address in page and "Rings through." in page
    assert "Approved" in page and "Fay," in page and "Sam," in page


def test_a_large_adjustment_is_told_to_the_owners(as_fay, as_olga, fay, olga, alice):
    told = OutgoingEmail.objects.filter(user=olga, category="operator")
    for cents, mails in ((999_99, 0), (1_000_00, 1)):
        asked = adjustments.ask(fay, alice, "put_in", cents=cents, reason="Paid by wire.")
        as_olga.post(f"{APPROVALS}adjustment/{asked.public_id}/", {"decision": "approve"})
        assert told.count() == mails
    said = unseal_from(told.get(), "context")
    assert "Fay asked for it and Olga approved it: “Put $1,000.00 on the balance of Alice”." in said["said"]
    assert said["where"].endswith(f"/adjustment/{asked.public_id}/")


def test_a_maker_does_not_check_their_own(as_fay, alice, purchase):
    as_fay.post(credit_url(purchase), fields_of(as_fay.get(credit_url(purchase))))
    address = f"{APPROVALS}credit/{Credit.objects.get().public_id}/"
    page = as_fay.get(address).text
    assert "Somebody else has to decide" in page
    assert 'value="approve"' not in page
    response = as_fay.post(address, {"decision": "approve"})
    assert response.status_code == 403
    assert "Somebody else has to decide" in response.text
    assert wallet_of(alice.pk).cash == 99_000


def test_enter_in_why_not_moves_no_money(as_sam, as_fay, alice, purchase):
    as_sam.post(credit_url(purchase), fields_of(as_sam.get(credit_url(purchase))))
    address = f"{APPROVALS}credit/{Credit.objects.get().public_id}/"
    response = as_fay.post(address, {"answer": "A person answered.", "decision": "approve"})
    assert response.status_code == 422
    assert "This says why not." in response.text and "A person answered." in response.text
    assert Credit.objects.get().is_waiting
    assert wallet_of(alice.pk).cash == 99_000


def test_a_refused_approval_still_waits_on_its_page(as_fay, as_olga, fay, alice):
    first = adjustments.ask(fay, alice, "take_out", cents=1_000_00, reason="Counted twice.")
    second = adjustments.ask(fay, alice, "take_out", cents=1, reason="Counted twice.")
    as_olga.post(f"{APPROVALS}adjustment/{first.public_id}/", {"decision": "approve"})
    response = as_olga.post(f"{APPROVALS}adjustment/{second.public_id}/", {"decision": "approve"})
    assert response.status_code == 409
    assert "Waiting for a second person" in response.text and "Approved by" not in response.text
    assert 'value="decline"' in response.text


def test_taken_back(as_fay, as_olga, purchase):
    as_fay.post(credit_url(purchase), fields_of(as_fay.get(credit_url(purchase))))
    address = f"{APPROVALS}credit/{Credit.objects.get().public_id}/"
    assert as_olga.post(f"{address}take-back/").status_code == 403
    assert "taken back" in as_fay.post(f"{address}take-back/", follow=True).text
    assert as_fay.post(f"{address}take-back/").status_code == 409
    assert as_olga.post(address, {"decision": "approve"}).status_code == 409


def test_declined_with_a_reason(as_sam, as_fay, purchase):
    as_sam.post(credit_url(purchase), fields_of(as_sam.get(credit_url(purchase))))
    address = f"{APPROVALS}credit/{Credit.objects.get().public_id}/"
    response = as_fay.post(address, {"decision": "decline"})
    assert response.status_code == 422
    assert "Say why you decline" in response.text
    as_fay.post(address, {"decision": "decline", "answer": "A person answered."})
    assert "A person answered." in as_sam.get(address).text


@pytest.mark.parametrize("decision", ["approve", "decline"])
@pytest.mark.parametrize("what", ["credit", "adjustment"])
def test_nobody_decides_what_is_about_them(as_sam, as_fay, as_olga, fay, what, decision):
    """Fay of finance buys leads herself: what is asked for her sake is not for her to decide, nor on her list."""
    if what == "credit":
        give(fay, 10_000)
        own = buy_lead(fay, make_lead(price_cents=1000), price_seen=1000, key=new_id())
        as_sam.post(credit_url(own), fields_of(as_sam.get(credit_url(own))))
    else:
        asked = {"kind": "goodwill", "cents": "5.00", "reason": "Sorry."}
        as_olga.post(f"/admin/members/{fay.public_id}/adjust/", asked)
    row = (Credit if what == "credit" else Adjustment).objects.get()
    address = f"{APPROVALS}{what}/{row.public_id}/"
    assert "You may" not in as_fay.get(APPROVALS).text
    assert "It is about you: somebody else has to decide." in as_fay.get(address).text
    response = as_fay.post(address, {"decision": decision, "answer": "No." if decision == "decline" else ""})
    assert response.status_code == 403
    assert "Somebody else has to decide" in response.text
    row.refresh_from_db()
    assert row.is_waiting


def test_an_adjustment_goes_the_same_way(as_fay, as_olga, alice):
    address = f"/admin/members/{alice.public_id}/adjust/"
    assert as_fay.get(address).status_code == 200
    assert "The balance is $1,000.00, $0.00 of it promotional; $0.00 is owed." in as_fay.get(address).text
    response = as_fay.post(address, {"kind": "take_out", "cents": "2,000.00", "reason": "Counted twice."})
    assert response.status_code == 409
    assert "Only $1,000.00 of their own money is on the balance now" in response.text
    assert "Counted twice." in response.text
    as_fay.post(address, {"kind": "take_out", "cents": "500", "reason": "Counted twice."})
    where = f"{APPROVALS}adjustment/{Adjustment.objects.get().public_id}/"
    page = as_olga.get(where).text
    assert f'<a href="/admin/members/{alice.public_id}/">Alice</a>: balance $1,000.00' in page
    assert as_olga.post(where, {"decision": "approve"}).status_code == 302
    assert wallet_of(alice.pk).cash == 50_000


def test_what_waits_is_said_before_more_is_asked(as_sam, as_fay, purchase):
    address = credit_url(purchase)
    as_sam.post(address, fields_of(as_sam.get(address)) | {"cents": "4.00"})
    page = as_fay.get(address).text
    assert "$6.00 of it can be given back." in page
    assert "$4.00 asked for and not decided yet: number out of service or wrong (asked for by Sam on" in page
    page = as_fay.get(f"{APPROVALS}credit/{Credit.objects.get().public_id}/").text
    assert f">{purchase.public_id}</a>: $10.00, $0.00 of it given back" in page


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("a", "Say why, in a few words."),
        ("Write to her at alice@example.com instead.", CONTACT),
        ("Call (614) 555-0142 about it.", CONTACT),
        ("Call +16145550142 about it.", CONTACT),
        ("Call 555-867-5309 about it.", CONTACT),
        ("She moved to 12 Old Oak Street.", CONTACT),
        ("Paid \u202eback twice.", "invisible characters that turn the text around"),
        ("Payment pi_3Qa1b2c3d4e5f6g7 of 2026-11-26, $1,234,567.89, case 1234567.", ""),
        ("Called 3 times on the way, lead 2026-1120-3344.", ""),
    ],
)
def test_reasons_are_words_without_contact_data(as_sam, purchase, words, error):
    address = credit_url(purchase)
    response = as_sam.post(address, fields_of(as_sam.get(address)) | {"reason": words})
    assert response.status_code == (422 if error else 302)
    assert not error or (error in response.text and words in response.text)


def test_unknown_requests(as_fay):
    for address in ("cat/x234567/", "credit/nothing12345/"):
        assert as_fay.get(f"{APPROVALS}{address}").status_code == 404


@pytest.mark.parametrize("what", ["credit", "adjust", "approve"])
def test_money_asks_for_a_fresh_password(as_sam, sam, fay, alice, purchase, what):
    as_sam.post(credit_url(purchase), fields_of(as_sam.get(credit_url(purchase))))
    browser = browser_of(fay, minutes_ago=16)
    address = {
        "credit": credit_url(purchase),
        "adjust": f"/admin/members/{alice.public_id}/adjust/",
        "approve": f"{APPROVALS}credit/{Credit.objects.get().public_id}/",
    }[what]
    assert "/accounts/reauthenticate/" in browser.get(address)["Location"]
    typed = {"kind": "goodwill", "cents": "5", "problem": "goodwill", "reason": "What I typed.", "decision": "approve"}
    response = browser.post(address, typed)
    assert response.status_code == 403
    assert "What I typed." in response.text, "given back"
    assert "Amount in dollars: 5\nProblem: goodwill" in response.text, "by the names that the form showed"
    assert Credit.objects.get().is_waiting
    assert not Adjustment.objects.exists()


# --- money of no deposit ----------------------------------------------------------------------------------------------


@pytest.fixture
def unexplained(db):
    deposits.settle(Payment("pi_odd", "succeeded", 1234, "usd", "", settled=1234, fee=0))
    return UnexplainedPayment.objects.get()


def test_unexplained_money_is_settled_by_two(as_sam, as_fay, alice, unexplained):
    payment = f"/admin/wallet/unexplainedpayment/{unexplained.pk}/change/"
    assert SETTLE in as_sam.get(payment).text
    assert f'href="{payment}">Cancel' in as_sam.get(SETTLE).text
    page = as_sam.post(SETTLE, {"whose": "give", "member": "nobody", "reason": "Hers, says the processor."})
    assert page.status_code == 422
    assert "No member with a confirmed email has this handle" in page.text
    assert 'value="nobody"' in page.text
    as_sam.post(SETTLE, {"whose": "give", "member": "alice", "reason": "Hers, says the processor."})
    again = as_sam.post(SETTLE, {"whose": "give", "member": "alice", "reason": "Again."})
    assert again.status_code == 409
    address = f"{APPROVALS}resolution/{Resolution.objects.get().public_id}/"
    assert as_sam.post(address, {"decision": "approve"}).status_code == 403
    assert "Put $12.34 of payment pi_odd on the balance of Alice" in as_fay.get(address).text
    assert as_fay.post(address, {"decision": "approve"}).status_code == 302
    assert wallet_of(alice.pk).cash == 101_234
    assert_sound()
    assert "Unexplained money" in as_fay.get("/admin/").text


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ({}, "Choose one of the two."),
        ({"whose": "give"}, "Whose is it?"),
        ({"whose": "back", "member": "alice"}, "Leave this empty to send the money back"),
        ({"whose": "back", "member": "nobody"}, "Leave this empty to send the money back"),
        ({"member": "alice"}, "Choose one of the two."),
    ],
)
def test_an_empty_field_sends_no_money_away(as_sam, alice, unexplained, typed, problem):
    response = as_sam.post(SETTLE, typed | {"reason": "As the processor says."})
    assert response.status_code == 422
    assert problem in response.text
    assert "As the processor says." in response.text
    assert not Resolution.objects.exists()


def test_sent_back_says_so(as_sam, as_fay, unexplained):
    as_sam.post(SETTLE, {"whose": "back", "reason": "Nobody knows the payer."})
    address = f"{APPROVALS}resolution/{Resolution.objects.get().public_id}/"
    page = as_fay.post(address, {"decision": "approve"}, follow=True).text
    assert "on its way back to the card" in page
    assert "on the member’s balance" not in page


def test_who_asked_finds_what_was_decided(as_sam, as_fay, purchase):
    as_sam.post(credit_url(purchase), fields_of(as_sam.get(credit_url(purchase))))
    assert "decided within a week" not in as_sam.get(APPROVALS).text
    address = f"{APPROVALS}credit/{Credit.objects.get().public_id}/"
    as_fay.post(address, {"decision": "decline", "answer": "The number rings here."})
    page = as_sam.get(APPROVALS).text
    assert "decided within a week" in page
    assert "The number rings here." in page
    assert "What you decided within a week" in as_fay.get(APPROVALS).text
    assert "Answers to what you asked for" in as_sam.get("/admin/").text
    assert "Answers to what you asked for" not in as_fay.get("/admin/").text
    Credit.objects.update(decided_at=clock.now() - timedelta(days=8))
    assert "decided within a week" not in as_sam.get(APPROVALS).text


def test_a_settled_form_sent_again_for_somebody_else(as_sam, alice, bob, unexplained):
    address = SETTLE
    key = re.search(r'name="key" value="(\w+)"', as_sam.get(address).text)[1]
    fields = {"key": key, "whose": "give", "member": "alice", "reason": "Hers."}
    assert [as_sam.post(address, fields).status_code for _ in range(2)] == [302, 302]
    response = as_sam.post(address, fields | {"member": "bob"})
    assert response.status_code == 409
    assert "This form asked for something else already" in response.text
    assert Resolution.objects.get().member == alice


def test_nothing_left_to_settle(as_sam, as_fay, alice, unexplained):
    for member in ("alice@example.com", alice.public_id):
        as_sam.post(SETTLE, {"whose": "give", "member": member, "reason": "Hers."})
    as_fay.post(f"{APPROVALS}resolution/{Resolution.objects.get().public_id}/", {"decision": "approve"})
    response = as_sam.post(SETTLE, {"whose": "give", "member": "alice", "reason": "Once more."})
    assert response.status_code == 409
    assert "Nothing is left of this payment" in response.text
