import logging
from collections.abc import Iterator
from importlib import reload
from io import StringIO
from pathlib import Path

import pytest
from django.urls import clear_url_caches

from marketplace import urls


@pytest.fixture
def demo(settings, tmp_path) -> Iterator[Path]:
    """The routes and the mailbox of the demo; gives the mailbox's folder."""
    settings.DEBUG = True
    settings.MAIL_FILES = tmp_path
    settings.EMAIL_BACKEND = "marketplace.mail.backends.OneFilePerMessage"
    reload(urls)
    clear_url_caches()
    yield tmp_path
    settings.DEBUG = False
    reload(urls)
    clear_url_caches()


@pytest.fixture
def log() -> Iterator[StringIO]:
    """What the site writes to its log."""
    stream = StringIO()
    (handler,) = [each for each in logging.getLogger().handlers if type(each) is logging.StreamHandler]
    before = handler.setStream(stream)
    yield stream
    handler.setStream(before)
