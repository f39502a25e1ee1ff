"""A real SMTP server whose temper each test sets."""

import socket
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from email import message_from_bytes
from email.message import Message

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from marketplace.core import clock


class PostOffice:
    """What arrived, and what the server does with the next messages.

    ``temper`` maps a recipient to: an answer to RCPT or DATA ("rcpt 450 busy", "data 554 no"), or the moment at which
    the server goes away ("drop at rcpt", "drop at data", "drop after text").
    """

    def __init__(self) -> None:
        self.arrived: list[Message] = []
        self.connections = 0
        self.temper: dict[str, str] = {}

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        temper = self.temper.get(address, "")
        if temper == "drop at rcpt":
            server.transport.abort()
        if temper.startswith("rcpt "):
            return temper.removeprefix("rcpt ")
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        temper = self.temper.get(envelope.rcpt_tos[0], "")
        if temper == "drop after text":
            server.transport.abort()
        if temper.startswith("data "):
            return temper.removeprefix("data ")
        self.arrived.append(message_from_bytes(envelope.content))
        return "250 OK"

    def recipients(self) -> list[str]:
        return [message["To"] for message in self.arrived]


class _Server(SMTP):
    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        if self.event_handler.temper.get((self.envelope.rcpt_tos or [""])[0]) == "drop at data":
            self.transport.abort()
            return
        await super().smtp_DATA(arg)


class _Controller(Controller):
    def factory(self) -> SMTP:
        self.handler.connections += 1
        return _Server(self.handler)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def smtp_settings(settings) -> int:
    """Mail leaves by SMTP to a port where nobody listens yet."""
    port = free_port()
    settings.EMAIL_BACKEND = "marketplace.mail.backends.Smtp"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    settings.EMAIL_TIMEOUT = 5
    return port


@pytest.fixture
def post_office(smtp_settings) -> Iterator[PostOffice]:
    """The server listens."""
    office = PostOffice()
    controller = _Controller(office, hostname="127.0.0.1", port=smtp_settings)
    controller.start()
    office.connections = 0  # the controller looked in itself
    yield office
    controller.stop()


@pytest.fixture
def wait(monkeypatch) -> Callable[[timedelta], None]:
    """Let time pass."""
    passed = timedelta()
    now: Callable[[], datetime] = clock.now

    def pass_by(time: timedelta) -> None:
        nonlocal passed
        passed += time
        monkeypatch.setattr(clock, "now", lambda: now() + passed)

    return pass_by
