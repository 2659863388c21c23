"""The configuration: one model per section of ``config.yaml``, and a loader that reports lines."""
