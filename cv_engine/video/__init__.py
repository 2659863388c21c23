"""Recorded video: opening, decoding and sampling of recordings, and the time of each sample."""
