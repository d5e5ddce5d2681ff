"""The OpenAPI 3.1 document of the JSON API: pydantic writes the schemas, here they are put beside their routes.

A view says with ``describes`` what it reads and answers; its path, summary, gate, CSRF and usual refusals are read off the route
itself, so they can't be forgotten or wrong.
"""

from portal.web.openapi.api import bp, document, undescribed
from portal.web.openapi.described import describes, listed, served, wrapped
from portal.web.openapi.examples import IDS

__all__ = ["IDS", "bp", "describes", "document", "listed", "served", "undescribed", "wrapped"]
