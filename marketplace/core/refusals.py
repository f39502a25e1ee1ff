"""Refusals: the errors a person may meet. Each carries the sentence that person reads and the HTTP status.

Rooms declare theirs beside what raises them. A view that has a better page catches the refusal; the middleware
answers the others, so that none ends as a 500.
"""

from django.http import HttpResponse


class Refusal(Exception):
    """Something the site declines to do, in the user's words."""

    status = 409
    message = "That is not possible right now."
    retry_after: int | None = None  # seconds

    def __init__(self, message: str = "") -> None:
        if message:
            self.message = message
        super().__init__(self.message)


class Busy(Refusal):
    """The database stayed locked or kept failing to serialise after every retry; nothing was done."""

    status = 503
    message = "The site is very busy. Nothing was changed and nothing was charged. Please try again in a moment."
    retry_after = 2


class TooMany(Refusal):
    """A rate limit was reached."""

    status = 429

    def __init__(self, retry_after: int, message: str = "You are doing that very often. Please wait a moment.") -> None:
        super().__init__(message)
        self.retry_after = retry_after


def say_when(response: HttpResponse, refusal: Refusal) -> HttpResponse:
    """``response`` with the seconds after which asking again makes sense, if the refusal knows them."""
    if refusal.retry_after is not None:
        response["Retry-After"] = str(refusal.retry_after)
    return response
