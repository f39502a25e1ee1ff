"""The two ways out: SMTP that knows whether the text left, and one file a message for the demo."""

import os
import smtplib
import tempfile
from collections.abc import Sequence

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.backends.smtp import EmailBackend

from marketplace.core import clock


class Smtp(EmailBackend):
    """SMTP; ``text_left`` tells whether the last message's text was handed to the server before something broke."""

    text_left = False

    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        backend = self

        class Connection(super().connection_class):  # type: ignore[misc]
            def send(self, s: bytes | str) -> None:
                # smtplib writes commands as str; the one thing it writes as bytes is the text, after the server's 354.
                backend.text_left = backend.text_left or isinstance(s, bytes)
                super().send(s)

        return Connection

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        self.text_left = False
        return super().send_messages(email_messages)


class OneFilePerMessage(BaseEmailBackend):
    """Writes ``<moment>-<random>.eml`` into settings.MAIL_FILES, whole or not at all."""

    text_left = False  # an error means that no file is there

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        folder = settings.MAIL_FILES
        folder.mkdir(parents=True, exist_ok=True)
        for message in email_messages:
            handle, draft = tempfile.mkstemp(dir=folder, suffix=".part")
            with os.fdopen(handle, "wb") as file:
                file.write(message.message().as_bytes(linesep="\r\n"))  # type: ignore[call-arg]
            moment = clock.now().strftime("%Y%m%dT%H%M%S%f")
            os.rename(draft, folder / f"{moment}-{os.path.basename(draft)[3:-5]}.eml")
        return len(email_messages)
