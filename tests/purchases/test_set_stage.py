"""`POST /my-leads/<id>/stage/`: say which stage a lead is in."""

from urllib.parse import quote

import pytest
from django.test import Client
from django.urls import reverse

from marketplace.purchases.models import Purchase
from marketplace.purchases.stages import set_stage


def url(purchase):
    return reverse("purchases:set_stage", args=[purchase.public_id])


def stage_of(purchase):
    return Purchase.objects.get(pk=purchase.pk).stage


def test_it_works(as_alice, purchase):
    response = as_alice.post(url(purchase), {"stage": "quoted"}, follow=True)

    assert response.redirect_chain == [(reverse("purchases:my_lead", args=[purchase.public_id]), 302)]
    assert "Stage saved: Quoted." in response.content.decode()
    assert stage_of(purchase) == "quoted"
    assert Purchase.objects.get().stage_changed_at is not None


def test_saying_it_twice_changes_nothing(as_alice, purchase):
    as_alice.post(url(purchase), {"stage": "won"})
    changed_at = Purchase.objects.get().stage_changed_at
    as_alice.post(url(purchase), {"stage": "won"})
    assert Purchase.objects.get().stage_changed_at == changed_at


def test_undo_says_the_former_stage(as_alice, purchase):
    set_stage(purchase, "contacted")
    page = as_alice.post(url(purchase), {"stage": "won", "next": "/my-leads/?q=a"}, follow=True).content.decode()
    form = page.split('class="flashes"')[1].split("</form>")[0]
    assert f'action="{url(purchase)}"' in form
    assert '<input type="hidden" name="stage" value="contacted">' in form
    assert '<input type="hidden" name="next" value="/my-leads/?q=a">' in form
    assert '<input type="hidden" name="undo" value="1">' in form
    for _ in range(2):
        page = as_alice.post(url(purchase), {"stage": "contacted", "undo": "1"}, follow=True).text
        assert stage_of(purchase) == "contacted"
        assert "Undone: the stage is Contacted again." in page
        assert "Stage saved" not in page


def test_nothing_to_undo_if_nothing_changed(as_alice, purchase):
    page = as_alice.post(url(purchase), {"stage": "new"}, follow=True).content.decode()
    assert "The stage is New." in page
    assert "Undo" not in page


def test_the_list_comes_back_to_where_it_was(as_alice, purchase):
    there = "/my-leads/?stage=new&q=Columbus"
    assert as_alice.post(url(purchase), {"stage": "won", "next": there})["Location"] == there


@pytest.mark.parametrize(
    "there",
    [
        "//evil.example",
        "https://evil.example/",
        "https:evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "\t//evil.example",
        "",
    ],
)
def test_it_never_leads_elsewhere(as_alice, purchase, there):
    """B23"""
    response = as_alice.post(url(purchase), {"stage": "won", "next": there})
    assert response["Location"] == reverse("purchases:my_lead", args=[purchase.public_id])


@pytest.mark.parametrize("stage", ["", "sold", "NEW", "new\x00", "1"])
def test_other_stages_are_refused(as_alice, purchase, stage):
    response = as_alice.post(url(purchase), {"stage": stage})
    page = response.content.decode()
    assert response.status_code == 422
    assert "<title>Error: " in page
    assert 'id="id_stage_error"' in page
    assert "Priya Raman" in page
    assert stage_of(purchase) == "new"


def test_others_do_not_exist(client, bob, purchase):
    client.force_login(bob)
    assert client.post(url(purchase), {"stage": "won"}).status_code == 404
    assert stage_of(purchase) == "new"


def test_a_visitor_signs_in_and_comes_back_to_the_list_of_the_form(client, purchase):
    response = client.post(url(purchase), {"stage": "won", "next": "/my-leads/?q=a&stage=new"})
    assert response.status_code == 403
    assert f'href="{reverse("account_login")}?next={quote("/my-leads/?q=a&stage=new", safe="")}"' in response.text
    assert "elsewhere" not in client.post(url(purchase), {"next": "//elsewhere.example"}).text.split("<main")[1]
    assert stage_of(purchase) == "new"


def test_reading_is_refused(as_alice, purchase):
    assert as_alice.get(url(purchase)).status_code == 405


def test_the_form_needs_its_token(alice, purchase):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)
    assert browser.post(url(purchase), {"stage": "won"}).status_code == 403
    assert stage_of(purchase) == "new"
