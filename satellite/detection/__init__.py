"""Change detectors: the network, the cascade of a screen and the network, and the classical one."""
