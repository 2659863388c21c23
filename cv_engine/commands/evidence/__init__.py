"""The commands of the group ``cv-engine evidence``."""
