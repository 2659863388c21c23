"""The ``live`` section of the configuration."""

from __future__ import annotations

from cv_engine.section import Count, Megabytes, Port, Seconds, SecondsOrZero, Section, Text


class LiveConfig(Section):
    """Live streams: how they are looked at, and what is kept of them."""

    workers: Count | None = None
    calm_sample_s: Seconds = 4.0
    stall_s: Seconds = 10.0
    retry_s: Seconds = 60.0
    gap_s: Seconds = 1800.0
    blind_s: Seconds = 600.0
    batch_wait_s: SecondsOrZero = 0.2
    ring_s: Seconds = 20.0
    ring_mb: Megabytes = 8.0
    checkpoint_s: Seconds = 60.0
    metrics_host: Text = "127.0.0.1"
    metrics_port: Port | None = 9108
