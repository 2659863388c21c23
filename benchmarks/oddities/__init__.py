"""Cameras and files as people report them: each with one oddity that breaks video software."""
