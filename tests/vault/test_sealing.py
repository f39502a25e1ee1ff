"""What is sealed opens in its own row only, with a key of the ring, and only unaltered."""

import base64

import pytest
from django.core.exceptions import ImproperlyConfigured

from marketplace.leads.services import contact_of
from privacy.vault.digests import digest, digests
from privacy.vault.keys import parse_ring
from privacy.vault.sealing import CannotOpen, key_of, seal, unseal
from tests.stock import make_lead

OLD, NEW = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))
VALUE = {"phone_1": "+16145550123", "name": "José"}


def test_it_works():
    sealed = seal(VALUE, "leads|sealed|a")
    assert unseal(sealed, "leads|sealed|a") == VALUE
    assert "6145550123" not in sealed


def test_the_same_value_never_looks_the_same():
    assert seal(VALUE, "a") != seal(VALUE, "a")


@pytest.mark.parametrize("place", ["leads|sealed|b", "mail|sealed|a", "leads|other|a", ""])
def test_it_does_not_open_in_another_place(place):
    with pytest.raises(CannotOpen):
        unseal(seal(VALUE, "leads|sealed|a"), place)


@pytest.mark.parametrize(
    "spoil", [lambda s: s[:-8] + "AAAAAAA=", lambda s: s[:20], lambda s: "t1.!!", lambda s: "x" + s, lambda s: ""]
)
def test_it_does_not_open_altered(spoil):
    with pytest.raises(CannotOpen):
        unseal(spoil(seal(VALUE, "a")), "a")


def test_an_old_key_opens_and_the_first_seals(settings):
    settings.SEALING_KEYS = f"old:{OLD}"
    sealed = seal(VALUE, "a")
    settings.SEALING_KEYS = f"new:{NEW},old:{OLD}"
    assert unseal(sealed, "a") == VALUE
    assert key_of(seal(VALUE, "a")) == "new"


def test_a_key_retired_too_early_opens_nothing(settings):
    settings.SEALING_KEYS = f"old:{OLD}"
    sealed = seal(VALUE, "a")
    settings.SEALING_KEYS = f"new:{NEW}"
    with pytest.raises(CannotOpen):
        unseal(sealed, "a")


@pytest.mark.parametrize(
    "text",
    [
        *("", "a", "a:", "a:%%%", f":{OLD}", "a:" + base64.b64encode(b"short").decode()),
        *(f"a:{OLD},a:{NEW}", f"a:{OLD},A:{NEW}", f"é:{OLD}", f"k_1:{OLD}", f"ninechars:{OLD}"),
    ],
)
def test_a_bad_ring_is_refused(text):
    with pytest.raises(ImproperlyConfigured):
        parse_ring("SEALING_KEYS", text)


def test_digests_are_keyed_and_kept_apart_by_kind(settings):
    first = digest("phone", "+16145550123")
    assert first != digest("email", "+16145550123")
    settings.DIGEST_KEYS = f"new:{NEW},t1:{base64.b64encode(bytes(32)).decode()}"
    assert digest("phone", "+16145550123") != first
    assert first in digests("phone", "+16145550123")


@pytest.mark.django_db
def test_a_contact_moved_to_another_lead_does_not_open():
    one, two = make_lead(), make_lead()
    two.contact.sealed = one.contact.sealed
    with pytest.raises(CannotOpen):
        contact_of(two)
