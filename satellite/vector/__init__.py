"""From changed pixels to polygons: blobs, outlines, change types and GIS files."""
