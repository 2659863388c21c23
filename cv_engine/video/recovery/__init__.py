"""Finds the pictures of an MP4 file that has lost its index."""
