"""Values of requests: what a person or program may send, within limits."""

from __future__ import annotations

import base64
import binascii
import math
from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Path, Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from cv_engine.cases import Assignment, Case
from cv_engine.service.errors import ServiceError
from cv_engine.service.shared import Shared, shared_of

_MOST_NUMBER = 2**31 - 1  # of a case, as PostgreSQL keeps it
_YEARS = (1970, 2199)  # of a time: beyond, databases and time zones differ


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("the text holds a NUL character: remove it")
    return text


def _in_years(at: datetime) -> datetime:
    if not _YEARS[0] <= at.year <= _YEARS[1]:
        raise ValueError(f"the year is not between {_YEARS[0]} and {_YEARS[1]}")
    return at


#: What all requests share.
Sharing = Annotated[Shared, Depends(shared_of)]
#: A name: of a kind, a zone, a camera, a department, a person.
Name = Annotated[str, Field(max_length=200), AfterValidator(_storable)]
#: What a person writes.
Note = Annotated[str, Field(max_length=10_000), AfterValidator(_storable)]
#: A time with its offset from UTC.
Moment = Annotated[AwareDatetime, AfterValidator(_in_years)]
#: Number of a case in the path of a request.
CaseNumber = Annotated[int, Path(ge=1, le=_MOST_NUMBER, examples=[12])]
#: The same in a body.
CaseId = Annotated[int, Field(ge=1, le=_MOST_NUMBER, examples=[12])]
#: Version of a case that a person has seen.
Version = Annotated[
    int,
    Field(
        ge=1,
        le=_MOST_NUMBER,
        examples=[3],
        description="Version of the case that you have seen: if it has changed, nothing is done.",
    ),
]


class Request(BaseModel):
    """Base of all bodies: what is not known is refused."""

    model_config = ConfigDict(extra="forbid")


class To(Request):
    """Who is to act on a case."""

    department: Name = Field(examples=["sanitation"], description="Its id or name.")
    team: Name | None = None
    officer: Name | None = None

    def assignment(self) -> Assignment:
        """The same for the queue."""
        return Assignment(self.department, self.team, self.officer)


def read_box(text: str) -> tuple[float, float, float, float]:
    """A box of degrees, written as ``west,south,east,north``.

    Raises:
        ServiceError: The text is no such box.
    """
    try:
        west, south, east, north = (float(part) for part in text.split(","))
        if not all(map(math.isfinite, (west, south, east, north))):
            raise ValueError
        if max(abs(west), abs(east)) > 180 or max(abs(south), abs(north)) > 90:
            raise ValueError
    except ValueError:
        raise ServiceError(
            f"box {text}: four numbers of degrees are wanted, west, south, east, north, such as "
            "121.50,29.80,121.60,29.90"
        ) from None
    return west, south, east, north


def cursor_of(case: Case) -> str:
    """The place of a case in a list, from which the next page continues."""
    text = f"{case.began.isoformat()} {case.id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> tuple[datetime, int]:
    """Start and number of the case that a page ended with.

    Raises:
        ServiceError: The text is no cursor.
    """
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        at, _, number = (
            base64.b64decode(padded, altchars=b"-_", validate=True).decode().partition(" ")
        )
        began, case_id = datetime.fromisoformat(at), int(number)
        if began.tzinfo is None or not 0 < case_id <= _MOST_NUMBER:
            raise ValueError
        return _in_years(began), case_id
    except (ValueError, binascii.Error):
        raise ServiceError(
            f"cursor {cursor[:40]}: not one of this API; take `next` of the page before",
            HTTPStatus.BAD_REQUEST,
        ) from None


#: Number of rows of a page.
Limit = Annotated[int, Query(ge=1, le=500, description="Largest number of rows.")]
