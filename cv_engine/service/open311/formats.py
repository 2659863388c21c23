"""The two formats of GeoReport: JSON, and XML of the same names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from http import HTTPStatus
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from starlette.responses import JSONResponse, Response

from cv_engine.service.problems import RESPONSES as PROBLEMS

_XML = "text/xml"
_ALLOWED = {0x09, 0x0A, 0x0D}  # control characters that XML 1.0 has


class Format(StrEnum):
    """The format of an answer."""

    JSON = "json"
    XML = "xml"


#: What every route may answer, for the OpenAPI description.
RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {
        "description": HTTPStatus(status).phrase,
        "content": {
            **PROBLEMS.get(status, {}).get("content", {}),
            **{name: {"schema": {}} for name in ("application/json", _XML)},
        },
    }
    for status in (int(HTTPStatus.OK), int(HTTPStatus.CREATED), *map(int, PROBLEMS))
}


def answer(
    form: Format, root: str, each: str, rows: Sequence[Mapping[str, Any]], status: int = 200
) -> Response:
    """An answer with some rows.

    Args:
        form: The format.
        root: Name of the XML document.
        each: Name of the XML element of a row.
        rows: The rows.
        status: The status.
    """
    if form is Format.JSON:
        return JSONResponse([dict(row) for row in rows], status)
    document = Element(root)
    for row in rows:
        _add(SubElement(document, each), row)
    content = tostring(document, encoding="utf-8", xml_declaration=True)
    return Response(content, status, media_type=f"{_XML}; charset=utf-8")


def _add(element: Element, row: Mapping[str, Any]) -> None:
    for name, value in row.items():
        child = SubElement(element, name)
        if value is not None:
            child.text = _text(value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "".join(
        sign
        for sign in str(value)
        if (ord(sign) >= 0x20 or ord(sign) in _ALLOWED) and not 0xD800 <= ord(sign) <= 0xDFFF
    )
