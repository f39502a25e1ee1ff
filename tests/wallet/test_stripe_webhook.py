"""The address the card processor writes to: only its own, fresh, whole notices get in, and of those only ids."""

import gzip
import json
import time

import pytest
import stripe
from django.apps import apps
from django.db import DatabaseError, InterfaceError
from django.test import Client
from django.urls import reverse

from marketplace.wallet import inbox
from marketplace.wallet.models import Deposit, StripeEvent
from tests.processor import Processor
from tests.wallet.conftest import SECRET, again, balance

pytestmark = pytest.mark.django_db
NOTICE = {
    "id": "evt_1",
    "object": "event",
    "type": "payment_intent.succeeded",
    "created": 0,
    "livemode": False,
    "data": {"object": {"id": "pi_1", "object": "payment_intent", "receipt_email": "zelda.quill@example.net"}},
}


@pytest.fixture(autouse=True)
def _secret(settings):
    settings.STRIPE_WEBHOOK_SECRETS = [SECRET]


def notice(**changes: object) -> str:
    return json.dumps(NOTICE | {"created": int(time.time())} | changes)


def signature(body: str, secret: str = SECRET, *, age: float = 0) -> str:
    return stripe.WebhookSignature.generate_signature_header(body, secret, int(time.time() - age))


def post(body: str | bytes, signed: str | None, **headers: str):
    headers |= {} if signed is None else {"Stripe-Signature": signed}
    return Client().post(reverse("wallet:stripe_webhook"), body, content_type="application/json", headers=headers)


def nothing_stored() -> bool:
    return not any(
        model.objects.exists() for label in ("wallet", "mail") for model in apps.get_app_config(label).get_models()
    )


def test_it_works(django_assert_num_queries):
    body = notice()
    with django_assert_num_queries(1):  # one insert: no session, no look at anybody, no call to the processor
        response = post(body, signature(body))
    assert (response.status_code, response.content, response.cookies) == (200, b"", {})
    row = StripeEvent.objects.get()
    assert (row.event_id, row.type, row.object_id, row.state) == ("evt_1", "payment_intent.succeeded", "pi_1", "new")


def test_twice_is_once():
    body = notice()
    for _ in range(3):
        assert post(body, signature(body)).status_code == 200
    assert StripeEvent.objects.count() == 1


def test_ids_type_and_time_only():
    body = notice()
    post(body, signature(body))
    (row,) = StripeEvent.objects.values()
    assert set(row) == {
        *(
            "id",
            "event_id",
            "type",
            "object_id",
            "happened_at",
            "received_at",
            "state",
            "attempts",
            "available_at",
            "problem",
        )
    }
    assert "zelda" not in str(row).lower()


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "customer.created"},
        {"type": "something.nobody.knows"},
        {"type": "balance.available", "data": {"object": {"object": "balance"}}},
    ],
)
def test_unknown_types_are_welcome(changes):
    body = notice(**changes)
    assert post(body, signature(body)).status_code == 200
    assert StripeEvent.objects.count() == 1


def test_either_of_two_secrets(settings):
    settings.STRIPE_WEBHOOK_SECRETS = ["whsec_new", SECRET, "whsec_third"]
    for number, secret in enumerate(("whsec_new", SECRET)):
        body = notice(id=f"evt_{number}")
        assert post(body, signature(body, secret)).status_code == 200
    body = notice(id="evt_3")
    assert post(body, signature(body, "whsec_third")).status_code == 400
    both = signature(body, "whsec_other") + "," + signature(body).split(",")[1]
    assert post(body, both).status_code == 200


def test_no_secret_lets_nobody_in(settings):
    settings.STRIPE_WEBHOOK_SECRETS = []
    body = notice()
    assert post(body, signature(body, "")).status_code == 400


FORGED = {
    "none": lambda body: None,
    "empty": lambda body: "",
    "of another secret": lambda body: signature(body, "whsec_of_somebody_else"),
    "old": lambda body: signature(body, age=302),
    "from the future": lambda body: signature(body, age=-305),
    "of another body": lambda body: signature(body + " "),
    "another scheme": lambda body: signature(body).replace("v1=", "v0="),
    "no time": lambda body: signature(body).partition(",")[2],
    "two headers": lambda body: f"{signature(body)},{signature(body)}",
    "two times": lambda body: f"t=1,{signature(body)}",
    "no number": lambda body: signature(body).replace("t=", "t=x"),
    "digits of another script": lambda body: "t=\u0661\u0667,v1=00".encode().decode("latin-1"),
    "no hexadecimal": lambda body: f"t={int(time.time())},v1=\xff\xfe",
    "very long": lambda body: "t=" + "9" * 5_000 + ",v1=" + "0" * 5_000,
    "only commas": lambda body: ",,,,",
}


@pytest.mark.parametrize("kind", FORGED)
def test_a_bad_signature_leaves_nothing(kind):
    body = notice()
    assert post(body, FORGED[kind](body)).status_code == 400
    assert nothing_stored()


def test_an_altered_body():
    body = notice()
    assert post(body.replace("pi_1", "pi_2"), signature(body)).status_code == 400
    assert nothing_stored()


@pytest.mark.parametrize(
    ("key", "livemode"), [("sk_test_1", True), ("sk_live_1", False), ("rk_live_1", False), ("rk_test_1", True)]
)
def test_a_notice_of_the_other_mode(settings, key, livemode):
    settings.STRIPE_SECRET_KEY = key
    body = notice(livemode=livemode)
    assert post(body, signature(body)).status_code == 400
    assert nothing_stored()
    body = notice(livemode=not livemode)
    assert post(body, signature(body)).status_code == 200


UNREADABLE = {
    "no json": "<xml/>",
    "empty": "",
    "a list": "[]",
    "a number": "1",
    "null": "null",
    "no id": notice(id=None),
    "an id with a line break": notice(id="evt_1\nx"),
    "an id with a NUL": notice(id="evt_1\x00"),
    "half a character": notice(id="\ud800"),
    "a long id": notice(id="e" * 121),
    "a long type": notice(type="t" * 81),
    "an object of no kind": notice(data={"object": 5}),
    "an object whose id is a list": notice(data={"object": {"id": [1]}}),
    "no data": notice(data=None),
    "no time": notice(created=None),
    "a time far away": notice(created=10**18),
    "no mode": json.dumps({name: value for name, value in NOTICE.items() if name != "livemode"}),
    "tomorrow and later": notice(created=int(time.time()) + 3 * 86_400),
    "very deep": '{"id": ' + "[" * 100_000 + "]" * 100_000 + "}",
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_a_signed_notice_nobody_can_read(kind):
    body = UNREADABLE[kind]
    assert post(body, signature(body)).status_code == 400
    assert nothing_stored()


@pytest.mark.parametrize("body", [b"\xff\xfe\x00", gzip.compress(b"0" * 10_000_000), b"\x00" * 100])
def test_bytes_that_are_no_text(body):
    assert post(body, f"t={int(time.time())},v1=00", **{"Content-Encoding": "gzip"}).status_code == 400
    assert nothing_stored()


@pytest.mark.parametrize("size", [512 * 1024 + 1, 10_000_000])
def test_too_large(size):
    body = notice(padding="x" * size)
    assert post(body, signature(body)).status_code == 413
    assert nothing_stored()


def test_as_large_as_allowed():
    body = notice(padding="x" * (512 * 1024 - len(notice(padding=""))))
    assert len(body) == 512 * 1024
    assert post(body, signature(body)).status_code == 200


@pytest.mark.parametrize("method", ["get", "head", "put", "delete", "patch"])
def test_post_only(client, method):
    assert getattr(client, method)(reverse("wallet:stripe_webhook")).status_code == 405


def test_no_csrf_token_is_asked_for():
    body = notice()
    browser = Client(enforce_csrf_checks=True)
    response = browser.post(
        reverse("wallet:stripe_webhook"),
        body,
        content_type="application/json",
        headers={"Stripe-Signature": signature(body)},
    )
    assert response.status_code == 200


@pytest.mark.parametrize("error", [DatabaseError, InterfaceError])
def test_a_database_that_is_away_is_told_so(monkeypatch, error):
    def fail(*events: object) -> None:
        raise error

    monkeypatch.setattr(inbox, "receive", fail)
    body = notice()
    response = post(body, signature(body))
    assert (response.status_code, response["Retry-After"]) == (503, "10")


def test_the_whole_way(live_server, transactional_db, buyer, settings):
    """Real notices over HTTP, some twice, some late."""
    with Processor(
        webhook_url=f"{live_server.url}/webhooks/stripe/", webhook_secret=SECRET, api_key=settings.STRIPE_SECRET_KEY
    ) as processor:
        settings.STRIPE_API_BASE = processor.url
        processor.deliveries.duplicate(3)
        processor.deliveries.delay(0.1, ["payment_intent.succeeded"])
        deposit, _ = inbox.deposits.start_deposit(buyer, 10_000)
        processor.pay(again(deposit).session_id)
        processor.deliveries.wait()
        assert {attempt.status for attempt in processor.deliveries.attempts()} == {200}
        inbox.process_events()
    assert (again(deposit).state, balance(buyer)) == (Deposit.State.PAID, 10_000)


def test_several_at_once_are_stored_once(live_server, transactional_db):
    with Processor(webhook_url=f"{live_server.url}/webhooks/stripe/", webhook_secret=SECRET) as processor:
        processor.deliveries.drop()
        processor.stray_payment(1_000)
        event_id = processor.events("payment_intent.succeeded")[0]["id"]
        answers = processor.deliveries.deliver(event_id, times=6)
    assert answers == [200] * 6
    assert StripeEvent.objects.count() == 1
