"""The command groups of ``cv-engine``, one file each, and what they share."""
