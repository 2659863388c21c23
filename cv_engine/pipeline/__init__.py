"""From sampled frames to filed findings: what recorded footage and live streams share."""
