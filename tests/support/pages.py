"""A visitor without JavaScript: keeps cookies, fills in the forms that stand on a page, follows redirects. Every answer is linted."""

from urllib.parse import urlsplit

import html5lib

from tests.support.lint import XHTML, problems, text_of

PARTIAL = {"HX-Request": "true", "HX-Request-Type": "partial"}
MOST_REDIRECTS = 5


class Visitor:
    """One browser.

    Attributes:
        client: Flask's test client, for what a browser doesn't do by itself.
        answer: The last answer.
        path: Where the visitor stands, with the query.
    """

    def __init__(self, app) -> None:
        self.client = app.test_client()
        self.answer = None
        self.path = ""

    def get(self, path: str, *, status: int = 200, headers: dict[str, str] | None = None):
        """Opens a page and follows where it leads; returns the visitor."""
        return self._arrive(self.client.get(path, headers=headers), path, status=status)

    def submit(self, action: str, *, status: int = 200, **fields: str):
        """Fills in the form of the present page that goes to ``action`` and sends it, with what stands in its other fields."""
        form = self.form(action)
        values = _values(form)
        unknown = fields.keys() - values.keys()
        assert not unknown, f"{self.path} has no field {unknown}"
        return self._arrive(self.client.post(form.get("action"), data={**values, **fields}), action, status=status)

    def form(self, action: str):
        """The form of the present page that posts to a path."""
        forms = [form for form in self._tree().iter(XHTML + "form") if urlsplit(form.get("action", "")).path == action]
        assert forms, f"{self.path} has no form to {action}"
        return forms[0]

    def fragment(self, path: str, *, block: str, status: int = 200):
        """Asks for a part of a page, as HTMX does; its root's id must be the block's."""
        answer = self.client.get(path, headers=PARTIAL)
        assert answer.status_code == status, answer.text
        assert problems(answer) == []
        root = next(element for element in html5lib.parseFragment(answer.text) if isinstance(element.tag, str))
        assert root.get("id") == block
        return answer

    @property
    def heading(self) -> str:
        """The h1's words."""
        return text_of(next(self._tree().iter(XHTML + "h1")))

    @property
    def words(self) -> str:
        """Everything that can be read on the page."""
        return text_of(next(self._tree().iter(XHTML + "body")))

    @property
    def cookie(self) -> str:
        """The sign-in cookie's value, or an empty string."""
        found = self.client.get_cookie("portal")
        return found.value if found else ""

    def _tree(self):
        return html5lib.parse(self.answer.text)

    def _arrive(self, answer, path: str, *, status: int):
        for _redirect in range(MOST_REDIRECTS):
            if answer.status_code != 303:
                break
            path = answer.location
            assert path.startswith("/"), f"{path} leads elsewhere"
            assert not path.startswith("//"), f"{path} leads elsewhere"
            answer = self.client.get(path)
        assert answer.status_code == status, f"{path}: {answer.status_code}\n{answer.text}"
        assert problems(answer) == [], path
        self.answer, self.path = answer, path
        return self


def _values(form) -> dict[str, str]:
    values = {field.get("name"): field.get("value", "") for field in form.iter(XHTML + "input") if field.get("name")}
    for area in form.iter(XHTML + "textarea"):
        values[area.get("name")] = "".join(area.itertext())
    for select in form.iter(XHTML + "select"):
        options = list(select.iter(XHTML + "option"))
        chosen = next((option for option in options if "selected" in option.attrib), options[0])
        values[select.get("name")] = chosen.get("value", "")
    return values
