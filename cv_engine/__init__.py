"""The frame-processing core and the case queue."""
