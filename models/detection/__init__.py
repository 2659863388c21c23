"""Before and after a detector: letterboxing, output decoders, non-maximum suppression."""
