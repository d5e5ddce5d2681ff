"""What comes in about consultants, and how they look in JSON."""

from datetime import datetime
from typing import Annotated

from pydantic import StringConstraints

from portal.web.schema import In, Out


class ConsultantIn(In):
    """A profile."""

    headline: Annotated[str, StringConstraints(min_length=3, max_length=160, pattern=r"^[^\x00-\x1f]*$")]


class ConsultantOut(Out):
    """A consultant; the id is the user's."""

    user_id: str
    headline: str
    verified_at: datetime | None
