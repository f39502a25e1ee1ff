"""The lists of the admin: what matters is seen at 1280 px without scrolling, and what scrolls is seen to."""

import pytest

from .test_pages import keep_picture, sign_in

pytestmark = [pytest.mark.browser]

_FACTS = """
from datetime import timedelta
from importlib import import_module
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from accounts.models import User
from marketplace.core import clock
from marketplace.ledger.models import Adjustment
from marketplace.mail.models import OutgoingEmail
from marketplace.models import CheckRun, TaskFailure
from marketplace.purchases.models import Credit, Purchase
from marketplace.staff.models import Act
from marketplace.wallet.models import (
    Deposit, Dispute, Reconciliation, ReconciliationFinding, Refund, Resolution, StripeEvent, UnexplainedPayment,
)
from privacy.vault.models import MoreReveals, Reveal

now = clock.now()
wide = User.objects.create_user("wide@example.com", "Maximiliana-Featherstone", email_verified_at=now)
deposit = Deposit.objects.create(
    buyer=wide, amount_cents=5_000_00, received_cents=5_000_00, state="paid", created_at=now, paid_at=now,
    expires_at=now, session_id="cs_live_" + "a" * 58, intent_id="pi_3Q" + "b" * 22,
)
moved = {"deposit": deposit, "amount_cents": 5_000_00, "seen_at": now}
Refund.objects.create(processor_id="re_3Q" + "c" * 22, state="requires_action", **moved)
Dispute.objects.create(
    processor_id="du_1Q" + "d" * 22, state="warning_needs_response", is_open=False, buyer=wide, **moved
)
StripeEvent.objects.create(
    event_id="evt_1Q" + "e" * 22, type="checkout.session.async_payment_succeeded", object_id="cs_live_" + "f" * 58,
    happened_at=now, received_at=now, available_at=now, state="dead", attempts=12, problem="W" * 80,
)
payment = UnexplainedPayment.objects.create(
    intent_id="pi_3Q" + "g" * 22, received_cents=5_000_00, returned_cents=1_00, arrived_at=now
)
Resolution.objects.create(
    payment=payment, member=wide, maker=User.objects.get(email="dana@example.com"), reason="W" * 500,
    amount_cents=4_999_00,
)
run = Reconciliation.objects.create(
    state="done", since=now, read_until=now, started_at=now, ended_at=now, claimed_until=now, matched=123_456,
    processor_cents=1_000_000_00, books_cents=1_005_000_00, difference_cents=-5_000_00,
)
ReconciliationFinding.objects.create(
    kind="only_processor", processor_id="txn_3Q" + "h" * 22, reference="du_1Q" + "i" * 22 + ":reinstated",
    currency="usd", cents_theirs=1_000_000_00, cents_ours=0, happened_at=now, first_run=run, last_run=run,
    first_seen=now, last_seen=now,
)
OutgoingEmail.objects.create(
    user=wide, category="verification", template="accounts/email/verification", key="wide", context="",
    state="sent", attempts=12, problem="server away: SMTPRecipientsRefused 550 and some more words that fill it up",
    available_at=now, created_at=now, sent_at=now,
)
dana, owner = User.objects.get(email="dana@example.com"), User.objects.get(email="admin@example.com")
asked = {"maker": dana, "reason": "W" * 500}
Adjustment.objects.create(owner=wide, kind="goodwill", amount_cents=5_000_00, **asked)
sold = Purchase.objects.select_related("buyer").first()
Credit.objects.create(purchase=sold, buyer=sold.buyer, code="not_as_shown", amount_cents=sold.price_cents, **asked)
MoreReveals.objects.create(**asked)
Act.objects.create(member=wide, staff=dana, kind="note", text="Some words, many times over. " * 30, made_at=now)
Reveal.objects.create(staff=dana, about="member", subject_id=wide.public_id, reason="W" * 500, revealed_at=now)
CheckRun.objects.create(
    what="watch", started_at=now, ended_at=now, findings_count=123, first_findings=["W" * 200] * 20
)
TaskFailure.objects.create(task="purchases.write_exports", error="W" * 40, failed_at=now)
session = import_module(settings.SESSION_ENGINE).SessionStore()
session[SESSION_KEY] = str(owner.pk)
session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
session[HASH_SESSION_KEY] = owner.get_session_auth_hash()
session.create()
answer = session.session_key
"""
ROOM = "() => [...document.querySelectorAll('.results')].map(box => box.scrollWidth - box.clientWidth)"
SHADOW = "() => getComputedStyle(document.querySelector('.results')).backgroundImage"


@pytest.fixture(scope="module")
def owner(stack) -> str:
    """The session of the owner, who sees every list; each has a row of the longest values."""
    return stack.python(_FACTS)


LISTS = [
    f"/admin/{name}/"
    for name in (
        *("accounts/user", "leads/lead", "leads/supplier", "leads/vertical"),
        *("ledger/account", "ledger/adjustment", "ledger/transfer", "mail/outgoingemail", "marketplace/checkrun"),
        "marketplace/taskfailure",
        *("policy/acceptance", "policy/policyversion", "purchases/credit", "purchases/order", "purchases/purchase"),
        *("staff/act", "supply/importbatch", "supply/importrow", "supply/withdrawal"),
        *("vault/morereveals", "vault/reveal"),
        *("wallet/deposit", "wallet/dispute", "wallet/reconciliation", "wallet/reconciliationfinding"),
        *("wallet/refund", "wallet/resolution", "wallet/stripeevent", "wallet/unexplainedpayment"),
    )
]


def test_every_list_fits_1280_px(stack, owner, open_browser):
    context = open_browser(width=1280)
    sign_in(context, stack, owner)
    page = context.new_page()
    wrong = []
    for path in LISTS:
        assert page.goto(path).status == 200, path
        keep_picture(page, f"owner{path}")
        over = page.evaluate(ROOM)
        if over and max(over) > 0:
            wrong.append(f"{path}: {over} px too wide")
        if page.evaluate("() => document.documentElement.scrollWidth > innerWidth"):
            wrong.append(f"{path}: the page scrolls to the side")
    assert wrong == [], "\n".join(wrong)


def test_a_list_that_scrolls_is_seen_to(stack, owner, open_browser):
    context = open_browser(width=320)
    sign_in(context, stack, owner)
    page = context.new_page()
    page.goto("/admin/wallet/stripeevent/")
    assert max(page.evaluate(ROOM)) > 0
    assert "radial-gradient" in page.evaluate(SHADOW)


def test_no_list_is_left_out(stack, owner, open_browser):
    context = open_browser()
    sign_in(context, stack, owner)
    page = context.new_page()
    page.goto("/admin/")
    shown = page.eval_on_selector_all("#content-main th a", "links => links.map(link => link.pathname)")
    assert sorted(set(shown) - {"/admin/auth/group/"}) == sorted(LISTS)
