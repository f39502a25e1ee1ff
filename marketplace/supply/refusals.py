"""What is refused on the way in, in words for staff. No value of a file is ever repeated."""

from marketplace.core.refusals import Refusal


class FileRefused(Refusal):
    """The file as a whole cannot be imported. Nothing of it was, or of the part that was not imported before."""

    status = 422


class RowRejected(Refusal):
    """One row cannot be imported; the others go on. The message is the reason in the report."""
