"""Recorded video: which pictures are looked at, when they were taken, and what changed in them."""
