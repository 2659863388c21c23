"""Training of the plate readers on rendered plates: needs torch and fonts, never at run time."""
