from tests.marketplace.conftest import log  # noqa: F401 - a fixture
