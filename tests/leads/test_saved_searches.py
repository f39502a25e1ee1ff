"""`/searches/`: the lists of leads that a member comes back to, each with what is new since."""

from datetime import timedelta

import pytest
import time_machine
from django.http import QueryDict
from django.test import Client

from marketplace.core import clock
from marketplace.leads import searches
from marketplace.leads.models import Lead, SavedSearch
from marketplace.leads.tasks import forget_removed_searches
from tests.stock import make_lead

URL = "/searches/"
SAVE = "/searches/save/"


def save(client, name="Solar in Texas", query="vertical=solar&state=TX"):
    return client.post(SAVE, {"name": name, "query": query})


def kept(member):
    return list(SavedSearch.objects.for_user(member).kept())


def test_it_works(as_alice, alice):
    make_lead(vertical="solar", state="TX")
    assert save(as_alice).status_code == 302
    [search] = kept(alice)
    SavedSearch.objects.update(seen_at=clock.now() - timedelta(days=1))
    old = make_lead(vertical="solar", state="TX")
    Lead.objects.filter(pk=old.pk).update(listed_at=clock.now() - timedelta(days=2))
    make_lead(vertical="solar", state="OH")

    page = as_alice.get(URL).content.decode()
    assert "Solar in Texas" in page
    assert "1 new" in page
    assert "Solar · Texas" in page

    response = as_alice.get(f"{URL}{search.public_id}/")
    assert response.status_code == 302
    assert response["Location"] == "/leads/?vertical=solar&state=TX"
    assert "Nothing new" in as_alice.get(URL).content.decode()


def test_the_catalogue_offers_to_save_what_is_filtered(as_alice, alice, client):
    page = as_alice.get("/leads/?vertical=solar&state=TX&sort=price&view=map").content.decode()
    assert 'value="Solar, Texas"' in page
    assert 'name="query" value="vertical=solar&amp;state=TX&amp;sort=price&amp;view=map"' in page
    assert "Save this search" not in as_alice.get("/leads/").content.decode()
    assert "Save this search" not in Client().get("/leads/?state=TX").content.decode()
    save(as_alice, query="vertical=solar&state=TX&sort=price&view=map")
    assert [search.query for search in kept(alice)] == ["vertical=solar&state=TX&sort=price"]


def test_a_long_name_is_proposed_shortened(as_alice):
    page = as_alice.get("/leads/?state=CA&state=OH&state=TX&age=7d&mode=exclusive&certificate=1").content.decode()
    name = page.split('name="name" value="')[1].split('"')[0]
    assert name.startswith("California, Ohio, Texas")
    assert len(name) == 60


def test_only_what_the_catalogue_knows_is_kept(as_alice, alice):
    save(as_alice, query="state=TX&state=TX&utm_source=x&contact__phone=1&after=12_x&max=")
    assert [search.query for search in kept(alice)] == ["state=TX"]


def test_what_makes_no_sense_is_not_kept(as_alice, alice):
    """It would be told as a mistake at each visit."""
    save(as_alice, query="vertical=whales&state=TX&age=9d&min=-1&sort=upwards")
    assert [search.query for search in kept(alice)] == ["state=TX"]


def test_the_same_list_again_gets_the_new_name(as_alice, alice):
    save(as_alice, name="One")
    save(as_alice, name="Two")
    assert [search.name for search in kept(alice)] == ["Two"]


@pytest.mark.parametrize("name", ["", "   ", "x" * 61, "a\x00b"])
def test_a_bad_name_is_marked_and_kept(as_alice, alice, name):
    response = save(as_alice, name=name)
    page = response.content.decode()
    assert response.status_code == 422
    assert "<title>Error: " in page
    assert 'value="vertical=solar&amp;state=TX"' in page
    if len(name) > 60:
        assert name in page
    assert kept(alice) == []


def test_a_query_too_long_is_no_500(as_alice, alice):
    assert save(as_alice, query="state=" + "x" * 2000).status_code == 422
    assert save(as_alice, query="place=%FF%FE").status_code == 302


def test_there_is_a_limit(as_alice, alice, monkeypatch):
    monkeypatch.setattr(searches, "MOST", 2)
    for state in ("TX", "OH"):
        save(as_alice, query=f"state={state}")
    response = save(as_alice, query="state=CA")
    assert response.status_code == 422
    assert "Please remove one first." in response.content.decode()
    assert save(as_alice, name="Renamed", query="state=OH").status_code == 302
    assert len(kept(alice)) == 2


def test_filters_that_are_gone_are_left_out(as_alice, alice):
    now = clock.now()
    SavedSearch.objects.create(member=alice, name="Old", query="vertical=boats&state=TX", created_at=now, seen_at=now)
    assert as_alice.get(URL).status_code == 200


def test_a_removed_search_can_be_brought_back(as_alice, alice):
    save(as_alice)
    [search] = kept(alice)
    response = as_alice.post(f"{URL}{search.public_id}/remove/", follow=True)
    assert kept(alice) == []
    page = response.content.decode()
    assert f'action="{URL}{search.public_id}/restore/"' in page
    assert "Solar in Texas" not in page
    for _ in range(2):
        assert "Search restored." in as_alice.post(f"{URL}{search.public_id}/restore/", follow=True).content.decode()
    assert kept(alice) == [search]


def test_what_was_kept_again_meanwhile_stays(as_alice, alice):
    save(as_alice, name="First")
    [first] = kept(alice)
    as_alice.post(f"{URL}{first.public_id}/remove/")
    save(as_alice, name="Second")
    assert as_alice.post(f"{URL}{first.public_id}/restore/").status_code == 302
    assert [search.name for search in kept(alice)] == ["Second"]


def test_what_was_removed_is_deleted_after_an_hour(as_alice, alice):
    save(as_alice)
    [search] = kept(alice)
    as_alice.post(f"{URL}{search.public_id}/remove/")
    forget_removed_searches()
    assert SavedSearch.objects.exists()
    with time_machine.travel(clock.now() + timedelta(hours=1, seconds=1)):
        forget_removed_searches()
        assert not SavedSearch.objects.exists()
    page = as_alice.post(f"{URL}{search.public_id}/restore/", follow=True).content.decode()
    assert "This search was removed for good." in page


def test_what_is_not_mine_does_not_exist(as_alice, alice, client, bob):
    save(as_alice)
    [search] = kept(alice)
    his = Client()
    his.force_login(bob)
    assert his.get(f"{URL}{search.public_id}/").status_code == 404
    assert his.post(f"{URL}{search.public_id}/remove/").status_code == 404
    his.post(f"{URL}{search.public_id}/restore/")
    assert "Solar in Texas" not in his.get(URL).content.decode()
    assert kept(alice) == [search]


def test_signed_out(client, db):
    assert client.get(URL).status_code == 302
    assert client.get(f"{URL}abc/").status_code == 302
    assert client.post(SAVE, {"name": "x"}).status_code == 403


def test_as_many_queries_for_20_searches_as_for_one(as_alice, alice, django_assert_num_queries):
    save(as_alice, query="max=1")
    as_alice.get(URL)  # says "Search saved."
    with django_assert_num_queries(5):
        as_alice.get(URL)
    for cents in range(2, 21):
        save(as_alice, query=f"max={cents}")
    assert len(kept(alice)) == 20
    as_alice.get(URL)
    with django_assert_num_queries(5):
        as_alice.get(URL)


def test_news_are_counted_up_to_a_limit(as_alice, alice, monkeypatch):
    monkeypatch.setattr(searches, "NEWS", 2)
    save(as_alice, query="state=OH")
    SavedSearch.objects.update(seen_at=clock.now() - timedelta(days=1))
    for _ in range(4):
        make_lead()
    assert "2+ new" in as_alice.get(URL).content.decode()


def test_a_look_is_no_change_by_head(as_alice, alice):
    save(as_alice)
    [search] = kept(alice)
    as_alice.head(f"{URL}{search.public_id}/")
    assert kept(alice)[0].seen_at == search.seen_at


def test_the_form_reads_its_query_back(as_alice, alice):
    save(as_alice, query="place=43215&miles=50&min=5")
    assert searches.form_of(kept(alice)[0]).query == QueryDict("place=43215&miles=50&min=5")
