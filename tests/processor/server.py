"""The stand-in as one object: `with Processor(...) as p:` serves HTTP on 127.0.0.1 until the block ends."""

from __future__ import annotations

import dataclasses
import inspect
import json
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from . import card_page
from .api import Api, RecordedRequest
from .card_page import CardPage, Page
from .errors import ProcessorError
from .faults import Faults
from .payments import Payments
from .state import Object, Store
from .webhooks import RETRY_DELAYS, Deliveries

LARGEST_BODY = 1024 * 1024
"""Bytes of a request body that are read."""

TICK = 0.1
"""Seconds between two looks at the clock's jobs."""


class Processor(Payments):
    """A card processor for one shop. The verbs of a payer, a bank and the dashboard are `Payments`' methods."""

    def __init__(
        self,
        *,
        webhook_url: str | None = None,
        webhook_secret: str = "whsec_demo",
        api_key: str = "sk_test_demo",
        state: str | Path | None = None,
        port: int = 0,
        moment: float = 1.0,
        retry_delays: Iterable[float] = RETRY_DELAYS,
    ) -> None:
        """`state` None keeps everything in memory; `port` 0 takes a free one; without `webhook_url` events happen
        and are not sent; `moment` is the seconds after which the demo cards' disputes and refunds follow."""
        faults = Faults()
        store = Store(state)
        self.deliveries = Deliveries(
            webhook_url,
            webhook_secret,
            load_event=lambda id: store.get("event", id),
            delivered=self._delivered,
            retry_delays=retry_delays,
        )
        super().__init__(store, faults, self.deliveries.announce, webhooks=1 if webhook_url else 0, moment=moment)
        self.api_key = api_key
        self._stopping = threading.Event()
        self._api = Api(store, self, faults, api_key=api_key, stopping=self._stopping)
        self._card_page = CardPage(store, self)
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.processor = self
        self.url = self.base_url = f"http://127.0.0.1:{self._server.server_port}"
        self._threads = [
            threading.Thread(target=self._server.serve_forever, args=(0.02,), name="processor", daemon=True),
            threading.Thread(target=self._watch_clock, name="clock", daemon=True),
        ]
        self.controls = self._controls()

    # Life

    def start(self) -> Self:
        """Begins to serve, and sends the notices that an earlier life did not get through."""
        self.deliveries.start()
        for event in self.store.find("event"):
            if event["pending_webhooks"]:
                self.deliveries.announce(event["id"], event["type"])
        for thread in self._threads:
            thread.start()
        return self

    def stop(self) -> None:
        """Ends all connections and threads; with a state file everything is kept."""
        self._stopping.set()
        self._server.shutdown()
        self._server.close_connections()
        self._server.server_close()
        self.deliveries.stop()
        for thread in self._threads:
            thread.join()
        self.store.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # Looking

    def events(self, type: str | None = None) -> list[Object]:
        """All events (of one type, or a group such as `charge.*`), oldest first."""
        return self.store.find("event", **({"type": type} if type else {}))

    @property
    def requests(self) -> list[RecordedRequest]:
        """All API requests, oldest first."""
        return list(self._api.requests)

    def get(self, kind: str, id: str) -> Object:
        """Any object as the API would show it, such as ("checkout.session", "cs_test_...")."""
        return self.show(self.store.get(kind, id))

    def advance_clock(self, seconds: float) -> None:
        """Moves the processor's clock forward and does what had to be done meanwhile."""
        self.store.advance_clock(seconds)
        self.run_due_jobs()

    @property
    def stopping(self) -> bool:
        """Whether `stop` has been called."""
        return self._stopping.is_set()

    # Inside

    def _controls(self) -> dict[str, Callable[..., Any]]:
        """The verbs under POST /_control/, with their arguments as a JSON object."""
        verbs: list[Any] = [
            *(self.pay, self.async_payment, self.async_succeeded, self.async_failed, self.stray_payment, self.expire),
            *(self.refund, self.succeed_refund, self.fail_refund, self.book_fee),
            *(self.open_dispute, self.withdraw_funds, self.update_dispute, self.reinstate, self.close_dispute),
            *(self.payout, self.pay_out, self.fail_payout, self.charge_us, self.adjust),
            *(self.events, self.get, self.advance_clock),
            *(self.deliveries.hold, self.deliveries.release, self.deliveries.held, self.deliveries.drop),
            *(self.deliveries.duplicate, self.deliveries.delay, self.deliveries.sign, self.deliveries.deliver),
            *(self.deliveries.reset, self.deliveries.wait, self.deliveries.attempts),
        ]
        controls: dict[str, Callable[..., Any]] = {verb.__name__: verb for verb in verbs}
        controls["requests"] = lambda: self.requests
        for name in ("fail_before", "fail_after", "rate_limit", "disconnect", "time_out", "receive", "late_fee"):
            controls[f"fault_{name}"] = getattr(self.faults, name)
        controls["faults"] = self.faults.armed
        controls["clear_faults"] = self.faults.clear
        return controls

    def _control(self, verb: str, body: str) -> tuple[int, Any]:
        if verb not in self.controls:
            return 404, {"error": {"message": f"No control {verb}", "controls": sorted(self.controls)}}
        try:
            arguments = json.loads(body or "{}")
            inspect.signature(self.controls[verb]).bind(**arguments)
            return 200, self.controls[verb](**arguments)
        except ProcessorError as error:
            return error.status, error.body()
        except (TypeError, ValueError) as error:
            return 400, {"error": {"message": str(error)}}
        except TimeoutError as error:
            return 504, {"error": {"message": str(error)}}

    def _delivered(self, event_id: str) -> None:
        with self.store.transaction():
            event = self.store.get("event", event_id)
            event["pending_webhooks"] = 0
            self.store.save(event)

    def _watch_clock(self) -> None:
        while not self._stopping.wait(TICK):
            self.run_due_jobs()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256
    processor: Processor

    def __init__(self, *args: Any) -> None:
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__(*args)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._open_lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """Kept-alive connections would otherwise be answered by a processor that has stopped."""
        with self._open_lock:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Broken connections are ordinary here, and so is whatever a request meets while everything is stopping."""
        if not isinstance(sys.exception(), ConnectionError) and not self.processor.stopping:
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "DemoProcessor"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: Any) -> None:
        """Keeps no log: addresses of people and ids of payments have no reader here."""

    def _serve(self) -> None:
        given = self.headers.get("Content-Length") or "0"
        length = int(given) if given.isdecimal() else LARGEST_BODY + 1
        if length > LARGEST_BODY:
            self.close_connection = True
            self._send(413, b"", {})
            return
        body = self.rfile.read(length).decode("utf-8", "replace")
        address = urlsplit(self.path)
        processor = self.server.processor
        if address.path.startswith("/v1/"):
            headers = {name.lower(): value for name, value in self.headers.items()}
            text = body if self.command == "POST" else address.query
            answer = processor._api.answer(self.command, address.path, text, headers)
            if answer is None:
                self.close_connection = True
            else:
                self._send(answer.status, answer.body.encode(), {"Content-Type": "application/json", **answer.headers})
        elif address.path.startswith("/_control/") and self.command == "POST":
            self._serve_control(address.path.removeprefix("/_control/"), body)
        elif address.path.startswith("/c/pay/") and self.command in ("GET", "POST"):
            session_id = address.path.removeprefix("/c/pay/")
            page = processor._card_page
            self._send_page(page.submit(session_id, body) if self.command == "POST" else page.show(session_id))
        else:
            self._send_page(card_page.home() if address.path == "/" else card_page.lost())

    def _serve_control(self, verb: str, body: str) -> None:
        # A web page of another origin can neither name this host (rebinding) nor send JSON without asking first.
        host = (self.headers.get("Host") or "").rpartition(":")[0]
        kind = (self.headers.get("Content-Type") or "").partition(";")[0]
        status: int
        if host not in ("127.0.0.1", "localhost") or kind != "application/json":
            status, result = 403, {"error": {"message": "Controls take application/json at 127.0.0.1 only."}}
        else:
            status, result = self.server.processor._control(verb, body)
        text = json.dumps(result, default=dataclasses.asdict)
        self._send(status, text.encode(), {"Content-Type": "application/json"})

    def _send_page(self, page: Page) -> None:
        self._send(page.status, page.html.encode(), page.headers)

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def control(url: str, verb: str, **arguments: Any) -> Any:
    """Calls a control of a processor in another process: `control(url, "pay", session_id="cs_test_...")`.

    Raises `ProcessorError` with the status and the message when the processor refuses.
    """
    address = urlsplit(url)
    connection = HTTPConnection(address.hostname or "", address.port, timeout=60)
    try:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", f"/_control/{verb}", json.dumps(arguments), headers)
        response = connection.getresponse()
        result = json.loads(response.read())
    finally:
        connection.close()
    if response.status != 200:
        raise ProcessorError(result["error"]["message"], status=response.status)
    return result
