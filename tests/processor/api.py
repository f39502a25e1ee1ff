"""Stripe's HTTP API for card payments: routes, authentication, idempotency, expansion, pagination, errors."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from stripe import params as sdk
from stripe.params import checkout as sdk_checkout

from . import objects
from .errors import ProcessorError, missing
from .faults import ENDPOINT, NETWORK, Fault, Faults
from .parameters import check, decode_form
from .payments import Payments
from .state import EVENT_LIFE, Answer, Object, Store, new_id

EXPANDABLE = {
    "checkout.session": {"payment_intent": "payment_intent"},
    "payment_intent": {"latest_charge": "charge"},
    "charge": {
        "balance_transaction": "balance_transaction",
        "failure_balance_transaction": "balance_transaction",
        "payment_intent": "payment_intent",
    },
    "refund": {
        "balance_transaction": "balance_transaction",
        "charge": "charge",
        "failure_balance_transaction": "balance_transaction",
        "payment_intent": "payment_intent",
    },
    "dispute": {"charge": "charge", "payment_intent": "payment_intent"},
    "balance_transaction": {"source": ""},
    "payout": {"balance_transaction": "balance_transaction", "failure_balance_transaction": "balance_transaction"},
    "event": {},
    "balance": {},
}

KIND_OF = {"ch": "charge", "py": "charge", "re": "refund", "pyr": "refund", "du": "dispute", "po": "payout"}
"""The kinds of object that a balance transaction's source can be, by the prefix of the id."""

FILTERS = {
    "checkout.session": {"payment_intent", "status"},
    "payment_intent": set(),
    "charge": {"payment_intent"},
    "refund": {"charge", "payment_intent"},
    "dispute": {"charge", "payment_intent"},
    "event": {"type", "types"},
    "balance_transaction": {"currency", "source", "type"},
    "payout": {"status"},
}


@dataclass
class RecordedRequest:
    """One API request as it came in. `status` is None while it is under way or when it was never answered."""

    method: str
    path: str
    params: dict[str, Any]
    idempotency_key: str | None
    headers: dict[str, str] = field(repr=False)
    request_id: str
    status: int | None = None
    replayed: bool = False


class Response(NamedTuple):
    """An answer; `None` in its place means that the connection is to be closed without one."""

    status: int
    body: str
    headers: dict[str, str]


class Route(NamedTuple):
    method: str
    pattern: re.Pattern[str]
    model: type
    act: Callable[..., Object]


class Api:
    """Answers requests under /v1/."""

    def __init__(
        self, store: Store, payments: Payments, faults: Faults, *, api_key: str, stopping: threading.Event
    ) -> None:
        self.requests: deque[RecordedRequest] = deque(maxlen=100_000)
        self._store = store
        self._payments = payments
        self._faults = faults
        self._api_key = api_key
        self._stopping = stopping
        self._lock = threading.Lock()
        self._in_use: set[str] = set()
        self._routes = [
            self._route("POST", "checkout/sessions", sdk_checkout.SessionCreateParams, payments.create_session),
            self._route("POST", "checkout/sessions/{id}/expire", sdk_checkout.SessionExpireParams, self._expire),
            self._route("POST", "refunds", sdk.RefundCreateParams, payments.create_refund),
            self._route("GET", "balance", sdk.BalanceRetrieveParams, self._balance),
            *self._reading("checkout/sessions", "checkout.session", sdk_checkout, "Session"),
            *self._reading("payment_intents", "payment_intent", sdk, "PaymentIntent"),
            *self._reading("charges", "charge", sdk, "Charge"),
            *self._reading("refunds", "refund", sdk, "Refund"),
            *self._reading("disputes", "dispute", sdk, "Dispute"),
            *self._reading("events", "event", sdk, "Event"),
            *self._reading("payouts", "payout", sdk, "Payout"),
            *self._reading("balance_transactions", "balance_transaction", sdk, "BalanceTransaction"),
        ]

    def answer(self, method: str, path: str, text: str, headers: dict[str, str]) -> Response | None:
        """Answers one request. `text` is the form (POST) or the query (GET); header names are in lower case."""
        request_id = new_id("req_", 14)
        key = headers.get("idempotency-key") if method == "POST" else None
        own = {"Request-Id": request_id}
        if "stripe-version" in headers:
            own["Stripe-Version"] = headers["stripe-version"]
        if key:
            own["Idempotency-Key"] = key
        record = RecordedRequest(
            method, path, {}, key, {k: v for k, v in headers.items() if k != "authorization"}, request_id
        )
        self.requests.append(record)
        network = None
        try:
            self._authenticate(headers.get("authorization", ""))
            record.params = decode_form(text)
            self._payments.run_due_jobs()
            network = self._faults.take(NETWORK, method, path)
            if network and network.kind == "rate_limit":
                raise ProcessorError(
                    "Too many requests hit the API too quickly. We recommend an exponential backoff of your requests.",
                    status=429,
                    code="rate_limit",
                )
            if network and network.kind == "disconnect" and not network.after:
                return None
            response = self._answer_once(record, key, network, own)
        except ProcessorError as error:
            response = Response(error.status, json.dumps(error.body(), indent=2), own)
        if network and network.after:
            if network.kind == "disconnect":
                return None
            self._stopping.wait(network.seconds)
        record.status = response.status
        return response

    # Idempotency

    def _answer_once(
        self, record: RecordedRequest, key: str | None, network: Fault | None, own: dict[str, str]
    ) -> Response:
        digest = hashlib.sha256(json.dumps(record.params, sort_keys=True).encode()).hexdigest()
        if key is not None:
            if len(key) > 255:
                raise ProcessorError("Idempotency keys can have up to 255 characters.", type="idempotency_error")
            with self._lock:
                kept = self._store.answer(key)
                if kept is None:
                    if key in self._in_use:
                        raise ProcessorError(
                            "There is currently another in-progress request using this Idempotent Key (that probably "
                            "means you submitted twice, and the other request is still going through): "
                            f"{key}. Please try again later.",
                            status=409,
                            type="idempotency_error",
                            code="idempotency_key_in_use",
                        )
                    self._in_use.add(key)
            if kept is not None:
                return self._replay(record, key, kept, digest, own)
        try:
            if network and network.kind == "time_out" and not network.after:
                self._stopping.wait(network.seconds)
            return self._execute(record, key, digest, own)
        finally:
            with self._lock:
                self._in_use.discard(key or "")

    def _replay(self, record: RecordedRequest, key: str, kept: Answer, digest: str, own: dict[str, str]) -> Response:
        hint = f"Try using a key other than '{key}' if you meant to execute a different request."
        if kept.path != record.path:
            raise ProcessorError(
                "Keys for idempotent requests can only be used for the same endpoint they were first used for "
                f"('{record.path}' vs '{kept.path}'). {hint}",
                type="idempotency_error",
            )
        if kept.digest != digest:
            raise ProcessorError(
                "Keys for idempotent requests can only be used with the same parameters they were first used with. "
                f"{hint}",
                type="idempotency_error",
            )
        record.replayed = True
        return Response(
            kept.status, kept.body, {**own, "Idempotent-Replayed": "true", "Original-Request": kept.request_id}
        )

    def _execute(self, record: RecordedRequest, key: str | None, digest: str, own: dict[str, str]) -> Response:
        route, arguments = self._find(record.method, record.path)
        # What fails this check has not begun, so Stripe keeps no answer for it; whatever begins, it keeps.
        params = check(record.params, route.model)
        fault = self._faults.take(ENDPOINT, record.method, record.path)
        broken = ProcessorError("Something went wrong on the processor's end.", status=500, type="api_error")
        if record.method == "POST":
            arguments["cause"] = {"id": record.request_id, "idempotency_key": key}
        with self._store.transaction():
            try:
                if fault and fault.kind == "fail_before":
                    raise broken
                with self._store.transaction():
                    answered = self._expand(route.act(params=params, **arguments), params.get("expand", []))
                if fault:
                    raise broken
                status, body = 200, json.dumps(answered, indent=2)
            except ProcessorError as error:
                status, body = error.status, json.dumps(error.body(), indent=2)
            if key is not None:
                self._store.keep_answer(key, Answer(record.path, digest, status, body, record.request_id))
        return Response(status, body, own)

    # Routes

    def _route(self, method: str, path: str, model: type, act: Callable[..., Object]) -> Route:
        return Route(method, re.compile("/v1/" + path.replace("{id}", r"(?P<id>[A-Za-z0-9_]+)")), model, act)

    def _reading(self, path: str, kind: str, module: Any, name: str) -> list[Route]:
        def retrieve(params: dict[str, Any], id: str) -> Object:
            found = self._store.get(kind, id)
            if kind == "event" and found["created"] < self._store.now() - EVENT_LIFE:
                raise missing(kind, id)
            return self._payments.show(found)

        def list_(params: dict[str, Any]) -> Object:
            return self._list(kind, f"/v1/{path}", params)

        return [
            self._route("GET", f"{path}/{{id}}", getattr(module, f"{name}RetrieveParams"), retrieve),
            self._route("GET", path, getattr(module, f"{name}ListParams"), list_),
        ]

    def _find(self, method: str, path: str) -> tuple[Route, dict[str, Any]]:
        for route in self._routes:
            match = route.pattern.fullmatch(path)
            if match and route.method == method:
                return route, match.groupdict()
        raise ProcessorError(
            f"Unrecognized request URL ({method}: {path}). If you are trying to list objects, remove the trailing "
            "slash. If you are trying to retrieve an object, make sure you passed a valid (non-empty) identifier in "
            "your code.",
            status=404,
        )

    def _expire(self, params: dict[str, Any], id: str, cause: dict[str, Any]) -> Object:
        return self._payments.expire_session(id, cause)

    def _balance(self, params: dict[str, Any]) -> Object:
        return objects.balance(self._store.find("balance_transaction"), int(self._store.now()))

    def _list(self, kind: str, url: str, params: dict[str, Any]) -> Object:
        paging = {"created", "ending_before", "expand", "limit", "starting_after"}
        fields = {}
        for name, value in params.items():
            if name in FILTERS[kind]:
                fields["type" if name == "types" else name] = value
            elif name not in paging:
                raise ProcessorError(f"This stand-in does not support the parameter {name}.", param=name)
        if "type" in params and "types" in params:
            raise ProcessorError("You may pass either `type` or `types`, but not both.", param="types")
        if "starting_after" in params and "ending_before" in params:
            raise ProcessorError("You may pass either `starting_after` or `ending_before`, but not both.")
        limit = params.get("limit", 10)
        if not 1 <= limit <= 100:
            words = "greater than or equal to 1" if limit < 1 else "less than or equal to 100"
            raise ProcessorError(f"This value must be {words}.", code="parameter_invalid_integer", param="limit")
        found, more = self._store.page(
            kind,
            fields=fields,
            created=params.get("created"),
            limit=limit,
            starting_after=params.get("starting_after"),
            ending_before=params.get("ending_before"),
        )
        if kind == "balance_transaction":
            found = self._faults.alter_report(found)
        return {"object": "list", "data": [self._payments.show(each) for each in found], "has_more": more, "url": url}

    # Expansion

    def _expand(self, answered: Object, paths: list[str]) -> Object:
        for path in paths:
            parts = path.split(".")
            if len(parts) > 4:
                raise ProcessorError(f"You cannot expand more than 4 levels of a property (got: {path}).")
            if answered["object"] == "list":
                if parts[0] != "data" or len(parts) == 1:
                    raise _not_expandable(path)
                answered["data"] = [self._expand_one(each, parts[1:], path) for each in answered["data"]]
            else:
                answered = self._expand_one(answered, parts, path)
        return answered

    def _expand_one(self, obj: Object, parts: list[str], path: str) -> Object:
        name, rest = parts[0], parts[1:]
        if obj["object"] == "charge" and name == "refunds":
            url = f"/v1/charges/{obj['id']}/refunds"
            refunds = [self._payments.show(each) for each in self._store.find("refund", charge=obj["id"])][::-1]
            obj["refunds"] = {"object": "list", "data": refunds[:10], "has_more": len(refunds) > 10, "url": url}
            return obj
        if name not in EXPANDABLE[obj["object"]]:
            raise _not_expandable(path)
        value = obj.get(name)
        if isinstance(value, str):
            kind = EXPANDABLE[obj["object"]][name] or KIND_OF[value.split("_")[0]]
            value = obj[name] = self._payments.show(self._store.get(kind, value))
        if rest and value is not None:
            obj[name] = self._expand_one(value, rest, path)
        return obj

    def _authenticate(self, header: str) -> None:
        scheme, _, given = header.partition(" ")
        if scheme.lower() == "basic":
            try:
                given = base64.b64decode(given, validate=True).decode().partition(":")[0]
            except ValueError:
                given = ""
        if scheme.lower() not in ("bearer", "basic") or not given:
            raise ProcessorError(
                "You did not provide an API key. You need to provide your API key in the Authorization header, using "
                "Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
                status=401,
            )
        if not hmac.compare_digest(given.encode(), self._api_key.encode()):
            raise ProcessorError(f"Invalid API Key provided: {given[:8]}****{given[-4:]}", status=401)


def _not_expandable(path: str) -> ProcessorError:
    return ProcessorError(f"This property cannot be expanded ({path}).")
