"""A report as one HTML file: its frame, its look, and the elements that every report has."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from importlib.resources import files


def page(title: str, body: Iterable[str], *, style: str = "", script: str = "") -> str:
    """A whole page, readable on a phone, on a screen and on paper.

    Nothing is fetched: style and script are in the file.

    Args:
        title: The title, as plain text.
        body: The content in pieces of HTML.
        style: CSS besides that of every report.
        script: JavaScript, run when the content is there; the page has to read well without it.
    """
    run = f"<script>{script}</script>" if script else ""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_look()}{style}</style><body>{''.join(body)}{run}</body></html>\n"
    )


def table(headers: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table that scrolls sideways where the screen is narrow; cells are HTML.

    Args:
        headers: The ``th`` elements of the first row.
        rows: The ``td`` elements of each other row.
    """
    body = "".join(f"<tr>{''.join(cells)}</tr>" for cells in rows)
    return (
        f'<div class="wide"><table><thead><tr>{"".join(headers)}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def picture(link: str, source: str, text: str, caption: str, name: str = "") -> str:
    """A picture that opens, with its caption below.

    Args:
        link: Address of the picture in full size.
        source: Address of the picture shown, or the picture itself as a ``data:`` address.
        text: What the picture shows, for who cannot see it; plain text.
        caption: The caption, as HTML.
        name: Name of the element, for links to it.
    """
    mark = f' id="{escape(name)}"' if name else ""
    return (
        f'<figure{mark}><a href="{escape(link)}"><img loading="lazy" src="{escape(source)}" '
        f'alt="{escape(text)}"></a><figcaption>{caption}</figcaption></figure>'
    )


def _look() -> str:
    return files(__package__).joinpath("look.css").read_text(encoding="utf-8")
