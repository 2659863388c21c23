"""Buffers between the receiving threads and the worker: ring buffer, clips, latest frames."""
