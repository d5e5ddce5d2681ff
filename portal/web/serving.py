"""Files that can be asked for again: with an ETag, and in parts."""

from io import BytesIO
from typing import Annotated, Literal

from flask import send_file
from flask.typing import ResponseReturnValue
from pydantic import Field

from portal.web.schema import In

PDF = "application/pdf"


class CopyQuery(In):
    """Which copy of a document is wanted: ``original`` is the one that was issued; otherwise it shows how it stands now."""

    of: Annotated[Literal["original", "current"], Field(alias="copy")] = "current"


def serve(content: bytes, *, file_name: str, media_type: str, etag: str) -> ResponseReturnValue:
    """A file to save. ``If-None-Match`` with its ETag is answered by 304, ``Range`` by the part (RFC 9110, sections 13 and 14).

    Args:
        content: All of it.
        file_name: What it is saved as.
        media_type: Such as ``application/pdf``.
        etag: Changes with the content; hexadecimal digits.
    """
    answer = send_file(BytesIO(content), mimetype=media_type, as_attachment=True, download_name=file_name, etag=etag, conditional=True)
    answer.cache_control.private = True  # nobody's proxy keeps it; a browser may, and asks each time
    return answer
