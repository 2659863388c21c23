"""One comparison of two images: the request, tile by tile execution, and its result."""
