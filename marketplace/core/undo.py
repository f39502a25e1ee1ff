"""The way back that a flash message offers: a form that says the state wanted, never a toggle."""

import json
from collections.abc import Mapping

from django.contrib import messages
from django.contrib.messages.storage.base import Message
from django.http import HttpRequest


def offer_undo(request: HttpRequest, sentence: str, *, action: str, fields: Mapping[str, str] | None = None) -> None:
    """Tell the member ``sentence`` on the next page, with a button that sends ``fields`` to ``action`` and so restores
    what was. Messages live in the session: only ids, states and days may stand in them, no text of the member's."""
    messages.success(request, sentence, extra_tags=json.dumps({"action": action, "fields": fields or {}}))


def is_undo(request: HttpRequest) -> bool:
    """Whether the form came from the undo button, so that the next message can say so."""
    return "undo" in request.POST


def offered_by(message: Message) -> dict[str, object] | None:
    """Where the undo button of ``message`` leads and what it says; None if it offers none."""
    tags = message.extra_tags or ""
    return json.loads(tags) if tags.startswith("{") else None
