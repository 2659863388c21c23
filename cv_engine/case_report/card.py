"""One case in the report: pictures, clip, facts, map sketch and history."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from html import escape
from typing import TYPE_CHECKING

from cv_engine.case_report.facts import entry_text, facts_of
from cv_engine.case_report.pictures import Package
from cv_engine.case_report.sketch import sketch_of_case
from cv_engine.evidence.report.sketch import Site
from cv_engine.html_page.page import picture

if TYPE_CHECKING:
    from cv_engine.cases import Case, Entry

_IN_HEADING = frozenset({"case", "kind"})


@dataclass(frozen=True, slots=True)
class ReportedCase:
    """A case in the report.

    Attributes:
        case: The case.
        title: Name of the case's class.
        history: Everything that happened to the case, oldest first.
        zone: Time zone of the camera.
        packages: The evidence packages.
    """

    case: Case
    title: str
    history: Sequence[Entry]
    zone: tzinfo
    packages: Sequence[Package]


def card(reported: ReportedCase, now: datetime) -> Iterator[str]:
    """One case as pieces of HTML.

    Args:
        reported: The case.
        now: The present time, from which deadlines are counted.
    """
    case = reported.case
    state = case.state.value
    yield f'<article class="case" id="case-{case.id}">'
    yield f"<h2>Case {case.id} · {escape(reported.title)} "
    yield f'<span class="state {state}">{state}</span></h2>'
    yield from _media(reported)
    yield '<div class="about"><dl>'
    for name, fact in facts_of(case, reported.zone, now).items():
        if name not in _IN_HEADING:
            yield f"<dt>{escape(name)}</dt><dd>{escape(fact)}</dd>"
    yield f"<dt>class</dt><dd>{escape(case.kind)}, {escape(case.standard)} {escape(case.code)}</dd>"
    yield "".join(_evidence(reported.packages))
    yield f"</dl>{_sketch(reported)}</div>"
    yield f"<details><summary>History ({len(reported.history)})</summary><ol>"
    for entry in reported.history:
        yield f"<li>{escape(entry_text(entry, reported.zone))}</li>"
    yield "</ol></details>"
    yield "</article>"


def _media(reported: ReportedCase) -> Iterator[str]:
    shown = [each for package in reported.packages for each in package.pictures]
    yield '<div class="pictures">' if shown else "<p>No pictures.</p>"
    for each in shown:
        text = f"Case {reported.case.id}: {each.title}"
        yield picture(each.link or "#", each.source, text, escape(each.title))
    yield "</div>" if shown else ""
    for clip in (clip for package in reported.packages for clip in package.clips):
        note = " (the original: other people are visible)" if clip.is_original else ""
        link = escape(clip.link)
        yield f'<details class="clip"><summary>Clip{note}</summary>'
        yield f'<video controls preload="none" src="{link}"></video>'
        yield f'<p><a href="{link}">{escape(clip.name)}</a></p></details>'
    photos = [photo for package in reported.packages for photo in package.photos]
    if photos:
        links = (f'<a href="{escape(each.link)}">{escape(each.name)}</a>' for each in photos)
        yield f'<p class="photos">Photos of officers: {", ".join(links)}</p>'


def _evidence(packages: Sequence[Package]) -> Iterator[str]:
    yield "<dt>evidence</dt>"
    if not packages:
        yield "<dd>none</dd>"
    for package in packages:
        problem = f": {package.problem}" if package.problem else ""
        yield f'<dd class="path">{escape(package.where + problem)}</dd>'


def _sketch(reported: ReportedCase) -> str:
    known = next((each.site for each in reported.packages if each.site is not None), None)
    site = Site.of(reported.case.place, known or {})
    if site is None:
        return ""
    sketch = sketch_of_case(site, f"Place of case {reported.case.id}")
    return f'<figure class="sketch">{sketch}<figcaption>{_key(site)}</figcaption></figure>'


def _key(site: Site) -> str:
    """What the colours of a sketch mean, as far as they are in it."""
    parts = ['<b class="thing">●</b> the thing']
    if site.accuracy_m is not None:
        parts[0] += f", within {site.accuracy_m:.0f} m"
    if site.camera is not None and any(site.camera):
        parts.append('<b class="camera">●</b> camera')
    if site.zones:
        parts.append('<b class="zone">■</b> zone')
    return " · ".join(parts)
