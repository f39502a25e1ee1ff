"""The words in which rooms say what they hold and why. The policy's clauses will be written in the same words."""

from enum import StrEnum


class Subject(StrEnum):
    """Whose data it is."""

    MEMBER = "member"
    LEAD = "lead"  # the person who asked for a quote


class Category(StrEnum):
    """What kind of data it is."""

    CONTACT = "contact"
    CREDENTIAL = "credential"
    PROFILE = "profile"
    ACTIVITY = "activity"
    PURCHASES = "purchases"
    PAYMENTS = "payments"
    CORRESPONDENCE = "correspondence"
    AGREEMENTS = "agreements"
    LEAD_CONTACT = "lead.contact"
    LEAD_REQUEST = "lead.request"
    LEAD_CONSENT = "lead.consent"


class Purpose(StrEnum):
    """What it is used for."""

    ACCOUNT_SERVICE = "account.service"
    ACCOUNT_SECURITY = "account.security"
    BILLING = "billing"
    LEAD_SALE = "lead.sale"
    LEGAL_DUTY = "legal_duty"


class Recipient(StrEnum):
    """Who gets to see it besides the member and our staff."""

    NOBODY = "nobody"
    CARD_PROCESSOR = "card_processor"
    BUYER = "buyer"


class Source(StrEnum):
    """How it came to us; there is no third way (LR-03)."""

    TOLD = "you told us"
    RECORDED = "recorded automatically"
