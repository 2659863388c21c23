"""Glyphs of plates: own strokes and the system's fonts, stretched to the boxes of the standard."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from models.plates.alphabet import PROVINCES, SPECIAL
from models.plates.training.strokes import STROKES, draw

HEIGHT_PX = 90
WIDTH_PX = 45
_FONT_PX = 160
_SIMPLIFIED = 2  # the face of Noto's collections with the forms of mainland China
_FLAGGED_FROM = 0.12  # strokes from this width on, one in ten, have a 1 with its flag
_NARROW = frozenset("1IJ")  # keep their own proportions more than others

_FOLDERS = (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"))

# Debian: fonts-noto-cjk{,-extra} fonts-wqy-zenhei fonts-wqy-microhei fonts-lxgw-wenkai
CHINESE_FONTS = (
    "NotoSansCJK-DemiLight.ttc",
    "NotoSansCJK-Regular.ttc",
    "NotoSansCJK-Medium.ttc",
    "NotoSansCJK-Bold.ttc",
    "wqy-zenhei.ttc",
    "wqy-microhei.ttc",
    "LXGWWenKai-Bold.ttf",
)
# Debian: fonts-opendin fonts-routed-gothic fonts-liberation fonts-roboto fonts-dosis fonts-b612
# fonts-mplus fonts-play fonts-clear-sans fonts-dejavu
LATIN_FONTS = (
    "OSP-DIN.ttf",
    "routed-gothic.ttf",
    "routed-gothic-narrow.ttf",
    "LiberationSans-Regular.ttf",
    "LiberationSans-Bold.ttf",
    "LiberationSansNarrow-Bold.ttf",
    "Roboto-Medium.ttf",
    "Roboto-Regular.ttf",
    "RobotoCondensed-Regular.ttf",
    "RobotoCondensed-Bold.ttf",
    "Dosis-SemiBold.otf",
    "B612-Regular.otf",
    "Mplus1-Medium.otf",
    "Play-Regular.otf",
    "ClearSans-Medium.ttf",
    "NotoSansCJK-Medium.ttc",
    "NimbusSansNarrow-Bold.otf",
    "DejaVuSansCondensed-Bold.ttf",
)

Coverage = npt.NDArray[np.uint8]


class FontsMissing(Exception):
    """No font for Chinese characters is installed."""


@cache
def _installed() -> dict[str, Path]:
    return {
        p.name: p for folder in _FOLDERS if folder.is_dir() for p in folder.rglob("*.[to]t[fc]")
    }


def available(names: tuple[str, ...]) -> list[str]:
    """Return those of ``names`` that are installed.

    Raises:
        FontsMissing: None is.
    """
    found = [name for name in names if name in _installed()]
    if not found:
        raise FontsMissing(f"none of the fonts {', '.join(names)} is installed")
    return found


@cache
def _tight(character: str, font_name: str) -> Coverage:
    """Return the character's ink alone, at the font's own proportions."""
    index = _SIMPLIFIED if font_name.startswith("NotoSansCJK") else 0
    font = ImageFont.truetype(str(_installed()[font_name]), _FONT_PX, index=index)
    image = Image.new("L", (_FONT_PX * 2, _FONT_PX * 2))
    ImageDraw.Draw(image).text((_FONT_PX // 2, _FONT_PX // 4), character, 255, font)
    box = image.getbbox()
    if box is None:
        raise FontsMissing(f"{font_name} has no {character}")
    return np.asarray(image.crop(box))


@dataclass(frozen=True, slots=True)
class Typeface:
    """How the glyphs of one plate look.

    Attributes:
        latin: Font of digits and letters; ``None`` for own strokes.
        chinese: Font of Chinese characters.
        stroke: Width of own strokes in parts of a glyph's height.
        weight: Pixels by which glyphs are thickened, or thinned if negative.
        wobble: The maker's own way with the strokes.
    """

    latin: str | None
    chinese: str
    stroke: float
    weight: float
    wobble: npt.NDArray[np.float64]

    def glyph(self, character: str, width: int = WIDTH_PX, height: int = HEIGHT_PX) -> Coverage:
        """Return a character's coverage, ``(height, width)``, 0 to 255."""
        if character in STROKES and self.latin is None:
            # Nearly all plates have a 1 without its flag.
            if character == "1" and self.stroke < _FLAGGED_FROM:
                character = "I"
            return draw(character, width, height, self.stroke * HEIGHT_PX, self.wobble)
        font = self.chinese if character in PROVINCES + SPECIAL else (self.latin or self.chinese)
        ink = _tight(character, font)
        inner = width
        if character in _NARROW:
            inner = int(np.clip(ink.shape[1] * height / ink.shape[0] * 0.9, 8, width))
        # Area averaging first where the glyph shrinks, so that thin strokes survive.
        glyph = cv2.resize(ink, (inner, height), interpolation=cv2.INTER_AREA)
        glyph = _thickened(glyph.astype(np.uint8), self.weight)
        left = (width - inner) // 2
        return cv2.copyMakeBorder(
            glyph, 0, 0, left, width - inner - left, cv2.BORDER_CONSTANT, value=0
        ).astype(np.uint8)


def _thickened(glyph: Coverage, weight: float) -> Coverage:
    if abs(weight) < 0.5:
        return glyph
    side = round(abs(weight)) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    change = cv2.dilate if weight > 0 else cv2.erode
    return change(glyph, kernel).astype(np.uint8)


def typeface(random: np.random.Generator, own_share: float) -> Typeface:
    """Draw a typeface at random.

    Args:
        random: Source of chance.
        own_share: Share of typefaces whose digits and letters are own strokes.
    """
    chinese = available(CHINESE_FONTS)
    # The brush-like face is rare: the plates' own characters are of the sans-serif kind.
    weights = np.array([0.3 if "WenKai" in name else 1.0 for name in chinese])
    own = random.random() < own_share
    return Typeface(
        latin=None if own else str(random.choice(available(LATIN_FONTS))),
        chinese=str(random.choice(chinese, p=weights / weights.sum())),
        stroke=float(random.uniform(0.075, 0.125)),
        weight=float(random.choice([-1.2, 0, 0, 0, 1.2, 2.0])),
        wobble=random.normal(0, [0.03, 0.02, 0.03, 0.02, 0.02, 0.01, 0.08]),
    )
