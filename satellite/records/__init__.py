"""A city's records: permits, planning zones and camera coverage, and the verdict on a site."""
