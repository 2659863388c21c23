"""Changes between satellite and aerial images of the same area."""
