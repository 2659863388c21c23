"""Streams of H.264 and H.265: NAL units, parameter sets and access units."""
