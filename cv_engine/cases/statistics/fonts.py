"""Names of classes on charts: English, with the Chinese name where a font can draw it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache

from cv_engine.cases.errors import QueueError
from cv_engine.cases.taxonomy import Taxonomy

#: Fonts with Chinese characters, as they are named on Linux, macOS and Windows.
_CHINESE = (
    *("Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN"),
    *("WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Droid Sans Fallback", "AR PL UMing CN"),
    *("PingFang SC", "Heiti SC", "Microsoft YaHei", "SimHei", "SimSun"),
)


@cache
def families() -> list[str]:
    """The fonts of charts: a font with Chinese characters follows, where one is installed."""
    # Few Chinese fonts have a bold face, and what is bold in charts has no Chinese characters.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    return ["DejaVu Sans", *chinese_fonts()]


@cache
def chinese_fonts() -> tuple[str, ...]:
    """The installed fonts with Chinese characters, the preferred one first."""
    found = _known()
    if not found:
        _add_new_fonts()
        found = _known()
    return found


def _known() -> tuple[str, ...]:
    from matplotlib import font_manager

    installed = {font.name for font in font_manager.fontManager.ttflist}
    return tuple(name for name in _CHINESE if name in installed)


def _add_new_fonts() -> None:
    """Find fonts that were installed after matplotlib made the list of fonts that it keeps."""
    from matplotlib import font_manager

    known = {font.fname for font in font_manager.fontManager.ttflist}
    for path in set(font_manager.findSystemFonts()) - known:
        try:
            font_manager.fontManager.addfont(path)
        except (OSError, RuntimeError):  # damaged, or of a form that matplotlib does not read
            continue


def class_names(taxonomy: Taxonomy) -> Callable[[str | None], str]:
    """A function that gives the name of a kind for charts."""
    chinese = bool(chinese_fonts())

    def name(kind: str | None) -> str:
        if kind is None:
            return "-"
        try:
            known = taxonomy.classify(kind)
        except QueueError:  # filed with another taxonomy
            return kind.replace("_", " ")
        return f"{known.name} {known.name_zh}" if chinese and known.name_zh else known.name

    return name
