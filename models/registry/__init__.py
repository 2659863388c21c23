"""The model registry: the manifest, downloads, and the local cache."""
