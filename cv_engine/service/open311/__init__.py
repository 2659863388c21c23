"""Open311 GeoReport v2: reports of citizens and of other systems in, their state out.

The specification is at https://wiki.open311.org/GeoReport_v2/. A service is a kind of violation, a
request is a case.
"""
