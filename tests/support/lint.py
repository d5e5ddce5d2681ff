"""What every HTML answer of the portal keeps to: valid HTML, one h1 that is the title, labels, names, and a way without JavaScript."""

import html5lib

XHTML = "{http://www.w3.org/1999/xhtml}"
REQUESTS = ("hx-get", "hx-post", "hx-put", "hx-patch", "hx-delete")
HEADERS = ("Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy")


def text_of(element) -> str:
    """An element's words, with single spaces."""
    return " ".join("".join(element.itertext()).split())


def problems(answer) -> list[str]:
    """What is wrong with an HTML answer: a whole page, or a fragment of one."""
    parser = html5lib.HTMLParser(strict=False)
    is_page = answer.text.lstrip().lower().startswith("<!doctype")
    tree = parser.parse(answer.text) if is_page else parser.parseFragment(answer.text)
    found = [f"invalid HTML at {position}: {code} {details}" for position, code, details in parser.errors]
    elements = [element for element in tree.iter() if isinstance(element.tag, str)]
    found += _ids(elements) + _labels(elements) + _names(elements) + _ways(elements) + _inline(elements)
    if is_page:
        found += _headings(elements) + _headers(answer)
    return found


def _all(elements, *names: str):
    return [element for element in elements if element.tag in {XHTML + name for name in names}]


def _ids(elements) -> list[str]:
    ids = [element.get("id") for element in elements if element.get("id")]
    known = set(ids)
    twice = [f"the id {name} stands twice" for name in known if ids.count(name) > 1]
    pointers = [
        f"{attribute}={value} points nowhere"
        for element in elements
        for attribute in ("for", "aria-describedby", "aria-labelledby", "commandfor", "popovertarget")
        for value in (element.get(attribute) or "").split()
        if value not in known
    ]
    return twice + pointers


def _labels(elements) -> list[str]:
    labelled = {label.get("for") for label in _all(elements, "label")}
    fields = [field for field in _all(elements, "input", "select", "textarea") if field.get("type") != "hidden"]
    inside = {id(field) for label in _all(elements, "label") for field in label.iter()}
    return [
        f"the field {field.get('name')} has no label"
        for field in fields
        if field.get("id") not in labelled and not field.get("aria-label") and id(field) not in inside
    ]


def _names(elements) -> list[str]:
    nameless = [
        f"a {element.tag.removeprefix(XHTML)} has no name"
        for element in _all(elements, "button", "a")
        if not text_of(element) and not element.get("aria-label")
    ]
    return nameless + ["an image has no alt" for image in _all(elements, "img") if image.get("alt") is None]


def _ways(elements) -> list[str]:
    found = []
    for element in elements:
        if not any(element.get(name) for name in REQUESTS):
            continue
        polls = "every" in (element.get("hx-trigger") or "")
        if not polls and not element.get("href") and not element.get("action") and not element.get("formaction"):
            found.append(f"{element.tag.removeprefix(XHTML)} works only with JavaScript")
    for form in _all(elements, "form"):
        fields = {field.get("name") for field in form.iter() if field.tag == XHTML + "input"}
        if (form.get("method") or "get").lower() == "post" and "csrf_token" not in fields:
            found.append(f"the form to {form.get('action')} has no CSRF token")
    return found


def _inline(elements) -> list[str]:
    found = [f"inline {name}" for element in elements for name in element.attrib if name == "style" or name.startswith("on")]
    found += ["an inline script" for script in _all(elements, "script") if not script.get("src")]
    return found + ["an inline stylesheet" for _style in _all(elements, "style")]


def _headings(elements) -> list[str]:
    headings, titles = _all(elements, "h1"), _all(elements, "title")
    if len(headings) != 1 or not titles:
        return [f"{len(headings)} h1 and {len(titles)} title"]
    title, heading = text_of(titles[0]), text_of(headings[0])
    return [] if title == heading else [f"the title {title!r} isn't the h1 {heading!r}"]


def _headers(answer) -> list[str]:
    missing = [f"no header {name}" for name in HEADERS if name not in answer.headers]
    return missing + ([] if answer.headers.get("Cache-Control") == "no-store" else ["it may be kept by caches"])
