"""Number plates as everything in the program writes them: letters and digits only."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from zones.errors import WrongValue

#: Class of a regular expression: what is printed or typed between the signs of a plate.
BETWEEN: Final = r"[\s.\-_/\u00b7\u2010-\u2015\u2022\u2027\u2219\u22c5\u30fb\u25cf]"
_SHORTEST, _LONGEST = 2, 12  # characters, over all countries
_PLAIN = re.compile(rf"[\u4e00-\u9fff]?[0-9A-Z]{{{_SHORTEST},{_LONGEST - 2}}}")
_SEPARATORS = re.compile(BETWEEN)


def normal_plate(text: str) -> str:
    """A plate's text in upper case and normal width, without spaces, dots and dashes.

    Example:
        >>> normal_plate("浙b·12345")
        '浙B12345'

    Args:
        text: The plate as somebody wrote it.

    Raises:
        WrongValue: The text is no plate.
    """
    if _PLAIN.fullmatch(text):  # nearly all of millions of rows
        return text
    plate = _SEPARATORS.sub("", unicodedata.normalize("NFKC", text)).upper()
    if not _SHORTEST <= len(plate) <= _LONGEST or not plate.isalnum():
        raise WrongValue(
            f"{text!r} is no plate",
            f"write {_SHORTEST} to {_LONGEST} letters and digits, such as 浙B12345",
        )
    return plate
