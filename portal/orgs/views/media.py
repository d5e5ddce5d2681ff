"""What browsers load for an organization: its pictures, and its colours as a stylesheet.

Both have what they hold in their address, so that a browser may keep them for good.
"""

import re

from flask import Blueprint, Response
from flask.typing import ResponseReturnValue

from portal import db
from portal.errors import NotFound
from portal.orgs.rules.colors import swatch
from portal.orgs.service import branding
from portal.web.gates import public
from portal.web.security import ONE_YEAR

bp = Blueprint("media", __name__, url_prefix="/media")
FOR_GOOD = f"public, max-age={ONE_YEAR}, immutable"
MEDIA_TYPES = {"png": "image/png", "jpg": "image/jpeg"}
_FILE_NAME = re.compile(r"(logo|banner)-[0-9a-f]{32}\.(?P<suffix>png|jpg)")
_COLORS = re.compile(r"(?P<primary>[0-9a-f]{6})(?:-(?P<secondary>[0-9a-f]{6}))?")


@bp.get("/organizations/<organization_id>/<file_name>")
@public
def picture(organization_id: str, file_name: str) -> ResponseReturnValue:
    """An uploaded logo or banner."""
    name = _FILE_NAME.fullmatch(file_name)
    content = branding.picture_of(organization_id, file_name) if name and db.is_id(organization_id) else None
    if name is None or content is None:
        raise NotFound("There is no such picture.", code="PICTURE_NOT_FOUND")
    return Response(content, headers={"Content-Type": MEDIA_TYPES[name["suffix"]], "Cache-Control": FOR_GOOD})


@bp.get("/brand/<colors>.css")
@public
def stylesheet(colors: str) -> ResponseReturnValue:
    """Brand colours as custom properties, each with the ink that is read best on it."""
    found = _COLORS.fullmatch(colors)
    if found is None:
        raise NotFound("There is no such stylesheet.", code="STYLESHEET_NOT_FOUND")
    primary = swatch("#" + found["primary"])
    secondary = swatch("#" + (found["secondary"] or found["primary"]))
    css = (
        f":root{{--brand:{primary.color};--brand-ink:{primary.ink};--brand-second:{secondary.color};--brand-second-ink:{secondary.ink}}}\n"
    )
    return Response(css, headers={"Content-Type": "text/css; charset=utf-8", "Cache-Control": FOR_GOOD})
