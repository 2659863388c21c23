"""Raster layers of a comparison, written tile by tile, then as Cloud-Optimised GeoTIFF."""
