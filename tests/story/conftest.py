"""A real portal, and Debian's Chromium to look at it."""

import pytest

from tests.support.browser import browser
from tests.support.portal_process import running


@pytest.fixture(scope="module")
def portal(tmp_path_factory):
    """Web, worker and scheduler on databases of their own."""
    with running(tmp_path_factory.mktemp("portal")) as portal:
        yield portal


@pytest.fixture(scope="module")
def chromium():
    """The browser."""
    with browser() as chromium:
        yield chromium
