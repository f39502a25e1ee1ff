"""The hourly job: every lead has the price of its age, and what may not be sold any more is withdrawn."""

import itertools
import threading
import time
from datetime import timedelta

import pytest
from django.db import connection

from marketplace.core import clock, transactions
from marketplace.core.refusals import Busy
from marketplace.leads import pricing, services
from marketplace.leads.models import Consent, Lead, LeadQuerySet, Vertical
from marketplace.leads.pricing import AGE_BANDS, MINIMUM_CENTS
from marketplace.leads.services import make_verticals, reprice, take_slot
from marketplace.leads.verticals import KINDS
from tests.races.rig import race
from tests.stock import make_lead

INSTANT = timedelta(microseconds=1)


def test_it_works(db):
    now = clock.now()
    lead, young = make_lead(hours_old=1), make_lead(hours_old=1)
    Lead.objects.filter(pk=lead.pk).update(asked_at=now - timedelta(days=5))

    assert reprice(now) == 1

    lead.refresh_from_db()
    assert (lead.age_band, lead.price_cents, lead.status) == (2, priced(lead, 2), "open")
    young.refresh_from_db()
    assert (young.age_band, young.price_cents) == (0, priced(young, 0))
    assert reprice(now) == 0, "saying it twice does no harm"


def priced(lead, band):
    percent = lead.vertical.exclusive_percent
    return pricing.price(lead.base_cents, exclusive_percent=percent, slots_total=lead.slots_total, band=band)


@pytest.mark.parametrize("slots", [1, 3])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.slug)
def test_sql_and_python_agree_at_the_highest_prices(db, kind, slots):
    """A dear lead times its factors is more than four bytes hold: "integer out of range", says PostgreSQL."""
    leads = {band: make_lead(vertical=kind.slug, buyers=slots) for band in range(1, len(AGE_BANDS))}
    now = clock.now()
    for band, lead in leads.items():
        Lead.objects.filter(pk=lead.pk).update(
            base_cents=kind.high * 100, price_cents=kind.high * 100, asked_at=now - AGE_BANDS[band].up_to
        )

    assert reprice(now) == len(leads)

    for band, lead in leads.items():
        lead.refresh_from_db()
        assert (lead.age_band, lead.price_cents) == (band, priced(lead, band))


def test_sql_and_python_agree_on_every_cent(db):
    """Rounding and the floor, over a stretch of base prices; and the greatest price a database row can hold."""
    now = clock.now()
    bases = [*range(MINIMUM_CENTS, 2600, 83), 2500, 2512, 2513, 2**31 - 1]
    leads = []
    for base, band in itertools.product(bases, (1, 6)):
        lead = make_lead(buyers=2)
        Lead.objects.filter(pk=lead.pk).update(base_cents=base, price_cents=base, asked_at=now - AGE_BANDS[band].up_to)
        leads.append((lead, band))
    reprice(now)
    for lead, band in leads:
        lead.refresh_from_db()
        assert (lead.age_band, lead.price_cents) == (band, priced(lead, band)), lead.base_cents


@pytest.mark.parametrize("band", range(len(AGE_BANDS) - 1))
def test_the_edge_of_an_age_band(db, band):
    now = clock.now()
    within, beyond = make_lead(), make_lead()
    edge = now - AGE_BANDS[band].up_to
    Lead.objects.filter(pk=within.pk).update(asked_at=edge, age_band=band, price_cents=priced(within, band))
    Lead.objects.filter(pk=beyond.pk).update(asked_at=edge - INSTANT, age_band=band)
    reprice(now)
    within.refresh_from_db()
    beyond.refresh_from_db()
    assert (within.age_band, within.price_cents) == (band, priced(within, band))
    assert (beyond.age_band, beyond.price_cents) == (band + 1, priced(beyond, band + 1))


def test_after_a_year_it_is_withdrawn(db):
    now = clock.now()
    last_day, over = make_lead(), make_lead()
    Lead.objects.filter(pk=last_day.pk).update(asked_at=now - timedelta(days=365))
    Lead.objects.filter(pk=over.pk).update(asked_at=now - timedelta(days=365) - INSTANT)
    reprice(now)
    last_day.refresh_from_db()
    over.refresh_from_db()
    assert (last_day.status, last_day.age_band) == ("open", len(AGE_BANDS) - 1)
    assert over.status == "withdrawn"


@pytest.mark.parametrize("status", ["held", "sold", "withdrawn"])
def test_what_is_not_on_sale_stays_as_it_is(db, status):
    lead = make_lead()
    slots_sold = 1 if status == "sold" else 0
    old = clock.now() - timedelta(days=400)
    Lead.objects.filter(pk=lead.pk).update(status=status, slots_sold=slots_sold, asked_at=old)
    Consent.objects.update(revoked_at=clock.now())
    before = Lead.objects.values().get()
    assert reprice() == 0
    assert Lead.objects.values().get() == before


def test_the_vertical_of_the_lead_gives_the_factor(db):
    make_verticals()
    Vertical.objects.filter(slug="solar").update(exclusive_percent=400)
    now = clock.now()
    leads = [make_lead(vertical=slug) for slug in ("solar", "auto-insurance")]
    Lead.objects.update(asked_at=now - timedelta(days=2), base_cents=4000)
    reprice(now)
    prices = [Lead.objects.get(pk=lead.pk).price_cents for lead in leads]
    assert prices == [4000 * 4 * 70 // 100, 4000 * 250 * 70 // 10_000]


def test_more_than_one_batch(db, monkeypatch):
    monkeypatch.setattr(services, "REPRICE_BATCH", 3)
    now = clock.now()
    for _ in range(7):
        make_lead()
    Lead.objects.update(asked_at=now - timedelta(days=2))
    assert reprice(now) == 7
    assert set(Lead.objects.values_list("age_band", flat=True)) == {1}


# --- consent that ended -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["expires_at", "revoked_at"])
def test_a_lead_whose_consent_ended_is_withdrawn(db, column):
    """DX-16: what may not be called is not sold."""
    now = clock.now()
    ended, good = make_lead(), make_lead()
    Consent.objects.filter(pk=ended.consent_id).update(**{column: now})
    assert reprice(now) == 1
    ended.refresh_from_db()
    good.refresh_from_db()
    assert (ended.status, good.status) == ("withdrawn", "open")


def test_consent_that_ends_later_is_no_reason(db):
    now = clock.now()
    lead = make_lead()
    Consent.objects.filter(pk=lead.consent_id).update(expires_at=now + INSTANT)
    assert reprice(now) == 0
    lead.refresh_from_db()
    assert lead.status == "open"


# --- with buyers at work ----------------------------------------------------------------------------------------------


def buy_while_the_job_waits() -> str:
    """The last slot is sold while the job has found the lead too old; returns the status in the end."""
    now = clock.now()
    lead = make_lead()
    Lead.objects.filter(pk=lead.pk).update(asked_at=now - timedelta(days=366))
    taken = threading.Event()

    def buyer():
        with transactions.transaction.atomic():
            take_slot(lead.pk, lead.price_cents)
            taken.set()
            wait_for_a_blocked_query()

    def job():
        taken.wait(timeout=30)
        reprice(now)

    assert [one.error for one in race([buyer, job])] == [None, None]
    lead.refresh_from_db()
    return lead.status


def wait_for_a_blocked_query():
    """Until another connection waits for a lock of ours."""
    with connection.cursor() as cursor:
        for _ in range(1500):
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))")
            if cursor.fetchone()[0]:
                return
            time.sleep(0.02)
    raise AssertionError("nobody ever waited")


@pytest.mark.postgresql
@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_what_is_sold_meanwhile_stays_sold():
    assert buy_while_the_job_waits() == "sold"


@pytest.mark.postgresql
@pytest.mark.race
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("guards_off", "ends"), [("lock", "sold"), ("status", "sold"), ("both", "withdrawn")])
def test_control_without_both_guards_the_sale_is_lost(monkeypatch, guards_off, ends):
    """Either is enough: rows locked before they are looked at, and a change that asks for the status again."""
    if guards_off in ("lock", "both"):
        monkeypatch.setattr(LeadQuerySet, "select_for_update", lambda leads, **how: leads)
    if guards_off in ("status", "both"):
        monkeypatch.setattr(services, "_still_on_sale", lambda ids: Lead.objects.filter(pk__in=ids))
    assert buy_while_the_job_waits() == ends


def deadlock_with_the_job() -> list[str]:
    """Somebody holds the second of two leads and asks for the first, which the job holds; the job is the one to give
    way. Returns what the two got."""
    now = clock.now()
    first, second = make_lead(), make_lead()
    Lead.objects.update(asked_at=now - timedelta(days=2))
    holds = threading.Event()

    def other():
        with transactions.transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL deadlock_timeout = '60s'")
            cursor.execute("SELECT 1 FROM leads_lead WHERE id = %s FOR UPDATE", [second.pk])
            holds.set()
            wait_for_a_blocked_query()
            cursor.execute("SELECT 1 FROM leads_lead WHERE id = %s FOR UPDATE", [first.pk])

    def job():
        holds.wait(timeout=30)
        assert reprice(now) == 2

    return [one.kind for one in race([other, job])]


@pytest.mark.postgresql
@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_after_a_deadlock_the_job_tries_again(monkeypatch):
    monkeypatch.setattr(transactions, "PATIENCE", 30)  # seconds; a deadlock is noticed after one
    assert deadlock_with_the_job() == ["ok", "ok"]
    assert set(Lead.objects.values_list("age_band", flat=True)) == {1}


@pytest.mark.postgresql
@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_control_without_another_try_the_job_dies(monkeypatch):
    monkeypatch.setattr(transactions, "ATTEMPTS", 1)
    assert deadlock_with_the_job() == ["ok", Busy.__name__]
