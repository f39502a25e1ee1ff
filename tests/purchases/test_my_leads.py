"""`/my-leads/`: what I bought, by stage, with search."""

import html
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.urls import reverse

from marketplace.core import clock
from marketplace.leads.models import Consent, LeadContact
from marketplace.purchases.calls import log_call, plan_call
from marketplace.purchases.models import Purchase
from marketplace.purchases.notes import add_note
from marketplace.purchases.services import new_key
from marketplace.purchases.stages import set_stage
from tests.people import give

from .conftest import bought

URL = "/my-leads/"


def text_of(response):
    return html.unescape(response.content.decode())


def listed(response):
    """The public ids of the purchases on the page, in order."""
    return [part.split("/")[0] for part in text_of(response).split('<a class="strong" href="/my-leads/')[1:]]


def tabs(response):
    """What the tabs count."""
    nav = text_of(response).split('aria-label="Stage">')[1].split("</nav>")[0]
    return [int(part.split("<")[0]) for part in nav.split("<span>")[1:]]


def test_it_works(as_alice, purchase):
    response = as_alice.get(URL)

    page = text_of(response)
    assert response.status_code == 200
    assert listed(response) == [purchase.public_id]
    assert "Priya Raman" in page
    assert '<a href="tel:+16145550142">(614) 555-0142</a>' in page
    assert "Columbus OH" in page
    assert "Auto insurance" in page
    assert tabs(response) == [1, 0, 1, 0, 0, 0, 0]
    assert f'action="{reverse("purchases:set_stage", args=[purchase.public_id])}"' in page
    assert response["Cache-Control"] == "no-store"


def test_a_visitor_signs_in(client, db):
    response = client.get(URL)
    assert response.status_code == 302
    assert response["Location"] == f"{reverse('account_login')}?next={URL}"


def test_bob_sees_his_own_only(client, bob, purchase):
    his = bought(bob)
    client.force_login(bob)
    assert listed(client.get(URL)) == [his.public_id]
    assert "Priya" not in text_of(client.get(URL))
    assert listed(client.get(f"{URL}?q=Priya")) == []


def test_tabs_show_one_stage(as_alice, alice, purchase):
    quoted = bought(alice)
    set_stage(quoted, "quoted")

    response = as_alice.get(f"{URL}?stage=quoted")

    assert listed(response) == [quoted.public_id]
    assert tabs(response) == [2, 0, 1, 0, 1, 0, 0]
    assert 'href="/my-leads/?stage=quoted" aria-current="true"' in text_of(response)
    assert listed(as_alice.get(URL)) == [quoted.public_id, purchase.public_id]


# --- search -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        "Priya",
        "raman",
        "PRIYA RAMAN",
        "raman priya",
        "(614) 555-0142",
        "614-555-0142",
        "6145550142",
        "+1 614 555 0142",
        "priya@example.org",
        "Priya@Example.ORG",
        "colum",
        "auto",
        "OH",
        "call after six",
        "Priya Columbus auto",
    ],
)
def test_search_finds(as_alice, alice, purchase, words):
    add_note(purchase, "Please call after six, has two cars.")
    bought(alice, state="TX", city="Waco", vertical="solar", first_name="Ada", last_name="Lovelace")

    response = as_alice.get(URL, {"q": words})

    assert listed(response) == [purchase.public_id]
    assert f'value="{words}"' in text_of(response)
    assert tabs(response) == [1, 0, 1, 0, 0, 0, 0]


def test_names_of_several_words_are_found(as_alice, alice):
    found = bought(alice, first_name="Mary Ann", last_name="De La Cruz")
    assert listed(as_alice.get(URL, {"q": "de la cruz"})) == [found.public_id]
    assert listed(as_alice.get(URL, {"q": "Mary Ann"})) == [found.public_id]


@pytest.mark.parametrize("words", ["jose pena", "José Peña", "JOSE PEÑA", "Jose\u0301", "pen\u0303a", "PENA"])
def test_accents_and_case_of_a_name_do_not_matter(as_alice, alice, words):
    found = bought(alice, first_name="José", last_name="Peña")
    bought(alice, first_name="Josef", last_name="Penn")
    assert listed(as_alice.get(URL, {"q": words})) == [found.public_id]


def test_a_name_that_came_without_accents_is_found_with_them(as_alice, alice):
    found = bought(alice, first_name="Jose", last_name="Pena")
    assert listed(as_alice.get(URL, {"q": "José Peña"})) == [found.public_id]


@pytest.mark.parametrize(
    "words", ["Pri", "riya", "555", "priya@", "example.org", "%", "_", "Priya Waco", "' OR 1=1 --", "\\"]
)
def test_search_does_not_find(as_alice, alice, purchase, words):
    """Names, phones and emails by whole values only: nothing is opened to search (B7, B10)."""
    response = as_alice.get(URL, {"q": words})
    assert response.status_code == 200
    assert listed(response) == []
    assert "Nothing found" in text_of(response)


def test_a_search_within_a_stage_offers_all_stages(as_alice, purchase):
    page = text_of(as_alice.get(f"{URL}?stage=won&q=Priya"))
    assert "No lead in this stage matches" in page
    assert 'href="?q=Priya">Search all stages: 1 lead<' in page


@pytest.mark.parametrize("query", ["stage=sold", "stage=new%00", "q=%00", f"q={'x' * 101}"])
def test_bad_filters_are_marked(as_alice, purchase, query):
    response = as_alice.get(f"{URL}?{query}")
    assert response.status_code == 422
    assert "There is a problem" in text_of(response)
    assert listed(response) == [purchase.public_id]


def test_odd_parameters_change_nothing(as_alice, purchase):
    """B8"""
    for query in ("phone__startswith=614", "ordering=lead__contact__sealed", "buyer=1", "_connector=OR"):
        assert listed(as_alice.get(f"{URL}?{query}")) == [purchase.public_id]


# --- calls ------------------------------------------------------------------------------------------------------------


def test_calls_and_the_next_one_are_shown(as_alice, alice, purchase):
    alice.time_zone = "America/New_York"
    alice.save(update_fields=["time_zone"])
    log_call(purchase, "no_answer", key=new_key())
    log_call(purchase, "left_message", key=new_key())
    plan_call(purchase, datetime(2027, 1, 2, 15, 0, tzinfo=UTC))
    page = text_of(as_alice.get(URL))
    assert "2 calls, last: Left a message <time" in page
    assert ">2 Jan 2027, 10:00 EST</time>" in page
    assert f'action="{reverse("purchases:log_call", args=[purchase.public_id])}"' in page


def test_due_today(as_alice, alice):
    """Overdue ones too, by their time, in the member's own day."""
    alice.time_zone = "America/New_York"
    alice.save(update_fields=["time_zone"])
    with time_machine.travel(datetime(2026, 11, 25, 15, 0, tzinfo=UTC), tick=False):
        late, early, overdue, tomorrow, _unplanned, asked_not, revoked = (bought(alice) for _ in range(7))
        plan_call(late, datetime(2026, 11, 26, 4, 59, tzinfo=UTC))
        plan_call(early, datetime(2026, 11, 25, 16, 0, tzinfo=UTC))
        plan_call(overdue, datetime(2026, 11, 20, 16, 0, tzinfo=UTC))
        plan_call(tomorrow, datetime(2026, 11, 26, 5, 0, tzinfo=UTC))
        for mine in (asked_not, revoked):
            plan_call(mine, datetime(2026, 11, 25, 16, 0, tzinfo=UTC))
        log_call(asked_not, "asked_not", key=new_key())
        Consent.objects.filter(lead=revoked.lead).update(revoked_at=datetime(2026, 11, 25, tzinfo=UTC))
        set_stage(early, "quoted")
        as_alice.force_login(alice)

        response = as_alice.get(f"{URL}?due=today")

        assert listed(response) == [mine.public_id for mine in (overdue, early, late)]
        assert tabs(response) == [7, 3, 6, 0, 1, 0, 0]
        assert 'href="/my-leads/?due=today" aria-current="true"' in text_of(response)
        assert (text_of(response).count("Overdue:"), text_of(response).count("Next:")) == (1, 2)
        assert text_of(as_alice.get("/my-leads/call-sheet/?due=today")).count("Overdue call:") == 1
        assert listed(as_alice.get(f"{URL}?due=today&stage=quoted")) == [early.public_id]


def test_pages_of_due_calls(as_alice, alice):
    now = clock.now()
    made = []
    for number in range(30):
        made.append(bought(alice).public_id)
        plan_call(Purchase.objects.get(public_id=made[-1]), now - timedelta(days=40 - number))
    first = as_alice.get(f"{URL}?due=today")
    later = text_of(first).split('" rel="next"')[0].rsplit('href="', 1)[1]
    second = as_alice.get(f"{URL}{later}")
    sooner = text_of(second).split('" rel="prev"')[0].rsplit('href="', 1)[1]
    assert listed(first) == made[:25]
    assert listed(second) == made[25:]
    assert listed(as_alice.get(f"{URL}{sooner}")) == made[:25]


def test_nothing_is_due(as_alice, purchase):
    assert "No call is due today" in text_of(as_alice.get(f"{URL}?due=today"))


# --- board ------------------------------------------------------------------------------------------------------------


def columns(response):
    """The columns of the board: their counts and the public ids of their cards, by stage."""
    found = {}
    for part in text_of(response).split('<h2 id="column-')[1:]:
        ids = [card.split("/")[0] for card in part.split('<h3><a href="/my-leads/')[1:]]
        found[part.split('"')[0]] = (int(part.split('class="count">')[1].split("<")[0]), ids)
    return found


def test_the_board(as_alice, alice, purchase):
    quoted = bought(alice)
    set_stage(quoted, "quoted")

    response = as_alice.get(f"{URL}?view=board")

    assert columns(response) == {
        "new": (1, [purchase.public_id]),
        "contacted": (0, []),
        "quoted": (1, [quoted.public_id]),
        "won": (0, []),
        "lost": (0, []),
    }
    page = text_of(response)
    card = page.split(f'<h3><a href="/my-leads/{purchase.public_id}/')[1].split("</li>")[0]
    assert 'href="tel:+16145550142"' in card
    for stage in ("contacted", "quoted", "won", "lost"):
        assert f'name="stage" value="{stage}"' in card
    assert 'name="stage" value="new"' not in card
    assert '<input type="hidden" name="next" value="/my-leads/?view=board">' in card


def test_a_column_shows_the_newest_20_and_leads_to_the_rest(as_alice, alice):
    made = [bought(alice).public_id for _ in range(22)][::-1]
    response = as_alice.get(f"{URL}?view=board&q=Columbus")
    assert columns(response)["new"] == (22, made[:20])
    assert 'href="?q=Columbus&stage=new">See all 22 in the list<' in text_of(response)


def test_the_switch_keeps_the_filter(as_alice, alice, purchase):
    page = text_of(as_alice.get(f"{URL}?stage=new&q=Priya"))
    assert 'href="?stage=new&q=Priya&view=board"' in page
    board = as_alice.get(f"{URL}?stage=new&q=Priya&view=board")
    assert columns(board) == {"new": (1, [purchase.public_id])}
    assert 'href="?stage=new&q=Priya"' in text_of(board)


def test_the_board_of_due_calls(as_alice, alice, purchase):
    bought(alice)
    plan_call(purchase, clock.now())
    assert columns(as_alice.get(f"{URL}?due=today&view=board"))["new"] == (1, [purchase.public_id])


def test_an_empty_board(as_alice):
    assert "You have not bought a lead yet" in text_of(as_alice.get(f"{URL}?view=board"))


# --- empty ------------------------------------------------------------------------------------------------------------


def test_nothing_bought_yet(as_alice):
    page = text_of(as_alice.get(URL))
    assert "You have not bought a lead yet" in page
    assert "/leads/" in page
    assert "Download CSV" not in page


def test_nothing_in_this_stage(as_alice, purchase):
    page = text_of(as_alice.get(f"{URL}?stage=won"))
    assert "No lead is in this stage" in page
    assert "See all 1 lead<" in page


# --- pages and faults -------------------------------------------------------------------------------------------------


def test_a_contact_that_cannot_be_opened_is_named_unavailable(as_alice, alice, purchase):
    other = bought(alice, first_name="Ada")
    LeadContact.objects.filter(pk=purchase.lead_id).update(sealed="gone.AAAA")

    response = as_alice.get(URL)

    assert response.status_code == 200
    assert listed(response) == [other.public_id, purchase.public_id]
    assert "Contact unavailable" in text_of(response)
    assert "Ada" in text_of(response)


def test_pages(as_alice, alice):
    made = [bought(alice).public_id for _ in range(30)][::-1]

    first = as_alice.get(URL)
    older = text_of(first).split('" rel="next"')[0].rsplit('href="', 1)[1]
    second = as_alice.get(f"{URL}{older}")
    newer = text_of(second).split('" rel="prev"')[0].rsplit('href="', 1)[1]

    assert listed(first) == made[:25]
    assert listed(second) == made[25:]
    assert listed(as_alice.get(f"{URL}{newer}")) == made[:25]
    assert "25 of 30 leads on this page" in text_of(first)


@pytest.mark.parametrize("cursor", ["x", "1", "1_A", "99999999999999999999_a"])
def test_a_made_up_cursor_is_404(as_alice, purchase, cursor):
    assert as_alice.get(f"{URL}?after={cursor}").status_code == 404
    assert as_alice.get(f"{URL}?before={cursor}").status_code == 404


def test_a_page_that_emptied_leads_back_to_the_first(as_alice, purchase):
    response = as_alice.get(f"{URL}?after=1_a")
    assert response.status_code == 302
    assert response["Location"] == URL


def test_as_many_queries_for_200_rows_as_for_20(as_alice, alice, django_assert_num_queries):
    give(alice, 1_000_000)
    for _ in range(20):
        add_note(bought(alice), "call back")
    as_alice.get(URL)
    with django_assert_num_queries(6):
        as_alice.get(URL)
    for _ in range(180):
        bought(alice)
    with django_assert_num_queries(6):
        as_alice.get(URL)
    with django_assert_num_queries(6):
        as_alice.get(f"{URL}?q=call&stage=new")
    with django_assert_num_queries(6):
        as_alice.get(f"{URL}?view=board")
    assert Purchase.objects.count() == 200


def test_only_reading(as_alice):
    assert as_alice.head(URL).status_code == 200
    assert as_alice.post(URL).status_code == 405


def test_a_page_that_emptied_leads_to_the_same_list(as_alice, alice):
    mine = bought(alice)
    before = f"{mine.created_at.timestamp() * 1_000_000:.0f}_{mine.public_id}"
    response = as_alice.get(f"{URL}?stage=new&q=Columbus&after={before}")
    assert response.status_code == 302
    assert response["Location"] == f"{URL}?stage=new&q=Columbus"
