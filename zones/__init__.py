"""Zones that are watched for violations, and the mapping from a camera's pixels to the ground."""
