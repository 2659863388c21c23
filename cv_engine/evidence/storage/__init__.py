"""Stores of evidence packages: folders and object storage, and the upload to them."""
