"""What plates may say: syntaxes of layouts, gathered into countries that plug in."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property

# Separators that people write between the parts of a plate.
_SEPARATORS = re.compile(r"[\s·•・.\-_]+")


@dataclass(frozen=True, slots=True)
class Syntax:
    """The plates of one layout: which characters may stand at which place.

    Attributes:
        layout: Name of the layout, such as ``"blue"``.
        places: For each place, the characters that may stand there.
    """

    layout: str
    places: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.places or not all(self.places):
            raise ValueError(f"syntax of {self.layout}: each place needs at least one character")

    def matches(self, text: str) -> bool:
        """Whether a text, without separators, is such a plate."""
        return len(text) == len(self.places) and all(
            character in allowed for character, allowed in zip(text, self.places, strict=True)
        )


@dataclass(frozen=True)
class Country:
    """The plates of a country, or of several with one reader.

    Attributes:
        name: Name in the configuration.
        characters: Characters by class of the reader's network; the first stands for none.
        layouts: Layouts by class of the reader's network.
        syntaxes: What the plates may say.
        reader: File name of the reader's weights in this package.
        two_lines: Layouts of two lines.
        provinces: Characters of the first place that name a province; empty where there are none.
    """

    name: str
    characters: tuple[str, ...]
    layouts: tuple[str, ...]
    syntaxes: tuple[Syntax, ...]
    reader: str
    two_lines: frozenset[str] = field(default_factory=frozenset)
    provinces: str = ""

    def __post_init__(self) -> None:
        known = set(self.characters)
        for syntax in self.syntaxes:
            if syntax.layout not in self.layouts:
                raise ValueError(f"{self.name}: the reader knows no layout {syntax.layout!r}")
            for allowed in syntax.places:
                if missing := set(allowed) - known:
                    raise ValueError(f"{self.name}: the reader knows no {''.join(sorted(missing))}")

    @cached_property
    def classes(self) -> dict[str, int]:
        """The class of each character."""
        return {character: k for k, character in enumerate(self.characters)}

    def layouts_of(self, text: str) -> list[str]:
        """The layouts whose plates may say ``text``, in the order of the syntaxes."""
        found = [syntax.layout for syntax in self.syntaxes if syntax.matches(text)]
        return list(dict.fromkeys(found))

    def is_plate(self, text: str) -> bool:
        """Whether a text, without separators, is a plate of this country."""
        return any(syntax.matches(text) for syntax in self.syntaxes)


def normalised(text: str) -> str:
    """Return a plate as the program writes it: upper case, without separators.

    Example:
        >>> normalised("浙b·12345")
        '浙B12345'
    """
    return _SEPARATORS.sub("", text).upper()
