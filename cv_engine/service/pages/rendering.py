"""Templates: every value is escaped, wherever it comes from."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("cv_engine.service.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )


def page(template: str, status: int = 200, /, **values: Any) -> HTMLResponse:
    """The page of a template.

    Args:
        template: Name of the template.
        status: The status of the answer.
        **values: What the template shows.
    """
    return HTMLResponse(_environment().get_template(template).render(values), status)
