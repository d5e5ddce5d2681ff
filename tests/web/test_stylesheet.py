"""All stylesheets come as one file that a browser keeps until something in it changes."""

import re

import pytest
from flask import Flask

from portal.app import TOP
from portal.web import stylesheet
from portal.web.stylesheet import PARTS, PRINTED, _join

STATIC = TOP / "static"
OF_ONE_PAGE = {"css/docs"}


def test_every_file_is_in_it_once_in_its_order_and_what_is_printed_holds_for_paper_alone(app):
    answer = app.test_client().get("/static/portal.css")
    assert answer.status_code == 200
    assert answer.mimetype == "text/css"
    at = [answer.text.index((STATIC / f"{part}.css").read_text()) for part in PARTS]
    assert at == sorted(at)
    screen, printed = answer.text.split((STATIC / f"{PRINTED}.css").read_text())
    assert screen.endswith("@media print {\n")
    assert printed == "}\n"


def test_no_file_is_forgotten():
    there = {f"css/{path.stem}" for path in (STATIC / "css").glob("*.css")}
    assert there == {part for part in PARTS if part.startswith("css/")} | {PRINTED} | OF_ONE_PAGE


@pytest.mark.parametrize(("in_development", "kept"), [(False, "public, max-age=31536000, immutable"), (True, "no-cache")])
def test_its_address_names_its_version_so_that_browsers_keep_it(in_development, kept):
    app = Flask("sheet", root_path=str(TOP), static_folder="static")
    address = stylesheet.init_app(app, in_development=in_development)()
    assert re.fullmatch(r"/static/portal\.css\?v=[0-9a-f]{12}", address)
    assert app.test_client().get(address).headers["Cache-Control"] == kept


def test_its_version_changes_with_any_of_its_files(tmp_path):
    for part in (*PARTS, PRINTED):
        target = tmp_path / f"{part}.css"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(f".{part.rpartition('/')[2]} {{}}\n")
    before = _join(tmp_path)[1]
    (tmp_path / f"{PRINTED}.css").write_text("")
    assert _join(tmp_path)[1] != before
