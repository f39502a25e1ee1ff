"""``manage.py demo`` with a stock of 150: people, money, leads by the import's own path, and purchases."""

import csv
import json
import re
from datetime import timedelta
from io import StringIO

import pytest
from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db.models import Count, Sum

from accounts.models import STATES, User
from marketplace import tasks
from marketplace.core import clock
from marketplace.demo_data import leads as stock
from marketplace.demo_data import people, purchases
from marketplace.demo_data.suppliers import FAULTS, SOURCES
from marketplace.leads.models import Lead, LeadContact
from marketplace.leads.pricing import AGE_BANDS
from marketplace.leads.services import contact_of
from marketplace.ledger import checks as ledger_checks
from marketplace.ledger import statement
from marketplace.ledger.services import wallet_of
from marketplace.mail.models import OutgoingEmail
from marketplace.purchases import checks as purchase_checks
from marketplace.purchases.models import Note, Order, Purchase
from marketplace.supply.models import ImportBatch, ImportRow
from marketplace.wallet import checks as wallet_checks
from marketplace.wallet.models import Deposit
from privacy.policy.models import Acceptance

pytestmark = pytest.mark.django_db
LEADS = 150


def load(count=LEADS):
    out = StringIO()
    call_command("demo", leads=count, stdout=out)
    return out.getvalue().splitlines()


def everything():
    """How much there is of everything the demo makes, and what it all comes to."""
    models = [User, EmailAddress, Acceptance, Deposit, Lead, LeadContact, ImportBatch, ImportRow, Order, Purchase, Note,
              OutgoingEmail]  # fmt: skip
    return [model.objects.count() for model in models] + [Lead.objects.aggregate(Sum("price_cents"), Sum("slots_sold"))]


def findings():
    return [*ledger_checks.findings(), *wallet_checks.findings(), *purchase_checks.findings()]


def test_it_works():
    said = load()
    assert Lead.objects.exclude(status="held").count() == LEADS
    assert ImportBatch.objects.count() == len(SOURCES)
    assert said[-1] == "Sign in as alice@example.com with the password leadfair-demo."
    assert findings() == []


def test_the_people():
    load()
    assert dict(User.objects.values_list("email", "is_staff")) == {
        "alice@example.com": False, "bob@example.com": False, "charlie@example.com": True, "dana@example.com": True,
        "admin@example.com": True,
    }  # fmt: skip
    for user in User.objects.all():
        assert user.check_password("leadfair-demo")
        assert user.is_verified
        assert user.adult_stated_at
        assert EmailAddress.objects.get(user=user).verified
        assert EmailAddress.objects.get(user=user).primary
        assert Acceptance.objects.filter(user=user).count() == 1
    assert list(User.objects.filter(is_superuser=True).values_list("email", flat=True)) == ["admin@example.com"]


def test_nothing_renews_that_is_not_insured():
    load()
    told = [lead.attributes for lead in Lead.objects.filter(vertical__slug="auto-insurance")]
    uninsured = [answers for answers in told if answers.get("insurance.current") == "No"]
    assert uninsured
    assert not any("insurance.renewal_days" in answers for answers in uninsured)


def test_staff_have_the_role_of_their_work():
    load()
    roles = {user.handle: [role.name for role in user.groups.all()] for user in User.objects.filter(is_staff=True)}
    assert roles == {"Charlie": ["support"], "Dana": ["finance"], "Owner": ["owner"]}
    charlie = User.objects.get(handle="Charlie")
    assert charlie.has_perm("purchases.add_credit")
    assert not charlie.has_perm("purchases.decide_credit")
    assert not charlie.has_perm("ledger.view_transfer")
    assert not User.objects.get(handle="Dana").has_perm("vault.add_reveal")


def test_the_money_came_in_as_deposits_with_receipts():
    load()
    for payment_id, person, cents in people.PAYMENTS:
        deposit = Deposit.objects.get(intent_id=payment_id)
        assert (deposit.buyer.email, deposit.state, deposit.received_cents) == (person.email, "paid", cents)
    alice = User.objects.get(handle="Alice")
    kinds = [entry.kind for entry in statement.entries(alice.pk)]
    assert kinds.count("deposit") == 2
    assert wallet_of(alice.pk).available > 500_00, "there is enough left to buy more"


def test_alice_and_bob_work_their_leads():
    load()
    alice, bob = User.objects.get(handle="Alice"), User.objects.get(handle="Bob")
    assert Purchase.objects.for_user(alice).count() >= 10
    assert Purchase.objects.for_user(bob).count() == 4
    assert set(Purchase.objects.values_list("stage", flat=True)) == set(Purchase.Stage.values)
    assert Note.objects.count() >= 5
    both = Lead.objects.annotate(buyers=Count("purchases")).filter(buyers=2)
    assert both.exists()
    assert Lead.objects.on_sale().filter(slots_sold__gt=0).exists(), "some shared leads are partly sold"


def test_every_filter_has_something_to_show():
    load(600)
    on_sale = Lead.objects.on_sale()
    assert set(on_sale.values_list("state", flat=True)) == {code for code, _ in STATES}
    corners = on_sale.values_list("vertical__slug", "age_band").distinct()
    assert len(corners) == 10 * len(AGE_BANDS)
    assert on_sale.exclusive().exists()
    assert set(on_sale.values_list("slots_total", flat=True)) == {1, 2, 3}
    assert set(on_sale.values_list("supplier__grade", flat=True)) == {"A", "B", "C"}
    assert set(on_sale.values_list("is_certified", flat=True)) == {True, False}


def test_leads_were_listed_when_they_were_asked_for():
    load()
    for lead in Lead.objects.on_sale():
        assert lead.asked_at <= lead.listed_at <= lead.asked_at + timedelta(minutes=2)


def test_nobody_is_real():
    load()
    for lead in Lead.objects.select_related("contact").exclude(status="held"):
        contact = contact_of(lead)
        assert contact.phone[5:10] == "55501", contact.phone
        assert contact.email.endswith(("@example.com", "@example.org", "@example.net"))
        assert lead.origin_site.endswith((".example.com", ".example.org", ".example.net"))
    assert LeadContact.objects.values("phone_digest").distinct().count() == LeadContact.objects.count()


def test_the_files_are_as_suppliers_send_them():
    """Three forms, and some rows that are no good: the report has something to say."""
    load(600)
    starts = [(settings.VAR / "demo" / f"{source.slug}.csv").read_bytes()[:3] for source in SOURCES]
    assert starts[1] == b"\xef\xbb\xbf"
    outcomes = dict(ImportRow.objects.values_list("outcome").annotate(Count("id")))
    assert outcomes["accepted"] == 600
    assert min(outcomes["held"], outcomes["duplicate"], outcomes["rejected"]) >= 2
    assert not ImportRow.objects.filter(reason__startswith="The row has").exists()


def test_every_fault_is_one(tmp_path):
    """A row that is meant to be bad is rejected, not accepted by mistake, and takes nothing off sale."""
    load(LEADS)
    source = SOURCES[0]
    with (settings.VAR / "demo" / f"{source.slug}.csv").open(newline="", encoding="utf-8") as file:
        good = next(csv.DictReader(file))
    path = tmp_path / "faults.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(good))
        writer.writeheader()
        writer.writerows(fault(good) for fault in FAULTS)
    batch = stock.import_file(path).batch
    assert (batch.rejected, batch.total) == (len(FAULTS), len(FAULTS))
    assert not Lead.objects.filter(status="withdrawn").exists()


def test_two_runs_change_nothing():
    load()
    before = everything()
    assert load() == ["The demo is loaded."]
    assert everything() == before


@pytest.mark.parametrize("step", ["fund", "import_files", "buy"])
def test_it_goes_on_where_it_was_cut_off(monkeypatch, step):
    module = {"fund": people, "import_files": stock, "buy": purchases}[step]
    whole = getattr(module, step)

    def cut_off(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, step, cut_off)
    with pytest.raises(KeyboardInterrupt):
        load()
    monkeypatch.setattr(module, step, whole)
    load()
    assert Lead.objects.exclude(status="held").count() == LEADS
    assert (Deposit.objects.count(), purchases.is_done()) == (3, True)
    assert findings() == []


def test_a_second_load_that_is_not_done_buys_nothing_twice():
    load()
    Order.objects.filter(key=purchases.LAST_KEY).update(key="other")
    before = Purchase.objects.for_user(User.objects.get(handle="Alice")).count()
    load()
    assert Purchase.objects.for_user(User.objects.get(handle="Alice")).count() == before
    assert ImportBatch.objects.count() == len(SOURCES)
    assert findings() == []


def test_it_refuses_without_debug(settings):
    settings.DEBUG = False
    with pytest.raises(CommandError, match="Set DEBUG"):
        load()
    assert not User.objects.exists()


@pytest.mark.parametrize("count", [1, 2, 7])
def test_a_stock_of_very_few(count):
    """Some suppliers have nothing to deliver, and hardly anything can be bought."""
    load(count)
    assert Lead.objects.exclude(status="held").count() == count
    assert findings() == []
    before = everything()
    load(count)
    assert everything() == before


def test_a_stock_of_nothing_is_refused():
    with pytest.raises(CommandError, match="takes a number from 1"):
        load(0)


# --- leads all day ----------------------------------------------------------------------------------------------------


def test_fresh_leads_are_listed_all_day():
    load(60)
    before = Lead.objects.on_sale().count()
    accepted = stock.list_fresh(4)
    assert accepted >= 3, "two of them may be the same person by chance"
    fresh = Lead.objects.on_sale().order_by("-pk")[:accepted]
    assert Lead.objects.on_sale().count() == before + accepted
    for lead in fresh:
        assert clock.now() - lead.asked_at < timedelta(minutes=6)
        assert clock.now() - lead.listed_at < timedelta(minutes=1)
    assert sorted(path.name for path in (settings.VAR / "demo").iterdir()) == sorted(
        f"{one.slug}.csv" for one in SOURCES
    )


def test_the_task(settings):
    assert tasks.list_demo_leads.name in {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    load(60)
    before = ImportBatch.objects.count()
    tasks.list_demo_leads()
    assert ImportBatch.objects.count() == before + 1


def test_the_task_does_nothing_without_debug(settings):
    load(60)
    settings.DEBUG = False
    tasks.list_demo_leads()
    assert ImportBatch.objects.count() == len(SOURCES)


def test_the_task_does_nothing_where_the_demo_was_not_loaded():
    tasks.list_demo_leads()
    assert not Lead.objects.exists()
    assert not User.objects.exists()


def test_the_stock_stays_bounded(monkeypatch):
    """Each age keeps at most so many, of all states and verticals alike; what somebody bought stays."""
    load()
    monkeypatch.setattr(stock, "LEADS_PER_BAND", 5)
    sold = Lead.objects.on_sale().filter(slots_sold__gt=0).count()
    stock.thin_out()
    of_band = Lead.objects.on_sale().filter(slots_sold=0).values_list("age_band").annotate(Count("id"))
    assert all(count <= 5 for _, count in of_band)
    assert len(of_band) == len(AGE_BANDS)
    assert Lead.objects.on_sale().filter(slots_sold__gt=0).count() == sold
    assert stock.thin_out() == 0


def test_the_stand_in_processor_holds_what_the_people_paid():
    """Otherwise the demo's books would differ from the processor's, and its owner be told so."""
    line = re.search(r"^DEMO_PAYMENTS = (.*)$", (settings.BASE_DIR / "script/serve.py").read_text(), re.MULTILINE)
    assert json.loads(line[1]) == [f"{payment_id}={cents}" for payment_id, _, cents in people.PAYMENTS]
