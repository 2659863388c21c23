"""The sample: a street clip composed at set-up from one photograph that a pinned wheel ships."""
