"""Number plates: found, rectified, read, and voted over several frames."""
