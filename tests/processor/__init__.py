"""A stand-in for Stripe: its API over HTTP for card payments, its card page, its signed webhooks, and its faults.

The real `stripe` SDK talks to it: `StripeClient(api_key, base_addresses={"api": processor.url})`.
"""

from .cards import CARDS, GOOD_CARD
from .errors import ProcessorError
from .server import Processor, control

__all__ = ["CARDS", "GOOD_CARD", "Processor", "ProcessorError", "control"]
