"""The one door to the processor: facts in, facts out, never while a transaction is open."""

import dataclasses
import inspect
import json
from datetime import timedelta

import pytest
import stripe
from django.db import transaction

from marketplace.core import clock
from marketplace.wallet import gateway

pytestmark = pytest.mark.django_db

CALLS = {
    "create_checkout": lambda: gateway.create_checkout(
        deposit_id="x", amount=10_000, return_url="http://a.test/", cancel_url="http://a.test/", expires_at=clock.now()
    ),
    "session": lambda: gateway.session("cs_1"),
    "payment": lambda: gateway.payment("pi_1"),
    "intent_of_charge": lambda: gateway.intent_of_charge("ch_1"),
    "refund": lambda: gateway.refund("re_1"),
    "refunds_of_charge": lambda: gateway.refunds_of_charge("ch_1"),
    "dispute": lambda: gateway.dispute("du_1"),
    "events_between": lambda: gateway.events_between(clock.now(), clock.now()),
    "movements": lambda: list(gateway.movements(clock.now())),
    "balance": gateway.balance,
    "send_back": lambda: gateway.send_back("pi_1", key="test"),
}


def test_it_works(site, buyer):
    deposit = site.start(buyer)
    session = gateway.session(deposit.session_id)
    assert (session.state, session.deposit_id) == ("open", deposit.public_id)
    intent = site.pay(deposit)
    assert gateway.session(deposit.session_id).intent_id == intent
    assert gateway.payment(intent) == gateway.Payment(
        intent, "succeeded", 10_000, "usd", deposit.public_id, 10_000, 320
    )
    site.hear()


def test_every_call_is_in_this_list():
    public = {
        name
        for name, found in inspect.getmembers(gateway, inspect.isfunction)
        if found.__module__ == gateway.__name__ and not name.startswith("_")
    }
    assert public - {"verify_webhook", "address"} == set(CALLS)


@pytest.mark.parametrize("call", CALLS)
def test_never_inside_a_transaction(processor, call):
    with transaction.atomic(), pytest.raises(RuntimeError, match="inside a transaction"):
        CALLS[call]()
    assert not processor.requests


OF_NO_ONE = {"create_checkout", "events_between", "refunds_of_charge", "movements", "balance"}


@pytest.mark.parametrize("call", sorted(set(CALLS) - OF_NO_ONE))
def test_what_the_processor_does_not_know_is_refused(processor, call):
    with pytest.raises(gateway.ProcessorRefused):
        CALLS[call]()


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("fault", ["fail_before", "rate_limit", "disconnect"])
def test_a_broken_processor_has_one_name(processor, impatient, call, fault):
    getattr(processor.faults, fault)(times=None)
    with pytest.raises(gateway.ProcessorDown) as caught:
        CALLS[call]()
    assert not isinstance(caught.value, gateway.ProcessorRefused)


def test_a_key_that_is_not_accepted_is_no_fault_of_the_event(processor, settings):
    settings.STRIPE_SECRET_KEY = "sk_test_of_somebody_else"
    with pytest.raises(gateway.ProcessorDown) as caught:
        gateway.payment("pi_1")
    assert not isinstance(caught.value, gateway.ProcessorRefused)


def test_it_does_not_wait_for_ever(processor, impatient):
    processor.faults.time_out("GET", seconds=2)
    with pytest.raises(gateway.ProcessorDown):
        gateway.payment("pi_1")


def test_time_outs_and_retries_are_set():
    client = gateway._client("sk_test_1", "http://127.0.0.1:9")
    requestor = client._requestor
    assert requestor._get_http_client()._timeout == (gateway.CONNECT_SECONDS, gateway.READ_SECONDS)
    assert requestor._options.max_network_retries == gateway.RETRIES
    assert gateway._client("sk_test_1", "http://127.0.0.1:9") is client


def test_nothing_about_this_machine_is_told(site, buyer):
    site.funded(buyer)
    site.funded(buyer)
    assert stripe.enable_telemetry is False
    for request in site.processor.requests:
        assert "x-stripe-client-telemetry" not in request.headers
        about = json.loads(request.headers["x-stripe-client-user-agent"])
        assert not {"uname", "platform", "telemetry_id"} & set(about)


def test_only_facts_come_out(site, buyer):
    """Whatever the processor knows of the payer stays behind the gateway."""
    deposit = site.start(buyer)
    intent = site.processor.pay(deposit.session_id, name="Zelda Quill", email="zelda.quill@example.net")["id"]
    refund = site.processor.refund(intent, 100)
    dispute = site.processor.open_dispute(intent, 1_000)
    charge = site.processor.get("payment_intent", intent)["latest_charge"]
    facts = [
        gateway.session(deposit.session_id),
        gateway.payment(intent),
        gateway.refund(refund["id"]),
        *gateway.refunds_of_charge(charge),
        gateway.dispute(dispute["id"]),
        *gateway.events_between(deposit.created_at, clock.now() + timedelta(seconds=5)),
        *(moved for portion in gateway.movements(deposit.created_at) for moved in portion),
    ]
    assert all(dataclasses.is_dataclass(fact) for fact in facts)
    text = repr(facts).lower()
    assert not any(word in text for word in ("zelda", "quill", "fingerprint"))
    site.hear()


def test_money_of_another_currency_is_not_counted_in_ours(site, buyer):
    site.processor.faults.receive(currency="eur")
    deposit = site.start(buyer)
    paid = gateway.payment(site.pay(deposit))
    assert (paid.received, paid.currency, paid.settled, paid.fee) == (10_000, "eur", None, 0)
