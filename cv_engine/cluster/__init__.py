"""Live streams watched by many machines, with Ray."""
