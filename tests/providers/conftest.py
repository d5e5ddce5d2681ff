"""What tests of provider organizations ask for."""

import pytest

from tests.support.hosting import make_house


@pytest.fixture
def house(rung, app, provider_orgs):
    """A verified PROVIDER organization, while ``ENABLE_PROVIDER_ORGS`` is on."""
    return make_house(app, rung)
