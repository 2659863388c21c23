"""Recorded footage: files of a camera in order of time, analysed into cases; resumable."""
