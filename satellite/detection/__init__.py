"""Detectors of change: the network, the screen and cascade before it, and the classical one."""
