"""Finding cameras on the network: which answer, and where their streams are."""

from cv_engine.discovery.errors import DiscoveryError
from cv_engine.discovery.media import Stream, streams, streams_of
from cv_engine.discovery.probe import Device, discover

__all__ = ["Device", "DiscoveryError", "Stream", "discover", "streams", "streams_of"]
