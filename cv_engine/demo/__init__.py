"""The demo: a street clip composed on this machine from one photograph of a pinned wheel."""
