"""Registration of two images: alignment, radiometric normalisation, and masks."""
