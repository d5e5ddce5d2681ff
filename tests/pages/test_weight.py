"""What a first visit to each page weighs, with everything that the page loads by itself, as a proxy sends it: gzipped."""

import gzip
from urllib.parse import urlsplit

import html5lib
import pytest

from tests.support import world
from tests.support.lint import XHTML

FIRST_LOAD = 120 * 1024
CODE = 45 * 1024


@pytest.fixture
def clients(app, scene):
    return {
        "nobody": app.test_client(),
        "owner": world.sign_in(app.test_client(), scene.owner),
        "admin": world.sign_in(app.test_client(), scene.admin),
    }


def loaded(html: str) -> set[str]:
    """The addresses that a browser loads for a page, without their fragments."""
    found = set()
    for element in html5lib.parse(html).iter():
        tag = str(element.tag).removeprefix(XHTML)
        if tag == "link" and element.get("rel") in {"stylesheet", "icon"}:
            found.add(element.get("href"))
        elif tag in {"script", "img"} and element.get("src"):
            found.add(element.get("src"))
        elif tag.endswith("use"):
            found.add(element.get("href"))
    return {urlsplit(address)._replace(fragment="").geturl() for address in found if address and not address.startswith("data:")}


def test_no_page_weighs_more_than_its_budget(pages, clients):
    found, _lost = pages
    sizes: dict[str, int] = {}
    wrong, heaviest = [], 0
    for who, paths in found.items():
        for path in paths:
            page = clients[who].get(path)
            parts = loaded(page.text)
            for address in parts - sizes.keys():
                answer = clients[who].get(address)
                assert answer.status_code == 200, address
                sizes[address] = len(gzip.compress(answer.data, 6))
                answer.close()
            code = sum(sizes[address] for address in parts if urlsplit(address).path.endswith((".css", ".js")))
            whole = len(gzip.compress(page.data, 6)) + sum(sizes[address] for address in parts)
            heaviest = max(heaviest, whole)
            if whole > FIRST_LOAD or code > CODE:
                wrong.append(f"{path}: {whole:,} bytes, CSS and JS {code:,}")
    assert wrong == []
    assert heaviest > 30 * 1024  # it did look at what pages load
