"""Discovery of ONVIF cameras and their streams on the network."""

from cv_engine.discovery.device_clock import DeviceClock, device_clock
from cv_engine.discovery.errors import DiscoveryError
from cv_engine.discovery.onvif_streams import Stream, streams, streams_of
from cv_engine.discovery.ws_discovery import Device, discover

__all__ = [
    "Device",
    "DeviceClock",
    "DiscoveryError",
    "Stream",
    "device_clock",
    "discover",
    "streams",
    "streams_of",
]
