"""Measurement of the fastest backend and precision on this machine."""
