"""Every mail, in both forms, says the same facts, and nothing that the house forbids."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.conf import settings
from django.template.loader import render_to_string

from marketplace.core.money import dollars
from marketplace.mail.models import Category, OutgoingEmail
from marketplace.mail.services import render, send

TEMPLATES = Path(settings.BASE_DIR) / "templates"
WALLET_URL = "http://testserver/wallet/"
MONEY = {"amount": dollars(123_456), "url": WALLET_URL}
CODE = {"code": "12345678", "minutes": 15}
FACTORS = {"url": "http://testserver/accounts/second-factor/"}
ALERTS = (
    *("event-dead", "amount-differs", "suspense", "suspense-refund", "suspense-dispute", "send-back-refused"),
    *("reconciliation-late", "reconciliation-failed"),
)
FINDING = {"what": "The fee differs: pi_12:credit", "theirs": "$3.20", "ours": "$3.00", "processor_id": "txn_12"}
DIFFERENCE = {"difference": "−$0.20", "theirs": "$96.80", "ours": "$97.00", "findings": [FINDING]}
IDS = {"lead": "lead234567", "purchase": "purchase234567"}
LINES = [
    {"what": "Solar, Phoenix AZ", "price": "$80.00", "url": "http://testserver/my-leads/one/", **IDS},
    {"what": "Mortgage, St. John's & Co FL", "price": "$12.50", "url": "http://testserver/my-leads/two/", **IDS},
]
ORDER = {
    "order": "order234567",
    "order_url": "http://testserver/orders/order234567/",
    "total": "$92.50",
    "balance": "$907.50",
}
# Mail → the contexts it can get; every value must be said in both forms.
MAILS: dict[str, list[dict]] = {
    "accounts/email/welcome": [CODE],
    "accounts/email/verification": [CODE],
    "accounts/email/code_from_support": [CODE | {"url": "http://testserver/accounts/code/"}],
    "accounts/email/buying_stopped": [{}],
    "accounts/email/buying_allowed": [{"url": "http://testserver/leads/"}],
    "accounts/email/account_exists": [{"login_url": "http://testserver/in/", "reset_url": "http://testserver/reset/"}],
    "accounts/email/reset_code": [CODE],
    "accounts/email/password_changed": [{"reset_url": "http://testserver/reset/"}],
    "accounts/email/email_changed": [{}],
    "accounts/email/second_factor_added": [FACTORS | {"what": "an authenticator app"}],
    "accounts/email/second_factor_removed": [
        FACTORS | {"what": "the authenticator app", "is_off": is_off} for is_off in (True, False)
    ],
    "accounts/email/second_factor_removed_by_us": [FACTORS | {"reason": "Lost the phone & the codes; called back."}],
    "accounts/email/recovery_codes_made": [FACTORS],
    "accounts/email/recovery_code_used": [FACTORS | {"left": 9}, FACTORS | {"left": ""}],
    "wallet/email/deposit_receipt": [MONEY],
    "wallet/email/refunded": [MONEY],
    "wallet/email/refund_failed": [MONEY],
    "wallet/email/dispute_opened": [MONEY | {"owed": ""}, MONEY | {"owed": "$7.00"}],
    "wallet/email/dispute_closed": [
        MONEY | {"won": won, "owed": owed} for won in (True, False) for owed in ("", "$7.00")
    ],
    "wallet/email/alert": [{"what": what, "processor_id": "pi_123"} for what in ALERTS],
    "ledger/email/adjusted": [
        MONEY | {"was": {kind: True}, "reason": "Counted twice by the bank."}
        for kind in ("goodwill", "put_in", "take_out", "write_off")
    ],
    "purchases/email/credited": [
        MONEY | {"what": "Solar, Phoenix AZ", "why": "Goodwill", "price": "$2,000.00", "purchase": "purchase234567"}
    ],
    "marketplace/email/concern": [
        {
            "what": "mail does not leave",
            "said": "Mails wait: 3, the oldest for 20 minutes.",
            "advice": "See that beat runs.",
            "where": "http://testserver/admin/",
            "lasts": True,
        },
        {
            "what": "somebody looks at many people",
            "said": "Sam has looked at 50 people.",
            "advice": "Ask them why.",
            "where": "",
            "lasts": False,
        },
    ],
    "staff/email/roles": [
        {"by": "Olga", "roles": ["finance"], "url": "http://testserver/admin/"},
        {"by": "Olga", "roles": [], "url": ""},
    ],
    "wallet/email/payment_found": [MONEY],
    "wallet/email/reconciliation": [DIFFERENCE | {"more": 0}, DIFFERENCE | {"more": 123}],
    "purchases/email/receipt": [ORDER | {"lines": LINES}, ORDER | {"lines": LINES[:1]}],
    "purchases/email/consent_taken_back": [
        {"what": "Solar, Phoenix AZ", "bought_on": "5 Jan 2026", "url": "http://testserver/my-leads/one/"}
    ],
}
CASES = [
    pytest.param(name, context, id=f"{name}-{number}")
    for name, all_ in MAILS.items()
    for number, context in enumerate(all_)
]


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.silent = 0
        self.links: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.silent += tag in {"title", "style"}
        self.links += [value for name, value in attrs if name in {"href", "src", "background"}]

    def handle_endtag(self, tag):
        self.silent -= tag in {"title", "style"}

    def handle_data(self, data):
        if not self.silent:
            self.words += data.split()


def words_of(html: str) -> _Words:
    parser = _Words()
    parser.feed(html)
    return parser


def rendered(member, name, context):
    context = context | {"SITE_URL": settings.SITE_URL, "member": member}
    return [render_to_string(f"{name}.{form}", context) for form in ("subject.txt", "txt", "html")]


def test_every_mail_is_tested():
    files = {
        str(path.relative_to(TEMPLATES))[: -len(".subject.txt")] for path in TEMPLATES.glob("*/email/*.subject.txt")
    }
    assert files == set(MAILS)
    for name in files:
        assert (TEMPLATES / f"{name}.txt").is_file()
        assert (TEMPLATES / f"{name}.html").is_file()


def test_every_mail_that_the_code_names_exists():
    named = set()
    for room in ("accounts", "marketplace"):
        for path in (Path(settings.BASE_DIR) / room).rglob("emails.py"):
            named |= set(re.findall(r'template="([^"]+)"', path.read_text()))
    assert named == set(MAILS)


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "context"), CASES)
def test_text_and_html_say_the_same(alice, name, context):
    _, text, html = rendered(alice, name, context)
    assert [word for word in text.split() if word != "--"] == words_of(html).words


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "context"), CASES)
def test_every_value_is_said(alice, name, context):
    subject, text, _ = rendered(alice, name, context)
    values = [value for value in context.values() if isinstance(value, str | int) and not isinstance(value, bool)]
    values += [value for line in context.get("lines", ()) for value in line.values()]
    for value in values:
        assert str(value) in subject + text


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "context"), CASES)
def test_a_mail_is_plain(alice, name, context):
    subject, text, html = rendered(alice, name, context)
    assert 10 < len(subject.strip()) < 70
    for form in (subject, text, html):
        assert "{{" not in form
        assert "{%" not in form
        assert "!" not in re.sub(r"<!doctype", "", form), "no exclamation marks"
        assert "password is" not in form.lower() or "changed" in form.lower()
    for tag in ("<img", "<script", "<link", "<form", "url(", "@import", "<iframe"):
        assert tag not in html.lower()
    for link in words_of(html).links:
        assert link.startswith((settings.SITE_URL, "mailto:support@leadfair.example")), link
    assert "&amp;" not in text
    assert "&#x27;" not in text


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "context"), CASES)
def test_a_mail_says_who_sent_it_and_why(alice, name, context):
    _, text, _ = rendered(alice, name, context)
    foot = text.partition("\n-- \n")[2]
    assert foot.startswith(f"Leadfair, {settings.SITE_URL}\nYou get this mail ")
    assert "support@leadfair.example" in foot


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("goodwill", "Promotional credit"),
        ("put_in", "added"),
        ("take_out", "taken off"),
        ("write_off", "do not owe us"),
    ],
)
def test_the_subject_about_an_adjustment_says_which_way_the_money_went(alice, kind, words):
    subject, _, _ = rendered(alice, "ledger/email/adjusted", MONEY | {"was": {kind: True}})
    assert words in subject


def test_a_code_stands_alone_on_its_line(alice):
    for name in ("welcome", "verification", "reset_code"):
        _, text, _ = rendered(alice, f"accounts/email/{name}", CODE)
        assert "\n12345678\n" in text


@pytest.mark.django_db
def test_a_code_to_a_foreign_address_does_not_name_the_member(alice):
    """Somebody may enter an address that is not theirs; its owner need not learn their name."""
    for form in rendered(alice, "accounts/email/verification", CODE):
        assert alice.handle not in form


@pytest.mark.django_db
def test_a_subject_stays_one_line(alice):
    send(
        alice,
        category=Category.OPERATOR,
        template="wallet/email/alert",
        context={"what": "x", "processor_id": "a\r\nBcc: b"},
        key="1",
    )
    assert render(OutgoingEmail.objects.get()).subject == "Money needs a look: a Bcc: b"
