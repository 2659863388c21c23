"""The pictures and clips of an evidence package."""
