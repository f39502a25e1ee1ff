"""`/admin/search/`: one box for all that a caller may tell."""

import pytest

from marketplace.ledger import adjustments
from marketplace.mail.models import OutgoingEmail
from marketplace.purchases import crediting
from marketplace.wallet.models import Deposit, Dispute, Refund
from tests.people import make_member

from .conftest import browser_of

pytestmark = pytest.mark.django_db
URL = "/admin/search/"


@pytest.fixture
def deposit(alice):
    now = alice.date_joined
    return Deposit.objects.create(
        buyer=alice, amount_cents=2500, received_cents=2500, state="paid", created_at=now, paid_at=now, expires_at=now,
        session_id="cs_test_1", intent_id="pi_test_1",
    )  # fmt: skip


def found(browser, text):
    return browser.get(URL, {"q": text})


def test_it_works(as_sam, alice, purchase, deposit):
    alice.phone = "+16145550177"
    alice.save()
    member = f"/admin/members/{alice.public_id}/"
    for text in ("Alice", "alice", "Alice@Example.com", " (614) 555-0177 ", alice.public_id):
        assert found(as_sam, text)["Location"] == member, text
    refund = Refund.objects.create(
        processor_id="re_1", deposit=deposit, amount_cents=1, state="pending", seen_at=alice.date_joined
    )
    dispute = Dispute.objects.create(
        processor_id="du_1", deposit=deposit, buyer=alice, amount_cents=1, state="won", is_open=False,
        seen_at=alice.date_joined,
    )  # fmt: skip
    mail = OutgoingEmail.objects.filter(user=alice).first()
    for text, address in (
        (purchase.public_id, f"/admin/purchases/purchase/{purchase.pk}/change/"),
        (purchase.order.public_id, f"/admin/purchases/order/{purchase.order.pk}/change/"),
        (deposit.public_id, f"/admin/wallet/deposit/{deposit.pk}/change/"),
        ("pi_test_1", f"/admin/wallet/deposit/{deposit.pk}/change/"),
        ("cs_test_1", f"/admin/wallet/deposit/{deposit.pk}/change/"),
        ("re_1", f"/admin/wallet/refund/{refund.pk}/change/"),
        ("du_1", f"/admin/wallet/dispute/{dispute.pk}/change/"),
        (mail.public_id, f"/admin/mail/outgoingemail/{mail.pk}/change/"),
    ):
        assert found(as_sam, text)["Location"] == address, text


def test_a_lead_leads_to_its_purchases_too(as_sam, purchase):
    page = found(as_sam, purchase.lead.public_id).text
    assert f"Lead {purchase.lead.public_id}" in page
    assert f"Purchase {purchase.public_id} of Alice" in page


def test_several_are_listed(as_sam):
    make_member("Marlene"), make_member("Marlon")
    page = found(as_sam, "marl").text
    assert "2 found" in page
    assert "Member Marlene" in page


@pytest.mark.parametrize("part", ["alice@", "@example.com", "lice@example.com", "6145550", "614555017", "0177"])
def test_nobody_is_found_by_a_part_of_an_email_or_phone(as_sam, alice, part):
    alice.phone = "+16145550177"
    alice.save()
    page = found(as_sam, part)
    assert page.status_code == 200
    assert alice.public_id not in page.text


def test_nothing_found(as_sam):
    for text in ("", "   ", "nobody at all", "x" * 3000, "%", "_", "'", "<script>"):
        page = found(as_sam, text)
        assert page.status_code == 200, text
        assert "<script>alert" not in page.text


def test_each_role_finds_what_it_may_see(cora, as_fay, alice, deposit, purchase):
    content = browser_of(cora)
    assert "Nothing that you may look at is called" in found(content, "Alice").text
    assert "Nothing that you may look at is called" in found(content, "pi_test_1").text
    assert found(content, purchase.lead.public_id)["Location"].startswith("/admin/leads/lead/")
    assert "Nothing that you may look at is called" in found(as_fay, OutgoingEmail.objects.first().public_id).text


def test_a_reference_is_found_however_it_is_written(as_fay, as_sam, purchase):
    public_id = purchase.lead.public_id
    for text in (
        public_id.upper(), f"#{public_id}", f"lead {public_id}", f"Lead #{public_id.upper()}", f"Reference {public_id}",
        f"https://leadfair.example/leads/{public_id}/", f"http://127.0.0.1:8000/leads/{public_id}/buy/?page=2#top",
    ):  # fmt: skip
        assert f"Lead {public_id}" in found(as_sam, text).text, text


def test_what_two_people_decide_is_found(as_fay, fay, sam, alice, purchase):
    credit = crediting.ask(sam, purchase, cents=400, problem="bad_number", reason="Rings through.")
    adjustment = adjustments.ask(fay, alice, "goodwill", cents=500, reason="Sorry.")
    assert found(as_fay, credit.public_id)["Location"] == f"/admin/purchases/credit/{credit.pk}/change/"
    assert found(as_fay, adjustment.public_id)["Location"] == f"/admin/ledger/adjustment/{adjustment.pk}/change/"


@pytest.mark.parametrize(("number", "words"), [(20, "20 found"), (21, "More than 20 are called")])
def test_more_than_are_listed(as_sam, number, words):
    for index in range(number):
        make_member(f"Marl{index}")
    page = found(as_sam, "marl").text
    assert words in page
    assert page.count("Member Marl") == 20
    assert ("/admin/accounts/user/?q=marl" in page) == (number > 20)
