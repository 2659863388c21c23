"""Scenes composed of real empty views and real objects, with exact truth."""
