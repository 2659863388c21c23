"""8-bit (QDQ) versions of models, calibrated with images."""
