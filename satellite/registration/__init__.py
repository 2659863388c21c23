"""Two images made comparable: alignment, normalisation, and masks."""
