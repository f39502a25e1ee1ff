"""Every page of the site in every state: those with an address, and those that only an answer to a form shows."""

import re
from dataclasses import dataclass

import requests

from tests.stack import ROOT, Browser, Stack

_FACTS = """
from datetime import timedelta
from importlib import import_module
from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.db import transaction
from accounts import factors
from accounts.models import User
from marketplace.core import clock
from marketplace.core.ids import new_id
from marketplace.leads.models import Consent, Lead
from marketplace.leads.searches import save_search
from marketplace.ledger import services as ledger
from marketplace.ledger import adjustments
from marketplace.purchases import crediting
from marketplace.purchases.models import Export, Purchase
from marketplace.staff import services as staff_services
from marketplace.purchases.calls import log_call, note_dnc_check, plan_call
from marketplace.purchases.notes import add_note
from marketplace.purchases.services import Wanted, buy_lead, buy_leads
from marketplace.wallet import deposits, suspense
from marketplace.wallet.gateway import Payment
from marketplace.wallet.models import (
    Deposit, Dispute, Reconciliation, ReconciliationFinding, Refund, Resolution, UnexplainedPayment,
)
from tests.factors import Passkey, give_app
from tests.people import make_member, session_of
from tests.stock import make_lead

now = clock.now()
later = now + timedelta(days=1)

def demo(name):
    return User.objects.get(email=f"{name}@example.com")

def deposit(buyer, **changes):
    values = {"amount_cents": 5_000, "created_at": now, "expires_at": now + timedelta(minutes=35)} | changes
    if values.get("state") == "paid":
        values |= {"received_cents": 5_000, "paid_at": now, "intent_id": f"pi_{new_id()}"}
    return Deposit.objects.create(buyer=buyer, **values)

alice, bob = demo("alice"), demo("bob")
bought = Purchase.objects.filter(buyer=alice).select_related("lead").order_by("id").first()
add_note(bought, "Call back on Friday.")
log_call(bought, "spoke", key=new_id())
plan_call(bought, now.replace(hour=0))
note_dnc_check(bought, now.date() - timedelta(days=40))
again = [make_lead(buyers=3, price_cents=20_00, phone="+16145550199") for _ in range(2)]
mine = buy_lead(alice, again[0], price_seen=20_00, key=new_id())
revoked = make_lead(price_cents=20_00)
withdrew = buy_lead(alice, revoked, price_seen=20_00, key=new_id())
Consent.objects.filter(pk=revoked.consent_id).update(revoked_at=now)
sold = make_lead(price_cents=20_00)
buy_lead(bob, sold, price_seen=20_00, key=new_id())
withdrawn = make_lead()
Lead.objects.filter(pk=withdrawn.pk).update(status="withdrawn")
far = make_lead(buyers=3, price_cents=20_00, state="TX", city="Austin", postal_code="73301")
free = make_lead(buyers=3, price_cents=20_00)
dear = make_lead(buyers=3, price_cents=90_000_00)
same = [make_lead(buyers=3, price_cents=20_00, phone="+16145550188") for _ in range(2)]
mixed = [free, far, sold, withdrawn, bought.lead, again[1], *same]
lines = [Wanted(lead, lead.price_cents) for lead in (*(make_lead(price_cents=20_00) for _ in range(3)), sold, dear)]
order = buy_leads(alice, [*lines, Wanted(far, 19_00), Wanted(again[1], 20_00)], key=new_id()).order

nadia = make_member("Nadia", cents=10_00)
owen = make_member("Owen")
with transaction.atomic():
    ledger.take_out(ledger.lock(owen.pk), "processor", 12_00, kind="refund", reference="test:owed")
deposit(owen, state="processing")
dora = make_member("Dora", cents=100_00)
disputed = deposit(dora, state="paid")
Dispute.objects.create(
    processor_id="du_dora", deposit=disputed, buyer=dora, amount_cents=5_000, state="needs_response", is_open=True,
    seen_at=now,
)
tom = User.objects.create_user("tom@example.com", "Tom", "correct horse battery", email_verified_at=now)
una = User.objects.create_user("una@example.com", "Una", "correct horse battery")
make_member("Zoe")
tess = make_member("Tess")
give_app(tess)
for name in ("Phone", "The key with the long name in the drawer"):
    factors.add_passkey(tess, Passkey().make({"publicKey": {"challenge": "AAAA"}}), name=name)
used = factors.of(tess).app
used.last_used_at = now
used.save()
factors.use_code(tess, factors.recovery_codes(factors.of(tess).codes)[0])
late = import_module(settings.SESSION_ENGINE).SessionStore(session_of(tess))
late["signed_in_at"] -= 3600
late.save()

for name, query in (("Texas and Ohio", "state=OH&state=TX"), ("Everything", "")):
    save_search(alice, name, query)
refunded = deposit(alice, state="paid")
Refund.objects.create(processor_id="re_1", deposit=refunded, amount_cents=2_000, state="succeeded", seen_at=now)
Dispute.objects.create(
    processor_id="du_1", deposit=refunded, buyer=alice, amount_cents=3_000, state="won", is_open=False, seen_at=now
)
opened, _ = deposits.start_deposit(alice, 5_000)
unexplained = UnexplainedPayment.objects.create(intent_id="pi_nobody", received_cents=9_000, arrived_at=now)
Resolution.objects.create(
    payment=unexplained, member=alice, maker=demo("charlie"), reason="The bank names her.", amount_cents=9_000
)
run = Reconciliation.objects.create(
    state="done", since=now, read_until=now, started_at=now, ended_at=now, claimed_until=now, processor_cents=9_000,
    books_cents=10_000, difference_cents=-1_000,
)
ReconciliationFinding.objects.create(
    kind="only_books", reference="re_nobody:out", currency="usd", cents_theirs=0, cents_ours=1_000, happened_at=now,
    first_run=run, last_run=run, first_seen=now, last_seen=now,
)

charlie, dana = demo("charlie"), demo("dana")
staff_services.note(charlie, alice, text="Called about a receipt.")
paused = make_member("Hedda")
staff_services.stop_buying(charlie, paused, reason="Orders that look odd.")
asked = crediting.ask(charlie, mine, cents=5_00, problem="bad_number", reason="Rings through.")
adjustment = adjustments.ask(dana, alice, "goodwill", cents=3_00, reason="Sorry.")
declined = crediting.ask(charlie, withdrew, cents=5_00, problem="goodwill", reason="Sorry.")
crediting.decline(dana, declined, answer="A person answered.")

deposits.settle(Payment("pi_nobodys", "succeeded", 12_34, "usd", "", settled=12_34, fee=0))
odd = UnexplainedPayment.objects.get(intent_id="pi_nobodys")
resolution = suspense.ask(charlie, odd, member=alice, reason="Hers, says the card processor.")

text = "Your code is\\n\\n1234 5678\\n\\nhttps://leadfair.example/terms/"
mail = EmailMessage("Your code", text, to=["nora@example.org"])
get_connection("marketplace.mail.backends.OneFilePerMessage").send_messages([mail])

answer = {
    "session": {
        **{name: session_of(demo(name)) for name in ("alice", "charlie", "dana", "admin")},
        **{user.handle.lower(): session_of(user) for user in (nadia, owen, dora, tom, una, tess)},
        "late": late.session_key,
    },
    "passkey": factors.of(tess).passkeys[1].data["public_id"],
    "members": {one.handle.lower(): one.public_id for one in (alice, paused, una, owen, tess, charlie)},
    "asked": asked.public_id,
    "declined": declined.public_id,
    "adjustment": adjustment.public_id,
    "resolution": resolution.public_id,
    "purchase": mine.public_id,
    "lead": free.public_id,
    "exclusive": Lead.objects.on_sale().exclusive().latest("id").public_id,
    "sold": sold.public_id,
    "withdrawn": withdrawn.public_id,
    "far": far.public_id,
    "dear": dear.public_id,
    "same_person": again[1].public_id,
    "bought": bought.public_id,
    "bought_lead": bought.lead.public_id,
    "withdrew": withdrew.public_id,
    "exports": [
        Export.objects.create(buyer=alice, filter="x", rows_total=12_000, created_at=now, **state).public_id
        for state in (
            {"format": "csv", "filter_digest": "1", "state": "writing", "rows_done": 4_500, "claimed_at": later},
            {"format": "xlsx", "filter_digest": "2", "state": "ready", "rows_done": 12_000, "finished_at": now},
            {"format": "csv", "filter_digest": "3", "state": "failed", "problem": "broke_off", "finished_at": now},
            {"format": "csv", "filter_digest": "4", "attempts": 1, "available_at": later},
            {"format": "xlsx", "filter_digest": "5", "state": "failed", "problem": "too_many_rows", "finished_at": now},
            {"format": "csv", "filter_digest": "6", "state": "failed", "problem": "too_long", "finished_at": now},
        )
    ],
    "gone": Export.objects.create(
        buyer=alice, format="csv", rows_total=1, created_at=now, state="ready", finished_at=now - timedelta(days=2)
    ).public_id,
    "mixed": "&".join(f"lead={lead.public_id}" for lead in mixed),
    "too_many": "&".join(f"lead={new_id()}" for _ in range(51)),
    "order": order.public_id,
    "order_of_one": mine.order.public_id,
    "mail": next(settings.MAIL_FILES.glob("*.eml")).name,
    "keys": [new_id() for _ in range(20)],
    "deposit": {
        "paid": Deposit.objects.filter(buyer=alice, state="paid").earliest("id").public_id,
        "refunded": refunded.public_id,
        "open": opened.public_id,
        "unknown": deposit(alice, state="open", session_id="cs_that_nobody_knows").public_id,
        "created": deposit(alice).public_id,
        "processing": deposit(alice, state="processing").public_id,
        "expired": deposit(alice, state="expired").public_id,
        "failed": deposit(alice, state="failed", lead_ids=free.public_id).public_id,
        "review": deposit(alice, state="review").public_id,
        "returned": deposit(alice, state="returned").public_id,
        **{
            f"back_to_{name}": deposit(alice, state="paid", lead_ids=lead.public_id).public_id
            for name, lead in (("lead", free), ("sold", sold), ("mine", bought.lead), ("dear", dear))
        },
        "back_to_several": deposit(alice, state="paid", lead_ids=f"{free.public_id} {far.public_id}").public_id,
        "back_to_nothing": deposit(owen, state="paid", lead_ids=free.public_id).public_id,
    },
}
assert set(Deposit.State.values) == set(Deposit.objects.values_list("state", flat=True)), "a state nobody looks at"
"""


def facts_of(stack: Stack) -> dict:
    """The members, leads and deposits that the pages are about, made on the running site's database."""
    return stack.python(_FACTS)


def addresses(facts: dict) -> dict[str, list[str]]:
    """Every address, by who looks at it. Support and finance look at what the demo lets them see."""
    lead, mine, deposit = facts["lead"], facts["bought"], facts["deposit"]
    return {
        "visitor": [
            "/",
            "/leads/",
            "/leads/?vertical=auto-insurance&state=OH&sort=price",
            "/leads/?mode=exclusive&age=7d",
            "/leads/?max=abc",
            "/leads/?place=Columbus%2C+OH&miles=50",
            "/leads/?vertical=solar&state=OH&view=map",
            "/leads/?view=plots",
            "/leads/?vertical=personal-injury&state=VT&max=2",
            f"/leads/{lead}/",
            f"/leads/{facts['exclusive']}/",
            f"/leads/{facts['sold']}/",
            f"/leads/{facts['withdrawn']}/",
            "/help/buying/",
            "/help/leads/",
            "/help/prices/",
            "/terms/",
            "/accounts/signup/",
            f"/accounts/signup/?next=/leads/{lead}/buy/",
            "/leads/buy/",
            f"/leads/buy/?{facts['too_many']}",
            "/leads/buy/?lead=nothing",
            "/accounts/login/",
            "/accounts/code/",
            "/accounts/inactive/",
            "/accounts/password/reset/",
            "/accounts/password/reset/done/",
            "/nowhere/",
            "/demo/mailbox/",
            f"/demo/mailbox/{facts['mail']}/",
        ],
        "alice": [
            "/",
            "/leads/",
            f"/leads/{lead}/",
            f"/leads/{facts['far']}/",
            f"/leads/{facts['bought_lead']}/",
            f"/leads/{lead}/buy/",
            f"/leads/{facts['far']}/buy/",
            f"/leads/{facts['dear']}/buy/",
            f"/leads/buy/?{facts['mixed']}&lead=nothing",
            f"/leads/buy/?lead={lead}&lead={facts['dear']}",
            f"/leads/buy/?lead={facts['sold']}&lead={facts['withdrawn']}",
            f"/leads/buy/?lead={facts['bought_lead']}",
            f"/orders/{facts['order']}/",
            f"/orders/{facts['order_of_one']}/",
            "/my-leads/",
            "/leads/?state=OH&state=TX",
            "/searches/",
            "/my-leads/?stage=new",
            "/my-leads/?stage=won",
            "/my-leads/?due=today",
            "/my-leads/?view=board",
            "/my-leads/?view=board&stage=lost",
            "/my-leads/exports/?format=csv&stage=new",
            "/my-leads/call-sheet/",
            "/my-leads/call-sheet/?stage=lost&q=nobodyhasthisname",
            *(f"/my-leads/exports/{export}/?still=1" for export in facts["exports"]),
            "/my-leads/?q=nobodyhasthisname",
            f"/my-leads/{mine}/",
            f"/my-leads/{facts['withdrew']}/",
            "/wallet/",
            "/wallet/?kind=deposit",
            "/wallet/?from=tomorrow",
            "/wallet/add/",
            f"/wallet/add/?lead={lead}",
            f"/wallet/add/?lead={lead}&lead={facts['dear']}&amount=$500.00",
            "/wallet/billing/",
            *(f"/wallet/deposits/{deposit[state]}/?still=1" for state in deposit if state != "back_to_nothing"),
            f"/wallet/deposits/{deposit['open']}/?cancelled=1",
            f"/wallet/deposits/{deposit['paid']}/receipt/",
            f"/wallet/deposits/{deposit['refunded']}/receipt/",
            "/account/",
            "/accounts/reauthenticate/",
            "/accounts/second-factor/",
            "/accounts/second-factor/app/",
            "/accounts/password/change/",
            "/accounts/logout/",
            "/nowhere/",
        ],
        "nadia": ["/searches/", "/my-leads/", "/wallet/", f"/leads/{lead}/buy/"],
        "owen": ["/wallet/", "/wallet/add/", f"/wallet/deposits/{deposit['back_to_nothing']}/"],
        "charlie": ["/kit/"],
        "tess": [
            "/account/",
            "/accounts/second-factor/",
            "/accounts/second-factor/app/remove/",
            "/accounts/second-factor/passkeys/",
            f"/accounts/second-factor/passkeys/{facts['passkey']}/",
            f"/accounts/second-factor/passkeys/{facts['passkey']}/remove/",
            "/accounts/second-factor/codes/",
            "/accounts/second-factor/codes/new/",
            "/accounts/reauthenticate/",
            "/accounts/second-factor/confirm/",
            "/accounts/second-factor/confirm/passkey/",
        ],
    }


def admin_addresses(stack: Stack, facts: dict) -> dict[str, list[str]]:
    """The pages of the admin that each role can open: each list, one row of it, the history of one, and the tasks."""
    pages = {}
    for who, tasks in task_addresses(facts).items():
        browser = member(stack, facts, who)
        lists = sorted(set(re.findall(r'href="(/admin/\w+/\w+/)"', browser.get("/admin/").text)))
        found = [re.search(rf'href="({path}[^/"]+/)change/', browser.get(path).text) for path in lists]
        rows = [row[1] for row in found if row]
        pages[who] = ["/admin/", *lists, *(f"{row}change/" for row in rows), f"{rows[-1]}history/", *tasks]
    return pages


def task_addresses(facts: dict) -> dict[str, list[str]]:
    """The task pages of the staff room, by who looks at them."""
    people = {name: f"/admin/members/{public_id}/" for name, public_id in facts["members"].items()}
    alice, una = people["alice"], people["una"]
    credit = f"/admin/purchases/{facts['purchase']}/credit/"
    return {
        "charlie": [
            "/admin/search/", "/admin/search/?q=ali", "/admin/search/?q=nobodyhasthisname",
            f"/admin/search/?q={facts['bought_lead']}",
            *people.values(), f"{alice}note/", f"{una}code/", f"{una}email/", f"{alice}stop-buying/",
            f"{people['hedda']}allow-buying/", f"{alice}reveal/", f"{alice}view/", credit,
            f"/admin/leads/{facts['lead']}/reveal/", "/admin/reveals/more/",
            "/admin/approvals/", f"/admin/approvals/credit/{facts['asked']}/",
            f"/admin/approvals/credit/{facts['declined']}/", "/admin/payments/pi_nobodys/settle/",
        ],
        "dana": [
            alice, f"{alice}adjust/", f"{alice}note/", credit, "/admin/approvals/",
            f"/admin/approvals/credit/{facts['asked']}/", f"/admin/approvals/adjustment/{facts['adjustment']}/",
            f"/admin/approvals/resolution/{facts['resolution']}/",
        ],
        "admin": [
            alice, people["charlie"], f"{people['charlie']}roles/", f"{people['tess']}second-factor/",
            "/admin/approvals/",
        ],
    }  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """What the site answered to a form: the page without the steps that lead to it."""

    name: str
    path: str
    status: int
    body: str
    policy: str

    @classmethod
    def of(cls, name: str, answer: requests.Response) -> "Answer":
        path = "/" + answer.url.split("#")[0].split("/", 3)[3]
        return cls(name, path, answer.status_code, answer.text, answer.headers["Content-Security-Policy"])


def member(stack: Stack, facts: dict, who: str) -> Browser:
    """The browser of somebody who is signed in."""
    browser = Browser(stack)
    browser.http.cookies.set("sessionid", facts["session"][who])
    return browser


def answers(stack: Stack, facts: dict) -> list[Answer]:
    """Every page that needs steps: codes, refusals, errors."""
    found = [
        *_entrance(stack),
        *_own_account(stack),
        *_second_factor(stack, facts),
        *_worked(stack, facts),
        *_not_bought(stack, facts),
        *_staff(stack, facts),
        *_errors(stack, facts),
    ]
    return [Answer.of(name, answer) for name, answer in found] + _static(found[0][1])


def _entrance(stack: Stack):
    """Signing up and a forgotten password, up to the last page of each."""
    browser, email, password = Browser(stack), "iris@example.org", "nine purple umbrellas"
    fields = {"email": email, "handle": "Iris", "password1": password, "adult": "on", "terms": "on"}
    code = browser.submit(browser.get("/accounts/signup/"), "signup", **fields)
    yield "sign-up code", code
    yield "sign-up code, asked for again", _sent(browser, code, code.url, 429, action="resend")
    yield "sign-up code, wrong", browser.submit(code, "confirm-email", 422, code="00000000")
    browser.submit(code, "confirm-email", code=stack.code_for(email))

    browser = Browser(stack)
    code = browser.submit(browser.get("/accounts/password/reset/"), "reset", email=email)
    yield "reset code", code
    yield "reset code, wrong", browser.submit(code, "reset/confirm", 422, code="00000000")
    choose = browser.submit(code, "reset/confirm", code=stack.code_for(email, 2))
    yield "new password", choose
    yield "new password, too short", browser.submit(choose, "complete", 422, password1="short")


def _own_account(stack: Stack):
    """A new email, which asks for the password first, and mistakes in the forms about oneself."""
    browser = Browser(stack)
    fields = {"login": "zoe@example.com", "password": "correct horse battery"}
    browser.submit(browser.get("/accounts/login/"), "login", **fields)
    page = browser.get("/accounts/email/")
    yield "confirm password, wrong", browser.submit(page, "reauthenticate", 422, password="wrong")
    page = browser.submit(page, "reauthenticate", password=fields["password"])
    yield "new email", page
    yield "new email, none", browser.submit(page, "email", 422, email="nobody", action_add="1")
    code = browser.submit(page, "accounts/email", email="zoe.new@example.org", action_add="1")
    yield "code for the new email", code
    page = browser.get("/accounts/password/change/")
    yield "new password, wrong", browser.submit(page, "change", 422, oldpassword="wrong", password1="short")


def _second_factor(stack: Stack, facts: dict):
    """The step after the password, and mistakes in the forms about it."""
    tess, name = member(stack, facts, "tess"), f"passkeys/{facts['passkey']}/"
    page = tess.get(f"/accounts/second-factor/{name}")
    yield "passkey, renamed to nothing", tess.submit(page, name, 422, name="")
    page = tess.get("/accounts/second-factor/passkeys/")
    yield "passkey, without JavaScript", tess.submit(page, "passkeys", 422, name="Another one")
    page = tess.get("/accounts/second-factor/confirm/")
    yield "confirm by code, wrong", tess.submit(page, "confirm", 422, code="00000000")
    page = tess.get("/accounts/second-factor/confirm/passkey/")
    yield "confirm by passkey, without JavaScript", tess.submit(page, "confirm", 422)
    alice = member(stack, facts, "alice")
    page = alice.get("/accounts/second-factor/app/")
    yield "app, wrong", alice.submit(page, "app", 422, code="000000")
    late = member(stack, facts, "late")
    there, typed = f"{stack.url}/accounts/second-factor/{name}", {"name": "Key at work"}
    yield "typed too late", _sent(late, late.get("/account/"), there, 403, **typed)
    browser = Browser(stack)
    fields = {"login": "tess@example.com", "password": "correct horse battery"}
    page = browser.submit(browser.get("/accounts/login/"), "login", **fields)
    yield "second step", page
    yield "second step, passkey without JavaScript", _sent(browser, page, page.url, 422, credential="")
    for _ in range(4):
        wrong = _sent(browser, page, page.url, 422, code="00000000")
    yield "second step, wrong", wrong
    yield "second step, too often", _sent(browser, page, page.url, 429, code="00000000")


def _worked(stack: Stack, facts: dict):
    """What a buyer's own leads answer: a way back, and what is wrong with a form."""
    alice, mine = member(stack, facts, "alice"), f"/my-leads/{facts['withdrew']}/"
    page = alice.get(mine)
    yield "stage, with undo", alice.submit(page, "stage", stage="lost")
    page = alice.submit(page, "notes", text="Pays with 4242 4242 4242 4242.")
    yield "note, without its card number", page
    yield "note removed, with undo", alice.submit(page, "remove")
    yield "next call, over", _sent(alice, page, f"{stack.url}{mine}next-call/", 422, when="at", at="2020-01-01T00:00")
    yield (
        "do-not-call check, to come",
        _sent(alice, page, f"{stack.url}{mine}dnc-check/", 422, when="on", on="2999-01-01"),
    )


def _not_bought(stack: Stack, facts: dict):
    """Every reason for which a press on the buy button buys nothing."""
    keys = iter(facts["keys"])

    def press(who: str, lead: str, cents: int, status: int = 409, key: str = "") -> requests.Response:
        browser = member(stack, facts, who)
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', browser.get("/account/").text)
        assert token
        fields = {"csrfmiddlewaretoken": token[1], "key": key or next(keys), "price_seen": cents or ""}
        answer = browser.http.post(f"{stack.url}/leads/{facts[lead]}/buy/", data=fields, timeout=15)
        assert answer.status_code == status, (who, lead, answer.status_code)
        return answer

    yield "sold", press("alice", "sold", 2000)
    yield "withdrawn", press("alice", "withdrawn", 2000)
    yield "price changed", press("alice", "lead", 1900)
    yield "price changed, too little money", press("nadia", "lead", 900)
    yield "too little money", press("nadia", "lead", 2000)
    yield "bought before", press("alice", "bought_lead", 2000)
    yield "same person", press("alice", "same_person", 2000)
    used = next(keys)
    press("alice", "far", 2000, 200, key=used)
    yield "form used before", press("alice", "lead", 2000, key=used)
    yield "owes", press("owen", "lead", 2000, 403)
    yield "disputes", press("dora", "lead", 2000, 403)
    yield "never agreed", press("tom", "lead", 2000, 403)
    yield "incomplete", press("alice", "lead", 0, 422)

    def press_several(who: str, cents: int, status: int, key: str, *leads: str) -> requests.Response:
        browser, ids = member(stack, facts, who), [facts[name] for name in leads]
        fields = {"lead": ids, "seen": [f"{text}:{cents}" for text in ids], "key": key}
        return _sent(browser, browser.get("/account/"), f"{stack.url}/leads/buy/", status, **fields)

    yield "several, gone", press_several("alice", 2000, 409, next(keys), "sold", "withdrawn")
    yield "several, prices changed", press_several("alice", 1900, 409, next(keys), "lead", "same_person")
    yield "several, form used before", press_several("alice", 2000, 409, used, "lead", "sold")
    yield "several, too little money", press_several("nadia", 2000, 409, next(keys), "lead", "same_person")
    yield "several, owes", press_several("owen", 2000, 403, next(keys), "lead", "sold")
    yield "several, never agreed", press_several("tom", 2000, 403, next(keys), "lead", "sold")
    yield "several, incomplete", press_several("alice", 0, 422, next(keys), "lead", "sold")


def _staff(stack: Stack, facts: dict):
    """What the staff room answers: details, mistakes, a refusal, and the site as a buyer sees it."""
    charlie, dana, alice = member(stack, facts, "charlie"), member(stack, facts, "dana"), facts["members"]["alice"]
    reveal, look = f"/admin/members/{alice}/reveal/", f"/admin/members/{alice}/view/"
    yield "details", charlie.submit(charlie.get(reveal), "reveal", reason="Asked for a receipt.")
    yield "details, without a reason", charlie.submit(charlie.get(reveal), "reveal", 422, reason="")
    page = charlie.get(f"/admin/members/{alice}/stop-buying/")  # in two windows
    charlie.submit(page, "stop-buying", reason="Looks odd.")
    yield "buying is paused already", charlie.submit(page, "stop-buying", 409, reason="Looks odd.")
    again = f"/admin/members/{alice}/allow-buying/"
    charlie.submit(charlie.get(again), "allow-buying", reason="Explained.")
    approval = f"/admin/approvals/credit/{facts['asked']}/"
    yield "declined without a reason", dana.submit(dana.get(approval), "approvals", 422, decision="decline")
    yield "looking as a buyer", charlie.submit(charlie.get(look), "view", reason="Cannot find a lead.")
    yield "not shown", charlie.get("/account/", 403)
    _sent(charlie, charlie.get("/admin/"), f"{stack.url}/admin/viewing/end/", 200)


def _errors(stack: Stack, facts: dict):
    alice, una, visitor = member(stack, facts, "alice"), member(stack, facts, "una"), Browser(stack)
    yield "403_csrf", alice.http.post(f"{stack.url}/leads/{facts['lead']}/buy/", data={}, timeout=15)
    elsewhere = {"Origin": "https://elsewhere.example"}
    yield "403", visitor.http.post(f"{stack.url}/theme/", data={"theme": "dark"}, headers=elsewhere, timeout=15)
    yield "404", visitor.get("/nowhere/", 404)
    yield "405", visitor.get(f"/my-leads/{facts['bought']}/notes/", 405)
    yield "gone", alice.get(f"/my-leads/exports/{facts['gone']}/", 410)
    yield "refusal", una.get("/wallet/add/", 403)
    page, notes = visitor.get("/accounts/login/"), f"{stack.url}/my-leads/{facts['bought']}/notes/"
    yield "signed out meanwhile", _sent(visitor, page, notes, 403, text="Call back on Friday.\nAsks for a quote.")
    typed = {"handle": "Iris", "city": "Columbus"}
    yield "signed out meanwhile, from a page", _sent(visitor, page, f"{stack.url}/account/", 403, **typed)
    wrong = {"login": "somebody@example.org", "password": "wrong password"}
    for _ in range(5):
        visitor.submit(page, "login", 422, **wrong)
    yield "sign-in, too often", visitor.submit(page, "login", 429, **wrong)
    page = visitor.get("/accounts/password/reset/")
    for _ in range(5):
        visitor.submit(page, "reset", email="somebody@example.org")
    yield "429", visitor.submit(page, "reset", 429, email="somebody@example.org")


def _sent(
    browser: Browser, page: requests.Response, to: str, status: int, **fields: str | list[str]
) -> requests.Response:
    """The answer to ``fields``, sent with the token of ``page`` to an address of which it need not show the form."""
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
    assert token
    answer = browser.http.post(to, data={"csrfmiddlewaretoken": token[1]} | fields, timeout=15)
    assert answer.status_code == status, (to, answer.status_code)
    return answer


def _static(like: requests.Response) -> list[Answer]:
    """Pages that are shown as they lie in templates/, when nothing else works; the demo shows Django's instead."""
    policy = like.headers["Content-Security-Policy"]
    files = {file.stem: file.read_text() for file in sorted((ROOT / "templates").glob("[45]??.html"))}
    return [Answer(name, f"/{name}/", int(name), text, policy) for name, text in files.items() if "{%" not in text]
