"""Answers for people: whole pages, blocks of them for HTMX, redirects and toasts."""

from typing import Any, NamedTuple

from flask import Response, flash, get_flashed_messages, make_response, redirect, render_template, request, url_for
from jinja2_fragments.flask import render_block

CSV = "text/csv; charset=utf-8"


class Toast(NamedTuple):
    """A short message after an act."""

    text: str
    tone: str
    undo_url: str | None = None


def toast(text: str, *, tone: str = "success", undo_url: str | None = None) -> None:
    """Shows a finished sentence on the next page or fragment that this browser gets.

    Args:
        text: The sentence.
        tone: ``success``, ``error`` or ``info``.
        undo_url: Where a POST takes the act back; the toast then stays until it is closed.
    """
    flash((text, undo_url), tone)  # type: ignore[arg-type] # what the session keeps as JSON comes back as it went in


def wants_fragment() -> bool:
    """Whether HTMX asks for a part of a page (boosted and history-restore requests want a whole one)."""
    headers = request.headers
    return (
        headers.get("HX-Request") == "true"
        and headers.get("HX-Request-Type") != "full"
        and headers.get("HX-Boosted") != "true"
        and headers.get("HX-History-Restore-Request") != "true"
    )


def page(template: str, *, block: str = "", status: int = 200, **context: Any) -> Response:  # noqa: ANN401 - a template's context
    """Renders the whole page, or only ``block`` with the toasts out of band when HTMX asks for a part.

    Args:
        template: The page's template.
        block: The Jinja block that a fragment request wants; its name is its element's id with ``_`` for ``-``.
        status: The HTTP status.
        context: What the template shows.
    """
    if block and wants_fragment():
        html = render_block(template, block, **context) + render_template("components/toasts.html", toasts=pending_toasts())
    else:
        html = render_template(template, **context)
    response = make_response(html, status)
    response.vary.update(("HX-Request", "HX-Request-Type"))
    return response


def download(content: bytes, *, file_name: str, media_type: str) -> Response:
    """A file for the browser to save; ``file_name`` is our own (ASCII letters, digits, ``-`` and ``.``)."""
    disposition = f'attachment; filename="{file_name}"'
    return Response(content, headers={"Content-Type": media_type, "Content-Disposition": disposition})


def redirect_to(endpoint: str, **values: Any) -> Response:  # noqa: ANN401 - a URL's values
    """Leads the browser to another page after an act (303, or ``HX-Redirect`` for a fragment request)."""
    return redirect_to_path(url_for(endpoint, **values))


def redirect_to_path(path: str) -> Response:
    """As ``redirect_to``, to a local path that was checked before."""
    if wants_fragment():
        return Response(status=204, headers={"HX-Redirect": path})
    return make_response(redirect(path, 303))


def leave_to(url: str) -> Response:
    """Leads the browser to another company's page, such as a payment provider's; never to an address that a person sent."""
    if wants_fragment():
        return Response(status=204, headers={"HX-Redirect": url})
    return make_response(redirect(url, 303))


def local_path(target: str | None, *, otherwise: str) -> str:
    """``target`` when it is a path of this site, so that a link can't lead people elsewhere."""
    if target and target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable() and "\\" not in target:
        return target
    return otherwise


def pending_toasts() -> list[Toast]:
    """The toasts that this browser hasn't seen yet; reading them uses them up."""
    flashed: list[tuple[str, tuple[str, str | None]]] = get_flashed_messages(with_categories=True)  # type: ignore[assignment] # as toast() put it
    return [Toast(text=text, tone=tone, undo_url=undo_url) for tone, (text, undo_url) in flashed]
