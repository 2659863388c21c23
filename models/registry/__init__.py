"""The model registry: manifest, downloads and local cache."""
