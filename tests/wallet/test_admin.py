"""Staff look at money in the admin: states and amounts, by handle, and change nothing."""

from datetime import timedelta

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from marketplace.core import clock
from marketplace.wallet.models import (
    BillingDetails,
    Deposit,
    Dispute,
    Reconciliation,
    ReconciliationFinding,
    Refund,
    Resolution,
    StripeEvent,
    UnexplainedPayment,
)
from tests.people import make_bob, make_member

pytestmark = pytest.mark.django_db
REGISTERED = [
    *("deposit", "refund", "dispute", "stripeevent", "unexplainedpayment", "resolution", "reconciliation"),
    "reconciliationfinding",
]


@pytest.fixture
def as_owner(owner) -> Client:
    """The owner's browser."""
    client = Client()
    client.force_login(owner)
    return client


@pytest.fixture
def rows(buyer) -> dict[str, int]:
    """One row of each kind; the keys by model."""
    now = clock.now()
    BillingDetails.objects.create(owner=buyer, name="Zelda Quill")
    deposit = Deposit.objects.create(
        buyer=buyer,
        amount_cents=10_000,
        received_cents=9_900,
        state="paid",
        session_id="cs_1",
        intent_id="pi_1",
        created_at=now,
        paid_at=now,
        expires_at=now + timedelta(minutes=35),
    )
    moved = {"deposit": deposit, "amount_cents": 4_200, "seen_at": now}
    event = StripeEvent.objects.create(
        event_id="evt_1",
        type="refund.created",
        object_id="re_1",
        happened_at=now,
        received_at=now,
        available_at=now,
        state="dead",
        attempts=12,
        problem="RuntimeError",
    )
    payment = UnexplainedPayment.objects.create(intent_id="pi_12", received_cents=1_100, arrived_at=now)
    resolution = Resolution.objects.create(
        payment=payment, member=buyer, maker=make_bob(), reason="On the paper 1", amount_cents=1_100
    )
    run = Reconciliation.objects.create(
        state="done",
        since=now,
        read_until=now,
        started_at=now,
        ended_at=now,
        claimed_until=now,
        processor_cents=9_680,
        books_cents=10_914,
        difference_cents=-1_234,
        matched=7,
    )
    finding = ReconciliationFinding.objects.create(
        kind="only_books",
        reference="re_1:out",
        currency="usd",
        cents_theirs=0,
        cents_ours=1_234,
        happened_at=now,
        first_run=run,
        last_run=run,
        first_seen=now,
        last_seen=now,
    )
    return {
        "unexplainedpayment": payment.pk,
        "resolution": resolution.pk,
        "reconciliation": run.pk,
        "reconciliationfinding": finding.pk,
        "deposit": deposit.pk,
        "refund": Refund.objects.create(processor_id="re_1", state="pending", **moved).pk,
        "dispute": Dispute.objects.create(processor_id="du_1", state="lost", is_open=False, buyer=buyer, **moved).pk,
        "stripeevent": event.pk,
    }


def listed(client: Client, model: str) -> str:
    return client.get(reverse(f"admin:wallet_{model}_changelist")).content.decode()


def test_it_works(as_owner, rows, buyer):
    page = listed(as_owner, "deposit")
    for words in ("Paid", "$100.00", "$99.00", buyer.handle):
        assert words in page
    assert "$42.00" in listed(as_owner, "refund")
    assert "Lost" in listed(as_owner, "dispute")
    assert "Given up" in listed(as_owner, "stripeevent")


@pytest.mark.parametrize("model", REGISTERED)
def test_no_email_and_no_billing_details(as_owner, rows, buyer, model):
    for page in (
        listed(as_owner, model),
        as_owner.get(reverse(f"admin:wallet_{model}_change", args=[rows[model]])).content.decode(),
    ):
        assert buyer.email not in page
        assert "Zelda" not in page


@pytest.mark.parametrize("model", REGISTERED)
def test_nothing_is_added_changed_or_deleted(as_owner, rows, model):
    assert as_owner.get(reverse(f"admin:wallet_{model}_add")).status_code == 403
    assert as_owner.post(reverse(f"admin:wallet_{model}_change", args=[rows[model]]), {"state": "x"}).status_code == 403
    assert (
        as_owner.post(reverse(f"admin:wallet_{model}_delete", args=[rows[model]]), {"post": "yes"}).status_code == 403
    )
    as_owner.post(
        reverse(f"admin:wallet_{model}_changelist"), {"action": "delete_selected", "_selected_action": [rows[model]]}
    )
    assert apps.get_model("wallet", model).objects.filter(pk=rows[model]).exists()


def test_an_event_that_was_given_up_is_tried_again(as_owner, rows):
    response = as_owner.post(
        reverse("admin:wallet_stripeevent_changelist"),
        {"action": "try_again", "_selected_action": [rows["stripeevent"]]},
        follow=True,
    )
    assert "1 of 1 will be tried again." in response.content.decode()
    event = StripeEvent.objects.get()
    assert (event.state, event.attempts, event.problem) == ("new", 0, "")


def test_billing_details_have_no_page():
    assert not admin.site.is_registered(BillingDetails)


@pytest.mark.parametrize("model", REGISTERED)
def test_members_stay_outside(as_buyer, rows, model):
    assert as_buyer.get(reverse(f"admin:wallet_{model}_changelist")).status_code == 302


def test_the_processors_words_are_written_as_people_write(as_owner, rows):
    Dispute.objects.update(state="needs_response")
    page = listed(as_owner, "dispute")
    assert page.count("Needs response") == 2, "in the row and in the filter"
    assert ">needs_response<" not in page
    address = reverse("admin:wallet_dispute_changelist")
    assert "du_1" in as_owner.get(address, {"state": "needs_response"}).content.decode()


@pytest.mark.parametrize("model", ["deposit", "refund", "dispute"])
def test_money_is_found_by_member(as_owner, rows, buyer, model):
    for words in (buyer.handle, buyer.public_id):
        page = as_owner.get(reverse(f"admin:wallet_{model}_changelist"), {"q": words})
        assert page.context["cl"].result_count == 1


@pytest.mark.parametrize("model", REGISTERED)
def test_searching(as_owner, rows, model):
    response = as_owner.get(reverse(f"admin:wallet_{model}_changelist"), {"q": "1"})
    assert response.status_code == 200


def shown(client: Client, model: str, key: int) -> str:
    return client.get(reverse(f"admin:wallet_{model}_change", args=[key])).content.decode()


def test_a_reconciliation_shows_both_balances_and_what_differs(as_owner, rows):
    for page in (listed(as_owner, "reconciliation"), shown(as_owner, "reconciliation", rows["reconciliation"])):
        assert "−$12.34" in page
    for words in ("$96.80", "$109.14", "Only in our books: re_1:out", "$12.34 in our books"):
        assert words in page
    assert "Only in our books" in listed(as_owner, "reconciliationfinding")


def test_a_reconciliation_under_way_or_sound(as_owner, rows):
    ReconciliationFinding.objects.all().delete()
    assert "Nothing." in shown(as_owner, "reconciliation", rows["reconciliation"])
    now = clock.now()
    run = Reconciliation.objects.create(since=now, read_until=now, started_at=now, claimed_until=now)
    page = shown(as_owner, "reconciliation", run.pk)
    assert "Under way" in page and "Not known yet." in page and "not known yet" in page


def test_unexplained_money_with_what_was_asked(as_owner, rows):
    page = shown(as_owner, "unexplainedpayment", rows["unexplainedpayment"])
    assert "$11.00" in page
    assert "Put $11.00 of payment pi_12 on the balance of Alice</a>. Asked for by Bob: On the paper" in page
    assert "Waiting for a second person." in page
    page = shown(as_owner, "resolution", rows["resolution"])
    for words in ("On the paper 1", "Bob", "nobody yet"):
        assert words in page


@pytest.mark.parametrize(
    ("carried_out", "problem", "words"),
    [
        (False, "", "Approved, under way"),
        (False, "refused", "Approved, refused by the processor"),
        (True, "", ">Approved<"),
    ],
)
def test_how_a_decision_stands(as_owner, owner, rows, carried_out, problem, words):
    now = clock.now()
    Resolution.objects.update(
        state="approved", checker=owner, decided_at=now, problem=problem, carried_out_at=now if carried_out else None
    )
    assert words in listed(as_owner, "resolution")


def listed_first(client: Client, model: str, **wanted: str) -> list[int]:
    found = client.get(reverse(f"admin:wallet_{model}_changelist"), wanted).context["cl"]
    return [row.pk for row in found.result_list]


def test_what_is_open_comes_first(as_owner, owner, rows, buyer):
    now = clock.now()
    over = UnexplainedPayment.objects.create(intent_id="pi_13", received_cents=5, returned_cents=5, arrived_at=now).pk
    assert listed_first(as_owner, "unexplainedpayment") == [rows["unexplainedpayment"], over]
    assert listed_first(as_owner, "unexplainedpayment", open="yes") == [rows["unexplainedpayment"]]
    assert listed_first(as_owner, "unexplainedpayment", open="no") == [over]
    ReconciliationFinding.objects.update(closed_at=now)
    first = ReconciliationFinding.objects.get()
    first.pk, first.reference, first.closed_at = None, "re_2:out", None
    first.save()
    assert listed_first(as_owner, "reconciliationfinding") == [first.pk, rows["reconciliationfinding"]]
    assert listed_first(as_owner, "reconciliationfinding", open="yes") == [first.pk]
    assert listed_first(as_owner, "reconciliationfinding", open="no") == [rows["reconciliationfinding"]]
    decided = Resolution.objects.create(
        payment_id=over,
        maker=make_member("Marta"),
        reason="-",
        amount_cents=5,
        state="declined",
        checker=owner,
        decided_at=now,
    )
    assert listed_first(as_owner, "resolution") == [rows["resolution"], decided.pk]


@pytest.mark.parametrize("model", ["unexplainedpayment", "resolution", "reconciliation", "reconciliationfinding"])
def test_as_many_queries_for_many_rows(as_owner, rows, model):
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            listed(as_owner, model)
        return len(captured)

    queries()
    few = queries()
    now = clock.now()
    for number in range(5):
        payment = UnexplainedPayment.objects.create(intent_id=f"pi_x{number}", received_cents=1, arrived_at=now)
        Resolution.objects.create(payment=payment, maker=make_member(f"M{number}"), reason="-", amount_cents=1)
        run, finding = Reconciliation.objects.first(), ReconciliationFinding.objects.first()
        run.pk = None
        run.save()
        finding.pk, finding.reference, finding.last_run = None, f"re_x{number}:out", run
        finding.save()
    assert queries() == few
