"""One file per violation, and the dwell that they share."""
