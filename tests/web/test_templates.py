"""What templates get from us."""

from uuid import uuid4

from flask import url_for

from portal.web.templates import url_of_each


def test_the_address_of_a_row_is_the_one_that_is_built_for_it_alone(app):
    values = {"slug": "acme", "status": "PENDING", "q": "a & b"}
    with app.test_request_context():
        resend_url = url_of_each("invites.resend", "invitation_id", **values)
        for row_id in (str(uuid4()), str(uuid4())):
            assert resend_url(row_id) == url_for("invites.resend", invitation_id=row_id, **values)


def test_a_file_that_browsers_keep_is_there_by_its_address(app):
    with app.test_request_context():
        address = app.jinja_env.globals["static_url"]("favicon.svg")
    with app.test_client().get(address) as answer:
        assert (answer.status_code, answer.mimetype) == (200, "image/svg+xml")
    assert address.partition("?v=")[2] != app.jinja_env.globals["static_url"]("js/app.js").partition("?v=")[2]
