"""Live streams: many cameras watched at once, until stopped."""
