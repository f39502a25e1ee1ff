"""What a handle and a password may be."""

import re

from django.core.exceptions import ValidationError

_HANDLE = re.compile(r"[A-Za-z][A-Za-z0-9_-]{2,23}", re.ASCII)
RESERVED = {
    "admin", "administrator", "anonymous", "deleted", "help", "info", "leadfair", "mail", "mod", "moderator",
    "official", "owner", "privacy", "root", "security", "staff", "support", "system", "team", "webmaster",
}  # fmt: skip
MAX_PASSWORD_LENGTH = 128


def validate_handle(handle: str) -> None:
    """3 to 24 ASCII letters, digits, hyphens and underscores, a letter first: nobody can look like somebody else.

    Raises:
        ValidationError: it is not, or it reads like one of us.
    """
    if not _HANDLE.fullmatch(handle):
        raise ValidationError("Use 3 to 24 letters, digits, hyphens or underscores, and start with a letter.")
    plain = handle.lower().replace("_", "").replace("-", "")
    if plain in RESERVED or plain.startswith(("leadfair", "admin")):
        raise ValidationError("This name is kept for our own staff. Please choose another.")


class NotTooLongValidator:
    """Refuses passwords longer than 128 characters, which only cost hashing time."""

    def validate(self, password: str, user: object = None) -> None:
        if len(password) > MAX_PASSWORD_LENGTH:
            raise ValidationError(f"Use at most {MAX_PASSWORD_LENGTH} characters.", code="password_too_long")

    def get_help_text(self) -> str:
        return f"At most {MAX_PASSWORD_LENGTH} characters."


class NotOurNameValidator:
    """Refuses passwords that hold the name of the site: they are the first that somebody tries here."""

    def validate(self, password: str, user: object = None) -> None:
        if "leadfair" in password.lower():
            raise ValidationError("Choose a password without the name of this site.", code="password_our_name")

    def get_help_text(self) -> str:
        return "Without the name of this site."
