"""The stand-in, seen by the real SDK, by a browser and by a shop that receives its notices."""

from __future__ import annotations

import http.client
import itertools
import json
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import typing
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlencode

import pytest
import stripe
from stripe._object_classes import get_object_class

from tests.processor import CARDS, Processor, ProcessorError, control

Client: TypeAlias = Any
"""A StripeClient. Its types are unions of an id and an expanded object, which would need a cast in every line."""

ROOT = Path(__file__).resolve().parents[2]
SECRET = "whsec_of_the_tests"
KEY = "sk_test_of_the_tests"
DECLINED = "4000000000000002"
DISPUTED = "4000000000000259"
TYPED = {"number": "4242 4242 4242 4242", "expiry": "12 / 34", "cvc": "987", "name": "Ann O'Nym", "email": "a@b.test"}


class Shop:
    """Receives notices; `statuses` says what it answers, the last one for ever."""

    def __init__(self) -> None:
        self.notices: list[tuple[bytes, str]] = []
        self.statuses: Iterator[int] = itertools.repeat(200)
        shop = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                shop.notices.append((body, self.headers["Stripe-Signature"]))
                self.send_response(next(shop.statuses))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 128
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/webhooks/stripe/"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def answer(self, *statuses: int) -> None:
        self.statuses = itertools.chain(statuses, itertools.repeat(statuses[-1]))

    def types(self) -> list[str]:
        return [json.loads(body)["type"] for body, _ in self.notices]

    def verified(self, secret: str = SECRET) -> list[stripe.Event]:
        return [stripe.Webhook.construct_event(body, signature, secret) for body, signature in self.notices]


@pytest.fixture(autouse=True)
def quiet_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe, "enable_telemetry", False)


@pytest.fixture
def shop() -> Iterator[Shop]:
    shop = Shop()
    yield shop
    shop.server.shutdown()
    shop.server.server_close()


@pytest.fixture
def processor(shop: Shop) -> Iterator[Processor]:
    options: Any = {"webhook_url": shop.url, "webhook_secret": SECRET, "api_key": KEY, "moment": 0.02}
    with Processor(**options, retry_delays=(0.01, 0.02)) as processor:
        yield processor


@pytest.fixture
def client(processor: Processor) -> Client:
    return sdk(processor.url)


def sdk(url: str, *, timeout: float = 10, retries: int = 0, key: str = KEY) -> Client:
    return stripe.StripeClient(
        key,
        base_addresses={"api": url},
        max_network_retries=retries,
        http_client=stripe.RequestsClient(timeout=timeout),
    )


def session_params(amount: int = 2500, **more: Any) -> dict[str, Any]:
    price = {"currency": "usd", "unit_amount": amount, "product_data": {"name": "Deposit"}}
    return {
        "mode": "payment",
        "line_items": [{"price_data": price, "quantity": 1}],
        "client_reference_id": "dep-1",
        "metadata": {"deposit_id": "dep-1"},
        "payment_intent_data": {"metadata": {"deposit_id": "dep-1"}},
        "success_url": "http://127.0.0.1:1/wallet/?session={CHECKOUT_SESSION_ID}",
        "cancel_url": "http://127.0.0.1:1/wallet/add/",
        **more,
    }


def new_session(client: Client, amount: int = 2500, **more: Any) -> str:
    id: str = client.v1.checkout.sessions.create(session_params(amount, **more)).id
    return id


def paid(client: Client, processor: Processor, amount: int = 2500, card: str = "4242424242424242") -> str:
    id: str = processor.pay(new_session(client, amount), card)["id"]
    return id


class KeepRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def browse(url: str, form: dict[str, str] | None = None) -> tuple[int, str, Any]:
    """GET, or POST of a form, as a browser does; answers status, text and headers without following redirects."""
    opener = urllib.request.build_opener(KeepRedirect, urllib.request.ProxyHandler({}))
    try:
        response = opener.open(url, urlencode(form).encode() if form is not None else None, 10)
    except urllib.error.HTTPError as error:
        response = error
    with response:
        return response.status, response.read().decode(), response.headers


# The life of a payment


def test_it_works(client: Client, processor: Processor, shop: Shop) -> None:
    session = client.v1.checkout.sessions.create(
        session_params(expires_at=int(time.time()) + 31 * 60), {"idempotency_key": "dep-1"}
    )
    assert (session.status, session.payment_status, session.payment_intent) == ("open", "unpaid", None)
    assert session.url == f"{processor.url}/c/pay/{session.id}" and re.fullmatch(r"cs_test_\w{58}", session.id)

    status, text, _ = browse(session.url)
    assert status == 200 and "Pay $25.00</button>" in text

    status, _, headers = browse(session.url, TYPED)
    assert status == 303 and headers["Location"] == f"http://127.0.0.1:1/wallet/?session={session.id}"

    session = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent.latest_charge"]})
    intent = session.payment_intent
    assert (session.status, session.payment_status, session.url) == ("complete", "paid", None)
    assert (intent.status, intent.amount_received, intent.currency) == ("succeeded", 2500, "usd")
    assert intent.metadata.deposit_id == session.metadata.deposit_id == session.client_reference_id == "dep-1"
    assert intent.latest_charge.paid and intent.latest_charge.payment_method_details.card.last4 == "4242"

    processor.deliveries.wait()
    events = shop.verified()
    assert [event.type for event in events] == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "checkout.session.completed",
    ]
    assert {event.api_version for event in events} == {stripe.api_version}
    assert events[3].data.object.customer_details.name == "Ann O'Nym"
    assert events[1].data.object.billing_details.email == "a@b.test"
    assert client.v1.events.retrieve(events[3].id).pending_webhooks == 0
    assert processor.requests[0].method == "POST" and processor.requests[0].idempotency_key == "dep-1"
    assert processor.requests[0].params["line_items"][0]["price_data"]["unit_amount"] == "2500"


def test_a_declined_card_stays_on_the_page_and_another_may_follow(client: Client, processor: Processor) -> None:
    session = client.v1.checkout.sessions.create(session_params())
    status, text, _ = browse(session.url, {**TYPED, "number": DECLINED})
    assert status == 402 and "Your card was declined." in text and 'role="alert"' in text
    assert "Ann O&#x27;Nym" in text and DECLINED not in text and 'value="987"' not in text
    failed = processor.events("payment_intent.payment_failed")[0]["data"]["object"]
    assert failed["status"] == "requires_payment_method" and failed["last_payment_error"]["code"] == "card_declined"

    assert browse(session.url, TYPED)[0] == 303
    intent = client.v1.payment_intents.retrieve(failed["id"])
    assert (intent.status, intent.last_payment_error) == ("succeeded", None)
    assert [each["type"] for each in processor.events("charge.*")] == ["charge.failed", "charge.succeeded"]


def test_double_submit_pays_once(client: Client, processor: Processor) -> None:
    session = client.v1.checkout.sessions.create(session_params())
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: browse(session.url, TYPED)[0], range(8)))
    assert answers == [303] * 8
    assert len(processor.events("charge.succeeded")) == 1


def test_the_card_page_says_what_is_wrong_and_keeps_what_may_be_kept(client: Client, processor: Processor) -> None:
    session = client.v1.checkout.sessions.create(session_params(customer_email="known@b.test"))
    _, text, headers = browse(session.url)
    assert 'value="known@b.test" readonly' in text
    assert "form-action 'self' http://127.0.0.1:1;" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    for name in TYPED:
        assert f'<label for="{name}">' in text

    bad = {"number": "4111 1111 1111 1111", "expiry": "13/30", "cvc": "1", "name": "<b>", "email": "x"}
    status, text, _ = browse(session.url, bad)
    assert status == 422 and text.count('aria-invalid="true"') == 3
    assert "never type a real card number" in text and "4111" not in text
    assert 'value="&lt;b&gt;"' in text and 'value="13/30"' in text
    assert "expired" in browse(session.url, {**TYPED, "expiry": "01/20"})[1]
    assert processor.events() == []


def test_closed_sessions_have_clear_pages(client: Client, processor: Processor) -> None:
    session = client.v1.checkout.sessions.create(session_params())
    processor.pay(session.id)
    status, text, _ = browse(session.url)
    assert status == 200 and "already made" in text and f"session={session.id}" in text

    session = client.v1.checkout.sessions.create(session_params())
    processor.advance_clock(24 * 3600 + 1)
    assert processor.get("checkout.session", session.id)["status"] == "expired"
    for form in (None, TYPED):
        status, text, _ = browse(session.url, form)
        assert status == 410 and "is over" in text and "/wallet/add/" in text
    assert processor.events()[-1]["type"] == "checkout.session.expired"
    assert browse(f"{processor.url}/c/pay/cs_test_none")[0] == 404
    assert browse(f"{processor.url}/")[0] == 200 and browse(f"{processor.url}/favicon.ico")[0] == 404


def test_card_numbers_are_kept_nowhere(tmp_path: Path) -> None:
    with Processor(api_key=KEY, state=tmp_path / "state" / "processor.sqlite3") as processor:
        for number in CARDS:
            session = processor.create_session(session_params())
            browse(session["url"], {**TYPED, "number": number})
        seen = repr(processor.requests) + json.dumps(processor.events())
    kept = b"".join(path.read_bytes() for path in (tmp_path / "state").iterdir()) + seen.encode()
    assert b"Ann O'Nym" in kept
    for number in [*CARDS, TYPED["number"]]:
        assert number.encode() not in kept
    with closing(sqlite3.connect(tmp_path / "state" / "processor.sqlite3")) as state:
        values = seen + "\n".join(state.iterdump())
    # Three digits are somewhere in any long enough random identifier: the code must not stand by itself.
    assert "Ann" in _by_themselves(values) and TYPED["cvc"] not in _by_themselves(values)


def _by_themselves(text: str) -> set[str]:
    return set(re.findall(r"[0-9A-Za-z]+", text))


# What the API refuses


def test_keys(processor: Processor, client: Client) -> None:
    with pytest.raises(stripe.AuthenticationError, match=r"Invalid API Key provided: sk_test_\*\*\*\*rong"):
        sdk(processor.url, key="sk_test_wrong").v1.balance.retrieve()
    connection = http.client.HTTPConnection(processor.url.removeprefix("http://"))
    for header, status in (("Basic " + "c2tfdGVzdF9vZl90aGVfdGVzdHM6", 200), ("Basic !", 401), ("", 401)):
        connection.request("GET", "/v1/balance", headers={"Authorization": header})
        response = connection.getresponse()
        assert response.status == status and response.getheader("Request-Id", "").startswith("req_")
        response.read()
    connection.close()


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"colour": "red"}, "colour", "parameter_unknown"),
        ({"payment_method_types": ["card"]}, "payment_method_types[0]", "parameter_unknown"),
        ({"line_items": [{"quantity": 1, "cost": 2}]}, "line_items[0][cost]", "parameter_unknown"),
        ({"line_items": [{"quantity": "two"}]}, "line_items[0][quantity]", "parameter_invalid_integer"),
        ({"line_items": [{"price_data": {}, "quantity": 1}]}, "line_items", "parameter_missing"),
        ({"client_reference_id": ""}, "client_reference_id", "parameter_invalid_empty"),
        ({"mode": "present"}, "mode", None),
        ({"mode": "subscription"}, "mode", None),
        ({"discounts": [{"coupon": "free"}]}, "discounts", None),
        ({"success_url": "wallet"}, "success_url", "url_invalid"),
        ({"metadata": {"a": "x" * 501}}, "metadata[a]", None),
        ({"payment_intent_data": {"capture_method": "manual"}}, "payment_intent_data[capture_method]", None),
        ({"expires_at": 1}, "expires_at", None),
        ({"expires_at": int(time.time()) + 29 * 60}, "expires_at", None),
        ({"expires_at": int(time.time()) + 25 * 3600}, "expires_at", None),
    ],
)
def test_a_session_with_wrong_parameters_is_refused(
    client: Client, change: dict[str, Any], param: str, code: str | None
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.checkout.sessions.create(session_params(**change))
    assert refused.value.http_status == 400 and refused.value.code == code
    assert refused.value.param.startswith(param.removesuffix("[0]"))


def test_missing_and_small_things_are_refused(client: Client) -> None:
    for name in ("success_url", "line_items"):
        params = session_params()
        del params[name]
        with pytest.raises(stripe.InvalidRequestError, match=name):
            client.v1.checkout.sessions.create(params)
    with pytest.raises(stripe.InvalidRequestError, match=r"at least \$0\.50"):
        new_session(client, 49)
    with pytest.raises(stripe.InvalidRequestError, match="No such payment_intent: 'pi_none'") as refused:
        client.v1.payment_intents.retrieve("pi_none")
    assert refused.value.http_status == 404 and refused.value.code == "resource_missing"
    with pytest.raises(stripe.InvalidRequestError, match="Unrecognized request URL") as refused:
        client.v1.customers.create({"email": "a@b.test"})
    assert refused.value.http_status == 404
    with pytest.raises(stripe.InvalidRequestError, match="payment_intent or charge"):
        client.v1.refunds.create({})


# Idempotency


def test_the_same_key_gets_the_first_answer(client: Client, processor: Processor) -> None:
    first, again = (client.v1.checkout.sessions.create(session_params(), {"idempotency_key": "k"}) for _ in range(2))
    assert first.id == again.id
    assert "Idempotent-Replayed" not in first.last_response.headers
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    assert again.last_response.headers["Original-Request"] == first.last_response.request_id
    assert [each.replayed for each in processor.requests] == [False, True]

    with pytest.raises(stripe.IdempotencyError, match="same parameters") as refused:
        client.v1.checkout.sessions.create(session_params(2600), {"idempotency_key": "k"})
    assert refused.value.http_status == 400
    with pytest.raises(stripe.IdempotencyError, match="same endpoint"):
        client.v1.refunds.create({"payment_intent": "pi_1"}, {"idempotency_key": "k"})

    processor.advance_clock(24 * 3600 + 1)
    assert client.v1.checkout.sessions.create(session_params(), {"idempotency_key": "k"}).id != first.id


@pytest.mark.parametrize("after", [False, True])
def test_a_500_is_kept_under_its_key(client: Client, processor: Processor, after: bool) -> None:
    fail = processor.faults.fail_after if after else processor.faults.fail_before
    fail("POST", "/v1/checkout")
    for replayed in (None, "true"):
        with pytest.raises(stripe.APIError) as broken:
            client.v1.checkout.sessions.create(session_params(), {"idempotency_key": "k"})
        assert broken.value.http_status == 500 and (broken.value.headers or {}).get("Idempotent-Replayed") == replayed
    assert len(client.v1.checkout.sessions.list().data) == (1 if after else 0)
    assert processor.faults.armed() == []


def test_the_sdk_itself_repeats_a_500_in_vain(processor: Processor) -> None:
    processor.faults.fail_before("POST")
    with pytest.raises(stripe.APIError):
        sdk(processor.url, retries=1).v1.checkout.sessions.create(session_params())
    assert [(each.status, each.replayed) for each in processor.requests] == [(500, False), (500, True)]


def test_what_never_began_is_not_kept(client: Client, processor: Processor) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.checkout.sessions.create(session_params(colour="red"), {"idempotency_key": "k"})
    processor.faults.rate_limit(times=1)
    with pytest.raises(stripe.RateLimitError):
        client.v1.checkout.sessions.create(session_params(), {"idempotency_key": "k"})
    assert client.v1.checkout.sessions.create(session_params(), {"idempotency_key": "k"}).status == "open"


def test_a_refusal_after_the_beginning_is_kept(client: Client, processor: Processor) -> None:
    intent = paid(client, processor)
    for replayed in (None, "true"):
        with pytest.raises(stripe.InvalidRequestError, match="greater than") as refused:
            client.v1.refunds.create({"payment_intent": intent, "amount": 2501}, {"idempotency_key": "k"})
        assert (refused.value.headers or {}).get("Idempotent-Replayed") == replayed


def test_a_key_in_use_is_a_409(client: Client, processor: Processor) -> None:
    processor.faults.time_out("POST", seconds=0.3, after=False)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(client.v1.checkout.sessions.create, session_params(), {"idempotency_key": "k"})
        while not processor.requests or processor.faults.armed():
            time.sleep(0.005)
        time.sleep(0.05)
        with pytest.raises(stripe.APIError) as refused:
            sdk(processor.url).v1.checkout.sessions.create(session_params(), {"idempotency_key": "k"})
        assert refused.value.http_status == 409
        assert json.loads(refused.value.http_body or "")["error"]["code"] == "idempotency_key_in_use"
        assert slow.result().status == "open"
    assert len(client.v1.checkout.sessions.list().data) == 1


def test_a_hundred_requests_with_one_key_make_one_session(processor: Processor) -> None:
    def create(_: int) -> Any:
        try:
            return sdk(processor.url).v1.checkout.sessions.create(session_params(), {"idempotency_key": "k"}).id
        except stripe.APIError as error:
            if error.http_status != 409:
                raise
            return None

    with ThreadPoolExecutor(16) as pool:
        made = set(pool.map(create, range(100)))
    assert len(made - {None}) == 1


# Lists and expansion


def test_lists_go_from_new_to_old_in_pages(client: Client, processor: Processor) -> None:
    made = [new_session(client) for _ in range(5)][::-1]
    page = client.v1.checkout.sessions.list({"limit": 2})
    assert [each.id for each in page.data] == made[:2] and page.has_more
    page = client.v1.checkout.sessions.list({"limit": 2, "starting_after": made[2]})
    assert [each.id for each in page.data] == made[3:] and not page.has_more
    page = client.v1.checkout.sessions.list({"limit": 2, "ending_before": made[3]})
    assert [each.id for each in page.data] == made[1:3] and page.has_more
    everything = client.v1.checkout.sessions.list({"limit": 2}).auto_paging_iter()
    assert [each.id for each in everything] == made
    assert client.v1.checkout.sessions.list({"status": "complete"}).data == []

    for params, message in (
        ({"limit": 101}, "less than or equal to 100"),
        ({"limit": 0}, "greater than or equal to 1"),
        ({"starting_after": "cs_none"}, "No such checkout.session"),
        ({"customer": "cus_1"}, "does not support"),
    ):
        with pytest.raises(stripe.InvalidRequestError, match=message):
            client.v1.checkout.sessions.list(params)


def test_events_are_found_by_type_and_time(client: Client, processor: Processor) -> None:
    before = int(time.time())
    paid(client, processor)
    processor.advance_clock(3600)
    intent = paid(client, processor)
    events = client.v1.events
    assert len(events.list().data) == 8
    assert len(events.list({"created": {"gt": before + 1800}}).data) == 4
    assert len(events.list({"created": {"gte": before, "lt": before + 1800}}).data) == 4
    assert {each.type for each in events.list({"type": "payment_intent.*"}).data} == {
        "payment_intent.created",
        "payment_intent.succeeded",
    }
    found = events.list({"types": ["charge.succeeded", "checkout.session.completed"], "limit": 1})
    assert found.has_more and found.data[0].type == "checkout.session.completed"
    assert [each.id for each in client.v1.payment_intents.list({"created": {"gt": before + 1800}}).data] == [intent]
    old = events.list().data[-1].id
    processor.advance_clock(30 * 24 * 3600 + 1)
    assert events.list().data == []
    with pytest.raises(stripe.InvalidRequestError, match="No such event"):
        events.retrieve(old)


def test_expansion(client: Client, processor: Processor) -> None:
    intent = paid(client, processor)
    client.v1.refunds.create({"payment_intent": intent, "amount": 100})
    found = client.v1.payment_intents.retrieve(intent, {"expand": ["latest_charge.balance_transaction"]})
    assert found.latest_charge.balance_transaction.net == 2500 - 103
    assert isinstance(client.v1.payment_intents.retrieve(intent).latest_charge, str)
    sessions = client.v1.checkout.sessions.list(
        {"payment_intent": intent, "expand": ["data.payment_intent.latest_charge"]}
    )
    assert sessions.data[0].payment_intent.latest_charge.amount_refunded == 100
    charge = client.v1.charges.retrieve(found.latest_charge.id, {"expand": ["refunds", "payment_intent"]})
    assert [each.amount for each in charge.refunds.data] == [100] and charge.payment_intent.id == intent
    sources = client.v1.balance_transactions.list({"expand": ["data.source"]}).data
    assert [each.source.object for each in sources] == ["refund", "charge"]
    open_session = client.v1.checkout.sessions.create(session_params(expand=["payment_intent"]))
    assert open_session.payment_intent is None
    for path in ("payment_method", "data.latest_charge", "latest_charge.customer"):
        with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
            client.v1.payment_intents.retrieve(intent, {"expand": [path]})


# Refunds, disputes, delayed and strange money


def test_refunds(client: Client, processor: Processor) -> None:
    intent = paid(client, processor)
    part = client.v1.refunds.create(
        {"payment_intent": intent, "amount": 1000, "metadata": {"refund_id": "7"}}, {"idempotency_key": "rf-7"}
    )
    assert (part.status, part.amount, part.metadata.refund_id) == ("succeeded", 1000, "7")
    assert processor.events("refund.created")[0]["request"]["idempotency_key"] == "rf-7"
    rest = processor.refund(intent)
    assert rest["amount"] == 1500
    charge = client.v1.charges.retrieve(part.charge)
    assert (charge.refunded, charge.amount_refunded) == (True, 2500)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.refunds.create({"payment_intent": intent})
    assert refused.value.code == "charge_already_refunded"
    assert [each.id for each in client.v1.refunds.list({"payment_intent": intent}).data] == [rest["id"], part.id]
    assert [each["type"] for each in processor.events()[-4:]] == ["refund.created", "charge.refunded"] * 2


def test_a_refund_may_fail_later(client: Client, processor: Processor) -> None:
    intent = paid(client, processor)
    refund = client.v1.refunds.create({"payment_intent": intent})
    for _ in range(2):
        assert processor.fail_refund(refund.id)["status"] == "failed"
    refund = client.v1.refunds.retrieve(refund.id, {"expand": ["failure_balance_transaction", "charge"]})
    assert refund.failure_reason == "expired_or_canceled_card"
    assert (refund.failure_balance_transaction.type, refund.failure_balance_transaction.net) == ("refund_failure", 2500)
    assert (refund.charge.refunded, refund.charge.amount_refunded) == (False, 0)
    assert [each["type"] for each in processor.events()[-3:]] == [
        "refund.updated",
        "charge.refund.updated",
        "refund.failed",
    ]
    assert client.v1.refunds.create({"payment_intent": intent, "amount": 5}).status == "succeeded"


def test_refunds_of_the_demo_cards(client: Client, processor: Processor) -> None:
    slow = client.v1.refunds.create({"payment_intent": paid(client, processor, card="4000000000007726")})
    failing = client.v1.refunds.create({"payment_intent": paid(client, processor, card="4000000000005126")})
    assert (slow.status, failing.status) == ("pending", "succeeded")
    processor.advance_clock(1)
    assert client.v1.refunds.retrieve(slow.id).status == "succeeded"
    assert client.v1.refunds.retrieve(failing.id).status == "failed"


def test_a_dispute_that_is_won(client: Client, processor: Processor) -> None:
    intent = paid(client, processor)
    dispute = processor.open_dispute(intent, 2000)
    assert dispute["status"] == "needs_response"
    [withdrawn] = dispute["balance_transactions"]
    assert (withdrawn["type"], withdrawn["amount"], withdrawn["fee"], withdrawn["net"]) == (
        *("adjustment", -2000, 1500),
        -3500,
    )
    assert client.v1.payment_intents.retrieve(intent, {"expand": ["latest_charge"]}).latest_charge.disputed
    with pytest.raises(stripe.InvalidRequestError, match="charged back") as refused:
        client.v1.refunds.create({"payment_intent": intent})
    assert refused.value.code == "charge_disputed"
    with pytest.raises(ProcessorError, match="disputed already"):
        processor.open_dispute(intent)

    processor.update_dispute(dispute["id"])
    for _ in range(2):
        processor.close_dispute(dispute["id"], "won")
        processor.reinstate(dispute["id"])
    [found] = client.v1.disputes.list({"payment_intent": intent}).data
    assert found.status == "won" and [each.net for each in found.balance_transactions] == [-3500, 2000]
    assert [each["type"].removeprefix("charge.dispute.") for each in processor.events("charge.dispute.*")] == [
        "created",
        "funds_withdrawn",
        "updated",
        "closed",
        "funds_reinstated",
    ]
    assert client.v1.refunds.create({"payment_intent": intent}).amount == 2500


def test_an_inquiry_moves_no_money_until_it_is_a_dispute(client: Client, processor: Processor) -> None:
    intent = paid(client, processor)
    inquiry = processor.open_dispute(intent, withdraw=False)
    assert (inquiry["status"], inquiry["balance_transactions"]) == ("warning_needs_response", [])
    assert client.v1.refunds.create({"payment_intent": intent, "amount": 1}).amount == 1
    with pytest.raises(ProcessorError, match="No funds were withdrawn"):
        processor.reinstate(inquiry["id"])
    dispute = processor.withdraw_funds(inquiry["id"])
    assert dispute["status"] == "needs_response" and len(dispute["balance_transactions"]) == 1
    processor.close_dispute(inquiry["id"], "lost")
    assert client.v1.disputes.retrieve(inquiry["id"]).status == "lost"
    with pytest.raises(stripe.InvalidRequestError, match="charged back"):
        client.v1.refunds.create({"payment_intent": intent})

    second = processor.open_dispute(paid(client, processor), withdraw=False)
    assert processor.close_dispute(second["id"], "warning_closed")["status"] == "warning_closed"


def test_the_disputed_card(client: Client, processor: Processor, shop: Shop) -> None:
    intent = paid(client, processor, card=DISPUTED)
    deadline = time.monotonic() + 3
    while not processor.events("charge.dispute.funds_withdrawn") and time.monotonic() < deadline:
        time.sleep(0.01)
    processor.deliveries.wait()
    assert shop.types()[-2:] == ["charge.dispute.created", "charge.dispute.funds_withdrawn"]
    assert client.v1.disputes.list({"payment_intent": intent}).data[0].amount == 2500


def test_the_balance_is_the_sum_of_its_transactions(client: Client, processor: Processor) -> None:
    intent = paid(client, processor, 2500)
    paid(client, processor, 10_000)
    processor.fail_refund(processor.refund(intent, 500)["id"])
    processor.open_dispute(intent)
    transactions = client.v1.balance_transactions.list().data
    assert [(each.type, each.reporting_category, each.net) for each in transactions] == [
        ("adjustment", "dispute", -4000),
        ("refund_failure", "refund_failure", 500),
        ("refund", "refund", -500),
        ("charge", "charge", 10_000 - 320),
        ("charge", "charge", 2500 - 103),
    ]
    balance = client.v1.balance.retrieve()
    assert (balance.available[0].amount, balance.pending[0].amount) == (-4000, 2500 - 103 + 10_000 - 320)
    processor.advance_clock(2 * 24 * 3600)
    balance = client.v1.balance.retrieve()
    assert (balance.available[0].amount, balance.pending[0].amount) == (8077, 0)
    assert client.v1.balance_transactions.retrieve(transactions[-1].id).status == "available"


def test_payouts_and_fees_move_the_balance(client: Client, processor: Processor) -> None:
    paid(client, processor, 10_000)
    with pytest.raises(ProcessorError, match="insufficient"):
        processor.payout(0)
    first = processor.payout(3_000, fee=30)
    assert (first["status"], first["amount"]) == ("in_transit", 3_000)
    assert processor.pay_out(first["id"])["status"] == "paid"
    failed = processor.fail_payout(processor.payout(1_000)["id"])
    assert processor.fail_payout(failed["id"]) == failed
    processor.charge_us(250)
    processor.adjust(-5)
    listed = client.v1.balance_transactions.list({"expand": ["data.source"]}).data
    assert [(each.type, each.reporting_category, each.net) for each in listed] == [
        ("adjustment", "other_adjustment", -5),
        ("stripe_fee", "fee", -250),
        ("payout_failure", "payout_reversal", 1_000),
        ("payout", "payout", -1_000),
        ("payout", "payout", -3_030),
        ("charge", "charge", 10_000 - 320),
    ]
    assert [getattr(each.source, "status", None) for each in listed] == [
        *(None, None, "failed", "failed", "paid", "succeeded")
    ]
    assert processor.payout()["amount"] == 10_000 - 320 - 3_030 - 250 - 5
    assert [event["type"] for event in processor.events("payout.*")] == [
        *("payout.created", "payout.paid", "payout.created", "payout.failed", "payout.created")
    ]


def test_a_bank_debit_may_show_in_the_balance_before_it_arrives(client: Client, processor: Processor) -> None:
    processor.async_payment(session := new_session(client), booked=True)
    [booked] = client.v1.balance_transactions.list({"expand": ["data.source"]}).data
    assert (booked.reporting_category, booked.source.status) == ("charge", "pending")
    processor.async_failed(session)
    processor.async_succeeded(session)
    listed = client.v1.balance_transactions.list().data
    assert [each.reporting_category for each in listed] == ["charge", "charge_failure", "charge"]
    assert sum(each.net for each in listed) == booked.net


def test_an_earlier_payment_is_there_and_nobody_is_told(client: Client, processor: Processor) -> None:
    for _ in range(2):
        assert processor.earlier_payment("pi_earlier", 5_000)["amount_received"] == 5_000
    [booked] = client.v1.balance_transactions.list({"expand": ["data.source"]}).data
    assert (booked.net, booked.source.payment_intent) == (5_000 - 175, "pi_earlier")
    assert processor.events() == []
    assert processor.refund("pi_earlier", 100)["status"] == "succeeded"


def test_a_report_with_faults(client: Client, processor: Processor) -> None:
    first, second = processor.charge_us(1), processor.charge_us(2)
    processor.faults.hide(first["id"])
    processor.faults.double()
    assert [each.id for each in client.v1.balance_transactions.list().data] == [second["id"]] * 2
    processor.faults.clear()
    assert len(client.v1.balance_transactions.list().data) == 2


def test_delayed_payments(client: Client, processor: Processor) -> None:
    good, bad = new_session(client), new_session(client)
    for each in (good, bad):
        assert processor.async_payment(each)["status"] == "processing"
    session = client.v1.checkout.sessions.retrieve(good)
    assert (session.status, session.payment_status) == ("complete", "unpaid")
    assert processor.async_succeeded(good)["amount_received"] == 2500
    assert client.v1.checkout.sessions.retrieve(good).payment_status == "paid"
    assert processor.async_failed(bad)["status"] == "requires_payment_method"
    assert [each["type"] for each in processor.events("checkout.session.*")] == [
        "checkout.session.completed",
        "checkout.session.completed",
        "checkout.session.async_payment_succeeded",
        "checkout.session.async_payment_failed",
    ]
    assert {"payment_intent.processing", "charge.pending"} < {each["type"] for each in processor.events()}
    assert processor.async_succeeded(bad)["status"] == "succeeded", "money may come after it was given up"


def test_sessions_end(client: Client, processor: Processor) -> None:
    session = new_session(client)
    processor.pay(session, DECLINED)
    assert client.v1.checkout.sessions.expire(session).status == "expired"
    assert processor.expire(session)["status"] == "expired"
    assert processor.events()[-1]["type"] == "payment_intent.canceled"
    with pytest.raises(stripe.InvalidRequestError, match="can be expired"):
        client.v1.checkout.sessions.expire(session)
    with pytest.raises(ProcessorError, match="expired"):
        processor.pay(session)
    late = new_session(client)
    processor.expire(late)
    assert processor.pay(late, even_if_expired=True)["amount_received"] == 2500
    assert client.v1.checkout.sessions.retrieve(late).payment_status == "paid"


def test_money_that_is_not_as_asked(client: Client, processor: Processor) -> None:
    processor.faults.receive(amount=2400)
    processor.faults.receive(currency="eur")
    processor.faults.late_fee()
    short, foreign, unbooked = (paid(client, processor) for _ in range(3))
    found = client.v1.payment_intents.retrieve(short, {"expand": ["latest_charge.balance_transaction"]})
    assert (found.amount, found.amount_received) == (2500, 2400)
    assert found.latest_charge.balance_transaction.amount == 2400
    assert client.v1.payment_intents.retrieve(foreign).currency == "eur"
    assert client.v1.payment_intents.retrieve(unbooked, {"expand": ["latest_charge"]}).latest_charge.paid
    assert processor.events("charge.succeeded")[-1]["data"]["object"]["balance_transaction"] is None
    assert processor.book_fee(unbooked)["balance_transaction"].startswith("txn_")
    assert processor.events()[-1]["type"] == "charge.updated"

    stray = processor.stray_payment(700, metadata={"deposit_id": "lost"})
    assert client.v1.payment_intents.retrieve(stray["id"]).metadata.deposit_id == "lost"
    assert client.v1.checkout.sessions.list({"payment_intent": stray["id"]}).data == []


# Faults of the network


@pytest.mark.parametrize("after", [False, True])
def test_connections_may_break(processor: Processor, client: Client, after: bool) -> None:
    processor.faults.disconnect("POST", after=after)
    with pytest.raises(stripe.APIConnectionError):
        client.v1.checkout.sessions.create(session_params(), {"idempotency_key": "k"})
    assert len(client.v1.checkout.sessions.list().data) == int(after)
    client.v1.checkout.sessions.create(session_params(), {"idempotency_key": "k"})
    assert len(client.v1.checkout.sessions.list().data) == 1


def test_answers_may_come_too_late(processor: Processor, client: Client) -> None:
    processor.faults.time_out("POST", "/v1/checkout/sessions", seconds=30)
    with pytest.raises(stripe.APIConnectionError, match="Timeout"):
        sdk(processor.url, timeout=0.2).v1.checkout.sessions.create(session_params(), {"idempotency_key": "k"})
    again = client.v1.checkout.sessions.create(session_params(), {"idempotency_key": "k"})
    assert again.last_response.headers["Idempotent-Replayed"] == "true"


def test_it_may_be_down_until_cleared(processor: Processor, client: Client) -> None:
    processor.faults.rate_limit(times=None)
    for _ in range(3):
        with pytest.raises(stripe.RateLimitError):
            client.v1.balance.retrieve()
    processor.faults.clear()
    assert client.v1.balance.retrieve().livemode is False


# Notices


def test_notices_are_tried_again(client: Client, processor: Processor, shop: Shop) -> None:
    shop.answer(500, 503, 200)
    processor.deliveries.drop(["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"])
    paid(client, processor)
    processor.deliveries.wait()
    assert [each.status or each.reason for each in processor.deliveries.attempts()] == [*["dropped"] * 3, 500, 503, 200]
    assert {each.pending_webhooks for each in client.v1.events.list().data} == {0}

    shop.answer(500)
    processor.deliveries.reset()
    processor.stray_payment(100)
    processor.deliveries.wait()
    assert len(shop.notices) == 3 + 3 * 3, "every notice is tried three times and then given up"
    assert {each.pending_webhooks for each in client.v1.events.list({"limit": 3}).data} == {1}


def test_notices_may_come_twice_late_or_never(client: Client, processor: Processor, shop: Shop) -> None:
    processor.deliveries.duplicate(3, ["checkout.session.completed"])
    processor.deliveries.delay(0.1, ["payment_intent.created"])
    processor.deliveries.drop(["charge.succeeded"], times=1)
    paid(client, processor)
    processor.deliveries.wait()
    assert shop.types() == [
        "payment_intent.succeeded",
        *["checkout.session.completed"] * 3,
        "payment_intent.created",
    ]
    assert len({body for body, _ in shop.notices}) == 3
    paid(client, processor)
    processor.deliveries.wait()
    assert shop.types().count("charge.succeeded") == 1


def test_notices_may_change_their_order(client: Client, processor: Processor, shop: Shop) -> None:
    orders = []
    for order, seed in ((["checkout.session.completed", "charge.succeeded"], None), ("reverse", None), ("random", 1)):
        processor.deliveries.hold()
        paid(client, processor)
        assert len(processor.deliveries.held()) == 4
        seen = len(shop.notices)
        orders.append(processor.deliveries.release(order, seed=seed))
        processor.deliveries.wait()
        assert shop.types()[seen:] == orders[-1]
    assert orders[0][:2] == ["checkout.session.completed", "charge.succeeded"]
    assert orders[1][0] == "checkout.session.completed" and orders[1][3] == "payment_intent.created"
    assert sorted(orders[2]) == sorted(orders[1])
    with pytest.raises(ValueError, match="order is"):
        processor.deliveries.release("sideways")


def test_signatures(client: Client, processor: Processor, shop: Shop) -> None:
    processor.deliveries.sign(secrets=["whsec_new", SECRET])
    paid(client, processor)
    processor.deliveries.wait()
    assert len(shop.verified()) == len(shop.verified("whsec_new")) == 4

    event = processor.events()[-1]["id"]
    for signing in ({"forged": True}, {"age": 301}, {"secrets": ["whsec_old"]}):
        body, headers = processor.deliveries.signed(event, **signing)
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(body, headers["Stripe-Signature"], SECRET)
    body, headers = processor.deliveries.signed(event, changes={"livemode": True})
    assert stripe.Webhook.construct_event(body, headers["Stripe-Signature"], SECRET).livemode

    shop.notices.clear()
    assert processor.deliveries.deliver(event, 20) == [200] * 20
    assert {each.id for each in shop.verified()} == {event} and len(shop.notices) == 20
    processor.deliveries.deliver(event, forged=True)
    with pytest.raises(stripe.SignatureVerificationError):
        shop.verified()


# Another process


def start(*arguments: str) -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-m", "tests.processor", "--port", "0", "--api-key", KEY, *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout
    line = process.stdout.readline()
    match = re.fullmatch(r"Processor stand-in is ready at (http://127\.0\.0\.1:\d+)\n", line)
    assert match, line + (process.stderr.read() if process.stderr else "")
    return process, match[1]


def stop(process: subprocess.Popen[str], number: int = signal.SIGTERM) -> None:
    process.send_signal(number)
    _, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (0, "")


def test_a_process_of_its_own_keeps_everything(tmp_path: Path, shop: Shop) -> None:
    arguments = ("--state", str(tmp_path / "var" / "processor.sqlite3"), "--webhook-secret", SECRET)
    process, url = start(*arguments, "--webhook-url", "http://127.0.0.1:9/nobody/")
    client = sdk(url)
    session = client.v1.checkout.sessions.create(session_params(), {"idempotency_key": "k"})
    intent = control(url, "pay", session_id=session.id)
    control(url, "fault_fail_before", method="GET", path="/v1/balance")
    assert [each["kind"] for each in control(url, "faults")] == ["fail_before"]
    assert control(url, "requests")[0]["idempotency_key"] == "k"
    with pytest.raises(ProcessorError, match="No control"):
        control(url, "destroy")
    with pytest.raises(ProcessorError, match="session_id") as refused:
        control(url, "pay")
    assert refused.value.status == 400
    with pytest.raises(ProcessorError, match="No such checkout") as refused:
        control(url, "expire", session_id="cs_none")
    assert refused.value.status == 404
    stop(process)

    process, url = start(*arguments, "--webhook-url", shop.url)
    client = sdk(url)
    assert client.v1.checkout.sessions.retrieve(session.id).payment_intent == intent["id"]
    assert client.v1.checkout.sessions.create(session_params(), {"idempotency_key": "k"}).id == session.id
    control(url, "wait")
    assert len(shop.verified()) == 4, "what nobody took before is sent now"
    stop(process, signal.SIGINT)


def test_controls_are_not_for_web_pages(processor: Processor) -> None:
    host = processor.url.removeprefix("http://")
    connection = http.client.HTTPConnection(host)
    for headers, status in (
        ({"Content-Type": "application/json", "Host": host}, 200),
        ({"Content-Type": "text/plain", "Host": host}, 403),
        ({"Content-Type": "application/json", "Host": "rebound.example:80"}, 403),
    ):
        connection.request("POST", "/_control/events", "{}", headers)
        response = connection.getresponse()
        response.read()
        assert response.status == status
    connection.close()


def test_only_this_machine() -> None:
    command = [sys.executable, "-m", "tests.processor", "--port", "0", "--host", "192.0.2.1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 2 and "127.0.0.1 only" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="asks the Linux kernel")
def test_it_ends_with_its_parent() -> None:
    script = (
        "import subprocess, sys; p = subprocess.Popen([sys.executable, '-m', 'tests.processor', '--port', '0', "
        "'--with-parent'], stdout=subprocess.PIPE, text=True); p.stdout.readline(); print(p.pid, flush=True)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=20, check=True
    )
    deadline = time.monotonic() + 5
    while _alive(int(done.stdout)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _alive(int(done.stdout))


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


# The SDK's own models


def test_every_answer_fits_the_sdk(client: Client, processor: Processor) -> None:
    """All keys that are answered exist in the SDK's class, required ones are there, and types and Literals agree."""
    session = new_session(client, customer_email="a@b.test", locale="en", submit_type="pay")
    intents = [processor.pay(session, DECLINED)["id"], paid(client, processor), paid(client, processor)]
    processor.pay(session)
    processor.async_payment(delayed := new_session(client))
    processor.async_succeeded(delayed)
    processor.async_payment(failed := new_session(client))
    processor.async_failed(failed)
    processor.expire(new_session(client))
    new_session(client)
    processor.fail_refund(processor.refund(intents[0], 100)["id"])
    processor.refund(intents[0], 100, status="pending")
    processor.refund(processor.get("checkout.session", delayed)["payment_intent"])
    dispute = processor.open_dispute(intents[1])
    processor.close_dispute(dispute["id"])
    inquiry = processor.open_dispute(intents[2], withdraw=False)
    processor.withdraw_funds(inquiry["id"])
    processor.fail_payout(processor.payout(100)["id"])
    processor.pay_out(processor.payout(100)["id"])
    processor.charge_us(10)

    answers = [client.v1.balance.retrieve()]
    for service, expand in (
        (client.v1.checkout.sessions, ["data.payment_intent.latest_charge"]),
        (client.v1.payment_intents, ["data.latest_charge.balance_transaction"]),
        (client.v1.charges, ["data.refunds", "data.payment_intent"]),
        (client.v1.refunds, ["data.charge", "data.failure_balance_transaction"]),
        (client.v1.disputes, ["data.charge", "data.payment_intent"]),
        (client.v1.events, []),
        (client.v1.balance_transactions, ["data.source"]),
        (client.v1.payouts, ["data.balance_transaction"]),
    ):
        answers += [service.list({"limit": 100}), service.list({"limit": 100, "expand": expand})]
    seen: set[str] = set()
    for answer in answers:
        body = json.loads(answer.last_response.body)
        problems = list(misfits(body, get_object_class("V1", body["object"]), body["object"], seen))
        assert problems == []
    assert seen >= {
        *("balance", "balance_transaction", "charge", "checkout.session", "dispute", "event", "list"),
        *("payment_intent", "payout", "refund"),
    }
    assert all(event["data"]["object"]["object"] in seen for event in processor.events())


def misfits(value: Any, hint: Any, where: str, seen: set[str]) -> Iterator[str]:
    """Everything in a JSON value that the SDK's type hint does not allow."""
    origin = typing.get_origin(hint)
    if hint is Any and not isinstance(value, dict):
        return
    if isinstance(value, dict) and "object" in value and not isinstance(value["object"], dict):
        seen.add(value["object"])
        yield from _misfit_object(value, get_object_class("V1", value["object"]), where, seen)
    elif origin is typing.Union:
        options = typing.get_args(hint)
        literals = {each for option in options for each in _literals(option)}
        if literals and value is not None:
            # Open enums are `Literal | str` in the SDK: the stand-in keeps to the known values.
            if value not in literals:
                yield f"{where}: {value!r} is none of {sorted(literals)}"
        elif all(list(misfits(value, option, where, set())) for option in options):
            yield f"{where}: {value!r} is not {hint}"
        else:
            for option in options:
                found: set[str] = set()
                if not list(misfits(value, option, where, found)):
                    seen |= found
    elif origin is typing.Literal:
        if value not in typing.get_args(hint):
            yield f"{where}: {value!r} is not {hint}"
    elif origin is list:
        if not isinstance(value, list):
            yield f"{where}: {value!r} is not a list"
        else:
            for index, each in enumerate(value):
                yield from misfits(each, typing.get_args(hint)[0], f"{where}[{index}]", seen)
    elif isinstance(value, dict):
        if isinstance(hint, type) and issubclass(hint, stripe.StripeObject):
            yield from _misfit_object(value, hint, where, seen)
        elif hint is not Any and getattr(origin, "__name__", "") != "UntypedStripeObject":
            yield f"{where}: a hash is not {hint}"
        elif typing.get_args(hint) == (str,) and not all(isinstance(each, str) for each in value.values()):
            yield f"{where}: not all values are strings"
        else:
            for name, each in value.items():
                yield from misfits(each, Any, f"{where}.{name}", seen)
    elif hint is type(None) or isinstance(hint, typing.ForwardRef) or not isinstance(hint, type):
        if value is not None:
            yield f"{where}: {value!r} is not {hint}"
    elif type(value) is not hint and not (hint is float and type(value) is int):
        yield f"{where}: {value!r} is not {hint}"


def _literals(hint: Any) -> tuple[Any, ...]:
    if typing.get_origin(hint) is typing.Union:
        return tuple(each for option in typing.get_args(hint) for each in _literals(option))
    return typing.get_args(hint) if typing.get_origin(hint) is typing.Literal else ()


def _misfit_object(value: dict[str, Any], model: type, where: str, seen: set[str]) -> Iterator[str]:
    hints = {name: hint for name, hint in model.__annotations__.items() if not name.startswith("_") and name.islower()}
    if model is stripe.ListObject:
        hints = {**hints, "object": str, "data": list[Any]}
    for name in value.keys() - hints.keys():
        yield f"{where}.{name} is unknown to {model.__name__}"
    for name, hint in hints.items():
        if name in value:
            yield from misfits(value[name], hint, f"{where}.{name}", seen)
        elif type(None) not in typing.get_args(hint):
            yield f"{where}.{name} is missing"


def test_the_check_above_finds_faults() -> None:
    good = {"object": "balance", "available": [], "pending": [], "livemode": False}
    assert list(misfits(good, stripe.Balance, "balance", set())) == []
    for change, problem in (
        ({"livemode": "no"}, "livemode"),
        ({"colour": 1}, "colour is unknown"),
        ({"pending": [{"amount": 1}]}, "currency is missing"),
        ({"available": [{"amount": "1", "currency": "usd"}]}, "amount"),
    ):
        assert any(problem in each for each in misfits({**good, **change}, stripe.Balance, "balance", set()))
    wrong = {"object": "event", "type": "charge.flown", "data": {"object": {"object": "charge"}}}
    problems = " ".join(misfits(wrong, stripe.Event, "event", set()))
    assert "charge.flown" in problems and "data.object.amount is missing" in problems
