"""Measuring which backend and precision is fastest on this machine."""
