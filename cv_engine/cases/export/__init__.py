"""Export: cases as files that other programs read."""
