"""The processor's card page: plain HTML on the processor's own origin, without JavaScript and without cookies."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from html import escape
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from .cards import CARDS, GOOD_CARD, find_card
from .errors import ProcessorError
from .payments import Payments
from .state import Object, Store

STYLE = """
:root { color-scheme: light dark; --ink: #1d2430; --soft: #4d5766; --page: #f3f5f8; --card: #fff; --line: #7b8696;
  --act: #3b3fa6; --act-ink: #fff; --bad: #a3152a; --bad-soft: #fdecee; --note: #fff6d6; --note-ink: #4c3b00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8ecf2; --soft: #b3bccb; --page: #12161d; --card: #1b212b;
  --line: #8b97a9; --act: #aab0ff; --act-ink: #12142e; --bad: #ff9aa8; --bad-soft: #3a1a20; --note: #38310f;
  --note-ink: #f7e9b0; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
main { max-width: 32rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; }
h1 { font-size: 1.4rem; line-height: 1.25; margin: 1rem 0 .25rem; }
h2 { font-size: 1.05rem; margin: 1.5rem 0 .25rem; }
p { margin: .5rem 0; }
a { color: var(--act); }
ul { margin: .25rem 0; padding-left: 1.2rem; }
code { font: .95em/1.4 ui-monospace, monospace; white-space: nowrap; }
.demo { background: var(--note); color: var(--note-ink); padding: .6rem .8rem; border-radius: .5rem; }
.sum { font-size: 2rem; font-weight: 650; margin: 0; }
.soft { color: var(--soft); }
form { background: var(--card); border: 1px solid var(--line); border-radius: .75rem; padding: .25rem 1rem 1rem; }
label { display: block; margin-top: .9rem; font-weight: 600; }
input { width: 100%; min-height: 2.75rem; margin-top: .25rem; padding: .5rem .65rem; font: inherit; color: inherit;
  background: var(--page); border: 1px solid var(--line); border-radius: .4rem; }
input[aria-invalid] { border: 2px solid var(--bad); }
.hint { display: block; font-weight: 400; font-size: .9rem; color: var(--soft); }
.bad { display: block; margin-top: .2rem; color: var(--bad); }
.errors { background: var(--bad-soft); color: var(--bad); border: 2px solid; border-radius: .5rem;
  padding: .6rem .8rem; margin: 1rem 0; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(8rem, 1fr)); gap: 0 1rem; }
button { width: 100%; min-height: 3rem; margin-top: 1.25rem; padding: .6rem 1rem; font: inherit; font-weight: 650;
  color: var(--act-ink); background: var(--act); border: 0; border-radius: .5rem; cursor: pointer; }
:focus-visible { outline: 3px solid var(--act); outline-offset: 2px; }
.back { text-align: center; margin-top: 1rem; }
"""

STYLE_HASH = "sha256-" + base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

FIELDS = {
    "number": ("Card number", "A demo card from the list below. Never a real card.", "off", "numeric", 23),
    "expiry": ("Expiry date", "Such as 12 / 34", "off", "text", 9),
    "cvc": ("Security code", "Any three or four digits", "off", "numeric", 4),
    "name": ("Name on card", "", "cc-name", "text", 120),
    "email": ("E-mail for the receipt", "", "email", "email", 254),
}

SECRET_FIELDS = ("number", "cvc")
"""Typed values that are never sent back to the browser."""


SHOP = "Leadfair"


class Page(NamedTuple):
    """An HTML answer; with `location` it is a redirect."""

    status: int
    html: str
    headers: dict[str, str]


class CardPage:
    """Shows a session's card form and takes what is typed into it."""

    def __init__(self, store: Store, payments: Payments) -> None:
        self._store = store
        self._payments = payments

    def show(self, session_id: str) -> Page:
        """The form of an open session, or a page that says why there is none."""
        session = self._session(session_id)
        if session is None:
            return _message(404, "There is no such payment", "Please go back to the shop and start again.", None)
        return self._closed(session) or self._form(session, {}, {}, 200)

    def submit(self, session_id: str, text: str) -> Page:
        """Takes the typed card: 303 to the shop when paid (before or now), else the form again with the errors."""
        session = self._session(session_id)
        if session is None:
            return self.show(session_id)
        if session["status"] == "complete":
            return _redirect(session)
        if session["status"] == "expired":
            return self.show(session_id)
        typed = {name: value.strip() for name, value in parse_qsl(text, keep_blank_values=True) if name in FIELDS}
        if session["customer_email"]:
            typed["email"] = session["customer_email"]
        errors, expiry = _check(typed)
        if errors:
            return self._form(session, typed, errors, 422)
        try:
            intent = self._payments.pay(
                session_id, typed["number"], name=typed["name"], email=typed["email"], expiry=expiry
            )
        except ProcessorError:
            return self.show(session_id)
        if intent["status"] == "requires_payment_method":
            return self._form(session, typed, {"number": intent["last_payment_error"]["message"]}, 402)
        return _redirect(session)

    def _session(self, session_id: str) -> Object | None:
        self._payments.run_due_jobs()
        try:
            return self._store.get("checkout.session", session_id)
        except ProcessorError:
            return None

    def _closed(self, session: Object) -> Page | None:
        if session["status"] == "complete":
            link = ("Return to the shop", _filled(session))
            return _message(200, "This payment is already made", "Nothing more will be charged.", link)
        if session["status"] == "expired":
            back = ("Back to the shop", session["cancel_url"]) if session["cancel_url"] else None
            text = "Nothing was charged. Please go back to the shop and start again."
            return _message(410, "The time for this payment is over", text, back)
        return None

    def _form(self, session: Object, typed: dict[str, str], errors: dict[str, str], status: int) -> Page:
        amount = _money(session["amount_total"], session["currency"])
        if session["customer_email"]:
            typed = {**typed, "email": session["customer_email"]}
        summary = ""
        if errors:
            items = "".join(
                f'<li><a href="#{name}">{FIELDS[name][0]}</a>: {escape(text)}</li>' for name, text in errors.items()
            )
            summary = (
                '<div class="errors" role="alert"><p>Not paid yet. Please type the card number and the '
                f"security code again: this page does not repeat them.</p><ul>{items}</ul></div>"
            )
        fields = {
            name: _field(name, typed.get(name, ""), errors.get(name), fixed=bool(session["customer_email"]))
            for name in FIELDS
        }
        cancel = ""
        if session["cancel_url"]:
            cancel = f'<p class="back"><a href="{escape(session["cancel_url"])}">Cancel and go back</a></p>'
        cards = "".join(
            f"<li><code>{' '.join(re.findall('....', number))}</code> {escape(card.meaning)}</li>"
            for number, card in CARDS.items()
        )
        body = f"""
<p class="demo"><strong>Demo card page.</strong> No money moves and no real card works here.
Please type a demo card only.</p>
<h1>Pay {SHOP}</h1>
<p class="sum">{amount}</p>
<p class="soft">{escape(", ".join(session["_names"]))}</p>
{summary}
<form method="post" novalidate>
{fields["number"]}
<div class="pair">{fields["expiry"]}{fields["cvc"]}</div>
{fields["name"]}
{fields["email"]}
<button type="submit">Pay {amount}</button>
</form>
{cancel}
<h2>Demo cards</h2>
<ul>{cards}</ul>
<h2>What {SHOP} gets to know</h2>
<p>Whether you paid, how much, when, and the payment's number. The card number and the security code never leave this
processor, which itself keeps no more of the number than its last four digits. As with every card processor, its notices
to the shop also carry your name, your e-mail address and the card's brand, expiry date and last four digits. What the
shop keeps of them is for its privacy policy to say.</p>"""
        return _page(status, f"{'Error: ' if errors else ''}Pay {amount}", body, session)


def _check(typed: dict[str, str]) -> tuple[dict[str, str], tuple[int, int]]:
    """The errors by field, and the expiry as (month, year)."""
    errors = {}
    try:
        find_card(typed.get("number", ""))
    except ProcessorError as error:
        errors["number"] = error.message if typed.get("number") else "Please type a demo card number."
    match = re.fullmatch(r"(\d{1,2})\s*/?\s*(\d{2}|20\d{2})", typed.get("expiry", ""))
    month, year = (int(match[1]), int(match[2]) % 100 + 2000) if match else (0, 0)
    today = time.gmtime()
    if not 1 <= month <= 12:
        errors["expiry"] = "Please type month and year, such as 12 / 34."
    elif (year, month) < (today.tm_year, today.tm_mon):
        errors["expiry"] = "This card has expired."
    if not re.fullmatch(r"\d{3,4}", typed.get("cvc", "")):
        errors["cvc"] = "Please type three or four digits."
    if not 1 <= len(typed.get("name", "")) <= FIELDS["name"][4]:
        errors["name"] = "Please type the name on the card."
    email = typed.get("email", "")
    if len(email) > FIELDS["email"][4] or not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", email):
        errors["email"] = "Please type an e-mail address, such as pat@example.com."
    return errors, (month, year)


def _field(name: str, value: str, error: str | None, *, fixed: bool) -> str:
    label, hint, autocomplete, mode, length = FIELDS[name]
    described = [f"{name}-hint"] if hint else []
    described += [f"{name}-error"] if error else []
    attributes = f'id="{name}" name="{name}" inputmode="{mode}" maxlength="{length}" autocomplete="{autocomplete}"'
    attributes += f' type="{"email" if name == "email" else "text"}" required'
    if value and name not in SECRET_FIELDS:
        attributes += f' value="{escape(value)}"'
    if name == "email" and fixed:
        attributes += " readonly"
    if described:
        attributes += f' aria-describedby="{" ".join(described)}"'
    if error:
        attributes += ' aria-invalid="true"'
    return (
        f'<div><label for="{name}">{label}</label>'
        + (f'<span class="hint" id="{name}-hint">{hint}</span>' if hint else "")
        + f"<input {attributes}>"
        + (f'<span class="bad" id="{name}-error">{escape(error)}</span>' if error else "")
        + "</div>"
    )


def _money(amount: int, currency: str) -> str:
    return f"${amount / 100:,.2f}" if currency == "usd" else f"{amount / 100:,.2f} {currency.upper()}"


def _filled(session: Object) -> str:
    url: str = session["success_url"]
    return url.replace("{CHECKOUT_SESSION_ID}", session["id"])


def _redirect(session: Object) -> Page:
    return Page(303, "", {"Location": _filled(session), "Cache-Control": "no-store"})


def _message(status: int, title: str, text: str, link: tuple[str, str] | None) -> Page:
    anchor = f'<p><a href="{escape(link[1])}">{link[0]}</a></p>' if link else ""
    return _page(status, title, f'<p class="demo">Demo card page</p><h1>{title}</h1><p>{text}</p>{anchor}')


def _page(status: int, title: str, body: str, session: Object | None = None) -> Page:
    # Browsers check the redirect after a form against form-action too, so the shop has to be named.
    shop = urlsplit(session["success_url"]) if session else None
    targets = f"'self' {shop.scheme}://{shop.netloc}" if shop else "'none'"
    html = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{escape(title)} - demo card page</title>
<link rel="icon" href="data:,">
<style>{STYLE}</style>
</head>
<body><main>{body}</main></body>
</html>
"""
    return Page(
        status,
        html,
        {
            "Content-Type": "text/html; charset=utf-8",
            "Content-Security-Policy": f"default-src 'none'; style-src '{STYLE_HASH}'; img-src data:; "
            f"form-action {targets}; base-uri 'none'; frame-ancestors 'none'",
            "Cache-Control": "no-store",
            "Referrer-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
        },
    )


def home() -> Page:
    """What somebody sees who opens the processor's address itself."""
    card = " ".join(re.findall("....", GOOD_CARD))
    text = f"This stands in for the card processor. A payment begins in the shop; the card <code>{card}</code> pays."
    return _message(200, "Demo card processor", text, None)


def lost() -> Page:
    """The page for any other address."""
    return _message(404, "There is nothing here", "This is the demo card processor.", None)
