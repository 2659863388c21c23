"""The scene of a fixed camera: its background, the health of its view, and appearance."""
