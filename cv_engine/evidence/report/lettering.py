"""Text on a page in any script: with an installed font, else drawn."""

from __future__ import annotations

import logging
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from cv_engine.evidence.media.annotate import BOLD, REGULAR, font, text_width

if TYPE_CHECKING:
    from fpdf import FPDF

_LATIN, _CHINESE = "latin", "chinese"
_DRAWN_PX = 64  # height of drawn letters: 400 dots per inch at 9 points and more
_POINT_MM = 25.4 / 72
_LINE = 1.32  # height of a line per letter size


class Lettering:
    """Writes text on a page.

    Latin, Greek and Cyrillic letters have their font with the program. Other scripts need an
    installed font with Chinese characters; where there is none, such text is drawn as a picture
    with the font that is built into OpenCV, so that it shows on every machine.

    Args:
        pdf: The page, whose unit is the millimetre.
    """

    def __init__(self, pdf: FPDF) -> None:
        self._pdf = pdf
        # Subsetting notes every table of a font that it leaves out.
        logging.getLogger("fontTools").setLevel(logging.ERROR)
        for style, path in _latin_files().items():
            pdf.add_font(_LATIN, style, path)
        chinese = chinese_file()
        self._covered = [_letters(pdf, _LATIN)]
        if chinese is not None:
            pdf.add_font(_CHINESE, "", chinese)
            pdf.set_fallback_fonts([_CHINESE], exact_match=False)
            self._covered.append(_letters(pdf, _CHINESE))
        pdf.set_font(_LATIN, size=8)

    def line(
        self,
        text: str,
        at: tuple[float, float],
        width: float,
        points: float,
        *,
        bold: bool = False,
        colour: tuple[int, int, int] = (20, 20, 20),
        most: int = 1,
    ) -> float:
        """Writes text, wrapped to a width.

        Args:
            text: The text.
            at: Left and top.
            width: Width of the lines, millimetres.
            points: Size of the letters.
            bold: Whether the letters are bold.
            colour: Red, green, blue.
            most: Number of lines at most; longer text is shortened.

        Returns:
            The height of what was written, millimetres.
        """
        shown = "".join(c if c.isprintable() else " " for c in text)
        height = points * _POINT_MM * _LINE
        if not all(any(ord(c) in known for known in self._covered) for c in shown):
            return self._drawn(shown, at, width, height, bold=bold)
        pdf = self._pdf
        pdf.set_font(_LATIN, "B" if bold else "", points)
        pdf.set_text_color(*colour)
        pdf.set_xy(*at)
        found = pdf.multi_cell(width, height, shown, dry_run=True, output="LINES", align="L")
        lines = [str(each) for each in found] if isinstance(found, list) else [shown]
        if len(lines) > most:
            lines = [*lines[: most - 1], f"{lines[most - 1][:-1]}…"]
        for number, each in enumerate(lines):
            pdf.set_xy(at[0], at[1] + number * height)
            pdf.cell(width, height, each)
        return height * len(lines)

    def _drawn(
        self, text: str, at: tuple[float, float], width: float, height: float, *, bold: bool
    ) -> float:
        from PIL import Image

        weight = BOLD if bold else REGULAR
        wide = text_width(text, _DRAWN_PX, weight) + 8
        picture = np.full((round(_DRAWN_PX * 1.5), wide, 3), 255, dtype=np.uint8)
        place = (4, round(_DRAWN_PX * 1.1))
        cv2.putText(picture, text, place, (20, 20, 20), font(), _DRAWN_PX, weight)
        drawn = min(width, height * wide / picture.shape[0])
        self._pdf.image(Image.fromarray(picture), *at, w=drawn, alt_text=text)
        return height


def _letters(pdf: FPDF, name: str) -> set[int]:
    """The characters that a font has."""
    from fpdf.fonts import TTFFont

    font = pdf.fonts[name]
    assert isinstance(font, TTFFont)
    return set(font.cmap)


@cache
def _latin_files() -> dict[str, Path]:
    """The fonts that come with matplotlib, by style."""
    import matplotlib as mpl

    folder = Path(mpl.get_data_path()) / "fonts/ttf"
    return {"": folder / "DejaVuSans.ttf", "B": folder / "DejaVuSans-Bold.ttf"}


def chinese_file() -> Path | None:
    """An installed font with Chinese characters; ``None`` where there is none."""
    from matplotlib import font_manager

    from cv_engine.cases.statistics.fonts import chinese_fonts

    for name in chinese_fonts():
        path = Path(font_manager.findfont(name, fallback_to_default=False))
        if path.suffix.lower() in (".ttf", ".ttc", ".otf"):
            return path
    return None
