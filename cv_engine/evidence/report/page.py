"""Writes the sheet as one page of PDF."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC
from typing import TYPE_CHECKING

from cv_engine.evidence.profiles import Judged
from cv_engine.evidence.profiles.checks import Outcome
from cv_engine.evidence.report import sketch
from cv_engine.evidence.report.lettering import Lettering
from cv_engine.evidence.report.sheet import Sheet, Shown

if TYPE_CHECKING:
    from fpdf import FPDF

_WIDTH, _HEIGHT = 210.0, 297.0  # A4
_MARGIN, _GAP = 12.0, 4.0
_INNER = _WIDTH - 2 * _MARGIN
_WIDE_HIGH = 78.0  # of the row of panoramas, at most
_BOX = 56.0  # side of the map, and height of the close-up
_NAME = 17.0  # width of the column of names
_QR = 30.0
_ROOM = 17.0  # for a profile with all its points
_LEGEND = "red: the place · blue: camera · amber: zone"
_RULE = 236.0  # top of the part that is signed
_GREY, _RED, _GREEN, _AMBER = (95, 95, 95), (190, 30, 24), (20, 120, 60), (170, 110, 0)
_COLOURS = {Outcome.MET: _GREEN, Outcome.SHORT: _RED, Outcome.UNKNOWN: _AMBER}


def write_page(sheet: Sheet) -> bytes:
    """Writes a sheet.

    Args:
        sheet: What stands on it.

    Returns:
        The PDF file: one A4 page, fonts embedded.
    """
    from fpdf import FPDF

    pdf = FPDF(unit="mm", format="A4")
    pdf.set_auto_page_break(False)
    pdf.set_margin(_MARGIN)
    pdf.c_margin = 0.0  # text begins where pictures do
    pdf.set_creation_date(sheet.printed)
    pdf.set_title(f"Evidence {sheet.name}")
    pdf.set_subject(f"sha256:{sheet.digest}")
    pdf.set_creator("cv-engine")
    pdf.add_page()
    letters = Lettering(pdf)
    top = _head(letters, sheet)
    top = _panoramas(pdf, letters, sheet.wide, top)
    top = _middle(pdf, letters, sheet, top)
    _profiles(letters, sheet.profiles, top)
    _foot(pdf, letters, sheet)
    return bytes(pdf.output())


def _head(letters: Lettering, sheet: Sheet) -> float:
    case = "" if sheet.case is None else f"Case {sheet.case} 案件 · "
    top = _MARGIN
    letters.line("EVIDENCE OF A VIOLATION 违法行为证据", (_MARGIN, top), _INNER, 8, colour=_GREY)
    top += 5.0
    top += letters.line(sheet.heading, (_MARGIN, top), _INNER, 15, bold=True)
    line = f"{case}{sheet.name}"
    return top + letters.line(line, (_MARGIN, top), _INNER, 7, colour=_GREY) + 1.5


def _panoramas(pdf: FPDF, letters: Lettering, pictures: Sequence[Shown], top: float) -> float:
    room = (_INNER - _GAP * (len(pictures) - 1)) / max(1, len(pictures))
    high = 0.0
    for number, picture in enumerate(pictures):
        left = _MARGIN + number * (room + _GAP)
        high = max(high, _picture(pdf, letters, picture, (left, top), (room, _WIDE_HIGH)))
    return top + high + 2.5


def _picture(
    pdf: FPDF,
    letters: Lettering,
    picture: Shown,
    at: tuple[float, float],
    room: tuple[float, float],
) -> float:
    """Places a picture, as large as the room permits; returns the height with its title."""
    title = letters.line(picture.title, at, room[0], 7, bold=True) + 0.3
    width, height = _fitting(picture.data, room)
    pdf.image(io.BytesIO(picture.data), at[0], at[1] + title, w=width, h=height)
    return title + height


def _fitting(data: bytes, room: tuple[float, float]) -> tuple[float, float]:
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        width, height = image.size
    scale = min(room[0] / width, room[1] / height)
    return width * scale, height * scale


def _middle(pdf: FPDF, letters: Lettering, sheet: Sheet, top: float) -> float:
    """The close-up and the map at the right, the facts at the left."""
    left = _MARGIN + _INNER - _BOX
    low = top
    if sheet.close is not None:
        low += _picture(pdf, letters, sheet.close, (left, low), (_BOX, _BOX)) + 2.0
    if sheet.site is not None:
        low += letters.line("Place", (left, low), _BOX, 7, bold=True)
        low += letters.line(_LEGEND, (left, low), _BOX, 6, colour=_GREY) + 0.3
        size = min(_BOX, _RULE - low - 3.0)
        sketch.draw(pdf, sheet.site, (left, low), size)
        low += size + 2.0
    height = top
    width = _INNER - _BOX - _GAP - _NAME
    for name, value in sheet.facts:
        letters.line(name, (_MARGIN, height), _NAME, 8, colour=_GREY)
        is_plate = name == "Plate"
        height += letters.line(
            *(value, (_MARGIN + _NAME, height), width, 11 if is_plate else 8),
            bold=is_plate,
            most=3,
        )
        height += 0.9
    return height + 2.0


def _profiles(letters: Lettering, profiles: Sequence[Judged], top: float) -> None:
    width = _INNER - _BOX - _GAP
    for number, judged in enumerate(profiles):
        if top > _RULE - _ROOM:
            left = f"{len(profiles) - number} more profiles: see cv-engine evidence verify"
            letters.line(left, (_MARGIN, top), width, 7, colour=_GREY)
            return
        profile = judged.profile
        origin = f" ({profile.provenance})" if profile.provisional else ""
        heading = f"{profile.name}{origin}: {judged.outcome.value}"
        colour = _COLOURS[judged.outcome]
        top += letters.line(heading, (_MARGIN, top), width, 7.5, bold=True, colour=colour, most=2)
        points = "; ".join(f"{point.asked}: {point.found}" for point in judged.lacking)
        if points:
            top += letters.line(points, (_MARGIN, top), width, 7, colour=_GREY, most=4)
        top += 1.2


def _foot(pdf: FPDF, letters: Lettering, sheet: Sheet) -> None:
    pdf.set_draw_color(*_GREY)
    pdf.set_line_width(0.2)
    pdf.line(_MARGIN, _RULE, _WIDTH - _MARGIN, _RULE)
    _qr(pdf, sheet.digest, (_WIDTH - _MARGIN - _QR, _RULE + 3.0))
    width = _INNER - _QR - _GAP
    top = _RULE + 3.0
    for name, value, size in (
        ("SHA-256", sheet.digest, 7.0),
        ("Signature", sheet.signature, 6.2),  # 88 letters on one line
        ("Key", sheet.signer, 7.0),
    ):
        letters.line(name, (_MARGIN, top), _NAME, 7, colour=_GREY)
        top += letters.line(value, (_MARGIN + _NAME, top), width - _NAME, size, most=2) + 0.6
    said = (
        "The digest is that of manifest.json, which lists every file of the package with its own; "
        "the signature (Ed25519) is of the same file. Check with: cv-engine evidence verify, or "
        "sha256sum and openssl."
    )
    for note in (*sheet.notes, said):
        top += letters.line(note, (_MARGIN, top), width, 6.5, colour=_GREY, most=3) + 0.4
    line = _HEIGHT - _MARGIN - 9.0
    for number, name in enumerate(("Officer 执法人员", "Signature 签名", "Date 日期")):
        left = _MARGIN + number * (_INNER / 3)
        pdf.line(left, line, left + _INNER / 3 - _GAP, line)
        letters.line(name, (left, line + 0.8), _INNER / 3, 7, colour=_GREY)
    printed = f"printed {sheet.printed.astimezone(UTC):%Y-%m-%d %H:%M} UTC · cv-engine"
    letters.line(printed, (_MARGIN, _HEIGHT - _MARGIN - 2.5), _INNER, 6, colour=_GREY)


def _qr(pdf: FPDF, digest: str, at: tuple[float, float]) -> None:
    """Draws the digest as a QR code of squares, which stay sharp in print."""
    import segno

    rows = list(segno.make(f"sha256:{digest}", error="m", micro=False).matrix)
    side = _QR / len(rows)
    pdf.set_fill_color(0, 0, 0)
    for y, row in enumerate(rows):
        for x, dark in enumerate(row):
            if dark:
                # A little larger, so that no line of light shows between two.
                pdf.rect(at[0] + x * side, at[1] + y * side, side * 1.02, side * 1.02, style="F")
