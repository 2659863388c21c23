"""Scenes, steps and scores of the benchmarks of satellite imagery."""
